//! `/api/v1/flows`: what the page shows, as JSON (docs/api.md).

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use exporter_toolkit::clock::{SharedClock, unix_seconds};
use exporter_toolkit::pages::Renderer;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::ser::Formatter;

use super::moment::{Moment, Moments};
use super::overview::{AccountOverview, FlowOverview, Overview};
use crate::build_info;
use crate::model::{CountByStatus, Discovery, FailureReason, KeyId, RecallType};
use crate::shard::Shard;
use crate::store::Store;
use crate::words::failure::explain;
use crate::words::trouble::FlowTrouble;

/// What answers may take in memory while they are sent, compressed: more than ten times the answer on 10,000 flows.
const ROOM: usize = 8 << 20;

/// What the path shows. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Flows {
    moments: Arc<Moments>,
    /// By moment and account.
    renderer: Renderer<(u64, Option<String>)>,
    shard: Shard,
}

impl Flows {
    /// Shows this store, which has the accounts of this shard.
    pub fn new(store: Arc<Store>, clock: SharedClock, shard: Shard) -> Self {
        Self {
            moments: Arc::new(Moments::new(store, clock)),
            renderer: Renderer::new(ROOM),
            shard,
        }
    }
}

/// What is asked for in the query.
#[derive(Debug, Deserialize)]
pub struct Asked {
    account: Option<String>,
}

/// Answers `/api/v1/flows`.
pub async fn show(
    State(flows): State<Flows>,
    asked: Result<Query<Asked>, QueryRejection>,
    headers: HeaderMap,
) -> Response {
    let Ok(Query(asked)) = asked else {
        return refuse("the query cannot be read; it may have account=NAME, once");
    };
    let moment = flows.moments.now();
    if let Some(name) = &asked.account
        && !moment.snapshot.accounts.iter().any(|account| *account.name == **name)
    {
        return refuse(&flows.shard.without(name));
    }
    let key = (moment.number, asked.account.clone());
    let write = move |out: &mut dyn io::Write| write(&moment, asked.account.as_deref(), out);
    flows.renderer.answer(&headers, "application/json", key, write).await
}

fn refuse(sentence: &str) -> Response {
    let error = serde_json::json!({"error": sentence});
    (StatusCode::BAD_REQUEST, Json(error)).into_response()
}

fn write(moment: &Moment, account: Option<&str>, out: &mut dyn io::Write) -> io::Result<Option<String>> {
    let overview = Overview::new(&moment.snapshot, account, moment.now);
    let body = Body {
        version: build_info::VERSION,
        generated_timestamp_seconds: unix_seconds(moment.now),
        flows_by_status: by_status(&overview.by_status()),
        flows_failing: overview.unfetchable(),
        accounts: overview.accounts.iter().map(Account::new).collect(),
        flows: &overview.flows,
    };
    body.serialize(&mut serde_json::Serializer::with_formatter(&mut *out, InertInHtml))?;
    out.write_all(b"\n")?;
    Ok(None)
}

#[derive(Serialize)]
struct Body<'s> {
    version: &'static str,
    generated_timestamp_seconds: f64,
    flows_by_status: BTreeMap<&'static str, u32>,
    flows_failing: usize,
    accounts: Vec<Account<'s>>,
    #[serde(serialize_with = "one_by_one")]
    flows: &'s [FlowOverview<'s>],
}

#[derive(Serialize)]
struct Account<'s> {
    account: &'s str,
    blocked: bool,
    paused: bool,
    clock_skew_seconds: Option<f64>,
    poll_budget_ratio: f64,
    flows_by_status: BTreeMap<&'static str, u32>,
    flows_failing: usize,
    /// Where flows are found in the vendor's list.
    discovery: Option<Search>,
    last_error: Option<Failed<'s>>,
}

/// How finding flows goes.
#[derive(Serialize)]
struct Search {
    tracked: usize,
    dropped: usize,
    over_limit: usize,
    complete: bool,
    last_success_timestamp_seconds: Option<f64>,
}

#[derive(Serialize)]
struct Flow<'s> {
    account: &'s str,
    key_id: u64,
    name: Option<&'s str>,
    #[serde(serialize_with = "as_map")]
    labels: &'s [(Box<str>, Box<str>)],
    origin: &'static str,
    task_id: Option<&'s str>,
    created_timestamp_seconds: Option<i64>,
    up: bool,
    status: &'static str,
    status_code: Option<i64>,
    status_since_timestamp_seconds: Option<f64>,
    nodes: Option<BTreeMap<&'static str, u32>>,
    nodes_truncated: Option<bool>,
    nodes_reported: Option<i64>,
    recall_type: Option<&'static str>,
    recall_attempts: Option<i64>,
    recall_attempts_completed: Option<i64>,
    recall_interval_seconds: Option<i64>,
    last_success_timestamp_seconds: Option<f64>,
    poll_interval_seconds: f64,
    error: Option<Failed<'s>>,
    troubles: Vec<Trouble>,
}

/// Something that is wrong with a flow.
#[derive(Serialize)]
struct Trouble {
    trouble: &'static str,
    /// The alert that is about it.
    alert: Option<&'static str>,
    meaning: &'static str,
    cure: &'static str,
}

