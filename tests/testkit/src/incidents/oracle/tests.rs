//! The oracle, on lives that are short enough to think through.

use super::super::expectation::{Expected, State};
use super::super::life::{EXCEPTION, Face, Flow, IN_PROGRESS, Life, Seconds, Target, Trouble, VendorTrouble, What};
use super::super::surroundings::Surroundings;
use super::expectations;

const HOUR: Seconds = 3600;

/// One exporter, one account, one flow that is polled every minute.
fn life(faces: &[(Seconds, Face)]) -> Life {
    let mut life = Life {
        seed: 0,
        number: 0,
        end: 4 * HOUR,
        step: 30,
        accounts: vec!["main"],
        targets: Vec::new(),
        flows: vec![Flow {
            account: "main",
            key_id: 12,
            interval: 60,
            faces: [&[(0, IN_PROGRESS)], faces].concat(),
            configured: vec![(0, Some("one".to_owned()))],
        }],
        troubles: Vec::new(),
    };
    watch(&mut life, "a:1");
    life
}

/// One exporter more.
fn watch(life: &mut Life, instance: &str) {
    life.targets.push(Target {
        instance: instance.to_owned(),
        accounts: vec!["main"],
        span: 0..5 * HOUR,
    });
}

fn with(mut life: Life, span: std::ops::Range<Seconds>, what: What) -> Life {
    life.troubles.push(Trouble {
        span,
        pulse: None,
        what,
    });
    life
}

fn expected(life: &Life, alert: &str) -> Vec<Expected> {
    let all = expectations(life, &Surroundings::of(life));
    all.into_iter().filter(|expected| expected.alert == alert).collect()
}

/// From when to when an alert has to do at least this, in seconds.
fn spans(life: &Life, alert: &str, least: State) -> Vec<(Seconds, Seconds)> {
    let [expected] = expected(life, alert).try_into().expect("one");
    let mut spans: Vec<(Seconds, Seconds)> = Vec::new();
    for (step, state) in expected.states.iter().enumerate() {
        let at = step as Seconds * life.step;
        if *state >= Some(least) {
            match spans.last_mut() {
                Some((_, until)) if *until + life.step == at => *until = at,
                _ => spans.push((at, at)),
            }
        }
    }
    spans
}

const PAGE: &str = "LaafficRedialFlowExecutionException";

#[test]
fn a_plain_exception_pages_after_five_minutes_and_ends_soon_after_the_repair() {
    let life = life(&[(HOUR, EXCEPTION), (2 * HOUR, IN_PROGRESS)]);
    // A poll of a minute, a scrape, an evaluation, the threshold.
    assert_eq!(spans(&life, PAGE, State::Must), [(HOUR + 450, 2 * HOUR - 30)]);
    // The repair is seen by a poll and a scrape; one evaluation more, which says how it ended.
    assert_eq!(spans(&life, PAGE, State::May), [(HOUR + 300, 2 * HOUR + 150)]);
}

#[test]
fn a_short_exception_pages_nobody() {
    let life = life(&[(HOUR, EXCEPTION), (HOUR + 180, IN_PROGRESS)]);
    assert_eq!(spans(&life, PAGE, State::May), []);
}

#[test]
fn no_silence_ends_a_page() {
    let silences = [
        What::Stopped(0),
        What::Frozen(0),
        What::Unscraped(0),
        What::Vanished(0),
        What::Vendor("main", VendorTrouble::Unreachable),
        What::Vendor("main", VendorTrouble::Refuses(-1)),
    ];
    for what in silences {
        let life = with(life(&[(HOUR, EXCEPTION)]), 2 * HOUR..3 * HOUR, what.clone());
        let must = spans(&life, PAGE, State::Must);
        assert_eq!(must, [(HOUR + 450, 4 * HOUR)], "{what:?}");
    }
}

#[test]
fn a_repair_that_nobody_sees_ends_nothing_yet() {
    let life = life(&[(HOUR, EXCEPTION), (2 * HOUR, IN_PROGRESS)]);
    let life = with(life, 2 * HOUR - 60..3 * HOUR, What::Stopped(0));
    let (_, until) = spans(&life, PAGE, State::Must)[0];
    assert!(until >= 3 * HOUR - 60, "{until}");
    let (_, until) = spans(&life, PAGE, State::May)[0];
    assert!((3 * HOUR..3 * HOUR + 480).contains(&until), "{until}");
}

#[test]
fn a_status_that_nobody_knows_ends_no_page_and_gets_a_ticket() {
    let life = life(&[(HOUR, EXCEPTION), (2 * HOUR, Face::status(5))]);
    assert_eq!(spans(&life, PAGE, State::Must), [(HOUR + 450, 4 * HOUR)]);
    let ticket = spans(&life, "LaafficRedialFlowUnknownStatus", State::Must);
    assert_eq!(ticket, [(2 * HOUR + 750, 4 * HOUR)]);
}

