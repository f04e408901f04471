//! What is shown of a flow that cannot be fetched any more.

use std::sync::atomic::Ordering;
use std::time::Duration;

use laaffic_simulator::{Fault, FaultPlan, FlowState};

use testkit::world::{MINUTE, Setup, World, code, everywhere, still};

const STATE: [&str; 5] = [
    "status_code",
    "status_since_timestamp_seconds",
    "nodes_truncated",
    "recall_attempts",
    "recall_interval_seconds",
];

#[tokio::test(start_paused = true)]
async fn state_stays_until_it_is_stale_and_comes_back_with_the_next_success() {
    let world = World::start(vec![Setup::new("main", vec![still(12)])]);
    world.pass(MINUTE * 2).await;
    world.vendor.pin("main", 12, FlowState::with_nodes(4, &[4])).unwrap();
    world.pass(MINUTE).await;
    everywhere(&world, FaultPlan::always(code(-22)));
    world.pass(MINUTE).await;
    let scrape = world.scrape();
    assert_eq!(scrape.flow("up", 12), Some(0.0));
    assert_eq!(scrape.error(12).as_deref(), Some("parameter_exception"));
    // Known state stays.
    assert!(STATE.iter().all(|family| scrape.flow(family, 12).is_some()));
    let last_success = scrape.flow("last_success_timestamp_seconds", 12);

    world.pass(MINUTE * 5).await;
    let scrape = world.scrape();
    // Stale state is gone.
    assert!(STATE.iter().all(|family| scrape.flow(family, 12).is_none()));
    assert_eq!(scrape.sum("laaffic_redial_flow_status"), 0.0);
    assert_eq!(scrape.sum("laaffic_redial_flow_info"), 1.0);
    assert_eq!(scrape.flow("up", 12), Some(0.0));
    assert_eq!(scrape.flow("poll_interval_seconds", 12), Some(60.0));
    assert_eq!(scrape.flow("last_success_timestamp_seconds", 12), last_success);
    assert_eq!(
        scrape.get("laaffic_redial_flows{account=\"main\",status=\"unknown\"}"),
        Some(1.0)
    );
    assert_eq!(scrape.flow("exceptions_total", 12), Some(1.0));

    world.vendor.pin("main", 12, FlowState::with_nodes(2, &[2])).unwrap();
    everywhere(&world, None);
    world.pass(MINUTE).await;
    let scrape = world.scrape();
    assert_eq!(scrape.flow("up", 12), Some(1.0));
    assert_eq!(scrape.error(12), None);
    assert_eq!(scrape.flow("status_code", 12), Some(2.0));
}

#[tokio::test(start_paused = true)]
async fn before_the_first_success_nothing_is_claimed() {
    let world = World::start(vec![Setup::new("main", vec![still(12)])]);
    world.wire.unplugged.store(true, Ordering::Relaxed);
    let scrape = world.scrape();
    assert_eq!(scrape.flow("up", 12), Some(0.0));
    assert_eq!(scrape.error(12), None);
    world.pass(MINUTE).await;
    let scrape = world.scrape();
    assert_eq!(scrape.error(12).as_deref(), Some("connect"));
    assert_eq!(scrape.flow("last_success_timestamp_seconds", 12), None);
    assert_eq!(
        scrape.requests("connect"),
        world.wire.refused.load(Ordering::Relaxed) as f64
    );
}

#[tokio::test(start_paused = true)]
async fn a_scrape_waits_for_nothing() {
    let world = World::start(vec![Setup::new("main", vec![still(12)])]);
    everywhere(&world, FaultPlan::always(Fault::NeverAnswers));
    world.pass(Duration::from_secs(1)).await;
    // No await in it: whatever the vendor does, a scrape reads what is there.
    assert_eq!(world.scrape().flow("up", 12), Some(0.0));
    assert_eq!(world.vendor.account_counts("main").unwrap().in_flight, 1);
}
