//! What polling costs, and what it costs the scrapes.
//!
//! `cargo bench --bench poll` measures the release binary against a simulated upstream in this process. The yardstick is this very
//! program started again as a loop that does nothing but sign, send and decode the same requests. `-- --polls`, `-- --scrapes` and
//! `-- --lists` print one of the three tables alone.

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

use std::process::{Child, Command};
use std::time::Duration;

use exporter_toolkit::clock::{Clock, SystemClock, unix_seconds};
use laaffic_exporter::api::{decode, sign};
use laaffic_simulator::{Simulator, Vendor};
use procfs::process::Process;
use support::{ACCOUNTS, API_KEY, API_SECRET, Exporter, Pace, cpu, median, runtime, upstream};
use tokio::time::{Instant, MissedTickBehavior};

const FLOWS: u64 = 10_000;
const CONCURRENT: u64 = 8;
const WINDOW: Duration = Duration::from_secs(2);
const ROUNDS: usize = 7;
/// Requests a second: more than can be made.
const FULL_SPEED: f64 = 1e6;

/// The loop to compare with: as many tasks, each of which asks for one flow after the other, all accounts' flows in turn.
async fn bare(base_url: String, rate: f64) {
    let client = reqwest::Client::builder()
        .no_proxy()
        .tcp_nodelay(true)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let url = format!("{base_url}/voice/recallFlow/queryDetail");
    let tasks = (0..CONCURRENT).map(|task| {
        let (client, url) = (client.clone(), url.clone());
        tokio::spawn(async move {
            let api_key = format!("{API_KEY}{}", task % 2);
            // Spread evenly, as the exporter's polls are: requests that go out together share the cost of waking up.
            let first = Instant::now() + Duration::from_secs_f64(task as f64 / rate);
            let mut tick = tokio::time::interval_at(first, Duration::from_secs_f64(CONCURRENT as f64 / rate));
            tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
            for turn in 0.. {
                if rate < 1e5 {
                    tick.tick().await;
                }
                let timestamp = unix_seconds(SystemClock.now()) as u64;
                let request = client
                    .post(&url)
                    .header("accept", "application/json")
                    .header("content-type", "application/json;charset=UTF-8")
                    .header("api-key", &api_key)
                    .header("sign", sign(&api_key, API_SECRET, timestamp))
                    .header("timestamp", timestamp)
                    .body(format!(r#"{{"keyId":{}}}"#, turn % (FLOWS / 2) + 1));
                let answer = request.send().await.unwrap().bytes().await.unwrap();
                std::hint::black_box(decode(&answer).unwrap());
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
}

struct Bare(Child);

impl Bare {
    fn start(base_url: &str, rate: f64) -> Self {
        let program = std::env::current_exe().unwrap();
        let child = Command::new(program)
            .args(["--bare", base_url, &rate.to_string()])
            .spawn();
        Self(child.unwrap())
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// CPU seconds of a process for each request that the upstream saw during the window, and how many came a second.
async fn per_request(process: &Process, vendor: &Vendor) -> (f64, f64) {
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (requests, spent, begin) = (vendor.counts().requests, cpu(process), Instant::now());
    tokio::time::sleep(WINDOW).await;
    let (requests, spent) = (vendor.counts().requests - requests, cpu(process) - spent);
    (
        spent.as_secs_f64() / requests as f64,
        requests as f64 / begin.elapsed().as_secs_f64(),
    )
}

/// Both sides in turn, at full speed and at a usual pace.
async fn cost() {
    println!(
        "\n| pace | requests a second: bare, exporter | CPU µs a request: bare | exporter | exporter ÷ bare | spread | aimed at |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|");
    for (name, rate, aim) in [("full speed", FULL_SPEED, 1.1), ("300 a second", 300.0, 1.2)] {
        let simulator = upstream(FLOWS).await;
        let pace = Pace {
            interval: "1ms",
            rate,
            concurrent: CONCURRENT,
        };
        let (mut bare, mut ours, mut rates) = (Vec::new(), Vec::new(), [0.0; 2]);
        for _ in 0..ROUNDS {
            let child = Bare::start(&simulator.url(), rate);
            let process = Process::new(child.0.id().cast_signed()).unwrap();
            let (cost, reached) = per_request(&process, simulator.vendor()).await;
            bare.push(cost);
            rates[0] = reached;
            drop(child);
            // Each flow has been polled once: the first poll of all takes memory for what it learns, and does so once.
            let exporter = Exporter::start(
                &simulator.url(),
                FLOWS,
                Pace {
                    rate: FULL_SPEED,
                    ..pace
                },
            );
            exporter.ready().await;
            exporter.reload(&simulator.url(), FLOWS, pace, "collections").await;
            let (cost, reached) = per_request(&exporter.process(), simulator.vendor()).await;
            ours.push(cost);
            rates[1] = reached;
        }
        assert_all_answered(&simulator);
        let ratios: Vec<_> = ours.iter().zip(&bare).map(|(ours, bare)| ours / bare).collect();
        let least = ratios.iter().copied().fold(f64::MAX, f64::min);
        let most = ratios.iter().copied().fold(0.0, f64::max);
        println!(
            "| {name} | {:.0}, {:.0} | {:.1} | {:.1} | {:.2} | {least:.2}–{most:.2} | ≤ {aim} |",
            rates[0],
            rates[1],
            median(bare) * 1e6,
            median(ours) * 1e6,
            median(ratios),
        );
    }
}

/// A refusal would be cheaper than an answer, and the comparison would mean nothing.
fn assert_all_answered(simulator: &Simulator) {
    let counts = simulator.vendor().counts();
    let refused: u64 = counts
        .answers
        .iter()
        .filter(|(name, _)| *name != "success")
        .map(|(_, count)| count)
        .sum();
    assert!(refused <= counts.abandoned, "{counts:?}");
}

/// Scrapes of 10,000 flows in turns of a few seconds: while the program polls 300 times a second, and from one that does not poll.
async fn disturbance() {
    let simulator = upstream(FLOWS).await;
    let pace = |interval, rate| Pace {
        interval,
        rate,
        concurrent: CONCURRENT,
    };
    let idle = Exporter::start(&simulator.url(), FLOWS, pace("3h", FULL_SPEED));
    idle.ready().await;
    let busy = Exporter::start(&simulator.url(), FLOWS, pace("1s", 300.0));
    busy.ready().await;
    println!(
        "\n| scrape of 10,000 flows | ms p50: not polling | 300 polls a second | ms p99: not polling | 300 polls a second | p99 ÷ p99 | aimed at |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|");
    for encoding in ["identity", "gzip"] {
        let mut samples = [Vec::new(), Vec::new()];
        for _ in 0..4 {
            for (index, exporter) in [&idle, &busy].into_iter().enumerate() {
                // The one that polls must not take the cores from the other.
                signal(&busy, if index == 0 { "-STOP" } else { "-CONT" });
                tokio::time::sleep(Duration::from_secs(1)).await;
                let end = Instant::now() + Duration::from_secs(5);
                while Instant::now() < end {
                    let (_, took) = exporter.scrape("text/plain;version=0.0.4", encoding).await.unwrap();
                    samples[index].push(took.as_secs_f64() * 1e3);
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        }
        let [idle, busy] = samples.map(|mut samples| {
            samples.sort_unstable_by(f64::total_cmp);
            (samples[samples.len() / 2], samples[samples.len() * 99 / 100])
        });
        let ratio = busy.1 / idle.1;
        println!(
            "| {encoding} | {:.1} | {:.1} | {:.1} | {:.1} | {ratio:.2} | ≤ 2 |",
            idle.0, busy.0, idle.1, busy.1
        );
    }
    let megabytes = |exporter: &Exporter| exporter.process().status().unwrap().vmrss.unwrap() as f64 * 1024.0 / 1e6;
    println!(
        "\nResident after all that: {:.1} MB not polling, {:.1} MB polling.",
        megabytes(&idle),
        megabytes(&busy)
    );
}

/// Flows that are found in the list: what reading it costs for each, once all have been looked at.
async fn lists() {
    println!(
        "\n| discovered flows | requests a list | CPU µs a flow and list | spread | resident MB | kB a flow | aimed at |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|");
    let mut without = 0.0;
    for flows in [2, FLOWS] {
        let simulator = upstream(flows).await;
        let exporter = Exporter::on(&finding(&simulator.url(), flows, "1s"));
        exporter.ready().await;
        let counts = || simulator.vendor().counts().requests;
        // Everything has been looked at once when no more goes out than the lists.
        let a_list = ACCOUNTS * (flows / ACCOUNTS).div_ceil(100);
        loop {
            let before = counts();
            tokio::time::sleep(Duration::from_secs(2)).await;
            if counts() - before <= 3 * a_list {
                break;
            }
        }
        let process = exporter.process();
        let mut costs = Vec::new();
        for _ in 0..ROUNDS {
            let (requests, spent) = (counts(), cpu(&process));
            tokio::time::sleep(Duration::from_secs(3)).await;
            let listed = (counts() - requests) as f64 / a_list as f64 * flows as f64;
            costs.push((cpu(&process) - spent).as_secs_f64() * 1e6 / listed);
        }
        // As often as by default: what a list takes while it is read is given back in between.
        exporter.reload_as(&finding(&simulator.url(), flows, "1m")).await;
        tokio::time::sleep(Duration::from_secs(20)).await;
        let (bytes, _) = exporter.scrape("text/plain;version=0.0.4", "identity").await.unwrap();
        assert!(
            bytes > usize::try_from(flows).unwrap() * 1000,
            "{bytes} bytes of {flows} flows"
        );
        let resident = process.status().unwrap().vmrss.unwrap() as f64 * 1024.0 / 1e6;
        if flows == 2 {
            without = resident;
            continue;
        }
        let least = costs.iter().copied().fold(f64::MAX, f64::min);
        let most = costs.iter().copied().fold(0.0, f64::max);
        println!(
            "| {flows} | {a_list} | {:.2} | {least:.2}–{most:.2} | {resident:.1} | {:.2} | ≤ 3 µs, ≤ 12 MB + 1.5 kB a flow |",
            median(costs),
            (resident - without) * 1e3 / flows as f64,
        );
    }
}

/// Lists at this interval, and no flow by itself more than once.
fn finding(base_url: &str, flows: u64, interval: &str) -> String {
    let account = |number| {
        format!(
            "  - name: account-{number}
    base_url: {base_url}
    api_key: {API_KEY}{number}
    api_secret: {API_SECRET}
    rate_limit: {FULL_SPEED}
    discovery:
      interval: {interval}
      max_flows: {flows}
      rules: [{{match: '(?P<team>[a-z]+)-.*', labels: {{team: $team}}, node_interval: 3h}}]
"
        )
    };
    let accounts: String = (0..ACCOUNTS).map(account).collect();
    format!("accounts:\n{accounts}")
}

fn signal(exporter: &Exporter, signal: &str) {
    let id = exporter.process().pid().to_string();
    assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
}

fn main() {
    let arguments: Vec<_> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--bare") {
        let (base_url, rate) = (arguments[at + 1].clone(), arguments[at + 2].parse().unwrap());
        runtime().block_on(bare(base_url, rate));
        return;
    }
    let asked = |flag: &str| arguments.iter().any(|argument| argument == flag);
    // Not where `cargo test --benches` only wants to see that it runs.
    let all = asked("--bench") && !["--polls", "--scrapes", "--lists"].into_iter().any(asked);
    runtime().block_on(async {
        if all || asked("--polls") {
            cost().await;
        }
        if all || asked("--scrapes") {
            disturbance().await;
        }
        if all || asked("--lists") {
            lists().await;
        }
    });
}
