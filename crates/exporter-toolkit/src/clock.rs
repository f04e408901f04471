//! Wall time, injected.
//!
//! Signatures and `…_timestamp_seconds` metrics need the calendar; they get it from a [`Clock`] that a test can hold still.
//! Waiting is a different thing: it always goes through `tokio::time`, which a test can pause.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use governor::clock::Clock as GovernorClock;
use governor::nanos::Nanos;
use tokio::time::Instant;

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

/// tokio's clock for the rate limiters, so that a paused-clock test controls them.
#[derive(Debug, Clone, Copy)]
pub struct SteadyClock {
    start: Instant,
}

impl SteadyClock {
    /// A clock that begins now.
    pub fn start() -> Self {
        Self { start: Instant::now() }
    }
}

impl GovernorClock for SteadyClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::from(self.start.elapsed())
    }
}
