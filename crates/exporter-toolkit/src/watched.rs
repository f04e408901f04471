//! Files that change while the program runs: what is made of them is made again when their content does.
//!
//! It is the content that is compared, by a digest: a file that is rewritten in place may keep its length, and a careful tool its time.

use std::fmt;
use std::fs::File;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;

/// How often files are looked at, at most: soon enough for a rotation, and reading a few small files a second costs nothing.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Stands for the content of a file. Only to be compared within this process; not printed, because a short secret could be guessed by it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digest(u64);

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest")
    }
}

impl Digest {
    /// That of this content.
    pub fn of(content: &[u8]) -> Self {
        let mut hasher = DefaultHasher::new();
        content.hash(&mut hasher);
        Self(hasher.finish())
    }
}

/// The content of a file of at most so many bytes.
///
/// # Errors
/// Where it cannot be read, or is larger ([`io::ErrorKind::FileTooLarge`]).
pub fn read_at_most(path: &Path, bytes: u64) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    File::open(path)?.take(bytes + 1).read_to_end(&mut content)?;
    if content.len() as u64 > bytes {
        let message = format!("it is larger than {} KiB", bytes / 1024);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(content)
}

/// Files and what was in them. None is read further than this many bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files {
    most: u64,
    seen: Vec<(PathBuf, Digest)>,
}

impl Files {
    /// Nothing yet.
    pub fn of_at_most(bytes: u64) -> Self {
        let seen = Vec::new();
        Self { most: bytes, seen }
    }

    /// Reads a file and remembers its content.
    ///
    /// # Errors
    /// As [`read_at_most`].
    pub fn read(&mut self, path: &Path) -> io::Result<Vec<u8>> {
        let content = read_at_most(path, self.most)?;
        self.seen.push((path.to_owned(), Digest::of(&content)));
        Ok(content)
    }

    fn changed(&self) -> bool {
        let same = |(path, digest): &(PathBuf, Digest)| {
            read_at_most(path, self.most).is_ok_and(|content| Digest::of(&content) == *digest)
        };
        !self.seen.iter().all(same)
    }
}

/// What is made of files, kept as new as they are.
#[derive(Debug)]
pub struct Watched<T> {
    /// What was made of them the last time they were good.
    good: T,
    files: Files,
    looked: Instant,
    /// What was wrong at the last look.
    failure: Option<String>,
}

/// What a look found, where it is worth a line in the log.
#[derive(Debug, PartialEq, Eq)]
pub enum News {
    /// They have changed, and are in use.
    Renewed,
    /// They have changed and cannot be used: why. Told once.
    Failed(String),
}

impl<T> Watched<T> {
    /// What was made of these files just now.
    pub fn new(good: T, files: Files) -> Self {
        Self {
            good,
            files,
            looked: Instant::now(),
            failure: None,
        }
    }

    /// What was made of the files the last time that they were good.
    pub fn good(&self) -> &T {
        &self.good
    }

    /// Whether that is what they say now.
    pub fn is_current(&self) -> bool {
        self.failure.is_none()
    }

    /// Looks at the files, unless that was done within the last second, and makes a new `T` of them if they have changed.
    pub fn look(&mut self, make: impl FnOnce() -> Result<(T, Files), String>) -> Option<News> {
        let now = Instant::now();
        if now.duration_since(self.looked) < LOOK_EVERY {
            return None;
        }
        self.looked = now;
        // After a failure all is done again even if they look the same: what they name may have become good.
        if self.failure.is_none() && !self.files.changed() {
            return None;
        }
        match make() {
            Ok((good, files)) => {
                (self.good, self.files, self.failure) = (good, files, None);
                Some(News::Renewed)
            }
            Err(why) => {
                let told = self.failure.as_ref() == Some(&why);
                self.failure = Some(why.clone());
                (!told).then_some(News::Failed(why))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::SystemTime;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_rewrite_in_place_is_seen_even_with_the_same_length_and_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let write = |text: &str| {
            fs::write(&path, text).unwrap();
            let file = File::options().write(true).open(&path).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        };
        let make = || {
            let mut files = Files::of_at_most(3);
            let content = files.read(&path).map_err(|error| error.to_string())?;
            Ok((String::from_utf8(content).unwrap(), files))
        };
        write("one");
        let (good, files) = make().unwrap();
        let mut watched = Watched::new(good, files);
        write("two");
        assert_eq!(watched.look(make), None);
        tokio::time::advance(LOOK_EVERY).await;
        assert_eq!(watched.look(make), Some(News::Renewed));
        assert_eq!(watched.good(), "two");
        tokio::time::advance(LOOK_EVERY).await;
        assert_eq!(watched.look(make), None);
        write("three");
        tokio::time::advance(LOOK_EVERY).await;
        assert!(matches!(watched.look(make), Some(News::Failed(why)) if why.contains("larger")));
        assert!(!watched.is_current());
    }
}
