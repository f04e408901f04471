//! Every query of every panel, variable and annotation, asked of a real Prometheus: in the calm, after its restart, while the exporter is
//! down, while the vendor refuses the account, and where there are no flows. What a panel promises for such a time it must keep.

mod questions;

use std::fs;
use std::net::SocketAddr;

use laaffic_simulator::{Fault, FaultPlan, FlowState, Scope};
use testkit::dashboard::{Dashboard, all};
use testkit::folder::Folder;
use testkit::prometheus::{Prometheus, Row};
use testkit::vendor::{account, still};
use testkit::wait::wait_for;
use testkit::watching::{Exporter, Watching};

use self::questions::questions;
use crate::exporter;

type Flow = [(&'static str, &'static str); 2];

/// What is chosen in the drill-down, one after the other: a flow that goes through every status, and one that cannot be fetched.
const FLOWS: [Flow; 2] = [
    [("account", "retail"), ("key_id", "1006")],
    [("account", "retail"), ("key_id", "1014")],
];

/// What finds nothing in the calm, and is to find nothing.
const SILENT_IN_THE_CALM: [(&str, &str); 10] = [
    ("laaffic-redial-flow: Polling", "B"),
    ("laaffic-redial-flow: annotation \"Reloads\"", ""),
    ("laaffic-redial-flow: annotation \"Refused reloads\"", ""),
    // A week ago there was no demo.
    ("laaffic-redial-outcomes: Against last week", "B"),
    ("laaffic-redial-outcomes: annotation \"Reloads\"", ""),
    ("laaffic-redial-outcomes: annotation \"Refused reloads\"", ""),
    ("laaffic-redial-overview: annotation \"Reloads\"", ""),
    ("laaffic-redial-overview: annotation \"Refused reloads\"", ""),
    ("laaffic-exporter-health: annotation \"Reloads\"", ""),
    ("laaffic-exporter-health: annotation \"Refused reloads\"", ""),
];

/// How far back, and how densely, what is drawn over time is asked for, in seconds.
const DRAWN: (u32, u32) = (60, 5);

/// A Prometheus with the project's rules that scrapes an exporter once a second, which is the pace at which a test can wait; the dashboards
/// adapt to whatever it is. Its data are in the folder.
async fn prometheus(folder: &Folder, exporter: SocketAddr) -> Prometheus {
    let rules = fs::canonicalize("deploy/prometheus/rules").unwrap();
    let config = format!(
        "global: {{ scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s }}\nrule_files: ['{}/*.yml']\n\
         scrape_configs: [{{ job_name: laaffic-exporter, static_configs: [{{ targets: ['{exporter}'] }}] }}]\n",
        rules.display()
    );
    Prometheus::start(folder, &config, &[]).await
}

fn dashboard(name: &str) -> Dashboard {
    let found = all().into_iter().find(|dashboard| dashboard.name == name);
    found.unwrap_or_else(|| panic!("no dashboard {name}"))
}

/// What a panel shows of this flow, now or at a moment in the past: the rows of all its queries.
async fn shown(prometheus: &Prometheus, at: Option<f64>, name: &str, title: &str, flow: Flow) -> Vec<Row> {
    let dashboard = dashboard(name);
    let place = dashboard.place(dashboard.panel(title));
    let mut rows = Vec::new();
    for question in questions(&dashboard) {
        if question.place == place {
            let query = question.about(&dashboard, flow);
            rows.extend(prometheus.rows(&query, at).await.unwrap());
        }
    }
    rows
}

/// The only row that a panel of the flow's dashboard shows.
async fn only(prometheus: &Prometheus, at: Option<f64>, title: &str, flow: Flow) -> Row {
    let rows = shown(prometheus, at, "laaffic-redial-flow", title, flow).await;
    let [row] = &rows[..] else { panic!("{title}: {rows:?}") };
    row.clone()
}

/// What is wrong by the overview: problem, whom it is about, and since when.
async fn attention(prometheus: &Prometheus) -> Vec<(String, String, f64)> {
    let rows = shown(
        prometheus,
        None,
        "laaffic-redial-overview",
        "What needs attention now",
        FLOWS[0],
    )
    .await;
    let read = |row: &Row| (row.label("problem").to_owned(), row.label("name").to_owned(), row.value);
    rows.iter().map(read).collect()
}

