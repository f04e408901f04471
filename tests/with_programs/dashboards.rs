//! Every query of every panel and variable, asked of a real Prometheus that has watched the demo for a while.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use testkit::dashboard::{Dashboard, all, expressions};
use testkit::folder::Folder;
use testkit::prometheus::Prometheus;
use testkit::wait::wait_for;
use testkit::watching::Exporter;

use crate::exporter;

/// What is chosen in the drill-down, one after the other: a flow that goes through every status, and one that cannot be fetched.
const FLOWS: [[(&str, &str); 2]; 2] = [
    [("account", "retail"), ("key_id", "1006")],
    [("account", "retail"), ("key_id", "1014")],
];

#[tokio::test]
async fn every_query_finds_something_in_the_demo() {
    let demo = Exporter::start(exporter(["demo"]), Folder::new()).await;
    let rules = fs::canonicalize("deploy/prometheus/rules").unwrap();
    // The pace at which the test can wait; the dashboards adapt to whatever it is.
    let config = format!(
        "global: {{ scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s }}\nrule_files: ['{}/*.yml']\n\
         scrape_configs: [{{ job_name: laaffic-exporter, static_configs: [{{ targets: ['{address}'] }}] }}]\n",
        rules.display(),
        address = demo.address
    );
    let prometheus = Prometheus::start(&demo.folder, &config, &[]).await;

    for dashboard in all() {
        for (place, question) in questions(&dashboard) {
            let queries = FLOWS.map(|flow| substituted(&dashboard, &question, flow));
            wait_for(&place, async || {
                for query in &queries {
                    if !prometheus.query(query).await?.is_empty() {
                        return Ok(());
                    }
                }
                Err(format!("nothing for {queries:?}"))
            })
            .await;
        }
    }
    assert_eq!(prometheus.complaint(), None);
}

#[tokio::test]
async fn every_query_in_the_documents_is_understood() {
    let folder = Folder::new();
    let prometheus = Prometheus::start(&folder, "{}", &[]).await;
    let mut asked = 0;
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        let blocks = text.split("```promql\n").skip(1);
        let blocks = blocks.map(|rest| rest.split("```").next().unwrap());
        let lines = text
            .lines()
            .filter_map(|line| line.split_once("Query: `")?.1.strip_suffix('`'));
        for query in blocks.chain(lines) {
            let answer = prometheus.query(query).await;
            assert!(answer.is_ok(), "{}: {query}: {answer:?}", page.display());
            asked += 1;
        }
    }
    assert!(asked > 50, "{asked}");
}

/// The README and the pages in `docs/`.
fn pages() -> Vec<PathBuf> {
    let folders = ["docs", "docs/runbooks"].map(|folder| fs::read_dir(folder).unwrap());
    let paths = folders.into_iter().flatten().map(|entry| entry.unwrap().path());
    let pages = paths.filter(|path| path.extension().is_some_and(|end| end == "md"));
    pages.chain(["README.md".into()]).collect()
}

/// Every query with the place where it stands: those of panels, and those that fill variables.
fn questions(dashboard: &Dashboard) -> Vec<(String, String)> {
    let of_panels = dashboard.shown().into_iter().flat_map(|panel| {
        let place = dashboard.place(panel);
        expressions(panel)
            .into_iter()
            .map(move |expression| (place.clone(), expression.to_owned()))
    });
    let of_variables = dashboard
        .variables()
        .iter()
        .filter(|variable| variable["type"] == "query")
        .map(|variable| {
            let place = format!("{}: variable {}", dashboard.name, variable["name"]);
            (place, selected(variable))
        });
    of_panels.chain(of_variables).collect()
}

/// The query behind a variable: what `label_values(QUERY, LABEL)` looks through, or what `query_result(QUERY)` asks.
fn selected(variable: &Value) -> String {
    let query = &variable["query"];
    let text = query["query"].as_str().or(query.as_str()).unwrap();
    let inner = |function: &str| text.strip_prefix(function)?.strip_prefix('(')?.strip_suffix(')');
    if let Some(inner) = inner("label_values") {
        let (query, label) = inner.rsplit_once(',').unwrap();
        assert!(
            variable["definition"]
                .as_str()
                .is_none_or(|definition| definition.contains(label.trim()))
        );
        return format!("count by ({}) ({query})", label.trim());
    }
    inner("query_result").unwrap_or(text).to_owned()
}

/// The query as Grafana would send it, with everything chosen that can be.
fn substituted(dashboard: &Dashboard, query: &str, flow: [(&str, &str); 2]) -> String {
    let mut query = query.to_owned();
    let chosen = |variable: &Value| {
        let name = variable["name"].as_str().unwrap();
        let only = flow
            .iter()
            .find(|(one, _)| *one == name && variable["includeAll"] != true);
        let value = only
            .map(|(_, value)| *value)
            .or(variable["allValue"].as_str())
            .unwrap_or(".*");
        (name.to_owned(), value.to_owned())
    };
    let of_grafana = [("__rate_interval", "20s"), ("__range", "60s"), ("__interval", "5s")];
    let mut values: Vec<_> = dashboard.variables().iter().map(chosen).collect();
    values.extend(of_grafana.map(|(name, value)| (name.to_owned(), value.to_owned())));
    // The longest name first: one may begin like another.
    values.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
    for (name, value) in values {
        for form in [format!("${{{name}}}"), format!("${{{name}:regex}}"), format!("${name}")] {
            query = query.replace(&form, &value);
        }
    }
    // `$1` is a group of a regular expression.
    let variable = |text: &str| text.starts_with(|letter: char| letter == '{' || letter.is_ascii_alphabetic());
    assert!(!query.split('$').skip(1).any(variable), "{}: {query}", dashboard.name);
    query
}

#[test]
fn all_that_varies_is_substituted() {
    for dashboard in all() {
        for (_, query) in questions(&dashboard) {
            substituted(&dashboard, &query, FLOWS[0]);
        }
    }
}
