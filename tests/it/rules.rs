//! The alert rules, the runbooks and the examples around them fit together. What the rules do is tested by `promtool` (`tests/rules/`)
//! and by a real Prometheus (`tests/with_programs/alerting/`).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_yaml::Value;
use testkit::assertions::says;

/// The alerts, whose names routes and runbooks rely on, and how urgent they are: `critical` pages somebody, `warning` is a ticket.
const ALERTS: [(&str, &str); 30] = [
    ("LaafficAccountBalanceLow", "warning"),
    ("LaafficAccountBlocked", "critical"),
    ("LaafficAccountNotRefreshed", "critical"),
    ("LaafficAccountNotWatched", "critical"),
    ("LaafficApiErrors", "warning"),
    ("LaafficApiSlow", "warning"),
    ("LaafficClockSkew", "warning"),
    ("LaafficDiscoveryFailing", "warning"),
    ("LaafficDiscoveryIncomplete", "warning"),
    ("LaafficExporterAbsent", "critical"),
    ("LaafficExporterCrashLooping", "warning"),
    ("LaafficExporterDown", "critical"),
    ("LaafficExporterFdsLow", "warning"),
    ("LaafficExporterOverBudget", "warning"),
    ("LaafficExporterReloadFailed", "warning"),
    ("LaafficExporterReplicaDown", "warning"),
    ("LaafficExporterScrapedTooRarely", "warning"),
    ("LaafficExporterShardDoubled", "warning"),
    ("LaafficExporterShardMissing", "critical"),
    ("LaafficExporterUnstable", "warning"),
    ("LaafficRedialFlowEndedWithFailedRounds", "warning"),
    ("LaafficRedialFlowExecutionException", "critical"),
    ("LaafficRedialFlowFlapping", "warning"),
    ("LaafficRedialFlowNotRefreshed", "warning"),
    ("LaafficRedialFlowOverdue", "warning"),
    ("LaafficRedialFlowPendingTooLong", "warning"),
    ("LaafficRedialFlowReachesNobody", "warning"),
    ("LaafficRedialFlowRejected", "warning"),
    ("LaafficRedialFlowUnknownStatus", "warning"),
    ("LaafficRedialNodeExecutionException", "warning"),
];

fn yaml(path: impl AsRef<Path>) -> Value {
    serde_yaml::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// The elements of a list; none where there is none.
fn sequence(value: &Value) -> &[Value] {
    value.as_sequence().map_or(&[], Vec::as_slice)
}

/// The rules of a file, in order.
fn rules(path: &str) -> Vec<Value> {
    let file = yaml(path);
    let groups = sequence(&file["groups"]);
    groups
        .iter()
        .flat_map(|group| sequence(&group["rules"]))
        .cloned()
        .collect()
}

fn alerts() -> BTreeMap<String, Value> {
    let rules = rules("deploy/prometheus/rules/laaffic.yml");
    let alerts = rules.into_iter().filter(|rule| !rule["alert"].is_null());
    let mut by_name = BTreeMap::new();
    for alert in alerts {
        let name = alert["alert"].as_str().unwrap().to_owned();
        assert!(by_name.insert(name, alert).is_none(), "an alert is there twice");
    }
    by_name
}

#[test]
fn the_alerts_have_the_names_and_severities_that_others_rely_on() {
    let alerts = alerts();
    let found: Vec<_> = alerts
        .iter()
        .map(|(name, rule)| (name.as_str(), rule["labels"]["severity"].as_str().unwrap()))
        .collect();
    assert_eq!(found, ALERTS);
}

#[test]
fn every_alert_says_what_it_is_what_to_do_and_where_to_read_on() {
    for (name, rule) in alerts() {
        let annotation = |key: &str| rule["annotations"][key].as_str().unwrap_or_default().to_owned();
        assert!(annotation("summary").len() > 20, "{name}");
        assert!(annotation("description").len() > 80, "{name}");
        assert!(
            annotation("runbook_url").ends_with(&format!("/runbooks/{name}")),
            "{name}"
        );
        // A restart of Prometheus begins it anew, and after four minutes Alertmanager takes the alert for resolved.
        assert!(["0m", "1m", "2m"].contains(&rule["for"].as_str().unwrap()), "{name}");
        // Those about a flow say which, and lead to its page.
        if name.starts_with("LaafficRedial") {
            let text = annotation("summary") + &annotation("description");
            let page = "/flows/{{ $labels.account | urlquery";
            says(&text, &["$labels.name", "$labels.key_id", "laaffic:account:url", page]);
        }
    }
}

#[test]
fn every_alert_has_a_runbook_and_a_unit_test_and_no_runbook_is_left_over() {
    let pages: BTreeSet<_> = fs::read_dir("docs/runbooks")
        .unwrap()
        .map(|file| file.unwrap().path())
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .filter(|name| name != "README")
        .collect();
    assert_eq!(pages, ALERTS.map(|(name, _)| name.to_owned()).into());
    let index = fs::read_to_string("docs/runbooks/README.md").unwrap();
    let mut tested = BTreeSet::new();
    for file in fs::read_dir("tests/rules").unwrap() {
        let file = yaml(file.unwrap().path());
        for test in sequence(&file["tests"]) {
            for case in sequence(&test["alert_rule_test"]) {
                let fires = !sequence(&case["exp_alerts"]).is_empty();
                tested.insert((case["alertname"].as_str().unwrap().to_owned(), fires));
            }
            for case in sequence(&test["promql_expr_test"]) {
                let fires = !sequence(&case["exp_samples"]).is_empty();
                let asked = case["expr"].as_str().unwrap();
                // The others ask what is recorded for the dashboards.
                if let Some((_, rest)) = asked.split_once("alertname=\"") {
                    tested.insert((rest.split('"').next().unwrap().to_owned(), fires));
                }
            }
        }
    }
    for (name, severity) in ALERTS {
        let page = fs::read_to_string(format!("docs/runbooks/{name}.md")).unwrap();
        says(&page, &["## Meaning", "## Impact", "## Diagnosis", "## Cure"]);
        let link = format!("({name}.md)");
        let mut lines = index.lines().filter(|line| line.contains(severity));
        assert!(
            lines.any(|line| line.contains(&link)),
            "docs/runbooks/README.md lacks {name}"
        );
        for fires in [true, false] {
            let key = (name.to_owned(), fires);
            assert!(
                tested.contains(&key),
                "no unit test of an alert and whether it fires: {key:?}"
            );
        }
    }
}

#[test]
fn routes_and_inhibitions_name_alerts_that_exist() {
    let text = fs::read_to_string("deploy/alertmanager/alertmanager.yml").unwrap();
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric());
    for word in words.filter(|word| word.starts_with("Laaffic")) {
        let known = ALERTS.iter().any(|(name, _)| *name == word);
        // A pattern names the beginning that some have in common.
        let group = ALERTS.iter().filter(|(name, _)| name.starts_with(word)).count() > 1;
        assert!(known || group, "alertmanager.yml speaks of {word}");
    }
}

