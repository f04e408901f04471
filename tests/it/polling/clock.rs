//! A host whose clock is off.

use std::time::Duration;

use laaffic_simulator::{Fault, FaultPlan};

use testkit::world::{MINUTE, Setup, World, everywhere, still};

const DAY: i64 = 86_400;

fn off_by(seconds: i64) -> FaultPlan {
    FaultPlan::always(Fault::ClockOffset { seconds })
}

#[tokio::test(start_paused = true)]
async fn a_clock_a_day_off_costs_one_refusal_and_everything_works() {
    for seconds in [DAY, -DAY] {
        let world = World::start(vec![Setup::new("main", vec![still(12)])]);
        everywhere(&world, off_by(seconds));
        world.pass(MINUTE * 30).await;
        let scrape = world.scrape();
        assert_eq!(scrape.flow("up", 12), Some(1.0));
        assert_eq!(scrape.errors(-16, "timestamp_expired"), Some(1.0));
        assert_eq!(scrape.retries(), 1.0);
        let skew = scrape.account("api_clock_skew_seconds").unwrap();
        assert!((skew - seconds as f64).abs() <= 1.0, "{skew}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_retry_follows_at_once() {
    let world = World::start(vec![Setup::new("main", vec![still(12)])]);
    everywhere(&world, off_by(DAY));
    world.pass(Duration::from_millis(10)).await;
    assert_eq!(world.arrivals("main", 12).len(), 2);
    assert_eq!(world.scrape().flow("up", 12), Some(1.0));
}

#[tokio::test(start_paused = true)]
async fn the_correction_moves_with_the_clocks_and_goes_when_they_agree() {
    let world = World::start(vec![Setup::new("main", vec![still(12)])]);
    for (seconds, refusals) in [
        (DAY, 1.0),
        (DAY + 900, 1.0),
        (DAY + 900 + 1500, 1.0),
        (0, 2.0),
        (0, 2.0),
        (3600, 3.0),
    ] {
        everywhere(&world, off_by(seconds));
        world.pass(MINUTE * 5).await;
        let scrape = world.scrape();
        assert_eq!(scrape.flow("up", 12), Some(1.0), "{seconds} s off");
        // A drift within what the vendor accepts is followed without being refused; a jump is refused once.
        assert_eq!(
            scrape.errors(-16, "timestamp_expired"),
            Some(refusals),
            "{seconds} s off"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_vendor_that_refuses_its_own_time_is_not_asked_again_at_once() {
    let world = World::start(vec![Setup::new("main", vec![still(12)])]);
    everywhere(&world, FaultPlan::always(Fault::code(-16)));
    world.pass(MINUTE * 5).await;
    let scrape = world.scrape();
    assert_eq!(scrape.retries(), 0.0);
    assert_eq!(scrape.error(12).as_deref(), Some("timestamp_expired"));
}

#[tokio::test(start_paused = true)]
async fn a_skew_that_the_vendor_accepts_is_shown_and_left_alone() {
    let world = World::start(vec![Setup::new("main", vec![still(12)])]);
    everywhere(&world, off_by(600));
    world.pass(MINUTE * 5).await;
    let scrape = world.scrape();
    assert_eq!(scrape.errors(-16, "timestamp_expired"), Some(0.0));
    let skew = scrape.account("api_clock_skew_seconds").unwrap();
    assert!((skew - 600.0).abs() <= 1.0, "{skew}");
}
