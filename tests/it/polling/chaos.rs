//! Everything at once, with a fixed seed: what went wrong is counted exactly, and nobody is forgotten.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use exporter_toolkit::clock::SharedClock;
use laaffic_simulator::{Fault, FaultPlan, Flow, Latency, Scope, Settings, WeightedFault};
use tokio::time::Instant;

use testkit::process::{in_a_process_of_its_own, is_in_a_process_of_its_own};
use testkit::world::{Calendar, MINUTE, Polling, Samples, Setup, World, vendor_account};

const ACCOUNTS: [&str; 3] = ["main", "second", "third"];
const SEED: u64 = 20_261_122;

/// The exporter's polls, more of them than a busy account makes in a week.
const POLLS: u64 = 200_000;

/// Every fault there is with the same small chance, so that about a third of all requests go wrong.
fn every_fault() -> FaultPlan {
    let faults: Vec<_> = Fault::all().into_iter().filter(|fault| !refuses_us(fault)).collect();
    let probability = 0.3 / faults.len() as f64;
    FaultPlan {
        faults: faults
            .into_iter()
            .map(|fault| WeightedFault { probability, fault })
            .collect(),
        times: None,
    }
}

/// Refusals come in a storm of their own: mixed into everything they would block the accounts for most of the time.
fn refuses_us(fault: &Fault) -> bool {
    matches!(fault, Fault::Code { code: -1 | -2, .. })
}

fn world() -> (World, Polling) {
    let flows = |from: u64| (from..).take(67).map(Flow::seeded).collect();
    let setups: Vec<_> = ACCOUNTS
        .into_iter()
        .zip([1000, 2000, 3000])
        .map(|(name, from)| Setup {
            poll_interval: Duration::from_secs(30),
            rate_limit: 5.0,
            ..Setup::new(name, flows(from))
        })
        .collect();
    let calendar = Arc::new(Calendar::default());
    let clock: SharedClock = calendar.clone();
    let settings = Settings {
        seed: SEED,
        speed: 10.0,
        latency: Latency {
            fixed_ms: 20,
            jitter_ms: 200,
        },
        faults: Some(every_fault()),
        accounts: setups.iter().map(vendor_account).collect(),
        ..Settings::default()
    };
    World::start_with(setups, settings, calendar, clock)
}

/// Polls begun so far: every request that is neither a retry nor a further page begins one.
fn polls(world: &World, scrape: &Samples) -> u64 {
    let others = scrape.sum("laaffic_api_retries_total") + world.wire.pages.load(Ordering::Relaxed) as f64;
    (scrape.sum("laaffic_api_requests_total") - others) as u64
}

/// Requests that the exporter counted, and those that the vendor saw or that were refused before it.
fn counted(world: &World) -> (u64, u64) {
    let vendor = world.vendor.counts();
    let made = vendor.requests - u64::from(vendor.in_flight) + world.wire.refused.load(Ordering::Relaxed);
    let exporter = world.scrape().sum("laaffic_api_requests_total") as u64;
    (exporter, made)
}

/// When each flow last had a poll end, while its account was healthy.
#[derive(Debug, Default)]
struct Patience {
    last: HashMap<String, (f64, Instant)>,
    longest: Duration,
}

impl Patience {
    /// Looks at every flow's request count at the vendor; a flow that was asked for since the last look has waited no longer.
    fn look(&mut self, world: &World, healthy: impl Fn(&str) -> bool) {
        let now = Instant::now();
        for (account, from) in ACCOUNTS.into_iter().zip([1000, 2000, 3000]) {
            for key_id in from..from + 67 {
                let requests = world
                    .vendor
                    .flow_counts(account, key_id)
                    .map_or(0, |counts| counts.requests) as f64;
                let last = self
                    .last
                    .entry(format!("{account}/{key_id}"))
                    .or_insert((requests, now));
                if last.0 != requests || !healthy(account) {
                    *last = (requests, now);
                }
                self.longest = self.longest.max(now - last.1);
            }
        }
    }
}

/// Resident memory of this process in bytes.
fn resident() -> u64 {
    let me = procfs::process::Process::myself().unwrap();
    me.statm().unwrap().resident * procfs::page_size()
}

/// In a process of its own, whose memory is this test's alone.
#[test]
fn every_request_is_counted_once_and_no_flow_is_forgotten() {
    in_a_process_of_its_own("polling::chaos::everything_at_once", []);
}

#[tokio::test(start_paused = true)]
async fn everything_at_once() {
    if !is_in_a_process_of_its_own() {
        return;
    }
    let (world, polling) = world();
    let mut patience = Patience::default();
    let mut blocked = 0.0;
    let mut halfway = 0;
    let mut minute = 0_u64;
    let mut polled = 0;
    while polled < POLLS {
        minute += 1;
        // Every hour: ten minutes of refused credentials in one account, then two minutes without any connection.
        let refused = Scope::Account("third".to_owned());
        match minute % 60 {
            20 => world
                .vendor
                .set_faults(&refused, Some(FaultPlan::always(Fault::code(-1))))
                .unwrap(),
            30 => world.vendor.set_faults(&refused, None).unwrap(),
            40 => world.wire.unplugged.store(true, Ordering::Relaxed),
            42 => world.wire.unplugged.store(false, Ordering::Relaxed),
            _ => {}
        }
        world.pass(MINUTE).await;
        let scrape = world.scrape();
        polled = polls(&world, &scrape);
        blocked += scrape.sum("laaffic_api_blocked");
        let unplugged = (40..=43).contains(&(minute % 60));
        let storm = (19..=32).contains(&(minute % 60));
        patience.look(&world, |account| !(unplugged || storm && account == "third"));
        if halfway == 0 && polled >= POLLS / 2 {
            halfway = resident();
        }
    }
    let full = resident();

    // What is under way is neither counted here nor there; it ends within a request's time when nothing new begins.
    let (exporter, made) = counted(&world);
    assert_eq!(
        exporter, made,
        "requests counted by the exporter, and requests that were made"
    );
    let answers: u64 = world.vendor.counts().answers.values().sum();
    assert!(answers >= POLLS);
    assert!(
        world.vendor.counts().answers.len() >= 20,
        "too few kinds of trouble: {:?}",
        world.vendor.counts().answers
    );
    assert!(blocked > 50.0, "the refusals blocked the account for {blocked} minutes");
    assert!(world.wire.refused.load(Ordering::Relaxed) > 500);

    // The longest interval of a flow here is that of one that is over: 15 minutes. Nobody waits twice that, give or take a look.
    assert!(patience.longest <= MINUTE * 31, "a flow waited {:?}", patience.longest);

    let growth = full as f64 / halfway as f64 - 1.0;
    assert!(
        growth < 0.05,
        "memory grew by {:.1} % in the second half",
        growth * 100.0
    );

    let stopping = Instant::now();
    drop(world);
    assert!(polling.await.unwrap().is_ok());
    assert!(stopping.elapsed() < Duration::from_secs(5));
}
