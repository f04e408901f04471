//! One flow out of turn.

use std::time::Duration;

use exporter_toolkit::exposition::Format;
use laaffic_exporter::metrics::{Exposition, probe_registry};
use laaffic_exporter::model::KeyId;
use laaffic_exporter::poll::Probed;
use laaffic_exporter::simulator::{Fault, Trouble};
use tokio::time::Instant;

use testkit::assertions::within;
use testkit::world::{MINUTE, Samples, Setup, World, code, everywhere, still};

const TIMEOUT: Duration = Duration::from_secs(9);

/// The vendor knows flows 1 to 20, the exporter watches 1 to 10.
async fn world(rate_limit: f64) -> World {
    let setup = |keys: std::ops::RangeInclusive<u64>| Setup {
        rate_limit,
        ..Setup::new("main", keys.map(still).collect())
    };
    let world = World::start(vec![setup(1..=20)]);
    world.reload(&[setup(1..=10)]).await;
    world.pass(MINUTE * 2).await;
    world
}

async fn probe(world: &World, key_id: u64) -> (Probed, Samples) {
    let key_id = KeyId::new(key_id).unwrap();
    let probed = world.prober.probe("main", key_id, TIMEOUT).await.unwrap();
    let registry = probe_registry(probed.success, probed.duration);
    let exposition = Exposition::of_flows(&registry, probed.snapshot.clone(), Format::Classic).unwrap();
    (probed, Samples::read(exposition))
}

#[tokio::test(start_paused = true)]
async fn a_flow_that_is_not_configured_is_shown_as_if_it_were() {
    let world = world(1000.0).await;
    let before = world.arrivals("main", 15).len();
    let (probed, samples) = probe(&world, 15).await;
    assert!(probed.success);
    assert_eq!(samples.get("laaffic_probe_success"), Some(1.0));
    assert!(samples.get("laaffic_probe_duration_seconds").is_some());
    assert_eq!(samples.flow("status_code", 15), Some(1.0));
    assert_eq!(samples.flow("up", 15), Some(1.0));
    assert_eq!(samples.sum("laaffic_redial_flow_nodes"), 3.0);
    // Nothing of the account as a whole.
    assert_eq!(samples.sum("laaffic_redial_flows"), 0.0);
    assert_eq!(world.arrivals("main", 15).len(), before + 1);
    assert_eq!(world.scrape().flow("up", 15), None, "a probe tracks nothing");
    assert!(world.scrape().requests("success") > 0.0);
}

#[tokio::test(start_paused = true)]
async fn a_configured_flow_keeps_what_the_exporter_saw_of_it() {
    let world = world(1000.0).await;
    let since = world.scrape().flow("status_since_timestamp_seconds", 7);
    let (_, samples) = probe(&world, 7).await;
    assert_eq!(samples.flow("status_since_timestamp_seconds", 7), since);
    assert_eq!(samples.flow("poll_interval_seconds", 7), Some(60.0));
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_told_with_its_reason() {
    let world = world(1000.0).await;
    let (probed, samples) = probe(&world, 99).await;
    assert!(!probed.success);
    assert_eq!(samples.get("laaffic_probe_success"), Some(0.0));
    assert_eq!(samples.error(99).as_deref(), Some("parameter_exception"));
    assert_eq!(samples.flow("up", 99), Some(0.0));
    let nobody = world.prober.probe("nobody", KeyId::new(1).unwrap(), TIMEOUT);
    assert!(nobody.await.is_err());
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_longer_than_he_will() {
    let world = world(1000.0).await;
    everywhere(&world, Trouble::always(Fault::NeverAnswers));
    let started = Instant::now();
    let (probed, samples) = probe(&world, 7).await;
    assert!(!probed.success);
    assert_eq!(samples.error(7).as_deref(), Some("timeout"));
    within("answer", started.elapsed(), ..=TIMEOUT + Duration::from_millis(2));
}

#[tokio::test(start_paused = true)]
async fn probes_go_through_the_accounts_limits() {
    let world = world(1.0).await;
    let before = world.vendor.account_counts("main").unwrap().requests;
    let probes = (0..30).map(|_| probe(&world, 15));
    let started = Instant::now();
    let answers = futures_util::future::join_all(probes).await;
    let sent = world.vendor.account_counts("main").unwrap().requests - before;
    let seconds = started.elapsed().as_secs_f64();
    within("requests at 1 a second", sent as f64, ..=seconds + 2.0);
    // 30 probes do not fit into 9 s.
    assert!(answers.iter().any(|(probed, _)| !probed.success));
    assert!(answers.iter().filter(|(probed, _)| probed.success).count() >= 7);
}

#[tokio::test(start_paused = true)]
async fn refused_probes_block_the_account_and_a_blocked_account_is_not_asked() {
    let world = world(1000.0).await;
    everywhere(&world, Trouble::always(code(-1)));
    for _ in 0..3 {
        assert_eq!(
            probe(&world, 15).await.1.error(15).as_deref(),
            Some("authentication_error")
        );
    }
    world.pass(Duration::from_millis(1)).await;
    assert_eq!(world.scrape().account("api_blocked"), Some(1.0));
    let before = world.vendor.account_counts("main").unwrap().requests;
    assert_eq!(probe(&world, 15).await.1.error(15).as_deref(), Some("blocked"));
    assert_eq!(world.vendor.account_counts("main").unwrap().requests, before);
}
