//! The program as it is shipped, in demo mode, scraped by a real Prometheus in both text formats.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::process::Command;

use exporter_toolkit::exposition::Format;
use laaffic_exporter::metrics::catalogue::all;
use laaffic_simulator::{DemoAccount, DemoFlow, demo_accounts};
use reqwest::Method;
use serde_json::json;
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

/// The flows of the demo's cast, without those that account `retail` gets while one looks.
const CAST: &str = "key_id!~\"10(19|[2-9].)|11..\"";

/// The one flow of the demo that the upstream does not know.
const UNKNOWN_FLOW: u64 = 1014;

/// The flows of the demo, and those of them that the upstream never tells anything of: it does not know one, a web server in front of
/// it answers for another one, and it refuses an account with two.
const FLOWS: usize = 32;
const NEVER_KNOWN: [u64; 4] = [UNKNOWN_FLOW, 1015, 4001, 4002];
const KNOWN: usize = FLOWS - NEVER_KNOWN.len();

/// Names without the counters' `_total`, and the types that the documentation promises.
fn types() -> impl Iterator<Item = (&'static str, &'static str)> {
    all().map(|family| (family.name, family.kind.as_str()))
}

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

    prometheus.reaches("up == 1", 1).await;
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
    assert_eq!(openmetrics.header("content-type"), Format::OpenMetrics.content_type());
    assert!(openmetrics.text().ends_with("\n# EOF\n"));
    let classic = scrape(classic).await;
    assert_eq!(classic.header("content-type"), Format::Classic.content_type());
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

    /// Waits until a query has so many rows in each job.
    async fn reaches(&self, promql: &str, wanted: usize) -> Vec<Labels> {
        wait_for(promql, async || {
            let rows = self.0.query(promql).await?;
            let in_job = |job: &str| rows.iter().filter(|row| row["job"] == job).count();
            let found = JOBS.map(in_job);
            if found == [wanted; 2] && rows.len() == 2 * wanted {
                Ok(rows)
            } else {
                Err(format!("{found:?} rows instead of {wanted} in each"))
            }
        })
        .await
    }

    async fn shows_every_flow(&self) {
        let rows = self
            .reaches(&format!("laaffic_redial_flow_info{{{CAST}}} == 1"), FLOWS)
            .await;
        for job in JOBS {
            let shown: BTreeSet<_> = rows
                .iter()
                .filter(|row| row["job"] == job)
                .map(|row| ["account", "key_id", "name", "team"].map(|label| row[label].clone()))
                .collect();
            let accounts = demo_accounts();
            let flows = accounts
                .iter()
                .flat_map(|account| account.flows.iter().map(move |flow| (account, flow)));
            let labels = |(account, flow): (&DemoAccount, &DemoFlow)| {
                // Where the configuration does not name it, the vendor's list does.
                let name = if account.listed {
                    flow.name.to_owned()
                } else {
                    flow.task_name()
                };
                [account.name, &flow.key_id.to_string(), &name, flow.team].map(str::to_owned)
            };
            let wanted: BTreeSet<_> = flows.map(labels).collect();
            assert_eq!(shown, wanted, "{job}");
        }
        let kinds: BTreeSet<_> = rows.iter().map(|row| row["recall_type"].as_str()).collect();
        assert!(
            kinds.is_subset(&["all", "failed", "unknown"].into()) && kinds.len() > 1,
            "{kinds:?}"
        );
    }

    async fn shows_the_state_of_every_flow(&self) {
        let states = &format!("by (job, account, key_id) (laaffic_redial_flow_status{{{CAST}}})");
        let known = self.reaches(&format!("sum {states} == 1"), KNOWN).await;
        for never in NEVER_KNOWN {
            assert!(known.iter().all(|row| row["key_id"] != never.to_string()), "{never}");
        }
        self.reaches(&format!("count {states} == 6"), KNOWN).await;
        for promql in [
            "laaffic_redial_flow_status{key_id=\"1008\", status=\"execution_exception\"} == 1".to_owned(),
            format!("laaffic_redial_flow_error{{key_id=\"{UNKNOWN_FLOW}\", reason=\"parameter_exception\"}} == 1"),
            format!("laaffic_redial_flow_up{{key_id=\"{UNKNOWN_FLOW}\"}} == 0"),
            format!("sum by (job) (laaffic_redial_flows) >= {FLOWS}"),
        ] {
            self.reaches(&promql, 1).await;
        }
    }

    async fn shows_our_own_doings(&self) {
        let duration = "laaffic_api_request_duration_seconds";
        for promql in [
            "sum by (job) (laaffic_api_requests_total{endpoint=\"query_detail\", outcome=\"success\"}) > 23",
            "sum by (job) (laaffic_api_errors_total{code=\"-22\"}) > 0",
            "sum by (job) (rate(laaffic_api_requests_total[30s])) > 0",
            // The demo's vendor takes from 20 to 80 ms for this account, and a busy host some more.
            &format!(
                "histogram_quantile(0.9, sum by (job, le) (rate({duration}_bucket{{account=\"retail\"}}[30s]))) > 0.01 < 10"
            ),
            &format!("sum by (job) ({duration}_count) == sum by (job) ({duration}_bucket{{le=\"+Inf\"}})"),
            "laaffic_exporter_build_info == 1",
            "process_resident_memory_bytes > 0",
        ] {
            self.reaches(promql, 1).await;
        }
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
        for family in all().filter(|family| family.name.starts_with("laaffic_redial_")) {
            let name = family.query_name();
            assert!(names.contains(&*name), "{name} is missing: {names:?}");
        }
    }

    async fn knows_every_type(&self) {
        for job in JOBS {
            let target = format!("{{job=\"{job}\"}}");
            let of_target = [("match_target", &*target)];
            let data = self.0.api("targets/metadata", &of_target).await.unwrap();
            let mut known = BTreeMap::new();
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
                known.insert(name.strip_suffix("_total").unwrap_or(name).to_owned(), kind);
                let unit = ["seconds", "bytes", "ratio"]
                    .into_iter()
                    .find(|unit| job == "openmetrics" && name.ends_with(&format!("_{unit}")));
                assert_eq!(text("unit"), unit.unwrap_or_default(), "{job}: unit of {name}");
            }
            for (name, kind) in types() {
                assert_eq!(known.get(name), Some(&kind), "{job}: {name}");
            }
        }
        let merged = self.0.api("metadata", &[]).await.unwrap();
        for (name, kind) in types() {
            assert_eq!(merged[name][0]["type"], kind, "{name}");
        }
    }

    async fn took_everything(&self) {
        for promql in [
            "scrape_samples_scraped == scrape_samples_post_metric_relabeling",
            "scrape_samples_scraped > 200",
            "min_over_time(up[5m]) == 1",
        ] {
            self.reaches(promql, 1).await;
        }
        let targets = self.0.api("targets", &[("state", "active")]).await.unwrap();
        let targets = targets["activeTargets"].as_array().unwrap();
        assert_eq!(targets.len(), 2);
        for target in targets {
            assert_eq!((&target["lastError"], &target["health"]), (&json!(""), &json!("up")));
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
