//! Refused credentials and addresses.

use std::time::Duration;

use laaffic_exporter::simulator::{Scope, Trouble};

use testkit::assertions::within;
use testkit::world::{MINUTE, Setup, World, code, still};

fn two_accounts() -> World {
    let flows = || (1..=10).map(still).collect();
    World::start(vec![Setup::new("main", flows()), Setup::new("other", flows())])
}

fn refuse(world: &World, trouble: Option<Trouble>) {
    world
        .vendor
        .set_trouble(&Scope::Account("main".to_owned()), trouble)
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn three_refusals_block_the_account_but_for_one_probe_a_minute() {
    for (number, reason) in [(-1, "authentication_error"), (-2, "restricted_ip_access")] {
        let world = two_accounts();
        world.pass(MINUTE * 3).await;
        refuse(&world, Some(Trouble::always(code(number))));
        world.pass(MINUTE).await;
        assert_eq!(world.scrape().account("api_blocked"), Some(1.0));
        assert_eq!(world.scrape().errors(number, reason), Some(3.0), "no more than it took");
        let before = world.vendor.account_counts("main").unwrap().requests;
        let other = world.vendor.account_counts("other").unwrap().requests;
        world.pass(MINUTE * 30).await;
        let probes = world.vendor.account_counts("main").unwrap().requests - before;
        assert!((29..=31).contains(&probes), "{probes} probes in 30 minutes");
        let scrape = world.scrape();
        let blocked = (1..=10)
            .filter(|key| scrape.error(*key).as_deref() == Some("blocked"))
            .count();
        assert!(blocked >= 9, "{blocked} of 10 flows say blocked");
        assert!((1..=10).all(|key| scrape.flow("up", key) == Some(0.0)));
        // The other account never notices.
        let other = world.vendor.account_counts("other").unwrap().requests - other;
        assert!((299..=301).contains(&other), "{other}");
        assert_eq!(scrape.get("laaffic_api_blocked{account=\"other\"}"), Some(0.0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_success_ends_the_block_and_polls_come_back_spread_out() {
    let world = two_accounts();
    refuse(&world, Some(Trouble::always(code(-1))));
    world.pass(MINUTE * 10).await;
    assert_eq!(world.scrape().account("api_blocked"), Some(1.0));
    refuse(&world, None);
    world.vendor.reset_counts();
    world.pass(MINUTE * 3).await;
    let scrape = world.scrape();
    assert_eq!(scrape.account("api_blocked"), Some(0.0));
    assert!((1..=10).all(|key| scrape.flow("up", key) == Some(1.0)));
    let arrivals: Vec<_> = world
        .vendor
        .arrivals("main")
        .unwrap()
        .iter()
        .map(|arrival| arrival.at)
        .collect();
    let busiest = arrivals
        .iter()
        .map(|start| {
            arrivals
                .iter()
                .filter(|at| **at >= *start && **at - *start < Duration::from_secs(10))
                .count()
        })
        .max();
    assert!(busiest <= Some(4), "{busiest:?} of 10 flows came back within 10 s");
}

#[tokio::test(start_paused = true)]
async fn refusals_that_do_not_follow_each_other_do_not_block() {
    let world = World::start(vec![Setup::new("main", (1..=3).map(still).collect())]);
    // Of three flows one is refused: every refusal is followed by an answer.
    world
        .vendor
        .set_trouble(&Scope::Flow("main".to_owned(), 2), Some(Trouble::always(code(-1))))
        .unwrap();
    world.pass(MINUTE * 30).await;
    let scrape = world.scrape();
    assert_eq!(scrape.account("api_blocked"), Some(0.0));
    assert!(scrape.errors(-1, "authentication_error") >= Some(29.0));
    assert_eq!(scrape.flow("up", 1), Some(1.0));
}

#[tokio::test(start_paused = true)]
async fn an_account_of_rarely_polled_flows_is_probed_every_minute_all_the_same() {
    let setup = Setup {
        poll_interval: MINUTE * 60,
        ..Setup::new("main", (1..=5).map(still).collect())
    };
    let world = World::start(vec![setup]);
    refuse(&world, Some(Trouble::always(code(-2))));
    world.pass(MINUTE * 5).await;
    let requests = world.vendor.account_counts("main").unwrap().requests;
    within("5 flows at the start, then a probe a minute", requests, 8..=10);
    refuse(&world, None);
    world.pass(MINUTE).await;
    assert_eq!(world.scrape().account("api_blocked"), Some(0.0));
}
