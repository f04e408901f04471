//! The polling of one account: takes what is due, keeps the limits, files the results.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::fetch::{Access, Fetched, Order};
use super::journal::Journal;
use super::limits::{Limits, Ticket};
use super::refusal::{Refusals, Turn};
use super::schedule::{Due, Schedule};
use crate::api::{Client, Error};
use crate::clock::SharedClock;
use crate::metrics::Activity;
use crate::model::{AccountName, FailureReason, FlowInfo, KeyId, Outcome};
use crate::store::{FlowRecord, Store, stretched};

/// An upstream that does not page its nodes is not asked for further pages for so long.
const PAGING_PAUSE: Duration = Duration::from_secs(3600);

/// One account's polling. [`AccountPoller::run`] owns everything that it starts.
#[derive(Debug)]
pub(super) struct AccountPoller {
    access: Arc<Access>,
    /// The access in force, for probes.
    door: Arc<Mutex<Arc<Access>>>,
    /// What the limits in force were made from: rate and concurrency.
    limited_by: (f64, usize),
    store: Arc<Store>,
    activity: Arc<Activity>,
    clock: SharedClock,
    schedule: Schedule,
    terminal_poll_interval: Duration,
    running: JoinSet<Ended>,
    refusals: Refusals,
    journal: Journal,
    /// Flows whose further pages of nodes are not asked for, until when.
    paging_paused: HashMap<KeyId, Instant>,
    /// Flows whose answers name another key, and which: told once.
    foreign_keys: HashMap<KeyId, i64>,
}

/// What the configuration says of an account, ready for use. Its flows are those that the store tracks.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) account: AccountName,
    pub(super) client: Client,
    pub(super) rate_limit: f64,
    pub(super) max_concurrent_requests: usize,
    pub(super) terminal_poll_interval: Duration,
}

/// A new configuration for an account that goes on.
#[derive(Debug)]
pub(super) struct Update {
    pub(super) settings: Settings,
    /// Flows that are not polled any more, as they were last known.
    pub(super) gone: Vec<Arc<FlowRecord>>,
}

/// What an account is told while it polls.
#[derive(Debug)]
pub(super) enum Message {
    /// Go on with a new configuration.
    Update(Box<Update>),
    /// A probe has ended: what it says of us, and of the clocks.
    Probed(Standing, Option<f64>),
}

/// What the end of a request says of our standing with the vendor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It refuses our credentials or our address.
    Refused(FailureReason),
    /// It knows us.
    Accepted,
    /// No answer of the API: nothing.
    Unsaid,
}

impl Standing {
    pub(super) fn of<T>(result: &Result<T, Error>) -> Self {
        match result {
            Err(Error::Code(code)) if code.refuses_us() => Self::Refused(FailureReason::Api(*code)),
            Ok(_) | Err(Error::Code(_)) => Self::Accepted,
            Err(_) => Self::Unsaid,
        }
    }
}

/// A poll that has ended; `None` where it ended in a bug.
#[derive(Debug)]
struct Ended {
    due: Due,
    key_id: KeyId,
    fetched: Option<Fetched>,
}

impl AccountPoller {
    /// Prepares the polling of an account whose flows are in the store.
    pub(super) fn new(settings: Settings, store: Arc<Store>, activity: Arc<Activity>, clock: SharedClock) -> Self {
        let now = Instant::now();
        let Settings {
            account,
            client,
            rate_limit,
            max_concurrent_requests,
            terminal_poll_interval,
        } = settings;
        let mut schedule = Schedule::new(now, rate_limit);
        for flow in store.account(&account).iter().flat_map(|account| &account.flows) {
            schedule.add(flow.info.key_id, flow.info.poll_interval, now);
        }
        let journal = Journal::new(account.clone());
        let limits = Arc::new(Limits::new(rate_limit, max_concurrent_requests));
        let access = Access::new(account.clone(), client, limits, activity.account(&account));
        let access = Arc::new(access);
        let poller = Self {
            door: Arc::new(Mutex::new(Arc::clone(&access))),
            access,
            limited_by: (rate_limit, max_concurrent_requests),
            store,
            activity,
            clock,
            schedule,
            terminal_poll_interval,
            running: JoinSet::new(),
            refusals: Refusals::default(),
            journal,
            paging_paused: HashMap::new(),
            foreign_keys: HashMap::new(),
        };
        poller.publish_budget();
        poller
    }

    /// The access in force at any time.
    pub(super) fn door(&self) -> Arc<Mutex<Arc<Access>>> {
        Arc::clone(&self.door)
    }

