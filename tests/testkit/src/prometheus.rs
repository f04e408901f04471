//! A real Prometheus as a child process, and its HTTP API.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use reqwest::{Method, Url};
use serde_json::Value;

use super::common::{Process, ask, wait_for};

/// The labels of one row of a query's answer.
pub(crate) type Labels = BTreeMap<String, String>;

pub(crate) struct Prometheus {
    process: Process,
    pub(crate) url: Url,
}

impl Prometheus {
    /// Starts it with this configuration, which is written into the folder along with its data; waits until it listens.
    pub(crate) async fn start(folder: &Path, config: &str, arguments: &[&str]) -> Self {
        let path = folder.join("prometheus.yml");
        fs::write(&path, config).unwrap();
        let mut command = Command::new("prometheus");
        command
            .arg(flag("--config.file", &path))
            .arg(flag("--storage.tsdb.path", &folder.join("data")))
            .arg("--web.listen-address=127.0.0.1:0")
            .args(arguments);
        let process = Process::start(command);
        let address = listens_on(&process, "Listening on").await;
        let url = Url::parse(&format!("http://{address}")).unwrap();
        Self { process, url }
    }

    /// The first line of its log that warns of something.
    pub(crate) fn complaint(&self) -> Option<String> {
        let log = self.process.stderr();
        let complains = |line: &&str| line.contains("level=warn") || line.contains("level=error");
        log.lines().find(complains).map(str::to_owned)
    }

    /// The `data` of an answer of its HTTP API.
    pub(crate) async fn api(&self, path: &str, parameters: &[(&str, &str)]) -> Result<Value, String> {
        let mut url = self.url.join(&format!("/api/v1/{path}")).unwrap();
        if !parameters.is_empty() {
            url.query_pairs_mut().extend_pairs(parameters);
        }
        let answer = ask(Method::GET, url.as_str(), None).await?;
        let mut json: Value =
            serde_json::from_str(&answer.body).map_err(|error| format!("{error}: {}", answer.body))?;
        if json["status"] != "success" {
            return Err(answer.body);
        }
        Ok(json["data"].take())
    }

    /// The labels of the series that a query gives now.
    pub(crate) async fn query(&self, promql: &str) -> Result<Vec<Labels>, String> {
        let data = self.api("query", &[("query", promql)]).await?;
        let rows = data["result"].as_array().ok_or("no rows")?.iter();
        Ok(rows
            .map(|row| serde_json::from_value(row["metric"].clone()).unwrap())
            .collect())
    }
}

pub(crate) fn flag(name: &str, path: &Path) -> String {
    format!("{name}={}", path.display())
}

/// The address that a program of the Prometheus project says in its log that it has taken.
pub(crate) async fn listens_on(process: &Process, message: &str) -> SocketAddr {
    wait_for("the program to listen", async || {
        let log = process.stderr();
        let (_, after) = log
            .split_once(&format!("msg=\"{message}\" address="))
            .ok_or("not yet")?;
        let (address, _) = after.split_once('\n').ok_or("half a line")?;
        address.parse::<SocketAddr>().map_err(|_| "no address")
    })
    .await
}
