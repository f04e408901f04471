//! One log line per event that matters: an account's first answer, each change of a flow's status, each new kind of failure and its
//! end. Never one per poll.
//!
//! A failure that strikes many flows alike (the vendor is down) is one event of the account, told when the first flow is struck
//! and when the last has recovered. A failure that concerns the flow alone (the vendor does not know it) is told for each flow.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::api::{ClockOffset, Error};
use crate::model::{
    AccountName, ApiCode, FailureReason, FlowInfo, FlowReport, KeyId, Nodes, ResponseField, Status, UnreadableFields,
};
use crate::store::Change;

/// What was told of an account so far.
#[derive(Debug)]
pub(super) struct EventLog {
    account: AccountName,
    answered: bool,
    failing: HashMap<&'static str, Failing>,
}

#[derive(Debug)]
struct Failing {
    flows: usize,
    most: usize,
    since: Instant,
}

impl EventLog {
    pub(super) fn new(account: AccountName) -> Self {
        Self {
            account,
            answered: false,
            failing: HashMap::new(),
        }
    }

    /// A poll succeeded. While the account is `blocked` it is no news why flows do not fail any more: they are not asked.
    pub(super) fn succeeded(&mut self, change: &Change, report: &FlowReport, blocked: bool) {
        let flow = &*change.flow;
        let account = &*self.account;
        if !self.answered {
            self.answered = true;
            tracing::info!(account, key_id = %flow.key_id, "first answer from the vendor");
        }
        if let Some(reason) = change.previous_failure {
            self.recovered(flow, reason, blocked);
        }
        let account = &*self.account;
        let Some(reported) = report.status else { return };
        let status = Shown(reported);
        let name = flow.name.as_deref();
        match change.previous_status {
            Some(before) if before == reported => {}
            Some(before) if reported == Status::ExecutionException => {
                tracing::warn!(account, key_id = %flow.key_id, name, from = %Shown(before), to = %status, "flow changed its status");
            }
            Some(before) => {
                tracing::info!(account, key_id = %flow.key_id, name, from = %Shown(before), to = %status, "flow changed its status");
            }
            None if matches!(reported, Status::ExecutionException | Status::Unknown(Some(_))) => {
                tracing::warn!(account, key_id = %flow.key_id, name, %status, "flow first seen");
            }
            None => tracing::debug!(account, key_id = %flow.key_id, name, %status, "flow first seen"),
        }
    }

    /// A poll failed, or was not made because the account is `blocked`: then `error` is `None`, and the block itself was told.
    pub(super) fn failed(&mut self, change: &Change, reason: FailureReason, error: Option<&Error>, blocked: bool) {
        let flow = &*change.flow;
        if change.previous_failure.map(FailureReason::label) == Some(reason.label()) {
            return;
        }
        if let Some(before) = change.previous_failure {
            self.recovered(flow, before, blocked);
        }
        let account = &*self.account;
        let detail = error.map(ToString::to_string).unwrap_or_default();
        let name = flow.name.as_deref();
        if concerns_one_flow(reason) {
            tracing::warn!(account, key_id = %flow.key_id, name, reason = reason.label(), detail, "flow cannot be fetched");
            return;
        }
        let failing = self.failing.entry(reason.label()).or_insert(Failing {
            flows: 0,
            most: 0,
            since: Instant::now(),
        });
        failing.flows += 1;
        failing.most = failing.most.max(failing.flows);
        if failing.flows == 1 && !blocked {
            tracing::warn!(account, first_key_id = %flow.key_id, name, reason = reason.label(), detail, "polls fail");
        } else {
            tracing::debug!(account, key_id = %flow.key_id, name, reason = reason.label(), detail, "poll failed");
        }
    }

    /// A flow does not fail for this reason any more.
    fn recovered(&mut self, flow: &FlowInfo, reason: FailureReason, blocked: bool) {
        let account = &*self.account;
        let name = flow.name.as_deref();
        if concerns_one_flow(reason) {
            if blocked {
                return; // It is not asked for any more, which is no recovery.
            }
            tracing::info!(account, key_id = %flow.key_id, name, reason = reason.label(), "flow is not refused for this reason any more");
            return;
        }
        if let Some(failing) = self.one_less(reason)
            && !blocked
            && !matches!(reason, FailureReason::Blocked { .. })
        {
            tracing::info!(
                account = &*self.account,
                reason = reason.label(),
                flows = failing.most,
                lasted_seconds = failing.since.elapsed().as_secs(),
                "polls do not fail for this reason any more"
            );
        }
    }

