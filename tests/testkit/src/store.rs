//! A store with what pages and scrapes are made of, as if the poller had filled it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use laaffic_exporter::model::{CountByStatus, FlowInfo, FlowReport, KeyId, Nodes, RecallType, Status};
use laaffic_exporter::store::{AccountFlows, Policy, Store};

/// The flow's number as the exporter has it.
pub fn key(number: u64) -> KeyId {
    KeyId::new(number).unwrap()
}

/// So many seconds after the beginning of 1970.
pub fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

/// A configured flow that is asked for once a minute; without a name where that is empty.
pub fn info(number: u64, name: &str) -> FlowInfo {
    FlowInfo {
        name: (!name.is_empty()).then(|| name.into()),
        labels: Box::new([("team".into(), "growth".into())]),
        ..FlowInfo::configured(key(number), Duration::from_secs(60))
    }
}

/// What the vendor said of a flow in this status, with nodes in these.
pub fn report(status: Status, nodes: &[Status]) -> FlowReport {
    let mut counts = CountByStatus::default();
    for status in nodes {
        counts.add(*status);
    }
    FlowReport {
        status: Some(status),
        recall_type: Some(RecallType::Failed),
        recall_attempts: Some(3),
        recall_interval_seconds: Some(300),
        nodes: Some(Nodes {
            by_status: counts,
            reported: None,
            truncated: false,
        }),
        ..FlowReport::default()
    }
}

/// A store of these accounts, of which nothing is known yet.
pub fn store_of(accounts: impl IntoIterator<Item = AccountFlows>) -> Arc<Store> {
    let policy = Policy {
        stale_after: Duration::from_secs(300),
        terminal_poll_interval: Duration::from_secs(900),
        request_timeout: Duration::from_secs(10),
    };
    Arc::new(Store::new(policy, accounts))
}

/// A store of one account, `main`, whose flows from 1 on each have this report and this moment of it.
pub fn store_with(flows: u64, told: impl Fn(u64) -> (FlowReport, SystemTime)) -> Arc<Store> {
    let infos = (1..=flows).map(|number| info(number, &format!("reminder number {number}")));
    let store = store_of([AccountFlows::new("main".into(), infos)]);
    for number in 1..=flows {
        let (report, moment) = told(number);
        store.succeeded("main", key(number), report, moment).unwrap();
    }
    store
}
