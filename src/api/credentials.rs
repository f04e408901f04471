//! A key and its secret, read together.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::config::{Secret, SecretReader};

/// How often the files are looked at, at most. Both readers look no more often either, so both look at the same moments.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What one request is signed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialPair {
    /// Sent as `Api-Key`.
    pub api_key: Secret,
    /// Never sent.
    pub api_secret: Secret,
}

/// An account's key and secret as they are now, always as a pair: of two files that change together, never one new and one old.
#[derive(Debug)]
pub struct Credentials {
    api_key: SecretReader,
    api_secret: SecretReader,
    current: Arc<CredentialPair>,
    /// A pair with one half new, as it was seen last: the other half may be on its way.
    half_new: Option<CredentialPair>,
    looked: Instant,
}

impl Credentials {
    /// Reads the pair for the first time.
    pub fn new(api_key: SecretReader, api_secret: SecretReader) -> Self {
        let pair = CredentialPair {
            api_key: api_key.current(),
            api_secret: api_secret.current(),
        };
        Self {
            api_key,
            api_secret,
            current: Arc::new(pair),
            half_new: None,
            looked: Instant::now(),
        }
    }

    /// The pair in force.
    pub fn current(&self) -> Arc<CredentialPair> {
        Arc::clone(&self.current)
    }

    /// When the next look is worth while.
    pub fn next_look(&self) -> Instant {
        self.looked + LOOK_EVERY
    }

    /// Looks whether the pair has changed; true if another one is in force from now on. Where one half alone has changed, it waits a
    /// look for the other, unless the pair in force is `refused` anyway.
    pub fn look(&mut self, refused: bool) -> bool {
        if Instant::now() < self.next_look() {
            return false;
        }
        let seen = CredentialPair {
            api_key: self.api_key.current(),
            api_secret: self.api_secret.current(),
        };
        self.looked = Instant::now();
        let half_before = self.half_new.take();
        if seen == *self.current {
            return false;
        }
        let both = seen.api_key != self.current.api_key && seen.api_secret != self.current.api_secret;
        if both || refused || half_before.as_ref() == Some(&seen) {
            self.current = Arc::new(seen);
            return true;
        }
        self.half_new = Some(seen);
        false
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use tempfile::TempDir;

    use super::*;
    use crate::config::{SecretSource, SecretUse};

    struct Files(TempDir);

    impl Files {
        fn new() -> Self {
            let files = Self(tempfile::tempdir().unwrap());
            files.write("key", "old-key");
            files.write("secret", "old-secret");
            files
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        fn write(&self, name: &str, content: &str) {
            fs::write(self.path("new"), content).unwrap();
            fs::rename(self.path("new"), self.path(name)).unwrap();
        }

        fn reader(&self, name: &str) -> SecretReader {
            SecretReader::new(SecretSource::File(self.path(name)), SecretUse::Header).unwrap()
        }
    }

    fn pair(credentials: &Credentials) -> (String, String) {
        let pair = credentials.current();
        (pair.api_key.expose().to_owned(), pair.api_secret.expose().to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn files_that_change_together_are_never_seen_apart() {
        let files = Files::new();
        let api_key = files.reader("key");
        // The readers look at moments of their own.
        tokio::time::advance(LOOK_EVERY / 2).await;
        let mut credentials = Credentials::new(api_key, files.reader("secret"));
        files.write("key", "new-key");
        files.write("secret", "new-secret");
        let mut seen = vec![pair(&credentials)];
        for _ in 0..30 {
            tokio::time::advance(LOOK_EVERY / 10).await;
            credentials.look(false);
            seen.push(pair(&credentials));
        }
        seen.dedup();
        let pairs = ["old", "new"].map(|age| (format!("{age}-key"), format!("{age}-secret")));
        assert_eq!(seen, pairs);
    }

    #[tokio::test(start_paused = true)]
    async fn half_a_change_waits_a_look_for_the_other_half() {
        let files = Files::new();
        let mut credentials = Credentials::new(files.reader("key"), files.reader("secret"));
        files.write("key", "new-key");
        tokio::time::advance(LOOK_EVERY).await;
        assert!(!credentials.look(false));
        files.write("secret", "new-secret");
        tokio::time::advance(LOOK_EVERY).await;
        assert!(credentials.look(false));
        assert_eq!(pair(&credentials), ("new-key".into(), "new-secret".into()));
        // The secret alone: after a second look, or at once where the pair is refused.
        for (refused, looks) in [(false, 2), (true, 1)] {
            files.write("secret", if refused { "secret-3" } else { "secret-2" });
            for look in 1..=looks {
                tokio::time::advance(LOOK_EVERY).await;
                assert_eq!(credentials.look(refused), look == looks);
            }
        }
    }
}
