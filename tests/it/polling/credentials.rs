//! Refused credentials and addresses.

use std::sync::Arc;
use std::time::Duration;

use axum::http::Method;
use axum::{Router, routing};
use laaffic_exporter::pages::health::{self, Health};
use laaffic_simulator::{FaultPlan, Latency, Scope};
use testkit::answer::ask_router;
use testkit::assertions::within;
use testkit::folder::Folder;
use testkit::world::{MINUTE, Setup, World, code, still};
use tokio::time::Instant;

/// Answers that are long under way.
const SLOW: Latency = Latency {
    fixed_ms: 3000,
    jitter_ms: 0,
};

fn two_accounts() -> World {
    let flows = || (1..=10).map(still).collect();
    World::start(vec![Setup::new("main", flows()), Setup::new("other", flows())])
}

fn refuse(world: &World, trouble: Option<FaultPlan>) {
    let account = Scope::Account("main".to_owned());
    world.vendor.set_faults(&account, trouble).unwrap();
}

#[tokio::test(start_paused = true)]
async fn three_refusals_block_the_account_but_for_one_probe_a_minute() {
    for (number, reason) in [(-1, "authentication_error"), (-2, "restricted_ip_access")] {
        let world = two_accounts();
        world.pass(MINUTE * 3).await;
        refuse(&world, Some(FaultPlan::always(code(number))));
        world.pass(MINUTE).await;
        assert_eq!(world.scrape().account("api_blocked"), Some(1.0));
        assert_eq!(world.scrape().errors(number, reason), Some(3.0), "no more than it took");
        let before = world.vendor.account_counts("main").unwrap().requests;
        let other = world.vendor.account_counts("other").unwrap().requests;
        world.pass(MINUTE * 30).await;
        let probes = world.vendor.account_counts("main").unwrap().requests - before;
        within("probes in 30 minutes", probes, 29..=31);
        let scrape = world.scrape();
        let is_blocked = |key: &u64| scrape.error(*key).as_deref() == Some("blocked");
        within("flows of 10 that say blocked", (1..=10).filter(is_blocked).count(), 9..);
        assert!((1..=10).all(|key| scrape.flow("up", key) == Some(0.0)));
        // The other account never notices.
        let other = world.vendor.account_counts("other").unwrap().requests - other;
        within("requests of the other", other, 299..=301);
        assert_eq!(scrape.get("laaffic_api_blocked{account=\"other\"}"), Some(0.0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_cured_block_wakes_every_flow_at_once_within_the_limits() {
    for (rate_limit, seconds) in [(1000.0, 1), (1.0, 10)] {
        let setup = Setup {
            rate_limit,
            ..Setup::new("main", (1..=10).map(still).collect())
        };
        let world = World::start(vec![setup]);
        refuse(&world, Some(FaultPlan::always(code(-1))));
        world.pass(MINUTE * 10).await;
        assert_eq!(world.scrape().account("api_blocked"), Some(1.0));
        refuse(&world, None);
        world.vendor.reset_counts();
        while world.scrape().account("api_blocked") == Some(1.0) {
            world.pass(Duration::from_millis(10)).await;
        }
        world.pass(Duration::from_secs(seconds)).await;
        let scrape = world.scrape();
        let up = (1..=10).filter(|key| scrape.flow("up", *key) == Some(1.0)).count();
        assert_eq!(up, 10, "{seconds} s after polling resumed, at {rate_limit} a second");
        let most_within = |window: Duration| {
            let arrivals = world.vendor.arrivals("main").unwrap();
            let times: Vec<_> = arrivals.iter().map(|arrival| arrival.at).collect();
            let from = |start: &Instant| times.iter().filter(|at| (*start..*start + window).contains(at)).count();
            times.iter().map(from).max().unwrap()
        };
        assert!(most_within(Duration::from_secs(1)) as f64 <= rate_limit + 1.0);
        // And then they are spread out as they were.
        world.pass(MINUTE * 3).await;
        world.vendor.reset_counts();
        world.pass(MINUTE * 3).await;
        assert!(most_within(Duration::from_secs(10)) <= 4);
    }
}

#[tokio::test(start_paused = true)]
async fn a_late_refusal_of_credentials_that_a_reload_has_replaced_is_nobodys() {
    let folder = Folder::with([("key", "key-of-main"), ("secret", "wrong")]);
    let setup = Setup::new("main", (1..=10).map(still).collect());
    let wrong = Setup {
        secrets: Some(folder.path().to_owned()),
        ..setup.clone()
    };
    let world = World::start(vec![wrong]);
    world.vendor.set_latency(SLOW);
    world.pass(Duration::from_secs(1)).await;
    world.reload(&[setup]).await;
    for _ in 0..100 {
        world.pass(Duration::from_millis(100)).await;
        let scrape = world.scrape();
        assert_eq!(scrape.account("api_blocked"), Some(0.0));
        assert!((1..=10).all(|key| scrape.error(key).is_none()));
    }
    let scrape = world.scrape();
    assert_eq!(scrape.errors(-1, "authentication_error"), Some(10.0), "late they came");
    assert!((1..=10).all(|key| scrape.flow("up", key) == Some(1.0)));
}

#[tokio::test(start_paused = true)]
async fn a_changed_secret_file_ends_a_block_at_once_and_a_late_refusal_begins_none() {
    let folder = Folder::with([("key", "key-of-main"), ("secret", "wrong")]);
    let setup = Setup {
        secrets: Some(folder.path().to_owned()),
        ..Setup::new("main", (1..=10).map(still).collect())
    };
    let world = World::start(vec![setup]);
    world.pass(MINUTE * 5).await;
    assert_eq!(world.scrape().account("api_blocked"), Some(1.0));
    // A request with the wrong secret is under way when the file changes.
    world.vendor.set_latency(SLOW);
    while world.vendor.account_counts("main").unwrap().in_flight == 0 {
        world.pass(Duration::from_millis(100)).await;
    }
    world.vendor.set_latency(Latency::default());
    folder.write("secret", "secret-of-main");
    world.pass(Duration::from_millis(1100)).await;
    for _ in 0..100 {
        let scrape = world.scrape();
        assert_eq!(scrape.account("api_blocked"), Some(0.0));
        let up = (1..=10).filter(|key| scrape.flow("up", *key) == Some(1.0)).count();
        assert!(up >= 9, "all but the one that is still under way: {up}");
        world.pass(Duration::from_millis(100)).await;
    }
    assert!((1..=10).all(|key| world.scrape().flow("up", key) == Some(1.0)));
}

#[tokio::test(start_paused = true)]
async fn a_key_and_its_secret_that_change_together_are_never_mixed() {
    let folder = Folder::new();
    let write = |name: &str, account: &str| folder.write(name, format!("{name}-of-{account}"));
    write("key", "main");
    write("secret", "main");
    let main = Setup {
        secrets: Some(folder.path().to_owned()),
        poll_interval: Duration::from_millis(100),
        ..Setup::new("main", vec![still(1)])
    };
    // The vendor takes either pair.
    let world = World::start(vec![main.clone(), Setup::new("other", vec![still(1)])]);
    world.reload(&[main]).await;
    world.pass(Duration::from_secs(2)).await;
    for account in ["other", "main"].into_iter().cycle().take(20) {
        world.vendor.reset_counts();
        write("key", account);
        world.pass(Duration::from_millis(130)).await;
        write("secret", account);
        world.pass(Duration::from_secs(3)).await;
        assert_eq!(world.scrape().errors(-1, "authentication_error"), Some(0.0));
        let counts = world.vendor.account_counts(account).unwrap();
        assert!(counts.requests > 10, "the new pair is in use");
    }
}

#[tokio::test(start_paused = true)]
async fn a_blocked_account_is_ready_once_every_flow_was_really_tried() {
    let setup = Setup {
        rate_limit: 1.0,
        ..Setup::new("main", (1..=6).map(still).collect())
    };
    let world = World::start(vec![setup]);
    refuse(&world, Some(FaultPlan::always(code(-1))));
    let health = routing::get(health::ready).with_state(Health::new(Arc::clone(&world.store)));
    let pages = Router::new().route("/", health);
    let ready = async || ask_router(&pages, Method::GET, "/", &[]).await.status == 200;
    let tried = || (1..=6).filter(|key| !world.arrivals("main", *key).is_empty()).count();
    world.pass(MINUTE / 2).await;
    // Each says why it is not up.
    assert!((1..=6).all(|key| world.scrape().error(key).is_some()));
    assert_eq!((tried(), ready().await), (3, false));
    world.pass(MINUTE * 2).await;
    assert_eq!((tried(), ready().await), (5, false));
    world.pass(MINUTE).await;
    assert_eq!((tried(), ready().await), (6, true));
}

#[tokio::test(start_paused = true)]
async fn refusals_that_do_not_follow_each_other_do_not_block() {
    let world = World::start(vec![Setup::new("main", (1..=3).map(still).collect())]);
    // Of three flows one is refused: every refusal is followed by an answer.
    let second = Scope::Flow("main".to_owned(), 2);
    let refused = FaultPlan::always(code(-1));
    world.vendor.set_faults(&second, Some(refused)).unwrap();
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
    refuse(&world, Some(FaultPlan::always(code(-2))));
    world.pass(MINUTE * 5).await;
    let requests = world.vendor.account_counts("main").unwrap().requests;
    within("5 flows at the start, then a probe a minute", requests, 8..=10);
    refuse(&world, None);
    world.pass(MINUTE).await;
    assert_eq!(world.scrape().account("api_blocked"), Some(0.0));
}
