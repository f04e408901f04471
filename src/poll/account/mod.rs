//! The task of one account. It alone knows how the account stands with the vendor, and publishes that to the store.
//!
//! Whoever wants something of the account sends a [`Message`]. A fetch gets what it needs as plain values, and goes on within this task
//! beside the others; what it saw comes back here, whatever has become of the one who asked for it.

mod listing;

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::balance::{self, BalanceOutcome, BalanceTurns, fetch_balance};
use super::condition::{BlockChange, Condition, Verdict};
use super::discovery::Discovery;
use super::event_log::EventLog;
use super::fetch::{FetchOutcome, FetchRequest, Halted, Paging, fetch, fetch_in_turn};
use super::handle::{Admission, AskedList, Message, ProbeFailure, ProbeRequest, Settings, Update};
use super::limiter::{Limiter, Permit, Purpose};
use super::list::{Enough, ListOutcome, ListRequest, Listing, read_list};
use super::outcomes::{CallsOutcome, OutcomeTurns, read_calls};
use super::paging::PagingMemory;
use super::probes::{Asked, Probe, Probes};
use super::progress::Progress;
use super::requests::{Seen, Session};
use super::schedule::{Due, Schedule};
use crate::api::{Connection, Credentials, Error};
use crate::config::NameRules;
use crate::metrics::Activity;
use crate::model::{AccountName, Endpoint, FailureReason, FlowReport, KeyId, Outcome};
use crate::store::{Store, stretched};
use exporter_toolkit::clock::SharedClock;

/// One account's polling. [`AccountTask::run`] owns everything that it starts.
#[derive(Debug)]
pub(super) struct AccountTask {
    name: AccountName,
    store: Arc<Store>,
    activity: Arc<Activity>,
    clock: SharedClock,
    credentials: Credentials,
    /// What the session's client is made from.
    connection: Connection,
    session: Arc<Session>,
    condition: Condition,
    schedule: Schedule,
    /// What the store was told last of how the account stands.
    published: Option<Standing>,
    /// The fetches under way.
    running: FuturesUnordered<BoxFuture<'static, Ended>>,
    probes: Probes,
    balance: BalanceTurns,
    /// How flows are found, where they are.
    discovery: Option<Discovery>,
    terminal_poll_interval: Duration,
    outcomes: OutcomeTurns,
    events: EventLog,
    paging: PagingMemory,
}

/// Where the account is not asked.
const BLOCKED: FailureReason = FailureReason::Blocked { tried: true };

/// Where a fetch ended in a bug of ours.
const BUG: FailureReason = FailureReason::Transport(Outcome::Other);

/// A place in the limiter's queue.
type Place = Pin<Box<dyn Future<Output = Permit> + Send>>;

/// A fetch that has ended; `None` where it ended in a bug.
#[derive(Debug)]
enum Ended {
    Poll(Polled, Option<FetchOutcome>),
    /// For somebody who waits; perhaps it was not sent, and why.
    Probe(Asked, Arc<Probe>, Option<Result<FetchOutcome, Halted>>),
    /// The list, which was begun to be read at that moment.
    Discovery(Instant, Option<ListOutcome>),
    /// The list, for somebody who waits.
    List(ListReply, Option<ListOutcome>),
    /// What the account has, asked for at that moment.
    Balance(Instant, Option<BalanceOutcome>),
    /// The group calls, read from that moment on.
    Calls(Instant, Option<CallsOutcome>),
}

/// Where a list goes that somebody has asked for.
type ListReply = oneshot::Sender<Result<Listing, ProbeFailure>>;

/// How the account stands, apart from its flows.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Standing {
    budget_ratio: f64,
    blocked: bool,
    paused: bool,
    clock_skew_seconds: Option<f64>,
    outcome_interval: Option<Duration>,
}

/// Which flow a poll is of, and its turn.
#[derive(Debug, Clone, Copy)]
struct Polled {
    key_id: KeyId,
    due: Due,
    began: Instant,
}

