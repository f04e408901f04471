//! Bugs: of one poll, and of the scheduler itself.

use std::sync::atomic::Ordering;

use laaffic_exporter::poll::PollError;

use testkit::world::{MINUTE, Setup, World, still};

#[tokio::test(start_paused = true)]
async fn a_panic_costs_one_poll_and_is_counted() {
    let world = World::start(vec![Setup::new("main", vec![still(1), still(2)])]);
    world.pass(MINUTE * 2).await;
    world.wire.cursed.store(true, Ordering::Relaxed);
    world.pass(MINUTE / 2).await;
    let scrape = world.scrape();
    assert_eq!(scrape.get("laaffic_exporter_poll_panics_total"), Some(1.0));
    assert_eq!(
        [1, 2]
            .iter()
            .filter(|key| scrape.error(**key).as_deref() == Some("other"))
            .count(),
        1
    );
    world.pass(MINUTE).await;
    let scrape = world.scrape();
    assert!([1, 2].iter().all(|key| scrape.flow("up", *key) == Some(1.0)));
    assert_eq!(scrape.get("laaffic_exporter_poll_panics_total"), Some(1.0));
}

#[tokio::test(start_paused = true)]
async fn a_scheduler_that_stops_ends_the_polling_with_an_error() {
    let setups = vec![Setup::new("main", vec![still(1)]), Setup::new("other", vec![still(1)])];
    let (world, polling) = World::start_supervised(setups);
    world.pass(MINUTE * 2).await;
    assert!(!polling.is_finished());
    world.calendar.broken.store(true, Ordering::Relaxed);
    let ended = tokio::time::timeout(MINUTE * 2, polling)
        .await
        .expect("polling goes on without its scheduler");
    assert!(matches!(ended.unwrap(), Err(PollError::Stopped)));
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_polling_at_once_even_with_requests_under_way() {
    let (world, polling) = World::start_supervised(vec![Setup::new("main", vec![still(1)])]);
    testkit::world::everywhere(
        &world,
        laaffic_simulator::FaultPlan::always(laaffic_simulator::Fault::NeverAnswers),
    );
    world.pass(MINUTE / 60).await;
    drop(world);
    let before = tokio::time::Instant::now();
    assert!(polling.await.unwrap().is_ok());
    assert!(before.elapsed().is_zero());
}
