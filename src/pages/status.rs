//! `/`: the state of every flow, for people.
//!
//! The page is whole without JavaScript. With it, `assets/status.js` asks every few seconds for what has changed in the page it has, and
//! takes that over, so that there is one rendering of everything; where nothing has, the answer is 304.

use std::collections::HashSet;
use std::io::Write;
use std::sync::Arc;

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
use super::cards::{Card, Pill, pills};
use super::changes::{Base, Bases, ListWriter, PageWriter};
use super::moment::{Moment, Moments};
use super::overview::{Entry, FlowOverview, Overview, grouped};
use super::view::{Failed, FlowView, Frame, Site, protect};
use crate::model::FailureReason;
use crate::store::Store;

/// What the whole page, and changes of it, may take in memory while they are sent, compressed: ten times the page of 10,000 flows.
const ROOM: usize = 8 << 20;

/// The same for filtered pages. They have a room of their own: there are as many as there are words, and the page has to be there for all.
const FILTERED_ROOM: usize = 4 << 20;

const HTML: &str = "text/html; charset=utf-8";

/// What the page shows. Cheap to clone.
#[derive(Debug, Clone)]
pub struct StatusPage {
    moments: Arc<Moments>,
    site: Site,
    bases: Bases,
    /// By moment, and by the rendering that the tab has.
    whole: Renderer<(u64, Option<String>)>,
    /// By moment and filter.
    filtered: Renderer<(u64, String)>,
}

impl StatusPage {
    /// A page on this store.
    pub fn new(store: Arc<Store>, clock: SharedClock, site: Site) -> Self {
        Self {
            moments: Arc::new(Moments::new(store, clock)),
            site,
            bases: Bases::default(),
            whole: Renderer::new(ROOM),
            filtered: Renderer::new(FILTERED_ROOM),
        }
    }
}

/// What is asked for in the query.
#[derive(Debug, Default, Deserialize)]
pub struct Asked {
    #[serde(default)]
    filter: String,
    /// The tag of the rendering that the tab has.
    since: Option<String>,
}

/// Answers `/`. A query that cannot be read filters nothing.
pub async fn show(
    State(page): State<StatusPage>,
    asked: Result<Query<Asked>, QueryRejection>,
    headers: HeaderMap,
) -> Response {
    let Query(asked) = asked.unwrap_or_default();
    let moment = page.moments.now();
    let number = moment.number;
    let mut writing = Writing {
        moment,
        site: page.site.clone(),
        filter: asked.filter,
        base: None,
        bases: page.bases.clone(),
    };
    let mut response = if writing.filter.is_empty() {
        writing.base = asked.since.and_then(|tag| page.bases.get(&tag));
        let key = (number, writing.base.as_ref().map(|base| base.tag.clone()));
        page.whole
            .answer(&headers, HTML, key, move |out| writing.write(out))
            .await
    } else {
        let key = (number, writing.filter.clone());
        page.filtered
            .answer(&headers, HTML, key, move |out| writing.write(out))
            .await
    };
    protect(response.headers_mut());
    response
}

/// What a page is written from.
struct Writing {
    moment: Arc<Moment>,
    site: Site,
    filter: String,
    /// The rendering that the client has.
    base: Option<Arc<Base>>,
    bases: Bases,
}

/// Why a page cannot be written.
type WriteError = Box<dyn std::error::Error + Send + Sync>;

/// In `status.html` and `alike.html`, where something is written that the template does not have. No text can be mistaken for such a place:
/// in texts every `<` is escaped.
const CARDS: &str = "<!--cards-->";
const ROWS: &str = "<!--rows-->";
const TAG: &str = "<!--tag-->";

fn split<'h>(html: &'h str, place: &str) -> Result<(&'h str, &'h str), WriteError> {
    html.split_once(place)
        .ok_or_else(|| format!("the template has no {place}").into())
}

impl Writing {
    /// Writes the page, or what differs from the base. Gives its tag.
    fn write(&self, out: &mut dyn Write) -> Result<Option<String>, WriteError> {
        let Moment { snapshot, now, .. } = &*self.moment;
        let now = *now;
        let mut overview = Overview::new(snapshot, None, now);
        overview.worst_first();
        let wanted: Vec<_> = self.filter.split_whitespace().map(str::to_lowercase).collect();
        let matching = overview
            .flows
            .iter()
            .filter(|flow| FlowView { flow, now }.matches(&wanted));
        let matching: Vec<_> = matching.collect();
        let frame = Page {
            frame: self.site.frame(""),
            js: JS.link(),
            filter: &self.filter,
            now: httpdate::fmt_http_date(now),
            total: overview.flows.len(),
            shown: matching.len(),
            pills: pills(&overview, &wanted),
            in_trouble: overview.in_trouble(),
        };
        let frame = frame.render()?;
        let (head, rest) = split(&frame, CARDS)?;
        let (middle, rest) = split(rest, ROWS)?;
        let (before, after) = split(rest, TAG)?;

        let mut page = PageWriter::new(out);
        let mut html = String::new();
        page.part(head)?;
        let mut list = ListWriter::new("details", self.base.as_ref().map(|base| &*base.cards));
        let shown: HashSet<_> = matching.iter().map(|flow| flow.account).collect();
        for account in &overview.accounts {
            let card = Card { account, now };
            if card.matches(&wanted) || shown.contains(account.name) {
                html.clear();
                card.render_into(&mut html)?;
                list.element(&html, &mut page)?;
            }
        }
        let cards = list.end(&mut page)?;
        page.part(middle)?;
        let mut list = ListWriter::new("tr", self.base.as_ref().map(|base| &*base.rows));
        let mut row = |flow, list: &mut ListWriter, page: &mut PageWriter<'_>| -> Result<(), WriteError> {
            html.clear();
            let view = FlowView { flow, now };
            Row { view }.render_into(&mut html)?;
            Ok(list.element(&html, page)?)
        };
        for entry in grouped(matching) {
            match entry {
                Entry::Flow(flow) => row(flow, &mut list, &mut page)?,
                Entry::Alike(reason, flows) => {
                    let group = Alike::new(reason, &flows).render()?;
                    let (begin, end) = split(&group, ROWS)?;
                    list.between(begin, &mut page)?;
                    for flow in flows {
                        row(flow, &mut list, &mut page)?;
                    }
                    list.between(end, &mut page)?;
                }
            }
        }
        let rows = list.end(&mut page)?;
        // Only what has all flows is a page that others can be told as changes of.
        let whole = self.filter.is_empty();
        let tag = page.end(before, whole, after)?;
        if whole {
            self.bases.note(Base {
                tag: tag.clone(),
                cards,
                rows,
            });
        }
        Ok(Some(tag))
    }
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
}

/// One flow.
#[derive(Template)]
#[template(path = "row.html")]
struct Row<'s> {
    view: FlowView<'s>,
}

/// Flows that cannot be fetched for one reason.
#[derive(Template)]
#[template(path = "alike.html")]
struct Alike<'s> {
    account: &'s str,
    failed: Failed<'s>,
    count: usize,
}

impl<'s> Alike<'s> {
    fn new(reason: FailureReason, flows: &[&'s FlowOverview<'s>]) -> Self {
        let detail = |flow: &FlowOverview<'s>| flow.record.failure.as_ref()?.detail.as_deref();
        let first = flows.first().and_then(|flow| detail(flow));
        let same = first.filter(|_| flows.iter().all(|flow| detail(flow) == first));
        Self {
            account: flows.first().map_or("", |flow| flow.account),
            failed: Failed::new(reason, same),
            count: flows.len(),
        }
    }
}
