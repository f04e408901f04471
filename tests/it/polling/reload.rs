//! A new configuration while polling goes on.

use std::time::Duration;

use laaffic_exporter::config::{ClientTls, HttpClient, Secret};
use laaffic_exporter::model::Status;
use laaffic_simulator::{Fault, FaultPlan, FlowState, RetryAfter, Scope};

use testkit::assertions::within;
use testkit::folder::Folder;
use testkit::world::{MINUTE, Samples, Setup, World, every_minute, everywhere, gaps, still};

fn setup(keys: impl IntoIterator<Item = u64>) -> Setup {
    Setup::new("main", keys.into_iter().map(still).collect())
}

/// The vendor knows flows 1 to 20, the exporter watches 1 to 10.
async fn world() -> World {
    let world = World::start(vec![setup(1..=20)]);
    world.reload(&[setup(1..=10)]).await;
    world.pass(MINUTE * 3).await;
    world
}

#[tokio::test(start_paused = true)]
async fn flows_that_stay_keep_state_counters_and_phase_and_new_ones_are_polled_at_once() {
    let world = world().await;
    let before = world.scrape();
    world.reload(&[setup(6..=15)]).await;
    let scrape = world.scrape();
    for key_id in 6..=10 {
        for family in ["status_since_timestamp_seconds", "last_success_timestamp_seconds", "up"] {
            assert_eq!(scrape.flow(family, key_id), before.flow(family, key_id));
        }
    }
    for key_id in 1..=5 {
        assert_eq!(scrape.flow("up", key_id), None, "gone from the scrape after the reload");
    }
    let reloaded = world.started.elapsed();
    world.pass(MINUTE * 5).await;
    for key_id in 11..=15 {
        let arrivals = world.arrivals("main", key_id);
        let first = arrivals.iter().find(|at| **at >= reloaded).unwrap();
        within(
            "first poll of a new flow",
            *first - reloaded,
            ..Duration::from_millis(100),
        );
    }
    for key_id in 6..=10 {
        every_minute(key_id, &gaps(&world.arrivals("main", key_id))[2..]);
    }
    for key_id in 1..=5 {
        let last = world.arrivals("main", key_id).into_iter().max().unwrap();
        within(
            "last poll of a removed flow",
            last,
            ..reloaded + Duration::from_millis(100),
        );
    }
    // Counters go on.
    assert!(world.scrape().requests("success") > before.requests("success"));
}

#[tokio::test(start_paused = true)]
async fn new_intervals_and_limits_take_effect() {
    let world = world().await;
    let hourly = Setup {
        poll_interval: MINUTE * 60,
        ..setup(1..=10)
    };
    world.reload(std::slice::from_ref(&hourly)).await;
    world.pass(MINUTE * 2).await;
    world.vendor.reset_counts();
    world.pass(MINUTE * 20).await;
    assert!(world.vendor.account_counts("main").unwrap().requests <= 5);
    assert_eq!(world.scrape().flow("poll_interval_seconds", 1), Some(3600.0));
    // Back to a short one: nobody waits for the rest of the hour.
    world.vendor.reset_counts();
    world
        .reload(&[Setup {
            poll_interval: Duration::from_secs(10),
            rate_limit: 0.5,
            ..hourly
        }])
        .await;
    world.pass(MINUTE * 10).await;
    // Ten flows every ten seconds are 1 a second; the new rate allows half of that.
    let requests = world.vendor.account_counts("main").unwrap().requests;
    assert!((295..=301).contains(&requests), "{requests}");
    assert_eq!(world.scrape().flow("poll_interval_seconds", 1), Some(20.0));
}

/// An account that the vendor refuses for its secret, and the same put right.
async fn refused() -> (World, Setup, Setup, Folder) {
    let folder = Folder::with([("key", "key-of-main"), ("secret", "wrong")]);
    let wrong = Setup {
        secrets: Some(folder.path().to_owned()),
        ..setup(1..=10)
    };
    let world = World::start(vec![wrong.clone()]);
    world.pass(MINUTE * 5).await;
    assert_eq!(world.scrape().account("api_blocked"), Some(1.0));
    (world, wrong, setup(1..=10), folder)
}

