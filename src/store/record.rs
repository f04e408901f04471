//! What is known of one flow.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::rounds::Rounds;
use crate::model::{FailureReason, FlowInfo, FlowReport, Nodes, Origin, RecallType, Status};

/// What the exporter knows of one flow. Immutable: a poll replaces it.
#[derive(Debug, Clone)]
pub struct FlowRecord {
    /// What the configuration says.
    pub info: Arc<FlowInfo>,
    /// What the last good answer said, and when; `None` until the first success.
    pub known: Option<Known>,
    /// Why the last poll failed; `None` while the last poll succeeded or none has ended yet. Boxed, since few have one.
    pub failure: Option<Box<Failure>>,
    /// How often the flow was seen to enter an execution exception.
    pub exceptions: u32,
    /// What only the vendor's list tells; `None` where it never told of this flow. Boxed, since configured flows may do without.
    pub listed: Option<Box<Listed>>,
    /// The group calls of its rounds; `None` where nobody wants to know, or none has run.
    pub rounds: Option<Arc<Rounds>>,
}

/// What only the vendor's list tells of a flow.
#[derive(Debug, Clone, Copy, Default)]
pub struct Listed {
    /// Whether the list that was read last had it.
    pub now: bool,
    /// `finishNum`
    pub recall_attempts_completed: Option<Reported<i64>>,
}

/// What the good answers of a flow have reported, each thing as of the last answer that said something of it.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    /// `status`; `None` where none was ever reported.
    pub status: Option<Reported<Status>>,
    /// When the present status was first seen; when the first answer came, where none was ever reported.
    pub status_since: SystemTime,
    /// `recallType`
    pub recall_type: Option<Reported<RecallType>>,
    /// `recallNum`
    pub recall_attempts: Option<Reported<i64>>,
    /// `recallInterval`, in seconds.
    pub recall_interval_seconds: Option<Reported<i64>>,
    /// The nodes.
    pub nodes: Option<Reported<Nodes>>,
    /// When the last good answer came, by the calendar.
    pub at: SystemTime,
    /// When the last good answer came, by the steady clock that ages are measured with.
    pub instant: Instant,
}

/// Something that an answer reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reported<T> {
    /// What.
    pub value: T,
    /// When, by the steady clock.
    pub at: Instant,
}

/// What is reported now, else what was last.
pub(super) fn latest<T>(now: Option<T>, before: Option<Reported<T>>, at: Instant) -> Option<Reported<T>> {
    now.map(|value| Reported { value, at }).or(before)
}

/// A poll that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Why.
    pub reason: FailureReason,
    /// The same in the system's or the protocol's words, bounded; no part of an answer, and no secret.
    pub detail: Option<Arc<str>>,
    /// When the first poll failed of those that have failed in a row since, whatever each one's reason; by the calendar.
    pub since: SystemTime,
}

impl FlowRecord {
    pub(super) fn new(info: Arc<FlowInfo>) -> Self {
        Self {
            info,
            known: None,
            failure: None,
            exceptions: 0,
            listed: None,
            rounds: None,
        }
    }

    /// Whether the last fetch succeeded. False before the first.
    pub fn up(&self) -> bool {
        self.known.is_some() && self.failure.is_none()
    }

    /// Whether a poll of this flow has ended since the exporter started, well or badly. A poll that was skipped because the account is
    /// blocked is none.
    pub fn tried(&self) -> bool {
        let failed = self.failure.as_ref().map(|failure| failure.reason);
        self.known.is_some() || failed.is_some_and(|reason| reason != FailureReason::Blocked { tried: false })
    }

    /// How often the flow's state is fetched while the account's budget suffices: its own interval, or the one for flows that are over. The
    /// list tells of those as well.
    pub fn base_interval(&self, terminal: Duration) -> Duration {
        match self.status() {
            _ if self.is_told_by_list() => self.info.poll_interval,
            Some(status) if status.is_terminal() => self.info.poll_interval.max(terminal),
            _ => self.info.poll_interval,
        }
    }

    /// Whether it is the list that tells the flow's state.
    pub fn is_told_by_list(&self) -> bool {
        self.info.is_discovered() && self.listed.as_ref().is_some_and(|listed| listed.now)
    }

    /// Recall attempts that are over, as the list told last.
    pub fn recall_attempts_completed(&self) -> Option<Reported<i64>> {
        self.listed.as_ref()?.recall_attempts_completed
    }

    /// The status that was reported last, however long ago.
    pub fn status(&self) -> Option<Status> {
        self.known?.status.map(|status| status.value)
    }

    /// Takes a good answer in that came at this moment. What it does not report stays what was reported last. Returns the status that the
    /// flow was seen to enter, if it did; the first that is seen is not entered: nobody saw it begin.
    pub(super) fn succeeded(&mut self, report: FlowReport, at: SystemTime) -> Option<Status> {
        let instant = Instant::now();
        let before = self.known;
        let was = self.status();
        let entered = match (was, report.status) {
            (Some(before), Some(now)) if before.index() != now.index() => Some(now),
            _ => None,
        };
        let is_first = was.is_none() && report.status.is_some();
        let since = before
            .map(|known| known.status_since)
            .filter(|_| entered.is_none() && !is_first);
        self.failure = None;
        self.known = Some(Known {
            status: latest(report.status, before.and_then(|known| known.status), instant),
            status_since: since.unwrap_or(at),
            recall_type: latest(report.recall_type, before.and_then(|known| known.recall_type), instant),
            recall_attempts: latest(
                report.recall_attempts,
                before.and_then(|known| known.recall_attempts),
                instant,
            ),
            recall_interval_seconds: latest(
                report.recall_interval_seconds,
                before.and_then(|known| known.recall_interval_seconds),
                instant,
            ),
            nodes: latest(report.nodes, before.and_then(|known| known.nodes), instant),
            at,
            instant,
        });
        entered
    }

    /// Takes in what only a list tells. Where nothing has changed since the nodes were reported, they are what they were.
    pub(super) fn listed(&mut self, recall_attempts_completed: Option<i64>, nodes_stand: bool) {
        let instant = Instant::now();
        let before = self.recall_attempts_completed();
        self.listed = Some(Box::new(Listed {
            now: true,
            recall_attempts_completed: latest(recall_attempts_completed, before, instant),
        }));
        if nodes_stand && let Some(nodes) = self.known.as_mut().and_then(|known| known.nodes.as_mut()) {
            nodes.at = instant;
        }
    }

    /// The list does not have it, or not any more.
    pub(super) fn unlisted(&mut self) {
        if let Some(listed) = &mut self.listed {
            listed.now = false;
        }
    }

    /// How often its nodes are looked at, where that is not as often as its state is fetched.
    pub fn node_interval(&self) -> Option<Duration> {
        match self.info.origin {
            Origin::Discovered { node_interval } => Some(node_interval),
            Origin::Configured => None,
        }
    }

    /// Counts that the flow was seen to enter this status.
    pub(super) fn count_entry(&mut self, status: Status) {
        if status == Status::ExecutionException {
            self.exceptions = self.exceptions.saturating_add(1);
        }
    }

    /// Takes a failed poll in: what was known stays.
    pub(super) fn failed(&mut self, reason: FailureReason, detail: Option<Arc<str>>, at: SystemTime) {
        let since = self.failure.as_ref().map_or(at, |before| before.since);
        self.failure = Some(Box::new(Failure { reason, detail, since }));
    }
}
