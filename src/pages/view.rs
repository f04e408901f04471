//! What the pages for people have in common: their frame, their headers, and facts put into words.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use askama::Template;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_SECURITY_POLICY, HeaderMap, HeaderValue, REFERRER_POLICY};
use axum::response::{Html, IntoResponse, Response};
use exporter_toolkit::clock::unix_seconds;
use exporter_toolkit::logging::Unwritten;

use super::assets::{CSS, ICON};
use super::bar::{self, Segment};
use super::links::{self, Grafana};
use super::overview::FlowOverview;
use crate::build_info;
use crate::model::{CountByStatus, FailureReason, Status};
use crate::shard::Shard;
use crate::words;
use crate::words::failure::Explanation;
use crate::words::trouble::FlowTrouble;

/// A page brings everything along, and nothing on it runs or asks anything but its own files.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Makes a browser keep to that.
pub(super) fn protect(headers: &mut HeaderMap) {
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
}

/// What is around every page. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Site {
    /// Without the slash it begins with, as all links are relative.
    telemetry_path: Arc<str>,
    grafana: Option<Grafana>,
    /// Whose accounts they show.
    pub(super) shard: Shard,
}

impl Site {
    /// Pages with links to the metrics and, where there is one, to Grafana.
    pub fn new(telemetry_path: &str, grafana: Option<Grafana>, shard: Shard) -> Self {
        Self {
            telemetry_path: telemetry_path.trim_start_matches('/').into(),
            grafana,
            shard,
        }
    }

    /// The frame of a page from which `root` leads to `/`.
    pub(super) fn frame(&self, root: &'static str) -> Frame<'_> {
        Frame {
            root,
            version: build_info::VERSION,
            telemetry_path: &self.telemetry_path,
            css: CSS.link(),
            icon: ICON.link(),
            grafana: self.grafana.as_ref(),
            shard: Some(self.shard).filter(|shard| !shard.is_whole()),
        }
    }

    /// A page that says in one sentence that there is no such thing.
    pub(super) fn not_found(&self, root: &'static str, sentence: &str) -> Response {
        let page = NotFound {
            frame: self.frame(root),
            sentence,
        };
        page_of(StatusCode::NOT_FOUND, &page)
    }
}

static UNWRITTEN: Unwritten = Unwritten::new("a small page");

/// A small page, written at once.
pub(super) fn page_of(status: StatusCode, page: &impl Template) -> Response {
    let mut response = match page.render() {
        Ok(html) => (status, Html(html)).into_response(),
        Err(error) => {
            UNWRITTEN.tell(&error);
            let sentence = "The page could not be written; the log says why.\n";
            (StatusCode::INTERNAL_SERVER_ERROR, sentence).into_response()
        }
    };
    protect(response.headers_mut());
    response
}

#[derive(Template)]
#[template(path = "not_found.html")]
struct NotFound<'p> {
    frame: Frame<'p>,
    sentence: &'p str,
}

/// See [`Site`].
pub(super) struct Frame<'p> {
    pub(super) root: &'static str,
    pub(super) version: &'static str,
    pub(super) telemetry_path: &'p str,
    pub(super) css: String,
    pub(super) icon: String,
    pub(super) grafana: Option<&'p Grafana>,
    /// Where there are several.
    pub(super) shard: Option<Shard>,
}

impl Frame<'_> {
    pub(super) fn overview_dashboard(&self) -> Option<String> {
        self.grafana.map(Grafana::overview)
    }
}

/// How long something has been so, as HTML. The script lets it grow by itself; what grows is no lasting part of a page.
#[derive(Clone, Copy)]
pub(super) struct Since {
    pub(super) now: SystemTime,
    pub(super) then: SystemTime,
}

impl Since {
    pub(super) fn moment(&self) -> String {
        httpdate::fmt_http_date(self.then)
    }
}

impl fmt::Display for Since {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (since, moment) = (unix_seconds(self.then), self.moment());
        let age = words::age(self.now, self.then);
        write!(
            f,
            r#"<time data-since="{since:.0}" title="since {moment}">{age}</time>"#
        )
    }
}

/// How many have a status.
pub(super) struct Tally {
    pub(super) status: Status,
    pub(super) count: u32,
}

impl Tally {
    /// Each status that there is something of.
    pub(super) fn all(counts: &CountByStatus) -> Vec<Self> {
        let counts = counts.iter().map(|(status, count)| Self { status, count });
        counts.filter(|tally| tally.count > 0).collect()
    }

    pub(super) fn class(&self) -> &'static str {
        self.status.label()
    }

    pub(super) fn sign(&self) -> &'static str {
        words::sign(self.status)
    }

    pub(super) fn word(&self) -> String {
        words::status(self.status)
    }
}

/// A failed poll in words.
pub(super) struct Failed<'s> {
    pub(super) reason: &'static str,
    /// The number that tells more than the reason: the vendor's code, or the HTTP status.
    pub(super) number: Option<i64>,
    /// The same in the system's or the protocol's words.
    pub(super) detail: Option<&'s str>,
    pub(super) words: Explanation,
}

impl<'s> Failed<'s> {
    pub(super) fn new(reason: FailureReason, detail: Option<&'s str>) -> Self {
        Self {
            reason: reason.label(),
            number: reason.code().or(reason.http_status().map(i64::from)),
            detail,
            words: words::failure::explain(reason),
        }
    }
}

/// Something that is wrong with a flow, in words.
pub(super) struct Trouble<'s> {
    pub(super) words: Explanation,
    /// Where it is that the last poll failed: how, and since when.
    pub(super) failed: Option<(Failed<'s>, Since)>,
    pub(super) alert: Option<&'static str>,
    /// `bad` is somebody's night, `warn` is not.
    pub(super) class: &'static str,
}

