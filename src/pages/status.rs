//! `/`: the state of every flow, for people.
//!
//! The page is whole without JavaScript. With it, `assets/status.js` asks for this same page every few seconds and takes over what
//! has changed, so that there is one rendering of everything.

use std::sync::Arc;
use std::time::SystemTime;

use askama::Template;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_SECURITY_POLICY, HeaderValue, REFERRER_POLICY};
use axum::response::Response;
use exporter_toolkit::clock::SharedClock;
use exporter_toolkit::pages::Renderer;
use serde::Deserialize;

use super::assets::{CSS, ICON, JS};
use super::bar::{self, BAR, Segment};
use super::overview::{AccountOverview, FlowOverview, Overview};
use crate::build_info;

use crate::model::{FailureReason, Status};
use crate::store::{Snapshot, Store};
use crate::words;
use crate::words::failure::{Explanation, explain, explain_status};

/// The page brings everything along, and nothing on it runs or asks anything but its own files.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// What the page shows. Cheap to clone.
#[derive(Debug, Clone)]
pub struct StatusPage {
    store: Arc<Store>,
    clock: SharedClock,
    telemetry_path: Arc<str>,
    renderer: Renderer,
}

impl StatusPage {
    /// A page on this store, with a link to the metrics.
    pub fn new(store: Arc<Store>, clock: SharedClock, telemetry_path: &str) -> Self {
        Self {
            store,
            clock,
            telemetry_path: telemetry_path.into(),
            renderer: Renderer::default(),
        }
    }
}

/// What is asked for in the query.
#[derive(Debug, Deserialize)]
pub struct Asked {
    #[serde(default)]
    filter: String,
}

/// Answers `/`.
pub async fn show(State(page): State<StatusPage>, Query(asked): Query<Asked>, headers: HeaderMap) -> Response {
    let snapshot = page.store.snapshot();
    let now = page.clock.now();
    let telemetry_path = Arc::clone(&page.telemetry_path);
    let write = move || written(&snapshot, now, &telemetry_path, &asked.filter);
    let mut response = page.renderer.answer(&headers, "text/html; charset=utf-8", write).await;
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

fn written(snapshot: &Snapshot, now: SystemTime, telemetry_path: &str, filter: &str) -> askama::Result<Vec<u8>> {
    let mut overview = Overview::new(snapshot, None);
    overview.newest_trouble_first();
    let by_status = overview.by_status();
    let counts = by_status.iter().map(|(status, count)| Tally { status, count });
    let in_trouble = overview
        .flows
        .iter()
        .filter(|flow| flow.trouble_since().is_some())
        .count();
    let (failing, total) = (overview.failing(), overview.flows.len());
    let wanted: Vec<_> = filter.split_whitespace().map(str::to_lowercase).collect();
    let rows = overview.flows.iter().map(|flow| Row { flow, now });
    let page = Page {
        version: build_info::VERSION,
        telemetry_path: telemetry_path.trim_start_matches('/'),
        css: CSS.link(),
        js: JS.link(),
        icon: ICON.link(),
        filter,
        now: httpdate::fmt_http_date(now),
        in_trouble,
        total,
        failing,
        counts: counts.filter(|tally| tally.count > 0).collect(),
        accounts: overview
            .accounts
            .iter()
            .map(|account| Account { account, now })
            .collect(),
        rows: rows.filter(|row| row.matches(&wanted)).collect(),
    };
    let mut html = Vec::with_capacity(4096 + page.rows.len() * 1024);
    page.write_into(&mut html)?;
    Ok(html)
}

#[derive(Template)]
#[template(path = "status.html")]
struct Page<'s> {
    version: &'static str,
    /// Relative, as all links of the page are.
    telemetry_path: &'s str,
    css: String,
    js: String,
    icon: String,
    filter: &'s str,
    now: String,
    in_trouble: usize,
    total: usize,
    failing: usize,
    counts: Vec<Tally>,
    accounts: Vec<Account<'s>>,
    rows: Vec<Row<'s>>,
}

/// How many have a status.
struct Tally {
    status: Status,
    count: u32,
}

impl Tally {
    fn class(&self) -> &'static str {
        self.status.label()
    }

    fn sign(&self) -> &'static str {
        words::sign(self.status)
    }

    fn word(&self) -> String {
        words::status(self.status)
    }
}

struct Account<'s> {
    account: &'s AccountOverview<'s>,
    now: SystemTime,
}

