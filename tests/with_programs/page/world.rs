//! The exporter as it is shipped, watching a played vendor.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;

use laaffic_exporter::clock::SystemClock;
use laaffic_exporter::simulator::{Account, Flow, FlowState, Settings, Simulator};
use serde_json::json;
use tempfile::TempDir;
use tokio::net::TcpListener;

use super::common::{Process, exporter, get, wait_for};

pub(crate) const HOSTILE: &str = "<script>alert('x')</script><img src=x onerror=alert(1)>\" & \u{202e}txet\u{202c} 🎉";

pub(crate) struct World {
    pub(crate) simulator: Simulator,
    pub(crate) exporter: Option<Process>,
    pub(crate) address: SocketAddr,
    folder: TempDir,
}

impl World {
    /// Flows in progress with these names, numbered from 1, asked for every half second; all of them have been asked for.
    pub(crate) async fn start(names: &[String]) -> Self {
        let keys = 1..=names.len() as u64;
        let flow = |key_id| Flow::still(key_id, FlowState::with_nodes(1, &[2, 1, 0]));
        let settings = Settings {
            accounts: vec![Account {
                name: "main".to_owned(),
                api_key: "the-key".to_owned(),
                api_secret: "the-secret".to_owned(),
                flows: keys.clone().map(flow).collect(),
                trouble: None,
            }],
            ..Settings::default()
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let simulator = Simulator::start(listener, settings, Arc::new(SystemClock)).unwrap();
        let interval = if names.len() > 100 { "60s" } else { "500ms" };
        let mut yaml = format!(
            "global: {{poll_interval: {interval}, terminal_poll_interval: {interval}}}\naccounts:\n  - name: main\n    base_url: {}\n    \
             api_key: the-key\n    api_secret: the-secret\n    rate_limit: 10000\n    max_concurrent_requests: 20\n    flows:\n",
            simulator.url()
        );
        for (key_id, name) in keys.zip(names) {
            // JSON's strings are YAML's, but for the pairs of surrogates that serde_json does not write.
            writeln!(
                yaml,
                "      - {{key_id: {key_id}, name: {}, labels: {{team: growth}}}}",
                json!(name)
            )
            .unwrap();
        }
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("config.yaml"), yaml).unwrap();
        let mut world = Self {
            simulator,
            exporter: None,
            address: ([127, 0, 0, 1], 0).into(),
            folder,
        };
        world.start_exporter().await;
        world
    }

    /// Starts the exporter, where it was before if it was anywhere.
    pub(crate) async fn start_exporter(&mut self) {
        let address = self.address.to_string();
        let mut command = exporter(["--config.file", "config.yaml", "--web.listen-address", &address]);
        command.current_dir(self.folder.path());
        let process = Process::start(command);
        [self.address] = process.listening().await;
        self.exporter = Some(process);
        let ready = self.url("-/ready");
        wait_for("every flow to have been asked for", async || {
            let answer = get(&ready).await;
            if answer.status.is_success() {
                Ok(())
            } else {
                Err(answer.body)
            }
        })
        .await;
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    /// Holds a flow in this status.
    pub(crate) fn pin(&self, key_id: u64, status: i64) {
        let state = FlowState::with_nodes(status, &[2, 4, 0]);
        self.simulator.vendor().pin("main", key_id, state).unwrap();
    }
}

pub(crate) fn names(flows: usize) -> Vec<String> {
    (1..=flows).map(|number| format!("reminder {number}")).collect()
}
