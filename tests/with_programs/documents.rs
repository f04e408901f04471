//! What the documents tell readers to do, done: queries are asked of a real Prometheus that watches the demo, requests are made with curl.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use testkit::advice::{queries, rows};
use testkit::answer::ready;
use testkit::folder::Folder;
use testkit::process::run;
use testkit::prometheus::Prometheus;
use testkit::vendor::{account, still};
use testkit::wait::wait_for;
use testkit::watching::{Exporter, Watching};

use crate::exporter;

/// Where the documents have the exporter listen.
const ADDRESS: &str = "localhost:10871";

#[tokio::test]
async fn every_query_in_the_documents_is_answered() {
    let demo = Exporter::start(exporter(["demo"]), Folder::new()).await;
    let rules = fs::canonicalize("deploy/prometheus/rules/laaffic.yml").unwrap();
    let config = format!(
        "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: ['{}']\nscrape_configs:\n  \
         - job_name: laaffic-exporter\n    static_configs: [targets: ['{}']]\n",
        rules.display(),
        demo.address
    );
    let folder = Folder::new();
    let prometheus = Prometheus::start(&folder, &config, &[]).await;
    // Of series that are not there yet Prometheus cannot say that they do not fit together.
    for there in [
        "laaffic_redial_flow_round_calls",
        "laaffic:redial_flow:labels",
        "laaffic_redial_flow_nodes",
    ] {
        wait_for(there, async || {
            let rows = prometheus.query(there).await?;
            (rows.len() > 1).then_some(()).ok_or(format!("{rows:?}"))
        })
        .await;
    }
    let mut asked = 0;
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for query in queries(&text) {
            let answer = prometheus.query(query).await;
            assert!(answer.is_ok(), "{}: {query}: {answer:?}", page.display());
            asked += 1;
        }
    }
    assert!(asked > 70, "{asked}");
}

#[tokio::test]
async fn the_reference_has_every_field_of_the_json_and_no_other() {
    let demo = Exporter::start(exporter(["demo"]), Folder::new()).await;
    ready(demo.address).await;
    let json = demo.get("/api/v1/flows").await.json();
    let mut fields = BTreeSet::new();
    collect_fields(&json, &mut fields);
    let page = fs::read_to_string("docs/api.md").unwrap();
    let documented: BTreeSet<String> = rows(&page).map(|(field, _)| field.to_owned()).collect();
    assert_eq!(fields, documented);
}

/// The names of the fields of every object in here, but for those that are data: statuses and the names of labels.
fn collect_fields(json: &Value, fields: &mut BTreeSet<String>) {
    match json {
        Value::Object(object) => {
            for (field, value) in object {
                fields.insert(field.clone());
                if !["flows_by_status", "nodes", "labels"].contains(&field.as_str()) {
                    collect_fields(value, fields);
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|one| collect_fields(one, fields)),
        _ => {}
    }
}

/// Statuses that no single request brings about: those of a page that has not changed, of a configuration that is refused, and of too
/// many requests.
const NOT_SHOWN: [&str; 3] = ["304", "500", "503"];

#[tokio::test]
async fn every_path_takes_the_methods_and_gives_the_answers_that_the_reference_says() {
    let page = fs::read_to_string("docs/http.md").unwrap();
    let arguments = ["--web.enable-lifecycle"];
    let flow = "key_id: 12".to_owned();
    let world = Watching::start(exporter(arguments), account("main", [still(12)]), "", [flow]).await;
    let (folder, address) = (&world.exporter.folder, world.exporter.address.to_string());

    let mut shown: Vec<(&str, &str)> = Vec::new();
    for (request, cells) in table(&page, "| request | answer |") {
        let script = request.replacen("curl ", "curl -s -o answer -w '%{http_code}' ", 1);
        let mut shell = Command::new("sh");
        shell
            .args(["-c", &script.replace(ADDRESS, &address)])
            .current_dir(folder.path());
        let ended = run(shell).await;
        let body = fs::read_to_string(folder.file("answer"));
        assert_eq!((ended.code, &*ended.stdout), (Some(0), cells[0]), "{request}: {body:?}");
        let (_, path) = request.split_once(ADDRESS).unwrap();
        shown.push((path.split(['?', '\'']).next().unwrap(), cells[0]));
    }
    assert!(shown.len() > 20, "{shown:?}");

    for (path, cells) in table(&page, "| path | methods |") {
        let examples: Vec<&(&str, &str)> = shown.iter().filter(|(asked, _)| is_at(path, asked)).collect();
        for status in cells[1].split(", ").filter(|status| !NOT_SHOWN.contains(status)) {
            assert!(
                examples.iter().any(|(_, answer)| *answer == status),
                "nothing shows {status} of {path}"
            );
        }
        let mut curl = Command::new("curl");
        curl.args(["-s", "-i", "-X", "DELETE", &format!("{address}{}", examples[0].0)]);
        let answer = run(curl).await.stdout;
        let allow = answer.lines().find_map(|line| line.strip_prefix("allow: "));
        let mut methods = allow.unwrap_or_else(|| panic!("{path}: {answer}")).replace(",HEAD", "");
        methods = format!("`{}`", methods.replace(',', "`, `"));
        assert_eq!(cells[0], methods, "{path}");
    }
}

/// The rows of the table with this beginning of its head.
fn table<'p>(page: &'p str, head: &str) -> Vec<(&'p str, Vec<&'p str>)> {
    let (_, table) = page.split_once(head).unwrap();
    rows(table.split("\n\n").next().unwrap()).collect()
}

/// Whether a path is what the reference calls so, where words in capitals stand for any.
fn is_at(documented: &str, path: &str) -> bool {
    let (documented, path): (Vec<_>, Vec<_>) = (documented.split('/').collect(), path.split('/').collect());
    let is_any = |part: &str| !part.is_empty() && part.chars().all(|letter| letter.is_ascii_uppercase());
    let mut pairs = documented.iter().zip(&path);
    documented.len() == path.len() && pairs.all(|(part, found)| part == found || is_any(part) && !found.is_empty())
}

/// The README and the pages in `docs/`.
fn pages() -> Vec<PathBuf> {
    let folders = ["docs", "docs/runbooks"].map(|folder| fs::read_dir(folder).unwrap());
    let paths = folders.into_iter().flatten().map(|entry| entry.unwrap().path());
    let pages = paths.filter(|path| path.extension().is_some_and(|end| end == "md"));
    pages.chain(["README.md".into()]).collect()
}
