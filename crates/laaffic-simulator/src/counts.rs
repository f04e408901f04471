//! What the simulator saw: the other side of the exporter's own counters.

use std::collections::BTreeMap;

use serde::Serialize;
use tokio::time::Instant;

/// Requests to the API: in all, of an account, or for a flow. Control requests are not among them.
///
/// Every request gets exactly one name in `answers`, so its values add up to `requests` as soon as nothing is in flight. A flow's are
/// those that could be read as far as its `keyId`, whatever they were then answered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Requests that arrived, refused ones included.
    pub requests: u64,
    /// Of these, those whose answer is not out yet.
    pub in_flight: u32,
    /// The most that were ever in flight together.
    pub max_concurrent: u32,
    /// Requests whose sender left before the answer was out. They are counted in `answers` too.
    pub abandoned: u64,
    /// What became of the requests: `success`, the code of a refusal (`-22`), an HTTP status (`http_404`), the
    /// name of a fault, or `unread` where the sender left before all of its request was here.
    pub answers: BTreeMap<String, u64>,
    /// How often a fault changed an answer without being one: `delay`, `clock_offset`, `ignore_current`,
    /// `torn`.
    pub altered: BTreeMap<String, u64>,
}

impl Counts {
    /// How many requests got this name in `answers`.
    pub fn answered(&self, name: &str) -> u64 {
        self.answers.get(name).copied().unwrap_or_default()
    }

    pub(crate) fn enter(&mut self) {
        self.requests += 1;
        self.in_flight += 1;
        self.max_concurrent = self.max_concurrent.max(self.in_flight);
    }

    pub(crate) fn leave(&mut self, abandoned: bool) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.abandoned += u64::from(abandoned);
    }

    pub(crate) fn answer(&mut self, name: &str) {
        *self.answers.entry(name.to_owned()).or_default() += 1;
    }

    pub(crate) fn alter(&mut self, name: &str) {
        *self.altered.entry(name.to_owned()).or_default() += 1;
    }

    /// From the start again; what is in flight still is.
    pub(crate) fn reset(&mut self) {
        *self = Self {
            in_flight: self.in_flight,
            max_concurrent: self.in_flight,
            ..Self::default()
        };
    }
}

/// A request's arrival, where [`Settings::record_arrivals`](crate::Settings::record_arrivals) asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// When all of it was there.
    pub at: Instant,
    /// Which flow it asked for, where it could be read that far.
    pub key_id: Option<u64>,
}