/// No query of any dashboard is refused, whichever flow is chosen.
async fn every_query_is_understood(prometheus: &Prometheus, when: &str) {
    for dashboard in all() {
        for question in questions(&dashboard) {
            for flow in FLOWS {
                let query = question.about(&dashboard, flow);
                let answer = if question.over_time {
                    prometheus.is_drawn(&query, DRAWN.0, DRAWN.1).await
                } else {
                    prometheus.rows(&query, None).await.map(drop)
                };
                assert_eq!(answer, Ok(()), "{when}: {}: {query}", question.place);
            }
        }
    }
}

/// Waits until an expression gives something.
async fn comes(prometheus: &Prometheus, promql: &str) {
    wait_for(promql, async || {
        let rows = prometheus.query(promql).await?;
        (!rows.is_empty()).then_some(()).ok_or("nothing".to_owned())
    })
    .await;
}

#[tokio::test]
async fn dashboards_tell_what_is_and_while_nobody_can_tell_what_was() {
    let mut demo = Exporter::start(exporter(["demo"]), Folder::new()).await;
    let folder = Folder::new();
    let before = prometheus(&folder, demo.address).await;
    every_query_finds_something(&before).await;
    no_flow_is_counted_twice(&before).await;
    every_query_is_understood(&before, "in the calm").await;
    assert_eq!(before.complaint(), None);

    before.stopped().await;
    let prometheus = prometheus(&folder, demo.address).await;
    let restarted = prometheus.time().await.unwrap();
    every_query_is_understood(&prometheus, "after a restart of Prometheus").await;
    // Of what it has not scraped itself a Prometheus cannot see at once that it is gone, nor after a restart that it is there.
    let scraped = format!("timestamp(laaffic_exporter_build_info) > {restarted}");
    comes(&prometheus, &scraped).await;
    let status = only(&prometheus, None, "Status", FLOWS[0]).await;
    assert!(!status.label("status").starts_with("last_"), "{status:?}");
    let lived = prometheus.time().await.unwrap();
    demo.process.kill();
    comes(
        &prometheus,
        "laaffic:redial_flow:labels unless on (job, account) laaffic:account:watched",
    )
    .await;
    every_query_is_understood(&prometheus, "while the exporter is down").await;
    the_flow_is_shown_as_last_known(&prometheus, lived).await;
    the_overview_says_that_nobody_can_tell(&prometheus, lived).await;
    the_past_is_shown_as_it_was(&prometheus, lived).await;
    assert_eq!(prometheus.complaint(), None);
}

/// But for those that are about what does not happen in the demo.
async fn every_query_finds_something(prometheus: &Prometheus) {
    let mut silent = Vec::new();
    for dashboard in all() {
        for question in questions(&dashboard) {
            let queries = FLOWS.map(|flow| question.about(&dashboard, flow));
            if SILENT_IN_THE_CALM.contains(&(&*question.place, &*question.letter)) {
                silent.push((question.place, queries));
                continue;
            }
            wait_for(&question.place, async || {
                for query in &queries {
                    // What comes and goes in the demo, as an exception does, may have gone when it is asked for.
                    let of_late = format!("last_over_time(({query})[5m:1s])");
                    for query in [query, &of_late] {
                        if !prometheus.query(query).await?.is_empty() {
                            return Ok(());
                        }
                    }
                }
                Err(format!("nothing for {queries:?}"))
            })
            .await;
        }
    }
    assert_eq!(silent.len(), SILENT_IN_THE_CALM.len());
    for (place, queries) in silent {
        for query in queries {
            assert_eq!(prometheus.rows(&query, None).await, Ok(vec![]), "{place}");
        }
    }
}

/// The demo has an account that is refused, with two flows, and a key_id that the vendor does not know.
async fn no_flow_is_counted_twice(prometheus: &Prometheus) {
    let refused = shown(
        prometheus,
        None,
        "laaffic-redial-overview",
        "Refused by the vendor",
        FLOWS[0],
    )
    .await;
    assert!(refused[0].value >= 3.0, "{refused:?}");
    let both = "laaffic:redial_flow:trouble_since{rank=\"4\"} and on (job, account, key_id) laaffic:redial_flow:trouble_since{rank=\"5\"}";
    assert_eq!(prometheus.query(both).await, Ok(vec![]));
    let wrong = attention(prometheus).await;
    let says = |problem: &str, name: &str| wrong.iter().any(|one| one.0 == problem && one.1 == name);
    assert!(says("blocked", "Appointment reminder"), "{wrong:?}");
    assert!(says("parameter_exception", "Old loyalty pilot"), "{wrong:?}");
    assert!(says("execution_exception", "Warranty renewal"), "{wrong:?}");
}

