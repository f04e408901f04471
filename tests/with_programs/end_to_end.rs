//! The program as it is shipped, in demo mode, scraped by a real Prometheus in both text formats.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::process::Command;

use laaffic_exporter::simulator::demo_accounts;
use reqwest::Method;
use serde_json::Value;
use testkit::answer::{ask, get};
use testkit::assertions::{says, says_nothing_of};
use testkit::folder::Folder;
use testkit::nginx::classic_only;
use testkit::process::{by_shell, run};
use testkit::prometheus::{Labels, Prometheus};
use testkit::wait::wait_for;
use testkit::watching::Exporter;

use crate::exporter;

/// What Prometheus from 2.34 to 2.48 says it takes.
const ASKS_FOR_OPENMETRICS: &str = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";

/// The scrape jobs: one asks for OpenMetrics, the other one is made to ask for the classic text format.
const JOBS: [&str; 2] = ["openmetrics", "classic"];

/// The one flow of the demo that the upstream does not know.
const UNKNOWN_FLOW: u64 = 1014;

/// The flows of the demo, and those of them that the upstream never tells anything of: it does not know one, a web server in front of
/// it answers for another one, and it refuses an account with two.
const FLOWS: usize = 32;
const NEVER_KNOWN: [u64; 4] = [UNKNOWN_FLOW, 1015, 4001, 4002];
const KNOWN: usize = FLOWS - NEVER_KNOWN.len();

/// Names without the counters' `_total`, and the types that the documentation promises.
const TYPES: &[(&str, &str)] = &[
    ("laaffic_redial_flow_info", "gauge"),
    ("laaffic_redial_flow_status", "gauge"),
    ("laaffic_redial_flow_status_code", "gauge"),
    ("laaffic_redial_flow_status_since_timestamp_seconds", "gauge"),
    ("laaffic_redial_flow_status_transitions", "counter"),
    ("laaffic_redial_flow_nodes", "gauge"),
    ("laaffic_redial_flow_nodes_truncated", "gauge"),
    ("laaffic_redial_flow_recall_attempts", "gauge"),
    ("laaffic_redial_flow_recall_interval_seconds", "gauge"),
    ("laaffic_redial_flow_poll_interval_seconds", "gauge"),
    ("laaffic_redial_flow_up", "gauge"),
    ("laaffic_redial_flow_error", "gauge"),
    ("laaffic_redial_flow_last_success_timestamp_seconds", "gauge"),
    ("laaffic_redial_flows", "gauge"),
    ("laaffic_api_requests", "counter"),
    ("laaffic_api_errors", "counter"),
    ("laaffic_api_request_duration_seconds", "histogram"),
    ("laaffic_api_retries", "counter"),
    ("laaffic_api_clock_skew_seconds", "gauge"),
    ("laaffic_api_blocked", "gauge"),
    ("laaffic_exporter_config_last_reload_successful", "gauge"),
    ("laaffic_exporter_config_last_reload_success_timestamp_seconds", "gauge"),
    ("laaffic_exporter_build_info", "gauge"),
    ("laaffic_exporter_poll_budget_ratio", "gauge"),
    ("process_cpu_seconds", "counter"),
    ("process_resident_memory_bytes", "gauge"),
    ("process_start_time_seconds", "gauge"),
    ("process_open_fds", "gauge"),
];

/// Counters of Prometheus' own that say that it did not take a sample or a whole scrape.
const REJECTIONS: &[&str] = &[
    "prometheus_target_scrapes_exceeded_body_size_limit_total",
    "prometheus_target_scrapes_exceeded_sample_limit_total",
    "prometheus_target_scrapes_sample_duplicate_timestamp_total",
    "prometheus_target_scrapes_sample_out_of_bounds_total",
    "prometheus_target_scrapes_sample_out_of_order_total",
];

#[tokio::test]
async fn a_real_prometheus_sees_the_demo_in_both_text_formats() {
    let demo = Exporter::start(exporter(["demo"]), Folder::new()).await;
    let (folder, exporter) = (&demo.folder, demo.address);
    let (_nginx, classic) = classic_only(folder, exporter).await;
    let prometheus = Both::start(folder, [exporter, classic]).await;

    both_formats_are_what_they_say(exporter, classic).await;
    promtool_has_nothing_to_say(folder, classic).await;

    prometheus.reaches("up == 1", 2).await;
    prometheus.shows_every_flow().await;
    prometheus.shows_the_state_of_every_flow().await;
    prometheus.shows_our_own_doings().await;
    prometheus.sees_the_same_series_in_both_formats().await;
    prometheus.knows_every_type().await;
    prometheus.took_everything().await;

    let introduction = demo.process.stdout();
    says(&introduction, &[&format!("http://{exporter}/metrics")]);
    let ended = demo.process.stopped().await;
    says_nothing_of(&ended.stderr, &["a bug in this program"]);
}

