//! Answers that no page documents: what is shown of the flow, and what is asked for after them.

use std::time::Duration;

use exporter_toolkit::clock::Clock as _;
use serde_json::{Value, json};
use testkit::world::{Asked, MINUTE, Scripted, Setup, World, still};

const HOUR: Duration = Duration::from_secs(3600);

/// The exporter with these flows in account `main`, and a vendor that answers so.
fn world(flows: u64, script: impl Fn(Asked, usize) -> Scripted + Send + Sync + 'static) -> World {
    let world = World::start(vec![Setup::new("main", (1..=flows).map(still).collect())]);
    world.wire.answer(script);
    world
}

fn good(data: Value) -> Scripted {
    Scripted::new(200, json!({"code": 0, "data": data}))
}

fn nodes(numbers: std::ops::Range<u64>) -> Value {
    numbers
        .map(|number| json!({"keyId": number, "nodeStatus": 2}))
        .collect()
}

/// A flow in progress that says it has 574 rounds and hands out one.
fn one_of_574(key_id: u64) -> Scripted {
    good(
        json!({"keyId": key_id, "status": 1, "nodeList": nodes(1..2), "total": 574, "size": 1, "pages": 574, "current": 1}),
    )
}

fn pages(world: &World) -> usize {
    world.wire.asked().iter().filter(|asked| asked.page.is_some()).count()
}

