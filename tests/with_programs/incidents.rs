//! The proof of the alerts finds rules that break a promise, and says nothing of one that keeps it. The proof itself: `scripts/incidents`.

use testkit::folder::Folder;
use testkit::incidents::judge;
use testkit::incidents::life::{EXCEPTION, Flow, IN_PROGRESS, Life, Seconds, Target};
use testkit::incidents::promtool::Rules;
use testkit::incidents::report::Table;
use testkit::incidents::verdict::Wrong;

const ALERT: &str = "LaafficRedialFlowExecutionException";
const HOUR: Seconds = 3600;

/// When the first exception begins, about.
const BEGIN: Seconds = HOUR / 2;

/// Two exporters that watch the same flows, some of which meet an execution exception, and nothing else happens.
fn life() -> Life {
    let target = |instance: &str| Target {
        instance: instance.to_owned(),
        accounts: vec!["main"],
        span: 0..4 * HOUR,
    };
    let flow = |(key_id, length): (u64, Seconds)| Flow {
        account: "main",
        key_id,
        interval: 60,
        faces: match length {
            0 => vec![(0, IN_PROGRESS)],
            _ => vec![
                (0, IN_PROGRESS),
                (BEGIN + key_id * 35, EXCEPTION),
                (BEGIN + key_id * 35 + length, IN_PROGRESS),
            ],
        },
        configured: vec![(0, Some(format!("flow {key_id}")))],
    };
    Life {
        seed: 0,
        number: 0,
        end: 2 * HOUR,
        step: 30,
        accounts: vec!["main"],
        targets: vec![target("a:1"), target("b:1")],
        flows: [0, 30, 180, 900, 1800]
            .into_iter()
            .enumerate()
            .map(|(n, length)| flow((n as u64 + 1, length)))
            .collect(),
        troubles: Vec::new(),
    }
}

/// What the proof says of an alert with this expression.
fn judged(expression: &str, lasts: &str) -> Table {
    let text = format!(
        "groups:\n- name: one\n  rules:\n  - alert: {ALERT}\n    expr: |\n      {expression}\n    for: {lasts}\n    annotations: {{summary: text}}\n"
    );
    let folder = Folder::with([("rules.yml", text.as_str())]);
    let rules = Rules::read(&[folder.path().join("rules.yml")], |text| text);
    judge(&life(), 5, &rules).table
}

/// The faults that it finds.
fn found(expression: &str, lasts: &str) -> Vec<Wrong> {
    let table = judged(expression, lasts);
    Wrong::ALL
        .into_iter()
        .filter(|wrong| table.count(ALERT, *wrong) > 0)
        .collect()
}

const STOPPED: &str = "max by (job, account, key_id) (laaffic_redial_flow_status{status=\"execution_exception\"}) == 1";

#[test]
fn a_rule_that_keeps_its_promise_is_left_alone() {
    assert_eq!(found(STOPPED, "5m"), []);
}

#[test]
fn a_rule_that_breaks_it_is_found() {
    assert_eq!(found(STOPPED, "50m"), [Wrong::Missed]);
    assert_eq!(found(STOPPED, "10m"), [Wrong::Late]);
    assert_eq!(found(STOPPED, "1m"), [Wrong::False]);
    assert_eq!(
        found(&STOPPED.replace("execution_exception", "cancelled"), "5m"),
        [Wrong::Missed]
    );
    let of_each = STOPPED.replace("by (job", "by (job, instance");
    assert_eq!(found(&of_each, "5m"), [Wrong::Doubled]);
    let for_ever = STOPPED
        .replace("(laaffic", "(max_over_time(laaffic")
        .replace("\"})", "\"}[1h]))");
    assert_eq!(found(&for_ever, "5m"), [Wrong::False]);
    let with_pauses = format!("{STOPPED} and on () vector(time()) % 1200 > 60");
    assert_eq!(found(&with_pauses, "5m"), [Wrong::ResolvedEarly, Wrong::Doubled]);
}

#[test]
fn a_story_says_what_happened_and_how_to_see_it_again() {
    let folder = Folder::with([("rules.yml", "groups: []\n")]);
    let rules = Rules::read(&[folder.path().join("rules.yml")], |text| text);
    let stories = judge(&life(), 5, &rules).stories;
    let story = stories
        .iter()
        .find(|story| story.contains("key_id=5 ") || story.contains("key_id=5:"))
        .unwrap();
    for part in [
        "LaafficRedialFlowExecutionException account=main key_id=5: missed at 0h",
        "the flow: in an execution exception",
        "it must fire     0h",
        "it fired         never",
        "scripts/incidents --seed 0 --count 5 --only 0",
    ] {
        assert!(story.contains(part), "{part}\n{story}");
    }
}
