//! The last known state of every flow: the single meeting point of polling and serving.
//!
//! In: one result per poll, from the poller. Out: [`Snapshot`]s, for `/metrics` and the pages. A poll builds a complete new
//! [`FlowRecord`] and swaps it in; a snapshot is one consistent state that no later poll changes.
//!
//! Taking a snapshot is a reference count per account, whatever the number of flows, so a scrape starts at once. The price is
//! paid by the first poll after it: that one copies the account's list of pointers (8 bytes a flow), since the snapshot still
//! holds the old list.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::model::{AccountName, CountByStatus, FailureReason, FlowInfo, FlowReport, KeyId, Status};

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

/// The last poll that failed for a reason of its own, of any flow of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastError {
    /// Why; never [`FailureReason::Blocked`], which would hide what the account is blocked for.
    pub reason: FailureReason,
    /// When, by the calendar.
    pub at: SystemTime,
}

impl FlowRecord {
    fn new(info: Arc<FlowInfo>) -> Self {
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

    /// Whether a poll of this flow has ended since the exporter started, well or badly.
    pub fn tried(&self) -> bool {
        self.known.is_some() || self.failure.is_some()
    }

    /// How often the flow is asked for while the account's budget suffices: its own interval, or the one for flows that are over.
    pub fn base_interval(&self, terminal: Duration) -> Duration {
        match self.known {
            Some(known) if known.report.status.is_terminal() => self.info.poll_interval.max(terminal),
            _ => self.info.poll_interval,
        }
    }
}

/// What is known of an account as a whole.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AccountState {
    /// Requests per second that the configuration asks for ÷ the account's rate limit.
    pub budget_ratio: f64,
    /// Refused credentials or a refused address have stopped all polls but one probe a minute.
    pub blocked: bool,
    /// Upstream's clock minus ours in seconds, from its `Date` header; `None` until one was seen.
    pub clock_skew_seconds: Option<f64>,
    /// What went wrong last, whether or not it is over.
    pub last_error: Option<LastError>,
}

impl AccountState {
    const NEW: Self = Self {
        budget_ratio: 0.0,
        blocked: false,
        clock_skew_seconds: None,
        last_error: None,
    };

    /// By how much every interval of the account is stretched so that the rate limit holds; at least 1.
    pub fn stretch(&self) -> f64 {
        self.budget_ratio.max(1.0)
    }

    /// An interval that the configuration asks for, stretched so that the rate limit holds.
    pub fn stretched(&self, interval: Duration) -> Duration {
        stretched(interval, self.stretch())
    }
}

/// An interval that is `stretch` times as long, but never longer than a century: times that far away cannot be reckoned with.
pub fn stretched(interval: Duration, stretch: f64) -> Duration {
    const CENTURY: Duration = Duration::from_secs(100 * 365 * 86_400);
    Duration::try_from_secs_f64(interval.as_secs_f64() * stretch).map_or(CENTURY, |stretched| stretched.min(CENTURY))
}

/// One account with its flows.
#[derive(Debug, Clone)]
pub struct AccountFlows {
    /// The account's name.
    pub name: AccountName,
    /// What is known of the account as a whole.
    pub state: AccountState,
    /// Its flows, sorted by key.
    pub flows: Vec<Arc<FlowRecord>>,
}

impl AccountFlows {
    /// A new account of which nothing is known yet; each key is taken once.
    pub fn new(name: AccountName, infos: impl IntoIterator<Item = FlowInfo>) -> Self {
        let mut flows: Vec<_> = infos
            .into_iter()
            .map(|info| Arc::new(FlowRecord::new(Arc::new(info))))
            .collect();
        flows.sort_unstable_by_key(|flow| flow.info.key_id);
        flows.dedup_by_key(|flow| flow.info.key_id);
        flows.shrink_to_fit();
        Self {
            name,
            state: AccountState::NEW,
            flows,
        }
    }

    /// An account with one flow, as it is known.
    pub fn of_record(name: AccountName, flow: Arc<FlowRecord>) -> Self {
        Self {
            name,
            state: AccountState::NEW,
            flows: vec![flow],
        }
    }

    /// Takes over what was known before a reload, of the account and of each flow that stays.
    fn inherit(&mut self, before: &Self) {
        self.state = before.state;
        for flow in &mut self.flows {
            if let Some(known) = before.flow(flow.info.key_id) {
                *flow = if known.info == flow.info {
                    Arc::clone(known)
                } else {
                    Arc::new(FlowRecord {
                        info: Arc::clone(&flow.info),
                        ..FlowRecord::clone(known)
                    })
                };
            }
        }
    }

