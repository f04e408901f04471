//! The soak: an exporter on a vendor that goes wrong in every way, under every kind of client, for as long as is asked; then the bars.
//!
//! `scripts/soak MINUTES` builds the release binary and runs this with it: `soak MINUTES BINARY`. The vendor and the clients are in this
//! process, the exporter has one of its own. [`scene`] sets both up; [`clients`], [`reloads`] and [`weather`] are the load, and [`tally`]
//! says how much of it came; [`scraper`], [`resources`] and [`counting`] measure; [`verdict`] judges, with the statistics of [`slope`].
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test program fails by panicking, and prints its findings"
)]

mod clients;
mod counting;
mod reloads;
mod resources;
mod scene;
mod scraper;
mod slope;
mod tally;
mod verdict;
mod weather;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use testkit::answer;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::counting::Requests;
use crate::resources::Resources;
use crate::scene::Scene;
use crate::scraper::Scrapes;
use crate::tally::Tally;
use crate::verdict::Findings;

/// Fewer do not give the half of them enough windows for an interval.
const FEWEST_MINUTES: u32 = 2;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let minutes = arguments.next().and_then(|minutes| minutes.parse().ok());
    let minutes = minutes.filter(|minutes| *minutes >= FEWEST_MINUTES);
    let (Some(minutes), Some(binary), None) = (minutes, arguments.next(), arguments.next()) else {
        eprintln!("usage: soak MINUTES BINARY, with {FEWEST_MINUTES} minutes or more");
        return ExitCode::from(2);
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let findings = runtime.block_on(soak(minutes, &binary));
    print!("{}", findings.report());
    let broken = findings.broken_bars();
    for bar in &broken {
        eprintln!("soak: {bar}");
    }
    match broken.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// Runs everything for so long, and brings what was found.
async fn soak(minutes: u32, binary: &str) -> Findings {
    let mut scene = Scene::start(binary).await;
    let address = scene.exporter.address;
    let tally = Arc::new(Tally::default());
    let stop = CancellationToken::new();
    let mut load = JoinSet::new();
    clients::start(&mut load, address, &tally, &stop);
    load.spawn(
        stop.clone()
            .run_until_cancelled_owned(weather::change(scene.simulator.vendor().clone())),
    );
    load.spawn(
        stop.clone()
            .run_until_cancelled_owned(reloads::reload(scene.files(), Arc::clone(&tally))),
    );
    let scrapes = tokio::spawn(Scrapes::take(address, stop.clone()));
    let resources = tokio::spawn(Resources::watch(scene.exporter.process.id(), stop.clone()));

    for minute in 1..=minutes {
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert!(scene.exporter.process.is_running(), "the exporter has ended");
        eprintln!("soak: {minute} of {minutes} min");
    }
    stop.cancel();
    while let Some(ended) = load.join_next().await {
        ended.unwrap();
    }
    let scrapes = scrapes.await.unwrap();
    let mut resources = resources.await.unwrap();

    let requests = Requests::when_at_rest(&scene).await;
    resources.look_at_rest();
    let samples = scene.exporter.samples().await;
    let vendor = scene.simulator.vendor().counts();
    let ended = scene.exporter.process.stopped().await;
    Findings {
        minutes,
        requests,
        outcomes: counting::outcomes(&samples),
        vendor,
        scrapes,
        resources,
        poll_panics: samples.get("laaffic_exporter_poll_panics_total").unwrap() as u64,
        panics_logged: ended.stderr.matches("panicked").count(),
        log_bytes: ended.stderr.len(),
        log_lines: ended.stderr.lines().count(),
        tally,
    }
}

/// Where clients come from that are not the honest scraper: another address, so that what is shared out by address is no excuse for it.
fn other_client() -> reqwest::ClientBuilder {
    answer::client().local_address(std::net::IpAddr::from([127, 0, 0, 2]))
}
