//! A secret at the moment it is needed: a file that changes is picked up without a restart or a reload.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::{info, warn};

use super::identity::Identity;
use super::secret::{Secret, SecretError, SecretSource, SecretUse};

/// How often a file is looked at, at most: soon enough for a rotation, and one `stat` a second costs nothing.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Gives a secret as it is now. To be shared: one reader per secret, asked for every request.
#[derive(Debug)]
pub struct SecretReader(Kind);

#[derive(Debug)]
enum Kind {
    Value(Secret),
    // The lock is held for one `stat` a second and, after a change, for reading a few bytes; never across an await.
    File(Mutex<WatchedFile>),
}

impl SecretReader {
    /// A reader for this secret. A file is read once, here.
    ///
    /// # Errors
    /// Where the file cannot be read or what it holds cannot be used: it may have changed since the configuration was checked.
    pub fn new(source: SecretSource, usage: SecretUse) -> Result<Self, SecretError> {
        Ok(Self(match source {
            SecretSource::Value(secret) | SecretSource::Environment(secret) => Kind::Value(secret),
            SecretSource::File(path) => Kind::File(Mutex::new(WatchedFile::open(path, usage)?)),
        }))
    }

    /// The secret as it is now; for a file at most a second old. If the file cannot be used any more, this is the last secret that
    /// could, and the log says so once.
    pub fn current(&self) -> Secret {
        match &self.0 {
            Kind::Value(secret) => secret.clone(),
            Kind::File(file) => {
                // What the lock guards is replaced as a whole, so it is sound even after a panic.
                let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                let change = file.look(Instant::now());
                let path = file.path.display();
                match change {
                    None => {}
                    Some(Change::Renewed) => info!(%path, "secret file changed, using its new content"),
                    Some(Change::Failed(error)) => {
                        warn!(
                            %path,
                            error, "secret file changed and cannot be used, keeping the last good secret"
                        );
                    }
                }
                file.secret.clone()
            }
        }
    }
}

/// What a look at the file found, where it is worth a line in the log.
#[derive(Debug, PartialEq, Eq)]
enum Change {
    Renewed,
    Failed(String),
}

#[derive(Debug)]
struct WatchedFile {
    path: PathBuf,
    usage: SecretUse,
    secret: Secret,
    seen: Identity,
    looked: Instant,
    /// What was wrong at the last look, as it was told.
    failure: Option<String>,
}

impl WatchedFile {
    fn open(path: PathBuf, usage: SecretUse) -> Result<Self, SecretError> {
        let (secret, seen) = read(&path, usage)?;
        Ok(Self {
            path,
            usage,
            secret,
            seen,
            looked: Instant::now(),
            failure: None,
        })
    }

    fn look(&mut self, now: Instant) -> Option<Change> {
        if now.duration_since(self.looked) < LOOK_EVERY {
            return None;
        }
        self.looked = now;
        // After a failure the file is read again even if it looks the same: new permissions do not change what is compared.
        let same = std::fs::metadata(&self.path).is_ok_and(|metadata| Identity::of(&metadata) == self.seen);
        if same && self.failure.is_none() {
            return None;
        }
        match read(&self.path, self.usage) {
            Ok((secret, seen)) => {
                let news = self.failure.take().is_some() || secret != self.secret;
                self.secret = secret;
                self.seen = seen;
                news.then_some(Change::Renewed)
            }
            Err(error) => {
                let error = error.to_string();
                if self.failure.as_ref() == Some(&error) {
                    return None;
                }
                self.failure = Some(error.clone());
                Some(Change::Failed(error))
            }
        }
    }
}

/// The identity is taken from the open file and before its content: a change in between is seen at the next look.
fn read(path: &Path, usage: SecretUse) -> Result<(Secret, Identity), SecretError> {
    let file = File::open(path)?;
    let seen = Identity::of(&file.metadata()?);
    Ok((usage.read(&file)?, seen))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    /// A secret file in a folder of its own.
    struct Fixture {
        folder: TempDir,
        path: PathBuf,
    }

    impl Fixture {
        fn new(content: &str) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("secret");
            fs::write(&path, content).unwrap();
            Self { folder, path }
        }

        /// As a careful tool does it: the path never shows half a file.
        fn replace(&self, content: &str) {
            let new = self.folder.path().join("new");
            fs::write(&new, content).unwrap();
            fs::rename(new, &self.path).unwrap();
        }

        fn reader(&self) -> SecretReader {
            SecretReader::new(SecretSource::File(self.path.clone()), SecretUse::Header).unwrap()
        }

        fn watched(&self) -> WatchedFile {
            WatchedFile::open(self.path.clone(), SecretUse::Header).unwrap()
        }
    }

    #[test]
    fn a_reader_is_for_everyone() {
        fn shared<T: Send + Sync>() {}
        shared::<SecretReader>();
    }

    #[test]
    fn a_value_stays_what_it_is() {
        let reader = SecretReader::new(SecretSource::Value(Secret::new("hunter2")), SecretUse::Header).unwrap();
        assert_eq!(reader.current().expose(), "hunter2");
        assert!(!format!("{reader:?}").contains("hunter2"));
    }

    #[test]
    fn a_missing_file_is_an_error() {
        let fixture = Fixture::new("x");
        fs::remove_file(&fixture.path).unwrap();
        let result = SecretReader::new(SecretSource::File(fixture.path), SecretUse::Header);
        assert!(matches!(result, Err(SecretError::Unreadable(_))));
    }

    #[tokio::test(start_paused = true)]
    async fn a_changed_file_is_read_again_but_not_more_than_once_a_second() {
        let fixture = Fixture::new("old-1\n");
        let reader = fixture.reader();
        assert!(!format!("{reader:?}").contains("old-1"));
        fixture.replace("new-1\n");
        assert_eq!(reader.current().expose(), "old-1");
        tokio::time::advance(LOOK_EVERY).await;
        assert_eq!(reader.current().expose(), "new-1");
        fs::write(&fixture.path, "longer-1").unwrap();
        assert_eq!(reader.current().expose(), "new-1");
        tokio::time::advance(LOOK_EVERY).await;
        assert_eq!(reader.current().expose(), "longer-1");
    }

    #[tokio::test(start_paused = true)]
    async fn a_bad_change_is_told_once_and_the_last_good_secret_stays() {
        let fixture = Fixture::new("good-1");
        let mut file = fixture.watched();
        let mut now = Instant::now();
        let mut look = |file: &mut WatchedFile| {
            now += LOOK_EVERY;
            file.look(now)
        };

        assert_eq!(look(&mut file), None);
        fixture.replace("\n");
        assert_eq!(look(&mut file), Some(Change::Failed("is empty".into())));
        assert_eq!(look(&mut file), None);
        fs::remove_file(&fixture.path).unwrap();
        assert!(matches!(look(&mut file), Some(Change::Failed(error)) if error.starts_with("cannot be read: ")));
        assert_eq!(look(&mut file), None);
        fixture.replace("with space\n");
        assert!(matches!(look(&mut file), Some(Change::Failed(error)) if !error.contains("with space")));
        assert_eq!(file.secret.expose(), "good-1");
        fixture.replace("good-2");
        assert_eq!(look(&mut file), Some(Change::Renewed));
        assert_eq!(look(&mut file), None);
        assert_eq!(file.secret.expose(), "good-2");
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_that_was_only_touched_is_no_news() {
        let fixture = Fixture::new("same");
        let mut file = fixture.watched();
        fixture.replace("same");
        assert_eq!(file.look(Instant::now() + LOOK_EVERY), None);
    }
}
