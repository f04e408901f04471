//! The keys of one secret: `X`, `X_file` and `X_env`, exactly one of which must be given.
//!
//! What stands under `X` is never repeated in a problem, nor is what the environment or the file holds.

use super::file::Surroundings;
use super::problem::Position;
use super::secret::{SecretError, SecretSource, SecretUse};
use super::walk::{Located, Walk};
use super::yaml::Stop;

/// A secret on its way from the file: which of its keys were given, and what they led to.
pub(super) struct Credential {
    keys: [&'static str; 3],
    usage: SecretUse,
    given: Vec<Located<&'static str>>,
    source: Option<SecretSource>,
}

impl Credential {
    /// A secret with these keys: for the value, for a file, for an environment variable.
    pub(super) fn new(keys: [&'static str; 3], usage: SecretUse) -> Self {
        Self {
            keys,
            usage,
            given: Vec::new(),
            source: None,
        }
    }

    /// Reads the value of one of the keys; `false` where the key is none of them.
    pub(super) fn read(
        &mut self,
        walk: &mut Walk<'_>,
        key: Located<&'static str>,
        around: &Surroundings<'_>,
    ) -> Result<bool, Stop> {
        let [value, file, variable] = self.keys;
        if ![value, file, variable].contains(&key.value) {
            return Ok(false);
        }
        self.given.push(key);
        let Some(found) = walk.text()? else {
            return Ok(true);
        };
        let checked = if key.value == value {
            self.usage
                .check(&found.value)
                .map(SecretSource::Value)
                .map_err(|error| format!("{error}; {}", advice(&error)))
        } else if found.value.is_empty() {
            Err(format!(
                "is empty; write {}",
                if key.value == file {
                    "a path"
                } else {
                    "a variable's name"
                }
            ))
        } else if key.value == file {
            let path = around.path(&found.value);
            match self.usage.read_file(&path) {
                Ok(_) => Ok(SecretSource::File(path)),
                Err(error) => Err(format!("{} {error}; {}", path.display(), advice(&error))),
            }
        } else {
            match around.variable(&found.value) {
                None => Err(format!(
                    "{} is not set; set it for this program",
                    described(&found.value)
                )),
                Some(text) => self
                    .usage
                    .check(&text)
                    .map(SecretSource::Environment)
                    .map_err(|error| format!("{} {error}; {}", described(&found.value), advice(&error))),
            }
        };
        match checked {
            Ok(source) => self.source = Some(source),
            Err(message) => walk.problem(found.at, message),
        }
        Ok(true)
    }

    /// The secret's source, after all keys of the mapping that begins at `start` are read.
    pub(super) fn finish(self, walk: &mut Walk<'_>, start: Position) -> Option<SecretSource> {
        let [value, file, variable] = self.keys;
        match self.given.as_slice() {
            [] => walk.problem(start, format!("no {value}; give one of {value}, {file} and {variable}")),
            [_] => return self.source,
            [first, second, ..] => walk.problem(
                second.at,
                format!(
                    "{} and {} are both given; keep exactly one of {value}, {file} and {variable}",
                    first.value, second.value
                ),
            ),
        }
        None
    }
}

/// A variable by name, unless the name does not look like one: then it may be the secret itself, put under the wrong key.
fn described(variable: &str) -> String {
    let looks_like_one = variable.contains('_')
        && variable
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
    if looks_like_one {
        format!("the environment variable {variable}")
    } else {
        "the environment variable named here".to_owned()
    }
}

fn advice(error: &SecretError) -> &'static str {
    match error {
        SecretError::Empty => "put the secret there",
        SecretError::NotForHeader | SecretError::Control => {
            "look for a line break, space or quote that came along by mistake"
        }
        SecretError::NotText | SecretError::TooLarge => "name a file that holds the secret and nothing else",
        SecretError::Unreadable(_) => "check the path and the permissions",
    }
}