/// Name, team, status and times are there, with the moment of the last scrape.
async fn the_flow_is_shown_as_last_known(prometheus: &Prometheus, lived: f64) {
    let [flow, never_fetched] = FLOWS;
    assert_eq!(
        only(prometheus, None, "Flow", flow).await.label("name"),
        "Delivery delay notice"
    );
    assert_eq!(only(prometheus, None, "Team", flow).await.label("team"), "logistics");
    let status = only(prometheus, None, "Status", flow).await;
    assert!(status.label("status").starts_with("last_"), "{status:?}");
    let now = prometheus.time().await.unwrap();
    // The last scrape, and the last poll before it, which may be one of its intervals older.
    for (title, earliest) in [
        ("Since", 0.0),
        ("Last good poll", lived - 60.0),
        ("Polling", lived - 2.0),
    ] {
        let at = only(prometheus, None, title, flow).await.value / 1000.0;
        assert!(
            (earliest..now).contains(&at),
            "{title}: {at}, and not between {earliest} and {now}"
        );
    }
    let scraped = only(prometheus, None, "Polling", flow).await.value;
    for flow in FLOWS {
        let rows = shown(
            prometheus,
            None,
            "laaffic-redial-flow",
            "What is wrong, and what to do",
            flow,
        )
        .await;
        let not_scraped = rows.iter().find(|row| row.label("problem") == "not_scraped");
        assert_eq!(not_scraped.map(|row| row.value), Some(scraped), "{rows:?}");
        assert!(rows.iter().all(|row| row.label("problem") != "no_flow"), "{rows:?}");
        for title in ["Status over time", "Polls"] {
            let bar = only(prometheus, None, title, flow).await;
            assert_eq!(bar.value, -1.0, "{title} goes on although nothing is known");
        }
    }
    assert_eq!(
        only(prometheus, None, "Status", never_fetched).await.label("status"),
        "none"
    );
    let rounds = shown(prometheus, None, "laaffic-redial-flow", "Rounds, last known", flow).await;
    assert_eq!(rounds.len(), 4, "{rounds:?}");
    // What is drawn over time ends.
    for title in [
        "Rounds by status over time",
        "Rounds done over time",
        "Age of the last good poll",
    ] {
        let rows = shown(prometheus, None, "laaffic-redial-flow", title, flow).await;
        assert_eq!(rows, [], "{title}");
    }
}

/// The exporter stands first, with the moment of its last scrape; the flows are still all there, in order of trouble.
async fn the_overview_says_that_nobody_can_tell(prometheus: &Prometheus, lived: f64) {
    // What is remembered is recorded in one group and read in another, which may be evaluated before it for once.
    let wrong = wait_for("what was refused to be remembered", async || {
        let wrong = attention(prometheus).await;
        let remembered = wrong.iter().any(|(problem, ..)| problem == "blocked");
        if remembered { Ok(wrong) } else { Err(wrong) }
    })
    .await;
    let down = wrong.iter().find(|(problem, ..)| problem == "exporter_down");
    assert!(
        down.is_some_and(|(_, name, since)| name.contains("127.0.0.1") && since / 1000.0 > lived - 2.0),
        "{wrong:?}"
    );
    assert!(wrong.iter().all(|(problem, ..)| problem != "no_flow"), "{wrong:?}");
    let flows = shown(
        prometheus,
        None,
        "laaffic-redial-overview",
        "Flows, in order of trouble",
        FLOWS[0],
    )
    .await;
    let ranked: Vec<_> = flows.iter().filter(|row| !row.label("rank").is_empty()).collect();
    assert!(ranked.len() >= 28, "{ranked:?}");
    assert!(ranked.iter().all(|row| row.label("problem") != "none"), "{ranked:?}");
    assert!(
        ranked.iter().any(|row| row.label("problem") == "not_scraped"),
        "{ranked:?}"
    );
}

