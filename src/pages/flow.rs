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
use crate::model::{FailureReason, KeyId, RecallType};
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
    let not_found = |sentence| pages.site.not_found(ROOT, sentence);
    let Ok(Path((account, key_id))) = path else {
        return not_found("This address cannot be read; it has to be /flows/ACCOUNT/KEY_ID.");
    };
    let snapshot = pages.store.snapshot();
    let Some(account) = snapshot.accounts.iter().find(|known| *known.name == *account) else {
        return not_found("There is no account of this name in the configuration.");
    };
    let key_id = key_id.parse::<KeyId>().ok();
    let Some(record) = key_id.and_then(|key_id| account.flow(key_id)) else {
        return not_found("This account has no such flow in the configuration; perhaps it was removed.");
    };
    let now = pages.clock.now();
    let flow = FlowOverview::new(&snapshot, account, record, now);
    page_of(StatusCode::OK, &Page::new(&pages.site, account, &flow, now))
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
    account_error: Option<(Since, String, KeyId, Failed<'p>)>,
}

impl<'p> Page<'p> {
    fn new(site: &'p Site, account: &'p AccountFlows, flow: &'p FlowOverview<'p>, now: SystemTime) -> Self {
        let frame = site.frame(ROOT);
        let key_id = flow.record.info.key_id;
        let seconds = flow.fresh.recall_interval_seconds.map(i64::unsigned_abs);
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
            account_error: account_error(account, flow.record, now),
        }
    }
}

/// What the account is blocked for, where that is why the flow is not asked for.
fn account_error<'p>(
    account: &'p AccountFlows,
    record: &FlowRecord,
    now: SystemTime,
) -> Option<(Since, String, KeyId, Failed<'p>)> {
    let failure = record.failure.as_ref()?;
    let error = account.state.last_error.as_ref()?;
    let blocked = matches!(failure.reason, FailureReason::Blocked { .. });
    blocked.then(|| {
        (
            Since { now, then: error.at },
            links::flow(&account.name, error.key_id),
            error.key_id,
            Failed::new(error.reason, error.detail.as_deref()),
        )
    })
}
