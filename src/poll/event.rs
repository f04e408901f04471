//! What can happen to an account that is worth a line in the log, and that line.

use std::sync::Arc;

use exporter_toolkit::logging::Throttled;

use crate::api::ClockOffset;
use crate::config::TimeZone;
use crate::model::{FailureReason, FlowInfo, KeyId, Status};

/// One kind a variant: each has one line a minute at most.
#[derive(Debug)]
pub(super) enum Event {
    /// The vendor has answered for the first time.
    FirstAnswer(KeyId),
    /// A flow is in an execution exception, and was not before. Apart from other changes, which must not hide it.
    Exception { flow: Arc<FlowInfo>, from: Status },
    /// A flow has changed to any other status.
    Changed {
        flow: Arc<FlowInfo>,
        from: Status,
        to: Status,
    },
    /// A flow has a status for the first time.
    FirstSeen { flow: Arc<FlowInfo>, status: Status },
    /// The same, with one that wants a look.
    FirstSeenInTrouble { flow: Arc<FlowInfo>, status: Status },
    /// A flow fails for a reason of its own.
    FlowFails {
        flow: Arc<FlowInfo>,
        reason: FailureReason,
        detail: String,
    },
    /// It does not any more.
    FlowRecovers { flow: Arc<FlowInfo>, reason: FailureReason },
    /// Flows begin to fail for a reason that they share; this is the first.
    PollsFail {
        first: Arc<FlowInfo>,
        reason: FailureReason,
        detail: String,
    },
    /// None does any more.
    PollsRecover {
        reason: FailureReason,
        /// How many did at once.
        flows: usize,
        lasted_seconds: u64,
    },
    /// The vendor refuses us; polling stops.
    Blocked(FailureReason),
    /// The vendor accepts us again, after so many seconds.
    Resumed(u64),
    /// What the vendor refused us for has changed: that deserves a try.
    Unblocked,
    /// Requests are signed with the time of the vendor from now on.
    ClockIsOff(ClockOffset),
    /// Requests are signed with our own time again.
    ClockAgrees,
    /// The configuration asks for more than the rate allows.
    OverBudget {
        flows: usize,
        /// Requests per second that are asked for ÷ those that are allowed.
        ratio: f64,
        rate_limit: f64,
    },
    /// A poll ended in a bug of ours.
    Panicked(KeyId),
    /// The vendor refuses to be asked for a further page of nodes.
    RefusesPaging { key_id: KeyId, error: String },
    /// The vendor says that there are more nodes, and hands out nothing new.
    PagesInVain {
        key_id: KeyId,
        handed_out: u32,
        said: Option<i64>,
    },
    /// Fields of a flow's answers are there and cannot be read.
    Unreadable { key_id: KeyId, fields: String },
    /// The vendor asks to be left alone for so many seconds.
    Paused(u64),
    /// The list has flows that were not watched before, or some have left.
    Listed {
        new: usize,
        left: usize,
        /// How many are watched now.
        tracked: usize,
    },
    /// There are more flows than are watched.
    OverLimit {
        /// So many are left out.
        over: usize,
        tracked: usize,
    },
    /// The list cannot be read.
    ListFails { reason: FailureReason, detail: String },
    /// It can again.
    ListRecovers { lasted_seconds: u64 },
    /// A flow that the list tells of cannot be looked at.
    LookFails {
        key_id: KeyId,
        reason: FailureReason,
        detail: String,
    },
    /// The zone of the list's times was worked out.
    Zone(TimeZone),
}