impl Account<'_> {
    fn flows(&self) -> String {
        match self.account.by_status.total() {
            0 => "no flows".to_owned(),
            _ => words::counts(&self.account.by_status),
        }
    }

    fn skew(&self) -> Option<(String, bool)> {
        self.account.state.clock_skew_seconds.map(words::skew)
    }

    fn budget(&self) -> (String, bool) {
        words::budget(self.account.state.budget_ratio)
    }

    fn error(&self) -> Option<(String, Trouble)> {
        let error = self.account.state.last_error.as_ref()?;
        Some((words::age(self.now, error.at), Trouble::new(error.reason)))
    }

    /// Whether the last error still is one.
    fn ails(&self) -> bool {
        self.account.state.blocked || self.account.failing > 0
    }
}

/// A failure in words.
struct Trouble {
    reason: &'static str,
    /// The vendor's code, where the words do not tell it.
    code: Option<i64>,
    words: Explanation,
}

impl Trouble {
    fn new(reason: FailureReason) -> Self {
        Self {
            reason: reason.label(),
            code: reason.code(),
            words: explain(reason),
        }
    }
}

struct Row<'s> {
    flow: &'s FlowOverview<'s>,
    now: SystemTime,
}

impl Row<'_> {
    /// Whether every one of these words, in lower case, is in what the flow is known by. `assets/status.js` looks at the same.
    fn matches(&self, wanted: &[String]) -> bool {
        if wanted.is_empty() {
            return true;
        }
        let info = &self.flow.record.info;
        let mut text = format!(
            "{} {} {} {} ",
            self.name(),
            self.flow.account,
            info.key_id,
            self.status()
        );
        for (name, value) in &info.labels {
            text.extend([name, "=", value, " "]);
        }
        text.extend([self.flow.status().label(), " "]);
        if let Some(failure) = &self.flow.record.failure {
            text.extend(["failing ", failure.reason.label()]);
        }
        let text = text.to_lowercase();
        wanted.iter().all(|word| text.contains(&**word))
    }

    fn name(&self) -> &str {
        self.flow.record.info.name.as_deref().unwrap_or_default()
    }

    fn labels(&self) -> &[(Box<str>, Box<str>)] {
        &self.flow.record.info.labels
    }

    fn class(&self) -> &'static str {
        self.flow.status().label()
    }

    fn sign(&self) -> &'static str {
        words::sign(self.flow.status())
    }

    fn status(&self) -> String {
        words::status(self.flow.status())
    }

    /// The vendor's number, where the status' word does not say it.
    fn undocumented(&self) -> Option<i64> {
        match self.flow.status() {
            Status::Unknown(code) => code,
            _ => None,
        }
    }

    /// For how long, and since when.
    fn since(&self) -> Option<(String, String)> {
        let since = self.flow.status_since?;
        Some((words::age(self.now, since), moment(since)))
    }

    /// What was known until it became too old.
    fn outdated(&self) -> Option<String> {
        let outdated = self.flow.record.status().filter(|_| self.flow.status.is_none())?;
        Some(words::status(outdated))
    }

    fn nodes(&self) -> Option<Nodes> {
        let nodes = self.flow.fresh.nodes?;
        let counts = nodes.by_status.iter().map(|(status, count)| Tally { status, count });
        let text = words::counts(&nodes.by_status);
        let more = if nodes.truncated {
            ", and more that the vendor did not hand out"
        } else {
            ""
        };
        Some(Nodes {
            segments: bar::segments(&nodes.by_status),
            text: format!("{text}{more}"),
            counts: counts.filter(|tally| tally.count > 0).collect(),
            truncated: nodes.truncated,
            completed: nodes.by_status.get(Status::Completed),
            attempts: self.flow.fresh.recall_attempts,
        })
    }

    /// How long ago, and when.
    fn success(&self) -> Option<(String, String)> {
        let known = self.flow.record.known?;
        Some((words::age(self.now, known.at), moment(known.at)))
    }

    fn interval(&self) -> String {
        words::duration(self.flow.poll_interval)
    }

    fn tried(&self) -> bool {
        self.flow.record.tried()
    }

    /// Why it fails, for how long, and since when.
    fn failure(&self) -> Option<(Trouble, String, String)> {
        let failure = self.flow.record.failure.as_ref()?;
        let age = words::age(self.now, failure.since);
        Some((Trouble::new(failure.reason), age, moment(failure.since)))
    }

    fn status_trouble(&self) -> Option<Explanation> {
        explain_status(self.flow.status())
    }
}

/// A flow's nodes.
struct Nodes {
    segments: Vec<Segment>,
    text: String,
    counts: Vec<Tally>,
    truncated: bool,
    completed: u32,
    attempts: Option<i64>,
}

fn moment(time: SystemTime) -> String {
    httpdate::fmt_http_date(time)
}