    /// One flow less fails for this reason; gives what is to be told of it where that was the last.
    fn one_less(&mut self, reason: FailureReason) -> Option<Failing> {
        let failing = self.failing.get_mut(reason.label())?;
        failing.flows = failing.flows.saturating_sub(1);
        if failing.flows > 0 {
            return None;
        }
        self.failing.remove(reason.label())
    }

    /// The vendor refuses us; polling stops.
    pub(super) fn blocked(&self, reason: FailureReason) {
        tracing::error!(
            account = &*self.account,
            reason = reason.label(),
            "the vendor refuses this account: only one flow is asked for a minute; check its key, secret and IP allow list"
        );
    }

    /// The vendor accepts us again.
    pub(super) fn resumed(&self, after: Duration) {
        tracing::info!(
            account = &*self.account,
            after_seconds = after.as_secs(),
            "the vendor accepts this account again: polling resumes"
        );
    }

    /// The configuration or the credentials changed while the vendor refused us: they deserve a try.
    pub(super) fn unblocked(&self) {
        tracing::info!(
            account = &*self.account,
            "the account was blocked: with its new configuration or credentials it is asked again"
        );
    }

    /// Requests are signed with another clock from now on.
    pub(super) fn clock(&self, offset: ClockOffset) {
        let account = &*self.account;
        if offset == ClockOffset::default() {
            tracing::info!(
                account,
                "the clock of this host agrees with the vendor's again; requests are signed with it"
            );
        } else {
            tracing::warn!(
                account,
                offset_seconds = offset.seconds(),
                "the clock of this host is off: requests are signed with the time of the vendor; check NTP on this host"
            );
        }
    }

    /// The configuration asks for more than the rate allows: the arithmetic and the cures.
    pub(super) fn over_budget(&self, flows: usize, ratio: f64, rate_limit: f64) {
        let asked = ratio * rate_limit;
        tracing::warn!(
            account = &*self.account,
            flows,
            asked_per_second = asked,
            rate_limit,
            "the intervals ask for more requests than rate_limit allows: every interval is {ratio:.2} times as long as configured; \
             raise rate_limit to {asked:.1}, or make the intervals {ratio:.2} times as long"
        );
    }

    /// A flow that failed for this reason is not polled any more.
    pub(super) fn forget(&mut self, reason: FailureReason) {
        self.one_less(reason);
    }

    /// A poll ended in a bug of ours.
    pub(super) fn panicked(&self, key_id: KeyId) {
        tracing::error!(account = &*self.account, %key_id, "a poll ended in a bug; the flow is polled again at its next turn");
    }

    /// The vendor refuses to be asked for a further page of nodes.
    pub(super) fn refuses_paging(&self, key_id: KeyId, error: &Error) {
        let error = error.to_string();
        tracing::warn!(account = &*self.account, %key_id, error, "the vendor refuses to hand out further pages of rounds; not asking for any for an hour");
    }

    /// The vendor says that there are more nodes, and hands out nothing new.
    pub(super) fn pages_in_vain(&self, key_id: KeyId, nodes: Nodes) {
        let (handed_out, said) = (nodes.by_status.total(), nodes.reported);
        tracing::info!(account = &*self.account, %key_id, handed_out, said, "the vendor says that there are more rounds than it hands out; for an hour no more pages are asked for than brought something");
    }

    /// Fields of a flow's answers are there and cannot be read.
    pub(super) fn unreadable(&self, key_id: KeyId, fields: UnreadableFields) {
        let fields: Vec<_> = fields.iter().map(ResponseField::label).collect();
        let fields = fields.join(",");
        tracing::warn!(account = &*self.account, %key_id, fields, "fields of the answer cannot be read and are left out");
    }

    /// The vendor asks to be left alone for so long.
    pub(super) fn paused(&self, pause: Duration) {
        let seconds = pause.as_secs();
        tracing::warn!(
            account = &*self.account,
            seconds,
            "the vendor asks to be left alone for a while (Retry-After): polling pauses"
        );
    }
}

/// Whether a failure says something of this flow only, not of the way to the vendor.
fn concerns_one_flow(reason: FailureReason) -> bool {
    match reason {
        FailureReason::Api(code) => code == ApiCode::PARAMETER_EXCEPTION || !ApiCode::DOCUMENTED.contains(&code),
        FailureReason::NoData => true,
        FailureReason::OtherFlow
        | FailureReason::Transport(_)
        | FailureReason::HttpStatus(_)
        | FailureReason::Blocked { .. } => false,
    }
}

/// A status for people: the word, with the number where the word does not say it.
struct Shown(Status);

impl std::fmt::Display for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Status::Unknown(Some(code)) => write!(f, "unknown({code})"),
            status => f.write_str(status.label()),
        }
    }
}
