//! `/flows/{account}/{key_id}`: everything that is known of one flow, and what to do. Alerts link to it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use askama::Template;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use exporter_toolkit::clock::SharedClock;

use super::bar::BAR;
use super::links;
use super::overview::FlowOverview;
use super::view::{Failed, FlowView, Frame, Since, Site, page_of};
use crate::model::{FailureReason, KeyId, Origin, RecallType};
use crate::store::{AccountFlows, FlowRecord, Store};
use crate::words;

/// From such a page to `/`.
const ROOT: &str = "../../";

/// What the pages show. Cheap to clone.
#[derive(Debug, Clone)]
pub struct FlowPages {
    store: Arc<Store>,
    clock: SharedClock,
    site: Site,
}

impl FlowPages {
    /// Pages on this store.
    pub fn new(store: Arc<Store>, clock: SharedClock, site: Site) -> Self {
        Self { store, clock, site }
    }
}

/// Answers `/flows/{account}/{key_id}`.
pub async fn show(State(pages): State<FlowPages>, path: Result<Path<(String, String)>, PathRejection>) -> Response {
    let not_found = |sentence: &str| pages.site.not_found(ROOT, sentence);
    let Ok(Path((account, key_id))) = path else {
        return not_found("This address cannot be read; it has to be /flows/ACCOUNT/KEY_ID.");
    };
    let snapshot = pages.store.snapshot();
    let Some(account) = snapshot.accounts.iter().find(|known| *known.name == *account) else {
        return not_found(&as_sentence(&pages.site.shard.without(&account)));
    };
    let key_id = key_id.parse::<KeyId>().ok();
    let Some(record) = key_id.and_then(|key_id| account.flow(key_id)) else {
        return not_found(
            "This account has no such flow; perhaps it was removed from the configuration, or has left the vendor's list.",
        );
    };
    let now = pages.clock.now();
    let flow = FlowOverview::new(&snapshot, account, record, now);
    page_of(StatusCode::OK, &Page::new(&pages.site, account, &flow, now))
}

/// With a capital and a full stop.
fn as_sentence(words: &str) -> String {
    let mut letters = words.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).chain(['.']).collect()
}

#[derive(Template)]
#[template(path = "flow.html")]
struct Page<'p> {
    frame: Frame<'p>,
    view: FlowView<'p>,
    now: String,
    rounds_reported: Option<i64>,
    interval: String,
    recalls: &'static str,
    exceptions: u32,
    account_encoded: String,
    dashboard: Option<String>,
    /// Where the exporter knows the flow from.
    origin: &'static str,
    task_id: Option<&'p str>,
    created: Option<Since>,
    account_error: Option<AccountError<'p>>,
}

impl<'p> Page<'p> {
    fn new(site: &'p Site, account: &'p AccountFlows, flow: &'p FlowOverview<'p>, now: SystemTime) -> Self {
        let frame = site.frame(ROOT);
        let key_id = flow.record.info.key_id;
        let seconds = flow.fresh.recall_interval_seconds.map(i64::unsigned_abs);
        let task = flow.record.info.task.as_deref();
        let created = task.and_then(|task| u64::try_from(task.created?).ok());
        let created = created.and_then(|created| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(created)));
        Self {
            dashboard: frame.grafana.map(|grafana| grafana.flow(flow.account, key_id)),
            frame,
            view: FlowView { flow, now },
            now: httpdate::fmt_http_date(now),
            rounds_reported: flow.fresh.nodes.and_then(|nodes| nodes.reported),
            interval: seconds.map_or_else(
                || "not known".to_owned(),
                |seconds| words::duration(Duration::from_secs(seconds)),
            ),
            recalls: match flow.fresh.recall_type {
                Some(RecallType::All) => "all numbers",
                Some(RecallType::Failed) => "numbers that were not reached",
                None | Some(RecallType::Unknown) => "not known",
            },
            exceptions: flow.record.exceptions,
            account_encoded: links::encoded(flow.account),
            origin: match flow.record.info.origin {
                Origin::Configured => "the configuration",
                Origin::Discovered { .. } => "the vendor's list of flows",
            },
            task_id: task.and_then(|task| task.task_id.as_deref()),
            created: created.map(|then| Since { now, then }),
            account_error: account_error(account, flow.record, now),
        }
    }
}

/// When it was, of which flow (else of the list) and where its page is, and what.
type AccountError<'p> = (Since, Option<(KeyId, String)>, Failed<'p>);

/// What the account is blocked for, where that is why the flow is not asked for.
fn account_error<'p>(account: &'p AccountFlows, record: &FlowRecord, now: SystemTime) -> Option<AccountError<'p>> {
    let failure = record.failure.as_ref()?;
    let error = account.state.last_error.as_ref()?;
    let blocked = matches!(failure.reason, FailureReason::Blocked { .. });
    blocked.then(|| {
        (
            Since { now, then: error.at },
            error.key_id.map(|key_id| (key_id, links::flow(&account.name, key_id))),
            Failed::new(error.reason, error.detail.as_deref()),
        )
    })
}
