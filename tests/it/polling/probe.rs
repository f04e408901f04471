//! One flow out of turn.

use std::time::Duration;

use axum::http::Method;
use axum::{Router, routing};
use exporter_toolkit::exposition::Format;
use laaffic_exporter::metrics::{Exposition, probe_registry};
use laaffic_exporter::model::KeyId;
use laaffic_exporter::pages::probe as probe_page;
use laaffic_exporter::poll::{ProbeError, Probed};
use laaffic_simulator::{Fault, FaultPlan, FlowState, Latency, RetryAfter};
use tokio::time::Instant;

use testkit::answer::{Answer, ask_router};
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

/// It might be given up before it has left the process, and is counted all the same.
#[tokio::test(start_paused = true)]
async fn nothing_is_asked_again_at_the_last_moment() {
    const PATIENCE: Duration = Duration::from_millis(250);
    let world = world(1000.0).await;
    everywhere(&world, FaultPlan::always(code(-18)));
    let mut again = 0;
    for _ in 0..300 {
        let before = world.arrivals("main", 15).len();
        let probed = world.prober.probe("main", KeyId::new(15).unwrap(), PATIENCE).await;
        assert!(probed.unwrap().result.is_err());
        let arrivals = world.arrivals("main", 15).split_off(before);
        let last = *arrivals.last().unwrap() - arrivals[0];
        assert!(last <= PATIENCE - Duration::from_millis(100), "{last:?}");
        again += arrivals.len() - 1;
        // The next one is to have a fetch of its own.
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    within("retries", again, 50..);
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
    let ask = async |key_id| world.prober.probe("main", KeyId::new(key_id).unwrap(), TIMEOUT).await;
    let started = Instant::now();
    let answers = futures_util::future::join_all((11..=20).map(ask)).await;
    let sent = world.vendor.account_counts("main").unwrap().requests - before;
    within(
        "requests at 1 a second",
        sent as f64,
        ..=started.elapsed().as_secs_f64() + 2.0,
    );
    // A quarter of the rate for ten seconds are not quite three that wait.
    let busy = |answer: &&Result<Probed, ProbeError>| matches!(answer, Err(ProbeError::Busy { .. }));
    assert_eq!(answers.iter().filter(busy).count(), 7);
    let good = answers.iter().flatten().filter(|probed| probed.result.is_ok());
    assert!(good.count() == 3);
    for answer in &answers {
        if let Err(ProbeError::Busy { retry_after }) = answer {
            assert_eq!(*retry_after, Duration::from_secs(4), "a quarter of one a second");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_asks_for_the_same_at_the_same_time_shares_one_answer_and_each_waits_as_long_as_he_will() {
    let world = world(1000.0).await;
    world.pass(Duration::from_secs(1)).await;
    let slow = Latency {
        fixed_ms: 3000,
        jitter_ms: 0,
    };
    world.vendor.set_latency(slow);
    let before = world.arrivals("main", 15).len();
    let ask = async |after: u64, patience: u64| {
        world.pass(Duration::from_millis(after)).await;
        let (key_id, patience) = (KeyId::new(15).unwrap(), Duration::from_millis(patience));
        world.prober.probe("main", key_id, patience).await.unwrap()
    };
    // The first has the least patience, the second hangs up, and others come while it is under way.
    let hangs_up = tokio::time::timeout(Duration::from_millis(200), ask(100, 9000));
    let (first, hung_up, second, third, last) =
        tokio::join!(ask(0, 1000), hangs_up, ask(500, 9000), ask(2900, 200), ask(2000, 900));
    assert!(hung_up.is_err());
    assert_eq!(
        first.result.unwrap_err().reason.label(),
        "other",
        "not the vendor's timeout"
    );
    within("the first waited", first.duration, ..=Duration::from_millis(1002));
    assert!(second.result.is_ok() && third.result.is_ok());
    within("the third waited", third.duration, ..=Duration::from_millis(110));
    assert!(last.result.is_err());
    assert_eq!(world.arrivals("main", 15).len(), before + 1, "one request for all");
    // What is over is not what is asked for from now on.
    assert!(ask(0, 9000).await.result.is_ok());
    assert_eq!(world.arrivals("main", 15).len(), before + 2);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_waits_is_shared_and_goes_on_for_who_has_more_patience() {
    let world = world(0.2).await;
    // The one request of five seconds is gone.
    probe(&world, 20).await;
    let before = world.arrivals("main", 15).len();
    let ask = async |patience| {
        let key_id = KeyId::new(15).unwrap();
        world
            .prober
            .probe("main", key_id, Duration::from_secs(patience))
            .await
            .unwrap()
    };
    let (short, long, other) = tokio::join!(ask(1), ask(60), ask(60));
    assert!(short.result.unwrap_err().error.unwrap().contains("not sent"));
    assert!(long.result.is_ok() && other.result.is_ok());
    assert_eq!(world.arrivals("main", 15).len(), before + 1);
    // Nobody is left: it is not sent.
    probe(&world, 20).await;
    assert!(ask(1).await.result.is_err());
    world.pass(MINUTE).await;
    assert_eq!(world.arrivals("main", 15).len(), before + 1);
}

#[tokio::test(start_paused = true)]
async fn a_probe_in_a_pause_says_which_status_brought_it() {
    for status in [429, 503] {
        let world = world(1000.0).await;
        let retry_after = Some(RetryAfter::Seconds(600));
        everywhere(&world, FaultPlan::always(Fault::HttpStatus { status, retry_after }));
        world.pass(MINUTE).await;
        let (probed, _) = probe(&world, 15).await;
        let failure = probed.result.unwrap_err();
        assert_eq!(failure.reason.http_status(), Some(status));
        assert!(failure.error.unwrap().contains(&status.to_string()));
    }
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
    for key_id in 15..18 {
        let probing = tokio::time::timeout(Duration::from_millis(100), probe(&world, key_id));
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

/// The page over this world's prober.
async fn page(world: &World, query: &str) -> Answer {
    let route = routing::get(probe_page::probe).with_state(world.prober.clone());
    ask_router(
        &Router::new().route("/probe", route),
        Method::GET,
        &format!("/probe?{query}"),
        &[],
    )
    .await
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_not_written_as_a_number_is_is_refused() {
    let world = world(1000.0).await;
    assert_eq!(page(&world, "account=main&key_id=15").await.status, 200);
    for key_id in [
        "%2b5",
        "+5",
        "05",
        "0",
        "-5",
        "5.0",
        "%205",
        "5%20",
        "",
        "9223372036854775808",
    ] {
        let answer = page(&world, &format!("account=main&key_id={key_id}")).await;
        assert_eq!(answer.status, 400, "{key_id}");
        assert!(answer.text().contains("whole number"), "{}", answer.text());
    }
}

#[tokio::test(start_paused = true)]
async fn where_too_many_wait_the_page_says_when_to_come_again() {
    let world = world(0.5).await;
    let queries = (11..=16).map(|key_id| format!("account=main&key_id={key_id}"));
    let queries: Vec<_> = queries.collect();
    let answers = futures_util::future::join_all(queries.iter().map(|query| page(&world, query))).await;
    let refused: Vec<_> = answers.iter().filter(|answer| answer.status == 503).collect();
    assert_eq!(refused.len(), 4);
    for answer in refused {
        assert_eq!(answer.header("retry-after"), "8");
        assert!(answer.text().contains("probe fewer flows"), "{}", answer.text());
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_of_an_account_that_a_reload_changes_is_to_be_made_again() {
    let world = world(1000.0).await;
    world.pass(Duration::from_secs(1)).await;
    everywhere(&world, FaultPlan::always(Fault::NeverAnswers));
    let elsewhere = Setup {
        base_url: "http://elsewhere/v3",
        ..Setup::new("main", vec![still(15)])
    };
    let (answer, ()) = tokio::join!(page(&world, "account=main&key_id=15"), async {
        world.pass(Duration::from_secs(1)).await;
        world.reload(&[elsewhere]).await;
    });
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, "1"));
}
