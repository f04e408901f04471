//! What docs/questions.md says of Prometheus 3, asked of one, and of the OpenTelemetry Collector's file what a Prometheus can say of it.
//!
//! Needs a `prometheus` of version 3 first on the path (`scripts/prometheus-3`).

use std::fs;
use std::process::Command;

use serde_yaml::Value;
use testkit::advice::queries;
use testkit::assertions::says;
use testkit::folder::Folder;
use testkit::process::run;
use testkit::prometheus::Prometheus;
use testkit::vendor::{account, still};
use testkit::wait::wait_for;
use testkit::watching::Watching;

use crate::exporter;

/// How the exporter is scraped: as by default, with its histogram converted, and with both forms of it.
const JOBS: [(&str, &str); 3] = [
    ("classic", ""),
    ("converted", "convert_classic_histograms_to_nhcb: true"),
    (
        "both",
        "convert_classic_histograms_to_nhcb: true, always_scrape_classic_histograms: true",
    ),
];

const CONVERTED: &str = "{__name__=\"laaffic_api_request_duration_seconds\"}";
const CLASSIC: &str = "laaffic_api_request_duration_seconds_bucket{le=\"+Inf\"}";

/// The exporter with two flows.
async fn watching() -> Watching {
    let flow = |key_id: u64| format!("key_id: {key_id}, labels: {{team: collections}}");
    let account = account("main", [still(12), still(13)]);
    Watching::start(exporter::<&str>([]), account, "", [12, 13].map(flow)).await
}

/// A Prometheus 3 that scrapes it in these ways, once that has happened.
async fn scraping(world: &Watching, folder: &Folder, jobs: &[(&str, &str)], features: &str) -> Prometheus {
    let mut config = "global: {scrape_interval: 1s}\nscrape_configs:\n".to_owned();
    for (job, settings) in jobs {
        let settings = if settings.is_empty() {
            String::new()
        } else {
            format!(", {settings}")
        };
        let target = world.exporter.address;
        config.push_str(&format!(
            "  - {{job_name: {job}, static_configs: [targets: ['{target}']]{settings}}}\n"
        ));
    }
    let features = format!("--enable-feature={features}");
    let prometheus = Prometheus::start(folder, &config, &[&features]).await;
    let build = prometheus.api("status/buildinfo", &[]).await.unwrap();
    let version = build["version"].as_str().unwrap();
    assert!(
        version.starts_with("3."),
        "{version}: scripts/prometheus-3 says where a newer one is"
    );
    // What comes with a scrape is there as a whole.
    for (job, _) in jobs {
        let scraped = format!("laaffic_api_requests_total{{job=\"{job}\", outcome=\"success\"}} >= 2");
        wait_for(&scraped, async || {
            let rows = prometheus.query(&scraped).await?;
            (rows.len() == 1).then_some(()).ok_or(format!("{rows:?}"))
        })
        .await;
    }
    prometheus
}

/// The jobs whose series a query finds.
async fn jobs(prometheus: &Prometheus, selector: &str) -> Vec<String> {
    let rows = prometheus.query(&format!("group by (job) ({selector})")).await.unwrap();
    let mut jobs: Vec<_> = rows.into_iter().map(|row| row["job"].clone()).collect();
    jobs.sort();
    jobs
}

#[tokio::test]
async fn info_cannot_tell_flows_apart_and_a_join_can() {
    let (world, folder) = (watching().await, Folder::new());
    let prometheus = scraping(&world, &folder, &JOBS[..1], "promql-experimental-functions").await;
    let info = "info(laaffic_redial_flow_up, {__name__=\"laaffic_redial_flow_info\"})";
    let refusal = prometheus.query(info).await.unwrap_err();
    says(&refusal, &["found duplicate series for info metric"]);
    let page = fs::read_to_string("docs/questions.md").unwrap();
    let (_, advice) = page.split_once("\n## Why does `info()` fail?\n").unwrap();
    let rows = prometheus.query(queries(advice).next().unwrap()).await.unwrap();
    assert_eq!(rows.len(), 2, "{rows:?}");
    assert!(rows.iter().all(|row| row["team"] == "collections"), "{rows:?}");
}

#[tokio::test]
async fn a_converted_histogram_needs_the_feature() {
    let world = watching().await;
    let (without, with) = (Folder::new(), Folder::new());
    let without = scraping(&world, &without, &JOBS, "promql-experimental-functions").await;
    let with = scraping(&world, &with, &JOBS, "native-histograms").await;
    assert_eq!(jobs(&without, CONVERTED).await, [""; 0]);
    assert_eq!(jobs(&with, CONVERTED).await, ["both", "converted"]);
    for prometheus in [&without, &with] {
        assert_eq!(jobs(prometheus, CLASSIC).await, ["both", "classic"]);
        assert_eq!(prometheus.complaint(), None);
    }
    let quantile =
        "histogram_quantile(0.95, sum by (account) (laaffic_api_request_duration_seconds{job=\"converted\"}))";
    let rows = with.rows(quantile, None).await.unwrap();
    assert!(rows.len() == 1 && rows[0].value > 0.0, "{rows:?}");
}

#[tokio::test]
async fn prometheus_takes_what_the_collector_is_to_scrape() {
    let text = fs::read_to_string("deploy/opentelemetry/collector.yaml").unwrap();
    let file: Value = serde_yaml::from_str(&text).unwrap();
    let scrape = &file["receivers"]["prometheus"]["config"];
    let folder = Folder::new();
    // What is a variable for the collector is none here.
    let config = serde_yaml::to_string(scrape).unwrap().replace("$$", "$");
    let path = folder.write("prometheus.yml", &config);
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "config"]).arg(&path);
    let verdict = run(promtool).await;
    assert_eq!(verdict.code, Some(0), "{verdict:?}");
    // Every part is used by the pipeline, and the pipeline uses no other.
    let pipeline = &file["service"]["pipelines"]["metrics"];
    for part in ["receivers", "processors", "exporters"] {
        let declared = file[part].as_mapping().unwrap().keys();
        let used = pipeline[part].as_sequence().unwrap().iter();
        assert_eq!(declared.collect::<Vec<_>>(), used.collect::<Vec<_>>(), "{part}");
    }

    let world = watching().await;
    let config = config
        .replace("localhost:10871", &world.exporter.address.to_string())
        .replace("15s", "1s");
    let prometheus = Prometheus::start(&folder, &config, &[]).await;
    wait_for("a scrape", async || {
        let rows = prometheus
            .query("laaffic_redial_flow_up{job=\"laaffic-exporter\"} == 1")
            .await?;
        (rows.len() == 2).then_some(()).ok_or(format!("{rows:?}"))
    })
    .await;
}