    /// The record of one flow.
    pub fn flow(&self, key_id: KeyId) -> Option<&Arc<FlowRecord>> {
        let index = self.flows.binary_search_by_key(&key_id, |flow| flow.info.key_id).ok()?;
        self.flows.get(index)
    }
}

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
    /// The moment that ages are measured against.
    pub taken: Instant,
    /// When the last poll of any flow ended, well or badly; when the store was made, before the first.
    pub last_poll_ended: Instant,
}

impl Snapshot {
    /// The interval in force for a flow: its own, stretched where the account's budget does not suffice.
    pub fn poll_interval(&self, account: &AccountFlows, flow: &FlowRecord) -> Duration {
        let base = flow.base_interval(self.policy.terminal_poll_interval);
        account.state.stretched(base)
    }

    /// What is known of a flow, unless it is too old to be shown.
    pub fn fresh<'f>(&self, account: &AccountFlows, flow: &'f FlowRecord) -> Option<&'f Known> {
        let known = flow.known.as_ref()?;
        let age = self.taken.saturating_duration_since(known.instant);
        // A scrape asks this for every flow in most families, so the interval is worked out only where it decides.
        (age <= self.policy.stale_after || age <= self.poll_interval(account, flow) * 3).then_some(known)
    }

    /// The account's flows by present status; a flow whose state is not known, or not any more, counts as unknown.
    pub fn count_by_status(&self, account: &AccountFlows) -> CountByStatus {
        let mut counts = CountByStatus::default();
        for flow in &account.flows {
            counts.add(
                self.fresh(account, flow)
                    .map_or(Status::Unknown(None), |known| known.report.status),
            );
        }
        counts
    }
}

/// What a poll changed, for the one log line that it may deserve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Change {
    /// The record before.
    pub previous_status: Option<Status>,
    /// Why the poll before failed, if it did.
    pub previous_failure: Option<FailureReason>,
    /// Whether a poll of this flow had ended before.
    pub first: bool,
}

/// The store itself. Shared; the poller writes, everybody else takes snapshots.
#[derive(Debug)]
pub struct Store {
    // A std mutex: it is held for a pointer swap or a few reference counts, and never across an await.
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    policy: Policy,
    last_poll_ended: Instant,
    accounts: BTreeMap<AccountName, Arc<AccountFlows>>,
}

impl Store {
    /// A store that tracks these accounts.
    pub fn new(policy: Policy, accounts: impl IntoIterator<Item = AccountFlows>) -> Self {
        let accounts = accounts
            .into_iter()
            .map(|account| (account.name.clone(), Arc::new(account)))
            .collect();
        Self {
            inner: Mutex::new(Inner {
                policy,
                last_poll_ended: Instant::now(),
                accounts,
            }),
        }
    }

    /// Takes a new configuration in, whole: flows that stay keep what is known of them, new ones begin, and what is not in it any more
    /// is forgotten. Returns the records of flows that have gone, by account.
    pub fn apply(
        &self,
        policy: Policy,
        accounts: Vec<(AccountName, Vec<FlowInfo>)>,
    ) -> Vec<(AccountName, Arc<FlowRecord>)> {
        let mut inner = self.lock();
        inner.policy = policy;
        let before = std::mem::take(&mut inner.accounts);
        inner.accounts = accounts
            .into_iter()
            .map(|(name, infos)| {
                let mut account = AccountFlows::new(name.clone(), infos);
                if let Some(before) = before.get(&name) {
                    account.inherit(before);
                }
                (name, Arc::new(account))
            })
            .collect();
        let gone = |(name, before): (AccountName, Arc<AccountFlows>)| {
            let now = inner.accounts.get(&name);
            let stays = |flow: &Arc<FlowRecord>| now.is_some_and(|now| now.flow(flow.info.key_id).is_some());
            let gone: Vec<_> = before.flows.iter().filter(|flow| !stays(flow)).cloned().collect();
            gone.into_iter().map(move |flow| (name.clone(), flow))
        };
        before.into_iter().flat_map(gone).collect()
    }

    /// The state of everything now.
    pub fn snapshot(&self) -> Snapshot {
        let inner = self.lock();
        Snapshot {
            accounts: inner.accounts.values().cloned().collect(),
            policy: inner.policy,
            taken: Instant::now(),
            last_poll_ended: inner.last_poll_ended,
        }
    }

    /// One account with its flows now.
    pub fn account(&self, account: &str) -> Option<Arc<AccountFlows>> {
        self.lock().accounts.get(account).cloned()
    }

    /// The record of one flow now.
    pub fn flow(&self, account: &str, key_id: KeyId) -> Option<Arc<FlowRecord>> {
        self.lock().accounts.get(account)?.flow(key_id).cloned()
    }

