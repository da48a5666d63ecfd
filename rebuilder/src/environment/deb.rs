//! The containers of a Debian package (step 3): `ar` outside, two compressed `tar`s inside; deb(5).

use std::collections::BTreeMap;
use std::io::{self, Read};

use flate2::read::GzDecoder;
use liblzma::read::XzDecoder;
use ruzstd::decoding::StreamingDecoder;

use crate::limits;

/// Why a package cannot be unpacked. Its digest was checked, so the archive's fault or an attack.
#[derive(Debug, thiserror::Error)]
pub enum DebError {
    /// An entry would reach outside of the root, or is of a kind that no package needs.
    #[error("entry {path:?} is refused: {why}")]
    Refused {
        /// The entry's name.
        path: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Not the containers of a package.
    #[error("not a Debian package: {0}")]
    Form(String),
    /// The disk or the reader failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// The control part: file names and contents, e.g. `control`, `conffiles`, `postinst`.
pub(crate) type Control = BTreeMap<String, (Vec<u8>, u32)>;

/// A package that was read once.
pub(crate) struct Package<T> {
    /// Its control part.
    pub(crate) control: Control,
    /// The newest time in its control part, in seconds since 1970: when the package was built, as
    /// its builder wants it known.
    pub(crate) built: u64,
    /// What became of its data part.
    pub(crate) data: T,
}

/// Reads a package once: its control part is returned, its data part goes to `unpack`.
pub(crate) fn read<T>(
    package: impl Read,
    unpack: impl FnOnce(&Control, &mut dyn Read) -> Result<T, DebError>,
) -> Result<Package<T>, DebError> {
    let mut members = ar::Archive::new(package);
    let mut control = None;
    let mut unpack = Some(unpack);
    while let Some(member) = members.next_entry() {
        let mut member = member?;
        let name = String::from_utf8_lossy(member.header().identifier()).into_owned();
        if let Some(form) = name.strip_prefix("control.tar") {
            control = Some(read_control(&mut *decoder(form, &mut member, limits::CONTROL_BYTES)?)?);
        } else if let Some(form) = name.strip_prefix("data.tar") {
            let (control, built) = control
                .ok_or_else(|| DebError::Form("no control part before the data".to_owned()))?;
            let unpack =
                unpack.take().ok_or_else(|| DebError::Form("two data parts".to_owned()))?;
            let mut packed = decoder(form, &mut member, limits::PACKAGE_UNPACKED_BYTES)?;
            let data = unpack(&control, &mut *packed)?;
            return Ok(Package { control, built, data });
        }
    }
    Err(DebError::Form("no data part".to_owned()))
}

/// Past its limit a decoder ends, and the `tar` in it is cut off, which is an error.
fn decoder<'a>(
    form: &str,
    packed: &'a mut dyn Read,
    limit: u64,
) -> Result<Box<dyn Read + 'a>, DebError> {
    let unpacked: Box<dyn Read + 'a> = match form {
        "" => Box::new(packed),
        ".gz" => Box::new(GzDecoder::new(packed)),
        ".xz" => Box::new(XzDecoder::new_multi_decoder(packed)),
        ".zst" => {
            let decoder = StreamingDecoder::new(packed);
            Box::new(decoder.map_err(|e| DebError::Form(format!("zstd: {e}")))?)
        }
        other => return Err(DebError::Form(format!("unknown compression {other:?}"))),
    };
    Ok(Box::new(unpacked.take(limit)))
}

fn read_control(unpacked: &mut dyn Read) -> Result<(Control, u64), DebError> {
    let (mut control, mut built) = (Control::new(), 0);
    for entry in tar::Archive::new(unpacked).entries()? {
        let mut entry = entry?;
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        built = built.max(entry.header().mtime()?);
        let name = path.strip_prefix("./").unwrap_or(&path).to_owned();
        if entry.header().entry_type().is_dir() {
            continue;
        }
        let is_plain = !name.is_empty() && !name.contains('/') && name != "..";
        if !entry.header().entry_type().is_file() || !is_plain {
            return Err(DebError::Refused { path, why: "a control part holds plain files only" });
        }
        let mut content = Vec::new();
        entry.read_to_end(&mut content)?;
        control.insert(name, (content, entry.header().mode()? & 0o777));
    }
    Ok((control, built))
}
