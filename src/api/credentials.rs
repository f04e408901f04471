//! A key and its secret, read together.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::config::{Secret, SecretError, SecretReader, SecretSource, SecretUse};

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
    may_change: bool,
    looked: Instant,
}

impl Credentials {
    /// Reads both for the first time.
    ///
    /// # Errors
    /// Where a file cannot be read or holds what cannot be used.
    pub fn new(api_key: SecretSource, api_secret: SecretSource) -> Result<Self, SecretError> {
        let files = [&api_key, &api_secret].map(|source| matches!(source, SecretSource::File(_)));
        let api_key = SecretReader::new(api_key, SecretUse::Header)?;
        let api_secret = SecretReader::new(api_secret, SecretUse::Signature)?;
        Ok(Self {
            current: Arc::new(read(&api_key, &api_secret)),
            api_key,
            api_secret,
            may_change: files.contains(&true),
            half_new: None,
            looked: Instant::now(),
        })
    }

    /// The pair in force.
    pub fn current(&self) -> Arc<CredentialPair> {
        Arc::clone(&self.current)
    }

    /// When the next look is worth while, if ever.
    pub fn next_look(&self) -> Option<Instant> {
        self.may_change.then(|| self.looked + LOOK_EVERY)
    }

    /// Looks whether the pair has changed; true if another one is in force from now on. Where one half alone has changed, it waits a
    /// look for the other, unless the pair in force is `refused` anyway.
    pub fn look(&mut self, refused: bool) -> bool {
        if self.next_look().is_none_or(|next| Instant::now() < next) {
            return false;
        }
        let seen = read(&self.api_key, &self.api_secret);
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

fn read(api_key: &SecretReader, api_secret: &SecretReader) -> CredentialPair {
    CredentialPair {
        api_key: api_key.current(),
        api_secret: api_secret.current(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn half_a_change_waits_a_look_for_the_other_half() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, content: &str| fs::write(folder.path().join(name), content).unwrap();
        write("key", "key-1");
        write("secret", "secret-1");
        let source = |name| SecretSource::File(folder.path().join(name));
        let mut credentials = Credentials::new(source("key"), source("secret")).unwrap();
        let mut look = async |refused| {
            tokio::time::advance(LOOK_EVERY).await;
            let changed = credentials.look(refused);
            let pair = credentials.current();
            let seen = [&pair.api_key, &pair.api_secret].map(|secret| secret.expose().to_owned());
            (changed, seen.join(" "))
        };
        write("key", "key-02");
        assert_eq!(look(false).await, (false, "key-1 secret-1".to_owned()));
        write("secret", "secret-02");
        assert_eq!(look(false).await, (true, "key-02 secret-02".to_owned()));
        // The secret alone: after a second look, or at once where the pair is refused.
        write("secret", "secret-003");
        assert_eq!(look(false).await, (false, "key-02 secret-02".to_owned()));
        assert_eq!(look(false).await, (true, "key-02 secret-003".to_owned()));
        write("secret", "secret-0004");
        assert_eq!(look(true).await, (true, "key-02 secret-0004".to_owned()));
    }
}
