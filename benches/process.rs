//! What the program as a whole takes: memory, time to the first scrape, bytes on disk.
//!
//! `cargo bench --bench process` measures the release binary against a simulated upstream in this process.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a benchmark may end with a panic, and prints its findings"
)]

mod support;

use std::time::Duration;

use procfs::process::Process;
use support::{Exporter, Pace, binary, cpu, median, runtime, upstream};
use tokio::time::Instant;

const SIZES: [u64; 3] = [1_000, 10_000, 50_000];
const CLASSIC: &str = "text/plain;version=0.0.4";
const OPEN_METRICS: &str = "application/openmetrics-text;version=1.0.0";
const VARIANTS: [(&str, &str, &str); 4] = [
    ("classic, identity", CLASSIC, "identity"),
    ("classic, gzip", CLASSIC, "gzip"),
    ("openmetrics, identity", OPEN_METRICS, "identity"),
    ("openmetrics, gzip", OPEN_METRICS, "gzip"),
];
/// A first round as fast as it goes, then a poll now and then.
const SLOW: Pace = Pace {
    interval: "3h",
    rate: 1e6,
    concurrent: 8,
};

/// Resident bytes: in all, and at most since [`forget_peak`].
fn resident(process: &Process) -> (f64, f64) {
    let status = process.status().unwrap();
    (
        status.vmrss.unwrap() as f64 * 1024.0,
        status.vmhwm.unwrap() as f64 * 1024.0,
    )
}

/// Lets the kernel's high-water mark begin anew (proc(5), `clear_refs`).
fn forget_peak(process: &Process) {
    std::fs::write(format!("/proc/{}/clear_refs", process.pid()), "5").unwrap();
}

async fn memory() {
    println!(
        "\n| flows | peak at start MB | idle MB | aimed at | being scraped, more MB | aimed at | after scrapes MB |"
    );
    println!("|--:|--:|--:|--:|--:|--:|--:|");
    let mut costs = Vec::new();
    for flows in SIZES {
        let simulator = upstream(flows).await;
        let exporter = Exporter::start(&simulator.url(), flows, SLOW);
        exporter.ready().await;
        let process = exporter.process();
        tokio::time::sleep(Duration::from_secs(3)).await;
        let (idle, peak) = resident(&process);
        forget_peak(&process);
        costs.push((flows, scrapes(&exporter, &process).await));
        let (after, scraped) = resident(&process);
        let aim = 12.0 + 0.0006 * flows as f64;
        println!(
            "| {flows} | {:.1} | {:.1} | {aim:.1} | {:.1} | 3.0 | {:.1} |",
            peak / 1e6,
            idle / 1e6,
            (scraped - idle) / 1e6,
            after / 1e6,
        );
    }
    println!("\n| flows | scrape | CPU ms | µs per flow | ÷ 1,000 flows | bytes | whole answer ms |");
    println!("|--:|---|--:|--:|--:|--:|--:|");
    for (flows, variants) in &costs {
        for (index, (name, cost)) in variants.iter().enumerate() {
            let per_flow = |(flows, cost): (u64, &Cost)| cost.cpu * 1e6 / flows as f64;
            let here = per_flow((*flows, cost));
            let ratio = here / per_flow((costs[0].0, &costs[0].1[index].1));
            let (cpu, elapsed) = (cost.cpu * 1e3, cost.elapsed * 1e3);
            println!(
                "| {flows} | {name} | {cpu:.2} | {here:.3} | {ratio:.2} | {} | {elapsed:.1} |",
                cost.bytes
            );
        }
    }
}

