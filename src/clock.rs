//! Wall time, injected.
//!
//! Signatures and `…_timestamp_seconds` metrics need the calendar; they get it from a [`Clock`] that a test can hold still.
//! Waiting is a different thing: it always goes through `tokio::time`, which a test can pause.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

/// Where the program reads the calendar.
pub trait Clock: fmt::Debug + Send + Sync {
    /// The present moment.
    fn now(&self) -> SystemTime;
}

/// A clock shared by every part of the program.
pub type SharedClock = Arc<dyn Clock>;

/// The host's own clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "the one place where the host's clock is read")]
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// `time` as Unix seconds with its fraction; 0 for a moment before 1970.
pub fn unix_seconds(time: SystemTime) -> f64 {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64())
}
