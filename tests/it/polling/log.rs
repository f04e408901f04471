//! A log that nothing which the vendor answers can fill.

use std::time::Duration;

use exporter_toolkit::clock::SharedClock;
use serde_json::json;
use testkit::assertions::within;
use testkit::log::Log;
use testkit::world::{MINUTE, Scripted, Setup, World, still};

/// Another trouble at every poll.
fn trouble(key_id: u64, number: usize, date: &str) -> Scripted {
    let flow = |status: i64| json!({"code": 0, "data": {"keyId": key_id, "status": status}});
    let code = |code: i64| json!({"code": code});
    // In steps that share no factor with the flows, so that each flow meets everything.
    match number % 17 {
        0 => Scripted::new(200, flow(1)),
        1 => Scripted::new(200, flow(4)),
        2 => Scripted::new(200, flow(90 + (number as i64 % 100))),
        3 => Scripted::new(
            200,
            json!({"code": 0, "data": {"keyId": 1_000_000 + number, "status": 1}}),
        ),
        4 => Scripted::new(200, code(-22)),
        5 => Scripted::new(200, code(1000 + number as i64)),
        6 => Scripted::new(200, json!({"code": 0, "data": null})),
        7 => Scripted::new(400, "no"),
        8 => Scripted::new(200, "<html>"),
        9 => Scripted::new(200, code(-16)).with("date", date),
        10 => Scripted::new(
            200,
            json!({"code": 0, "data": {"keyId": key_id, "status": 1, "recallNum": "three"}}),
        ),
        11 => Scripted::new(200, json!({"code": 0, "data": {"keyId": "no key", "status": 0}})),
        12 => Scripted::new(429, "").with("retry-after", 1),
        13 => Scripted::new(503, "").with("retry-after", 1),
        14 => Scripted::new(200, flow(0)),
        15 => Scripted::new(
            200,
            json!({"code": 0, "data": {"records": [{"keyId": 1, "nodeStatus": 2}], "total": 9, "size": 1, "current": 1, "pages": 9}}),
        ),
        _ => Scripted::new(200, code(-1)),
    }
}

#[tokio::test(start_paused = true)]
async fn a_day_of_another_trouble_at_every_poll_is_one_line_a_minute_and_kind() {
    let setup = |rate_limit| Setup {
        poll_interval: Duration::from_secs(10),
        rate_limit,
        ..Setup::new("main", (1..=3).map(still).collect())
    };
    let world = World::start(vec![setup(1000.0)]);
    let clock: SharedClock = world.calendar.clone();
    let log = Log::begin(clock);
    let hours_off = "Sun, 22 Nov 2026 12:00:00 GMT";
    world
        .wire
        .answer(|asked, number| trouble(asked.key_id, number, hours_off));
    for minute in 0..24 * 60 {
        world.pass(MINUTE).await;
        // And a reload that asks for too much, every minute.
        world.reload(&[setup(if minute % 2 == 0 { 0.2 } else { 1000.0 })]).await;
    }
    world.pass(MINUTE * 2).await;
    within("polls that brought something", world.wire.asked().len(), 8000..);
    let events = log.events();
    for text in [
        "first answer",
        "entered an execution exception",
        "changed its status",
        "cannot be fetched",
        "not refused for this reason",
        "polls fail",
        "polls do not fail",
        "clock of this host is off",
        "left alone",
        "fields of the answer",
        "more rounds than it hands out",
        "ask for more requests",
    ] {
        assert!(
            events.keys().any(|(_, msg)| msg.contains(text)),
            "{text}: {:?}",
            events.keys()
        );
    }
    let status_changes = events.iter().filter(|((_, msg), _)| msg.contains("entered an exec"));
    within(
        "entries into an exception",
        status_changes.map(|(_, count)| *count).sum::<u64>(),
        100..,
    );
}
