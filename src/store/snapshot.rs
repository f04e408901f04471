//! All accounts at one moment, and how their state is judged.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::account::AccountFlows;
use super::record::{FlowRecord, Known, Reported};
use crate::model::{CountByStatus, FailureReason, FlowInfo, FlowReport, KeyId, Nodes, Status};

/// The rules by which a state is judged, from the configuration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Policy {
    /// After this long without a success (or three intervals, if longer) a flow's state is not shown any more.
    pub stale_after: Duration,
    /// How often a flow that is over is still fetched, at least.
    pub terminal_poll_interval: Duration,
    /// How long one request may take.
    pub request_timeout: Duration,
}

/// All accounts at one moment, sorted by name.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The accounts.
    pub accounts: Vec<Arc<AccountFlows>>,
    /// The rules in force.
    pub policy: Policy,
    /// How many configurations the store had taken in.
    pub generation: u64,
    /// The moment that ages are measured against.
    pub taken: Instant,
    /// What was reported since then is fresh whatever the flow's interval; `None` where everything is.
    pub(super) fresh_since: Option<Instant>,
    /// When the last poll of any flow ended, well or badly; when the store was made, before the first.
    pub last_poll_ended: Instant,
}

impl Snapshot {
    /// The interval in force for a flow: its own, stretched where the account's budget does not suffice.
    pub fn poll_interval(&self, account: &AccountFlows, flow: &FlowRecord) -> Duration {
        let base = flow.base_interval(self.policy.terminal_poll_interval);
        account.state.stretched(base)
    }

    /// What is known of a flow, unless its last good answer is too old for anything of it to be shown.
    pub fn fresh<'f>(&self, account: &AccountFlows, flow: &'f FlowRecord) -> Option<&'f Known> {
        let known = flow.known.as_ref()?;
        self.is_fresh(account, flow, known.instant).then_some(known)
    }

    /// What was reported of a flow, unless that is too long ago to be shown.
    pub fn fresh_part<T: Copy>(
        &self,
        account: &AccountFlows,
        flow: &FlowRecord,
        part: impl FnOnce(&Known) -> Option<Reported<T>>,
    ) -> Option<T> {
        let reported = part(flow.known.as_ref()?)?;
        self.is_fresh(account, flow, reported.at).then_some(reported.value)
    }

    /// The status to show: what was reported last, if that is not too long ago; unknown where none was ever reported. `None` where nothing
    /// is to be shown.
    pub fn status(&self, account: &AccountFlows, flow: &FlowRecord) -> Option<Status> {
        match self.fresh(account, flow)?.status {
            None => Some(Status::Unknown(None)),
            Some(_) => self.fresh_part(account, flow, |known| known.status),
        }
    }

    /// The nodes that were reported, to be shown. They are looked at less often than a state that the list tells.
    pub fn nodes(&self, account: &AccountFlows, flow: &FlowRecord) -> Option<Nodes> {
        let nodes = self.fresh(account, flow)?.nodes?;
        let looked_at = |interval: Duration| {
            self.taken.saturating_duration_since(nodes.at) <= account.state.stretched(interval) * 3
        };
        let fresh = self.is_fresh(account, flow, nodes.at) || flow.node_interval().is_some_and(looked_at);
        fresh.then_some(nodes.value)
    }

    /// Recall attempts that are over, to be shown.
    pub fn recall_attempts_completed(&self, account: &AccountFlows, flow: &FlowRecord) -> Option<i64> {
        let reported = flow.recall_attempts_completed()?;
        self.is_fresh(account, flow, reported.at).then_some(reported.value)
    }

    fn is_fresh(&self, account: &AccountFlows, flow: &FlowRecord, at: Instant) -> bool {
        // A scrape asks this for every flow in most families, so it is one comparison, and the interval is worked out only where it decides.
        self.fresh_since.is_none_or(|since| at >= since)
            || self.taken.saturating_duration_since(at) <= self.poll_interval(account, flow) * 3
    }

    /// The account's flows by present status; a flow whose state is not known, or not any more, counts as unknown.
    pub fn count_by_status(&self, account: &AccountFlows) -> CountByStatus {
        let mut counts = CountByStatus::default();
        for flow in &account.flows {
            counts.add(self.status(account, flow).unwrap_or(Status::Unknown(None)));
        }
        counts
    }

    /// The one flow alone, as a fetch out of turn saw it. A flow that is tracked has its configuration, its counts and its interval in
    /// force, but nothing of the state that earlier polls saw; one that is not has `poll_interval`.
    pub fn probed(
        mut self,
        account: &str,
        key_id: KeyId,
        poll_interval: Duration,
        result: Result<FlowReport, FailureReason>,
        at: SystemTime,
    ) -> Self {
        let info = FlowInfo::configured(key_id, poll_interval);
        let mut probed = AccountFlows::new(account.into(), [info]);
        for flow in &mut probed.flows {
            let tracked = self.accounts.iter().find(|tracked| tracked.name == probed.name);
            let tracked = tracked.and_then(|account| Some((account, account.flow(key_id)?)));
            let record = Arc::make_mut(flow);
            if let Some((account, tracked)) = tracked {
                *record = FlowRecord {
                    // They are read for all flows together, and not for one.
                    rounds: None,
                    ..FlowRecord::clone(tracked)
                };
                Arc::make_mut(&mut record.info).poll_interval = self.poll_interval(account, tracked);
            }
            match result {
                Ok(report) => {
                    // What it enters is counted when a poll sees it.
                    record.succeeded(report, at);
                }
                Err(reason) => {
                    record.known = None;
                    record.failed(reason, None, at);
                }
            }
        }
        self.accounts = vec![Arc::new(probed)];
        // The interval is in force already: what the answer says does not make it longer.
        self.policy.terminal_poll_interval = Duration::ZERO;
        self
    }
}