#[tokio::test(start_paused = true)]
async fn a_blocked_account_is_asked_again_at_once_with_another_secret() {
    let (world, _, right, _folder) = refused().await;
    // The key is another source's and the same.
    world.reload(&[right]).await;
    assert_eq!(world.scrape().account("api_blocked"), Some(0.0));
    world.pass(Duration::from_millis(100)).await;
    let scrape = world.scrape();
    assert!((1..=10).all(|key_id| scrape.flow("up", key_id) == Some(1.0)));
}

#[tokio::test(start_paused = true)]
async fn what_flows_entered_stays_counted_for_the_account_when_they_go() {
    let world = World::start(vec![setup(1..=3)]);
    let entered = |scrape: &Samples, status: &str| {
        let labels = format!("account=\"main\",status=\"{status}\"");
        scrape.get(&format!("laaffic_redial_flow_status_transitions_total{{{labels}}}"))
    };
    for status in Status::ALL {
        assert_eq!(entered(&world.scrape(), status.label()), Some(0.0), "from the start");
    }
    world.pass(MINUTE).await;
    for key_id in [1, 2] {
        let state = FlowState::with_nodes(4, &[4]);
        world.vendor.pin("main", key_id, state).unwrap();
    }
    world.pass(MINUTE).await;
    let exceptions = |scrape: &Samples| [1, 2, 3].map(|key_id| scrape.flow("exceptions_total", key_id));
    let scrape = world.scrape();
    assert_eq!(scrape.sum("laaffic_redial_flow_status_transitions_total"), 2.0);
    assert_eq!(entered(&scrape, "execution_exception"), Some(2.0));
    assert_eq!(exceptions(&scrape), [Some(1.0), Some(1.0), Some(0.0)]);

    world.reload(&[setup(2..=3)]).await;
    let scrape = world.scrape();
    assert_eq!(entered(&scrape, "execution_exception"), Some(2.0));
    assert_eq!(exceptions(&scrape), [None, Some(1.0), Some(0.0)]);
}

