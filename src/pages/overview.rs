//! The state of everything at one moment, as the page and `/api/v1/flows` tell it.
//!
//! In: a snapshot of the store. Out: facts, in an order; how they are worded is the page's and the JSON's own matter.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use crate::model::{CountByStatus, FailureReason, Nodes, RecallType, Status};
use crate::store::{AccountFlows, AccountState, FlowRecord, Snapshot};
use crate::words::trouble::{AccountFacts, AccountTrouble, FlowFacts, FlowTrouble};

/// Accounts and flows, both by name and key.
#[derive(Debug)]
pub struct Overview<'s> {
    /// The accounts.
    pub accounts: Vec<AccountOverview<'s>>,
    /// The flows of all accounts.
    pub flows: Vec<FlowOverview<'s>>,
}

/// One account.
#[derive(Debug)]
pub struct AccountOverview<'s> {
    /// Its name.
    pub name: &'s str,
    /// What is known of it as a whole.
    pub state: &'s AccountState,
    /// Its flows by present status.
    pub by_status: CountByStatus,
    /// Flows whose last poll failed.
    pub unfetchable: usize,
    /// Flows that something is wrong with, those included.
    pub in_trouble: usize,
    /// Flows that are in trouble otherwise: neither stopped nor only not to be fetched.
    pub otherwise: usize,
    /// Flows that no poll has ended of yet.
    pub untried: usize,
    /// What is wrong with the account as a whole.
    pub troubles: Vec<AccountTrouble>,
}

/// One flow.
#[derive(Debug)]
pub struct FlowOverview<'s> {
    /// The account's name.
    pub account: &'s str,
    /// Everything that is known, however old.
    pub record: &'s FlowRecord,
    /// The status to show; `None` where nothing is known, or not any more.
    pub status: Option<Status>,
    /// Since when it has been so.
    pub status_since: Option<SystemTime>,
    /// What was reported not too long ago.
    pub fresh: Fresh,
    /// The interval in force.
    pub poll_interval: Duration,
    /// What is wrong with it, the worst first.
    pub troubles: Vec<FlowTrouble>,
}

/// What stands in one place of a list of flows.
#[derive(Debug)]
pub enum Entry<'o, 's> {
    /// One flow.
    Flow(&'o FlowOverview<'s>),
    /// Flows of one account that cannot be fetched for one reason; at least two.
    Alike(FailureReason, Vec<&'o FlowOverview<'s>>),
}

/// What was reported of a flow not too long ago, each for itself.
#[derive(Debug, Clone, Copy)]
pub struct Fresh {
    /// The nodes.
    pub nodes: Option<Nodes>,
    /// `recallType`
    pub recall_type: Option<RecallType>,
    /// `recallNum`
    pub recall_attempts: Option<i64>,
    /// `finishNum`
    pub recall_attempts_completed: Option<i64>,
    /// `recallInterval`, in seconds.
    pub recall_interval_seconds: Option<i64>,
}

impl Fresh {
    fn of(snapshot: &Snapshot, account: &AccountFlows, flow: &FlowRecord) -> Self {
        Self {
            nodes: snapshot.nodes(account, flow),
            recall_type: snapshot.fresh_part(account, flow, |known| known.recall_type),
            recall_attempts: snapshot.fresh_part(account, flow, |known| known.recall_attempts),
            recall_attempts_completed: snapshot.recall_attempts_completed(account, flow),
            recall_interval_seconds: snapshot.fresh_part(account, flow, |known| known.recall_interval_seconds),
        }
    }
}

impl<'s> Overview<'s> {
    /// All accounts, or the one of this name.
    pub fn new(snapshot: &'s Snapshot, only: Option<&str>, now: SystemTime) -> Self {
        let wanted = |account: &&AccountFlows| only.is_none_or(|name| *account.name == *name);
        let mut overview = Self {
            accounts: Vec::new(),
            flows: Vec::new(),
        };
        for account in snapshot.accounts.iter().map(AsRef::as_ref).filter(wanted) {
            let first = overview.flows.len();
            let flows = account.flows.iter();
            let flows = flows.map(|record| FlowOverview::new(snapshot, account, record, now));
            overview.flows.extend(flows);
            let flows = overview.flows.get(first..).unwrap_or_default();
            let state = &account.state;
            overview.accounts.push(AccountOverview {
                name: &account.name,
                state,
                by_status: snapshot.count_by_status(account),
                unfetchable: flows.iter().filter(|flow| flow.record.failure.is_some()).count(),
                in_trouble: flows.iter().filter(|flow| !flow.troubles.is_empty()).count(),
                otherwise: flows.iter().filter(|flow| flow.rank() == OTHER_TROUBLE).count(),
                untried: flows.iter().filter(|flow| !flow.record.tried()).count(),
                troubles: AccountTrouble::of(AccountFacts {
                    blocked: state.blocked,
                    paused: state.paused,
                    clock_skew_seconds: state.clock_skew_seconds,
                    budget_ratio: state.budget_ratio,
                    list_age: state.discovery.and_then(|discovery| {
                        let read = discovery.last_success.or(discovery.since)?;
                        let age = now.duration_since(read).unwrap_or_default();
                        Some((age, state.stretched(discovery.interval)))
                    }),
                    over_limit: state.discovery.map_or(0, |discovery| discovery.over_limit),
                }),
            });
        }
        overview
    }