async fn both_formats_are_what_they_say(exporter: SocketAddr, classic: SocketAddr) {
    let scrape = async |address| {
        let accept = [("accept", ASKS_FOR_OPENMETRICS)];
        ask(Method::GET, address, "/metrics", &accept).await.unwrap()
    };
    let openmetrics = scrape(exporter).await;
    assert_eq!(
        openmetrics.header("content-type"),
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    );
    assert!(openmetrics.text().ends_with("\n# EOF\n"));
    let classic = scrape(classic).await;
    assert_eq!(
        classic.header("content-type"),
        "text/plain; version=0.0.4; charset=utf-8"
    );
    says_nothing_of(classic.text(), &["# EOF"]);
}

/// Prometheus' own linter reads the classic format only.
async fn promtool_has_nothing_to_say(folder: &Folder, classic: SocketAddr) {
    let path = folder.write("classic.txt", get(classic, "/metrics").await.body);
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]);
    let script = format!("exec \"$0\" \"$@\" < '{}'", path.display());
    let verdict = run(by_shell(&script, &promtool)).await;
    assert_eq!((verdict.code, &*verdict.stdout, &*verdict.stderr), (Some(0), "", ""));
}

/// Prometheus with both jobs.
struct Both(Prometheus);

impl Both {
    async fn start(folder: &Folder, targets: [SocketAddr; 2]) -> Self {
        Self(Prometheus::start(folder, &prometheus_yml(targets), &[]).await)
    }

    /// Waits until a query has so many rows, half of them in each job.
    async fn reaches(&self, promql: &str, wanted: usize) -> Vec<Labels> {
        wait_for(promql, async || {
            let rows = self.0.query(promql).await?;
            let in_job = |job: &str| rows.iter().filter(|row| row["job"] == job).count();
            let found = JOBS.map(in_job);
            if found == [wanted / 2; 2] && rows.len() == wanted {
                Ok(rows)
            } else {
                Err(format!("{found:?} rows instead of {wanted} together"))
            }
        })
        .await
    }

    async fn shows_every_flow(&self) {
        let rows = self.reaches("laaffic_redial_flow_info == 1", 2 * FLOWS).await;
        for job in JOBS {
            let shown: BTreeSet<_> = rows
                .iter()
                .filter(|row| row["job"] == job)
                .map(|row| ["account", "key_id", "name", "team"].map(|label| row[label].clone()))
                .collect();
            let wanted: BTreeSet<_> = demo_accounts()
                .iter()
                .flat_map(|account| account.flows.iter().map(move |flow| (account.name, flow)))
                .map(|(account, flow)| {
                    [
                        account.to_owned(),
                        flow.key_id.to_string(),
                        flow.name.to_owned(),
                        flow.team.to_owned(),
                    ]
                })
                .collect();
            assert_eq!(shown, wanted, "{job}");
        }
        let kinds: BTreeSet<_> = rows.iter().map(|row| row["recall_type"].as_str()).collect();
        assert!(
            kinds.is_subset(&["all", "failed", "unknown"].into()) && kinds.len() > 1,
            "{kinds:?}"
        );
    }

    async fn shows_the_state_of_every_flow(&self) {
        let known = self
            .reaches(
                "sum by (job, account, key_id) (laaffic_redial_flow_status) == 1",
                2 * KNOWN,
            )
            .await;
        let unknown = UNKNOWN_FLOW.to_string();
        assert!(
            NEVER_KNOWN
                .iter()
                .all(|never| known.iter().all(|row| row["key_id"] != never.to_string()))
        );
        self.reaches(
            "count by (job, account, key_id) (laaffic_redial_flow_status) == 6",
            2 * KNOWN,
        )
        .await;
        self.reaches(
            "laaffic_redial_flow_status{key_id=\"1008\", status=\"execution_exception\"} == 1",
            2,
        )
        .await;
        self.reaches(
            &format!("laaffic_redial_flow_error{{key_id=\"{unknown}\", reason=\"parameter_exception\"}} == 1"),
            2,
        )
        .await;
        self.reaches(&format!("laaffic_redial_flow_up{{key_id=\"{unknown}\"}} == 0"), 2)
            .await;
        self.reaches(&format!("sum by (job) (laaffic_redial_flows) == {FLOWS}"), 2)
            .await;
    }

    async fn shows_our_own_doings(&self) {
        self.reaches(
            "sum by (job) (laaffic_api_requests_total{endpoint=\"query_detail\", outcome=\"success\"}) > 23",
            2,
        )
        .await;
        self.reaches("sum by (job) (laaffic_api_errors_total{code=\"-22\"}) > 0", 2)
            .await;
        self.reaches("sum by (job) (rate(laaffic_api_requests_total[30s])) > 0", 2)
            .await;
        // The demo's upstream takes from 20 to 80 ms for this account, and a busy host some more.
        self.reaches(
            "histogram_quantile(0.9, sum by (job, le) (rate(laaffic_api_request_duration_seconds_bucket{account=\"retail\"}[30s]))) > 0.01 < 10",
            2,
        )
        .await;
        self.reaches(
            "sum by (job) (laaffic_api_request_duration_seconds_count) == sum by (job) (laaffic_api_request_duration_seconds_bucket{le=\"+Inf\"})",
            2,
        )
        .await;
        self.reaches("laaffic_exporter_build_info == 1", 2).await;
        self.reaches("process_resident_memory_bytes > 0", 2).await;
    }

