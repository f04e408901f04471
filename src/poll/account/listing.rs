//! How the task of an account finds flows in the vendor's list: when it reads that, and what becomes of it.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use exporter_toolkit::clock::unix_seconds;
use futures_util::FutureExt;
use tokio::time::Instant;

use super::{AccountTask, BLOCKED, BUG, Ended, Polled};
use crate::api::Error;
use crate::config;
use crate::model::{Endpoint, FailureReason, FlowReport, KeyId, Nodes};
use crate::poll::condition::Verdict;
use crate::poll::discovery::{AfterLook, Discovery, ReadAt};
use crate::poll::limiter::Purpose;
use crate::poll::list::{Enough, ListOutcome, ListRequest, Listing, read_list};
use crate::store::FlowRecord;

impl AccountTask {
    /// Whether flows are found in the list, and how, from now on. `delisted` where the configuration does not list flows any more that it
    /// did.
    pub(super) fn want_discovery(&mut self, wanted: Option<config::Discovery>, delisted: bool, now: Instant) {
        let terminal = self.terminal_poll_interval;
        self.discovery = match (self.discovery.take(), wanted) {
            (_, None) => None,
            (Some(mut discovery), Some(settings)) => {
                discovery.update(settings, terminal, delisted, now);
                Some(discovery)
            }
            (None, Some(settings)) => Some(Discovery::new(settings, terminal, now, self.clock.now())),
        };
        if let (Some(discovery), Some(account)) = (&mut self.discovery, self.store.account(&self.name)) {
            discovery.leave_to_configuration(&account);
            self.session.activity.calls(Endpoint::QueryPage);
        }
        let state = self.discovery.as_ref().map(Discovery::state);
        self.store
            .update_account(&self.name, |account| account.discovery = state);
        self.leave_room();
    }

    /// When there is something to do about the list.
    pub(super) fn next_list(&self, now: Instant) -> Option<Instant> {
        let next = self.discovery.as_ref()?.next()?;
        if let Some(pause) = self.condition.pause(now) {
            return Some(next.max(pause.until));
        }
        Some(self.condition.next_try().map_or(next, |next_try| next.min(next_try)))
    }

    /// Reads the list if its time has come. In a blocked account, reading it is what is tried once a minute.
    pub(super) fn look_at_list(&mut self, now: Instant) {
        let (stretch, vendor_now) = (self.schedule.stretch(), self.vendor_now());
        let Some(discovery) = &mut self.discovery else {
            return;
        };
        let Some(next) = discovery.next().filter(|_| self.condition.pause(now).is_none()) else {
            return;
        };
        let mut session = Arc::clone(&self.session);
        match self.condition.next_try() {
            Some(next_try) if next_try <= now => {
                self.condition.tries(now);
                // It is to be read to its end, where it is not refused.
                session = Arc::new(session.going_on());
            }
            Some(_) if next <= now => {
                discovery.end(now, stretch);
                return self.store.list_failed(&self.name, BLOCKED, None, self.clock.now());
            }
            None if next <= now => {}
            _ => return,
        }
        discovery.begin();
        let request = ListRequest {
            query: Arc::new(discovery.query(vendor_now)),
            rules: discovery.rules(),
            enough: Enough::GoingOn(discovery.max_flows()),
            // Before any probe, and before a look at a flow that is due later.
            purpose: Purpose::Poll { urgent_from: now },
            patience: self.session.client.timeout() * 3,
            clock_offset: self.condition.clock_offset(),
        };
        self.running.push(Box::pin(async move {
            let outcome = AssertUnwindSafe(read_list(&session, &request));
            Ended::Discovery(now, outcome.catch_unwind().await.ok())
        }));
    }

    /// What the vendor's clock shows, as Unix time in seconds.
    #[allow(clippy::cast_possible_truncation, reason = "seconds of this era")]
    fn vendor_now(&self) -> i64 {
        let skew = self.condition.clock_skew_seconds().unwrap_or(0.0);
        (unix_seconds(self.clock.now()) + skew) as i64
    }

