//! `/`: the state of every flow, for people.
//!
//! The page is whole without JavaScript. With it, `assets/status.js` asks for this same page every few seconds and takes over what
//! has changed, so that there is one rendering of everything; where nothing has, the answer is 304.

use std::sync::Arc;
use std::time::SystemTime;

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use exporter_toolkit::clock::SharedClock;
use exporter_toolkit::pages::Renderer;
use serde::Deserialize;

use super::assets::JS;
use super::bar::BAR;
use super::links;
use super::overview::{AccountOverview, Entry, FlowOverview, Overview, grouped};
use super::view::{Failed, FlowView, Frame, Since, Site, Tally, lasting, protect};
use crate::model::{FailureReason, Status};
use crate::store::{Snapshot, Store};
use crate::words;
use crate::words::trouble::AccountTrouble;

/// What the page shows. Cheap to clone.
#[derive(Debug, Clone)]
pub struct StatusPage {
    store: Arc<Store>,
    clock: SharedClock,
    site: Site,
    renderer: Renderer,
}

impl StatusPage {
    /// A page on this store.
    pub fn new(store: Arc<Store>, clock: SharedClock, site: Site) -> Self {
        Self {
            store,
            clock,
            site,
            renderer: Renderer::default(),
        }
    }
}

/// What is asked for in the query.
#[derive(Debug, Default, Deserialize)]
pub struct Asked {
    #[serde(default)]
    filter: String,
}

/// Answers `/`. A query that cannot be read filters nothing.
pub async fn show(
    State(page): State<StatusPage>,
    asked: Result<Query<Asked>, QueryRejection>,
    headers: HeaderMap,
) -> Response {
    let Query(asked) = asked.unwrap_or_default();
    let snapshot = page.store.snapshot();
    let now = page.clock.now();
    let site = page.site.clone();
    let write = move || written(&snapshot, now, &site, &asked.filter);
    let mut response = page
        .renderer
        .answer_if_changed(&headers, "text/html; charset=utf-8", lasting, write)
        .await;
    protect(response.headers_mut());
    response
}

fn written(snapshot: &Snapshot, now: SystemTime, site: &Site, filter: &str) -> askama::Result<Vec<u8>> {
    let mut overview = Overview::new(snapshot, None, now);
    overview.worst_first();
    let wanted: Vec<_> = filter.split_whitespace().map(str::to_lowercase).collect();
    let matching = overview
        .flows
        .iter()
        .filter(|flow| FlowView { flow, now }.matches(&wanted));
    let matching: Vec<_> = matching.collect();
    let entries = grouped(matching.iter().copied());
    let cards = overview.accounts.iter().map(|account| Card { account, now });
    let page = Page {
        frame: site.frame(""),
        js: JS.link(),
        filter,
        now: httpdate::fmt_http_date(now),
        total: overview.flows.len(),
        shown: matching.len(),
        pills: pills(&overview, &wanted),
        in_trouble: overview.in_trouble(),
        cards: cards
            .filter(|card| {
                let shown = |flow: &&FlowOverview<'_>| flow.account == card.account.name;
                card.matches(&wanted) || matching.iter().any(shown)
            })
            .collect(),
        rows: entries.iter().map(|entry| Line::new(entry, now)).collect(),
    };
    let mut html = Vec::with_capacity(4096 + page.shown * 1024);
    page.write_into(&mut html)?;
    Ok(html)
}

#[derive(Template)]
#[template(path = "status.html")]
struct Page<'s> {
    frame: Frame<'s>,
    js: String,
    filter: &'s str,
    now: String,
    total: usize,
    shown: usize,
    in_trouble: usize,
    pills: Vec<Pill>,
    cards: Vec<Card<'s>>,
    rows: Vec<Line<'s>>,
}

/// A number at the top, which filters.
struct Pill {
    class: &'static str,
    sign: &'static str,
    count: Option<usize>,
    word: String,
    filter: &'static str,
    active: bool,
}

impl Pill {
    fn link(&self) -> String {
        match self.filter {
            "" => "?".to_owned(),
            filter => links::filter(filter),
        }
    }
}