/// A failure with its words; `since_timestamp_seconds` for what lasts, `timestamp_seconds` for what may be over.
#[derive(Serialize)]
struct Failed<'s> {
    reason: &'static str,
    code: Option<i64>,
    http_status: Option<u16>,
    /// The same in the system's or the protocol's words.
    detail: Option<&'s str>,
    /// Of which flow, where that is not said by the place.
    #[serde(skip_serializing_if = "Option::is_none")]
    key_id: Option<u64>,
    meaning: &'static str,
    cure: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    since_timestamp_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp_seconds: Option<f64>,
}

impl<'s> Account<'s> {
    fn new(account: &AccountOverview<'s>) -> Self {
        let state = account.state;
        Self {
            account: account.name,
            blocked: state.blocked,
            paused: state.paused,
            clock_skew_seconds: state.clock_skew_seconds,
            poll_budget_ratio: state.budget_ratio,
            flows_by_status: by_status(&account.by_status),
            flows_failing: account.unfetchable,
            discovery: state.discovery.map(Search::new),
            last_error: state.last_error.as_ref().map(|error| Failed {
                timestamp_seconds: Some(unix_seconds(error.at)),
                key_id: error.key_id.map(KeyId::get),
                ..Failed::new(error.reason, error.detail.as_deref())
            }),
        }
    }
}

impl Search {
    fn new(discovery: Discovery) -> Self {
        Self {
            tracked: discovery.tracked,
            dropped: discovery.dropped,
            over_limit: discovery.over_limit,
            complete: discovery.complete,
            last_success_timestamp_seconds: discovery.last_success.map(unix_seconds),
        }
    }
}

impl<'s> Flow<'s> {
    fn new(flow: &FlowOverview<'s>) -> Self {
        let FlowOverview { record, fresh, .. } = flow;
        Self {
            account: flow.account,
            key_id: record.info.key_id.get(),
            name: record.info.name(),
            labels: &record.info.labels,
            origin: record.info.origin.label(),
            task_id: record.info.task.as_ref().and_then(|task| task.task_id.as_deref()),
            created_timestamp_seconds: record.info.task.as_ref().and_then(|task| task.created),
            up: record.up(),
            status: flow.status().label(),
            status_code: flow.status().code(),
            status_since_timestamp_seconds: flow.status_since.map(unix_seconds),
            nodes: fresh.nodes.map(|nodes| by_status(&nodes.by_status)),
            nodes_truncated: fresh.nodes.map(|nodes| nodes.truncated),
            nodes_reported: fresh.nodes.and_then(|nodes| nodes.reported),
            recall_type: fresh.recall_type.map(RecallType::label),
            recall_attempts: fresh.recall_attempts,
            recall_attempts_completed: fresh.recall_attempts_completed,
            recall_interval_seconds: fresh.recall_interval_seconds,
            last_success_timestamp_seconds: record.known.map(|known| unix_seconds(known.at)),
            poll_interval_seconds: flow.poll_interval.as_secs_f64(),
            error: record.failure.as_ref().map(|failure| Failed {
                since_timestamp_seconds: Some(unix_seconds(failure.since)),
                ..Failed::new(failure.reason, failure.detail.as_deref())
            }),
            troubles: flow.troubles.iter().map(|trouble| Trouble::new(*trouble)).collect(),
        }
    }
}

impl<'s> Failed<'s> {
    fn new(reason: FailureReason, detail: Option<&'s str>) -> Self {
        let explanation = explain(reason);
        Self {
            reason: reason.label(),
            code: reason.code(),
            http_status: reason.http_status(),
            detail,
            key_id: None,
            meaning: explanation.meaning,
            cure: explanation.cure,
            since_timestamp_seconds: None,
            timestamp_seconds: None,
        }
    }
}

impl Trouble {
    fn new(trouble: FlowTrouble) -> Self {
        let explanation = trouble.explain();
        Self {
            trouble: trouble.label(),
            alert: trouble.alert(),
            meaning: explanation.meaning,
            cure: explanation.cure,
        }
    }
}

fn by_status(counts: &CountByStatus) -> BTreeMap<&'static str, u32> {
    counts.iter().map(|(status, count)| (status.label(), count)).collect()
}

/// Each flow is put into words only when it is written: all of them at once would take as much memory as the answer.
fn one_by_one<S: Serializer>(flows: &&[FlowOverview<'_>], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(flows.iter().map(Flow::new))
}

fn as_map<S: Serializer>(labels: &&[(Box<str>, Box<str>)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(labels.iter().map(|(name, value)| (name, value)))
}

/// Compact JSON in which no name can become a tag, wherever somebody may paste it.
struct InertInHtml;

impl Formatter for InertInHtml {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(place) = rest.find(['<', '>', '&']) {
            let (plain, special) = rest.split_at(place);
            let mut characters = special.chars();
            let code = characters.next().map_or(0, u32::from);
            write!(writer, "{plain}\\u{code:04x}")?;
            rest = characters.as_str();
        }
        writer.write_all(rest.as_bytes())
    }
}
