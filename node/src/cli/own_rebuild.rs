//! `reattest verify --rebuild`: this machine's own node rebuilds the package first, and its vote counts as the policy says.

use reattest_attestation::evidence::{Logged, Position};
use reattest_attestation::statement::Said;
use reattest_attestation::{Envelope, Evidence, OperatorWord, Policy, PublicKey, Purl};

use super::output;
use crate::config::{Config, Role};
use crate::fault::Fault;
use crate::limits::{OWN_REBUILD_LOOK, OWN_REBUILD_WAIT};
use crate::query::Source;
use crate::shell::control::{self, Answer, Ask};
use crate::store::index::Selector;

/// Has the own node rebuild what the purl names, and waits until its outcome is in its log.
///
/// Nothing is added to the evidence here: the outcome is signed by the node's signer like any
/// other, and counts where the policy names the own operator.
pub(super) fn rebuild(config: &Config, policy: &Policy, purl: &Purl) -> Result<(), Fault> {
    let key = own_key(config, policy)?;
    let source = Source::Node(Box::new(config.clone()));
    let before = newest(&source, policy, &key, purl)?;
    let ask = Ask::Announce { purl: purl.clone(), again: true };
    match control::ask_running(&config.socket(), &ask)? {
        Answer::Announced(_) => {}
        Answer::Failed(why) => return Err(Fault::new("the own node does not rebuild it", why)),
        _ => return Err(Fault::text("the node answered another question")),
    }
    output::note(&format!("  the own node rebuilds {purl}; `reattest queue` says how far it is"));
    let mut waited = std::time::Duration::ZERO;
    while waited < OWN_REBUILD_WAIT {
        std::thread::sleep(OWN_REBUILD_LOOK);
        waited = waited.saturating_add(OWN_REBUILD_LOOK);
        if newest(&source, policy, &key, purl)? > before {
            return Ok(());
        }
        given_up(config, purl)?;
    }
    let hours = OWN_REBUILD_WAIT.as_secs() / 3_600;
    Err(Fault::text(format!(
        "the own node has no outcome of {purl} after {hours} hours; see `reattest queue`, and verify without --rebuild later"
    )))
}

/// The own rebuilder's key, whose operator the policy must let vote.
fn own_key(config: &Config, policy: &Policy) -> Result<PublicKey, Fault> {
    let (true, Some(path)) = (config.has(Role::Rebuild), &config.certificate) else {
        return Err(Fault::text(
            "found a node without the role \"rebuild\", needed one that rebuilds; `reattest init` makes one, or `reattest rebuild` says what comes out without a verdict",
        ));
    };
    let fail = |why: String| Fault::new(path.display().to_string(), why);
    let bytes = std::fs::read(path).map_err(|error| fail(error.to_string()))?;
    let envelope = Envelope::parse(&bytes).map_err(|error| fail(error.to_string()))?;
    let word = OperatorWord::verify(&envelope).map_err(|error| fail(error.to_string()))?;
    let (operator, key) = match word.said() {
        Said::Certificate(one) => (one.operator, one.rebuilder),
        Said::Rotation(one) => (one.operator(), one.certificate.rebuilder),
        Said::Revocation(_) => {
            return Err(fail("it revokes a key, needed a certificate".to_owned()));
        }
    };
    if policy.voters().any(|voter| voter.key == operator) {
        return Ok(key);
    }
    Err(Fault::text(format!(
        "found a policy whose quorum does not have this node's operator {}, needed it there, or the own rebuild counts for nothing; `reattest policy add-operator` names it, and [quorum] lets it vote",
        operator.fingerprint()
    )))
}

/// Where the own key's newest statement on the purl stands.
fn newest(
    source: &Source,
    policy: &Policy,
    key: &PublicKey,
    purl: &Purl,
) -> Result<Option<Position>, Fault> {
    let (bundle, completeness) = source.gather(&Selector::Package(purl.clone()))?;
    let evidence = Evidence::verify(&bundle, policy.network(), completeness);
    let own = evidence.rebuilds_of(key).iter();
    let about = own.filter(|one| one.claim().artifacts.iter().any(|each| each.purl == *purl));
    Ok(about.map(Logged::position).max())
}

fn given_up(config: &Config, purl: &Purl) -> Result<(), Fault> {
    let Answer::Queue(queue) = control::ask_running(&config.socket(), &Ask::Queue)? else {
        return Err(Fault::text("the node answered another question"));
    };
    let is_it = |release: &&crate::shell::jobs::QueuedRelease| {
        release.purl == *purl && release.state == "given-up"
    };
    match queue.releases.iter().find(is_it) {
        None => Ok(()),
        Some(release) => Err(Fault::new(
            "the own node gave the rebuild up",
            release.why.clone().unwrap_or_default(),
        )),
    }
}
