//! The rules of the chart are those that the program prints with the same choices, and Prometheus takes them.

use std::fs;
use std::process::{Command, Output};

use serde_json::json;
use serde_yaml::Value as Yaml;
use testkit::folder::Folder;

use super::render::{Rendered, render, rendered};
use super::values::matrix;
use crate::exporter;

/// Unit tests of rules that between them ask for every choice, and for every text. All of them are run on the file under
/// `deploy/prometheus`; these are the very same rules.
const RULE_TESTS: [&str; 5] = [
    "exporter.yml",
    "flow-execution-exception.yml",
    "flow-not-refreshed.yml",
    "flow-rejected.yml",
    "texts.yml",
];

/// Where the chart's rules say that the exporter is, unless told otherwise.
const SERVICE: &str = "--external-url=http://laaffic-exporter.monitoring.svc:10871";

/// What `laaffic-exporter rules` prints with these flags.
fn printed(flags: &[&str]) -> Yaml {
    let output = exporter(["rules"].iter().chain(flags)).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    serde_yaml::from_slice(&output.stdout).unwrap()
}

/// The rule file in a text of the chart.
fn rules(text: &str) -> Yaml {
    let object: Yaml = serde_yaml::from_str(text).unwrap();
    object["spec"].clone()
}

#[test]
fn the_rules_are_what_the_program_prints_with_the_same_flags() {
    let said = [
        "--job=redial/exporter",
        "--severity=P1",
        "--ticket-severity=P4",
        "--exception-for=90s",
        "--down-for=1d1h",
        "--not-refreshed-for=2w",
        "--external-url=https://redial.example.org/exporter/",
    ];
    for (set, flags) in [
        ("the Prometheus Operator", &[SERVICE][..]),
        ("the Prometheus Operator, everything said", &said),
        ("an ingress with TLS", &["--external-url=https://redial.example.org"]),
        (
            "TLS and a password",
            &["--external-url=https://laaffic-exporter.monitoring.svc:10871"],
        ),
        (
            "shards with pages of their own",
            &["--external-url=https://laaffic-exporter-0.redial.example.org"],
        ),
    ] {
        let rendered = &matrix()[set];
        let ours = rules(rendered.text("prometheusrule.yaml"));
        assert!(ours["groups"].is_sequence(), "{set}");
        assert!(ours == printed(flags), "{set}: other rules than with {flags:?}");
    }
    // A choice that is not taken over is seen.
    let defaults = rules(matrix()["the Prometheus Operator"].text("prometheusrule.yaml"));
    for flag in said {
        let of_another_place = flag.starts_with("--external-url");
        let flags = if of_another_place {
            vec![flag]
        } else {
            vec![SERVICE, flag]
        };
        assert!(defaults != printed(&flags), "{flag}");
    }
}

#[test]
fn a_duration_is_written_as_prometheus_writes_it() {
    let durations = [
        ("3600s", "1h"),
        ("90d", "90d"),
        ("14d", "2w"),
        ("366d", "366d"),
        ("1y1s", "365d1s"),
    ];
    let with = |said| json!({"prometheusRule": {"enabled": true, "downFor": said}});
    let all = render(durations.map(|(said, _)| (said, with(said))));
    for (said, written) in durations {
        let text = all[said].text("prometheusrule.yaml");
        assert!(text.contains(&format!("offset {written}\n")), "{said}");
        assert!(
            rules(text) == printed(&[&format!("--down-for={said}"), SERVICE]),
            "{said}"
        );
    }
}

fn promtool(arguments: &[&str], files: &[String]) -> Output {
    Command::new("promtool").args(arguments).args(files).output().unwrap()
}

/// The file that a PrometheusRule becomes.
fn rule_file(rendered: &Rendered) -> String {
    serde_yaml::to_string(&rules(rendered.text("prometheusrule.yaml"))).unwrap()
}

#[test]
fn promtool_takes_them() {
    let folder = Folder::new();
    let sets = matrix()
        .values()
        .filter(|set| !set.of_kind("PrometheusRule").is_empty());
    let files: Vec<String> = sets
        .enumerate()
        .map(|(number, set)| {
            folder
                .write(&format!("{number}.yml"), rule_file(set))
                .display()
                .to_string()
        })
        .collect();
    assert!(files.len() >= 5);
    let verdict = promtool(&["check", "rules", "--lint=all", "--lint-fatal"], &files);
    assert!(verdict.status.success(), "{verdict:?}");
}

#[test]
fn promtool_tests_them() {
    let set = json!({"prometheusRule": {"enabled": true}, "externalUrl": "http://localhost:10871"});
    let text = rule_file(&rendered(set));
    let folder = Folder::with([("rules.yml", text.as_str())]);
    let files = RULE_TESTS.map(|name| {
        let test = fs::read_to_string(format!("tests/rules/{name}")).unwrap();
        let ours = test.replace("../../deploy/prometheus/rules/laaffic.yml", "rules.yml");
        assert_ne!(test, ours, "{name} tests other rules");
        folder.write(name, ours).display().to_string()
    });
    let verdict = promtool(&["test", "rules"], &files);
    assert!(verdict.status.success(), "{}", String::from_utf8_lossy(&verdict.stdout));

    // They do ask these rules.
    folder.write("rules.yml", text.replace("severity: critical", "severity: page"));
    let [_, exceptions, ..] = files;
    assert!(!promtool(&["test", "rules"], &[exceptions]).status.success());
}