    /// The flows as one should look at them: execution exceptions, other trouble, flows that cannot be fetched, the rest; in each the newest
    /// trouble first. The rest keeps its order.
    pub fn worst_first(&mut self) {
        // By name and key is the order in which they are; so nothing has to be moved aside to keep it.
        self.flows.sort_unstable_by_key(|flow| {
            let place = (flow.account, flow.record.info.key_id);
            (flow.rank(), Reverse(flow.trouble_since()), place)
        });
    }

    /// The flows by present status.
    pub fn by_status(&self) -> CountByStatus {
        let mut counts = CountByStatus::default();
        for flow in &self.flows {
            counts.add(flow.status());
        }
        counts
    }

    /// How many flows' last poll failed.
    pub fn unfetchable(&self) -> usize {
        self.accounts.iter().map(|account| account.unfetchable).sum()
    }

    /// How many flows something is wrong with.
    pub fn in_trouble(&self) -> usize {
        self.accounts.iter().map(|account| account.in_trouble).sum()
    }
}

/// These flows in their order, but those of one account that cannot be fetched for one reason together, where the first of them is.
pub fn grouped<'o, 's>(flows: impl IntoIterator<Item = &'o FlowOverview<'s>>) -> Vec<Entry<'o, 's>> {
    let mut entries: Vec<Entry<'o, 's>> = Vec::new();
    let mut places = HashMap::new();
    for flow in flows {
        let reason = flow.only_unfetchable();
        let alike = reason.map(|reason| (reason, *places.entry((flow.account, reason)).or_insert(entries.len())));
        match alike.and_then(|(reason, place)| Some((reason, entries.get_mut(place)?))) {
            None => entries.push(Entry::Flow(flow)),
            Some((_, Entry::Alike(_, flows))) => flows.push(flow),
            Some((reason, entry)) => {
                if let Entry::Flow(other) = entry {
                    *entry = Entry::Alike(reason, vec![*other, flow]);
                }
            }
        }
    }
    entries
}

impl<'s> FlowOverview<'s> {
    /// One flow of a snapshot, judged by the clock.
    pub fn new(snapshot: &Snapshot, account: &'s AccountFlows, record: &'s FlowRecord, now: SystemTime) -> Self {
        let status = snapshot.status(account, record);
        let status_since = record
            .known
            .filter(|_| status.is_some())
            .map(|known| known.status_since);
        let fresh = Fresh::of(snapshot, account, record);
        let poll_interval = snapshot.poll_interval(account, record);
        let age = |since: SystemTime| now.duration_since(since).unwrap_or_default();
        let troubles = FlowTrouble::of(&FlowFacts {
            status,
            status_age: status_since.map(age).unwrap_or_default(),
            rounds: fresh.nodes.map(|nodes| nodes.by_status),
            attempts: fresh.recall_attempts,
            interval_seconds: fresh.recall_interval_seconds,
            failure: record.failure.as_ref().map(|failure| failure.reason),
            success_age: record.known.map(|known| age(known.at)),
            poll_interval,
        });
        Self {
            account: &account.name,
            record,
            status,
            status_since,
            fresh,
            poll_interval,
            troubles,
        }
    }

    /// The present status; unknown where nothing is known, or not any more.
    pub fn status(&self) -> Status {
        self.status.unwrap_or(Status::Unknown(None))
    }

    /// Since when it has been in trouble, as far as that can be told; `None` where it is not.
    fn trouble_since(&self) -> Option<SystemTime> {
        let failure = self.record.failure.as_ref().map(|failure| failure.since);
        let status = self.status_since.filter(|_| self.rank() < UNFETCHABLE);
        failure.max(status)
    }

    /// Where among the others it is shown.
    fn rank(&self) -> u8 {
        match self.troubles.first() {
            Some(FlowTrouble::ExecutionException) => 0,
            Some(FlowTrouble::Unfetchable(_)) => UNFETCHABLE,
            Some(_) => OTHER_TROUBLE,
            None => UNFETCHABLE + 1,
        }
    }

