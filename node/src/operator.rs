//! What an operator's offline key signs: certificates, and the end of a rebuilder key.

use std::path::Path;
use std::str::FromStr;

use reattest_attestation::limits::LAST_GOOD_MAX;
use reattest_attestation::log::{Checkpoint, Origin};
use reattest_attestation::{
    Certificate, Certified, Envelope, NetworkId, PublicKey, Revocation, Rotation, Sign, Timestamp,
};

use crate::clock;
use crate::fault::Fault;
use crate::limits::CERTIFICATE_DAYS_MAX;
use crate::signer::resume::At;
use crate::store::Store;

/// How long a certificate holds where nobody says otherwise: a year and a month, so that a yearly
/// habit is enough.
pub const CERTIFICATE_DAYS: u32 = 396;

/// Clocks differ: a certificate holds from this long before it was made.
const BEFORE_SECONDS: i64 = 3600;

/// Certifies a rebuilder key for a number of days from now.
pub fn certify(operator: &dyn Sign, rebuilder: PublicKey, days: u32) -> Result<Envelope, Fault> {
    let certificate = certificate(operator.public_key(), rebuilder, days)?;
    let payload = certificate
        .to_payload()
        .map_err(|error| Fault::new("the certificate cannot be composed", error))?;
    Envelope::sign(payload, operator)
        .map_err(|error| Fault::new("the certificate cannot be signed", error))
}

fn certificate(operator: PublicKey, rebuilder: PublicKey, days: u32) -> Result<Certificate, Fault> {
    if days == 0 || days > CERTIFICATE_DAYS_MAX {
        return Err(Fault::text(format!(
            "found {days} days, needed 1 to {CERTIFICATE_DAYS_MAX}: a key that nobody renews must end by itself"
        )));
    }
    if operator == rebuilder {
        return Err(Fault::text(
            "the operator's own key was to be certified as a rebuilder's, needed another one: the \
             operator's key stays offline",
        ));
    }
    let now = clock::now().as_unix();
    let seconds = i64::from(days).saturating_mul(24 * 3600);
    Ok(Certificate {
        operator,
        rebuilder,
        not_before: Timestamp::from_unix(now.saturating_sub(BEFORE_SECONDS)),
        not_after: Timestamp::from_unix(now.saturating_add(seconds)),
    })
}

/// Signs that a key is no longer the operator's.
pub fn revoke(
    operator: &dyn Sign,
    rebuilder: PublicKey,
    last_good: Vec<Checkpoint>,
    reason: &str,
) -> Result<Envelope, Fault> {
    let revocation = revocation(operator.public_key(), rebuilder, last_good, reason);
    let payload = revocation
        .to_payload()
        .map_err(|error| Fault::new("the revocation cannot be composed", error))?;
    Envelope::sign(payload, operator)
        .map_err(|error| Fault::new("the revocation cannot be signed", error))
}

/// Signs that one key follows another.
pub fn rotate(
    operator: &dyn Sign,
    (old, new): (PublicKey, PublicKey),
    days: u32,
    last_good: Vec<Checkpoint>,
    reason: &str,
) -> Result<Envelope, Fault> {
    let certificate = certificate(operator.public_key(), new, days)?;
    let revocation = revocation(operator.public_key(), old, last_good, reason);
    let payload = Rotation { certificate, revocation }
        .to_payload()
        .map_err(|error| Fault::new("the rotation cannot be composed", error))?;
    Envelope::sign(payload, operator)
        .map_err(|error| Fault::new("the rotation cannot be signed", error))
}

fn revocation(
    operator: PublicKey,
    rebuilder: PublicKey,
    last_good: Vec<Checkpoint>,
    reason: &str,
) -> Revocation {
    let (reason, revoked) = (reason.to_owned(), clock::now());
    Revocation { operator, rebuilder, last_good, reason, revoked }
}

/// Refuses to speak about a key that another operator certified.
pub fn is_own(operator: &dyn Sign, certified: &Certified, path: &Path) -> Result<(), Fault> {
    let found = certified.certificate().operator;
    if found == operator.public_key() {
        return Ok(());
    }
    Err(Fault::text(format!(
        "{} is signed by operator {}, and the key given is {}; give that operator's key",
        path.display(),
        found.fingerprint(),
        operator.public_key().fingerprint()
    )))
}

/// Up to where the logs of a key that ends are vouched for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastGood {
    /// Nothing of it counts any more.
    None,
    /// As far as the signed heads on this disk.
    Now,
    /// So far in its newest log; older logs as far as their heads on this disk.
    At(At),
}

impl FromStr for LastGood {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Self::None),
            "now" => Ok(Self::Now),
            other => other.parse().map(Self::At).map_err(|why| format!("{why}, or none, or now")),
        }
    }
}

impl LastGood {
    /// The heads to name, one for each log of the key, by origin.
    pub fn heads(
        self,
        store: &Store,
        network: &NetworkId,
        key: &PublicKey,
    ) -> Result<Vec<Checkpoint>, Fault> {
        let mut heads = Vec::new();
        if self == Self::None {
            return Ok(heads);
        }
        let mut newest = None;
        for log in store.logs().filter(|log| log.origin().key_digest() == key.digest()) {
            newest = newest.max(Some(log.origin().clone()).filter(|o| o.network() == network));
            let Some(signed) = log.checkpoint() else { continue };
            let head = signed.verify(key).map_err(|error| {
                Fault::new(format!("the head of {} on disk", log.origin()), error)
            })?;
            heads.push(head.checkpoint().clone());
        }
        if let Self::At(at) = self {
            let origin = newest.unwrap_or_else(|| Origin::new(network, key, clock::now().year()));
            leads_there(store, &origin, at)?;
            heads.retain(|head| head.origin != origin);
            heads.push(Checkpoint { origin, size: at.size, root: at.root });
        }
        heads.sort_by(|one, other| one.origin.cmp(&other.origin));
        // Older logs than these are of more years than a key lives.
        let older = heads.len().saturating_sub(LAST_GOOD_MAX);
        Ok(heads.split_off(older))
    }
}

/// Entries on this disk must agree with the head that is to be vouched for, as far as they go.
fn leads_there(store: &Store, origin: &Origin, at: At) -> Result<(), Fault> {
    let Some(log) = store.log(origin).filter(|log| log.size() >= at.size) else {
        return Ok(());
    };
    let found = log.frontier(at.size)?.root();
    if found == at.root {
        return Ok(());
    }
    Err(Fault::text(format!(
        "the first {} entries of log {origin} on this disk have root {found}, needed {}; name a head that \
         this disk leads to, or give the configuration of a machine without this log",
        at.size, at.root
    )))
}
