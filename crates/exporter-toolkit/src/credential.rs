//! The keys of one secret: `X`, `X_file` and, where there is one, `X_env`; exactly one of them must be given.
//!
//! What stands under `X` is never repeated in a problem, nor is what the environment or the file holds. A file or a variable is named only
//! where its name looks like one.

use std::path::PathBuf;

use crate::secret::{Secret, SecretError, SecretSource, SecretUse};
use crate::surroundings::Surroundings;
use crate::yaml::{Path, Rules, file_in_words};

/// A secret as a file gives it: each of its keys, and what stands there.
#[derive(Debug)]
pub struct Credential<'a> {
    /// For the secret itself.
    pub value: (&'static str, &'a Option<Secret>),
    /// For a file that holds it. The path becomes what it leads to.
    pub file: (&'static str, &'a mut Option<PathBuf>),
    /// For the environment variable that holds it, where there is such a key.
    pub variable: Option<(&'static str, &'a Option<String>)>,
    /// What it is for.
    pub usage: SecretUse,
}

impl Credential<'_> {
    /// Where the secret comes from. `at` is the mapping that has the keys; `None` after a problem.
    pub fn source(self, at: &Path<'_>, around: &Surroundings<'_>, rules: &mut Rules) -> Option<SecretSource> {
        let usage = self.usage;
        let (value, file) = (self.value.0, self.file.0);
        let keys = match self.variable {
            Some((variable, _)) => format!("{value}, {file} and {variable}"),
            None => format!("{value} and {file}"),
        };
        let mut sources = Vec::new();
        let mut take = |key, checked: Result<SecretSource, String>| {
            let source = checked.map_err(|message| rules.problem(&at.key(key), message));
            sources.push((key, source.ok()));
        };
        if let Some(secret) = self.value.1 {
            let checked = usage.check(secret.expose()).map(SecretSource::Value);
            take(value, checked.map_err(|error| format!("{error}; {}", advice(&error))));
        }
        if let Some(path) = self.file.1 {
            take(file, in_file(path, usage, around));
        }
        if let Some((key, Some(name))) = self.variable {
            take(key, in_variable(name, usage, around));
        }
        if let (Some(secret), Some((variable, _))) = (self.value.1, self.variable)
            && is_reference(secret.expose())
        {
            let message =
                format!("this looks like the name of a variable, and is taken as the secret itself; use {variable}");
            rules.warning(&at.key(value), message);
        }
        match sources.len() {
            0 => rules.problem(at, format!("no {value}; give one of {keys}")),
            1 => return sources.pop().and_then(|(_, source)| source),
            _ => {
                let given: Vec<_> = sources.iter().map(|(key, _)| *key).collect();
                rules.too_many(at, &given, move |first, second| {
                    format!("{first} and {second} are both given; keep exactly one of {keys}")
                });
            }
        }
        None
    }
}

fn in_file(path: &mut PathBuf, usage: SecretUse, around: &Surroundings<'_>) -> Result<SecretSource, String> {
    if path.as_os_str().is_empty() {
        return Err("is empty; write a path".to_owned());
    }
    let written = std::mem::take(path);
    *path = around.path(&written);
    match usage.read_file(path) {
        Ok(_) => Ok(SecretSource::File(path.clone())),
        Err(error) => Err(format!("{} {error}; {}", file_in_words(&written, path), advice(&error))),
    }
}

fn in_variable(name: &str, usage: SecretUse, around: &Surroundings<'_>) -> Result<SecretSource, String> {
    if name.is_empty() {
        return Err("is empty; write a variable's name".to_owned());
    }
    let Some(text) = around.variable(name) else {
        return Err(format!("{} is not set; set it for this program", described(name)));
    };
    match usage.check(&text) {
        Ok(secret) => Ok(SecretSource::Environment(secret)),
        Err(error) => Err(format!("{} {error}; {}", described(name), advice(&error))),
    }
}

/// Whether this is how shells and other tools refer to a variable, which is not done here: `$NAME` or `${NAME}`.
fn is_reference(secret: &str) -> bool {
    let Some(name) = secret.strip_prefix('$') else {
        return false;
    };
    let inner = name.strip_prefix('{').and_then(|name| name.strip_suffix('}'));
    let name = inner.unwrap_or(name);
    let of_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    name.bytes().all(of_name) && name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_known_by_its_form() {
        for text in ["$API_KEY", "${API_KEY}", "$a", "${_1}"] {
            assert!(is_reference(text), "{text}");
        }
        for text in ["", "$", "${}", "$1", "a$b", "$a-b", "$2y$10$x", "API_KEY", "${a"] {
            assert!(!is_reference(text), "{text}");
        }
    }
}
