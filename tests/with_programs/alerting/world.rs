//! The whole chain: played vendor, exporter, Prometheus, Alertmanager, and whoever is told.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;

use laaffic_exporter::clock::SystemClock;
use laaffic_exporter::simulator::{Account, Flow, FlowState, Settings, Simulator};
use reqwest::Method;
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;

use super::common::{Process, ask, exporter, get, wait_for};
use super::prometheus::{Prometheus, flag, listens_on};
use super::receiver::{Notification, Receiver};
use super::time::faster;

pub(crate) const ACCOUNT: &str = "main";

/// How many flows the account has: enough that one page and one for each flow are not to be confused.
pub(crate) const FLOWS: usize = 20;

/// Where the examples say that things are.
const EXPORTER: &str = "localhost:10871";
const ALERTMANAGER: &str = "localhost:9093";
const RECEIVER: &str = "localhost:9099";

pub(crate) struct World {
    pub(crate) simulator: Simulator,
    pub(crate) prometheus: Prometheus,
    exporter: Option<Process>,
    alertmanager: Alertmanager,
    receiver: Receiver,
    _folder: TempDir,
}

struct Alertmanager {
    _process: Process,
    address: SocketAddr,
}

impl World {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let simulator = played_vendor().await;
        let (exporter, address) = watching(&simulator, &folder).await;
        let receiver = Receiver::start().await;
        let alertmanager = Alertmanager::start(&folder, receiver.address).await;
        let prometheus = prometheus(&folder, address, alertmanager.address).await;
        Self {
            simulator,
            prometheus,
            exporter: Some(exporter),
            alertmanager,
            receiver,
            _folder: folder,
        }
    }

    /// Waits until Prometheus knows every flow and the rules have been evaluated, with nothing to complain of.
    pub(crate) async fn all_is_well(&self) {
        wait_for("every flow to be known", async || {
            let up = self.prometheus.query("laaffic_redial_flow_up == 1").await?;
            let rules = self.prometheus.api("rules", &[]).await?;
            let groups = rules["groups"].as_array().ok_or("no groups")?;
            let never = |group: &Value| {
                group["lastEvaluation"]
                    .as_str()
                    .is_none_or(|at| at.starts_with("0001-"))
            };
            if up.len() == FLOWS && !groups.is_empty() && !groups.iter().any(never) {
                Ok(())
            } else {
                Err(format!("{} flows, {rules}", up.len()))
            }
        })
        .await;
        assert!(self.received().is_empty(), "{:?}", self.received());
    }

    pub(crate) fn received(&self) -> Vec<Notification> {
        self.receiver.received()
    }

    /// Waits until what was received is as it should be.
    pub(crate) async fn receives(&self, what: &str, right: impl Fn(&[Notification]) -> bool) -> Vec<Notification> {
        wait_for(what, async || {
            let all = self.received();
            if right(&all) { Ok(all) } else { Err(all) }
        })
        .await
    }

    /// The names of the alerts that fire and that nobody is told of, because another one says it all.
    pub(crate) async fn inhibited(&self) -> Result<Vec<String>, String> {
        let url = format!(
            "http://{}/api/v2/alerts?active=false&silenced=false&inhibited=true",
            self.alertmanager.address
        );
        let body = ask(Method::GET, &url, None).await?.body;
        let alerts: Vec<Value> = serde_json::from_str(&body).map_err(|error| format!("{error}: {body}"))?;
        let suppressed = alerts.iter().filter(|alert| alert["status"]["state"] == "suppressed");
        Ok(suppressed
            .map(|alert| alert["labels"]["alertname"].as_str().unwrap().to_owned())
            .collect())
    }

    pub(crate) fn kill_the_exporter(&mut self) {
        self.exporter = None;
    }
}

/// A vendor whose flows are all in progress and stay so.
async fn played_vendor() -> Simulator {
    let flow = |key_id| Flow::still(key_id, FlowState::with_nodes(1, &[2, 1, 0]));
    let settings = Settings {
        accounts: vec![Account {
            name: ACCOUNT.to_owned(),
            api_key: "the-key".to_owned(),
            api_secret: "the-secret".to_owned(),
            flows: (1..=FLOWS as u64).map(flow).collect(),
            trouble: None,
        }],
        ..Settings::default()
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    Simulator::start(listener, settings, Arc::new(SystemClock)).unwrap()
}

/// The exporter, which has asked for every flow.
async fn watching(simulator: &Simulator, folder: &TempDir) -> (Process, SocketAddr) {
    let mut yaml = format!(
        "global: {{poll_interval: 500ms, terminal_poll_interval: 500ms, stale_after: 5s}}\naccounts:\n  - name: {ACCOUNT}\n    \
         base_url: {}\n    api_key: the-key\n    api_secret: the-secret\n    rate_limit: 1000\n    flows:\n",
        simulator.url()
    );
    for key_id in 1..=FLOWS {
        writeln!(
            yaml,
            "      - {{key_id: {key_id}, name: reminder {key_id}, labels: {{team: collections, tier: gold}}}}"
        )
        .unwrap();
    }
    fs::write(folder.path().join("config.yaml"), yaml).unwrap();
    let mut command = exporter(["--config.file=config.yaml", "--web.listen-address=127.0.0.1:0"]);
    command.current_dir(folder.path());
    let process = Process::start(command);
    let [address] = process.listening().await;
    wait_for("every flow to have been asked for", async || {
        let ready = get(&format!("http://{address}/-/ready")).await;
        if ready.status == 200 { Ok(()) } else { Err(ready.status) }
    })
    .await;
    (process, address)
}

impl Alertmanager {
    /// With the example's configuration, but for the addresses and the pace.
    async fn start(folder: &TempDir, receiver: SocketAddr) -> Self {
        let example = fs::read_to_string("deploy/alertmanager/alertmanager.yml").unwrap();
        assert!(example.contains(RECEIVER));
        let config = faster(&example).replace(RECEIVER, &receiver.to_string());
        let path = folder.path().join("alertmanager.yml");
        fs::write(&path, config).unwrap();
        let mut command = Command::new("prometheus-alertmanager");
        command
            .arg(flag("--config.file", &path))
            .arg(flag("--storage.path", &folder.path().join("alertmanager")))
            .args(["--web.listen-address=127.0.0.1:0", "--cluster.listen-address="]);
        let process = Process::start(command);
        let address = listens_on(&process, "Listening on").await;
        Self {
            _process: process,
            address,
        }
    }
}

/// With the example's configuration and rules, but for the addresses and the pace.
async fn prometheus(folder: &TempDir, exporter: SocketAddr, alertmanager: SocketAddr) -> Prometheus {
    let rules = folder.path().join("rules");
    fs::create_dir(&rules).unwrap();
    for file in fs::read_dir("deploy/prometheus/rules").unwrap() {
        let file = file.unwrap();
        let text = fs::read_to_string(file.path()).unwrap();
        fs::write(rules.join(file.file_name()), faster(&text)).unwrap();
    }
    let example = fs::read_to_string("deploy/prometheus/prometheus.yml").unwrap();
    assert!(example.contains(EXPORTER) && example.contains(ALERTMANAGER));
    let config = faster(&example)
        .replace(EXPORTER, &exporter.to_string())
        .replace(ALERTMANAGER, &alertmanager.to_string());
    let pace = ["--query.lookback-delta=10s", "--rules.alert.resend-delay=2s"];
    Prometheus::start(folder.path(), &config, &pace).await
}
