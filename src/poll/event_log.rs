//! The events of an account that matter: its first answer, each change of a flow's status, each new kind of failure and its end. Never one
//! per poll, and of each kind one line a minute at most, which says how many more it stands for.
//!
//! A failure that strikes many flows alike (the vendor is down) is one event of the account, told when the first flow is struck
//! and when the last has recovered. A failure that concerns the flow alone (the vendor does not know it) is told for each flow.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use exporter_toolkit::logging::Throttle;
use tokio::time::Instant;

use super::event::{Event, write};
use crate::api::{ClockOffset, Error};
use crate::config::TimeZone;
use crate::model::{
    AccountName, ApiCode, Discovery, FailureReason, FlowInfo, FlowReport, KeyId, Nodes, ResponseField, Status,
    UnreadableFields,
};
use crate::store::{Change, FlowRecord};

/// What was told of an account so far.
#[derive(Debug)]
pub(super) struct EventLog {
    account: AccountName,
    answered: bool,
    failing: HashMap<&'static str, Failing>,
    /// What of a flow's answers could not be read, where something could not.
    unreadable: HashMap<KeyId, UnreadableFields>,
    /// Why the list cannot be read, and since when.
    list_failing: Option<(&'static str, Instant)>,
    /// Whether the last list had more flows than are watched.
    over_limit: bool,
    lines: Throttle<Event>,
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
            unreadable: HashMap::new(),
            list_failing: None,
            over_limit: false,
            lines: Throttle::default(),
        }
    }

    fn tell(&mut self, event: Event) {
        if let Some(line) = self.lines.tell(event) {
            write(&self.account, &line);
        }
    }

    /// Writes what was left out and may be written by now.
    pub(super) fn catch_up(&mut self) {
        while let Some(line) = self.lines.take_due() {
            write(&self.account, &line);
        }
    }

    /// When [`Self::catch_up`] is worth a call.
    pub(super) fn next_line(&self) -> Option<Instant> {
        self.lines.next_due()
    }

    /// A poll succeeded. While the account is `blocked` it is no news why flows do not fail any more: they are not asked.
    pub(super) fn succeeded(&mut self, change: &Change, report: &FlowReport, blocked: bool) {
        let flow = &change.flow;
        if !self.answered {
            self.answered = true;
            self.tell(Event::FirstAnswer(flow.key_id));
        }
        if let Some(reason) = change.previous_failure {
            self.recovered(flow, reason, blocked);
        }
        let Some(reported) = report.status else { return };
        let flow = Arc::clone(flow);
        match change.previous_status {
            Some(before) if before == reported => {}
            Some(from) if reported == Status::ExecutionException => self.tell(Event::Exception { flow, from }),
            Some(from) => self.tell(Event::Changed {
                flow,
                from,
                to: reported,
            }),
            None if matches!(reported, Status::ExecutionException | Status::Unknown(Some(_))) => {
                self.tell(Event::FirstSeenInTrouble { flow, status: reported });
            }
            None => self.tell(Event::FirstSeen { flow, status: reported }),
        }
    }

    /// A poll failed, or was not made because the account is `blocked`: then `error` is `None`, and the block itself was told.
    pub(super) fn failed(&mut self, change: &Change, reason: FailureReason, error: Option<&Error>, blocked: bool) {
        let flow = &change.flow;
        if change.previous_failure.map(FailureReason::label) == Some(reason.label()) {
            return;
        }
        if let Some(before) = change.previous_failure {
            self.recovered(flow, before, blocked);
        }
        let flow = Arc::clone(flow);
        let detail = || error.map(ToString::to_string).unwrap_or_default();
        if concerns_one_flow(reason) {
            let detail = detail();
            return self.tell(Event::FlowFails { flow, reason, detail });
        }
        let failing = self.failing.entry(reason.label()).or_insert(Failing {
            flows: 0,
            most: 0,
            since: Instant::now(),
        });
        failing.flows += 1;
        failing.most = failing.most.max(failing.flows);
        if failing.flows == 1 && !blocked {
            self.tell(Event::PollsFail {
                first: flow,
                reason,
                detail: detail(),
            });
        }
    }

    /// A flow does not fail for this reason any more.
    fn recovered(&mut self, flow: &Arc<FlowInfo>, reason: FailureReason, blocked: bool) {
        if concerns_one_flow(reason) {
            // In a blocked account it is not asked for any more, which is no recovery.
            if !blocked {
                let flow = Arc::clone(flow);
                self.tell(Event::FlowRecovers { flow, reason });
            }
        } else if let Some(failing) = self.one_less(reason)
            && !blocked
            && !matches!(reason, FailureReason::Blocked { .. })
        {
            self.tell(Event::PollsRecover {
                reason,
                flows: failing.most,
                lasted_seconds: failing.since.elapsed().as_secs(),
            });
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
    pub(super) fn blocked(&mut self, reason: FailureReason) {
        self.tell(Event::Blocked(reason));
    }

    /// The vendor accepts us again.
    pub(super) fn resumed(&mut self, after: Duration) {
        self.tell(Event::Resumed(after.as_secs()));
    }

    /// The configuration or the credentials changed while the vendor refused us: they deserve a try.
    pub(super) fn unblocked(&mut self) {
        self.tell(Event::Unblocked);
    }

    /// Requests are signed with another clock from now on.
    pub(super) fn clock(&mut self, offset: ClockOffset) {
        self.tell(match offset == ClockOffset::default() {
            true => Event::ClockAgrees,
            false => Event::ClockIsOff(offset),
        });
    }

    /// The configuration asks for more than the rate allows: the arithmetic and the cures.
    pub(super) fn over_budget(&mut self, flows: usize, ratio: f64, rate_limit: f64) {
        self.tell(Event::OverBudget {
            flows,
            ratio,
            rate_limit,
        });
    }

    /// A flow is not polled any more.
    pub(super) fn forget(&mut self, flow: &FlowRecord) {
        self.unreadable.remove(&flow.info.key_id);
        if let Some(failure) = &flow.failure {
            self.one_less(failure.reason);
        }
    }

    /// A poll ended in a bug of ours.
    pub(super) fn panicked(&mut self, key_id: KeyId) {
        self.tell(Event::Panicked(key_id));
    }

    /// The vendor refuses to be asked for a further page of nodes.
    pub(super) fn refuses_paging(&mut self, key_id: KeyId, error: &Error) {
        let error = error.to_string();
        self.tell(Event::RefusesPaging { key_id, error });
    }

    /// The vendor says that there are more nodes, and hands out nothing new.
    pub(super) fn pages_in_vain(&mut self, key_id: KeyId, nodes: Nodes) {
        self.tell(Event::PagesInVain {
            key_id,
            handed_out: nodes.by_status.total(),
            said: nodes.reported,
        });
    }

    /// These fields of a flow's answer are there and cannot be read: told of each flow once, and again for further ones.
    pub(super) fn unreadable(&mut self, key_id: KeyId, fields: UnreadableFields) {
        if fields.is_empty() {
            return;
        }
        let told = self.unreadable.entry(key_id).or_default();
        let mut all = *told;
        all.extend(fields);
        if all == *told {
            return;
        }
        *told = all;
        let fields: Vec<_> = all.iter().map(ResponseField::label).collect();
        let fields = fields.join(",");
        self.tell(Event::Unreadable { key_id, fields });
    }

    /// The list was read: so many flows are new, and so many have left.
    pub(super) fn listed(&mut self, state: &Discovery, new: usize, left: usize) {
        if let Some((_, since)) = self.list_failing.take() {
            let lasted_seconds = since.elapsed().as_secs();
            self.tell(Event::ListRecovers { lasted_seconds });
        }
        let tracked = state.tracked;
        if new + left > 0 {
            self.tell(Event::Listed { new, left, tracked });
        }
        let over = state.over_limit;
        if over > 0 && !self.over_limit {
            self.tell(Event::OverLimit { over, tracked });
        }
        self.over_limit = over > 0;
    }

    /// The list could not be read; in a `blocked` account that has been told.
    pub(super) fn list_failed(&mut self, reason: FailureReason, error: &Error, blocked: bool) {
        let since = self.list_failing.map_or_else(Instant::now, |(_, since)| since);
        let before = self.list_failing.replace((reason.label(), since));
        if !blocked && before.is_none_or(|(before, _)| before != reason.label()) {
            let detail = error.to_string();
            self.tell(Event::ListFails { reason, detail });
        }
    }

    /// A flow could not be looked at whose state the list tells.
    pub(super) fn look_failed(&mut self, key_id: KeyId, error: &Error) {
        self.tell(Event::LookFails {
            key_id,
            reason: error.reason(),
            detail: error.to_string(),
        });
    }

    /// The zone of the list's times was worked out.
    pub(super) fn zone(&mut self, zone: TimeZone) {
        self.tell(Event::Zone(zone));
    }

    /// The vendor asks to be left alone for so long.
    pub(super) fn paused(&mut self, pause: Duration) {
        self.tell(Event::Paused(pause.as_secs()));
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

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use exporter_toolkit::clock::{Clock, SharedClock};
    use testkit::log::Log;

    use super::*;
    use crate::model::Outcome;

    #[derive(Debug)]
    struct Still;

    impl Clock for Still {
        fn now(&self) -> SystemTime {
            SystemTime::UNIX_EPOCH
        }
    }

    fn change(key_id: u64, previous_status: Option<Status>, previous_failure: Option<FailureReason>) -> Change {
        let flow = FlowInfo::configured(KeyId::new(key_id).unwrap(), Duration::from_secs(60));
        Change {
            flow: Arc::new(flow),
            previous_status,
            previous_failure,
            base_interval: Duration::from_secs(60),
        }
    }

    fn report(status: Status) -> FlowReport {
        FlowReport {
            status: Some(status),
            ..FlowReport::default()
        }
    }

    /// Every event there is, once; the first answer comes but once.
    fn everything(log: &mut EventLog, key_id: u64) {
        let key = KeyId::new(key_id).unwrap();
        let timeout = FailureReason::Transport(Outcome::Timeout);
        let refused = FailureReason::Api(ApiCode::PARAMETER_EXCEPTION);
        let pending = Some(Status::Pending);
        log.succeeded(
            &change(key_id, pending, None),
            &report(Status::ExecutionException),
            false,
        );
        log.succeeded(&change(key_id, pending, None), &report(Status::Completed), false);
        log.succeeded(&change(key_id, None, None), &report(Status::Unknown(Some(9))), false);
        log.succeeded(&change(key_id, None, None), &report(Status::InProgress), false);
        log.failed(&change(key_id, pending, None), refused, Some(&Error::Timeout), false);
        log.succeeded(&change(key_id, pending, Some(refused)), &report(Status::Pending), false);
        log.failed(&change(key_id, pending, None), timeout, Some(&Error::Timeout), false);
        log.succeeded(&change(key_id, pending, Some(timeout)), &report(Status::Pending), false);
        log.blocked(FailureReason::Api(ApiCode::AUTHENTICATION_ERROR));
        log.resumed(Duration::from_secs(61));
        log.unblocked();
        log.clock(ClockOffset::from_seconds(i64::try_from(key_id).unwrap()));
        log.clock(ClockOffset::default());
        log.over_budget(7, 1.0 + key_id as f64, 5.0);
        log.panicked(key);
        log.refuses_paging(key, &Error::NoData);
        log.pages_in_vain(key, Nodes::default());
        let mut fields = UnreadableFields::default();
        fields.add(ResponseField::RecallNum);
        log.unreadable(key, fields);
        log.paused(Duration::from_secs(key_id));
        log.list_failed(timeout, &Error::Timeout, false);
        let state = |over_limit| Discovery {
            over_limit,
            ..Discovery::default()
        };
        log.listed(&state(key_id as usize), 1, 2);
        log.listed(&state(0), 0, 0);
        log.look_failed(key, &Error::Timeout);
        log.zone(TimeZone::default());
    }

    #[tokio::test(start_paused = true)]
    async fn a_day_of_every_event_at_every_poll_is_one_line_a_minute_and_kind() {
        const POLLS: u64 = 86_400 / 7;
        let clock: SharedClock = Arc::new(Still);
        let lines = Log::begin(clock);
        let mut logs = ["main", "other"].map(|account| EventLog::new(account.into()));
        for number in 1..=POLLS {
            for log in &mut logs {
                everything(log, number);
                log.catch_up();
            }
            tokio::time::advance(Duration::from_secs(7)).await;
        }
        tokio::time::advance(Duration::from_secs(60)).await;
        logs.iter_mut().for_each(EventLog::catch_up);
        assert!(logs.iter().all(|log| log.next_line().is_none()));
        let events = lines.events();
        for (kind, count) in &events {
            let expected = if kind.1.contains("first answer") { 1 } else { POLLS };
            assert_eq!(*count, expected, "{kind:?}");
        }
        assert_eq!(events.len(), 2 * 26, "{:?}", events.keys());
    }
}
