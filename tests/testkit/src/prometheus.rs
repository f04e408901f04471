//! A real Prometheus as a child process, and its HTTP API.
//!
//! Needs the program `prometheus`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use reqwest::{Method, Url};
use serde_json::Value;

use crate::answer::ask;
use crate::folder::Folder;
use crate::process::Process;
use crate::wait::wait_for;

/// The labels of one row of a query's answer.
pub type Labels = BTreeMap<String, String>;

/// One row of a query's answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Its labels.
    pub labels: Labels,
    /// Its value.
    pub value: f64,
}

impl Row {
    /// A label of it; empty where it has none of that name.
    pub fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }
}

/// A running one.
pub struct Prometheus {
    process: Process,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Prometheus {
    /// Starts it with this configuration, which is written into the folder along with its data; waits until it answers: it
    /// listens before it can.
    pub async fn start(folder: &Folder, config: &str, arguments: &[&str]) -> Self {
        let path = folder.write("prometheus.yml", config);
        let mut command = Command::new("prometheus");
        command
            .arg(flag("--config.file", &path))
            .arg(flag("--storage.tsdb.path", &folder.file("data")))
            .arg("--web.listen-address=127.0.0.1:0")
            .args(arguments);
        let process = Process::start(command);
        let address = listens_on(&process).await;
        wait_for("Prometheus to be ready", async || {
            let answer = ask(Method::GET, address, "/-/ready", &[]).await?;
            (answer.status == 200).then_some(()).ok_or(answer.text().to_owned())
        })
        .await;
        Self { process, address }
    }

    /// The first line of its log that warns of something.
    pub fn complaint(&self) -> Option<String> {
        let log = self.process.stderr();
        // Version 3 writes levels in capitals.
        let complains = |line: &&str| {
            ["level=warn", "level=error", "level=WARN", "level=ERROR"]
                .iter()
                .any(|level| line.contains(level))
        };
        log.lines().find(complains).map(str::to_owned)
    }

    /// The `data` of an answer of its HTTP API.
    pub async fn api(&self, path: &str, parameters: &[(&str, &str)]) -> Result<Value, String> {
        let base = format!("http://{}/api/v1/{path}", self.address);
        let url = Url::parse_with_params(&base, parameters).unwrap();
        let path = format!("{}?{}", url.path(), url.query().unwrap_or_default());
        let answer = ask(Method::GET, self.address, &path, &[]).await?;
        let mut json = answer.try_json()?;
        if json["status"] != "success" {
            return Err(answer.text().to_owned());
        }
        Ok(json["data"].take())
    }

    /// The labels of the series that a query gives now.
    pub async fn query(&self, promql: &str) -> Result<Vec<Labels>, String> {
        let rows = self.rows(promql, None).await?;
        Ok(rows.into_iter().map(|row| row.labels).collect())
    }

    /// What a query gives now, or gave at a moment of Unix time.
    pub async fn rows(&self, promql: &str, at: Option<f64>) -> Result<Vec<Row>, String> {
        let at = at.map(|at| at.to_string());
        let mut parameters = vec![("query", promql)];
        parameters.extend(at.as_deref().map(|at| ("time", at)));
        let data = self.api("query", &parameters).await?;
        let rows = data["result"].as_array().ok_or("no rows")?.iter();
        let read = |row: &Value| Row {
            labels: serde_json::from_value(row["metric"].clone()).unwrap(),
            value: row["value"][1].as_str().unwrap().parse().unwrap(),
        };
        Ok(rows.map(read).collect())
    }

    /// Its own clock, in seconds of Unix time.
    pub async fn time(&self) -> Result<f64, String> {
        let rows = self.rows("vector(time())", None).await?;
        rows.first().map(|row| row.value).ok_or("no time".to_owned())
    }

    /// Asks a query for each step of the seconds that end now: it must be understood at all of them.
    pub async fn is_drawn(&self, promql: &str, seconds: u32, step: u32) -> Result<(), String> {
        let now = self.time().await?;
        let [start, end, step] = [now - f64::from(seconds), now, f64::from(step)].map(|number| number.to_string());
        let parameters = [("query", promql), ("start", &start), ("end", &end), ("step", &step)];
        self.api("query_range", &parameters).await.map(drop)
    }

    /// Asks it to end, and waits until it has; its data stay in the folder.
    pub async fn stopped(self) {
        self.process.stopped().await;
    }
}

/// A flag whose value is a path.
pub(crate) fn flag(name: &str, path: &Path) -> String {
    format!("{name}={}", path.display())
}

/// The address that a program of the Prometheus project says in its log that it has taken.
pub(crate) async fn listens_on(process: &Process) -> SocketAddr {
    // Of version 3 other words stand between.
    let rest = process.logs("msg=\"Listening on\"").await;
    let (_, address) = rest.split_once("address=").unwrap();
    address.parse().unwrap()
}
