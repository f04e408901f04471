//! Whether a file is still the one that was read.

use std::fs::Metadata;
use std::time::SystemTime;

/// What changes when a file is written or replaced. Behind a symbolic link, as in a mounted Kubernetes secret, it is that of the
/// file the link leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    modified: Option<SystemTime>,
    length: u64,
    inode: u64,
}

impl Identity {
    /// That of an open file, or of what a path leads to.
    pub(crate) fn of(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        let inode = std::os::unix::fs::MetadataExt::ino(metadata);
        #[cfg(not(unix))]
        let inode = 0;
        Self {
            modified: metadata.modified().ok(),
            length: metadata.len(),
            inode,
        }
    }
}

/// Whether any user of the host may read the file: a secret should not be in one.
#[cfg(unix)]
pub(crate) fn readable_by_everyone(metadata: &Metadata) -> bool {
    std::os::unix::fs::MetadataExt::mode(metadata) & 0o004 != 0
}

/// Whether any user of the host may read the file; not known here.
#[cfg(not(unix))]
pub(crate) fn readable_by_everyone(_: &Metadata) -> bool {
    false
}
