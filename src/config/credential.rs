//! The keys of one secret: `X`, `X_file` and, where there is one, `X_env`; exactly one of them must be given.
//!
//! What stands under `X` is never repeated in a problem, nor is what the environment or the file holds. A file or a variable is named only
//! where its name looks like one.

use super::file::Surroundings;
use super::problem::Position;
use super::secret::{SecretError, SecretSource, SecretUse};
use super::walk::{Located, Walk};
use super::wording;
use super::yaml::Stop;

/// A secret on its way from the file: which of its keys were given, and what they led to.
pub(super) struct Credential {
    value: &'static str,
    file: &'static str,
    variable: Option<&'static str>,
    usage: SecretUse,
    given: Vec<Located<&'static str>>,
    source: Option<SecretSource>,
}

impl Credential {
    /// A secret with these keys: for the value, for a file, for an environment variable.
    pub(super) fn new([value, file, variable]: [&'static str; 3], usage: SecretUse) -> Self {
        Self {
            variable: Some(variable),
            ..Self::of_value_or_file([value, file], usage)
        }
    }

    /// A secret with these keys: for the value, for a file.
    pub(super) fn of_value_or_file([value, file]: [&'static str; 2], usage: SecretUse) -> Self {
        Self {
            value,
            file,
            variable: None,
            usage,
            given: Vec::new(),
            source: None,
        }
    }

    /// Its keys, in a sentence.
    fn keys(&self) -> String {
        let (value, file) = (self.value, self.file);
        match self.variable {
            Some(variable) => format!("{value}, {file} and {variable}"),
            None => format!("{value} and {file}"),
        }
    }

    /// Reads the value of one of the keys; `false` where the key is none of them.
    pub(super) fn read(
        &mut self,
        walk: &mut Walk<'_>,
        key: Located<&'static str>,
        around: &Surroundings<'_>,
    ) -> Result<bool, Stop> {
        let (value, file) = (self.value, self.file);
        if ![Some(value), Some(file), self.variable].contains(&Some(key.value)) {
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
                Err(error) => Err(format!(
                    "{} {error}; {}",
                    wording::file(&found.value, &path),
                    advice(&error)
                )),
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
        let keys = self.keys();
        match self.given.as_slice() {
            [] => walk.problem(start, format!("no {}; give one of {keys}", self.value)),
            [_] => return self.source,
            [first, second, ..] => walk.problem(
                second.at,
                format!(
                    "{} and {} are both given; keep exactly one of {keys}",
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
