//! The whole chain with the files of `deploy/`: played vendor, exporters, a real Prometheus, a real Alertmanager, and whoever is told.
//! Each link can be taken away and put back.

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use laaffic_exporter::rules::Choices;
use laaffic_simulator::{Account, Simulator};
use serde_json::Value;
use testkit::alertmanager::{Alertmanager, Receiver};
use testkit::answer::ready;
use testkit::assertions::says;
use testkit::folder::{Folder, replace};
use testkit::prometheus::Prometheus;
use testkit::vendor::{account, play, still};
use testkit::wait::wait_for;
use testkit::watching::{Exporter, account_section};

use super::pace::faster;
use crate::exporter;

/// Where the examples say that things are.
const EXPORTER: &str = "localhost:10871";
const ALERTMANAGER: &str = "localhost:9093";
const RECEIVER: &str = "localhost:9099";

/// An interval of a flow at this pace: half a minute otherwise.
pub(super) const GLOBAL: &str = "poll_interval: 1s, terminal_poll_interval: 1s, stale_after: 5s";

/// An account, and which of its flows are watched under which names.
pub(super) struct Watched {
    pub(super) account: Account,
    pub(super) flows: Vec<(u64, String)>,
    /// Whether each exporter has names of its own for them.
    pub(super) names_differ: bool,
}

impl Watched {
    /// So many flows of an account, in progress.
    pub(super) fn new(name: &str, flows: u64) -> Self {
        Self {
            account: account(name, (1..=flows).map(still)),
            flows: (1..=flows)
                .map(|key_id| (key_id, format!("reminder {key_id}")))
                .collect(),
            names_differ: false,
        }
    }
}

/// See the module.
pub(super) struct Chain {
    pub(super) simulator: Simulator,
    pub(super) exporters: Vec<Exporter>,
    pub(super) watched: Vec<Watched>,
    pub(super) receiver: Receiver,
    prometheus: Option<Prometheus>,
    alertmanager: Option<Alertmanager>,
    alertmanager_at: SocketAddr,
    prometheus_config: String,
    alertmanager_config: String,
    folder: Folder,
}

impl Chain {
    /// Starts it with so many exporters that all watch all of this; waits until every flow is known and nobody has anything to say.
    pub(super) async fn start(watched: Vec<Watched>, replicas: usize) -> Self {
        let simulator = play(watched.iter().map(|watched| watched.account.clone())).await;
        let mut exporters = Vec::new();
        for replica in 0..replicas {
            let folder = Folder::configured(&config(&simulator, &watched, replica));
            let exporter = Exporter::start(exporter::<&str>([]), folder).await;
            ready(exporter.address).await;
            exporters.push(exporter);
        }
        let folder = Folder::new();
        let receiver = Receiver::start().await;
        let example = fs::read_to_string("deploy/alertmanager/alertmanager.yml").unwrap();
        says(&example, &[RECEIVER]);
        let alertmanager_config = faster(&example).replace(RECEIVER, &receiver.address.to_string());
        let alertmanager = Alertmanager::start(&folder, &alertmanager_config).await;
        let alertmanager_at = alertmanager.address;
        write_rules(&folder);
        let addresses: Vec<_> = exporters.iter().map(|exporter| exporter.address.to_string()).collect();
        let mut chain = Self {
            simulator,
            exporters,
            watched,
            receiver,
            prometheus: None,
            alertmanager: Some(alertmanager),
            alertmanager_at,
            prometheus_config: prometheus_config(&addresses.join("', '"), alertmanager_at),
            alertmanager_config,
            folder,
        };
        chain.start_prometheus().await;
        chain.all_is_well().await;
        chain
    }

    pub(super) fn prometheus(&self) -> &Prometheus {
        self.prometheus.as_ref().unwrap()
    }

    pub(super) async fn start_prometheus(&mut self) {
        // It finds Alertmanager only five seconds after its start, at any pace. So what it tells holds for 20 s and not just for 8, which
        // would be the four minutes at this pace.
        let pace = [
            "--query.lookback-delta=10s",
            "--rules.alert.resend-delay=5s",
            "--rules.alert.for-grace-period=20s",
            "--rules.alert.for-outage-tolerance=2m",
        ];
        self.prometheus = Some(Prometheus::start(&self.folder, &self.prometheus_config, &pace).await);
    }

