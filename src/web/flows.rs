//! `/api/v1/flows`: what the status page shows, as JSON. Times are Unix seconds; what is not known is null.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use crate::clock::unix_seconds;
use crate::explain::explain;
use crate::model::{FailureReason, Status};
use crate::store::{AccountFlows, FlowRecord, Known, Snapshot, Store};

/// The path.
pub fn router(store: Arc<Store>) -> Router {
    Router::new().route("/api/v1/flows", get(flows)).with_state(store)
}

#[derive(Debug, Deserialize)]
struct Filter {
    /// Only this account.
    account: Option<String>,
}

async fn flows(State(store): State<Arc<Store>>, Query(filter): Query<Filter>) -> Json<Answer> {
    let snapshot = store.snapshot();
    let wanted = |account: &&Arc<AccountFlows>| filter.account.as_deref().is_none_or(|name| *account.name == *name);
    let accounts = snapshot.accounts.iter().filter(wanted);
    Json(Answer {
        accounts: accounts.map(|account| Account::new(&snapshot, account)).collect(),
    })
}

#[derive(Debug, Serialize)]
struct Answer {
    accounts: Vec<Account>,
}

#[derive(Debug, Serialize)]
struct Account {
    name: String,
    blocked: bool,
    clock_skew_seconds: Option<f64>,
    poll_budget_ratio: f64,
    flows: Vec<Flow>,
}

#[derive(Debug, Serialize)]
struct Flow {
    key_id: u64,
    name: Option<String>,
    labels: serde_json::Map<String, serde_json::Value>,
    up: bool,
    error: Option<Trouble>,
    poll_interval_seconds: f64,
    last_success_timestamp_seconds: Option<f64>,
    /// What is known of the flow, unless it is too old.
    state: Option<Report>,
}

#[derive(Debug, Serialize)]
struct Report {
    status: &'static str,
    status_code: Option<i64>,
    status_since_timestamp_seconds: f64,
    recall_type: &'static str,
    recall_attempts: Option<i64>,
    recall_interval_seconds: Option<i64>,
    nodes: serde_json::Map<String, serde_json::Value>,
    nodes_truncated: bool,
}

#[derive(Debug, Serialize)]
struct Trouble {
    reason: &'static str,
    code: Option<i64>,
    meaning: &'static str,
    cure: &'static str,
    timestamp_seconds: f64,
}

impl Account {
    fn new(snapshot: &Snapshot, account: &AccountFlows) -> Self {
        Self {
            name: account.name.to_string(),
            blocked: account.state.blocked,
            clock_skew_seconds: account.state.clock_skew_seconds,
            poll_budget_ratio: account.state.budget_ratio,
            flows: account
                .flows
                .iter()
                .map(|flow| Flow::new(snapshot, account, flow))
                .collect(),
        }
    }
}

impl Flow {
    fn new(snapshot: &Snapshot, account: &AccountFlows, flow: &FlowRecord) -> Self {
        let labels = flow
            .info
            .labels
            .iter()
            .map(|(name, value)| (name.to_string(), (**value).into()));
        Self {
            key_id: flow.info.key_id.get(),
            name: flow.info.name.as_deref().map(str::to_owned),
            labels: labels.collect(),
            up: flow.up(),
            error: flow
                .failure
                .map(|failure| Trouble::new(failure.reason, unix_seconds(failure.at))),
            poll_interval_seconds: snapshot.poll_interval(account, flow).as_secs_f64(),
            last_success_timestamp_seconds: flow.known.map(|known| unix_seconds(known.at)),
            state: snapshot.fresh(account, flow).map(Report::new),
        }
    }
}

impl Report {
    fn new(known: &Known) -> Self {
        let report = &known.report;
        let nodes = report
            .nodes
            .iter()
            .map(|(status, count): (Status, u32)| (status.label().to_owned(), count.into()));
        Self {
            status: report.status.label(),
            status_code: report.status.code(),
            status_since_timestamp_seconds: unix_seconds(known.status_since),
            recall_type: report.recall_type.label(),
            recall_attempts: report.recall_attempts,
            recall_interval_seconds: report.recall_interval_minutes.map(|minutes| minutes.saturating_mul(60)),
            nodes: nodes.collect(),
            nodes_truncated: report.nodes_truncated,
        }
    }
}

impl Trouble {
    fn new(reason: FailureReason, timestamp_seconds: f64) -> Self {
        let explanation = explain(reason);
        Self {
            reason: reason.label(),
            code: reason.code(),
            meaning: explanation.meaning,
            cure: explanation.cure,
            timestamp_seconds,
        }
    }
}