/// Who looks at a time when the exporter lived sees what was known then.
async fn the_past_is_shown_as_it_was(prometheus: &Prometheus, lived: f64) {
    let status = only(prometheus, Some(lived), "Status", FLOWS[0]).await;
    assert!(!status.label("status").starts_with("last_"), "{status:?}");
    assert_eq!(only(prometheus, Some(lived), "Polling", FLOWS[0]).await.value, 1.0);
}

#[tokio::test]
async fn a_flow_of_a_refused_account_is_shown_as_last_known() {
    const FLOW: Flow = [("account", "main"), ("key_id", "2")];
    let global = "poll_interval: 500ms, terminal_poll_interval: 500ms, stale_after: 2s";
    let flows =
        (1..=3).map(|key_id| format!("key_id: {key_id}, name: reminder {key_id}, labels: {{team: collections}}"));
    let account = account("main", (1..=3).map(still));
    let watching = Watching::start(exporter::<&str>([]), account, global, flows).await;
    let folder = Folder::new();
    let prometheus = prometheus(&folder, watching.exporter.address).await;
    comes(
        &prometheus,
        "laaffic:redial_flow:status_since{key_id=\"2\", status=\"in_progress\"}",
    )
    .await;
    // One has failed rounds at the end, which is told as that and as nothing else.
    let vendor = watching.simulator.vendor();
    vendor.pin("main", 3, FlowState::with_nodes(2, &[2, 4, 2])).unwrap();
    comes(
        &prometheus,
        "laaffic:redial_flow:trouble_since{key_id=\"3\", problem=\"ended_with_failed_rounds\"}",
    )
    .await;

    let refused = FaultPlan::always(Fault::code(-1));
    vendor
        .set_faults(&Scope::Account("main".to_owned()), Some(refused))
        .unwrap();
    comes(
        &prometheus,
        "count(laaffic:redial_flow:trouble_since{problem=\"blocked\"}) >= 2",
    )
    .await;
    wait_for("the status to be too old", async || {
        let left = prometheus.query("laaffic_redial_flow_status").await?.len();
        (left == 0).then_some(()).ok_or(format!("{left} of them"))
    })
    .await;
    every_query_is_understood(&prometheus, "while the account is refused").await;
    assert_eq!(
        only(&prometheus, None, "Status", FLOW).await.label("status"),
        "last_in_progress"
    );
    assert_eq!(only(&prometheus, None, "Team", FLOW).await.label("team"), "collections");
    // It is scraped, so what cannot be told is the poll.
    assert_eq!(only(&prometheus, None, "Polling", FLOW).await.value, 0.0);
    let wrong = shown(
        &prometheus,
        None,
        "laaffic-redial-flow",
        "What is wrong, and what to do",
        FLOW,
    )
    .await;
    let problems: Vec<_> = wrong.iter().map(|row| row.label("problem")).collect();
    assert!(
        matches!(problems[..], ["blocked" | "authentication_error"]),
        "{problems:?}"
    );
    assert_eq!(only(&prometheus, None, "Status over time", FLOW).await.value, 0.0);
    assert_eq!(prometheus.complaint(), None);
}

#[tokio::test]
async fn without_flows_it_says_so() {
    let config =
        "accounts: [{name: main, base_url: 'http://127.0.0.1:9', api_key: key, api_secret: secret, flows: []}]\n";
    let empty = Exporter::start(exporter::<&str>([]), Folder::configured(config)).await;
    let folder = Folder::new();
    let prometheus = prometheus(&folder, empty.address).await;
    // Each of the three is recorded in a group of its own, and the first evaluation of a group may be before the first scrape.
    comes(
        &prometheus,
        "laaffic:account:scraped and on (job, account) laaffic:account:watched and on () laaffic:rules:running_since",
    )
    .await;
    every_query_is_understood(&prometheus, "without flows").await;
    let wrong = attention(&prometheus).await;
    let problems: Vec<_> = wrong.iter().map(|(problem, ..)| &**problem).collect();
    assert_eq!(problems, ["no_flow"]);
    let known = prometheus.query("laaffic:team:redial_flows_known").await;
    assert_eq!(known, Ok(vec![]));
    assert_eq!(prometheus.complaint(), None);
}

#[test]
fn all_that_varies_is_substituted() {
    for dashboard in all() {
        let asked = questions(&dashboard);
        assert!(!asked.is_empty(), "{}", dashboard.name);
        for question in asked {
            question.about(&dashboard, FLOWS[0]);
        }
    }
}