/// What a flow's page and a flow's row show.
pub(super) struct FlowView<'s> {
    pub(super) flow: &'s FlowOverview<'s>,
    pub(super) now: SystemTime,
}

impl<'s> FlowView<'s> {
    pub(super) fn key(&self) -> u64 {
        self.flow.record.info.key_id.get()
    }

    /// The configured name, else the key.
    pub(super) fn name(&self) -> String {
        match self.flow.record.info.name() {
            Some(name) if !name.is_empty() => name.to_string(),
            _ => self.key().to_string(),
        }
    }

    /// The flow's page, relative to the root.
    pub(super) fn link(&self) -> String {
        links::flow(self.flow.account, self.key())
    }

    pub(super) fn account_link(&self) -> String {
        links::filter(self.flow.account)
    }

    /// Each configured label as `name=value`, with where it leads.
    pub(super) fn labels(&self) -> Vec<(String, String)> {
        let labels = self.flow.record.info.labels.iter();
        labels
            .map(|(name, value)| format!("{name}={value}"))
            .map(|label| (links::filter(&label), label))
            .collect()
    }

    pub(super) fn class(&self) -> &'static str {
        self.flow.status().label()
    }

    pub(super) fn sign(&self) -> &'static str {
        words::sign(self.flow.status())
    }

    pub(super) fn status(&self) -> String {
        words::status(self.flow.status())
    }

    /// The vendor's number, where the status' word does not say it.
    pub(super) fn undocumented(&self) -> Option<i64> {
        match self.flow.status() {
            Status::Unknown(code) => code,
            _ => None,
        }
    }

    fn since(&self, then: SystemTime) -> Since {
        Since { now: self.now, then }
    }

    /// For how long it has had its status.
    pub(super) fn status_since(&self) -> Option<Since> {
        Some(self.since(self.flow.status_since?))
    }

    /// What was known until it became too old.
    pub(super) fn outdated(&self) -> Option<String> {
        let outdated = self.flow.record.status().filter(|_| self.flow.status.is_none())?;
        Some(words::status(outdated))
    }

    pub(super) fn rounds(&self) -> Option<Rounds> {
        let nodes = self.flow.fresh.nodes?;
        let planned = self.flow.fresh.recall_attempts;
        let more = if nodes.truncated {
            ", and more that the vendor did not hand out"
        } else {
            ""
        };
        let completed = nodes.by_status.get(Status::Completed);
        Some(Rounds {
            segments: bar::segments(&nodes.by_status, planned),
            text: format!("{}{more}", words::counts(&nodes.by_status)),
            counts: Tally::all(&nodes.by_status),
            truncated: nodes.truncated,
            progress: match planned {
                Some(planned) => format!("{completed} of {planned} rounds completed"),
                None => format!("{completed} rounds completed"),
            },
        })
    }

    /// When it was last fetched well, where that is some time ago: a flow that is fetched time and again is up to date, and that does not
    /// change with each poll.
    pub(super) fn last_success(&self) -> Option<Since> {
        Some(self.since(self.flow.record.known?.at))
    }

    pub(super) fn up_to_date(&self) -> bool {
        let late = |trouble: &FlowTrouble| matches!(trouble, FlowTrouble::NotRefreshed | FlowTrouble::Unfetchable(_));
        self.flow.record.up() && !self.flow.troubles.iter().any(late)
    }

    pub(super) fn tried(&self) -> bool {
        self.flow.record.tried()
    }

    pub(super) fn interval(&self) -> String {
        words::duration(self.flow.poll_interval)
    }

    pub(super) fn troubles(&self) -> Vec<Trouble<'s>> {
        let troubles = self.flow.troubles.iter();
        let trouble = |trouble: &FlowTrouble| Trouble {
            words: trouble.explain(),
            failed: match (trouble, &self.flow.record.failure) {
                (FlowTrouble::Unfetchable(_), Some(failure)) => Some((
                    Failed::new(failure.reason, failure.detail.as_deref()),
                    self.since(failure.since),
                )),
                _ => None,
            },
            alert: trouble.alert(),
            class: match trouble {
                FlowTrouble::ExecutionException => "bad",
                _ => "warn",
            },
        };
        troubles.map(trouble).collect()
    }

    /// How bad it is, for the look of the row.
    pub(super) fn severity(&self) -> &'static str {
        match self.flow.troubles.first() {
            Some(FlowTrouble::ExecutionException) => "bad",
            Some(_) => "warn",
            None => "well",
        }
    }

    /// What else a filter finds the flow by. `assets/status.js` looks at the same.
    pub(super) fn filter_words(&self) -> String {
        let mut words = String::new();
        if !self.flow.troubles.is_empty() {
            words.push_str("trouble");
        }
        if let Some(failure) = &self.flow.record.failure {
            words.extend([" cannot be fetched ", failure.reason.label()]);
        }
        words
    }

    /// Whether every one of these words, in lower case, is in what the flow is known by.
    pub(super) fn matches(&self, wanted: &[String]) -> bool {
        if wanted.is_empty() {
            return true;
        }
        let (name, account, key) = (self.name(), self.flow.account, self.key());
        let mut text = format!("{name} {account} {key} {} {} ", self.status(), self.class());
        for (_, label) in self.labels() {
            text.extend([&label, " "]);
        }
        text.push_str(&self.filter_words());
        let text = text.to_lowercase();
        wanted.iter().all(|word| text.contains(&**word))
    }
}

/// A flow's rounds.
pub(super) struct Rounds {
    pub(super) segments: Vec<Segment>,
    pub(super) text: String,
    pub(super) counts: Vec<Tally>,
    pub(super) truncated: bool,
    pub(super) progress: String,
}
