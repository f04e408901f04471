//! What checking a web-config file needs: where its paths start, and where problems and the files that were read are noted.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use crate::tmp::{Identity, Problem, readable_by_everyone};

/// More than any chain of certificates.
const LONGEST_FILE: u64 = 1024 * 1024;

/// The one key of the schema that names a file with a secret.
const KEY_FILE: &str = "key_file";

/// A file as it was when it was read.
pub(super) type Seen = (PathBuf, Identity);

/// Collects what a check finds.
pub(super) struct Check<'c> {
    folder: &'c Path,
    pub(super) problems: Vec<Problem>,
    pub(super) seen: Vec<Seen>,
    /// Files with a key that everyone may read.
    pub(super) open_to_all: Vec<PathBuf>,
}

/// What was read of a file.
pub(super) struct Content {
    pub(super) bytes: Vec<u8>,
    pub(super) identity: Identity,
    pub(super) open_to_all: bool,
}

impl<'c> Check<'c> {
    /// For the file at this path.
    pub(super) fn new(file: &'c Path) -> Self {
        Self {
            folder: file.parent().unwrap_or(Path::new("")),
            problems: Vec::new(),
            seen: Vec::new(),
            open_to_all: Vec::new(),
        }
    }

    pub(super) fn problem(&mut self, block: &str, name: &str, message: impl Into<String>) {
        self.problems
            .push(Problem::new(None, format!("{block}.{name}"), message));
    }

    /// The content of a file that the configuration names, relative to its own folder.
    pub(super) fn read(&mut self, block: &str, name: &str, path: &str) -> Option<Vec<u8>> {
        let path = self.folder.join(path);
        match read(&path) {
            Ok(content) => {
                if content.open_to_all && name == KEY_FILE {
                    self.open_to_all.push(path.clone());
                }
                self.seen.push((path, content.identity));
                Some(content.bytes)
            }
            Err(error) => {
                self.problem(block, name, format!("{} cannot be read: {error}", path.display()));
                None
            }
        }
    }
}

/// The identity is taken from the open file and before its content: a change in between is seen at the next look.
pub(super) fn read(path: &Path) -> io::Result<Content> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    let mut bytes = Vec::new();
    file.take(LONGEST_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LONGEST_FILE {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is larger than 1 MiB"));
    }
    Ok(Content {
        bytes,
        identity: Identity::of(&metadata),
        open_to_all: readable_by_everyone(path, &metadata),
    })
}