    /// Takes a good answer in. `None` where the flow is not tracked (any more).
    pub fn succeeded(&self, account: &str, key_id: KeyId, report: FlowReport, at: SystemTime) -> Option<Change> {
        let instant = Instant::now();
        self.replace(account, key_id, |flow, _| {
            let before = flow.known.map(|known| known.report.status);
            let entered = before.is_some_and(|before| before.index() != report.status.index());
            if entered {
                flow.transitions.add(report.status);
            }
            let status_since = match flow.known {
                Some(known) if !entered => known.status_since,
                _ => at,
            };
            flow.failure = None;
            flow.known = Some(Known {
                report,
                status_since,
                at,
                instant,
            });
        })
    }

    /// Takes a failed poll in: what was known stays. `None` where the flow is not tracked (any more).
    pub fn failed(&self, account: &str, key_id: KeyId, reason: FailureReason, at: SystemTime) -> Option<Change> {
        self.replace(account, key_id, |flow, account| {
            let since = flow.failure.map_or(at, |before| before.since);
            flow.failure = Some(Failure { reason, since });
            if reason != FailureReason::Blocked {
                account.last_error = Some(LastError { reason, at });
            }
        })
    }

    /// Changes what is known of an account as a whole.
    pub fn update_account(&self, account: &str, update: impl FnOnce(&mut AccountState)) {
        if let Some(account) = self.lock().accounts.get_mut(account) {
            let mut state = account.state;
            update(&mut state);
            if state != account.state {
                Arc::make_mut(account).state = state;
            }
        }
    }

