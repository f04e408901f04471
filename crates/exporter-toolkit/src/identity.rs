//! Whether a file is still the one that was read.

use std::fs::Metadata;
use std::path::Path;
use std::time::SystemTime;

/// What changes when a file is written or replaced. Behind a symbolic link, as in a mounted Kubernetes secret, it is that of the
/// file the link leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    modified: Option<SystemTime>,
    length: u64,
    inode: u64,
}

impl Identity {
    /// That of an open file, or of what a path leads to.
    pub fn of(metadata: &Metadata) -> Self {
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

/// Whether any user of the host may read the file: a secret should not be in one. A folder on the way that is closed to others
/// protects what is in it.
#[cfg(unix)]
pub fn readable_by_everyone(path: &Path, metadata: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    const READ_BY_OTHERS: u32 = 0o004;
    const SEARCH_BY_OTHERS: u32 = 0o001;
    let closed = |folder: &Path| std::fs::metadata(folder).is_ok_and(|folder| folder.mode() & SEARCH_BY_OTHERS == 0);
    metadata.mode() & READ_BY_OTHERS != 0
        // Where the way cannot be found out, the file's own mode is what is known.
        && !path.canonicalize().is_ok_and(|path| path.ancestors().skip(1).any(closed))
}

/// Whether any user of the host may read the file; not known here.
#[cfg(not(unix))]
pub fn readable_by_everyone(_: &Path, _: &Metadata) -> bool {
    false
}
