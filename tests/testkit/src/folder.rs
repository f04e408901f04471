//! A temporary folder for what is configured by file.
//!
//! Files are replaced as careful tools do it, and nobody else may read them: the program would warn of that.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// A folder that goes with the test. Nobody else may read its files: they hold secrets.
pub struct Folder(TempDir);

impl Folder {
    /// An empty one.
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// One with these files, by name and content.
    pub fn with<T: AsRef<[u8]>>(files: impl IntoIterator<Item = (impl AsRef<str>, T)>) -> Self {
        let folder = Self::new();
        for (name, content) in files {
            folder.write(name.as_ref(), content);
        }
        folder
    }

    /// One with this as its `config.yaml`.
    pub fn configured(config: &str) -> Self {
        Self::with([("config.yaml", config)])
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Where a file of this name is, or would be.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Puts a file there as a careful tool does it: the path never shows half of it.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.file(name);
        replace(&path, content);
        path
    }

    /// Changes who may do what with a file; with `.` as its name, with the folder.
    pub fn set_mode(&self, name: &str, mode: u32) {
        fs::set_permissions(self.file(name), Permissions::from_mode(mode)).unwrap();
    }
}

/// The same for whoever only knows the file's path.
pub fn replace(path: &Path, content: impl AsRef<[u8]>) {
    let new = path.with_file_name("new");
    fs::write(&new, content).unwrap();
    fs::set_permissions(&new, Permissions::from_mode(0o600)).unwrap();
    fs::rename(new, path).unwrap();
}

impl Default for Folder {
    fn default() -> Self {
        Self::new()
    }
}
