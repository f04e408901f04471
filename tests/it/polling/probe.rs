//! One flow out of turn.

use std::time::Duration;

use exporter_toolkit::exposition::Format;
use laaffic_exporter::metrics::{Exposition, probe_registry};
use laaffic_exporter::model::KeyId;
use laaffic_exporter::poll::Probed;
use laaffic_simulator::{Fault, FaultPlan, FlowState, Latency};
use tokio::time::Instant;

use testkit::assertions::within;
use testkit::world::{MINUTE, Samples, Setup, World, code, everywhere, still, with_status};

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
    let registry = probe_registry(probed.result.is_ok(), probed.duration);
    let exposition = Exposition::of_flows(&registry, probed.snapshot.clone(), Format::Classic).unwrap();
    (probed, Samples::read(exposition))
}

#[tokio::test(start_paused = true)]
async fn a_flow_that_is_not_configured_is_shown_as_if_it_were() {
    let world = world(1000.0).await;
    let before = world.arrivals("main", 15).len();
    let (probed, samples) = probe(&world, 15).await;
    assert!(probed.result.is_ok());
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
    assert!(probed.result.is_err());
    assert_eq!(samples.get("laaffic_probe_success"), Some(0.0));
    assert_eq!(samples.error(99).as_deref(), Some("parameter_exception"));
    assert_eq!(samples.flow("up", 99), Some(0.0));
    let nobody = world.prober.probe("nobody", KeyId::new(1).unwrap(), TIMEOUT);
    assert!(nobody.await.is_err());
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_longer_than_he_will() {
    let world = world(1000.0).await;
    everywhere(&world, FaultPlan::always(Fault::NeverAnswers));
    let started = Instant::now();
    let (probed, samples) = probe(&world, 7).await;
    assert!(probed.result.is_err());
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
    assert!(answers.iter().any(|(probed, _)| probed.result.is_err()));
    assert!(answers.iter().filter(|(probed, _)| probed.result.is_ok()).count() >= 7);
}

#[tokio::test(start_paused = true)]
async fn refused_probes_block_the_account_and_a_blocked_account_is_not_asked() {
    let world = world(1000.0).await;
    // No poll comes in between.
    world.pass(Duration::from_secs(1)).await;
    everywhere(&world, FaultPlan::always(code(-1)));
    for _ in 0..3 {
        let (_, samples) = probe(&world, 15).await;
        assert_eq!(samples.error(15).as_deref(), Some("authentication_error"));
    }
    assert_eq!(world.scrape().account("api_blocked"), Some(1.0));
    let before = world.vendor.account_counts("main").unwrap().requests;
    assert_eq!(probe(&world, 15).await.1.error(15).as_deref(), Some("blocked"));
    assert_eq!(world.vendor.account_counts("main").unwrap().requests, before);
}

#[tokio::test(start_paused = true)]
async fn an_account_without_flows_tries_a_minute_later_whether_it_is_still_refused() {
    let world = World::start(vec![Setup::new("main", vec![still(15)])]);
    world.reload(&[Setup::new("main", Vec::new())]).await;
    world.pass(MINUTE).await;
    everywhere(&world, FaultPlan::always(code(-1)));
    for _ in 0..3 {
        probe(&world, 15).await;
    }
    assert_eq!(probe(&world, 15).await.1.error(15).as_deref(), Some("blocked"));
    everywhere(&world, None);
    world.pass(MINUTE).await;
    assert!(probe(&world, 15).await.0.result.is_ok());
    assert_eq!(world.scrape().account("api_blocked"), Some(0.0));
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_was_sent_is_counted_and_learnt_from_though_its_client_went_away() {
    let world = world(1000.0).await;
    world.pass(Duration::from_secs(1)).await;
    everywhere(&world, FaultPlan::always(code(-1)));
    world.vendor.set_latency(Latency {
        fixed_ms: 2000,
        jitter_ms: 0,
    });
    let before = world.scrape().errors(-1, "authentication_error").unwrap();
    for _ in 0..3 {
        let probing = tokio::time::timeout(Duration::from_millis(100), probe(&world, 15));
        assert!(probing.await.is_err());
    }
    world.pass(Duration::from_secs(2)).await;
    let scrape = world.scrape();
    assert_eq!(scrape.errors(-1, "authentication_error"), Some(before + 3.0));
    assert_eq!(scrape.account("api_blocked"), Some(1.0));
    let counts = world.vendor.account_counts("main").unwrap();
    assert_eq!(scrape.sum("laaffic_api_requests_total"), counts.requests as f64);
}

#[tokio::test(start_paused = true)]
async fn a_failed_probe_shows_no_old_state() {
    let world = world(1000.0).await;
    let configured = world.scrape();
    assert_eq!(configured.flow("status_code", 7), Some(1.0));
    everywhere(&world, FaultPlan::always(code(-22)));
    let (_, samples) = probe(&world, 7).await;
    for family in [
        "status_code",
        "status_since_timestamp_seconds",
        "nodes_truncated",
        "recall_attempts",
    ] {
        assert_eq!(samples.flow(family, 7), None, "{family}");
    }
    assert_eq!(samples.sum("laaffic_redial_flow_status"), 0.0);
    assert_eq!(samples.sum("laaffic_redial_flow_nodes"), 0.0);
    assert_eq!(samples.flow("up", 7), Some(0.0));
    // The exporter keeps what it knows.
    assert_eq!(world.scrape().flow("status_code", 7), Some(1.0));
}

#[tokio::test(start_paused = true)]
async fn a_probe_counts_no_transition_of_its_own() {
    let world = world(1000.0).await;
    world.vendor.pin("main", 7, FlowState::with_nodes(4, &[4])).unwrap();
    let (_, samples) = probe(&world, 7).await;
    assert_eq!(samples.flow("status_code", 7), Some(4.0));
    assert_eq!(samples.flow("exceptions_total", 7), Some(0.0));
    assert_eq!(world.scrape().sum("laaffic_redial_flow_status_transitions_total"), 0.0);
}

#[tokio::test(start_paused = true)]
async fn a_probe_shows_the_interval_in_force() {
    let mut flows: Vec<_> = (1..=60).map(still).collect();
    flows.push(with_status(61, 2));
    let setup = Setup {
        rate_limit: 0.5,
        ..Setup::new("main", flows)
    };
    let world = World::start(vec![setup]);
    world.pass(MINUTE * 30).await;
    let scrape = world.scrape();
    for key_id in [7, 61] {
        let in_force = scrape.flow("poll_interval_seconds", key_id);
        assert!(in_force > Some(119.0));
        let shown = async || probe(&world, key_id).await.1.flow("poll_interval_seconds", key_id);
        assert_eq!(shown().await, in_force);
        // Whatever becomes of the probe, and whatever it finds.
        let cancelled = FlowState::with_nodes(3, &[2]);
        world.vendor.pin("main", key_id, cancelled).unwrap();
        assert_eq!(shown().await, in_force);
        everywhere(&world, FaultPlan::always(code(-22)));
        assert_eq!(shown().await, in_force);
        everywhere(&world, None);
    }
}

#[tokio::test(start_paused = true)]
async fn polls_keep_their_place_in_the_queue_however_many_probes_there_are() {
    let world = world(1.0).await;
    world.vendor.reset_counts();
    let waits = (0..1200).map(|number| tokio::time::sleep(Duration::from_millis(100) * number));
    let probes = waits.map(|wait| async {
        wait.await;
        probe(&world, 15).await;
    });
    futures_util::future::join_all(probes).await;
    let polls: usize = (1..=10).map(|key| world.arrivals("main", key).len()).sum();
    within("polls in two minutes", polls, 10..);
}