    /// Series of flows come and go with their states, and the jobs scrape at different moments: so they are compared until they agree.
    async fn sees_the_same_series_in_both_formats(&self) {
        let seen = wait_for("both jobs to have the same series", async || {
            let rows = self.0.query("{__name__=~\"laaffic_redial_.+\"}").await?;
            let mut jobs = JOBS.map(|_| BTreeSet::new());
            for mut row in rows {
                row.remove("instance");
                let job = row.remove("job");
                let place = JOBS.iter().position(|name| job.as_deref() == Some(name)).unwrap();
                jobs[place].insert(row);
            }
            let [openmetrics, classic] = jobs;
            let differences: Vec<_> = openmetrics.symmetric_difference(&classic).cloned().collect();
            if differences.is_empty() {
                Ok(openmetrics)
            } else {
                Err(format!("{differences:?}"))
            }
        })
        .await;
        let names: BTreeSet<_> = seen.iter().map(|labels| labels["__name__"].as_str()).collect();
        for (name, kind) in TYPES.iter().filter(|(name, _)| name.starts_with("laaffic_redial_")) {
            let name = if *kind == "counter" {
                format!("{name}_total")
            } else {
                (*name).to_owned()
            };
            assert!(names.contains(name.as_str()), "{name} is missing: {names:?}");
        }
    }

    async fn knows_every_type(&self) {
        for job in JOBS {
            let target = format!("{{job=\"{job}\"}}");
            let data = self
                .0
                .api("targets/metadata", &[("match_target", &target)])
                .await
                .unwrap();
            let mut types = BTreeMap::new();
            for row in data.as_array().unwrap() {
                let text = |key: &str| row[key].as_str().unwrap();
                let (name, kind) = (text("metric"), text("type"));
                assert!(!text("help").is_empty(), "{name} has no help");
                assert!(
                    ["counter", "gauge", "histogram"].contains(&kind),
                    "{job}: {name} is {kind}"
                );
                // Only the classic format names a counter by its sample, which also shows that the job speaks it.
                assert_eq!(
                    name.ends_with("_total"),
                    kind == "counter" && job == "classic",
                    "{job}: {name}"
                );
                types.insert(name.strip_suffix("_total").unwrap_or(name).to_owned(), kind);
                let unit = ["seconds", "bytes", "ratio"]
                    .into_iter()
                    .find(|unit| job == "openmetrics" && name.ends_with(&format!("_{unit}")));
                assert_eq!(text("unit"), unit.unwrap_or_default(), "{job}: unit of {name}");
            }
            for (name, kind) in TYPES {
                assert_eq!(types.get(*name), Some(kind), "{job}: {name}");
            }
        }
        let merged = self.0.api("metadata", &[]).await.unwrap();
        for (name, kind) in TYPES {
            let in_openmetrics = &merged[*name][0]["type"];
            assert_eq!(in_openmetrics, kind, "{name}");
        }
    }

    async fn took_everything(&self) {
        self.reaches("scrape_samples_scraped == scrape_samples_post_metric_relabeling", 2)
            .await;
        self.reaches("scrape_samples_scraped > 200", 2).await;
        self.reaches("min_over_time(up[5m]) == 1", 2).await;
        let targets = self.0.api("targets", &[("state", "active")]).await.unwrap();
        let targets = targets["activeTargets"].as_array().unwrap();
        assert_eq!(targets.len(), 2);
        for target in targets {
            assert_eq!(
                (&target["lastError"], &target["health"]),
                (&Value::from(""), &Value::from("up"))
            );
        }
        let own = get(self.0.address, "/metrics").await;
        for name in REJECTIONS {
            let line = own.text().lines().find(|line| line.starts_with(name));
            assert_eq!(line, Some(format!("{name} 0").as_str()));
        }
        assert_eq!(self.0.complaint(), None);
    }
}

fn prometheus_yml(targets: [SocketAddr; 2]) -> String {
    // A scrape that a busy host delays by more than the timeout would look like one that failed.
    let mut text = "global: { scrape_interval: 2s, scrape_timeout: 2s }\nscrape_configs:\n".to_owned();
    for (job, target) in JOBS.iter().zip(targets) {
        text.push_str(&format!(
            "  - job_name: {job}\n    static_configs: [{{ targets: ['{target}'] }}]\n"
        ));
    }
    text
}