impl AccountTask {
    /// Prepares the polling of an account whose flows are in the store.
    pub(super) fn new(settings: Settings, store: Arc<Store>, activity: Arc<Activity>, clock: SharedClock) -> Self {
        let now = Instant::now();
        let Settings {
            account: name,
            client,
            connection,
            credentials,
            rate_limit,
            max_concurrent_requests,
            balance,
            discovery,
            terminal_poll_interval,
            outcome_interval,
        } = settings;
        let mut schedule = Schedule::new(now, rate_limit);
        let account = store.account(&name);
        let flows = account.iter().flat_map(|account| &account.flows);
        for flow in flows.filter(|flow| !flow.info.is_discovered()) {
            schedule.add(flow.info.key_id, flow.info.poll_interval, now);
        }
        let condition = Condition::default();
        let session = Session {
            client: Arc::new(client),
            credentials: credentials.current(),
            generation: condition.generation(),
            limiter: Arc::new(Limiter::new(rate_limit, max_concurrent_requests)),
            activity: activity.account(&name),
            halted: CancellationToken::new(),
        };
        let mut task = Self {
            events: EventLog::new(name.clone()),
            name,
            store,
            activity,
            clock,
            credentials,
            connection,
            session: Arc::new(session),
            condition,
            schedule,
            published: None,
            running: none_running(),
            probes: Probes::default(),
            balance: BalanceTurns::default(),
            discovery: None,
            terminal_poll_interval,
            outcomes: OutcomeTurns::default(),
            paging: PagingMemory::default(),
        };
        task.want_balance(balance, now);
        task.want_outcomes(outcome_interval, now);
        task.want_discovery(discovery, false, now);
        task.publish(now);
        task
    }

