//! Secrets that cannot be printed, what makes one usable, and the places they come from.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::watched::read_at_most;

/// More than any key or password; a larger file is a mistake (a log, a disk image) that should not be read whole.
pub(crate) const LONGEST_FILE: u64 = 64 * 1024;

/// A secret text. `Debug`, `Display` and `Serialize` say `<secret>`; only [`Secret::expose`] gives it away. Its memory is wiped when it is
/// dropped.
#[derive(Clone, Default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
pub struct Secret(#[cfg_attr(feature = "schema", schemars(with = "String"))] SecretString);

impl Secret {
    /// Wraps a secret.
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(SecretString::new(text.into()))
    }

    /// The secret itself: for the signature and the request header, never for a message.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

/// For what the configuration says; nothing that a stranger sends is compared so.
impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl Eq for Secret {}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Where a secret comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// The value, from the configuration itself.
    Value(Secret),
    /// The value of an environment variable, read at load.
    Environment(Secret),
    /// A file whose content may change at any time; its trailing newline does not count.
    File(PathBuf),
}

/// What a secret is for, which decides the characters it may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretUse {
    /// Sent as the value of an HTTP header.
    Header,
    /// Only ever an input of the signature.
    Signature,
}

/// Why a secret cannot be used. Never holds the secret.
#[derive(Debug, Error)]
pub enum SecretError {
    /// There is nothing in it.
    #[error("is empty")]
    Empty,
    /// A header can carry visible ASCII only (RFC 9110, 5.5, leaves no other character a meaning both sides agree on).
    #[error("has a character that an HTTP header cannot carry (only visible ASCII without spaces can be sent)")]
    NotForHeader,
    /// A line break or another control character, which is never part of a key and hard to see.
    #[error("has a line break or another control character in it")]
    Control,
    /// The file is not text.
    #[error("is not UTF-8 text")]
    NotText,
    /// The file is larger than any secret.
    #[error("is larger than {} KiB, so it is not a secret", LONGEST_FILE / 1024)]
    TooLarge,
    /// The file is not there, or not for us.
    #[error("cannot be read: {0}")]
    Unreadable(io::Error),
}

impl From<io::Error> for SecretError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::FileTooLarge => Self::TooLarge,
            _ => Self::Unreadable(error),
        }
    }
}

impl SecretUse {
    /// The secret, if it can be used for this.
    ///
    /// # Errors
    /// [`SecretError::Empty`], [`SecretError::NotForHeader`] or [`SecretError::Control`].
    pub fn check(self, text: &str) -> Result<Secret, SecretError> {
        if text.is_empty() {
            return Err(SecretError::Empty);
        }
        match self {
            Self::Header if !text.bytes().all(|byte| byte.is_ascii_graphic()) => Err(SecretError::NotForHeader),
            Self::Signature if text.chars().any(char::is_control) => Err(SecretError::Control),
            Self::Header | Self::Signature => Ok(Secret::new(text)),
        }
    }

    /// The secret in a file, without the newline (`\n` or `\r\n`) that editors put at its end.
    ///
    /// # Errors
    /// Where the file cannot be read or what it holds cannot be used.
    pub fn read_file(self, path: &Path) -> Result<Secret, SecretError> {
        self.check_content(read_at_most(path, LONGEST_FILE)?)
    }

    /// The secret that a file with this content holds.
    pub(crate) fn check_content(self, content: Vec<u8>) -> Result<Secret, SecretError> {
        let text = String::from_utf8(content).map_err(|_| SecretError::NotText)?;
        let text = text.strip_suffix('\n').unwrap_or(&text);
        self.check(text.strip_suffix('\r').unwrap_or(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content: &[u8]) -> Result<Secret, SecretError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, content).unwrap();
        SecretUse::Signature.read_file(&path)
    }

    #[test]
    fn a_secret_is_never_printed() {
        let source = SecretSource::Value(Secret::new("hunter2"));
        assert_eq!(
            format!("{source:?} {}", Secret::new("hunter2")),
            "Value(<secret>) <secret>"
        );
    }

    #[test]
    fn a_header_takes_visible_ascii_only() {
        assert_eq!(SecretUse::Header.check("bDqJ~!{}").unwrap().expose(), "bDqJ~!{}");
        for text in ["a b", " a", "a\n", "a\t", "\u{7f}", "schlüssel", "a\0"] {
            assert!(
                matches!(SecretUse::Header.check(text), Err(SecretError::NotForHeader)),
                "{text:?}"
            );
        }
        assert!(matches!(SecretUse::Header.check(""), Err(SecretError::Empty)));
    }

    #[test]
    fn a_signature_takes_any_text_on_one_line() {
        assert_eq!(
            SecretUse::Signature.check("schlüssel 1").unwrap().expose(),
            "schlüssel 1"
        );
        assert!(matches!(SecretUse::Signature.check("a\nb"), Err(SecretError::Control)));
    }

    #[test]
    fn one_trailing_newline_of_a_file_does_not_count() {
        for content in ["hunter2", "hunter2\n", "hunter2\r\n"] {
            assert_eq!(read(content.as_bytes()).unwrap().expose(), "hunter2");
        }
        assert!(matches!(read(b"hunter2\n\n"), Err(SecretError::Control)));
        assert!(matches!(read(b"\n"), Err(SecretError::Empty)));
        assert!(matches!(read(b"\r\n"), Err(SecretError::Empty)));
        assert!(matches!(read(b""), Err(SecretError::Empty)));
        assert!(matches!(read(b"\xff\xfe"), Err(SecretError::NotText)));
        assert!(matches!(read(&vec![b'a'; 65 * 1024]), Err(SecretError::TooLarge)));
    }
}
