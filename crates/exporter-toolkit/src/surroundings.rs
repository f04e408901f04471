//! What a configuration file can refer to outside of itself: other files, and environment variables.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path as FilePath, PathBuf};

use crate::yaml::{EMPTY, Path, Rules, file_in_words};

/// Where a configuration file is, and what is around it.
pub struct Surroundings<'a> {
    /// The folder that relative paths start from.
    folder: &'a FilePath,
    env: &'a dyn Fn(&str) -> Option<String>,
}

impl<'a> Surroundings<'a> {
    /// Of the file at this path. `env` gives the value of an environment variable, where it is set.
    pub fn new(file: &'a FilePath, env: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self {
            folder: file.parent().unwrap_or(FilePath::new("")),
            env,
        }
    }

    /// What a path in the file leads to.
    pub fn path(&self, written: impl AsRef<FilePath>) -> PathBuf {
        self.folder.join(written)
    }

    /// The value of an environment variable.
    pub fn variable(&self, name: &str) -> Option<String> {
        (self.env)(name)
    }

    /// Makes the path `file`, which stands at `at`, what it leads to. It is tried, so that a wrong one is known at load and not at the
    /// first request.
    pub fn readable(&self, file: &mut Option<PathBuf>, at: &Path<'_>, rules: &mut Rules) {
        let Some(written) = file else {
            return;
        };
        if written.as_os_str().is_empty() {
            return rules.problem(at, EMPTY);
        }
        let path = self.path(&written);
        // A folder can be opened, but not read.
        if let Err(error) = File::open(&path).and_then(|mut opened| opened.read(&mut [0])) {
            rules.problem(at, Self::unreadable(&written, &path, &error));
        }
        *written = path;
    }

    /// What to say of a file that cannot be read; `path` is what `written` leads to.
    pub(crate) fn unreadable(written: impl AsRef<FilePath>, path: &FilePath, error: &io::Error) -> String {
        let file = file_in_words(written, path);
        format!("{file} cannot be read: {error}; check the path and the permissions")
    }
}

impl fmt::Debug for Surroundings<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surroundings")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}