    /// Polls until told to stop, or until nobody is left to send a new configuration. Fetches under way are given up then: an answer that
    /// nobody will see is not worth waiting for.
    pub(super) async fn run(mut self, mut messages: mpsc::UnboundedReceiver<Message>, stop: CancellationToken) {
        self.warn_of_budget();
        // The place in the limiter's queue, kept for as long as there is something to send.
        let mut place: Option<Place> = None;
        loop {
            let now = Instant::now();
            self.look_at_credentials(now);
            self.events.catch_up();
            let skipped = self.skip_due(now);
            self.look_at_balance(now);
            self.look_at_list(now);
            self.look_at_outcomes(now);
            self.publish(now);
            let next = self.next_request(now);
            match next.filter(|next| *next <= now) {
                None => place = None,
                Some(due) => {
                    let urgent_from = self.schedule.urgent_from(due);
                    place.get_or_insert_with(|| {
                        let limiter = Arc::clone(&self.session.limiter);
                        Box::pin(limiter.permit(Purpose::Poll { urgent_from }))
                    });
                }
            }
            let wake = self.next_wake(next, now);
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                message = messages.recv() => match message {
                    Some(Message::Update(update)) => self.update(*update),
                    Some(Message::Fetch(request)) => self.start_probe(request),
                    Some(Message::List(asked)) => self.start_list(asked),
                    None => break,
                },
                Some(permit) = wait_in(&mut place) => {
                    place = None;
                    self.start_poll(permit);
                }
                // After what begins fetches, so that those which may go out together do.
                Some(ended) = self.running.next() => self.ended(ended),
                // A blocked account may skip very many flows in a row; others get their turn in between.
                () = tokio::task::coop::consume_budget(), if skipped => {}
                () = tokio::time::sleep_until(wake.unwrap_or(now)), if wake.is_some() => {}
            }
        }
    }

    /// When the next poll may go out: that of the flow that is due first, or the next try of a blocked account, unless that is its list.
    fn next_request(&self, now: Instant) -> Option<Instant> {
        let next = match self.condition.next_try() {
            Some(_) if self.discovery.is_some() => return None,
            None => self.schedule.next_due()?,
            Some(next_try) => (!self.schedule.is_empty()).then_some(next_try)?,
        };
        let pause = self.condition.pause(now);
        Some(pause.map_or(next, |pause| next.max(pause.until)))
    }

    /// When there is something to do although nothing has happened: the next look at the credentials, the next poll, and in a blocked
    /// account the next flow to skip, or the next line in the log.
    fn next_wake(&self, next_request: Option<Instant>, now: Instant) -> Option<Instant> {
        let request = next_request.filter(|next| *next > now);
        let skip = self.schedule.next_due().filter(|_| self.condition.blocked());
        let look = self.credentials.next_look();
        let line = self.events.next_line();
        let balance = self.unless_halted(self.balance.next(), now);
        let outcomes = self.unless_halted(self.outcomes.next(), now);
        let list = self.next_list(now);
        [request, skip, look, line, balance, self.balance.stale(), outcomes, list]
            .into_iter()
            .flatten()
            .min()
    }

    /// Skips the flow that is due in a blocked account. It waits for its turn to be tried, or for the end of the block.
    fn skip_due(&mut self, now: Instant) -> bool {
        if !self.condition.blocked() || self.schedule.next_due().is_none_or(|due| due > now) {
            return false;
        }
        if let Some(key_id) = self.schedule.park()
            && !self.is_told_by_list(key_id)
            && let Some(change) = self.store.skipped(&self.name, key_id, self.clock.now())
        {
            self.events.failed(&change, BLOCKED, None, true);
        }
        true
    }

    /// Goes on with a new configuration. Fetches under way end as they began.
    fn update(&mut self, update: Update) {
        let now = Instant::now();
        let Update { settings, gone } = update;
        self.session
            .limiter
            .set(settings.rate_limit, settings.max_concurrent_requests);
        let terminal = settings.terminal_poll_interval;
        self.terminal_poll_interval = terminal;
        self.want_balance(settings.balance, now);
        self.want_outcomes(settings.outcome_interval, now);
        let delisted = gone.iter().any(|flow| !flow.info.is_discovered());
        self.want_discovery(settings.discovery, delisted, now);
        let account = self.store.account(&self.name);
        let flows = account.iter().flat_map(|account| &account.flows);
        let configured = flows.filter(|flow| !flow.info.is_discovered());
        let configured = configured.map(|flow| (flow.info.key_id, flow.base_interval(terminal)));
        let found = self.discovery.iter().flat_map(Discovery::scheduled);
        self.schedule.replace(configured.chain(found), settings.rate_limit, now);
        drop(account);
        for flow in gone {
            self.forget(&flow);
        }
        let unchanged =
            self.connection == settings.connection && self.credentials.current() == settings.credentials.current();
        self.credentials = settings.credentials;
        self.connection = settings.connection;
        self.session = Arc::new(Session {
            client: Arc::new(settings.client),
            ..Session::clone(&self.session)
        });
        // What the vendor has refused it would refuse again, unless something of it is new.
        if !unchanged {
            self.begin_session(now);
        }
        self.warn_of_budget();
    }

    /// Takes changed credentials over.
    fn look_at_credentials(&mut self, now: Instant) {
        if self.credentials.look(self.condition.blocked()) {
            self.begin_session(now);
        }
    }

    /// Requests go out with other credentials or on another way from now on, which ends a block.
    fn begin_session(&mut self, now: Instant) {
        let was_blocked = self.condition.renew();
        self.session = Arc::new(Session {
            credentials: self.credentials.current(),
            generation: self.condition.generation(),
            ..self.session.going_on()
        });
        if was_blocked {
            self.events.unblocked();
            self.wake_all(now);
        }
    }

    /// Starts the poll of the flow that has been due longest.
    fn start_poll(&mut self, permit: Permit) {
        let now = Instant::now();
        let Some((due, key_id)) = self.schedule.take() else {
            return;
        };
        self.condition.tries(now);
        let interval = stretched(self.schedule.base_interval(due), self.schedule.stretch());
        let request = FetchRequest {
            key_id,
            purpose: Purpose::Poll {
                urgent_from: self.schedule.urgent_from(due.at),
            },
            progress: Arc::new(Progress::new(now + interval)),
            further_pages: self.paging.further_pages(key_id, now),
            clock_offset: self.condition.clock_offset(),
        };
        let session = Arc::clone(&self.session);
        let polled = Polled {
            key_id,
            due,
            began: now,
        };
        self.running.push(Box::pin(async move {
            let outcome = AssertUnwindSafe(fetch(&session, &request, permit));
            Ended::Poll(polled, outcome.catch_unwind().await.ok())
        }));
    }

    /// Takes a probe on, or says why not.
    fn start_probe(&mut self, request: ProbeRequest) {
        let ProbeRequest { asked, deadline, reply } = request;
        // Whoever asked may have gone, which ends what was begun.
        let _ = reply.send(self.admit(asked, deadline));
    }

    /// Begins a probe, which waits for its permit like everybody else, unless the same is under way. A blocked account is not asked,
    /// unless a try is due and there is no flow to try.
    fn admit(&mut self, asked: Asked, deadline: Instant) -> Admission {
        let now = Instant::now();
        let (generation, timeout) = (self.condition.generation(), self.session.client.timeout());
        if let Some(share) = self.probes.join(asked, deadline, generation, timeout) {
            return Admission::Taken(share);
        }
        if let Some(pause) = self.condition.pause(now) {
            return Admission::Refused(ProbeFailure::paused(pause, now));
        }
        if let Some(retry_after) = self.probes.full(self.schedule.rate()) {
            return Admission::Busy(retry_after);
        }
        let mut session = Arc::clone(&self.session);
        if let Some(next_try) = self.condition.next_try() {
            if next_try > now || !self.schedule.is_empty() || self.discovery.is_some() {
                return Admission::Refused(BLOCKED.into());
            }
            self.condition.tries(now);
            session = Arc::new(self.session.going_on());
        }
        let (probe, share) = self.probes.begin(asked, deadline, generation, timeout);
        let request = FetchRequest {
            key_id: asked.key_id,
            purpose: Purpose::Probe,
            progress: Arc::clone(&probe.progress),
            further_pages: match asked.first_page_only {
                true => 0,
                false => self.paging.further_pages(asked.key_id, now),
            },
            clock_offset: self.condition.clock_offset(),
        };
        self.running.push(Box::pin(async move {
            let outcome = AssertUnwindSafe(fetch_in_turn(&session, &request, probe.is_given_up()));
            let outcome = outcome.catch_unwind().await;
            Ended::Probe(asked, probe, outcome.ok())
        }));
        Admission::Taken(share)
    }

    /// Begins to read the list for somebody, unless the account is not asked at present.
    fn start_list(&mut self, asked: AskedList) {
        let now = Instant::now();
        let refused = match (self.condition.pause(now), self.condition.blocked()) {
            (Some(pause), _) => Some(ProbeFailure::paused(pause, now)),
            (None, true) => Some(BLOCKED.into()),
            (None, false) => None,
        };
        let AskedList {
            query,
            most_flows,
            patience,
            reply,
        } = asked;
        if let Some(refused) = refused {
            // Whoever asked may have gone.
            return drop(reply.send(Err(refused)));
        }
        self.session.activity.calls(Endpoint::QueryPage);
        let request = ListRequest {
            query,
            rules: NameRules::default(),
            enough: Enough::Flows(most_flows),
            purpose: Purpose::Probe,
            patience,
            clock_offset: self.condition.clock_offset(),
        };
        let session = Arc::clone(&self.session);
        self.running.push(Box::pin(async move {
            let outcome = AssertUnwindSafe(read_list(&session, &request));
            Ended::List(reply, outcome.catch_unwind().await.ok())
        }));
    }

    /// Whether the account's balance is asked for, from now on.
    fn want_balance(&mut self, wanted: bool, now: Instant) {
        self.balance.want(wanted, now);
        if wanted {
            self.session.activity.calls(Endpoint::GetBalance);
        } else {
            self.forget_balance();
        }
        self.leave_room();
    }

    /// Whether outcomes of rounds are read, and how often, from now on.
    fn want_outcomes(&mut self, interval: Option<Duration>, now: Instant) {
        self.outcomes.want(interval, now);
        if interval.is_some() {
            self.session.activity.calls(Endpoint::GroupCallQuery);
        } else {
            self.store.forget_rounds(&self.name);
        }
        self.leave_room();
    }

    /// Leaves room in the account's rate for what is asked beside its flows.
    fn leave_room(&mut self) {
        let balance = match self.balance.wanted() {
            true => 1.0 / balance::INTERVAL.as_secs_f64(),
            false => 0.0,
        };
        let list = self.discovery.as_ref().map_or(0.0, Discovery::demand);
        self.schedule.leave_room(balance + list + self.outcomes.rate());
    }

    /// When something may be asked for beside flows: not while nothing else is.
    fn unless_halted(&self, next: Option<Instant>, now: Instant) -> Option<Instant> {
        let next = next.filter(|_| !self.condition.blocked())?;
        let pause = self.condition.pause(now);
        Some(pause.map_or(next, |pause| next.max(pause.until)))
    }

    /// Asks for the balance if its time has come, and forgets one that is too old.
    fn look_at_balance(&mut self, now: Instant) {
        if self.balance.stale().is_some_and(|stale| stale <= now) {
            self.forget_balance();
        }
        if self
            .unless_halted(self.balance.next(), now)
            .is_none_or(|next| next > now)
        {
            return;
        }
        self.balance.begin();
        let (session, clock_offset) = (Arc::clone(&self.session), self.condition.clock_offset());
        self.running.push(Box::pin(async move {
            let outcome = AssertUnwindSafe(fetch_balance(&session, clock_offset, now));
            Ended::Balance(now, outcome.catch_unwind().await.ok())
        }));
    }

    fn forget_balance(&mut self) {
        self.balance.forget();
        self.store.update_account(&self.name, |account| account.balance = None);
    }

    /// Takes in what asking for the balance brought. That it failed is counted with all requests, and what was known is shown for a while.
    fn balance_ended(&mut self, began: Instant, outcome: &BalanceOutcome, now: Instant) {
        self.learn(outcome.seen, Verdict::of(&outcome.result), now);
        self.balance.end(began, outcome.result.is_ok());
        if let Ok(balance) = outcome.result
            && self.balance.wanted()
        {
            self.store
                .update_account(&self.name, |account| account.balance = Some(balance));
        }
    }

    /// Begins to read the group calls if it is time and flows have rounds that are still to be read.
    fn look_at_outcomes(&mut self, now: Instant) {
        if self
            .unless_halted(self.outcomes.next(), now)
            .is_none_or(|next| next > now)
        {
            return;
        }
        let account = self.store.account(&self.name);
        let Some(wanted) = account.and_then(|account| self.outcomes.begin(&account, now, self.clock.now())) else {
            return;
        };
        let (session, clock_offset) = (Arc::clone(&self.session), self.condition.clock_offset());
        self.running.push(Box::pin(async move {
            let outcome = AssertUnwindSafe(read_calls(&session, &wanted, clock_offset, now));
            Ended::Calls(now, outcome.catch_unwind().await.ok())
        }));
    }

    /// Takes in what reading the group calls brought. What it did not bring stays as it is, and ages.
    fn calls_ended(&mut self, began: Instant, outcome: &CallsOutcome, now: Instant) {
        self.learn(outcome.seen, Verdict::of(&outcome.result), now);
        self.outcomes.end(began, outcome.pages, now);
        self.leave_room();
        self.store
            .calls_read(&self.name, &outcome.reading, began, self.clock.now());
    }

    /// Draws the consequences of a fetch, for its flow or for who asked.
    fn ended(&mut self, ended: Ended) {
        let now = Instant::now();
        match ended {
            Ended::Poll(polled, Some(outcome)) => self.file(polled, &outcome, now),
            Ended::Poll(polled, None) => {
                self.activity.poll_panicked();
                self.events.panicked(polled.key_id);
                self.failed(polled.key_id, BUG, None);
                self.plan(polled, None, 1, now);
            }
            Ended::Discovery(began, outcome) => self.list_ended(began, outcome, now),
            Ended::List(reply, Some(outcome)) => {
                self.learn(outcome.seen, Verdict::of(&outcome.result), now);
                let _ = reply.send(outcome.result.map_err(|error| ProbeFailure::from(&error)));
            }
            Ended::Balance(began, Some(outcome)) => self.balance_ended(began, &outcome, now),
            Ended::Balance(began, None) => {
                self.activity.poll_panicked();
                self.balance.end(began, false);
            }
            Ended::Calls(began, Some(outcome)) => self.calls_ended(began, &outcome, now),
            Ended::Calls(began, None) => {
                self.activity.poll_panicked();
                self.outcomes.end(began, 0, now);
            }
            Ended::List(reply, None) => {
                self.activity.poll_panicked();
                let _ = reply.send(Err(BUG.into()));
            }
            Ended::Probe(asked, probe, ended) => {
                let result = match ended {
                    Some(Ok(outcome)) => {
                        self.learn(outcome.seen, Verdict::of(&outcome.result), now);
                        outcome.result.map_err(|error| ProbeFailure::from(&error))
                    }
                    Some(Err(Halted)) => Err(match self.condition.pause(now) {
                        Some(pause) => ProbeFailure::paused(pause, now),
                        None => BLOCKED.into(),
                    }),
                    None => {
                        self.activity.poll_panicked();
                        Err(BUG.into())
                    }
                };
                // Whoever asked may have gone; what the probe brought has been learnt.
                self.probes.end(asked, &probe, result);
            }
        }
    }

    /// Files what a poll brought and plans the flow's next one.
    fn file(&mut self, polled: Polled, outcome: &FetchOutcome, now: Instant) {
        let Polled { key_id, due, .. } = polled;
        let verdict = Verdict::of(&outcome.result);
        self.learn(outcome.seen, verdict, now);
        let outdated = outcome.seen.generation != self.condition.generation();
        if outdated && matches!(verdict, Verdict::Refused(_)) {
            // Nobody's refusal: the flow is asked for again with what is in force now.
            return self.schedule.put_back(due);
        }
        let mut interval = None;
        match &outcome.result {
            Ok(report) => {
                let tasks = outcome.tasks.as_deref().filter(|_| self.outcomes.wanted());
                if tasks.is_some() {
                    self.outcomes.named(now);
                }
                let at = self.clock.now();
                let complete = self.with_nodes(key_id, *report);
                if let Some(change) = self.store.succeeded_as(&self.name, key_id, complete, tasks, at) {
                    interval = Some(change.base_interval);
                    self.events.succeeded(&change, report, self.condition.blocked());
                    self.note(key_id, report, &outcome.paging, now);
                }
            }
            Err(error) => {
                if self.is_told_by_list(key_id) {
                    self.events.look_failed(key_id, error);
                } else {
                    self.failed(key_id, error.reason(), Some(error));
                }
                if outcome.seen.pause.is_some() {
                    // It is asked for again when the vendor wants to be asked again.
                    return self.schedule.put_back(due);
                }
            }
        }
        let looked = outcome.result.as_ref().map_err(Error::reason);
        if !self.look_ended(polled, looked, outcome.requests, now) {
            self.plan(polled, interval, outcome.requests, now);
        }
    }

    /// Draws from what requests saw, and from the verdict on their end, what concerns the account as a whole.
    fn learn(&mut self, seen: Seen, verdict: Verdict, now: Instant) {
        if let Some(offset) = self.condition.clocks(seen.clock_skew_seconds, seen.clock_offset) {
            self.events.clock(offset);
        }
        if let Some(pause) = seen.pause
            && self.condition.pauses(pause, now)
        {
            // What waits for a retry or for its turn does not go out; what goes out after the pause does so with another session.
            self.session.halted.cancel();
            self.session = Arc::new(self.session.going_on());
            self.events.paused(pause.wait);
        }
        match self.condition.judged(seen.generation, verdict, now) {
            None => {}
            Some(BlockChange::Began(reason)) => {
                self.session.halted.cancel();
                self.events.blocked(reason);
            }
            Some(BlockChange::Ended(after)) => {
                self.session = Arc::new(self.session.going_on());
                self.events.resumed(after);
                self.wake_all(now);
            }
        }
    }

    /// Everything is due that was not asked for in a blocked account.
    fn wake_all(&mut self, now: Instant) {
        self.schedule.wake_all(now);
        if let Some(discovery) = self.discovery.as_mut().filter(|discovery| discovery.next().is_some()) {
            discovery.again(now);
        }
    }

    /// Notes what is strange about a flow's answer.
    fn note(&mut self, key_id: KeyId, report: &FlowReport, paging: &Paging, now: Instant) {
        if self.paging.learn(key_id, paging, now) {
            match paging {
                Paging::AsSaid => {}
                Paging::Refused(error) => self.events.refuses_paging(key_id, error),
                Paging::InVain { .. } => self.events.pages_in_vain(key_id, report.nodes.unwrap_or_default()),
            }
        }
        self.events.unreadable(key_id, report.unreadable);
    }

    fn failed(&mut self, key_id: KeyId, reason: FailureReason, error: Option<&Error>) {
        let detail = error.map(ToString::to_string);
        if let Some(change) = self.store.failed(&self.name, key_id, reason, detail, self.clock.now()) {
            self.events.failed(&change, reason, error, self.condition.blocked());
        }
    }

    /// Plans the next poll of a flow. The `interval` that it asks for is the one that the schedule knows, unless a report said something
    /// else.
    fn plan(&mut self, polled: Polled, interval: Option<Duration>, requests: u32, now: Instant) {
        let Polled { due, began, .. } = polled;
        let interval = interval.unwrap_or_else(|| self.schedule.base_interval(due));
        self.schedule.again(due, began, interval, requests, now);
    }

    /// Shows how the account stands, where that has changed: the one place where that gets into the store.
    fn publish(&mut self, now: Instant) {
        let standing = Standing {
            budget_ratio: self.schedule.budget_ratio(),
            blocked: self.condition.blocked(),
            paused: self.condition.pause(now).is_some(),
            clock_skew_seconds: self.condition.clock_skew_seconds(),
            outcome_interval: self.outcomes.interval(),
        };
        if self.published.replace(standing) == Some(standing) {
            return;
        }
        self.store.update_account(&self.name, |account| {
            account.budget_ratio = standing.budget_ratio;
            account.blocked = standing.blocked;
            account.paused = standing.paused;
            account.clock_skew_seconds = standing.clock_skew_seconds;
            account.outcome_interval = standing.outcome_interval;
        });
    }

    /// One warning for each configuration that asks for more than the rate allows.
    fn warn_of_budget(&mut self) {
        let ratio = self.schedule.budget_ratio();
        if ratio > 1.0 {
            let (flows, rate) = (self.schedule.len(), self.schedule.rate());
            self.events.over_budget(flows, ratio, rate);
        }
    }
}

/// A set of fetches with one in it that never ends. Whenever all in a set have been polled without an end, the set wakes its own task
/// again, which with few in it is each time, and costs as much as the runtime's waking of another thread.
fn none_running() -> FuturesUnordered<BoxFuture<'static, Ended>> {
    FuturesUnordered::from_iter([std::future::pending().boxed()])
}

/// The permit, once it is there; `None` where nobody waits for one.
async fn wait_in(place: &mut Option<Place>) -> Option<Permit> {
    match place {
        Some(place) => Some(place.await),
        None => None,
    }
}
