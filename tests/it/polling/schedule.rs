//! When which flow is asked for.

use std::time::Duration;

use laaffic_simulator::{Fault, FaultPlan};
use testkit::assertions::within;
use testkit::world::{MINUTE, Setup, World, code, every_minute, everywhere, gaps, still, with_status};

#[tokio::test(start_paused = true)]
async fn every_flow_is_polled_at_once_and_then_on_its_interval() {
    let world = World::start(vec![Setup::new("main", (1..=20).map(still).collect())]);
    world.pass(MINUTE * 20).await;
    for key_id in 1..=20 {
        let arrivals = world.arrivals("main", key_id);
        within("first poll", arrivals[0], ..Duration::from_secs(1));
        let gaps = gaps(&arrivals);
        within("first gap", gaps[0], MINUTE / 2..MINUTE * 3 / 2);
        every_minute(key_id, &gaps[1..]);
    }
    // 20 flows once, then 20 a minute: phases are spread, so no minute differs.
    let counts = world.vendor.account_counts("main").unwrap();
    within("requests", counts.requests, 400..=420);
}

#[tokio::test(start_paused = true)]
async fn a_flow_that_is_over_is_polled_less_often_and_a_broken_one_is_not() {
    let flows = vec![with_status(2, 2), with_status(3, 3), with_status(4, 4)];
    let world = World::start(vec![Setup::new("main", flows)]);
    world.pass(MINUTE * 61).await;
    let scrape = world.scrape();
    for key_id in [2, 3] {
        assert!((4..=6).contains(&world.arrivals("main", key_id).len()));
        assert_eq!(scrape.flow("poll_interval_seconds", key_id), Some(900.0));
    }
    assert!((60..=62).contains(&world.arrivals("main", 4).len()));
    assert_eq!(scrape.flow("poll_interval_seconds", 4), Some(60.0));
}

#[tokio::test(start_paused = true)]
async fn intervals_stretch_evenly_where_the_rate_does_not_suffice() {
    let setup = Setup {
        rate_limit: 2.0,
        ..Setup::new("main", (1..=360).map(still).collect())
    };
    let world = World::start(vec![setup]);
    world.pass(MINUTE * 60).await;
    let scrape = world.scrape();
    assert_eq!(scrape.account("exporter_poll_budget_ratio"), Some(3.0));
    let mut longest = Duration::ZERO;
    for key_id in 1..=360 {
        assert_eq!(scrape.flow("poll_interval_seconds", key_id), Some(180.0));
        let gaps = gaps(&world.arrivals("main", key_id));
        within("gaps in an hour", gaps.len(), 17..);
        longest = longest.max(*gaps.iter().max().unwrap());
    }
    within("longest of all, in two effective intervals", longest, ..=MINUTE * 6);
}

#[tokio::test(start_paused = true)]
async fn no_second_sees_more_than_rate_and_burst_retries_included() {
    let setup = Setup {
        rate_limit: 5.0,
        poll_interval: Duration::from_secs(5),
        ..Setup::new("main", (1..=60).map(still).collect())
    };
    let world = World::start(vec![setup]);
    everywhere(&world, FaultPlan::mix([(0.5, code(-18))]));
    world.pass(MINUTE * 10).await;
    let arrivals: Vec<_> = world
        .vendor
        .arrivals("main")
        .unwrap()
        .iter()
        .map(|arrival| arrival.at)
        .collect();
    assert!(world.scrape().retries() > 100.0);
    for (index, start) in arrivals.iter().enumerate() {
        let within = arrivals[index..]
            .iter()
            .take_while(|at| **at - *start < Duration::from_secs(1))
            .count();
        assert!(within <= 10, "{within} requests within a second at rate 5");
    }
    // And the rate is used to the full: 5 a second for 600 seconds, and the first second's burst.
    assert!((2950..=3005).contains(&arrivals.len()), "{}", arrivals.len());
}

#[tokio::test(start_paused = true)]
async fn no_more_requests_at_once_than_allowed_and_polls_of_a_flow_never_overlap() {
    let setup = Setup {
        max_concurrent_requests: 3,
        poll_interval: Duration::from_secs(2),
        ..Setup::new("main", (1..=12).map(still).collect())
    };
    let world = World::start(vec![setup]);
    everywhere(&world, FaultPlan::always(Fault::Delay { milliseconds: 4000 }));
    world.pass(MINUTE * 5).await;
    assert_eq!(world.vendor.account_counts("main").unwrap().max_concurrent, 3);
    for key_id in 1..=12 {
        let counts = world.vendor.flow_counts("main", key_id).unwrap();
        assert_eq!(counts.max_concurrent, 1);
        // Three at once, 4 s each: 0.75 a second shared by twelve, oldest due first, so all get the same.
        within("polls of a flow", counts.requests, 17..=20);
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_max_concurrent_requests_holds_for_what_is_under_way_too() {
    let setup = |max_concurrent_requests| Setup {
        max_concurrent_requests,
        poll_interval: Duration::from_secs(2),
        ..Setup::new("main", (1..=12).map(still).collect())
    };
    let world = World::start(vec![setup(4)]);
    everywhere(&world, FaultPlan::always(Fault::Delay { milliseconds: 4000 }));
    for max_concurrent in [2, 4, 1, 3, 1] {
        world.pass(Duration::from_secs(1)).await;
        world.reload(&[setup(max_concurrent)]).await;
        world.pass(Duration::from_secs(1)).await;
        let counts = world.vendor.account_counts("main").unwrap();
        assert!(counts.max_concurrent <= 4, "{} at once", counts.max_concurrent);
    }
    // What began before has ended; one at a time is left.
    world.pass(Duration::from_secs(20)).await;
    world.vendor.reset_counts();
    world.pass(MINUTE).await;
    let counts = world.vendor.account_counts("main").unwrap();
    assert!(counts.max_concurrent <= 1 && counts.requests >= 14, "{counts:?}");
}
