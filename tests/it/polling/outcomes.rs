//! What became of the calls of each round, read from the list of group calls beside the polls.

use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use exporter_toolkit::clock::Clock as _;
use laaffic_exporter::api::Transport as _;
use laaffic_simulator::{
    Dialect, Fault, FaultPlan, Flow, FlowState, Lifecycle, ListDialect, Outcome, Scope, Script, TimeForm, TotalForm,
};
use md5::{Digest as _, Md5};
use serde_json::{Value, json};
use testkit::assertions::within;
use testkit::world::{MINUTE, Setup, World, code, everywhere};

/// Rounds by flow and number, each with what is shown of it.
type Rounds = BTreeMap<(u64, u64), BTreeMap<String, i64>>;

fn flow(key_id: u64, outcome: Outcome) -> Flow {
    Flow {
        lifecycle: Lifecycle::Scripted(Script {
            outcome,
            rest: None,
            ..Script::default()
        }),
        dialect: Some(Dialect::default()),
        ..Flow::seeded(key_id)
    }
}

/// Flows that stay as they are, whose rounds have run as the group calls 100 × key and following.
fn stands(key_id: u64, rounds: &[i64]) -> Flow {
    let mut state = FlowState::with_nodes(1, rounds);
    for (task_id, node) in (i64::try_from(key_id).unwrap() * 100..).zip(&mut state.nodes) {
        node.task_id = Some(task_id);
    }
    Flow::fixed(key_id, state)
}

fn setup(flows: Vec<Flow>) -> Setup {
    Setup {
        outcomes: true,
        ..Setup::new("main", flows)
    }
}

fn world(flows: Vec<Flow>) -> World {
    with_lists(World::start(vec![setup(flows)]))
}

fn with_lists(world: World) -> World {
    let dialect = Some(ListDialect::default());
    world.vendor.set_list_dialect("main", dialect).unwrap();
    world
}

/// What a scrape shows.
fn shown(world: &World) -> Rounds {
    let scrape = world.scrape();
    let mut rounds = Rounds::new();
    for (series, value) in scrape.of("laaffic_redial_flow_round_calls") {
        let label = |name: &str| {
            let (_, rest) = series.split_once(&format!("{name}=\"")).unwrap();
            rest.split_once('"').unwrap().0.to_owned()
        };
        let round = (label("key_id").parse().unwrap(), label("round").parse().unwrap());
        rounds.entry(round).or_default().insert(label("result"), value as i64);
    }
    for (series, value) in scrape.of("laaffic_redial_flow_round_status_code") {
        let numbers: Vec<u64> = series.split('"').filter_map(|part| part.parse().ok()).collect();
        let of = rounds.entry((numbers[0], numbers[1])).or_default();
        of.insert("status".to_owned(), value as i64);
    }
    rounds
}

