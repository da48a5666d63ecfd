//! The source's own description (step 1): its `.dsc` may say nothing else than the signed index.
//!
//! `dpkg-source` takes the names of the files from here and is told not to check, because it knows
//! neither keyring nor index. So the check is ours. The maintainer's signature is no authority: it
//! would be one more key to trust, and the archive has already checked it.

use std::collections::BTreeMap;

use super::stanza::Stanza;
use super::{DebianRelease, IndexError, sources};
use crate::cas::Cas;
use crate::error::RebuildError;
use crate::limits;

/// Checks name, version and files of the `.dsc`, which must be in the store.
pub(crate) fn check(release: &DebianRelease, cas: &Cas) -> Result<(), RebuildError> {
    let Some((dsc, others)) = release.release.sources().split_first() else {
        return Ok(());
    };
    let bytes = cas.read(&dsc.sha256, limits::DSC_BYTES)?;
    let others: BTreeMap<&str, _> =
        others.iter().map(|file| (file.name.as_str(), (file.sha256, file.size))).collect();
    let contradiction = || -> Result<(), String> {
        let text = std::str::from_utf8(&bytes).map_err(|_| "not UTF-8".to_owned())?;
        let stanza = Stanza::parse(signed_text(text)?)?;
        same("Source", stanza.need("Source")?, &release.source_name)?;
        same("Version", stanza.need("Version")?, &release.version)?;
        let theirs = sources::checksums(&stanza)?;
        let stated = theirs.iter().map(|(digest, size, name)| (name.as_str(), (*digest, *size)));
        if stated.collect::<BTreeMap<_, _>>() != others {
            return Err("Checksums-Sha256 names other files".to_owned());
        }
        // dpkg-source unpacks what any of its lists names.
        for list in ["Files", "Checksums-Sha1", "Checksums-Md5", "Checksums-Sha512"] {
            let lines = stanza.get(list).unwrap_or_default().lines().filter(|l| !l.is_empty());
            if let Some(name) = lines
                .filter_map(|l| l.split_whitespace().next_back())
                .find(|n| !others.contains_key(n))
            {
                return Err(format!("{list} names {name:?}"));
            }
        }
        Ok(())
    };
    Ok(contradiction().map_err(|why| IndexError::Malformed {
        location: dsc.location.clone(),
        why: format!("{why}, which the signed index does not say"),
    })?)
}

fn same(field: &str, found: &str, needed: &str) -> Result<(), String> {
    if found == needed {
        return Ok(());
    }
    Err(format!("{field} is {found:?} and not {needed:?}"))
}

/// The text between the lines of a clear signature (RFC 9580, section 7), or the whole.
///
/// Nothing may stand outside of it, or two readers could see two texts.
pub(crate) fn signed_text(text: &str) -> Result<&str, String> {
    const BEGIN: &str = "-----BEGIN PGP SIGNED MESSAGE-----\n";
    const SIGNATURE: &str = "\n-----BEGIN PGP SIGNATURE-----\n";
    const END: &str = "\n-----END PGP SIGNATURE-----";
    let Some(rest) = text.strip_prefix(BEGIN) else {
        if text.contains("-----BEGIN PGP") {
            return Err("text before its signed text".to_owned());
        }
        return Ok(text);
    };
    let (_, rest) = rest.split_once("\n\n").ok_or("a signed text without body")?;
    let (body, signature) = rest.split_once(SIGNATURE).ok_or("a signed text without signature")?;
    let (_, after) = signature.split_once(END).ok_or("a signature without end")?;
    // Dash-escaped lines begin no field; in a description they would only look odd.
    if !after.trim().is_empty() || body.contains("-----BEGIN PGP") {
        return Err("text after its signature".to_owned());
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn a_signed_text_is_read_and_nothing_around_it() {
        let signed = "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\nSource: a\n\n-----BEGIN PGP SIGNATURE-----\n\nabc\n-----END PGP SIGNATURE-----\n";
        assert_eq!(signed_text(signed).unwrap(), "Source: a\n");
        assert_eq!(signed_text("Source: a\n").unwrap(), "Source: a\n");
        for evil in [
            format!("Source: b\n{signed}"),
            format!("{signed}Source: b\n"),
            signed.replace("-----END PGP SIGNATURE-----", ""),
            signed.replace("-----BEGIN PGP SIGNATURE-----", ""),
            signed.replace("\n\n", "\n"),
        ] {
            assert!(signed_text(&evil).is_err(), "{evil}");
        }
    }
}