    /// Polls until told to stop, or until nobody is left to send a new configuration. Polls under way are given up then: an answer that
    /// nobody will see is not worth waiting for.
    pub(super) async fn run(mut self, mut messages: mpsc::UnboundedReceiver<Message>, stop: CancellationToken) {
        self.warn_of_budget();
        loop {
            let access = Arc::clone(&self.access);
            let next = self.next_turn();
            let now = Instant::now();
            if next.is_some_and(|next| next <= now) && self.skips(now) {
                self.skip(now);
                // A blocked account may skip very many flows in a row; others get their turn in between.
                tokio::task::coop::consume_budget().await;
                continue;
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                message = messages.recv() => match message {
                    Some(Message::Update(update)) => self.update(*update),
                    Some(Message::Probed(standing, skew)) => self.learn(standing, skew, now),
                    None => break,
                },
                Some(ended) = self.running.join_next(), if !self.running.is_empty() => {
                    // A task that was aborted or has panicked outside the poll itself cannot come back to the schedule.
                    if let Ok(ended) = ended {
                        self.file(ended);
                    }
                }
                ticket = access.limits.ticket(), if next.is_some_and(|next| next <= now) => self.start(ticket),
                () = tokio::time::sleep_until(next.unwrap_or(now)), if next.is_some_and(|next| next > now) => {}
            }
        }
    }

