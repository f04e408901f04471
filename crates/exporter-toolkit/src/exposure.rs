//! Files that hold a secret and that every user of the host may read: each draws a warning in the log.

use std::fs::Metadata;
use std::path::Path;

/// Warns of a file with a secret, if it [`is_open`].
pub fn warn_if_open(path: &Path) {
    if is_open(path) {
        warn(path);
    }
}

/// Whether every user of the host may read a file. One that is gone by now is told where it is used.
pub fn is_open(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| readable_by_everyone(path, &metadata))
}

/// Warns of a file with a secret that [`is_open`].
pub fn warn(path: &Path) {
    let path = path.display();
    tracing::warn!(%path, "every user of this host may read this file, which holds a secret; take that right away: chmod o-r");
}

/// Whether any user of the host may read the file. A folder on the way that is closed to others protects what is in it.
#[cfg(unix)]
fn readable_by_everyone(path: &Path, metadata: &Metadata) -> bool {
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
fn readable_by_everyone(_: &Path, _: &Metadata) -> bool {
    false
}
