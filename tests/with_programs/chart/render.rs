//! The chart rendered with sets of values, and judged: by Helm's lint, by the schemas of Kubernetes, of the Prometheus Operator and of the
//! Gateway API, and by yamllint. One process does it for all sets (`judge.py`).

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::process::Command;

use serde::Deserialize;
use serde_json::{Value, json};
use testkit::folder::Folder;

/// Where the chart is.
pub(super) const CHART: &str = "deploy/helm/laaffic-exporter";

/// Under which name and where the chart is installed.
pub(super) const RELEASE: &str = "laaffic-exporter";
pub(super) const NAMESPACE: &str = "monitoring";

/// What came of a set of values.
#[derive(Debug, Deserialize)]
pub(super) struct Rendered {
    /// Why nothing was rendered.
    pub(super) refusal: Option<String>,
    /// The text of each template, by its path.
    pub(super) texts: BTreeMap<String, String>,
    /// All objects of these texts.
    pub(super) objects: Vec<Value>,
    /// What is wrong with them.
    pub(super) complaints: Vec<String>,
}

impl Rendered {
    /// The objects of a kind.
    pub(super) fn of_kind(&self, kind: &str) -> Vec<&Value> {
        self.objects.iter().filter(|object| object["kind"] == kind).collect()
    }

    /// The only object of a kind.
    pub(super) fn only(&self, kind: &str) -> &Value {
        let found = self.of_kind(kind);
        assert_eq!(found.len(), 1, "{kind}: {:?}", self.refusal);
        found[0]
    }

    /// What runs the pods: the Deployment or the StatefulSet.
    pub(super) fn workload(&self) -> &Value {
        let found = [self.of_kind("Deployment"), self.of_kind("StatefulSet")].concat();
        assert_eq!(found.len(), 1, "{:?}", self.refusal);
        found[0]
    }

    /// The pod that it runs.
    pub(super) fn pod(&self) -> &Value {
        &self.workload()["spec"]["template"]["spec"]
    }

    /// The text of the template with this name; empty where it makes nothing of the values.
    pub(super) fn text(&self, template: &str) -> &str {
        let end = format!("/templates/{template}");
        let found = self.texts.iter().find(|(path, _)| path.ends_with(&end));
        found.map_or("", |(_, text)| text)
    }
}

/// The folder of the tools of Python's registry, installed where they are missing.
fn tools() -> PathBuf {
    let output = Command::new("scripts/python-tools").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().into()
}

/// Renders the chart once for each set of values, by its name.
pub(super) fn render<'n>(sets: impl IntoIterator<Item = (&'n str, Value)>) -> BTreeMap<String, Rendered> {
    let case = |values| json!({"release": RELEASE, "namespace": NAMESPACE, "values": values});
    let cases: BTreeMap<&str, Value> = sets.into_iter().map(|(name, values)| (name, case(values))).collect();
    let asked = json!({"chart": CHART, "cases": cases});
    let folder = Folder::with([("asked.json", asked.to_string())]);
    let output = Command::new(tools().join("python"))
        .args(["-I", "tests/with_programs/chart/judge.py"])
        .stdin(File::open(folder.file("asked.json")).unwrap())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The same for a single one.
pub(super) fn rendered(values: Value) -> Rendered {
    render([("it", values)]).remove("it").unwrap()
}
