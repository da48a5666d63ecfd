//! The property of what apt says: a message that is read is written as one that reads the same, and nothing panics.

use super::super::beside::{Message, Transaction};
use super::is_one_line;

/// Bytes as messages between apt and its methods, and as what apt tells its hook.
pub fn apt(bytes: &[u8]) -> bool {
    messages(bytes) || transaction(bytes)
}

fn messages(bytes: &[u8]) -> bool {
    let (mut rest, mut any) = (bytes, false);
    loop {
        match Message::read(&mut rest) {
            Ok(Some(message)) => {
                any = true;
                let text = message.to_string();
                let again = Message::read(&mut text.as_bytes()).unwrap().unwrap();
                assert_eq!(again, message, "{text:?}");
                // A value can add no field and no message.
                let changed = message.with("URI", &String::from_utf8_lossy(bytes)).to_string();
                let mut changed = changed.as_bytes();
                let fields = Message::read(&mut changed);
                assert!(fields.is_err() || changed.is_empty(), "{bytes:?}");
            }
            Ok(None) => return any,
            Err(error) => {
                is_one_line(&error.to_string());
                return any;
            }
        }
    }
}

fn transaction(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    match Transaction::parse(text) {
        Ok(transaction) => {
            for planned in &transaction.files {
                assert!(planned.file.is_absolute(), "{planned:?}");
            }
            true
        }
        Err(error) => {
            is_one_line(&error.to_string());
            false
        }
    }
}