    /// Takes in what reading the list brought, that began at that moment.
    pub(super) fn list_ended(&mut self, began: Instant, outcome: Option<ListOutcome>, now: Instant) {
        let Some(ListOutcome { result, seen }) = outcome else {
            self.activity.poll_panicked();
            self.store.list_failed(&self.name, BUG, None, self.clock.now());
            return self.end_list(began);
        };
        let verdict = Verdict::of(&result);
        self.learn(seen, verdict, now);
        let outdated = seen.generation != self.condition.generation();
        match result {
            Ok(listing) => self.take_list_in(listing, now),
            // Nobody's refusal: it is asked for again with what is in force now.
            Err(_) if outdated && matches!(verdict, Verdict::Refused(_)) => return self.list_again(now),
            // It was not read to its end because nothing is asked for the moment.
            Err(Error::NotSent) if self.condition.blocked() || self.condition.pause(now).is_some() => {
                return self.list_again(now);
            }
            Err(error) => {
                self.list_failed(&error);
                if seen.pause.is_some() {
                    return self.list_again(now);
                }
            }
        }
        self.end_list(began);
    }

    fn end_list(&mut self, began: Instant) {
        let stretch = self.schedule.stretch();
        if let Some(discovery) = &mut self.discovery {
            discovery.end(began, stretch);
        }
    }

    fn list_again(&mut self, now: Instant) {
        if let Some(discovery) = &mut self.discovery {
            discovery.again(now);
        }
    }

    fn take_list_in(&mut self, listing: Listing, now: Instant) {
        let read = ReadAt {
            now,
            calendar: self.clock.now(),
            vendor: self.vendor_now(),
        };
        let (Some(discovery), Some(account)) = (&mut self.discovery, self.store.account(&self.name)) else {
            return; // Nobody wants to know any more.
        };
        let intake = discovery.take_in(listing, &account, &mut self.schedule, read);
        // Held on, the whole account would be copied.
        drop(account);
        self.events.listed(&intake.state, intake.new, intake.gone.len());
        if let Some(zone) = intake.zone {
            self.events.zone(zone);
        }
        let taken = self
            .store
            .listed(&self.name, intake.updates, &intake.gone, intake.state, read.calendar);
        for (change, report) in &taken.changes {
            self.events.succeeded(change, report, self.condition.blocked());
        }
        for flow in &taken.gone {
            self.forget(flow);
        }
        self.leave_room();
    }

    fn list_failed(&mut self, error: &Error) {
        let reason = error.reason();
        self.events.list_failed(reason, error, self.condition.blocked());
        let detail = Some(error.to_string());
        self.store.list_failed(&self.name, reason, detail, self.clock.now());
    }

    /// A flow is not watched any more.
    pub(super) fn forget(&mut self, flow: &FlowRecord) {
        self.paging.forget(flow.info.key_id);
        self.events.forget(flow);
    }

    /// Whether it is the list that tells this flow's state, and not a look at the flow itself.
    pub(super) fn is_told_by_list(&self, key_id: KeyId) -> bool {
        let depends = self
            .discovery
            .as_ref()
            .and_then(|discovery| discovery.depends_on_looks(key_id));
        depends == Some(false)
    }

    /// A good answer, in which a flow that was found has nodes: none, where none are told, so that it is seen to have been looked at.
    pub(super) fn with_nodes(&self, key_id: KeyId, report: FlowReport) -> FlowReport {
        let has_none = || {
            let account = self.store.account(&self.name);
            let flow = account.as_ref().and_then(|account| account.flow(key_id));
            flow.is_some_and(|flow| flow.info.is_discovered() && flow.known.is_none_or(|known| known.nodes.is_none()))
        };
        match report.nodes {
            None if self.discovery.is_some() && has_none() => FlowReport {
                nodes: Some(Nodes::default()),
                ..report
            },
            _ => report,
        }
    }

    /// Plans the next look at a flow that was found, or lets it go. Returns whether it was one.
    pub(super) fn look_ended(
        &mut self,
        polled: Polled,
        result: Result<&FlowReport, FailureReason>,
        requests: u32,
        now: Instant,
    ) -> bool {
        let Polled { key_id, due, .. } = polled;
        let Some(discovery) = &mut self.discovery else {
            return false;
        };
        match discovery.looked(key_id, due.slot, result, now) {
            None => return false,
            Some(AfterLook::Again(interval)) => self.plan(polled, Some(interval), requests, now),
            Some(AfterLook::Done) => self.schedule.remove(due.slot),
            Some(AfterLook::Gone) => {
                self.schedule.remove(due.slot);
                if let Some(flow) = self.store.found_gone(&self.name, key_id) {
                    self.forget(&flow);
                }
            }
        }
        true
    }
}