#[test]
fn what_leaves_the_configuration_ends() {
    let mut life = life(&[(HOUR, EXCEPTION)]);
    life.flows[0].configured.push((2 * HOUR, None));
    assert_eq!(spans(&life, PAGE, State::May), [(HOUR + 300, 2 * HOUR + 60)]);
}

#[test]
fn nobody_is_judged_while_prometheus_is_stopped() {
    let life = with(life(&[(HOUR, EXCEPTION)]), 2 * HOUR..3 * HOUR, What::PrometheusStopped);
    let [expected] = expected(&life, PAGE).try_into().unwrap();
    assert_eq!(expected.states[(2 * HOUR / life.step) as usize], None);
    assert_eq!(expected.states[(3 * HOUR / life.step) as usize], Some(State::May));
    assert_eq!(
        expected.states[((3 * HOUR + 180) / life.step) as usize],
        Some(State::Must)
    );
}

#[test]
fn one_exporter_that_is_down_is_a_page_and_one_of_two_is_a_ticket() {
    let alone = with(life(&[]), HOUR..2 * HOUR, What::Stopped(0));
    let down = (HOUR + 360, 2 * HOUR - 30);
    assert_eq!(spans(&alone, "LaafficExporterDown", State::Must), [down]);
    assert_eq!(spans(&alone, "LaafficExporterReplicaDown", State::May), []);

    let mut both = alone;
    watch(&mut both, "b:1");
    let of = |alert: &str, least: State| {
        let expected = expected(&both, alert);
        let at_least = |expected: &Expected| expected.states.iter().any(|state| *state >= Some(least));
        expected.iter().map(at_least).collect::<Vec<_>>()
    };
    assert_eq!(of("LaafficExporterDown", State::May), [false, false]);
    assert_eq!(of("LaafficExporterReplicaDown", State::Must), [true, false]);
}

#[test]
fn a_target_that_is_gone_is_absent_where_it_was_the_last() {
    let mut life = with(life(&[]), HOUR..2 * HOUR, What::Vanished(0));
    let gone = (HOUR + 660, 2 * HOUR - 30);
    assert_eq!(spans(&life, "LaafficExporterAbsent", State::Must), [gone]);
    // Somebody is there, but watches something else.
    life.accounts.push("other");
    watch(&mut life, "b:1");
    life.targets[1].accounts = vec!["other"];
    assert_eq!(spans(&life, "LaafficExporterAbsent", State::May), []);
    let not_watched = expected(&life, "LaafficAccountNotWatched");
    let musts: Vec<_> = not_watched.iter().map(Expected::is_incident).collect();
    assert_eq!(musts, [true, false]);
}

#[test]
fn a_vendor_that_is_gone_pages_for_the_account_and_one_that_refuses_does_so_otherwise() {
    let unreachable = What::Vendor("main", VendorTrouble::Unreachable);
    let gone = with(life(&[]), HOUR..2 * HOUR, unreachable);
    let [(from, until)] = spans(&gone, "LaafficAccountNotRefreshed", State::Must)
        .try_into()
        .unwrap();
    assert!((HOUR + 600..HOUR + 690).contains(&from), "{from}");
    assert_eq!(until, 2 * HOUR - 30);
    assert_eq!(spans(&gone, "LaafficAccountBlocked", State::May), []);

    let refused = with(
        life(&[]),
        HOUR..2 * HOUR,
        What::Vendor("main", VendorTrouble::Refuses(-1)),
    );
    assert_eq!(spans(&refused, "LaafficAccountNotRefreshed", State::Must), []);
    let [(from, until)] = spans(&refused, "LaafficAccountBlocked", State::Must)
        .try_into()
        .unwrap();
    assert!((HOUR + 60..=HOUR + 270).contains(&from), "{from}");
    assert_eq!(until, 2 * HOUR - 30);
}

#[test]
fn a_flow_that_is_stopped_three_times_within_the_hour_gets_a_ticket_and_two_times_are_none() {
    let stops = |times: Seconds| {
        let faces = (0..times).flat_map(|n| [(HOUR + 300 * n, EXCEPTION), (HOUR + 300 * n + 200, IN_PROGRESS)]);
        life(&faces.collect::<Vec<_>>())
    };
    const TICKET: &str = "LaafficRedialFlowFlapping";
    assert_eq!(spans(&stops(2), TICKET, State::May), []);
    // Seen by a poll of a minute and a scrape, and told at the evaluation after; until the first is an hour ago.
    let [(from, until)] = spans(&stops(3), TICKET, State::Must).try_into().unwrap();
    assert_eq!((from, until), (HOUR + 750, 2 * HOUR - 60));
    // The third may be seen at once, and the first may count as long as its poll may have been within the hour.
    let [(from, until)] = spans(&stops(3), TICKET, State::May).try_into().unwrap();
    assert_eq!((from, until), (HOUR + 600, 2 * HOUR + 240));
}