/// The first page is documented and the others are not: what becomes of those says nothing of the flow.
#[tokio::test(start_paused = true)]
async fn a_refused_page_takes_no_flow_down_and_is_not_asked_for_again_for_an_hour() {
    let refusals = [
        (Scripted::new(200, json!({"code": -22, "msg": "no"})), 1),
        (Scripted::new(400, json!({"code": -22})), 1),
        (Scripted::new(404, "<html>"), 1),
        (Scripted::new(200, json!({"code": 0, "data": null})), 1),
        // What may pass is tried three times.
        (Scripted::new(500, "<html>"), 3),
    ];
    for (refusal, tries) in refusals {
        let told = refusal.clone();
        let world = world(3, move |asked, _| match asked.page {
            None => one_of_574(asked.key_id),
            Some(_) => told.clone(),
        });
        world.pass(MINUTE * 50).await;
        let scrape = world.scrape();
        for key_id in 1..=3 {
            assert_eq!(scrape.flow("up", key_id), Some(1.0), "{refusal:?}");
            assert_eq!(scrape.flow("status_code", key_id), Some(1.0), "{refusal:?}");
            assert_eq!(scrape.flow("nodes_truncated", key_id), Some(1.0), "{refusal:?}");
            assert_eq!(scrape.flow("nodes_reported", key_id), Some(574.0), "{refusal:?}");
        }
        assert_eq!(scrape.sum("laaffic_redial_flow_nodes"), 3.0, "{refusal:?}");
        let asked = pages(&world);
        assert!((tries..=tries * 3).contains(&asked), "{refusal:?}: {asked}");
        world.pass(MINUTE * 15).await;
        assert!(pages(&world) > asked, "{refusal:?}: an hour is over");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_of_another_flows_answer_is_used() {
    let world = world(2, |asked, _| match (asked.key_id, asked.page) {
        (1, _) => good(json!({"keyId": 99, "status": 4, "nodeList": nodes(1..4)})),
        (_, None) => {
            good(json!({"keyId": 2, "status": 1, "nodeList": nodes(1..3), "total": 4, "size": 2, "current": 1}))
        }
        (_, Some(_)) => {
            good(json!({"keyId": 99, "status": 4, "records": nodes(3..5), "total": 4, "size": 2, "current": 2}))
        }
    });
    world.pass(MINUTE).await;
    let scrape = world.scrape();
    assert_eq!(
        (scrape.flow("up", 1), scrape.error(1).as_deref()),
        (Some(0.0), Some("other_flow"))
    );
    assert_eq!(scrape.flow("status_code", 1), None);
    assert_eq!(
        (scrape.flow("up", 2), scrape.flow("status_code", 2)),
        (Some(1.0), Some(1.0))
    );
    assert_eq!(scrape.sum("laaffic_redial_flow_nodes"), 2.0);
    assert_eq!(scrape.flow("nodes_truncated", 2), Some(1.0));
}

#[tokio::test(start_paused = true)]
async fn a_flow_that_the_vendor_knows_no_more_is_told_so() {
    let world = world(1, |_, _| good(Value::Null));
    world.pass(MINUTE).await;
    assert_eq!(world.scrape().error(1).as_deref(), Some("no_data"));
    assert_eq!(world.scrape().retries(), 0.0);
}

/// The two documented shapes take turns: with fields of the flow, and without.
#[tokio::test(start_paused = true)]
async fn what_is_not_reported_is_not_an_unknown_status() {
    let world = world(1, |_, before| match before % 2 {
        0 => good(json!({"keyId": 1, "status": 4, "recallNum": 3, "nodeList": nodes(1..3)})),
        _ => good(json!({"records": nodes(1..3), "total": 2, "size": 10, "current": 1, "pages": 1})),
    });
    world.pass(Duration::from_secs(1)).await;
    let since = world.scrape().flow("status_since_timestamp_seconds", 1);
    world.pass(MINUTE * 11).await;
    let scrape = world.scrape();
    assert!(world.wire.asked().len() > 10);
    assert_eq!(scrape.flow("status_code", 1), Some(4.0));
    assert_eq!(scrape.flow("recall_attempts", 1), Some(3.0));
    assert_eq!(scrape.flow("status_since_timestamp_seconds", 1), since);
    assert_eq!(scrape.sum("laaffic_redial_flow_status_transitions_total"), 0.0);
    assert_eq!(scrape.flow("exceptions_total", 1), Some(0.0));
}

#[tokio::test(start_paused = true)]
async fn an_odd_field_is_left_out_and_counted_by_its_name() {
    let world = world(1, |_, _| {
        Scripted::new(
            200,
            "\u{feff}{\"code\":0,\"status\":\"success\",\"data\":{\"keyId\":1,\"status\":4,\"recallNum\":\"three\",\
             \"recallInterval\":7.5,\"nodeList\":{},\"text\":\"two\nlines\",\"seen\":NaN}}",
        )
    });
    world.pass(MINUTE * 3 - Duration::from_secs(1)).await;
    let scrape = world.scrape();
    assert_eq!(
        (scrape.flow("up", 1), scrape.flow("status_code", 1)),
        (Some(1.0), Some(4.0))
    );
    assert_eq!(scrape.flow("recall_attempts", 1), None);
    assert_eq!(scrape.flow("recall_interval_seconds", 1), None);
    let polls = world.wire.asked().len() as f64;
    for (field, count) in [
        ("recallNum", polls),
        ("recallInterval", polls),
        ("nodeList", polls),
        ("status", polls),
        ("total", 0.0),
    ] {
        let series = "laaffic_api_unreadable_fields_total{account=\"main\",endpoint=\"query_detail\",field=";
        assert_eq!(scrape.get(&format!("{series}\"{field}\"}}")), Some(count), "{field}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_envelope_counts_whatever_the_http_status_is() {
    let world = world(4, |_, _| {
        Scripted::new(401, json!({"code": -1, "msg": "Authentication error"}))
    });
    world.pass(MINUTE).await;
    let scrape = world.scrape();
    assert_eq!(scrape.account("api_blocked"), Some(1.0));
    assert!(world.wire.asked().len() <= 5, "{:?}", world.wire.asked());
    assert_eq!(
        scrape.errors(-1, "authentication_error"),
        Some(world.wire.asked().len() as f64)
    );
}

#[tokio::test(start_paused = true)]
async fn who_wants_to_be_left_alone_is_left_alone_by_all_flows_and_an_hour_at_most() {
    for (asked_for, pause) in [("600", Duration::from_secs(600)), ("86400", HOUR)] {
        let world = world(5, move |_, before| match before {
            0 => Scripted::new(503, "<html>").with("Retry-After", asked_for),
            _ => good(json!({"status": 1})),
        });
        world.pass(pause - Duration::from_secs(1)).await;
        // What was on its way when the first answer came.
        let asked = world.wire.asked().len();
        assert!(asked <= 5, "{asked}");
        assert_eq!(world.scrape().account("api_paused"), Some(1.0));
        assert_eq!(world.scrape().retries(), 0.0);
        world.pass(MINUTE + Duration::from_secs(2)).await;
        assert!(world.wire.asked().len() >= asked + 5, "{}", world.wire.asked().len());
        assert_eq!(world.scrape().account("api_paused"), Some(0.0));
        assert_eq!(world.scrape().flow("up", 1), Some(1.0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_proxys_clock_is_not_the_vendors() {
    let world = world(1, |_, _| {
        Scripted::new(502, "<html>").with("Date", "Thu, 01 Jan 2099 00:00:00 GMT")
    });
    world.pass(MINUTE).await;
    assert_eq!(world.scrape().account("api_clock_skew_seconds"), None);
}

#[tokio::test(start_paused = true)]
async fn an_offset_that_does_not_help_is_given_up() {
    const DAY: i64 = 86_400;
    let now = testkit::world::Calendar::default().now();
    let tomorrow = httpdate::fmt_http_date(now + Duration::from_secs(86_400));
    let world = world(1, move |_, before| match before {
        0 => Scripted::new(200, json!({"code": -16})).with("Date", &tomorrow),
        2 => Scripted::new(200, json!({"code": -16})),
        _ => good(json!({"status": 1})),
    });
    world.pass(MINUTE * 2).await;
    let asked = world.wire.asked();
    let offsets: Vec<_> = asked
        .windows(2)
        .map(|pair| (pair[1].timestamp - pair[0].timestamp + DAY / 2).div_euclid(DAY))
        .collect();
    assert_eq!(offsets[..3], [1, 0, -1], "{asked:?}");
    assert_eq!(world.scrape().flow("up", 1), Some(1.0));
    let skew = world.scrape().account("api_clock_skew_seconds");
    assert_eq!(skew, None, "what the clocks were said to be apart was not so any more");
}

/// The first minute a flow is in progress; what is asked in the second is told late, and says that it is not.
#[tokio::test(start_paused = true)]
async fn what_an_account_was_says_nothing_of_what_its_name_means_now() {
    for (base_url, transitions) in [("http://vendor/v3", 1.0), ("http://another/v3", 0.0)] {
        let world = world(1, |_, before| match before {
            1 => Scripted {
                after: Duration::from_secs(5),
                ..good(json!({"status": 4}))
            },
            _ => good(json!({"status": 1})),
        });
        world.pass(MINUTE + Duration::from_secs(2)).await;
        assert_eq!(world.wire.asked().len(), 2);
        let moved = Setup {
            base_url,
            ..Setup::new("main", vec![still(1)])
        };
        world.reload(&[moved]).await;
        world.pass(Duration::from_secs(20)).await;
        let scrape = world.scrape();
        let entered = scrape.sum("laaffic_redial_flow_status_transitions_total");
        assert_eq!(entered, transitions, "{base_url}");
        assert_eq!(scrape.flow("exceptions_total", 1), Some(transitions), "{base_url}");
        let status = if transitions > 0.0 { 4.0 } else { 1.0 };
        assert_eq!(scrape.flow("status_code", 1), Some(status), "{base_url}");
    }
}
