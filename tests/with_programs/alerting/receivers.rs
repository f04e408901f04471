//! What PagerDuty and Slack are sent with the example for them and its templates, by a real Alertmanager.

use std::fs;
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::{Json, Router};
use serde_json::{Value, json};
use testkit::alertmanager::Alertmanager;
use testkit::answer::{client, serve};
use testkit::assertions::says;
use testkit::folder::Folder;
use testkit::wait::wait_for;

use super::STUCK;
use super::pace::faster;

const EXAMPLE: &str = "deploy/alertmanager/pagerduty-slack.yml";
const TEMPLATES: &str = "deploy/alertmanager/templates";

/// The bodies that came, each with the path that was called.
type Kept = Arc<Mutex<Vec<(String, Value)>>>;

/// PagerDuty and Slack, and an Alertmanager that tells them.
struct Told {
    alertmanager: Alertmanager,
    kept: Kept,
    _folder: Folder,
}

impl Told {
    async fn start() -> Self {
        let kept = Kept::default();
        let address = serve(Router::new().fallback(keep).with_state(Arc::clone(&kept))).await;
        let folder = Folder::new();
        fs::create_dir(folder.file("templates")).unwrap();
        for template in fs::read_dir(TEMPLATES).unwrap() {
            let template = template.unwrap();
            let name = template.file_name().into_string().unwrap();
            fs::copy(template.path(), folder.file("templates").join(name)).unwrap();
        }
        let mut config = faster(&fs::read_to_string(EXAMPLE).unwrap());
        for (secret, instead) in [
            (
                "slack_api_url_file: /etc/alertmanager/slack-webhook-url",
                format!("slack_api_url: http://{address}/slack\n  pagerduty_url: http://{address}/pagerduty"),
            ),
            (
                "routing_key_file: /etc/alertmanager/pagerduty-integration-key",
                "routing_key: key".to_owned(),
            ),
        ] {
            says(&config, &[secret]);
            config = config.replace(secret, &instead);
        }
        Self {
            alertmanager: Alertmanager::start(&folder, &config).await,
            kept,
            _folder: folder,
        }
    }

    /// Tells Alertmanager of alerts, as Prometheus does.
    async fn alerts(&self, alerts: &[Value]) {
        let url = format!("http://{}/api/v2/alerts", self.alertmanager.address);
        let request = client()
            .build()
            .unwrap()
            .post(url)
            .header("Content-Type", "application/json");
        let answer = request.body(Value::from(alerts).to_string()).send().await.unwrap();
        assert_eq!(answer.status(), 200);
    }

    /// What came for one of the two, once it is so many.
    async fn kept(&self, path: &str, many: usize) -> Vec<Value> {
        wait_for(path, async || {
            let all = self.kept.lock().unwrap().clone();
            let here = all.into_iter().filter(|(called, _)| called == path);
            let here: Vec<_> = here.map(|(_, body)| body).collect();
            if here.len() >= many { Ok(here) } else { Err(here) }
        })
        .await
    }
}

async fn keep(State(kept): State<Kept>, path: Uri, Json(body): Json<Value>) -> StatusCode {
    kept.lock().unwrap().push((path.path().to_owned(), body));
    // What PagerDuty says; Slack's 200 is success as well as this.
    StatusCode::ACCEPTED
}

/// An alert on a flow, with the texts that a rule gives it.
fn alert(severity: &str, key_id: u64) -> Value {
    json!({
        "labels": {
            "alertname": STUCK, "job": "laaffic-exporter", "account": "main", "key_id": key_id.to_string(), "severity": severity,
        },
        "annotations": {
            "summary": format!("Redial flow number {key_id} of account main has stopped"),
            "description": format!("All that is known of number {key_id}"),
            "flow_url": format!("http://exporter:10871/flows/main/{key_id}"),
            "runbook_url": format!("http://exporter:10871/runbooks/{STUCK}"),
        },
    })
}

#[tokio::test]
async fn pagerduty_has_an_incident_for_each_flow_and_is_told_of_its_end() {
    let world = Told::start().await;
    let alerts = [alert("critical", 1), alert("critical", 2)];
    world.alerts(&alerts).await;
    let events = world.kept("/pagerduty", 2).await;
    for event in &events {
        assert_eq!(
            (&event["event_action"], &event["payload"]["severity"]),
            (&json!("trigger"), &json!("critical"))
        );
        let key_id = if event.to_string().contains("number 1") { 1 } else { 2 };
        let payload = &event["payload"];
        assert_eq!(
            payload["summary"],
            format!("Redial flow number {key_id} of account main has stopped")
        );
        assert_eq!(payload["custom_details"]["account"], "main");
        let text = payload["custom_details"]["text"].as_str().unwrap();
        let runbook = format!("What to do: http://exporter:10871/runbooks/{STUCK}");
        says(text, &[&format!("All that is known of number {key_id}"), &runbook]);
        assert_eq!(
            event["client_url"],
            format!("http://exporter:10871/flows/main/{key_id}")
        );
    }
    assert_ne!(events[0]["dedup_key"], events[1]["dedup_key"]);

    let mut over = alerts[0].clone();
    over["endsAt"] = json!("2020-01-01T00:00:00Z");
    over["startsAt"] = json!("2019-01-01T00:00:00Z");
    world.alerts(&[over]).await;
    let events = world.kept("/pagerduty", 3).await;
    assert_eq!(events[2]["event_action"], "resolve");
    assert!(
        [&events[0], &events[1]]
            .iter()
            .any(|event| event["dedup_key"] == events[2]["dedup_key"])
    );
}

#[tokio::test]
async fn slack_is_told_of_one_in_full_and_of_many_the_first_ten() {
    let world = Told::start().await;
    world
        .alerts(&(1..=12).map(|key_id| alert("warning", key_id)).collect::<Vec<_>>())
        .await;
    let messages = world.kept("/slack", 1).await;
    let message = &messages[0]["attachments"][0];
    let title = message["title"].as_str().unwrap();
    assert!(title.ends_with(" of account main has stopped (and 11 more)"), "{title}");
    assert_eq!(message["fallback"], title);
    let text = message["text"].as_str().unwrap();
    let lines: Vec<_> = text.trim().lines().collect();
    assert_eq!(lines.len(), 12, "{text}");
    let line = "- Redial flow number 1 of account main has stopped, since 20";
    assert!(
        lines
            .iter()
            .any(|told| told.starts_with(line) && told.ends_with(" UTC: http://exporter:10871/flows/main/1")),
        "{text}"
    );
    assert_eq!(lines[10], "… and 2 more.");
    says(lines[11], &["What to do: ", STUCK]);

    let mut other = alert("warning", 1);
    other["labels"]["account"] = json!("other");
    world.alerts(&[other]).await;
    let messages = world.kept("/slack", 2).await;
    let message = &messages[1]["attachments"][0];
    assert_eq!(message["title"], "Redial flow number 1 of account main has stopped");
    says(
        message["text"].as_str().unwrap(),
        &["All that is known of number 1\nWhat to do: "],
    );
}