/// What the vendor says of its group calls, asked without anything of the exporter's client.
async fn told(world: &World) -> BTreeMap<i64, Value> {
    let body = json!({
        "current": 1, "size": 100, "params": { "strTime": "1970-01-01 00:00:00", "endTime": "2099-01-01 00:00:00" }
    });
    let time = world.calendar.now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let digest = Md5::digest(format!("key-of-mainsecret-of-main{time}"));
    let sign: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let url = "http://vendor/v3/voice/group/call/query".parse().unwrap();
    let mut request = reqwest::Request::new(reqwest::Method::POST, url);
    let headers = [
        ("content-type", "application/json;charset=UTF-8".to_owned()),
        ("api-key", "key-of-main".to_owned()),
        ("timestamp", time.to_string()),
        ("sign", sign),
    ];
    for (name, value) in headers {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    *request.body_mut() = Some(body.to_string().into());
    let answer = world.wire.send(request).await.unwrap();
    let answer: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    let records = answer["data"]["records"].as_array().unwrap();
    let by_task = |record: &Value| (record["taskId"].as_i64().unwrap(), record.clone());
    records.iter().map(by_task).collect()
}

/// What there is to show of the rounds of these flows, by what the vendor says now.
async fn truth(world: &World, keys: impl IntoIterator<Item = u64>) -> Rounds {
    let told = told(world).await;
    let mut rounds = Rounds::new();
    for key_id in keys {
        let state = world.vendor.flow_state("main", key_id).unwrap().unwrap();
        for (round, node) in (1..).zip(&state.nodes) {
            let Some(record) = node.task_id.and_then(|task_id| told.get(&task_id)) else {
                continue;
            };
            let number = |field: &str| record[field].as_i64().unwrap();
            let (success, fail) = (number("success"), number("fail"));
            let calls = [
                ("reached", success),
                ("failed", fail),
                ("open", number("numCnt") - success - fail),
                ("status", number("status")),
            ];
            let calls = calls.map(|(name, number)| (name.to_owned(), number));
            rounds.insert((key_id, round), calls.into());
        }
    }
    rounds
}

/// Requests for the list that ended so.
fn asked(world: &World, outcome: &str) -> Option<f64> {
    world.scrape().get(&format!(
        "laaffic_api_requests_total{{account=\"main\",endpoint=\"group_call_query\",outcome=\"{outcome}\"}}"
    ))
}

fn since(world: &World, key_id: u64, round: u64) -> Option<f64> {
    world.scrape().get(&format!(
        "laaffic_redial_flow_round_status_since_timestamp_seconds{{account=\"main\",key_id=\"{key_id}\",round=\"{round}\"}}"
    ))
}

fn main_account() -> Scope {
    Scope::Account("main".to_owned())
}

#[tokio::test(start_paused = true)]
async fn the_numbers_of_rounds_are_the_vendors() {
    let world = world(vec![
        flow(12, Outcome::Completes),
        flow(13, Outcome::FailingNode { round: 1 }),
        flow(14, Outcome::Cancelled { round: 0 }),
    ]);
    let mut seen = 0;
    for _ in 0..10 {
        // A second after each reading: the first is ten seconds after the first poll, or five minutes after one that had nothing to ask.
        world.pass(MINUTE * 5).await;
        let rounds = shown(&world);
        for (round, numbers) in &rounds {
            let [reached, failed, open] = ["reached", "failed", "open"].map(|result| numbers[result]);
            assert!(reached >= 0 && failed >= 0 && open >= 0, "{round:?} {numbers:?}");
        }
        seen = seen.max(rounds.len());
    }
    assert_eq!(seen, 7, "three rounds, three, and the one that was cancelled");
    assert_eq!(
        shown(&world),
        truth(&world, 12..=14).await,
        "all is over and nothing moves"
    );
}

/// It was so at some moment of a second.
fn lies_between(rounds: &Rounds, then: &Rounds, now: &Rounds) {
    assert!(rounds.keys().eq(now.keys()));
    for (round, numbers) in rounds {
        for (name, number) in numbers {
            let then = then.get(round).map_or(now[round][name], |then| then[name]);
            let (least, most) = (then.min(now[round][name]), then.max(now[round][name]));
            within(name, *number, least..=most);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn rounds_under_way_are_read_every_five_minutes_and_show_what_was_read() {
    let world = world(vec![flow(12, Outcome::Completes)]);
    // The first round begins after ten minutes.
    world.pass(MINUTE * 10 - Duration::from_secs(1)).await;
    assert_eq!(
        asked(&world, "success"),
        Some(0.0),
        "nothing has run, so nothing is asked"
    );
    assert!(shown(&world).is_empty());
    let mut readings = 0.0;
    let mut before = Rounds::new();
    let mut waits = Vec::new();
    let mut last = world.started.elapsed();
    for _ in 0..22 * 60 {
        let then = truth(&world, [12]).await;
        world.pass(Duration::from_secs(1)).await;
        let now = asked(&world, "success").unwrap();
        if now > readings {
            lies_between(&shown(&world), &then, &truth(&world, [12]).await);
            waits.push((world.started.elapsed() - last).as_secs());
            last = world.started.elapsed();
        } else {
            assert_eq!(shown(&world), before, "nothing changes without a reading");
        }
        (readings, before) = (now, shown(&world));
    }
    assert_eq!(readings, 5.0);
    assert!(waits[1..].iter().all(|wait| *wait == 300), "{waits:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_over_is_asked_for_no_more() {
    let world = world(vec![stands(12, &[2, 2, 3])]);
    world.pass(MINUTE).await;
    assert_eq!(shown(&world), truth(&world, [12]).await);
    assert_eq!(shown(&world).len(), 3);
    let status_since = since(&world, 12, 3);
    world.pass(MINUTE * 5).await;
    assert_eq!(
        asked(&world, "success"),
        Some(2.0),
        "once more, for what was counted late"
    );
    world.pass(MINUTE * 60 * 24).await;
    assert_eq!(asked(&world, "success"), Some(2.0));
    assert_eq!(shown(&world), truth(&world, [12]).await, "and stays");
    assert_eq!(since(&world, 12, 3), status_since);
    // The flow goes on: its fourth round is another group call.
    let mut state = world.vendor.flow_state("main", 12).unwrap().unwrap();
    state.nodes.push(laaffic_simulator::NodeState {
        task_id: Some(1203),
        ..state.nodes[0]
    });
    world.vendor.pin("main", 12, state).unwrap();
    world.pass(MINUTE * 2).await;
    assert_eq!(asked(&world, "success"), Some(3.0));
    assert_eq!(shown(&world).len(), 4);
}

#[tokio::test(start_paused = true)]
async fn every_form_of_the_list_says_the_same() {
    let flows = || (1..=41).map(|key_id| stands(key_id, &[2, 4, 1, 0])).collect::<Vec<_>>();
    let proper = ListDialect::default();
    let forms = [
        proper,
        ListDialect {
            ignores_size: true,
            omits_pages: true,
            ..proper
        },
        ListDialect {
            total: TotalForm::Understated,
            ..proper
        },
        ListDialect {
            answer: Dialect {
                numbers_as_text: true,
                extras: true,
                ..Dialect::default()
            },
            old_names: true,
            times: TimeForm::EpochMilliseconds,
            total: TotalForm::Overstated,
            ..proper
        },
    ];
    let mut first = None;
    for form in forms {
        let world = world(flows());
        world.vendor.set_list_dialect("main", Some(form)).unwrap();
        world.pass(MINUTE).await;
        let rounds = shown(&world);
        assert_eq!(rounds.len(), 164, "{form:?}");
        assert_eq!(*first.get_or_insert_with(|| rounds.clone()), rounds, "{form:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_reported_is_not_shown() {
    let world = world(vec![stands(12, &[1])]);
    let sparse = ListDialect {
        answer: Dialect {
            sparse: true,
            ..Dialect::default()
        },
        ..ListDialect::default()
    };
    world.vendor.set_list_dialect("main", Some(sparse)).unwrap();
    world.pass(MINUTE).await;
    let rounds = shown(&world);
    let names: Vec<_> = rounds[&(12, 1)].keys().collect();
    assert_eq!(names, ["reached", "status"], "without `fail` nobody knows what is open");
}

#[tokio::test(start_paused = true)]
async fn a_list_that_moves_while_it_is_read_is_read_all_the_same() {
    let world = world((1..=60).map(|key_id| stands(key_id, &[2, 2, 1])).collect());
    for records in [1, -1] {
        let torn = FaultPlan::always(Fault::Torn { records });
        world.vendor.set_faults(&main_account(), Some(torn)).unwrap();
        world.pass(MINUTE * 5).await;
        // One on each of two borders between pages may be on no page, until the next reading.
        within("rounds", shown(&world).len(), 178..=180);
    }
    world.vendor.set_faults(&main_account(), None).unwrap();
    world.pass(MINUTE * 15).await;
    assert_eq!(shown(&world), truth_of_pages(&world).await);
}

/// The same as [`truth`] where there are more group calls than on a page: numbers do not move here, so any form says them.
async fn truth_of_pages(world: &World) -> Rounds {
    let rounds = shown(world);
    let first = truth(world, 1..=60).await;
    assert!(first.len() > 50 && first.iter().all(|(round, numbers)| rounds.get(round) == Some(numbers)));
    assert_eq!(rounds.len(), 180);
    rounds
}

#[tokio::test(start_paused = true)]
async fn records_without_a_key_are_counted_and_the_rest_is_used() {
    let world = world((1..=10).map(|key_id| stands(key_id, &[1, 1])).collect());
    let keyless = FaultPlan::always(Fault::KeylessRecords);
    world.vendor.set_faults(&main_account(), Some(keyless)).unwrap();
    world.pass(MINUTE).await;
    let rounds = shown(&world).len();
    assert!((1..20).contains(&rounds), "{rounds}");
    let unreadable =
        "laaffic_api_unreadable_fields_total{account=\"main\",endpoint=\"group_call_query\",field=\"taskId\"}";
    assert_eq!(world.scrape().get(unreadable), Some(1.0));
}

#[tokio::test(start_paused = true)]
async fn numbers_outlive_failed_readings_for_a_quarter_of_an_hour() {
    let world = world(vec![stands(12, &[2, 1]), stands(13, &[2])]);
    world.pass(MINUTE * 6).await;
    let before = shown(&world);
    assert_eq!(before.len(), 3);
    // The list alone is in trouble; polls go on.
    let empty = FaultPlan::always(Fault::EmptyList);
    world.vendor.set_faults(&main_account(), Some(empty)).unwrap();
    world.pass(MINUTE * 14).await;
    assert_eq!(shown(&world), before);
    world.pass(MINUTE * 2).await;
    let left = shown(&world);
    assert_eq!(
        left.keys().copied().collect::<Vec<_>>(),
        [(12, 1), (13, 1)],
        "what is over stays"
    );
    world.vendor.set_faults(&main_account(), None).unwrap();
    world.pass(MINUTE * 30).await;
    assert_eq!(shown(&world), before);
}

#[tokio::test(start_paused = true)]
async fn all_leaves_with_the_flow_and_with_what_is_known_of_it() {
    let world = world(vec![stands(12, &[2, 1]), stands(13, &[2])]);
    world.pass(MINUTE * 6).await;
    let only_13 = setup(vec![stands(13, &[2])]);
    world.reload(std::slice::from_ref(&only_13)).await;
    assert_eq!(shown(&world).keys().copied().collect::<Vec<_>>(), [(13, 1)]);
    everywhere(&world, FaultPlan::always(code(-18)));
    world.pass(MINUTE * 4).await;
    assert_eq!(shown(&world).len(), 1);
    world.pass(MINUTE * 2).await;
    assert!(
        shown(&world).is_empty(),
        "the flow's numbers are too old, so its rounds' are"
    );
    everywhere(&world, None);
    world.pass(MINUTE * 6).await;
    assert_eq!(shown(&world).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_in_the_list_shows_nothing_and_is_looked_for_ever_more_seldom() {
    let world = world(vec![stands(12, &[1])]);
    let empty = FaultPlan::always(Fault::EmptyList);
    world.vendor.set_faults(&main_account(), Some(empty)).unwrap();
    world.pass(MINUTE * 60 * 24).await;
    assert!(shown(&world).is_empty());
    within("requests in a day", asked(&world, "success").unwrap(), 8.0..=10.0);
}

#[tokio::test(start_paused = true)]
async fn a_page_that_fails_ends_the_reading_and_what_was_read_counts() {
    // Three pages, the newest first; requests of polls end before.
    let world = world((1..=80).map(|key_id| stands(key_id, &[1, 1, 1])).collect());
    world.pass(Duration::from_secs(9)).await;
    assert!(shown(&world).is_empty());
    let lists = FaultPlan::mix([(0.85, code(-18))]);
    world.vendor.set_faults(&main_account(), Some(lists)).unwrap();
    let mut counts = Vec::new();
    for _ in 0..12 {
        world.pass(MINUTE * 5).await;
        counts.push(shown(&world).len());
    }
    let whole = counts.iter().filter(|count| **count == 240).count();
    assert!(counts.iter().any(|count| (1..240).contains(count)), "{counts:?}");
    world.vendor.set_faults(&main_account(), None).unwrap();
    world.pass(MINUTE * 6).await;
    assert_eq!(shown(&world).len(), 240, "{whole} {counts:?}");
}

#[tokio::test(start_paused = true)]
async fn who_does_not_want_it_is_not_asked_and_a_reload_changes_that() {
    let with = setup(vec![stands(12, &[1])]);
    let without = Setup {
        outcomes: false,
        ..with.clone()
    };
    let world = with_lists(World::start(vec![without.clone()]));
    world.pass(MINUTE * 30).await;
    assert_eq!(asked(&world, "success"), None, "no series of a call that is not made");
    for what in ["it is wanted", "nothing has changed"] {
        world.reload(std::slice::from_ref(&with)).await;
        world.pass(MINUTE * 2).await;
        assert_eq!(asked(&world, "success"), Some(1.0), "{what}");
        assert_eq!(shown(&world).len(), 1, "{what}");
    }
    world.reload(&[without]).await;
    world.pass(Duration::from_secs(1)).await;
    assert!(shown(&world).is_empty());
    world.pass(MINUTE * 30).await;
    assert!(shown(&world).is_empty());
    assert_eq!(asked(&world, "success"), Some(1.0), "what was counted stays");
}

#[tokio::test(start_paused = true)]
async fn a_blocked_account_is_not_asked() {
    let world = world(vec![stands(12, &[1])]);
    world.pass(MINUTE).await;
    world
        .vendor
        .set_faults(&main_account(), Some(FaultPlan::always(code(-1))))
        .unwrap();
    world.pass(MINUTE * 60).await;
    assert_eq!(world.scrape().account("api_blocked"), Some(1.0));
    within("until it is blocked", asked(&world, "api_error").unwrap(), 0.0..=1.0);
    world.vendor.set_faults(&main_account(), None).unwrap();
    world.pass(MINUTE * 6).await;
    assert_eq!(shown(&world).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn its_pages_are_part_of_what_the_account_asks_for() {
    let flows: Vec<_> = (1..=80).map(|key_id| stands(key_id, &[1, 1, 1])).collect();
    let world = with_lists(World::start(vec![Setup {
        rate_limit: 2.0,
        ..setup(flows)
    }]));
    let ratio = |world: &World| world.scrape().account("exporter_poll_budget_ratio").unwrap();
    let polls = 80.0 / 60.0;
    within("one page to begin with", ratio(&world) * 2.0 - polls, 0.0033..=0.0034);
    world.pass(MINUTE * 4).await;
    // 80 tasks of the flows themselves stand between those of the rounds.
    within(
        "four pages every five minutes",
        ratio(&world) * 2.0 - polls,
        0.0099..=0.0134,
    );
}
