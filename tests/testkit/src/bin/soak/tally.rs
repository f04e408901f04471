//! How often each kind of client came, so that a soak without load passes for none.

use std::sync::atomic::{AtomicU64, Ordering};

/// A count that many tasks add to.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add_one(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What was done besides honest scrapes.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Scrapes whose client left in the middle of the answer, or before it.
    pub(crate) broken_off: Count,
    /// Pages, read to the end.
    pub(crate) pages: Count,
    /// Pages that were answered with something else than 200, or not at all.
    pub(crate) pages_not_had: Count,
    /// Probes, answered with 200.
    pub(crate) probes: Count,
    /// Probes that were answered with something else, or not at all.
    pub(crate) probes_not_had: Count,
    /// Probes whose client left before the answer.
    pub(crate) probes_left: Count,
    /// Readers that read slowly, or not at all.
    pub(crate) slow_readers: Count,
    /// Reloads of a good file.
    pub(crate) reloads: Count,
    /// Reloads of a bad file, which were refused as they should be.
    pub(crate) refused_reloads: Count,
    /// Reloads that ended otherwise than they should.
    pub(crate) wrong_reloads: Count,
}
