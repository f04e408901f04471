//! The state of everything at one moment, as the page and `/api/v1/flows` tell it.
//!
//! In: a snapshot of the store. Out: facts, in an order; how they are worded is the page's and the JSON's own matter.

use std::cmp::Reverse;
use std::time::{Duration, SystemTime};

use crate::model::{CountByStatus, Nodes, RecallType, Status};
use crate::store::{AccountFlows, AccountState, FlowRecord, Snapshot};

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
    pub failing: usize,
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
    /// `recallInterval`, in seconds.
    pub recall_interval_seconds: Option<i64>,
}

impl Fresh {
    fn of(snapshot: &Snapshot, account: &AccountFlows, flow: &FlowRecord) -> Self {
        Self {
            nodes: snapshot.fresh_part(account, flow, |known| known.nodes),
            recall_type: snapshot.fresh_part(account, flow, |known| known.recall_type),
            recall_attempts: snapshot.fresh_part(account, flow, |known| known.recall_attempts),
            recall_interval_seconds: snapshot.fresh_part(account, flow, |known| known.recall_interval_seconds),
        }
    }
}

impl<'s> Overview<'s> {
    /// All accounts, or the one of this name.
    pub fn new(snapshot: &'s Snapshot, only: Option<&str>) -> Self {
        let wanted = |account: &&AccountFlows| only.is_none_or(|name| *account.name == *name);
        let accounts = snapshot.accounts.iter().map(AsRef::as_ref).filter(wanted);
        let flows = accounts.clone().flat_map(|account| {
            let flows = account.flows.iter();
            flows.map(|record| FlowOverview {
                account: &account.name,
                record,
                status: snapshot.status(account, record),
                status_since: record
                    .known
                    .filter(|_| snapshot.status(account, record).is_some())
                    .map(|known| known.status_since),
                fresh: Fresh::of(snapshot, account, record),
                poll_interval: snapshot.poll_interval(account, record),
            })
        });
        Self {
            flows: flows.collect(),
            accounts: accounts
                .map(|account| AccountOverview {
                    name: &account.name,
                    state: &account.state,
                    by_status: snapshot.count_by_status(account),
                    failing: account.flows.iter().filter(|flow| flow.failure.is_some()).count(),
                })
                .collect(),
        }
    }

    /// Puts the flows in trouble first, the newest trouble on top. The others keep their order.
    pub fn newest_trouble_first(&mut self) {
        self.flows.sort_by_key(|flow| Reverse(flow.trouble_since()));
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
    pub fn failing(&self) -> usize {
        self.accounts.iter().map(|account| account.failing).sum()
    }
}

impl FlowOverview<'_> {
    /// The present status; unknown where nothing is known, or not any more.
    pub fn status(&self) -> Status {
        self.status.unwrap_or(Status::Unknown(None))
    }

    /// Since when it has been failing or in an execution exception, whichever began last; `None` where it is neither.
    pub fn trouble_since(&self) -> Option<SystemTime> {
        let failing = self.record.failure.as_ref().map(|failure| failure.since);
        let exception = self
            .status_since
            .filter(|_| self.status() == Status::ExecutionException);
        failing.max(exception)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{FailureReason, FlowInfo, FlowReport, KeyId, Outcome};
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
        let info = |key_id| FlowInfo {
            key_id: KeyId::new(key_id).unwrap(),
            name: None,
            labels: Box::default(),
            poll_interval: Duration::from_secs(60),
        };
        let account = |name: &str| AccountFlows::new(name.into(), [1, 2, 3].map(info));
        Store::new(policy, [account("b"), account("a")])
    }

    #[tokio::test(start_paused = true)]
    async fn the_newest_trouble_is_on_top_and_the_rest_is_by_account_and_key() {
        let store = store();
        let key = |number| KeyId::new(number).unwrap();
        let timeout = FailureReason::Transport(Outcome::Timeout);
        store.succeeded("a", key(2), report(Status::ExecutionException), at(50));
        store.failed("b", key(1), timeout, None, at(40));
        store.failed("b", key(1), timeout, None, at(90));
        store.succeeded("b", key(3), report(Status::ExecutionException), at(10));
        store.failed("b", key(3), timeout, None, at(60));
        store.succeeded("a", key(1), report(Status::Pending), at(95));
        let snapshot = store.snapshot();
        let mut overview = Overview::new(&snapshot, None);
        overview.newest_trouble_first();
        let order: Vec<_> = overview
            .flows
            .iter()
            .map(|flow| (flow.account, flow.record.info.key_id.get()))
            .collect();
        assert_eq!(
            order,
            [("b", 3), ("a", 2), ("b", 1), ("a", 1), ("a", 3), ("b", 2)],
            "since 60, 50, 40, and never"
        );
        assert_eq!(overview.failing(), 2);
        assert_eq!(overview.by_status().get(Status::ExecutionException), 2);
        assert_eq!(overview.by_status().get(Status::Unknown(None)), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn one_account_can_be_asked_for() {
        let store = store();
        let snapshot = store.snapshot();
        let overview = Overview::new(&snapshot, Some("b"));
        assert_eq!(overview.accounts.len(), 1);
        assert!(overview.flows.len() == 3 && overview.flows.iter().all(|flow| flow.account == "b"));
        assert!(Overview::new(&snapshot, Some("c")).accounts.is_empty());
    }
}