    pub(super) async fn stop_prometheus(&mut self) {
        self.prometheus.take().unwrap().stopped().await;
    }

    /// At the address that it had, where Prometheus looks for it.
    pub(super) async fn start_alertmanager(&mut self) {
        let config = &self.alertmanager_config;
        self.alertmanager = Some(Alertmanager::start_at(&self.folder, config, self.alertmanager_at).await);
    }

    pub(super) async fn stop_alertmanager(&mut self) {
        self.alertmanager.take().unwrap().stopped().await;
    }

    pub(super) fn alertmanager(&self) -> SocketAddr {
        self.alertmanager_at
    }

    /// Starts an exporter anew that was killed, where it was.
    pub(super) fn revive(&mut self, replica: usize) {
        let exporter = &mut self.exporters[replica];
        let mut command = crate::exporter([format!("--web.listen-address={}", exporter.address)]);
        command.current_dir(exporter.folder.path());
        exporter.process = testkit::process::Process::start(command);
    }

    /// Has the exporters watch what is to be watched by now.
    pub(super) fn reload(&self) {
        for (replica, exporter) in self.exporters.iter().enumerate() {
            let text = config(&self.simulator, &self.watched, replica);
            replace(&exporter.folder.file("config.yaml"), text);
            exporter.process.signal("HUP");
        }
    }

    async fn all_is_well(&self) {
        let flows: usize = self.watched.iter().map(|watched| watched.flows.len()).sum();
        wait_for("every flow to be known", async || {
            let up = self.prometheus().query("laaffic_redial_flow_up == 1").await?.len();
            let rules = self.prometheus().api("rules", &[]).await?;
            let groups = rules["groups"].as_array().ok_or("no groups")?;
            let evaluated = |group: &Value| {
                let last = group["lastEvaluation"].as_str();
                last.is_some_and(|at| !at.starts_with("0001-"))
            };
            let remembered = self.prometheus().query("laaffic:redial_flow:labels").await?.len();
            let well = up == flows * self.exporters.len()
                && remembered == flows
                && !groups.is_empty()
                && groups.iter().all(evaluated);
            well.then_some(())
                .ok_or(format!("{up} and {remembered} of {flows} flows, {rules}"))
        })
        .await;
        assert!(self.receiver.received().is_empty(), "{:?}", self.receiver.received());
    }
}

/// What an exporter is told to watch.
fn config(simulator: &Simulator, watched: &[Watched], replica: usize) -> String {
    let mut text = format!("global: {{{GLOBAL}}}\naccounts:\n");
    for watched in watched {
        let own = if watched.names_differ {
            format!(" of exporter {replica}")
        } else {
            String::new()
        };
        let flow = |(key_id, name): &(u64, String)| {
            format!("key_id: {key_id}, name: {name}{own}, labels: {{team: collections, tier: gold}}")
        };
        let flows = watched.flows.iter().map(flow);
        text.push_str(&account_section(simulator, &watched.account, flows));
    }
    text
}

/// The rules at this pace, in a folder `rules`.
pub(super) fn write_rules(folder: &Folder) {
    let rules = folder.file("rules");
    fs::create_dir(&rules).unwrap();
    let choices = Choices {
        // The one threshold that is written as a number and not compared with the time.
        not_refreshed_for: Duration::from_secs(20),
        ..Choices::default()
    };
    // Prometheus begins to scrape five seconds after its start, at any pace. What is held for that time is held for as long as it is.
    let text = faster(&laaffic_exporter::rules::rules(&choices).unwrap()).replace("for: 4000ms", "for: 2m");
    fs::write(rules.join("laaffic.yml"), text).unwrap();
}

/// The example's configuration, but for the addresses and the pace.
fn prometheus_config(exporters: &str, alertmanager: SocketAddr) -> String {
    let example = fs::read_to_string("deploy/prometheus/prometheus.yml").unwrap();
    says(&example, &[EXPORTER, ALERTMANAGER]);
    faster(&example)
        .replace(EXPORTER, exporters)
        .replace(ALERTMANAGER, &alertmanager.to_string())
}
