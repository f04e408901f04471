//! `/runbooks/`: `docs/runbooks` of this very version, rendered. Alerts link to them.

use std::fmt::Write as _;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd, html};

use super::view::{Frame, Site, page_of};
use crate::words::failure::{Explanation, every_reason, explain};

/// From such a page to `/`.
const ROOT: &str = "../";

macro_rules! runbooks {
    ($($name:literal),* $(,)?) => {
        /// Each runbook's name, which is its alert's, with its text in Markdown.
        const RUNBOOKS: &[(&str, &str)] = &[$(($name, include_str!(concat!("../../docs/runbooks/", $name, ".md")))),*];
    };
}

runbooks![
    "LaafficAccountBalanceLow",
    "LaafficAccountBlocked",
    "LaafficAccountNotRefreshed",
    "LaafficAccountNotWatched",
    "LaafficApiErrors",
    "LaafficApiSlow",
    "LaafficClockSkew",
    "LaafficDiscoveryFailing",
    "LaafficDiscoveryIncomplete",
    "LaafficExporterAbsent",
    "LaafficExporterCrashLooping",
    "LaafficExporterDown",
    "LaafficExporterFdsLow",
    "LaafficExporterOverBudget",
    "LaafficExporterReloadFailed",
    "LaafficExporterReplicaDown",
    "LaafficExporterScrapedTooRarely",
    "LaafficExporterShardDoubled",
    "LaafficExporterShardMissing",
    "LaafficExporterUnstable",
    "LaafficRedialFlowEndedWithFailedRounds",
    "LaafficRedialFlowExecutionException",
    "LaafficRedialFlowFlapping",
    "LaafficRedialFlowNotRefreshed",
    "LaafficRedialFlowOverdue",
    "LaafficRedialFlowPendingTooLong",
    "LaafficRedialFlowReachesNobody",
    "LaafficRedialFlowRejected",
    "LaafficRedialFlowUnknownStatus",
    "LaafficRedialNodeExecutionException",
];

/// What lists them.
const INDEX: &str = include_str!("../../docs/runbooks/README.md");

/// What the reasons of failed polls mean.
const REASONS: &str = "## Reasons and cures\n\n| reason | what it means | cure |\n|---|---|---|\n";

/// Answers `/runbooks`, from which the links of the list would lead astray.
pub async fn redirect() -> Redirect {
    Redirect::permanent("runbooks/")
}

/// Answers `/runbooks/`.
pub async fn index(State(site): State<Site>) -> Response {
    page(&site, StatusCode::OK, "Runbooks", &list())
}

/// Answers `/runbooks/{alert}`.
pub async fn show(State(site): State<Site>, Path(alert): Path<String>) -> Response {
    match RUNBOOKS.iter().find(|(name, _)| *name == alert) {
        Some((name, text)) => page(&site, StatusCode::OK, name, text),
        None => {
            let text = format!("There is no runbook of this name in this version.\n\n{}", list());
            page(&site, StatusCode::NOT_FOUND, "Not found", &text)
        }
    }
}

/// The list of all, with the reasons that they speak of.
fn list() -> String {
    let mut text = format!("{INDEX}\n{REASONS}");
    for reason in every_reason() {
        let Explanation { meaning, cure } = explain(reason);
        // Writing to a String cannot fail.
        let _ = writeln!(text, "| `{}` | {meaning} | {cure} |", reason.label());
    }
    text
}

fn page(site: &Site, status: StatusCode, name: &str, text: &str) -> Response {
    let page = Page {
        frame: site.frame(ROOT),
        name,
        html: rendered(text),
    };
    page_of(status, &page).into_response()
}

#[derive(Template)]
#[template(path = "runbook.html")]
struct Page<'p> {
    frame: Frame<'p>,
    name: &'p str,
    html: String,
}

/// Markdown as HTML. Links to other runbooks lead to their pages; those to documents that are not in the binary become plain text.
fn rendered(text: &str) -> String {
    let mut dropped = false;
    let events = Parser::new_ext(text, Options::ENABLE_TABLES).filter_map(|event| match event {
        Event::Start(Tag::Link {
            link_type,
            dest_url,
            title,
            id,
        }) => {
            let target = target(&dest_url);
            dropped = target.is_none();
            let dest_url = CowStr::from(target?);
            Some(Event::Start(Tag::Link {
                link_type,
                dest_url,
                title,
                id,
            }))
        }
        Event::End(TagEnd::Link) if dropped => None,
        // The texts are ours and have none; what somebody may put there later is text.
        Event::Html(text) | Event::InlineHtml(text) => Some(Event::Text(text)),
        event => Some(event),
    });
    let mut out = String::with_capacity(text.len() * 2);
    html::push_html(&mut out, events);
    out
}

/// Where a link of a runbook leads on the page.
fn target(link: &str) -> Option<String> {
    if link.starts_with("https://") {
        return Some(link.to_owned());
    }
    if link == "../metrics.md#reasons-and-cures" {
        return Some("./".to_owned());
    }
    let name = link.strip_suffix(".md")?;
    match name {
        "README" => Some("./".to_owned()),
        _ => RUNBOOKS
            .iter()
            .any(|(known, _)| *known == name)
            .then(|| name.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_alert_has_its_runbook_in_the_binary() {
        let text = std::fs::read_to_string("deploy/prometheus/rules/laaffic.yml").unwrap();
        let alerts = text.lines().filter_map(|line| line.trim().strip_prefix("- alert: "));
        let mut alerts: Vec<_> = alerts.collect();
        alerts.sort_unstable();
        let names: Vec<_> = RUNBOOKS.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, alerts);
        for alert in alerts {
            assert!(
                text.contains(&format!("{{{{ end }}}}/runbooks/{alert}\n")),
                "{alert} links elsewhere"
            );
        }
    }

    #[test]
    fn links_lead_to_other_runbooks_or_are_text() {
        let html = rendered(
            "[a](LaafficApiSlow.md) [b](../alerting.md) [c](README.md) [d](NoSuch.md) <b>x</b>\n\n| h |\n|---|\n| `i` |\n",
        );
        let link = r#"<p><a href="LaafficApiSlow">a</a> b <a href="./">c</a> d &lt;b&gt;x&lt;/b&gt;</p>"#;
        assert!(
            html.starts_with(link) && html.contains("<td><code>i</code></td>"),
            "{html}"
        );
        for (name, text) in RUNBOOKS {
            assert!(!rendered(text).contains(".md\""), "{name}");
        }
    }
}