#[test]
fn what_compose_starts_together_fits_together() {
    let compose = yaml("deploy/compose/compose.yaml");
    let services = compose["services"].as_mapping().unwrap();
    let names: BTreeSet<_> = services.keys().map(|name| name.as_str().unwrap()).collect();
    let expected = ["laaffic-exporter", "prometheus", "alertmanager", "grafana"];
    assert_eq!(names, expected.into());
    let folder = Path::new("deploy/compose");
    let mut inside = BTreeMap::new();
    for service in services.values() {
        for volume in sequence(&service["volumes"]) {
            let [host, path, _] = volume.as_str().unwrap().split(':').collect::<Vec<_>>()[..] else {
                panic!("{volume:?}")
            };
            assert!(folder.join(host).is_dir(), "{host}");
            inside.insert(path.to_owned(), host.to_owned());
        }
        // A version that others have tried, not whatever is the newest on that day.
        if let Some(image) = service["image"].as_str() {
            let tag = image.rsplit_once(':').map(|(_, tag)| tag);
            assert!(tag.is_some_and(|tag| tag.contains('.')), "{image}");
        }
    }
    let build = &services["laaffic-exporter"]["build"];
    let context = folder.join(build["context"].as_str().unwrap());
    assert!(context.join(build["dockerfile"].as_str().unwrap()).is_file());
    assert!(Path::new("deploy/prometheus/prometheus.yml").is_file() && inside.contains_key("/etc/prometheus"));
    assert!(Path::new("deploy/alertmanager/alertmanager.yml").is_file() && inside.contains_key("/etc/alertmanager"));

    let prometheus = yaml("deploy/prometheus/prometheus.yml");
    assert_eq!(prometheus["scrape_configs"][0]["job_name"], "laaffic-exporter");
    for file in prometheus["rule_files"].as_sequence().unwrap() {
        let pattern = file.as_str().unwrap();
        // Where they are both on a host and in the container.
        assert!(pattern.starts_with("rules/"), "{pattern}");
    }
    let provider = &yaml("grafana/provisioning/dashboards/laaffic.yaml")["providers"][0];
    assert!(inside.contains_key(provider["options"]["path"].as_str().unwrap()));
    let source = &yaml("grafana/provisioning/datasources/prometheus.yaml")["datasources"][0];
    assert_eq!(source["type"], "prometheus");
    assert_eq!(source["url"], "http://localhost:9090");
}