    fn replace(
        &self,
        account: &str,
        key_id: KeyId,
        update: impl FnOnce(&mut FlowRecord, &mut AccountState),
    ) -> Option<Change> {
        let mut inner = self.lock();
        inner.last_poll_ended = Instant::now();
        let account = inner.accounts.get_mut(account)?;
        let index = account
            .flows
            .binary_search_by_key(&key_id, |flow| flow.info.key_id)
            .ok()?;
        let AccountFlows { flows, state, .. } = Arc::make_mut(account);
        let slot = flows.get_mut(index)?;
        let change = Change {
            previous_status: slot.known.map(|known| known.report.status),
            previous_failure: slot.failure.map(|failure| failure.reason),
            first: !slot.tried(),
        };
        update(Arc::make_mut(slot), state);
        Some(change)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Every change under the lock is complete or not begun, so a panic elsewhere leaves nothing half done.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::RecallType;

    const POLICY: Policy = Policy {
        stale_after: Duration::from_secs(300),
        terminal_poll_interval: Duration::from_secs(900),
        request_timeout: Duration::from_secs(10),
    };

    fn info(key_id: u64) -> FlowInfo {
        FlowInfo {
            key_id: KeyId::new(key_id).unwrap(),
            name: None,
            labels: Box::default(),
            poll_interval: Duration::from_secs(60),
        }
    }

    fn report(status: Status) -> FlowReport {
        FlowReport {
            status,
            recall_type: RecallType::All,
            recall_attempts: Some(3),
            recall_interval_minutes: Some(5),
            nodes: CountByStatus::default(),
            nodes_truncated: false,
        }
    }

    fn store() -> Store {
        Store::new(
            POLICY,
            [AccountFlows::new("main".into(), [info(12), info(7), info(12)])],
        )
    }

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn key(number: u64) -> KeyId {
        KeyId::new(number).unwrap()
    }

    fn flow(store: &Store, number: u64) -> Arc<FlowRecord> {
        store.snapshot().accounts[0].flow(key(number)).unwrap().clone()
    }

    #[tokio::test(start_paused = true)]
    async fn flows_are_sorted_and_each_key_is_there_once() {
        let keys: Vec<_> = store().snapshot().accounts[0]
            .flows
            .iter()
            .map(|flow| flow.info.key_id.get())
            .collect();
        assert_eq!(keys, [7, 12]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_status_is_no_transition_and_since_moves_with_the_status_alone() {
        let store = store();
        for (second, status) in [(1, Status::Pending), (2, Status::InProgress), (3, Status::InProgress)] {
            store.succeeded("main", key(12), report(status), at(second)).unwrap();
        }
        let flow = flow(&store, 12);
        assert_eq!(flow.transitions.get(Status::Pending), 0);
        assert_eq!(flow.transitions.get(Status::InProgress), 1);
        assert_eq!(flow.known.unwrap().status_since, at(2));
        assert_eq!(flow.known.unwrap().at, at(3));
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_keeps_what_was_known_and_a_success_ends_it() {
        let store = store();
        assert!(!flow(&store, 12).up() && !flow(&store, 12).tried());
        store
            .succeeded("main", key(12), report(Status::Pending), at(1))
            .unwrap();
        let change = store.failed("main", key(12), FailureReason::Blocked, at(2)).unwrap();
        assert_eq!(change.previous_status, Some(Status::Pending));
        let failed = flow(&store, 12);
        assert!(!failed.up());
        assert_eq!(failed.known.unwrap().at, at(1));
        store
            .succeeded("main", key(12), report(Status::Pending), at(3))
            .unwrap();
        assert!(flow(&store, 12).up());
    }

    #[tokio::test(start_paused = true)]
    async fn failing_begins_once_and_being_blocked_does_not_hide_what_for() {
        let store = store();
        let refused = FailureReason::Api(crate::model::ApiCode::AUTHENTICATION_ERROR);
        store.failed("main", key(12), refused, at(2)).unwrap();
        store.failed("main", key(12), FailureReason::Blocked, at(5)).unwrap();
        let failure = flow(&store, 12).failure.unwrap();
        assert_eq!((failure.reason, failure.since), (FailureReason::Blocked, at(2)));
        let last_error = store.snapshot().accounts[0].state.last_error;
        assert_eq!(
            last_error,
            Some(LastError {
                reason: refused,
                at: at(2)
            })
        );
        store
            .succeeded("main", key(12), report(Status::Pending), at(6))
            .unwrap();
        store.failed("main", key(12), refused, at(9)).unwrap();
        assert_eq!(flow(&store, 12).failure.unwrap().since, at(9));
    }

    #[tokio::test(start_paused = true)]
    async fn a_snapshot_does_not_see_later_polls() {
        let store = store();
        let before = store.snapshot();
        store
            .succeeded("main", key(7), report(Status::Completed), at(1))
            .unwrap();
        assert!(before.accounts[0].flow(key(7)).unwrap().known.is_none());
        assert!(flow(&store, 7).known.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn state_goes_stale_after_the_limit_or_three_intervals() {
        let store = store();
        store
            .succeeded("main", key(7), report(Status::InProgress), at(1))
            .unwrap();
        store
            .succeeded("main", key(12), report(Status::Completed), at(1))
            .unwrap();
        let fresh = |number| {
            let snapshot = store.snapshot();
            let account = &snapshot.accounts[0];
            snapshot.fresh(account, account.flow(key(number)).unwrap()).is_some()
        };
        tokio::time::advance(Duration::from_secs(300)).await;
        assert!(fresh(7) && fresh(12));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(!fresh(7), "300 s is the limit for a flow polled every 60 s");
        assert!(
            fresh(12),
            "a completed flow is polled every 900 s, so its limit is 2700 s"
        );
        store.update_account("main", |state| state.budget_ratio = 2.0);
        assert!(fresh(7), "stretched to 120 s, three intervals are 360 s");
        let snapshot = store.snapshot();
        assert_eq!(
            snapshot.count_by_status(&snapshot.accounts[0]).get(Status::Completed),
            1
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_tracked_is_not_taken_in() {
        assert_eq!(store().failed("main", key(99), FailureReason::Blocked, at(1)), None);
        assert_eq!(store().failed("other", key(12), FailureReason::Blocked, at(1)), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_configuration_keeps_what_is_known_of_flows_that_stay() {
        let store = store();
        for number in [7, 12] {
            store
                .succeeded("main", key(number), report(Status::Pending), at(1))
                .unwrap();
            store
                .succeeded("main", key(number), report(Status::InProgress), at(2))
                .unwrap();
        }
        let before = store.snapshot();
        let renamed = FlowInfo {
            name: Some("new name".into()),
            ..info(12)
        };
        let gone = store.apply(
            POLICY,
            vec![("main".into(), vec![renamed, info(99)]), ("new".into(), vec![info(7)])],
        );
        let gone: Vec<_> = gone
            .iter()
            .map(|(account, flow)| (&**account, flow.info.key_id.get()))
            .collect();
        assert_eq!(gone, [("main", 7)]);
        let kept = flow(&store, 12);
        assert_eq!(kept.info.name.as_deref(), Some("new name"));
        assert_eq!(kept.known.unwrap().status_since, at(2));
        assert_eq!(kept.transitions.get(Status::InProgress), 1);
        assert!(flow(&store, 99).known.is_none());
        let after = store.snapshot();
        let names: Vec<_> = after.accounts.iter().map(|account| &*account.name).collect();
        assert_eq!(names, ["main", "new"]);
        assert!(after.accounts[0].flow(key(7)).is_none());
        assert!(
            after.accounts[1].flow(key(7)).unwrap().known.is_none(),
            "another account's flow of the same key"
        );
        assert!(
            before.accounts[0].flow(key(7)).is_some(),
            "a scrape under way is not disturbed"
        );
    }
}
