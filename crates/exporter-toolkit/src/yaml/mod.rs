//! Configuration files in YAML, read into serde structs without losing a mistake or a place.
//!
//! In: a text, and a function that checks what stands between its values. Out: what that function makes of them, or every [`Problem`]
//! of the file at once, each with line and column.
//!
//! The structs are the schema: `de` is a serde deserializer over the events of the YAML parser (`event`) that notes every mistake and
//! goes on, so derived code sees none of them. [`Leaf`] is a value with a notation of its own. What only holds between values is a
//! [`Rules`] matter: those are told at paths, and only where there is something to tell, `locate` looks up where these are in the text.

mod de;
mod event;
mod leaf;
mod locate;
mod problem;
mod rules;
mod words;

use std::path::Path as FilePath;

use serde::de::DeserializeOwned;

pub(crate) use self::leaf::EMPTY;
pub use self::leaf::{Filled, Leaf, Pairs, Whole, lenient};
pub use self::problem::{LoadError, Position, Problem};
pub use self::rules::{Path, Rules};
pub(crate) use self::words::file as file_in_words;
pub use self::words::{key_in_path, number_in_words, quote, whole_key};

/// Reads the file at `path`, which the user named by `flag`.
///
/// # Errors
/// Where it cannot be read.
pub fn read_file(flag: &str, path: &FilePath) -> Result<Vec<u8>, LoadError> {
    std::fs::read(path).map_err(|error| unreadable(flag, path, &error))
}

/// What to say where the file that the user named by `flag` cannot be read.
pub(crate) fn unreadable(flag: &str, path: &FilePath, error: &std::io::Error) -> LoadError {
    let message = format!("cannot be read: {error}; name a readable configuration file with {flag}");
    LoadError::new(path, vec![Problem::new(None, "", message)])
}

/// Reads `content`, which comes from the file at `path`, and what `check` makes of it; with warnings, in the order of the file.
///
/// After mistakes `check` is called all the same, so that everything is told at once. It then finds placeholders where they are, and
/// what it says of those is dropped.
///
/// # Errors
/// Everything that is wrong, at once; a text that is not YAML has the one problem that it is not.
pub fn load<T: DeserializeOwned, C>(
    path: &FilePath,
    content: &[u8],
    check: impl FnOnce(T, &mut Rules) -> Option<C>,
) -> Result<(C, Vec<Problem>), LoadError> {
    let text = std::str::from_utf8(content).map_err(|error| {
        let (before, _) = content.split_at_checked(error.valid_up_to()).unwrap_or_default();
        let position = Position::after(&String::from_utf8_lossy(before));
        let message = "this is not UTF-8 text; save the file as UTF-8";
        LoadError::new(path, vec![Problem::new(Some(position), "", message)])
    })?;
    read(text, check).map_err(|problems| LoadError::new(path, problems))
}

fn read<T: DeserializeOwned, C>(
    text: &str,
    check: impl FnOnce(T, &mut Rules) -> Option<C>,
) -> Result<(C, Vec<Problem>), Vec<Problem>> {
    let read = de::read(text).map_err(|stop| vec![stop.into_problem()])?;
    let mut rules = Rules::new(read.empty);
    let checked = check(read.value, &mut rules);
    let noted = |problem: &Problem| {
        let mut all = read.problems.iter();
        all.any(|noted| (noted.position(), noted.path()) == (problem.position(), problem.path()))
    };
    let (mut found, mut warnings) = rules.located(text);
    found.retain(|problem| !noted(problem));
    let mut problems = read.problems.clone();
    problems.extend(found);
    match checked {
        Some(checked) if problems.is_empty() => {
            warnings.sort_by_key(Problem::position);
            Ok((checked, warnings))
        }
        Some(_) | None if !problems.is_empty() => Err(problems),
        // A check that gives nothing says why; this only keeps the promise that there is always a reason.
        Some(_) | None => Err(vec![Problem::new(None, "", "cannot be used")]),
    }
}

#[cfg(test)]
mod tests;
