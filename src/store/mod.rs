//! The last known state of every flow: the single meeting point of polling and serving.
//!
//! In: one result per poll, from the poller. Out: [`Snapshot`]s, for `/metrics` and the pages. A poll builds a complete new
//! [`FlowRecord`] and swaps it in; a snapshot is one consistent state that no later poll changes.
//!
//! Taking a snapshot is a reference count per account, whatever the number of flows, so a scrape starts at once. The price is
//! paid by the first poll after it: that one copies the account's list of pointers (8 bytes a flow) and counts up each record, since
//! the snapshot still holds the old list.

mod account;
mod listing;
mod record;
mod rounds;
mod snapshot;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

pub use self::account::{AccountFlows, AccountState, BLOCKED_TRY_INTERVAL, LastError, stretched};
pub use self::listing::{ListUpdate, Taken};
pub use self::record::{Failure, FlowRecord, Known, Listed, Reported};
pub use self::rounds::{CallsReading, Round, RoundShown, Rounds};
pub use self::snapshot::{Policy, Snapshot};
use crate::model::{AccountName, FailureReason, FlowInfo, FlowReport, KeyId, Status, TaskId};

/// What a poll changed, for the one log line that it may deserve.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The flow.
    pub flow: Arc<FlowInfo>,
    /// The record before.
    pub previous_status: Option<Status>,
    /// Why the poll before failed, if it did.
    pub previous_failure: Option<FailureReason>,
    /// How often the flow is to be asked for from now on, while the account's budget suffices.
    pub base_interval: Duration,
}