#[tokio::test(start_paused = true)]
async fn a_blocked_account_is_asked_again_at_once_where_it_is_reached_otherwise() {
    let authorities = Folder::with([("ca.pem", "one")]);
    let over = |client: HttpClient, wrong: &Setup| Setup {
        http_client: client,
        ..wrong.clone()
    };
    let proxy = || HttpClient {
        proxy_url: Some(Secret::new("http://proxy:3128")),
        ..HttpClient::default()
    };
    let tls = || HttpClient {
        tls: ClientTls {
            ca_file: Some(authorities.path().join("ca.pem")),
            ..ClientTls::default()
        },
        ..HttpClient::default()
    };
    let (world, wrong, _, _folder) = refused().await;
    for change in 0..5 {
        let before = world.vendor.account_counts("main").unwrap().requests;
        let client = match change {
            0 => proxy(),
            1 => tls(),
            _ => {
                // The same file with another content.
                authorities.write("ca.pem", "two");
                tls()
            }
        };
        let base_url = if change == 4 {
            "http://elsewhere/v3"
        } else {
            wrong.base_url
        };
        let changed = Setup {
            base_url,
            ..over(client, &wrong)
        };
        world.reload(&[changed]).await;
        world.pass(Duration::from_secs(1)).await;
        let sent = world.vendor.account_counts("main").unwrap().requests - before;
        match change {
            3 => within("requests after a reload that changes nothing", sent, ..=1),
            _ => within("requests until it is blocked again", sent, 3..),
        }
        world.pass(MINUTE * 2).await;
        assert_eq!(world.scrape().account("api_blocked"), Some(1.0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_reload_lifts_no_block_that_it_does_not_cure() {
    let (world, wrong, _, _folder) = refused().await;
    let same_secret_elsewhere = Folder::with([("key", "key-of-main"), ("secret", "wrong")]);
    let before = world.vendor.account_counts("main").unwrap().requests;
    for round in 0..600_u64 {
        let flows = if round % 3 == 0 { 2..=12 } else { 1..=10 };
        let changed = Setup {
            flows: flows.map(still).collect(),
            poll_interval: MINUTE + Duration::from_secs(round % 7),
            rate_limit: 1000.0 - (round % 5) as f64,
            max_concurrent_requests: 50 - (round % 5) as usize,
            secrets: match round % 2 {
                0 => wrong.secrets.clone(),
                _ => Some(same_secret_elsewhere.path().to_owned()),
            },
            ..wrong.clone()
        };
        world
            .reload(&[if round % 4 == 0 { wrong.clone() } else { changed }])
            .await;
        world.pass(Duration::from_secs(1)).await;
        assert_eq!(world.scrape().account("api_blocked"), Some(1.0));
    }
    let sent = world.vendor.account_counts("main").unwrap().requests - before;
    within("requests in ten minutes of reloads", sent, 9..=11);
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_the_vendor_asks_for_stays_over_reloads() {
    let world = world().await;
    let fault = Fault::HttpStatus {
        status: 503,
        retry_after: Some(RetryAfter::Seconds(600)),
    };
    everywhere(&world, FaultPlan::always(fault));
    world.pass(MINUTE).await;
    everywhere(&world, None);
    assert_eq!(world.scrape().account("api_paused"), Some(1.0));
    world.vendor.reset_counts();
    for round in 0..100 {
        let changed = Setup {
            rate_limit: 1000.0 - f64::from(round),
            ..setup(1..=10)
        };
        world.reload(&[changed]).await;
        world.pass(Duration::from_secs(5)).await;
    }
    assert_eq!(world.vendor.account_counts("main").unwrap().requests, 0);
    world.pass(MINUTE * 2).await;
    assert_eq!(world.scrape().account("api_paused"), Some(0.0));
}

#[tokio::test(start_paused = true)]
async fn accounts_come_and_go() {
    let other = || Setup::new("other", vec![still(7)]);
    let world = World::start(vec![setup(1..=3), other()]);
    world.pass(MINUTE).await;
    world.reload(&[setup(1..=3)]).await;
    let scrape = world.scrape();
    assert_eq!(
        scrape.get("laaffic_redial_flow_up{account=\"other\",key_id=\"7\"}"),
        None
    );
    assert_eq!(scrape.get("laaffic_api_blocked{account=\"other\"}"), None);
    let requests = "laaffic_api_requests_total{account=\"other\",endpoint=\"query_detail\",outcome=\"success\"}";
    assert_eq!(scrape.get(requests), None);
    world.vendor.reset_counts();
    world.pass(MINUTE * 10).await;
    assert_eq!(world.vendor.account_counts("other").unwrap().requests, 0);
    world.reload(&[other(), setup(1..=3)]).await;
    world.pass(Duration::from_secs(1)).await;
    assert_eq!(world.scrape().get(requests), Some(1.0));
    assert_eq!(
        world
            .scrape()
            .get("laaffic_redial_flow_up{account=\"other\",key_id=\"7\"}"),
        Some(1.0)
    );
}

#[tokio::test(start_paused = true)]
async fn a_poll_under_way_is_not_lost_and_that_of_a_removed_flow_leaves_nothing() {
    let world = world().await;
    everywhere(&world, FaultPlan::always(Fault::Delay { milliseconds: 2000 }));
    let first = Scope::Flow("main".to_owned(), 1);
    world.vendor.set_faults(&first, None).unwrap();
    world.pass(MINUTE).await;
    for round in 0..60 {
        let keys = if round % 2 == 0 { 1..=10 } else { 2..=11 };
        world.reload(&[setup(keys)]).await;
        world.pass(Duration::from_secs(5)).await;
    }
    let scrape = world.scrape();
    assert_eq!(scrape.flow("up", 1), None);
    assert!((2..=11).all(|key_id| scrape.flow("up", key_id) == Some(1.0)));
    for key_id in 2..=10 {
        assert_eq!(world.vendor.flow_counts("main", key_id).unwrap().max_concurrent, 1);
        let gaps = gaps(&world.arrivals("main", key_id));
        assert!(gaps.iter().all(|gap| *gap <= MINUTE * 2), "flow {key_id}: {gaps:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_thousand_reloads_change_nothing_about_the_rate() {
    let world = world().await;
    world.vendor.reset_counts();
    for _ in 0..1000 {
        world.reload(&[setup(1..=10)]).await;
        world.pass(Duration::from_millis(600)).await;
    }
    let requests = world.vendor.account_counts("main").unwrap().requests;
    assert!((99..=101).contains(&requests), "ten flows in ten minutes: {requests}");
}