    /// Why it cannot be fetched, where that is all that is wrong with it.
    fn only_unfetchable(&self) -> Option<FailureReason> {
        match self.troubles.first() {
            // Whether a flow of a blocked account was asked for before the block is the same to people.
            Some(FlowTrouble::Unfetchable(FailureReason::Blocked { .. })) => {
                Some(FailureReason::Blocked { tried: true })
            }
            Some(FlowTrouble::Unfetchable(reason)) => Some(*reason),
            _ => None,
        }
    }
}

/// The place of flows in trouble that neither are stopped nor cannot be fetched.
const OTHER_TROUBLE: u8 = 1;

/// The place of flows that cannot be fetched.
const UNFETCHABLE: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{FlowInfo, FlowReport, KeyId, Outcome};
    use crate::store::{Policy, Store};

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn report(status: Status) -> FlowReport {
        FlowReport {
            status: Some(status),
            ..FlowReport::default()
        }
    }

    fn store() -> Store {
        let policy = Policy {
            stale_after: Duration::from_secs(300),
            terminal_poll_interval: Duration::from_secs(900),
            request_timeout: Duration::from_secs(10),
        };
        let info = |key_id| FlowInfo::configured(KeyId::new(key_id).unwrap(), Duration::from_secs(60));
        let account = |name: &str| AccountFlows::new(name.into(), [1, 2, 3].map(info));
        Store::new(policy, [account("b"), account("a")])
    }

    fn key(number: u64) -> KeyId {
        KeyId::new(number).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn execution_exceptions_come_first_then_other_trouble_then_what_cannot_be_fetched() {
        let store = store();
        let timeout = FailureReason::Transport(Outcome::Timeout);
        store.succeeded("a", key(2), report(Status::ExecutionException), at(50));
        store.failed("b", key(1), timeout, None, at(40));
        store.failed("b", key(1), timeout, None, at(90));
        store.succeeded("b", key(3), report(Status::ExecutionException), at(10));
        store.failed("b", key(3), timeout, None, at(60));
        store.succeeded("b", key(2), report(Status::Unknown(Some(9))), at(20));
        store.succeeded("a", key(1), report(Status::Pending), at(95));
        let snapshot = store.snapshot();
        let mut overview = Overview::new(&snapshot, None, at(100));
        overview.worst_first();
        let order: Vec<_> = overview
            .flows
            .iter()
            .map(|flow| (flow.account, flow.record.info.key_id.get()))
            .collect();
        assert_eq!(order, [("b", 3), ("a", 2), ("b", 2), ("b", 1), ("a", 1), ("a", 3)]);
        assert_eq!((overview.unfetchable(), overview.in_trouble()), (2, 4));
        assert_eq!(overview.by_status().get(Status::ExecutionException), 2);
        assert_eq!(overview.by_status().get(Status::Unknown(None)), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn equal_reasons_of_an_account_are_one_entry() {
        let store = store();
        let timeout = FailureReason::Transport(Outcome::Timeout);
        let connect = FailureReason::Transport(Outcome::Connect);
        store.failed("a", key(1), timeout, None, at(1));
        store.failed("a", key(2), connect, None, at(1));
        store.failed("a", key(3), timeout, None, at(1));
        store.failed("b", key(1), timeout, None, at(1));
        store.succeeded("b", key(2), report(Status::ExecutionException), at(1));
        store.failed("b", key(2), timeout, None, at(1));
        store.skipped("b", key(3), at(1));
        let snapshot = store.snapshot();
        let mut overview = Overview::new(&snapshot, None, at(2));
        overview.worst_first();
        let entries = grouped(&overview.flows);
        let shown: Vec<_> = entries
            .iter()
            .map(|entry| match entry {
                Entry::Flow(flow) => (flow.account, flow.record.info.key_id.get(), 1),
                Entry::Alike(_, flows) => (flows[0].account, flows[0].record.info.key_id.get(), flows.len()),
            })
            .collect();
        assert_eq!(shown, [("b", 2, 1), ("a", 1, 2), ("a", 2, 1), ("b", 1, 1), ("b", 3, 1)]);
    }

    #[tokio::test(start_paused = true)]
    async fn one_account_can_be_asked_for() {
        let store = store();
        let snapshot = store.snapshot();
        let overview = Overview::new(&snapshot, Some("b"), at(1));
        assert_eq!(overview.accounts.len(), 1);
        assert!(overview.flows.len() == 3 && overview.flows.iter().all(|flow| flow.account == "b"));
        assert!(Overview::new(&snapshot, Some("c"), at(1)).accounts.is_empty());
    }
}