/// An account of a new configuration.
#[derive(Debug)]
pub struct TrackedAccount {
    /// Its name.
    pub name: AccountName,
    /// The flows that the configuration lists.
    pub flows: Vec<FlowInfo>,
    /// Whether further ones are found, and those that were stay.
    pub discovers: bool,
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
    generation: u64,
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
                generation: 0,
                last_poll_ended: Instant::now(),
                accounts,
            }),
        }
    }

    /// Takes a new configuration in, whole: flows that stay keep what is known of them, new ones begin, and what is not in it any more
    /// is forgotten, as is everything of the accounts in `others`, whose names mean others now. Returns the records of flows that have
    /// gone, by account.
    pub fn apply(
        &self,
        policy: Policy,
        accounts: Vec<TrackedAccount>,
        others: &[AccountName],
    ) -> Vec<(AccountName, Arc<FlowRecord>)> {
        let mut inner = self.lock();
        inner.policy = policy;
        inner.generation += 1;
        let before = std::mem::take(&mut inner.accounts);
        inner.accounts = accounts
            .into_iter()
            .map(|TrackedAccount { name, flows, discovers }| {
                let mut account = AccountFlows::new(name.clone(), flows);
                if let Some(before) = before.get(&name).filter(|_| !others.contains(&name)) {
                    account.inherit(before, discovers);
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
        let taken = Instant::now();
        Snapshot {
            accounts: inner.accounts.values().cloned().collect(),
            policy: inner.policy,
            generation: inner.generation,
            taken,
            fresh_since: taken.checked_sub(inner.policy.stale_after),
            last_poll_ended: inner.last_poll_ended,
        }
    }

    /// One account with its flows now.
    pub fn account(&self, account: &str) -> Option<Arc<AccountFlows>> {
        self.lock().accounts.get(account).cloned()
    }

    /// Takes a good answer in. `None` where the flow is not tracked (any more).
    pub fn succeeded(&self, account: &str, key_id: KeyId, report: FlowReport, at: SystemTime) -> Option<Change> {
        self.succeeded_as(account, key_id, report, None, at)
    }

    /// The same, with the group calls that its nodes ran as, where the answer has nodes and somebody wants to know.
    pub fn succeeded_as(
        &self,
        account: &str,
        key_id: KeyId,
        report: FlowReport,
        tasks: Option<&[Option<TaskId>]>,
        at: SystemTime,
    ) -> Option<Change> {
        self.replace(account, key_id, |flow, account| {
            if let Some(tasks) = tasks {
                flow.runs_as(tasks);
            }
            take(flow, account, report, at);
        })
    }

    /// Takes a failed poll in: what was known stays. `None` where the flow is not tracked (any more).
    pub fn failed(
        &self,
        account: &str,
        key_id: KeyId,
        reason: FailureReason,
        detail: Option<String>,
        at: SystemTime,
    ) -> Option<Change> {
        let detail = detail.map(bounded);
        self.replace(account, key_id, |flow, account| {
            flow.failed(reason, detail.clone(), at);
            account.last_error = Some(LastError {
                reason,
                detail,
                key_id: Some(key_id),
                at,
            });
        })
    }

    /// Takes in that a flow was not asked for because its account is blocked. `None` where it is not tracked (any more).
    pub fn skipped(&self, account: &str, key_id: KeyId, at: SystemTime) -> Option<Change> {
        self.lock().replace(account, key_id, |flow, _| {
            let tried = flow.tried();
            flow.failed(FailureReason::Blocked { tried }, None, at);
        })
    }

    /// Changes what is known of an account as a whole.
    pub fn update_account(&self, account: &str, update: impl FnOnce(&mut AccountState)) {
        let mut inner = self.lock();
        let Some(account) = inner.accounts.get_mut(account) else {
            return;
        };
        let mut state = account.state.clone();
        update(&mut state);
        let pause_ended = account.state.paused && !state.paused;
        if state != account.state {
            Arc::make_mut(account).state = state;
        }
        if pause_ended {
            // Nothing could end while nothing was to be asked: from now on it can.
            inner.last_poll_ended = Instant::now();
        }
    }

    /// Takes in that a poll has ended.
    fn replace(
        &self,
        account: &str,
        key_id: KeyId,
        update: impl FnOnce(&mut FlowRecord, &mut AccountState),
    ) -> Option<Change> {
        let mut inner = self.lock();
        inner.last_poll_ended = Instant::now();
        inner.replace(account, key_id, update)
    }

    /// Changes what is known of a flow beside what its polls say.
    fn change_flow(&self, account: &str, key_id: KeyId, change: impl FnOnce(&mut FlowRecord)) {
        self.lock().replace(account, key_id, |flow, _| change(flow));
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Every change under the lock is complete or not begun, so a panic elsewhere leaves nothing half done.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes a good answer in, and counts what the flow was seen to enter.
fn take(flow: &mut FlowRecord, account: &mut AccountState, report: FlowReport, at: SystemTime) {
    if let Some(status) = flow.succeeded(report, at) {
        flow.count_entry(status);
        account.transitions.add(status);
    }
}

/// The words of the system or of the protocol, as many as help anybody.
fn bounded(detail: String) -> Arc<str> {
    const LONGEST: usize = 200;
    match detail.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", detail.get(..end).unwrap_or_default()).into(),
        None => detail.into(),
    }
}

impl Inner {
    fn replace(
        &mut self,
        account: &str,
        key_id: KeyId,
        update: impl FnOnce(&mut FlowRecord, &mut AccountState),
    ) -> Option<Change> {
        let account = self.accounts.get_mut(account)?;
        let index = account
            .flows
            .binary_search_by_key(&key_id, |flow| flow.info.key_id)
            .ok()?;
        let AccountFlows { flows, state, .. } = Arc::make_mut(account);
        let slot = flows.get_mut(index)?;
        let (previous_status, previous_failure) = (slot.status(), slot.failure.as_ref().map(|failure| failure.reason));
        update(Arc::make_mut(slot), state);
        Some(Change {
            flow: Arc::clone(&slot.info),
            previous_status,
            previous_failure,
            base_interval: slot.base_interval(self.policy.terminal_poll_interval),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CountByStatus, Nodes, RecallType};

    const POLICY: Policy = Policy {
        stale_after: Duration::from_secs(300),
        terminal_poll_interval: Duration::from_secs(900),
        request_timeout: Duration::from_secs(10),
    };

    fn info(key_id: u64) -> FlowInfo {
        FlowInfo::configured(KeyId::new(key_id).unwrap(), Duration::from_secs(60))
    }

    fn report(status: Status) -> FlowReport {
        FlowReport {
            status: Some(status),
            recall_type: Some(RecallType::All),
            recall_attempts: Some(3),
            recall_interval_seconds: Some(300),
            nodes: Some(Nodes::default()),
            ..FlowReport::default()
        }
    }

    fn store() -> Store {
        Store::new(
            POLICY,
            [AccountFlows::new("main".into(), [info(12), info(7), info(12)])],
        )
    }

    fn tracked<const N: usize>(name: &str, flows: [FlowInfo; N]) -> TrackedAccount {
        TrackedAccount {
            name: name.into(),
            flows: flows.into(),
            discovers: false,
        }
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

    /// How often flows of the account were seen to enter each status.
    fn transitions(store: &Store) -> CountByStatus {
        store.snapshot().accounts[0].state.transitions
    }

    #[test]
    fn a_record_takes_no_more_memory_than_it_did() {
        // Four cache lines: every flow has one (docs/performance.md).
        assert!(size_of::<FlowRecord>() <= 256);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reload_keeps_no_memory_of_the_configuration_before() {
        let store = store();
        let before = Arc::downgrade(&flow(&store, 12).info);
        store.apply(POLICY, vec![tracked("main", [info(7), info(12)])], &[]);
        assert!(before.upgrade().is_none());
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
        assert_eq!(transitions(&store).get(Status::InProgress), 1);
        assert_eq!(transitions(&store).total(), 1);
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
        let change = store.skipped("main", key(12), at(2)).unwrap();
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
        store.failed("main", key(12), refused, None, at(2)).unwrap();
        store.skipped("main", key(12), at(5)).unwrap();
        let failure = flow(&store, 12).failure.clone().unwrap();
        assert_eq!(
            (failure.reason, failure.since),
            (FailureReason::Blocked { tried: true }, at(2))
        );
        let last_error = store.snapshot().accounts[0].state.last_error.clone();
        assert_eq!(
            last_error,
            Some(LastError {
                reason: refused,
                detail: None,
                key_id: Some(key(12)),
                at: at(2)
            })
        );
        store
            .succeeded("main", key(12), report(Status::Pending), at(6))
            .unwrap();
        store.failed("main", key(12), refused, None, at(9)).unwrap();
        assert_eq!(flow(&store, 12).failure.clone().unwrap().since, at(9));
    }

    #[tokio::test(start_paused = true)]
    async fn a_flow_that_was_only_skipped_was_not_tried() {
        let store = store();
        let timeout = FailureReason::Transport(crate::model::Outcome::Timeout);
        store.failed("main", key(7), timeout, None, at(1)).unwrap();
        tokio::time::advance(Duration::from_secs(1)).await;
        let ended = store.snapshot().last_poll_ended;
        for number in [7, 12] {
            store.skipped("main", key(number), at(2)).unwrap();
            store.skipped("main", key(number), at(3)).unwrap();
        }
        assert!(flow(&store, 7).tried() && !flow(&store, 12).tried());
        assert_eq!(store.snapshot().last_poll_ended, ended, "no poll has ended");
        store.failed("main", key(12), timeout, None, at(4)).unwrap();
        assert!(flow(&store, 12).tried());
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

    /// Answers with and without flow fields take turns: what one of them leaves out is what it was, and as old as it is.
    #[tokio::test(start_paused = true)]
    async fn what_an_answer_does_not_report_stays_and_ages_by_its_own_report() {
        let store = store();
        let told = report(Status::ExecutionException);
        let silent = FlowReport {
            nodes: Some(Nodes::default()),
            ..FlowReport::default()
        };
        for second in (0..10).map(|turn| turn * 60) {
            let report = if second % 120 == 0 { told } else { silent };
            store.succeeded("main", key(12), report, at(second)).unwrap();
            tokio::time::advance(Duration::from_secs(60)).await;
        }
        let shown = |store: &Store| {
            let snapshot = store.snapshot();
            snapshot.status(&snapshot.accounts[0], snapshot.accounts[0].flow(key(12)).unwrap())
        };
        assert_eq!(shown(&store), Some(Status::ExecutionException));
        assert_eq!(flow(&store, 12).known.unwrap().status_since, at(0));
        assert_eq!(transitions(&store).total(), 0);
        assert_eq!(flow(&store, 12).exceptions, 0);
        for second in (10..16).map(|turn| turn * 60) {
            store.succeeded("main", key(12), silent, at(second)).unwrap();
            tokio::time::advance(Duration::from_secs(60)).await;
        }
        assert!(flow(&store, 12).up());
        assert_eq!(shown(&store), None, "reported more than 300 s ago");
    }

    #[tokio::test(start_paused = true)]
    async fn a_flow_whose_status_is_never_reported_has_an_unknown_one() {
        let store = store();
        store.succeeded("main", key(12), FlowReport::default(), at(1)).unwrap();
        let snapshot = store.snapshot();
        let account = &snapshot.accounts[0];
        let flow = account.flow(key(12)).unwrap();
        assert_eq!(snapshot.status(account, flow), Some(Status::Unknown(None)));
    }

    #[tokio::test(start_paused = true)]
    async fn an_account_that_is_another_now_inherits_nothing() {
        let store = store();
        store
            .succeeded("main", key(12), report(Status::Pending), at(1))
            .unwrap();
        store.apply(POLICY, vec![tracked("main", [info(12)])], &["main".into()]);
        assert!(!flow(&store, 12).tried());
        store
            .succeeded("main", key(12), report(Status::ExecutionException), at(2))
            .unwrap();
        assert_eq!(transitions(&store).total(), 0, "nobody saw it begin");
        assert_eq!(flow(&store, 12).exceptions, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn each_entry_into_an_exception_counts_for_its_flow_and_with_all_entries_for_its_account() {
        let store = store();
        let exception = Status::ExecutionException;
        for (number, status) in [
            (7, exception),
            (12, Status::InProgress),
            (12, exception),
            (12, exception),
            (12, Status::InProgress),
            (7, Status::Completed),
            (12, exception),
        ] {
            store.succeeded("main", key(number), report(status), at(1)).unwrap();
        }
        assert_eq!((flow(&store, 7).exceptions, flow(&store, 12).exceptions), (0, 2));
        let counted = |store: &Store| {
            let transitions = transitions(store);
            [Status::InProgress, Status::Completed, exception].map(|status| transitions.get(status))
        };
        assert_eq!(counted(&store), [1, 1, 2]);

        store.apply(POLICY, vec![tracked("main", [info(7)])], &[]);
        assert_eq!(
            counted(&store),
            [1, 1, 2],
            "what a flow has done stays done when it goes"
        );
        store.apply(POLICY, vec![tracked("main", [info(7), info(12)])], &[]);
        assert_eq!(flow(&store, 12).exceptions, 0, "the flow that comes back is a new one");
        store.succeeded("main", key(12), report(exception), at(2)).unwrap();
        store.succeeded("main", key(7), report(exception), at(2)).unwrap();
        assert_eq!(counted(&store), [1, 1, 3]);
        assert_eq!((flow(&store, 7).exceptions, flow(&store, 12).exceptions), (1, 0));

        store.apply(POLICY, vec![tracked("other", [info(7)])], &[]);
        store.apply(POLICY, vec![tracked("main", [info(7)])], &[]);
        assert_eq!(counted(&store), [0; 3], "an account that goes takes its counts along");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_tracked_is_not_taken_in() {
        assert_eq!(store().skipped("main", key(99), at(1)), None);
        assert_eq!(store().skipped("other", key(12), at(1)), None);
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
            vec![tracked("main", [renamed, info(99)]), tracked("new", [info(7)])],
            &[],
        );
        let gone: Vec<_> = gone
            .iter()
            .map(|(account, flow)| (&**account, flow.info.key_id.get()))
            .collect();
        assert_eq!(gone, [("main", 7)]);
        let kept = flow(&store, 12);
        assert_eq!(kept.info.name.as_deref(), Some("new name"));
        assert_eq!(kept.known.unwrap().status_since, at(2));
        assert_eq!(transitions(&store).get(Status::InProgress), 2);
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
