//! Reloading the running program: by signal, by request, by itself, and a thousand times in a row.

use laaffic_simulator::Flow;
use reqwest::Method;
use testkit::answer::Answer;
use testkit::assertions::says;
use testkit::vendor;
use testkit::wait::wait_for;
use testkit::watching::{Watching, config};

use crate::exporter;

/// The exporter, watching some of the vendor's flows 1 to 100; at first, those up to 10.
struct Live(Watching);

fn flows(from: u64, to: u64) -> impl Iterator<Item = String> {
    (from..=to).map(|key_id| format!("key_id: {key_id}"))
}

impl Live {
    async fn start(flags: &[&str]) -> Self {
        let account = vendor::account("main", (1..=100).map(Flow::seeded));
        let world = Self(Watching::start(exporter(flags), account, "", flows(1, 10)).await);
        world.shows(10).await;
        world
    }

    fn configure(&self, from: u64, to: u64) {
        let text = config(&self.0.simulator, &self.0.account, "", flows(from, to));
        self.0.exporter.folder.write("config.yaml", text);
    }

    /// Waits until so many flows are up.
    async fn shows(&self, flows: usize) {
        wait_for("all flows to be up", async || {
            let samples = self.0.exporter.samples().await;
            let up: Vec<_> = samples.of("laaffic_redial_flow_up").map(|(_, up)| up).collect();
            if up == vec![1.0; flows] { Ok(()) } else { Err(up) }
        })
        .await;
    }

    async fn reload(&self) -> Answer {
        self.0.exporter.ask(Method::POST, "/-/reload").await
    }

    /// A series without labels.
    async fn sample(&self, name: &str) -> f64 {
        self.0.exporter.samples().await.get(name).unwrap()
    }
}

const SUCCESSFUL: &str = "laaffic_exporter_config_last_reload_successful";

#[tokio::test]
async fn a_request_reloads_and_a_refused_configuration_leaves_the_old_one() {
    let world = Live::start(&["--web.enable-lifecycle"]).await;
    world.configure(6, 20);
    let answer = world.reload().await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    world.shows(15).await;

    let wrong = "global:\n  poll_intervall: 5s\naccounts: []\n";
    world.0.exporter.folder.write("config.yaml", wrong);
    let answer = world.0.exporter.ask(Method::PUT, "/-/reload").await;
    assert_eq!(answer.status, 500);
    for reason in ["config.yaml:2:3: global.poll_intervall", "config.yaml:3:11: accounts"] {
        says(answer.text(), &[reason]);
        world.0.exporter.process.logs(reason).await;
    }
    world.shows(15).await;
    assert_eq!(world.sample(SUCCESSFUL).await, 0.0);

    world.configure(1, 5);
    assert_eq!(world.reload().await.status, 200);
    world.shows(5).await;
    assert_eq!(world.sample(SUCCESSFUL).await, 1.0);
    assert_eq!(world.0.exporter.get("/-/reload").await.status, 405);
}

#[tokio::test]
async fn requests_are_refused_where_lifecycle_is_off_and_sighup_works_all_the_same() {
    let world = Live::start(&[]).await;
    world.configure(1, 30);
    let answer = world.reload().await;
    assert_eq!(answer.status, 403);
    says(answer.text(), &["--web.enable-lifecycle"]);
    world.0.exporter.process.signal("HUP");
    world.shows(30).await;
}

#[tokio::test]
async fn a_changed_file_is_loaded_by_itself_where_that_is_wanted() {
    let world = Live::start(&["--config.enable-auto-reload"]).await;
    world.configure(1, 20);
    world.shows(20).await;
}

#[tokio::test]
async fn a_thousand_reloads_under_scrapes_leak_nothing() {
    let world = Live::start(&["--web.enable-lifecycle"]).await;
    let reload_rounds = async |rounds: u64| {
        for round in 0..rounds {
            let from = 1 + round % 50;
            world.configure(from, from + 20);
            assert_eq!(world.reload().await.status, 200);
        }
    };
    let scrape_rounds = async || {
        loop {
            assert!(world.0.exporter.samples().await.of("laaffic_redial_flow_up").count() > 0);
        }
    };
    let cost = async || {
        let samples = world.0.exporter.samples().await;
        ["open_fds", "threads", "resident_memory_bytes"].map(|name| samples.get(&format!("process_{name}")).unwrap())
    };
    let under_scrapes = async |rounds| {
        tokio::select! {
            () = reload_rounds(rounds) => {}
            () = scrape_rounds() => unreachable!(),
        }
    };
    // What is allocated once (connections, buffers, threads for reading files) is there after the first hundred.
    under_scrapes(100).await;
    let [files, threads, memory] = cost().await;
    under_scrapes(1000).await;
    world.configure(1, 10);
    assert_eq!(world.reload().await.status, 200);
    world.shows(10).await;
    // Connections of clients that were replaced close when their last request has ended.
    let now = wait_for("descriptors to be given back", async || {
        let now = cost().await;
        if now[0] <= files + 10.0 {
            Ok(now)
        } else {
            Err((files, now[0]))
        }
    })
    .await;
    assert!(now[1] <= threads + 8.0, "threads: {threads} and then {}", now[1]);
    assert!(now[2] <= memory * 1.25, "resident memory: {memory} and then {}", now[2]);
}
