//! The plain manifests under `deploy/kubernetes` are what the chart makes of its defaults, for those who have kustomize or nothing.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use serde::Deserialize as _;
use serde_json::Value as Json;
use serde_yaml::Value;
use testkit::golden;

use super::values::matrix;

const BASE: &str = "deploy/kubernetes";

/// What is said of Helm, which has no part in it.
const OF_HELM: [&str; 2] = ["helm.sh/chart: ", "app.kubernetes.io/managed-by: "];

/// A template's text without what is said of Helm.
fn plain(text: &str) -> String {
    let of_helm = |line: &&str| OF_HELM.iter().any(|label| line.trim_start().starts_with(label));
    let lines = text.trim().lines().filter(|line| !of_helm(line));
    lines.map(|line| format!("{line}\n")).collect()
}

#[test]
fn the_plain_manifests_are_what_the_chart_makes_of_its_defaults() {
    let mut made = BTreeSet::new();
    for (path, text) in &matrix()["defaults"].texts {
        let name = path.rsplit('/').next().unwrap();
        if !name.ends_with(".yaml") || text.trim().is_empty() {
            continue;
        }
        golden::matches(&format!("{BASE}/{name}"), &plain(text));
        made.insert(name.to_owned());
    }
    let list: Value = serde_yaml::from_str(&fs::read_to_string(format!("{BASE}/kustomization.yaml")).unwrap()).unwrap();
    let listed = list["resources"].as_sequence().unwrap().iter();
    let listed: BTreeSet<_> = listed.map(|name| name.as_str().unwrap().to_owned()).collect();
    assert_eq!(listed, made);
    let files = fs::read_dir(BASE)
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap());
    let files: BTreeSet<_> = files
        .filter(|name| name != "kustomization.yaml" && name != "README.md")
        .collect();
    assert_eq!(files, made);
}

#[test]
fn kustomize_builds_them() {
    let output = Command::new("kubectl").args(["kustomize", BASE]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let built: Vec<Json> = serde_yaml::Deserializer::from_str(&text)
        .map(|object| Json::deserialize(object).unwrap())
        .collect();
    let names = |objects: &[Json]| -> BTreeSet<String> {
        let name = |object: &Json| format!("{} {}", object["kind"], object["metadata"]["name"]);
        objects.iter().map(name).collect()
    };
    assert_eq!(names(&built), names(&matrix()["defaults"].objects));
    // It reads the file's mode as octal, as Kubernetes does: 0440.
    assert_eq!(text.matches("defaultMode: 288").count(), 2);
}
