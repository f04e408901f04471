//! Probes without end: flows are polled all the same.

use std::sync::Arc;
use std::time::Duration;

use laaffic_exporter::model::KeyId;
use laaffic_exporter::pages::health::Health;
use laaffic_exporter::poll::ProbeError;
use laaffic_simulator::{Fault, FaultPlan, Latency, Scope};
use testkit::assertions::within;
use testkit::world::{MINUTE, Setup, World, still};
use tokio::time::Instant;

/// Of flows that are probed and not polled.
const PROBED: u64 = 10_001;

/// An account under such load.
#[derive(Debug, Clone, Copy)]
struct Load {
    what: &'static str,
    flows: u64,
    rate_limit: f64,
    max_concurrent_requests: usize,
    latency: Duration,
    /// The vendor answers no probe.
    hangs: bool,
    /// Clients ask for the same flow, or each for another one.
    same_flow: bool,
}

const DEFAULT: Load = Load {
    what: "the default limits",
    flows: 100,
    rate_limit: 5.0,
    max_concurrent_requests: 4,
    latency: Duration::ZERO,
    hangs: false,
    same_flow: false,
};

/// Asks back to back until dropped, as clients do that wait a second where they are told to wait.
async fn ask_back_to_back(world: &World, key_id: u64) {
    let key_id = KeyId::new(key_id).unwrap();
    loop {
        match world.prober.probe("main", key_id, Duration::from_secs(10)).await {
            Ok(_) => {}
            Err(ProbeError::Busy { .. }) => world.pass(Duration::from_secs(1)).await,
            Err(error) => panic!("{error}"),
        }
    }
}

/// The longest age of any flow, in its intervals, looked at every second; and whether polling passed for healthy.
async fn watch(world: &World, time: Duration) -> (f64, bool) {
    let health = Health::new(Arc::clone(&world.store));
    let (mut oldest, mut healthy) = (0.0_f64, true);
    let until = Instant::now() + time;
    while Instant::now() < until {
        world.pass(Duration::from_secs(1)).await;
        let snapshot = world.store.snapshot();
        for (account, flow) in snapshot
            .accounts
            .iter()
            .flat_map(|all| all.flows.iter().map(move |flow| (all, flow)))
        {
            let last = flow.known.map_or(world.started, |known| known.instant);
            let interval = snapshot.poll_interval(account, flow);
            oldest = oldest.max((snapshot.taken - last).as_secs_f64() / interval.as_secs_f64());
        }
        healthy &= health.healthy();
    }
    (oldest, healthy)
}

#[tokio::test(start_paused = true)]
async fn no_flow_grows_older_than_two_intervals_under_any_load_of_probes() {
    for load in [
        DEFAULT,
        Load {
            what: "all for one flow",
            same_flow: true,
            ..DEFAULT
        },
        Load {
            what: "almost all of the budget in use",
            flows: 290,
            ..DEFAULT
        },
        Load {
            what: "all of the budget in use",
            flows: 300,
            ..DEFAULT
        },
        Load {
            what: "more than the budget",
            flows: 450,
            ..DEFAULT
        },
        Load {
            what: "a slow rate",
            flows: 50,
            rate_limit: 1.0,
            ..DEFAULT
        },
        Load {
            what: "a slow vendor",
            latency: Duration::from_secs(2),
            ..DEFAULT
        },
        Load {
            what: "one at a time, and a slow vendor",
            flows: 50,
            max_concurrent_requests: 1,
            latency: Duration::from_millis(800),
            ..DEFAULT
        },
        Load {
            what: "no answer to probes",
            hangs: true,
            ..DEFAULT
        },
        Load {
            what: "no answer to probes, and one at a time",
            hangs: true,
            max_concurrent_requests: 1,
            ..DEFAULT
        },
    ] {
        let setup = |flows: Vec<u64>| Setup {
            rate_limit: load.rate_limit,
            max_concurrent_requests: load.max_concurrent_requests,
            ..Setup::new("main", flows.into_iter().map(still).collect())
        };
        let polled = || 1..=load.flows;
        let probed = || PROBED..PROBED + 30;
        let world = World::start(vec![setup(polled().chain(probed()).collect())]);
        world.reload(&[setup(polled().collect())]).await;
        world.vendor.set_latency(Latency {
            fixed_ms: load.latency.as_millis() as u32,
            jitter_ms: 0,
        });
        if load.hangs {
            for key_id in probed() {
                let scope = Scope::Flow("main".to_owned(), key_id);
                world
                    .vendor
                    .set_faults(&scope, Some(FaultPlan::always(Fault::NeverAnswers)))
                    .unwrap();
            }
        }
        let clients = probed().map(|key_id| ask_back_to_back(&world, if load.same_flow { PROBED } else { key_id }));
        let (oldest, healthy) = tokio::select! {
            watched = watch(&world, MINUTE * 8) => watched,
            _ = futures_util::future::join_all(clients) => unreachable!("clients ask for ever"),
        };
        println!("{}: {oldest:.2} intervals", load.what);
        within(load.what, oldest, ..=2.0);
        assert!(healthy, "{}", load.what);
        // And probes go on as well.
        let answered: u64 = probed().map(|key_id| world.arrivals("main", key_id).len() as u64).sum();
        println!("{}: {answered} probes in 8 minutes", load.what);
        within("probes in eight minutes", answered, 20..);
    }
}

#[tokio::test(start_paused = true)]
async fn probes_have_half_of_the_rate_where_polls_want_all_of_it() {
    // Everything is due at once, after the start.
    let setup = Setup {
        rate_limit: 5.0,
        max_concurrent_requests: 4,
        ..Setup::new("main", (1..=300).map(still).collect())
    };
    let world = World::start(vec![setup]);
    let clients = (1..=30).map(|key_id| ask_back_to_back(&world, key_id));
    tokio::select! {
        () = world.pass(Duration::from_secs(25)) => {}
        _ = futures_util::future::join_all(clients) => unreachable!("clients ask for ever"),
    }
    let tried = (1..=300).filter(|key_id| !world.arrivals("main", *key_id).is_empty());
    let polls = tried.filter(|key_id| *key_id > 30).count();
    let all = world.vendor.account_counts("main").unwrap().requests;
    within("requests in 25 s", all, 125..=131);
    within("polls of them", polls + 30, 60..);
}
