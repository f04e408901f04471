//! What compose.yaml starts, without Docker: the same programs with the same files and flags, read from compose.yaml itself.
//!
//! Grafana is not among them: it is not in Debian. What its files say is compared in `tests/it`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use reqwest::Method;
use serde_json::{Value, json};
use testkit::answer::{ask, get, ready};
use testkit::folder::Folder;
use testkit::process::{Process, in_a_network_of_its_own, is_in_a_process_of_its_own};
use testkit::wait::wait_for;

use crate::exporter;

/// What the paths of compose.yaml begin at.
const FOLDER: &str = "deploy/compose";

fn yaml(path: &str) -> Value {
    serde_yaml::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// All rules of all groups, as a file of rules or as Prometheus has them.
fn rules(groups: &Value) -> impl Iterator<Item = &Value> {
    let groups = groups["groups"].as_array().into_iter().flatten();
    groups.flat_map(|group| group["rules"].as_array().unwrap())
}

fn texts(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().map(|text| text.as_str().unwrap())
}

/// The flags of a service. A path in its container becomes the one that is mounted there, or one in this folder where the container
/// would have it to itself.
fn flags(service: &Value, own: &Folder) -> Vec<String> {
    let here = |path: &str| -> PathBuf {
        let mounted = texts(&service["volumes"]).find_map(|volume| {
            let (host, rest) = volume.split_once(':').unwrap();
            let (target, _) = rest.split_once(':').unwrap();
            let inside = Path::new(path).strip_prefix(target).ok()?;
            Some(Path::new(FOLDER).join(host).join(inside))
        });
        mounted.unwrap_or_else(|| own.file(path.trim_start_matches('/')))
    };
    let translate = |flag: &str| match flag.split_once("=/") {
        Some((name, path)) => format!("{name}={}", here(&format!("/{path}")).display()),
        None => flag.to_owned(),
    };
    texts(&service["command"]).map(translate).collect()
}

/// The `data` of an answer of Prometheus'.
async fn prometheus(path: &str) -> Result<Value, String> {
    let answer = ask(Method::GET, "localhost:9090", path, &[]).await?;
    Ok(answer.try_json()?["data"].take())
}

#[tokio::test]
async fn what_compose_starts_together_works_together() {
    if !is_in_a_process_of_its_own() {
        in_a_network_of_its_own("compose::what_compose_starts_together_works_together", []);
        return;
    }
    let compose = yaml("deploy/compose/compose.yaml");
    let services = &compose["services"];
    let folder = Folder::new();
    let start = |name: &str, mut command: Command| {
        command.args(flags(&services[name], &folder));
        Process::start(command)
    };
    let _exporter = start("laaffic-exporter", exporter::<&str>([]));
    let _prometheus = start("prometheus", Command::new("prometheus"));
    let _alertmanager = start("alertmanager", Command::new("prometheus-alertmanager"));

    // Each behind the port that compose.yaml opens for it.
    let ports: Vec<_> = texts(&services["laaffic-exporter"]["ports"]).collect();
    assert_eq!(
        ports,
        [10871, 9090, 9093, 3000].map(|port| format!("127.0.0.1:{port}:{port}"))
    );
    ready("127.0.0.1:10871".parse().unwrap()).await;
    let up = r#"/api/v1/query?query=up{job="laaffic-exporter"}==1"#;
    wait_for("the exporter to be scraped", async || {
        let answer = prometheus(up).await?;
        (answer["result"].as_array().map(Vec::len) == Some(1))
            .then_some(())
            .ok_or(answer.to_string())
    })
    .await;
    // The rules are those beside the configuration, and Prometheus knows where alerts go.
    let written = rules(&yaml("deploy/prometheus/rules/laaffic.yml")).count();
    wait_for("every rule to be evaluated", async || {
        let answer = prometheus("/api/v1/rules").await?;
        let well = rules(&answer).filter(|rule| rule["health"] == "ok").count();
        (well == written).then_some(()).ok_or(format!("{well} of {written}"))
    })
    .await;
    let alertmanagers = prometheus("/api/v1/alertmanagers").await.unwrap();
    assert_eq!(
        alertmanagers["activeAlertmanagers"],
        json!([{"url": "http://localhost:9093/api/v2/alerts"}])
    );
    let status = get("localhost:9093", "/api/v2/status").await.json();
    let receivers = status["config"]["original"].as_str().unwrap();
    for receiver in yaml("deploy/alertmanager/alertmanager.yml")["receivers"]
        .as_array()
        .unwrap()
    {
        assert!(receivers.contains(receiver["name"].as_str().unwrap()), "{receivers}");
    }
}
