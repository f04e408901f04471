//! An answer that could not be written: a bug, which comes back with each request.

use std::error::Error;
use std::sync::{LazyLock, Mutex, PoisonError};

use super::throttle::Throttle;

/// Tells of answers of one kind that could not be written: a line a minute, whoever asks and how often. For a `static`.
#[derive(Debug)]
pub struct Unwritten {
    what: &'static str,
    lines: LazyLock<Mutex<Throttle<Bug>>>,
}

/// The error is that of the line's own moment; those left out are counted.
#[derive(Debug)]
struct Bug(String);

impl Unwritten {
    /// For answers that are called so in a log: `the page`.
    pub const fn new(what: &'static str) -> Self {
        Self {
            what,
            lines: LazyLock::new(Mutex::default),
        }
    }

    /// Such an answer could not be written.
    pub fn tell(&self, error: &dyn Error) {
        // What the lock guards is replaced as a whole, so it is sound even after a panic.
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(line) = lines.tell(Bug(error.to_string())) {
            let Bug(error) = &line.event;
            tracing::error!(
                answer = self.what,
                error,
                more = line.more(),
                "an answer could not be written"
            );
        }
    }
}
