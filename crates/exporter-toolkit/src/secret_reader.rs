//! A secret at the moment it is needed: a file that changes is picked up without a restart or a reload.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use tracing::{info, warn};

use crate::logging::{Throttle, Throttled};
use crate::secret::{LONGEST_FILE, Secret, SecretError, SecretSource, SecretUse};
use crate::watched::{Files, News, Watched};

/// Gives a secret as it is now. To be shared: one reader per secret, asked for every request.
#[derive(Debug)]
pub struct SecretReader(Kind);

#[derive(Debug)]
enum Kind {
    Value(Secret),
    File {
        path: PathBuf,
        usage: SecretUse,
        // The lock is held for reading a few bytes, once a second at most; never across an await.
        secret: Mutex<FileSecret>,
    },
}

#[derive(Debug)]
struct FileSecret {
    watched: Watched<Secret>,
    log: Throttle<News>,
}

impl SecretReader {
    /// A reader for this secret. A file is read once, here.
    ///
    /// # Errors
    /// Where the file cannot be read or what it holds cannot be used: it may have changed since the configuration was checked.
    pub fn new(source: SecretSource, usage: SecretUse) -> Result<Self, SecretError> {
        Ok(Self(match source {
            SecretSource::Value(secret) | SecretSource::Environment(secret) => Kind::Value(secret),
            SecretSource::File(path) => {
                let (secret, files) = read(&path, usage)?;
                let secret = Mutex::new(FileSecret {
                    watched: Watched::new(secret, files),
                    log: Throttle::default(),
                });
                Kind::File { path, usage, secret }
            }
        }))
    }

    /// The secret as it is now; for a file at most a second old. If the file cannot be used any more, this is the last secret that
    /// could, and the log says so once.
    pub fn current(&self) -> Secret {
        match &self.0 {
            Kind::Value(secret) => secret.clone(),
            Kind::File { path, usage, secret } => {
                // What the lock guards is replaced as a whole, so it is sound even after a panic.
                let mut secret = secret.lock().unwrap_or_else(PoisonError::into_inner);
                let FileSecret { watched, log } = &mut *secret;
                let news = watched.look(|| read(path, *usage).map_err(|error| error.to_string()));
                let line = news.and_then(|news| log.tell(news)).or_else(|| log.take_due());
                if let Some(line) = line {
                    write(path, &line);
                }
                watched.good().clone()
            }
        }
    }
}

fn write(path: &Path, line: &Throttled<News>) {
    let (path, more) = (path.display(), line.more());
    match &line.event {
        News::Renewed => info!(%path, more, "secret file changed, using its new content"),
        News::Failed(error) => {
            warn!(%path, error, more, "secret file changed and cannot be used, keeping the last good secret");
        }
    }
}

fn read(path: &Path, usage: SecretUse) -> Result<(Secret, Files), SecretError> {
    let mut files = Files::of_at_most(LONGEST_FILE);
    let content = files.read(path)?;
    Ok((usage.check_content(content)?, files))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use tempfile::TempDir;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

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

        fn watched(&self) -> Watched<Secret> {
            let (secret, files) = read(&self.path, SecretUse::Header).unwrap();
            Watched::new(secret, files)
        }

        /// What a look finds a second later.
        async fn look(&self, watched: &mut Watched<Secret>) -> Option<News> {
            tokio::time::advance(SECOND).await;
            watched.look(|| read(&self.path, SecretUse::Header).map_err(|error| error.to_string()))
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
        tokio::time::advance(SECOND).await;
        assert_eq!(reader.current().expose(), "new-1");
        fs::write(&fixture.path, "longer-1").unwrap();
        assert_eq!(reader.current().expose(), "new-1");
        tokio::time::advance(SECOND).await;
        assert_eq!(reader.current().expose(), "longer-1");
    }

    #[tokio::test(start_paused = true)]
    async fn a_bad_change_is_told_once_and_the_last_good_secret_stays() {
        let fixture = Fixture::new("good-1");
        let mut file = fixture.watched();

        assert_eq!(fixture.look(&mut file).await, None);
        fixture.replace("\n");
        assert_eq!(fixture.look(&mut file).await, Some(News::Failed("is empty".into())));
        assert_eq!(fixture.look(&mut file).await, None);
        fs::remove_file(&fixture.path).unwrap();
        assert!(
            matches!(fixture.look(&mut file).await, Some(News::Failed(error)) if error.starts_with("cannot be read: "))
        );
        assert_eq!(fixture.look(&mut file).await, None);
        fixture.replace("with space\n");
        assert!(matches!(fixture.look(&mut file).await, Some(News::Failed(error)) if !error.contains("with space")));
        assert_eq!(file.good().expose(), "good-1");
        fixture.replace("good-2");
        assert_eq!(fixture.look(&mut file).await, Some(News::Renewed));
        assert_eq!(fixture.look(&mut file).await, None);
        assert_eq!(file.good().expose(), "good-2");
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_that_was_only_touched_is_no_news() {
        let fixture = Fixture::new("same");
        let mut file = fixture.watched();
        fixture.replace("same");
        assert_eq!(fixture.look(&mut file).await, None);
    }
}
