//! What checking a web-config file needs: where its paths start, and which files were read for it.

use std::path::{Path as FilePath, PathBuf};

use crate::surroundings::Surroundings;
use crate::watched::Files;
use crate::yaml::{Path, Rules};

/// The one key of the schema that names a file with a secret.
const KEY_FILE: &str = "key_file";

/// Collects what a check finds.
pub(super) struct Check<'c> {
    around: Surroundings<'c>,
    pub(super) rules: &'c mut Rules,
    pub(super) files: &'c mut Files,
    /// Files with a key.
    pub(super) keys: Vec<PathBuf>,
}

impl<'c> Check<'c> {
    /// For the file at this path.
    pub(super) fn new(file: &'c FilePath, rules: &'c mut Rules, files: &'c mut Files) -> Self {
        Self {
            around: Surroundings::new(file, &|_| None),
            rules,
            files,
            keys: Vec::new(),
        }
    }

    /// Notes a problem with this key of a block.
    pub(super) fn problem(&mut self, block: &str, key: &str, message: impl Into<String>) {
        self.rules.problem(&Path::Root.key(block).key(key), message);
    }

    /// The content of a file that the configuration names.
    pub(super) fn read(&mut self, block: &str, key: &str, written: &str) -> Option<Vec<u8>> {
        let path = self.around.path(written);
        match self.files.read(&path) {
            Ok(content) => {
                if key == KEY_FILE {
                    self.keys.push(path);
                }
                Some(content)
            }
            Err(error) => {
                self.problem(block, key, Surroundings::unreadable(written, &path, &error));
                None
            }
        }
    }
}