    /// Goes on with a new configuration. Polls under way end as they began.
    fn update(&mut self, update: Update) {
        let now = Instant::now();
        let Update { settings, gone } = update;
        let limited_by = (settings.rate_limit, settings.max_concurrent_requests);
        let limits = if limited_by == self.limited_by {
            Arc::clone(&self.access.limits)
        } else {
            Arc::new(Limits::new(settings.rate_limit, settings.max_concurrent_requests))
        };
        self.limited_by = limited_by;
        self.access = Arc::new(self.access.renewed(settings.client, limits));
        *self.door.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&self.access);
        self.terminal_poll_interval = settings.terminal_poll_interval;
        // New credentials deserve a try at once.
        let was_blocked = std::mem::take(&mut self.refusals).blocked();
        if was_blocked {
            self.store
                .update_account(&self.access.account, |account| account.blocked = false);
            self.journal.unblocked();
        }
        let terminal = self.terminal_poll_interval;
        let account = self.store.account(&self.access.account);
        let flows = account.iter().flat_map(|account| &account.flows);
        let wanted = flows.map(|flow| (flow.info.key_id, flow.base_interval(terminal)));
        self.schedule.replace(wanted, settings.rate_limit, was_blocked, now);
        for flow in gone {
            self.paging_paused.remove(&flow.info.key_id);
            self.foreign_keys.remove(&flow.info.key_id);
            if let Some(failure) = flow.failure {
                self.journal.forget(failure.reason);
            }
        }
        self.publish_budget();
        self.warn_of_budget();
    }

    /// When there is something to do next: the flow that is due first, or the next probe of a blocked account.
    fn next_turn(&self) -> Option<Instant> {
        let due = self.schedule.peek()?.at;
        Some(self.refusals.next_probe().map_or(due, |probe| probe.min(due)))
    }

    /// Whether the flow that is due is not to be asked for: the account is blocked, and it is not time for a probe.
    fn skips(&self, now: Instant) -> bool {
        self.refusals.next_probe().is_some_and(|probe| now < probe)
    }

    /// Files the flow that is due as not asked for.
    fn skip(&mut self, now: Instant) {
        if let Some((due, key_id)) = self.schedule.take() {
            self.failed(key_id, FailureReason::Blocked, None, now);
            self.plan(due, key_id, 1, now);
        }
    }

    /// Starts the poll of the flow that has been due longest.
    fn start(&mut self, ticket: Ticket) {
        let now = Instant::now();
        if self.skips(now) {
            return; // An answer that came while waiting for the ticket has blocked the account.
        }
        let Some((due, key_id)) = self.schedule.take() else {
            return;
        };
        self.refusals.probing(now);
        let order = Order {
            key_id,
            interval: stretched(self.base_interval(key_id), self.schedule.stretch()),
            hurry: false,
            paging: self.paging_paused.get(&key_id).is_none_or(|until| *until <= now),
        };
        let access = Arc::clone(&self.access);
        self.running.spawn(async move {
            let poll = AssertUnwindSafe(access.fetch(order, ticket));
            Ended {
                due,
                key_id,
                fetched: poll.catch_unwind().await.ok(),
            }
        });
    }

    /// Files what a poll brought and plans the flow's next one.
    fn file(&mut self, ended: Ended) {
        let Ended { due, key_id, fetched } = ended;
        let now = Instant::now();
        let mut requests = 1;
        match fetched {
            None => {
                self.activity.poll_panicked();
                if let Some(flow) = self.info(key_id) {
                    self.journal.panicked(&flow);
                }
                self.failed(key_id, FailureReason::Transport(Outcome::Other), None, now);
            }
            Some(fetched) => {
                requests = fetched.requests;
                self.learn(Standing::of(&fetched.result), fetched.clock_skew_seconds, now);
                if let Some(flow) = self.info(key_id) {
                    self.note(&fetched, &flow, now);
                }
                match fetched.result {
                    Ok(report) => {
                        let change = self
                            .store
                            .succeeded(&self.access.account, key_id, report, self.clock.now());
                        if let (Some(change), Some(flow)) = (change, self.info(key_id)) {
                            self.journal.succeeded(&flow, &report, change, now);
                        }
                    }
                    Err(error) => self.failed(key_id, error.reason(), Some(&error), now),
                }
            }
        }
        self.plan(due, key_id, requests, now);
    }

    /// Draws from the end of a request what concerns the account as a whole.
    fn learn(&mut self, standing: Standing, clock_skew_seconds: Option<f64>, now: Instant) {
        if clock_skew_seconds.is_some() {
            let account = &self.access.account;
            self.store
                .update_account(account, |account| account.clock_skew_seconds = clock_skew_seconds);
        }
        let turn = match standing {
            Standing::Refused(_) => self.refusals.refused(now),
            Standing::Accepted => self.refusals.accepted(now),
            Standing::Unsaid => None,
        };
        let Some(turn) = turn else {
            return;
        };
        let blocked = self.refusals.blocked();
        self.access.blocked.store(blocked, Ordering::Relaxed);
        self.store
            .update_account(&self.access.account, |account| account.blocked = blocked);
        match (turn, standing) {
            (Turn::Resumed(after), _) => self.journal.resumed(after),
            (Turn::Blocked, Standing::Refused(reason)) => self.journal.blocked(reason),
            (Turn::Blocked, _) => {}
        }
    }

    /// Notes what is strange about a flow's answer.
    fn note(&mut self, fetched: &Fetched, flow: &FlowInfo, now: Instant) {
        if fetched.ignores_paging {
            self.paging_paused.insert(flow.key_id, now + PAGING_PAUSE);
            self.journal.ignores_paging(flow);
        }
        if let Some(answered) = fetched.foreign_key
            && self.foreign_keys.insert(flow.key_id, answered) != Some(answered)
        {
            self.journal.foreign(flow, answered);
        }
    }

    fn failed(&mut self, key_id: KeyId, reason: FailureReason, error: Option<&Error>, now: Instant) {
        let change = self
            .store
            .failed(&self.access.account, key_id, reason, self.clock.now());
        if let (Some(change), Some(flow)) = (change, self.info(key_id)) {
            self.journal.failed(&flow, reason, error, change, now);
        }
    }

    fn plan(&mut self, due: Due, key_id: KeyId, requests: u32, now: Instant) {
        let interval = self.base_interval(key_id);
        self.schedule.again(due, interval, requests, now);
        self.publish_budget();
    }

    fn publish_budget(&self) {
        let ratio = self.schedule.budget_ratio();
        self.store
            .update_account(&self.access.account, |account| account.budget_ratio = ratio);
    }

    /// One warning at start where the configuration asks for more than the rate allows, with the arithmetic and the cures.
    fn warn_of_budget(&self) {
        let ratio = self.schedule.budget_ratio();
        if ratio > 1.0 {
            let rate = self.schedule.rate();
            let asked = ratio * rate;
            tracing::warn!(
                account = &*self.access.account,
                flows = self.schedule.len(),
                asked_per_second = asked,
                rate_limit = rate,
                "the intervals ask for more requests than rate_limit allows: every interval is {ratio:.2} times as long as configured; \
                 raise rate_limit to {asked:.1}, or make the intervals {ratio:.2} times as long"
            );
        }
    }

    fn info(&self, key_id: KeyId) -> Option<Arc<FlowInfo>> {
        self.store
            .flow(&self.access.account, key_id)
            .map(|flow| Arc::clone(&flow.info))
    }

    /// The interval that the flow asks for now.
    fn base_interval(&self, key_id: KeyId) -> Duration {
        let flow = self.store.flow(&self.access.account, key_id);
        flow.map_or(self.terminal_poll_interval, |flow| {
            flow.base_interval(self.terminal_poll_interval)
        })
    }
}
