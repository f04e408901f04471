//! The exporter as a process: on any configuration, or watching a played vendor of one account.
//!
//! Which program that is, and with which flags, the test says: only the tests of its own package are told where it lies.

use std::net::SocketAddr;
use std::process::Command;

use laaffic_simulator::{Account, Simulator};
use reqwest::Method;

use crate::answer::{self, Answer, ask, ready};
use crate::folder::Folder;
use crate::process::Process;
use crate::vendor::play;
use crate::world::Samples;

/// A running exporter, in a folder with its files.
pub struct Exporter {
    /// The folder it was started in.
    pub folder: Folder,
    /// The process itself.
    pub process: Process,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Exporter {
    /// Starts it in this folder, on any free port; waits until it listens.
    pub async fn start(mut command: Command, folder: Folder) -> Self {
        command
            .current_dir(folder.path())
            .arg("--web.listen-address=127.0.0.1:0");
        Self::started(command, folder).await
    }

    /// Starts it in this folder; waits until it listens.
    pub async fn started(mut command: Command, folder: Folder) -> Self {
        command.current_dir(folder.path());
        let process = Process::start(command);
        let [address] = process.listening().await;
        Self {
            folder,
            process,
            address,
        }
    }

    /// A `GET` that must be answered.
    pub async fn get(&self, path: &str) -> Answer {
        answer::get(self.address, path).await
    }

    /// Any request, which must be answered.
    pub async fn ask(&self, method: Method, path: &str) -> Answer {
        ask(method, self.address, path, &[]).await.unwrap()
    }

    /// What it tells Prometheus.
    pub async fn metrics(&self) -> String {
        self.get("/metrics").await.text().to_owned()
    }

    /// The same as series and values.
    pub async fn samples(&self) -> Samples {
        Samples::of_text(&self.metrics().await)
    }
}

/// A configuration of these accounts of a played vendor, with no limit that matters: `global` is what stands under that key, `flows`
/// what stands of each flow.
pub fn config(vendor: &Simulator, account: &Account, global: &str, flows: impl IntoIterator<Item = String>) -> String {
    let account = account_section(vendor, account, flows);
    format!("global: {{{global}}}\naccounts:\n{account}")
}

/// The part of a configuration that is about one account.
pub fn account_section(vendor: &Simulator, account: &Account, flows: impl IntoIterator<Item = String>) -> String {
    let mut text = format!(
        "  - name: {}\n    base_url: {}\n    api_key: {}\n    api_secret: {}\n    \
         rate_limit: 10000\n    max_concurrent_requests: 20\n    flows:\n",
        account.name,
        vendor.url(),
        account.api_key,
        account.api_secret
    );
    for flow in flows {
        text.push_str(&format!("      - {{{flow}}}\n"));
    }
    text
}

/// The exporter on a played vendor.
pub struct Watching {
    /// The vendor it asks.
    pub simulator: Simulator,
    /// The account at the vendor, which may have more flows than are watched.
    pub account: Account,
    /// The exporter.
    pub exporter: Exporter,
}

impl Watching {
    /// Starts both; waits until every flow has been asked for.
    pub async fn start(
        command: Command,
        account: Account,
        global: &str,
        flows: impl IntoIterator<Item = String>,
    ) -> Self {
        let simulator = play([account.clone()]).await;
        let folder = Folder::configured(&config(&simulator, &account, global, flows));
        let exporter = Exporter::start(command, folder).await;
        ready(exporter.address).await;
        Self {
            simulator,
            account,
            exporter,
        }
    }
}
