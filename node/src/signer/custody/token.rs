//! A key pair in a PKCS#11 token: the vendor's library, loaded into this process, and a session in it.

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::eddsa::{EddsaParams, EddsaSignatureScheme};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use reattest_attestation::key::SignError;
use reattest_attestation::{PublicKey, Sign};

use super::place::Slot;
use super::{file, verified};
use crate::fault::Fault;

/// A session that is logged in, and the private key in it.
#[derive(Debug)]
pub(super) struct Token {
    session: Session,
    private: ObjectHandle,
    key: PublicKey,
}

impl Token {
    /// Loads the library, logs in, and finds both halves of the key pair.
    pub(super) fn open(slot: &Slot) -> Result<Self, Fault> {
        let pin = file::read_pin(&slot.pin)?;
        let session = log_in(slot, pin)?;
        let private = only(&session, slot, ObjectClass::PRIVATE_KEY)?;
        let public = only(&session, slot, ObjectClass::PUBLIC_KEY)?;
        let attributes = session
            .get_attributes(public, &[AttributeType::EcPoint])
            .map_err(|error| failed(slot, "does not show the public key", error))?;
        let point = attributes.iter().find_map(|attribute| match attribute {
            Attribute::EcPoint(point) => point_of(point),
            _ => None,
        });
        let key = point.and_then(|point| PublicKey::from_bytes(&point).ok()).ok_or_else(|| {
            Fault::text(format!(
                "key {:?} of token {:?} is no Ed25519 key; make one in the token, or name another label",
                slot.label, slot.token
            ))
        })?;
        Ok(Self { session, private, key })
    }
}

impl Sign for Token {
    fn public_key(&self) -> PublicKey {
        self.key
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError> {
        let pure = Mechanism::Eddsa(EddsaParams::new(EddsaSignatureScheme::Pure));
        let signature = self.session.sign(&pure, self.private, message).map_err(|error| {
            let why = format!("its PKCS#11 token does not sign: {error}");
            SignError { key: self.key.fingerprint(), why }
        })?;
        verified(&self.key, message, &signature)
    }
}

fn failed(slot: &Slot, what: &str, error: cryptoki::error::Error) -> Fault {
    let name = format!("PKCS#11 token {:?} by {} {what}", slot.token, slot.module.display());
    Fault::new(name, error)
}

fn log_in(slot: &Slot, pin: String) -> Result<Session, Fault> {
    let library =
        Pkcs11::new(&slot.module).map_err(|error| failed(slot, "cannot be loaded", error))?;
    library
        .initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK))
        .map_err(|error| failed(slot, "does not begin", error))?;
    let unseen = |error| failed(slot, "does not list its tokens", error);
    let mut labels = Vec::new();
    for number in library.get_slots_with_initialized_token().map_err(unseen)? {
        let label = library.get_token_info(number).map_err(unseen)?.label().to_owned();
        if label == slot.token {
            let session = library
                .open_ro_session(number)
                .map_err(|error| failed(slot, "opens no session", error))?;
            session
                .login(UserType::User, Some(&pin.into()))
                .map_err(|error| failed(slot, "does not take the PIN", error))?;
            return Ok(session);
        }
        labels.push(label);
    }
    Err(Fault::text(format!(
        "found the tokens {labels:?} by {}, needed {:?}; plug it in, or initialize it",
        slot.module.display(),
        slot.token
    )))
}

/// The one object of a class under the label.
fn only(session: &Session, slot: &Slot, class: ObjectClass) -> Result<ObjectHandle, Fault> {
    let template = [
        Attribute::Class(class),
        Attribute::KeyType(KeyType::EC_EDWARDS),
        Attribute::Label(slot.label.clone().into_bytes()),
    ];
    let found = session
        .find_objects(&template)
        .map_err(|error| failed(slot, "cannot be searched", error))?;
    match found.as_slice() {
        [one] => Ok(*one),
        several => Err(Fault::text(format!(
            "token {:?} has {} objects of class {class} labelled {:?} for Ed25519, needed 1: both halves \
             of one key pair carry the label",
            slot.token,
            several.len(),
            slot.label
        ))),
    }
}

/// Tokens give the point in a DER octet string (PKCS#11 2.40) or as its 32 bytes (3.0).
fn point_of(bytes: &[u8]) -> Option<[u8; 32]> {
    let point = match bytes {
        [0x04, 0x20, point @ ..] if point.len() == 32 => point,
        point => point,
    };
    point.try_into().ok()
}
