//! What is on stage: a vendor with 5,000 flows, the exporter as a process on it, and the configurations that it is given in turn.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;

use laaffic_simulator::{Flow, Latency, Settings, Simulator};
use testkit::answer;
use testkit::folder::{Folder, replace};
use testkit::process::program;
use testkit::vendor;
use testkit::watching::Exporter;

pub(crate) const ACCOUNTS: [&str; 4] = ["first", "second", "third", "fourth"];
pub(crate) const FLOWS: u64 = 5_000;
pub(crate) const FLOWS_OF_AN_ACCOUNT: u64 = FLOWS / ACCOUNTS.len() as u64;

/// Flows of an account that come and go with reloads.
const COMING_AND_GOING: u64 = 50;

/// The fewest flows that any configuration has.
pub(crate) const FEWEST_FLOWS: u64 = FLOWS - COMING_AND_GOING * ACCOUNTS.len() as u64;

/// The same faults in every run, as far as the order of requests is the same.
const SEED: u64 = 20_261_125;

/// The played vendor and the exporter.
pub(crate) struct Scene {
    pub(crate) simulator: Simulator,
    pub(crate) exporter: Exporter,
}

/// Where the configuration is, and what goes into it.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    pub(crate) exporter: SocketAddr,
    config: PathBuf,
    vendor: String,
}

impl Scene {
    /// Starts both, and waits until every flow has been asked for. Nothing goes wrong yet.
    pub(crate) async fn start(binary: &str) -> Self {
        let accounts = ACCOUNTS.map(|name| vendor::account(name, (1..=FLOWS_OF_AN_ACCOUNT).map(Flow::seeded)));
        let settings = Settings {
            seed: SEED,
            speed: 10.0,
            latency: Latency {
                fixed_ms: 5,
                jitter_ms: 100,
            },
            accounts: accounts.into(),
            ..Settings::default()
        };
        let simulator = vendor::play_as(settings).await;
        let folder = Folder::configured(&configuration(&simulator.url(), 0));
        let command = program(binary, ["--web.enable-lifecycle"]);
        let exporter = Exporter::start(command, folder).await;
        answer::ready(exporter.address).await;
        Self { simulator, exporter }
    }

    /// What a reload needs.
    pub(crate) fn files(&self) -> Files {
        Files {
            exporter: self.exporter.address,
            config: self.exporter.folder.file("config.yaml"),
            vendor: self.simulator.url(),
        }
    }
}

impl Files {
    /// Puts the n-th configuration in place.
    pub(crate) fn write(&self, number: u64) {
        self.put(&configuration(&self.vendor, number));
    }

    /// Puts one in place that must be refused, with its mistake at the end.
    pub(crate) fn write_broken(&self) {
        self.put(&(configuration(&self.vendor, 0) + "surplus: 1\n"));
    }

    /// Puts one in place with which nothing is polled; the accounts stay, and so do their counters.
    pub(crate) fn write_without_flows(&self) {
        self.put(&of_flows(&self.vendor, 0, 0));
    }

    fn put(&self, text: &str) {
        replace(&self.config, text);
    }
}

/// The n-th configuration: every second one without some of the flows, and each with other labels, intervals and rates.
fn configuration(vendor: &str, number: u64) -> String {
    let gone = COMING_AND_GOING * (number % 2);
    of_flows(vendor, number, FLOWS_OF_AN_ACCOUNT - gone)
}

/// About 170 polls a second, with room for retries and probes.
fn of_flows(vendor: &str, number: u64, flows: u64) -> String {
    let interval = 28 + number % 3;
    let rate = 90 + number % 2 * 10;
    let mut text = format!(
        "global: {{poll_interval: {interval}s, terminal_poll_interval: 60s, request_timeout: 5s, stale_after: 3m}}\naccounts:\n"
    );
    for account in ACCOUNTS {
        write!(
            text,
            "  - name: {account}\n    base_url: {vendor}\n    api_key: key-of-{account}\n    api_secret: secret-of-{account}\n    \
             rate_limit: {rate}\n    max_concurrent_requests: 20\n    flows:{}\n",
            if flows == 0 { " []" } else { "" }
        )
        .unwrap();
        for key_id in 1..=flows {
            writeln!(
                text,
                "      - {{key_id: {key_id}, name: reminder-{key_id}, labels: {{team: team-{}}}}}",
                (key_id + number) % 7
            )
            .unwrap();
        }
    }
    text
}
