//! Reloading the running program: by signal, by request, by itself, and a thousand times in a row.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[allow(dead_code, reason = "shared with other tests, which use more of it")]
mod common;

use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;

use common::{Process, ask, exporter, get, wait_for};
use laaffic_exporter::clock::SystemClock;
use laaffic_exporter::simulator::{Account, Flow, Settings, Simulator};
use reqwest::Method;
use tempfile::TempDir;
use tokio::net::TcpListener;

/// The exporter, watching some of the vendor's flows 1 to 100.
struct World {
    simulator: Simulator,
    folder: TempDir,
    exporter: Process,
    address: SocketAddr,
}

impl World {
    async fn start(flags: &[&str]) -> Self {
        let settings = Settings {
            accounts: vec![Account {
                name: "main".to_owned(),
                api_key: "planted-key".to_owned(),
                api_secret: "planted-secret".to_owned(),
                flows: (1..=100).map(Flow::seeded).collect(),
                trouble: None,
            }],
            ..Settings::default()
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let simulator = Simulator::start(listener, settings, Arc::new(SystemClock)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("config.yaml"), config(&simulator.url(), 1, 10)).unwrap();
        let mut command = exporter(["--config.file", "config.yaml", "--web.listen-address", "127.0.0.1:0"]);
        command.args(flags).current_dir(folder.path());
        let exporter = Process::start(command);
        let [address] = exporter.listening().await;
        let world = Self {
            simulator,
            folder,
            exporter,
            address,
        };
        world.shows(10).await;
        world
    }

    fn configure(&self, from: u64, to: u64) {
        // As a careful editor does it: nobody ever sees half a file.
        let next = self.folder.path().join("next.yaml");
        fs::write(&next, config(&self.simulator.url(), from, to)).unwrap();
        fs::rename(next, self.folder.path().join("config.yaml")).unwrap();
    }

    async fn metrics(&self) -> String {
        get(&format!("http://{}/metrics", self.address)).await.body
    }

    /// Waits until so many flows are up.
    async fn shows(&self, flows: usize) {
        wait_for("all flows to be up", async || {
            let body = self.metrics().await;
            let up = body
                .lines()
                .filter(|line| line.starts_with("laaffic_redial_flow_up{") && line.ends_with(" 1"))
                .count();
            let all = body
                .lines()
                .filter(|line| line.starts_with("laaffic_redial_flow_up{"))
                .count();
            if (up, all) == (flows, flows) {
                Ok(())
            } else {
                Err((up, all))
            }
        })
        .await;
    }

    async fn reload(&self) -> common::Answer {
        ask(Method::POST, &format!("http://{}/-/reload", self.address), None)
            .await
            .unwrap()
    }
}

fn config(url: &str, from: u64, to: u64) -> String {
    let flows: String = (from..=to).map(|key| format!("      - key_id: {key}\n")).collect();
    format!(
        "accounts:\n  - name: main\n    base_url: {url}\n    api_key: planted-key\n    api_secret: planted-secret\n    \
         rate_limit: 1000\n    flows:\n{flows}"
    )
}

fn sample(metrics: &str, series: &str) -> f64 {
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {series} in\n{metrics}"))
        .parse()
        .unwrap()
}

const SUCCESSFUL: &str = "laaffic_exporter_config_last_reload_successful";

#[tokio::test]
async fn a_request_reloads_and_a_refused_configuration_leaves_the_old_one() {
    let world = World::start(&["--web.enable-lifecycle"]).await;
    world.configure(6, 20);
    let answer = world.reload().await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    world.shows(15).await;

    fs::write(
        world.folder.path().join("config.yaml"),
        "global:\n  poll_intervall: 5s\naccounts: []\n",
    )
    .unwrap();
    let answer = ask(Method::PUT, &format!("http://{}/-/reload", world.address), None)
        .await
        .unwrap();
    assert_eq!(answer.status, 500);
    for reason in ["config.yaml:2:3: global.poll_intervall", "config.yaml:3:11: accounts"] {
        assert!(answer.body.contains(reason), "{reason:?} is not in {:?}", answer.body);
        // What the process has written may still be on its way.
        wait_for("the reason in the log", async || {
            let log = world.exporter.stderr();
            if log.contains(reason) { Ok(()) } else { Err(log) }
        })
        .await;
    }
    world.shows(15).await;
    assert_eq!(sample(&world.metrics().await, SUCCESSFUL), 0.0);

    world.configure(1, 5);
    assert_eq!(world.reload().await.status, 200);
    world.shows(5).await;
    assert_eq!(sample(&world.metrics().await, SUCCESSFUL), 1.0);
    let other = ask(Method::GET, &format!("http://{}/-/reload", world.address), None)
        .await
        .unwrap();
    assert_eq!(other.status, 405);
}

#[tokio::test]
async fn requests_are_refused_where_lifecycle_is_off_and_sighup_works_all_the_same() {
    let world = World::start(&[]).await;
    world.configure(1, 30);
    let answer = world.reload().await;
    assert_eq!(answer.status, 403);
    assert!(answer.body.contains("--web.enable-lifecycle"), "{}", answer.body);
    world.exporter.signal("HUP");
    world.shows(30).await;
}

#[tokio::test]
async fn a_changed_file_is_loaded_by_itself_where_that_is_wanted() {
    let world = World::start(&["--config.enable-auto-reload"]).await;
    world.configure(1, 20);
    world.shows(20).await;
}

#[tokio::test]
async fn a_thousand_reloads_under_scrapes_leak_nothing() {
    let world = World::start(&["--web.enable-lifecycle"]).await;
    let reload_rounds = async |rounds: u64| {
        for round in 0..rounds {
            let from = 1 + round % 50;
            world.configure(from, from + 20);
            assert_eq!(world.reload().await.status, 200);
        }
    };
    let scrape_rounds = async || {
        loop {
            assert!(world.metrics().await.contains("laaffic_redial_flow_up"));
        }
    };
    let cost = async || {
        let metrics = world.metrics().await;
        ["process_open_fds", "process_threads", "process_resident_memory_bytes"].map(|name| sample(&metrics, name))
    };
    let under_scrapes = async |rounds| {
        tokio::select! {
            () = reload_rounds(rounds) => {}
            () = scrape_rounds() => unreachable!(),
        }
    };
    // What is allocated once (connections, buffers, threads for reading files) is there after the first hundred.
    under_scrapes(100).await;
    let before = cost().await;
    under_scrapes(1000).await;
    world.configure(1, 10);
    assert_eq!(world.reload().await.status, 200);
    world.shows(10).await;
    // Connections of clients that were replaced close when their last request has ended.
    wait_for("descriptors to be given back", async || {
        let now = cost().await;
        if now[0] <= before[0] + 10.0 {
            Ok(())
        } else {
            Err((before[0], now[0]))
        }
    })
    .await;
    let after = cost().await;
    assert!(
        after[1] <= before[1] + 8.0,
        "threads: {} and then {}",
        before[1],
        after[1]
    );
    assert!(
        after[2] <= before[2] * 1.25,
        "resident memory: {} and then {}",
        before[2],
        after[2]
    );
}