/// Writes the line.
pub(super) fn write(account: &str, line: &Throttled<Event>) {
    let more = line.more();
    match &line.event {
        Event::FirstAnswer(key_id) => tracing::info!(account, %key_id, more, "first answer from the vendor"),
        Event::Exception { flow, from } => {
            let (name, from) = (flow.name(), Shown(*from));
            tracing::warn!(account, key_id = %flow.key_id, name, %from, more, "flow entered an execution exception");
        }
        Event::Changed { flow, from, to } => {
            let (name, from, to) = (flow.name(), Shown(*from), Shown(*to));
            tracing::info!(account, key_id = %flow.key_id, name, %from, %to, more, "flow changed its status");
        }
        Event::FirstSeen { flow, status } => {
            let (name, status) = (flow.name(), Shown(*status));
            tracing::debug!(account, key_id = %flow.key_id, name, %status, more, "flow first seen");
        }
        Event::FirstSeenInTrouble { flow, status } => {
            let (name, status) = (flow.name(), Shown(*status));
            tracing::warn!(account, key_id = %flow.key_id, name, %status, more, "flow first seen, and its status wants a look");
        }
        Event::FlowFails { flow, reason, detail } => {
            let (name, reason) = (flow.name(), reason.label());
            tracing::warn!(account, key_id = %flow.key_id, name, reason, detail, more, "flow cannot be fetched");
        }
        Event::FlowRecovers { flow, reason } => {
            let (name, reason) = (flow.name(), reason.label());
            tracing::info!(account, key_id = %flow.key_id, name, reason, more, "flow is not refused for this reason any more");
        }
        Event::PollsFail { first, reason, detail } => {
            let (name, reason) = (first.name(), reason.label());
            tracing::warn!(account, first_key_id = %first.key_id, name, reason, detail, more, "polls fail");
        }
        Event::PollsRecover {
            reason,
            flows,
            lasted_seconds,
        } => {
            let reason = reason.label();
            tracing::info!(
                account,
                reason,
                flows,
                lasted_seconds,
                more,
                "polls do not fail for this reason any more"
            );
        }
        Event::Blocked(reason) => tracing::error!(
            account,
            reason = reason.label(),
            more,
            "the vendor refuses this account: only one flow is asked for a minute; check its key, secret and IP allow list"
        ),
        Event::Resumed(after_seconds) => {
            tracing::info!(
                account,
                after_seconds,
                more,
                "the vendor accepts this account again: polling resumes"
            );
        }
        Event::Unblocked => tracing::info!(
            account,
            more,
            "the account was blocked: with its new configuration or credentials it is asked again"
        ),
        Event::ClockIsOff(offset) => tracing::warn!(
            account,
            offset_seconds = offset.seconds(),
            more,
            "the clock of this host is off: requests are signed with the time of the vendor; check NTP on this host"
        ),
        Event::ClockAgrees => tracing::info!(
            account,
            more,
            "the clock of this host agrees with the vendor's again; requests are signed with it"
        ),
        Event::OverBudget {
            flows,
            ratio,
            rate_limit,
        } => {
            let asked = ratio * rate_limit;
            tracing::warn!(
                account,
                flows,
                asked_per_second = asked,
                rate_limit,
                more,
                "the intervals ask for more requests than rate_limit allows: every interval is {ratio:.2} times as long as \
                 configured; raise rate_limit to {asked:.1}, or make the intervals {ratio:.2} times as long"
            );
        }
        Event::Panicked(key_id) => {
            tracing::error!(account, %key_id, more, "a poll ended in a bug; the flow is polled again at its next turn");
        }
        Event::RefusesPaging { key_id, error } => tracing::warn!(
            account,
            %key_id,
            error,
            more,
            "the vendor refuses to hand out further pages of rounds; not asking for any for an hour"
        ),
        Event::PagesInVain {
            key_id,
            handed_out,
            said,
        } => tracing::info!(
            account,
            %key_id,
            handed_out,
            said,
            more,
            "the vendor says that there are more rounds than it hands out; for an hour no more pages are asked for than brought something"
        ),
        Event::Unreadable { key_id, fields } => {
            tracing::warn!(account, %key_id, fields, more, "fields of the answer cannot be read and are left out");
        }
        Event::Paused(seconds) => tracing::warn!(
            account,
            seconds,
            more,
            "the vendor asks to be left alone for a while (Retry-After): polling pauses"
        ),
        Event::Listed { new, left, tracked } => {
            tracing::info!(
                account,
                new,
                left,
                tracked,
                more,
                "the vendor's list has changed the flows that are watched"
            );
        }
        Event::OverLimit { over, tracked } => tracing::warn!(
            account,
            over,
            tracked,
            more,
            "the vendor's list has more flows than are watched: raise discovery.max_flows, shorten lookback or keep_terminal, or drop flows by rules"
        ),
        Event::ListFails { reason, detail } => {
            let reason = reason.label();
            tracing::warn!(
                account,
                reason,
                detail,
                more,
                "the vendor's list of flows cannot be read"
            );
        }
        Event::ListRecovers { lasted_seconds } => {
            tracing::info!(
                account,
                lasted_seconds,
                more,
                "the vendor's list of flows can be read again"
            );
        }
        Event::LookFails { key_id, reason, detail } => {
            let reason = reason.label();
            tracing::warn!(account, %key_id, reason, detail, more, "the rounds of a flow cannot be looked at; its status comes from the list");
        }
        Event::Zone(zone) => tracing::info!(
            account,
            time_zone = %zone,
            more,
            "the times in the vendor's list are at least so far ahead of UTC, to judge by its newest flow; discovery.time_zone says it for certain"
        ),
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