/// The numbers at the top: execution exceptions first, then other trouble, then the flows by status.
fn pills(overview: &Overview<'_>, wanted: &[String]) -> Vec<Pill> {
    let by_status = overview.by_status();
    let (total, in_trouble, unfetchable) = (overview.flows.len(), overview.in_trouble(), overview.unfetchable());
    let accounts_in_trouble = overview.accounts.iter().any(|account| !account.troubles.is_empty());
    let pill = |class, sign, count, word: String, filter: &'static str| Pill {
        class,
        sign,
        count,
        word,
        filter,
        active: filter.split_whitespace().eq(wanted.iter().map(String::as_str)),
    };
    let stopped = Status::ExecutionException;
    let tallies = Tally::all(&by_status).into_iter().map(|tally| {
        let count = usize::try_from(tally.count).ok();
        pill(tally.class(), tally.sign(), count, tally.word(), tally.status.label())
    });
    let (mut first, rest): (Vec<_>, Vec<_>) = tallies.partition(|pill| pill.filter == stopped.label());
    let flows = if total == 1 { "flow" } else { "flows" };
    first.insert(0, pill("total", "", Some(total), flows.to_owned(), ""));
    if in_trouble > 0 {
        first.push(pill("warn", "!", Some(in_trouble), "in trouble".to_owned(), "trouble"));
    }
    if unfetchable > 0 {
        let word = "cannot be fetched".to_owned();
        first.push(pill("warn", "!", Some(unfetchable), word, "cannot be fetched"));
    }
    if total > 0 && in_trouble == 0 && !accounts_in_trouble {
        first.push(pill("good", "✓", None, "no trouble".to_owned(), "trouble"));
    }
    first.extend(rest);
    first
}

/// An account.
struct Card<'s> {
    account: &'s AccountOverview<'s>,
    now: SystemTime,
}

impl<'s> Card<'s> {
    fn matches(&self, wanted: &[String]) -> bool {
        let name = self.account.name.to_lowercase();
        wanted.iter().all(|word| name.contains(&**word))
    }

    fn link(&self) -> String {
        links::filter(self.account.name)
    }

    /// In a few words how it is, and whether that is good, bad or neither.
    fn verdict(&self) -> (String, &'static str, &'static str) {
        let account = self.account;
        let mut said: Vec<_> = account
            .troubles
            .iter()
            .map(|trouble| trouble.word().to_owned())
            .collect();
        let alone = said.is_empty() && account.in_trouble == account.otherwise;
        let stopped = usize::try_from(account.by_status.get(Status::ExecutionException)).unwrap_or_default();
        for (count, word) in [
            (stopped, "in execution exception"),
            (account.otherwise, if alone { "in trouble" } else { "in other trouble" }),
            (account.unfetchable, "cannot be fetched"),
        ] {
            if count > 0 {
                said.push(format!("{count} {word}"));
            }
        }
        match said.as_slice() {
            [] if account.by_status.total() == 0 => ("no flows".to_owned(), "none", ""),
            [] if account.untried > 0 => (format!("{} not asked yet", account.untried), "none", "…"),
            [] => ("no trouble".to_owned(), "good", "✓"),
            _ if account.troubles.contains(&AccountTrouble::Blocked) || stopped > 0 => (said.join(", "), "bad", "✕"),
            _ => (said.join(", "), "warn", "!"),
        }
    }

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

    /// The last error, with its flow: where more than one flow has one now, the rows tell of each.
    fn error(&self) -> Option<LastError<'s>> {
        let account = self.account;
        let error = account.state.last_error.as_ref()?;
        if account.unfetchable > 1 && !account.state.blocked {
            return None;
        }
        Some(LastError {
            since: Since {
                now: self.now,
                then: error.at,
            },
            failed: Failed::new(error.reason, error.detail.as_deref()),
            key: error.key_id.get(),
            link: links::flow(account.name, error.key_id),
            lasts: account.state.blocked || account.unfetchable > 0,
        })
    }
}

/// What went wrong last with an account.
struct LastError<'s> {
    since: Since,
    failed: Failed<'s>,
    key: u64,
    link: String,
    /// Whether it still is so.
    lasts: bool,
}

/// A line of the list.
enum Line<'s> {
    Flow(Box<Row<'s>>),
    Alike(Alike<'s>),
}

impl<'s> Line<'s> {
    fn new(entry: &Entry<'s, 's>, now: SystemTime) -> Self {
        let row = |flow: &'s FlowOverview<'s>| Row {
            view: FlowView { flow, now },
        };
        match entry {
            Entry::Flow(flow) => Self::Flow(Box::new(row(flow))),
            Entry::Alike(reason, flows) => {
                Self::Alike(Alike::new(*reason, flows.iter().map(|flow| row(flow)).collect()))
            }
        }
    }
}

/// One flow.
#[derive(Template)]
#[template(path = "row.html")]
struct Row<'s> {
    view: FlowView<'s>,
}

/// Flows that cannot be fetched for one reason.
struct Alike<'s> {
    account: &'s str,
    failed: Failed<'s>,
    rows: Vec<Row<'s>>,
}

impl<'s> Alike<'s> {
    fn new(reason: FailureReason, rows: Vec<Row<'s>>) -> Self {
        let detail = |row: &Row<'s>| row.view.flow.record.failure.as_ref()?.detail.as_deref();
        let first = rows.first().and_then(detail);
        let same = first.filter(|_| rows.iter().all(|row| detail(row) == first));
        Self {
            account: rows.first().map_or("", |row| row.view.flow.account),
            failed: Failed::new(reason, same),
            rows,
        }
    }
}
