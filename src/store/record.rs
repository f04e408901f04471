//! What is known of one flow.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::model::{CountByStatus, FailureReason, FlowInfo, FlowReport};

/// What the exporter knows of one flow. Immutable: a poll replaces it.
#[derive(Debug, Clone)]
pub struct FlowRecord {
    /// What the configuration says.
    pub info: Arc<FlowInfo>,
    /// What the last good answer said, and when; `None` until the first success.
    pub known: Option<Known>,
    /// Why the last poll failed; `None` while the last poll succeeded or none has ended yet.
    pub failure: Option<Failure>,
    /// How often the flow was seen to enter each status. The first status that is seen is not an entry: nobody saw it begin.
    pub transitions: CountByStatus,
}

/// The last good answer of a flow.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    /// What it said.
    pub report: FlowReport,
    /// When the present status was first seen.
    pub status_since: SystemTime,
    /// When the answer came, by the calendar.
    pub at: SystemTime,
    /// When the answer came, by the steady clock that ages are measured with.
    pub instant: Instant,
}

/// A poll that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// Why.
    pub reason: FailureReason,
    /// When the first poll failed of those that have failed in a row since, whatever each one's reason; by the calendar.
    pub since: SystemTime,
}

impl FlowRecord {
    pub(super) fn new(info: Arc<FlowInfo>) -> Self {
        Self {
            info,
            known: None,
            failure: None,
            transitions: CountByStatus::default(),
        }
    }

    /// Whether the last fetch succeeded. False before the first.
    pub fn up(&self) -> bool {
        self.known.is_some() && self.failure.is_none()
    }

    /// Whether a poll of this flow has ended since the exporter started, well or badly. A poll that was skipped because the account is
    /// blocked is none.
    pub fn tried(&self) -> bool {
        let failed = self.failure.map(|failure| failure.reason);
        self.known.is_some() || failed.is_some_and(|reason| reason != FailureReason::Blocked { tried: false })
    }

    /// How often the flow is asked for while the account's budget suffices: its own interval, or the one for flows that are over.
    pub fn base_interval(&self, terminal: Duration) -> Duration {
        match self.known {
            Some(known) if known.report.status.is_terminal() => self.info.poll_interval.max(terminal),
            _ => self.info.poll_interval,
        }
    }

    /// Takes a good answer in that came at this moment; `counts` where it is a poll of ours, and a new status a transition.
    pub(super) fn succeeded(&mut self, report: FlowReport, at: SystemTime, counts: bool) {
        let entered = |known: &Known| known.report.status.index() != report.status.index();
        let same = self.known.filter(|known| !entered(known));
        if counts && self.known.as_ref().is_some_and(entered) {
            self.transitions.add(report.status);
        }
        self.failure = None;
        self.known = Some(Known {
            report,
            status_since: same.map_or(at, |known| known.status_since),
            at,
            instant: Instant::now(),
        });
    }

    /// Takes a failed poll in: what was known stays.
    pub(super) fn failed(&mut self, reason: FailureReason, at: SystemTime) {
        let since = self.failure.map_or(at, |before| before.since);
        self.failure = Some(Failure { reason, since });
    }
}
