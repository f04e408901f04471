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

    /// Asks it to end, and waits until it has.
    pub async fn stopped(self) {
        self.process.stopped().await;
    }

    /// The first line of its log that warns of something.
    pub fn complaint(&self) -> Option<String> {
        let log = self.process.stderr();
        let complains = |line: &&str| line.contains("level=warn") || line.contains("level=error");
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
        let data = self.api("query", &[("query", promql)]).await?;
        let rows = data["result"].as_array().ok_or("no rows")?.iter();
        Ok(rows
            .map(|row| serde_json::from_value(row["metric"].clone()).unwrap())
            .collect())
    }
}

/// A flag whose value is a path.
pub(crate) fn flag(name: &str, path: &Path) -> String {
    format!("{name}={}", path.display())
}

/// The address that a program of the Prometheus project says in its log that it has taken.
pub(crate) async fn listens_on(process: &Process) -> SocketAddr {
    process.logs("msg=\"Listening on\" address=").await.parse().unwrap()
}
