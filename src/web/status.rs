//! `/`: the state of every flow, for people.

use std::sync::Arc;
use std::time::SystemTime;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_SECURITY_POLICY, HeaderName};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;

use crate::build_info;
use crate::clock::SharedClock;
use crate::explain::{Explanation, explain};
use crate::model::Status;
use crate::store::{AccountFlows, FlowRecord, Snapshot, Store};

/// The page brings everything along and runs nothing.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What the page shows.
#[derive(Debug, Clone)]
pub struct StatusPage {
    store: Arc<Store>,
    clock: SharedClock,
    telemetry_path: Arc<str>,
}

impl StatusPage {
    /// A page on this store, with a link to the metrics.
    pub fn new(store: Arc<Store>, clock: SharedClock, telemetry_path: &str) -> Self {
        Self {
            store,
            clock,
            telemetry_path: telemetry_path.into(),
        }
    }

    fn view(&self) -> View {
        let snapshot = self.store.snapshot();
        let now = self.clock.now();
        let accounts = snapshot
            .accounts
            .iter()
            .map(|account| AccountView::new(&snapshot, account, now))
            .collect();
        View {
            version: build_info::VERSION,
            telemetry_path: Arc::clone(&self.telemetry_path),
            accounts,
        }
    }
}

/// The page's path.
pub fn router(page: StatusPage) -> Router {
    Router::new().route("/", get(status)).with_state(page)
}

async fn status(State(page): State<StatusPage>) -> Response {
    match page.view().render() {
        Ok(html) => {
            let headers: [(HeaderName, &str); 1] = [(CONTENT_SECURITY_POLICY, POLICY)];
            (headers, Html(html)).into_response()
        }
        Err(error) => {
            tracing::error!(error = error.to_string(), "the status page could not be written");
            (
                StatusCode::INTERNAL_SERVER_ERROR,
                "The page could not be written; the log says why.\n",
            )
                .into_response()
        }
    }
}

#[derive(Template)]
#[template(path = "status.html")]
struct View {
    version: &'static str,
    telemetry_path: Arc<str>,
    accounts: Vec<AccountView>,
}

struct AccountView {
    name: Arc<str>,
    blocked: bool,
    /// By how many times every interval is stretched, where it is.
    stretch: Option<String>,
    flows: Vec<FlowView>,
}

struct FlowView {
    key_id: u64,
    name: String,
    status: &'static str,
    /// The vendor's number, where the status' word does not say it.
    code: Option<i64>,
    since: String,
    nodes: String,
    success: String,
    trouble: Option<Explanation>,
}

impl AccountView {
    fn new(snapshot: &Snapshot, account: &AccountFlows, now: SystemTime) -> Self {
        let stretch = account.state.stretch();
        Self {
            name: Arc::clone(&account.name),
            blocked: account.state.blocked,
            stretch: (stretch > 1.0).then(|| format!("{stretch:.1}")),
            flows: account
                .flows
                .iter()
                .map(|flow| FlowView::new(snapshot, account, flow, now))
                .collect(),
        }
    }
}

impl FlowView {
    fn new(snapshot: &Snapshot, account: &AccountFlows, flow: &FlowRecord, now: SystemTime) -> Self {
        let fresh = snapshot.fresh(account, flow);
        let status = fresh.map_or(Status::Unknown(None), |known| known.report.status);
        Self {
            key_id: flow.info.key_id.get(),
            name: flow.info.name.as_deref().unwrap_or_default().to_owned(),
            status: status.label(),
            code: status.code().filter(|_| matches!(status, Status::Unknown(_))),
            since: fresh.map(|known| age(now, known.status_since)).unwrap_or_default(),
            nodes: fresh.map(nodes).unwrap_or_default(),
            success: flow
                .known
                .map_or_else(|| "never".to_owned(), |known| format!("{} ago", age(now, known.at))),
            trouble: flow.failure.map(|failure| explain(failure.reason)),
        }
    }
}

/// "2 completed, 1 in_progress", without the statuses that no node has.
fn nodes(known: &crate::store::Known) -> String {
    let present = known.report.nodes.iter().filter(|(_, count)| *count > 0);
    let mut text: Vec<_> = present
        .map(|(status, count)| format!("{count} {}", status.label()))
        .collect();
    if known.report.nodes_truncated {
        text.push("more not handed out".to_owned());
    }
    text.join(", ")
}

/// How long ago, in the largest unit that fits.
fn age(now: SystemTime, then: SystemTime) -> String {
    let seconds = now.duration_since(then).unwrap_or_default().as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}
