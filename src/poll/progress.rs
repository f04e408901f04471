//! How a fetch gets on, for those who wait for it: they may be several, and each has a patience of its own.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::handle::ProbeFailure;
use crate::api::Error;

/// Shared by a fetch and by those who wait for it.
#[derive(Debug)]
pub(super) struct Progress(Mutex<State>);

#[derive(Debug)]
struct State {
    deadline: Instant,
    sent: Option<Instant>,
    trouble: Option<ProbeFailure>,
}

impl Progress {
    /// Of a fetch that nobody waits for longer than until then.
    pub(super) fn new(deadline: Instant) -> Self {
        Self(Mutex::new(State {
            deadline,
            sent: None,
            trouble: None,
        }))
    }

    /// Until when the first request must have been sent, and further ones must have ended.
    pub(super) fn deadline(&self) -> Instant {
        self.state().deadline
    }

    /// How much time is left until then.
    pub(super) fn left(&self) -> Duration {
        self.deadline().saturating_duration_since(Instant::now())
    }

    /// Somebody waits until then.
    pub(super) fn extend(&self, deadline: Instant) {
        let mut state = self.state();
        state.deadline = state.deadline.max(deadline);
    }

    /// A request goes out.
    pub(super) fn sends(&self) {
        self.state().sent.get_or_insert_with(Instant::now);
    }

    /// Whether one did.
    pub(super) fn is_sent(&self) -> bool {
        self.state().sent.is_some()
    }

    /// A request failed, and will be made again.
    pub(super) fn fails(&self, error: &Error) {
        self.state().trouble = Some(error.into());
    }

    /// What to tell somebody whose patience is over while the fetch goes on. Every answer must be complete within `timeout`: who has waited
    /// most of that has waited for the vendor.
    pub(super) fn so_far(&self, timeout: Duration) -> ProbeFailure {
        let state = self.state();
        if let Some(trouble) = &state.trouble {
            return trouble.clone();
        }
        let waited = state.sent.map(|sent| sent.elapsed());
        let error = match waited {
            None => Error::NotSent,
            Some(waited) if waited * 2 >= timeout => Error::Timeout,
            Some(waited) => Error::GivenUp(waited),
        };
        (&error).into()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each field is replaced as a whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