/// What stays resident of what many ask for: after reloads, pages, and scrapes at once, each a while later.
async fn afterwards() {
    println!(
        "\n| flows | idle MB | after 20 reloads | and 20 pages | and 40 scrapes at once | ÷ idle | aimed at | at most MB |"
    );
    println!("|--:|--:|--:|--:|--:|--:|--:|--:|");
    for flows in SIZES {
        let simulator = upstream(flows).await;
        let url = simulator.url();
        let exporter = Exporter::start(&url, flows, SLOW);
        exporter.ready().await;
        let process = exporter.process();
        let mut stages = vec![resident_later(&process).await];
        forget_peak(&process);
        for reload in 0..20 {
            exporter.reload(&url, flows, SLOW, &format!("team-{reload}")).await;
        }
        stages.push(resident_later(&process).await);
        for _ in 0..20 {
            exporter.page("/").await;
        }
        stages.push(resident_later(&process).await);
        let variants = VARIANTS.iter().cycle().take(40);
        exporter
            .scrapes_at_once(variants.map(|(_, accept, encoding)| (*accept, *encoding)))
            .await;
        stages.push(resident_later(&process).await);
        print!("| {flows}");
        stages.iter().for_each(|stage| print!(" | {:.1}", stage / 1e6));
        let last = stages[stages.len() - 1];
        println!(
            " | {:.2} | ≤ 1.25 | {:.1} |",
            last / stages[0],
            resident(&process).1 / 1e6
        );
    }
}

/// Resident bytes once what was freed has had the time to be given back.
async fn resident_later(process: &Process) -> f64 {
    tokio::time::sleep(Duration::from_secs(5)).await;
    resident(process).0
}

struct Cost {
    cpu: f64,
    elapsed: f64,
    bytes: usize,
}

/// Scrapes in every variant, one after the other; medians of what a scrape took of the exporter's process.
async fn scrapes(exporter: &Exporter, process: &Process) -> Vec<(&'static str, Cost)> {
    let mut samples = vec![(Vec::new(), Vec::new(), 0); VARIANTS.len()];
    for _ in 0..15 {
        for ((_, accept, encoding), (cpus, elapsed, bytes)) in VARIANTS.iter().zip(&mut samples) {
            let before = cpu(process);
            let (length, took) = exporter.scrape(accept, encoding).await.unwrap();
            cpus.push((cpu(process) - before).as_secs_f64());
            elapsed.push(took.as_secs_f64());
            *bytes = length;
        }
    }
    let medians = samples.into_iter().map(|(cpus, elapsed, bytes)| Cost {
        cpu: median(cpus),
        elapsed: median(elapsed),
        bytes,
    });
    VARIANTS.iter().map(|variant| variant.0).zip(medians).collect()
}

/// From exec to the last byte of the first scrape, with as many flows as the example configuration.
async fn start() {
    let simulator = upstream(4).await;
    let mut plain = Vec::new();
    let mut tls = Vec::new();
    for _ in 0..10 {
        plain.push(first_scrape(&simulator.url()).await);
        // Nobody answers there, but everything that TLS needs is prepared.
        tls.push(first_scrape("https://127.0.0.1:9/v3").await);
    }
    let size = std::fs::metadata(binary()).unwrap().len() as f64;
    println!("\n| | measured | aimed at |");
    println!("|---|--:|--:|");
    println!(
        "| from exec to the first scrape, vendor over http, ms | {:.1} | < 100 |",
        median(plain) * 1e3
    );
    println!(
        "| from exec to the first scrape, vendor over https, ms | {:.1} | < 100 |",
        median(tls) * 1e3
    );
    println!("| release binary, MB | {:.1} | < 12 |", size / 1e6);
}

async fn first_scrape(base_url: &str) -> f64 {
    let begin = Instant::now();
    let exporter = Exporter::start(base_url, 4, SLOW);
    while exporter.scrape(CLASSIC, "identity").await.is_none() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    begin.elapsed().as_secs_f64()
}

fn main() {
    // Not where `cargo test --benches` only wants to see that it runs.
    if std::env::args().any(|argument| argument == "--bench") {
        runtime().block_on(async {
            start().await;
            memory().await;
            afterwards().await;
        });
    }
}
