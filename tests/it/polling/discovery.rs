//! Flows that are found in the vendor's list, against the played vendor.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use laaffic_exporter::config::{self, Discovery};
use laaffic_simulator::{
    Dialect, Fault, FaultPlan, Flow, FlowState, Lifecycle, ListDialect, RetryAfter, Scope, Settings, TimeForm,
    TotalForm, ZoneOffset,
};
use testkit::assertions::within;
use testkit::store::key;
use testkit::world::{Calendar, MINUTE, Samples, Setup, World, code, vendor_account, with_status};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

/// The settings that these lines make, below `discovery:`.
fn discovery(lines: &str) -> Discovery {
    let file =
        format!("accounts: [{{name: a, base_url: 'http://v', api_key: k, api_secret: s, discovery: {{{lines}}}}}]");
    let mut config = config::parse(file, Path::new("c.yaml"), &|_| None).unwrap();
    config.accounts.remove(0).discovery.unwrap()
}

/// An account that finds its flows.
fn finding(lines: &str) -> Setup {
    Setup {
        discovery: Some(discovery(lines)),
        ..Setup::new("main", vec![])
    }
}

/// An account like this, and a vendor with these flows.
fn world_of(setup: &Setup, flows: Vec<Flow>) -> World {
    let known = Setup { flows, ..setup.clone() };
    let mut account = vendor_account(&known);
    account.list_dialect = Some(ListDialect::default());
    start(setup, account)
}

fn start(setup: &Setup, account: laaffic_simulator::Account) -> World {
    let settings = Settings {
        record_arrivals: true,
        accounts: vec![account],
        ..Settings::default()
    };
    let calendar = Arc::<Calendar>::default();
    World::start_with(vec![setup.clone()], settings, calendar.clone(), calendar).0
}

fn world(lines: &str, flows: Vec<Flow>) -> World {
    world_of(&finding(lines), flows)
}

/// A flow that stays in this status, of a task with a name.
fn named(key_id: u64, status: i64, name: &str) -> Flow {
    Flow {
        task_name: Some(name.to_owned()),
        ..with_status(key_id, status)
    }
}

/// When the list was asked for, since the start.
fn lists(world: &World) -> Vec<Duration> {
    let arrivals = world.vendor.arrivals("main").unwrap();
    let lists = arrivals.iter().filter(|arrival| arrival.key_id.is_none());
    lists.map(|arrival| arrival.at - world.started).collect()
}

fn looks(world: &World, key_id: u64) -> usize {
    world.arrivals("main", key_id).len()
}

fn tracked(world: &World) -> Vec<u64> {
    let account = world.store.account("main").unwrap();
    account.flows.iter().map(|flow| flow.info.key_id.get()).collect()
}

fn found(scrape: &Samples, state: &str) -> Option<f64> {
    scrape.get(&format!(
        "laaffic_discovery_flows{{account=\"main\",state=\"{state}\"}}"
    ))
}

fn info(scrape: &Samples, key_id: u64) -> String {
    let of_flow = format!("key_id=\"{key_id}\"");
    let mut infos = scrape
        .of("laaffic_redial_flow_info")
        .map(|(series, _)| series.to_owned());
    infos.find(|series| series.contains(&of_flow)).unwrap_or_default()
}

fn pin(world: &World, key_id: u64, status: i64, nodes: &[i64]) {
    world
        .vendor
        .pin("main", key_id, FlowState::with_nodes(status, nodes))
        .unwrap();
}

fn faults(world: &World, scope: Scope, faults: impl Into<Option<FaultPlan>>) {
    world.vendor.set_faults(&scope, faults.into()).unwrap();
}

fn account() -> Scope {
    Scope::Account("main".to_owned())
}

#[tokio::test(start_paused = true)]
async fn what_the_list_tells_is_shown_without_a_key_in_the_configuration() {
    let flow = Flow {
        age: Some(HOUR),
        task_id: Some(900_123),
        ..named(12, 1, "collections-\"late\"")
    };
    // By which the vendor's zone is known.
    let young = Flow {
        age: Some(SECOND * 20),
        ..named(14, 4, "Other")
    };
    let rules = "rules: [{match: 'test.*', action: drop}, {match: '(?P<team>[a-z]+)-.*', labels: {team: $team}}]";
    let world = world(rules, vec![flow, named(13, 2, "test-1"), young]);
    world.pass(SECOND).await;
    let scrape = world.scrape();
    assert_eq!(
        info(&scrape, 12),
        r#"laaffic_redial_flow_info{account="main",key_id="12",name="collections-\"late\"",recall_type="failed",task_id="900123",team="collections"}"#
    );
    assert!(info(&scrape, 14).contains("name=\"Other\"") && !info(&scrape, 14).contains("team="));
    assert_eq!(scrape.flow("status_code", 12), Some(1.0));
    assert_eq!(scrape.flow("status_code", 14), Some(4.0));
    assert_eq!(scrape.flow("recall_attempts_completed", 12), Some(1.0));
    let created = scrape.flow("created_timestamp_seconds", 12).unwrap();
    let now = exporter_toolkit::clock::unix_seconds(exporter_toolkit::clock::Clock::now(&*world.calendar));
    within("an hour old", now - created, 3600.0..=3662.0);
    let states = ["tracked", "dropped", "over_limit"].map(|state| found(&scrape, state));
    assert_eq!(states, [Some(2.0), Some(1.0), Some(0.0)]);
    assert_eq!(scrape.account("discovery_complete"), Some(1.0));
    assert!(scrape.account("discovery_last_success_timestamp_seconds").is_some());
    assert_eq!(scrape.flow("up", 12), Some(1.0));
    assert_eq!(scrape.flow("poll_interval_seconds", 12), Some(60.0));
    assert_eq!(
        scrape.get("laaffic_redial_flow_nodes{account=\"main\",key_id=\"12\",status=\"completed\"}"),
        Some(1.0)
    );
}

/// The bar of docs/performance.md: ten requests for the list of a thousand flows, one for each look at nodes, and nothing else.
#[tokio::test(start_paused = true)]
async fn a_thousand_flows_take_ten_requests_a_minute_and_one_for_each_look() {
    let flows = (1..=1000).map(|key_id| with_status(key_id, if key_id <= 100 { 1 } else { 2 }));
    let world = world("", flows.collect());
    world.pass(MINUTE / 2).await;
    assert_eq!(lists(&world).len(), 10);
    let before = world.vendor.arrivals("main").unwrap().len();
    assert_eq!(before, 10 + 1000, "each is looked at once");
    world.pass(MINUTE * 60).await;
    assert_eq!(lists(&world).len(), 10 + 600);
    let in_progress: usize = (1..=100).map(|key_id| looks(&world, key_id)).sum();
    within("every five minutes", in_progress, 1200..=1400);
    let over: usize = (101..=1000).map(|key_id| looks(&world, key_id)).sum();
    assert_eq!(over, 900, "they are over");
    let scrape = world.scrape();
    for key_id in [1, 500, 1000] {
        assert!(
            scrape
                .of("laaffic_redial_flow_nodes")
                .any(|(series, _)| series.contains(&format!("key_id=\"{key_id}\""))),
            "the nodes of {key_id} stand"
        );
    }
    assert_eq!(scrape.sum("laaffic_redial_flow_up"), 1000.0);
}

#[tokio::test(start_paused = true)]
async fn a_flow_that_changes_is_looked_at_at_once_and_what_it_entered_is_counted() {
    let world = world("", vec![with_status(12, 0), with_status(13, 1)]);
    world.pass(MINUTE * 10 + MINUTE / 2).await;
    assert_eq!(looks(&world, 12), 1, "it waits");
    pin(&world, 12, 4, &[2, 4, 0]);
    pin(&world, 13, 1, &[2, 2, 0]);
    world.pass(MINUTE).await;
    assert_eq!(looks(&world, 12), 2);
    let scrape = world.scrape();
    assert_eq!(scrape.flow("exceptions_total", 12), Some(1.0));
    assert_eq!(
        scrape.get("laaffic_redial_flow_nodes{account=\"main\",key_id=\"12\",status=\"execution_exception\"}"),
        Some(1.0)
    );
    assert_eq!(
        scrape.get("laaffic_redial_flow_nodes{account=\"main\",key_id=\"13\",status=\"completed\"}"),
        Some(2.0),
        "a round more is over, which the list tells"
    );
    let last = *world.arrivals("main", 13).last().unwrap();
    within("with the list", last.as_secs_f64(), 660.0..=661.0);
    world.pass(MINUTE * 30).await;
    assert_eq!(looks(&world, 12), 2, "an exception stands still");
    assert!(scrape.flow("status_since_timestamp_seconds", 12).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_flow_that_is_over_leaves_after_its_time_and_does_not_come_back() {
    let world = world("keep_terminal: 1h", vec![with_status(12, 1), with_status(13, 1)]);
    world.pass(MINUTE * 5).await;
    pin(&world, 12, 2, &[2, 2, 2]);
    world.pass(MINUTE * 59).await;
    assert_eq!(tracked(&world), [12, 13]);
    world.pass(MINUTE * 4).await;
    assert_eq!(tracked(&world), [13]);
    assert_eq!(found(&world.scrape(), "tracked"), Some(1.0));
    let asked = looks(&world, 12);
    world.pass(HOUR * 3).await;
    assert_eq!((tracked(&world), looks(&world, 12)), (vec![13], asked));
    // Somebody lets it run again.
    pin(&world, 12, 1, &[2, 1, 0]);
    world.pass(MINUTE * 2).await;
    assert_eq!(tracked(&world), [12, 13]);
}

#[tokio::test(start_paused = true)]
async fn a_flow_leaves_only_when_two_lists_lack_it_and_the_vendor_does_not_know_it() {
    let world = world("", vec![with_status(12, 4), with_status(13, 1)]);
    world.pass(MINUTE * 3).await;
    world.vendor.set_lifecycle("main", 12, Lifecycle::Missing).unwrap();
    world.pass(MINUTE).await;
    assert_eq!(tracked(&world), [12, 13], "one list may be torn");
    world.pass(MINUTE + SECOND).await;
    assert_eq!(tracked(&world), [13]);
    assert_eq!(
        looks(&world, 12),
        2,
        "one look at its nodes, one that says that it is gone"
    );
    assert_eq!(info(&world.scrape(), 12), "");
}

#[tokio::test(start_paused = true)]
async fn a_flow_that_has_become_too_old_for_the_list_is_asked_for_until_it_is_over() {
    let old = Flow {
        age: Some(HOUR - MINUTE * 10),
        ..with_status(12, 1)
    };
    let world = world("lookback: 1h, keep_terminal: 1h, time_zone: '+08:00'", vec![old]);
    world.pass(HOUR).await;
    assert_eq!(tracked(&world), [12]);
    let scrape = world.scrape();
    assert_eq!(scrape.flow("up", 12), Some(1.0));
    assert_eq!(scrape.flow("status_code", 12), Some(1.0));
    let arrivals = world.arrivals("main", 12);
    let late = arrivals.iter().filter(|at| **at > MINUTE * 20).count();
    within("every minute", late, 38..=41);
    pin(&world, 12, 2, &[2, 2, 2]);
    world.pass(MINUTE * 2).await;
    let asked = looks(&world, 12);
    world.pass(MINUTE * 45).await;
    within("every 15 minutes", looks(&world, 12) - asked, 2..=4);
    assert_eq!(world.scrape().flow("status_code", 12), Some(2.0));
    world.pass(MINUTE * 20).await;
    assert_eq!(tracked(&world), [] as [u64; 0]);
}

#[tokio::test(start_paused = true)]
async fn lists_that_are_torn_or_fail_drop_nobody() {
    let flows: Vec<_> = (1..=250)
        .map(|key_id| with_status(key_id, (key_id % 3) as i64))
        .collect();
    let world = world("", flows);
    world.pass(MINUTE).await;
    assert_eq!(tracked(&world).len(), 250);
    for fault in Fault::all_of_lists() {
        faults(
            &world,
            Scope::Page("main".into(), 2),
            FaultPlan::times(1, fault.clone()),
        );
        world.pass(MINUTE * 3).await;
        assert_eq!(tracked(&world).len(), 250, "{}", fault.name());
    }
    let mixed = FaultPlan::mix(Fault::all_of_lists().into_iter().map(|fault| (0.02, fault)));
    faults(&world, account(), mixed);
    for _ in 0..120 {
        world.pass(MINUTE).await;
        assert_eq!(tracked(&world).len(), 250);
    }
    faults(&world, account(), None);
    world.pass(MINUTE * 2).await;
    assert_eq!(world.scrape().sum("laaffic_redial_flow_up"), 250.0);
}

#[tokio::test(start_paused = true)]
async fn a_list_that_fails_leaves_everything_as_it_was_aging() {
    let world = world("", vec![with_status(12, 0), with_status(13, 2)]);
    world.pass(MINUTE * 2 + SECOND).await;
    faults(&world, account(), FaultPlan::always(code(-18)));
    world.pass(MINUTE * 4).await;
    let scrape = world.scrape();
    assert_eq!(
        (scrape.flow("up", 12), scrape.error(12)),
        (Some(0.0), Some("system_exception".to_owned()))
    );
    assert_eq!(scrape.flow("status_code", 12), Some(0.0), "not yet too old");
    assert_eq!(scrape.account("discovery_complete"), Some(0.0));
    world.pass(MINUTE * 3).await;
    let scrape = world.scrape();
    assert_eq!(
        (scrape.flow("status_code", 12), scrape.flow("status_code", 13)),
        (None, None)
    );
    assert_eq!(scrape.of("laaffic_redial_flow_nodes").count(), 0);
    assert!(scrape.flow("last_success_timestamp_seconds", 13).is_some());
    faults(&world, account(), None);
    world.pass(MINUTE * 2).await;
    let scrape = world.scrape();
    assert_eq!(
        (scrape.flow("up", 12), scrape.flow("status_code", 13)),
        (Some(1.0), Some(2.0))
    );
    assert!(scrape.of("laaffic_redial_flow_nodes").count() > 0);
}

#[tokio::test(start_paused = true)]
async fn a_look_that_fails_costs_the_nodes_alone() {
    let world = world("rules: [{match: '.*', node_interval: 2m}]", vec![with_status(12, 1)]);
    world.pass(MINUTE * 3).await;
    faults(&world, Scope::Flow("main".into(), 12), FaultPlan::always(code(-18)));
    world.pass(MINUTE * 10).await;
    let scrape = world.scrape();
    assert_eq!(
        (scrape.flow("up", 12), scrape.flow("status_code", 12)),
        (Some(1.0), Some(1.0))
    );
    assert_eq!(
        scrape.of("laaffic_redial_flow_nodes").count(),
        0,
        "older than three looks"
    );
    faults(&world, Scope::Flow("main".into(), 12), None);
    world.pass(MINUTE * 3).await;
    assert!(world.scrape().of("laaffic_redial_flow_nodes").count() > 0);
}

#[tokio::test(start_paused = true)]
async fn where_there_are_too_many_those_that_are_over_go_first_oldest_first() {
    let flow = |key_id: u64| Flow {
        age: Some(MINUTE * (100 - key_id as u32)),
        ..with_status(key_id, if key_id.is_multiple_of(10) { 1 } else { 2 })
    };
    let world = world("max_flows: 15", (1..=30).map(flow).collect());
    world.pass(MINUTE).await;
    let scrape = world.scrape();
    let newest: Vec<_> = [10].into_iter().chain(17..=30).collect();
    assert_eq!(tracked(&world), newest);
    assert_eq!(
        (found(&scrape, "tracked"), found(&scrape, "over_limit")),
        (Some(15.0), Some(15.0))
    );
    assert_eq!(scrape.account("discovery_complete"), Some(0.0));
    // A flow that begins needs the place of one that is over.
    pin(&world, 3, 1, &[1]);
    world.pass(MINUTE * 2).await;
    assert!(tracked(&world).contains(&3) && !tracked(&world).contains(&17));
    assert_eq!(tracked(&world).len(), 15);
}

#[tokio::test(start_paused = true)]
async fn a_list_of_two_hundred_thousand_ends_where_there_are_enough() {
    let world = world(
        "max_flows: 300, interval: 10m",
        (1..=200_000).map(|key_id| with_status(key_id, 1)).collect(),
    );
    world.pass(MINUTE * 5).await;
    assert_eq!(tracked(&world).len(), 300);
    assert_eq!(lists(&world).len(), 3);
    assert_eq!(found(&world.scrape(), "over_limit"), Some(199_700.0));
}

#[tokio::test(start_paused = true)]
async fn a_blocked_account_tries_its_list_once_a_minute_and_nothing_else() {
    let world = world("", vec![with_status(12, 1), with_status(13, 0)]);
    world.pass(MINUTE * 2 + SECOND).await;
    let before = world.vendor.arrivals("main").unwrap().len();
    faults(&world, account(), FaultPlan::always(code(-1)));
    world.pass(MINUTE * 30).await;
    let scrape = world.scrape();
    assert_eq!(scrape.account("api_blocked"), Some(1.0));
    assert_eq!(scrape.flow("up", 12), Some(0.0));
    let asked = world.vendor.arrivals("main").unwrap().len() - before;
    within("about once a minute", asked, 27..=33);
    faults(&world, account(), None);
    world.pass(MINUTE + SECOND).await;
    let scrape = world.scrape();
    assert_eq!(scrape.account("api_blocked"), Some(0.0));
    assert_eq!((scrape.flow("up", 12), scrape.flow("up", 13)), (Some(1.0), Some(1.0)));
}

#[tokio::test(start_paused = true)]
async fn an_account_that_is_blocked_from_the_start_is_tried_although_it_has_no_flow() {
    let world = world("", vec![with_status(12, 1)]);
    faults(&world, account(), FaultPlan::always(code(-1)));
    world.pass(MINUTE * 20).await;
    assert_eq!(world.scrape().account("api_blocked"), Some(1.0));
    faults(&world, account(), None);
    world.pass(MINUTE + SECOND).await;
    assert_eq!(tracked(&world), [12]);
}

#[tokio::test(start_paused = true)]
async fn a_reload_changes_all_of_it_and_loses_no_state() {
    let setup = finding("");
    let world = world_of(
        &setup,
        vec![named(12, 1, "risk-1"), named(13, 1, "test-1"), named(14, 0, "sales-1")],
    );
    world.pass(MINUTE * 5).await;
    pin(&world, 12, 4, &[2, 4, 0]);
    world.pass(MINUTE * 2 + SECOND * 5).await;
    let since = world.scrape().flow("status_since_timestamp_seconds", 12);
    let asked = world.vendor.arrivals("main").unwrap().len();
    for _ in 0..50 {
        world.reload(std::slice::from_ref(&setup)).await;
    }
    world.pass(SECOND).await;
    assert_eq!(
        world.vendor.arrivals("main").unwrap().len(),
        asked,
        "nothing has changed"
    );
    assert_eq!(tracked(&world), [12, 13, 14]);

    let rules = "rules: [{match: 'test.*', action: drop}, {match: '(?P<team>[a-z]+)-.*', labels: {team: $team}}]";
    world.reload(&[finding(rules)]).await;
    world.pass(SECOND).await;
    assert_eq!(tracked(&world), [12, 14]);
    let scrape = world.scrape();
    assert!(info(&scrape, 12).contains("team=\"risk\""));
    assert_eq!(scrape.flow("status_since_timestamp_seconds", 12), since);
    assert_eq!(scrape.flow("exceptions_total", 12), Some(1.0));

    let listed = Setup {
        flows: vec![with_status(12, 4)],
        ..finding(rules)
    };
    world.reload(std::slice::from_ref(&listed)).await;
    world.pass(MINUTE * 2).await;
    let scrape = world.scrape();
    assert_eq!(
        scrape.flow("status_since_timestamp_seconds", 12),
        since,
        "listed now, and the same flow"
    );
    assert!(info(&scrape, 12).contains("task_id=") && info(&scrape, 12).contains("name=\"risk-1\""));
    assert_eq!(found(&scrape, "tracked"), Some(1.0));

    world
        .reload(&[Setup {
            discovery: None,
            ..listed
        }])
        .await;
    world.pass(SECOND).await;
    assert_eq!(tracked(&world), [12]);
    assert_eq!(world.scrape().of("laaffic_discovery_flows").count(), 0);
    let asked = lists(&world).len();
    world.pass(MINUTE * 5).await;
    assert_eq!(lists(&world).len(), asked);
}

#[tokio::test(start_paused = true)]
async fn a_flow_that_the_configuration_lists_is_asked_for_as_before_and_named_by_the_list() {
    let setup = Setup {
        flows: vec![with_status(12, 1)],
        ..finding("")
    };
    let world = world_of(&setup, vec![named(12, 1, "risk-1"), named(13, 1, "risk-2")]);
    world.pass(MINUTE * 10 + SECOND).await;
    assert_eq!(looks(&world, 12), 11, "every minute");
    within("every five minutes", looks(&world, 13), 2..=3);
    let scrape = world.scrape();
    assert!(info(&scrape, 12).contains("name=\"risk-1\""));
    assert_eq!(scrape.flow("recall_attempts_completed", 12), Some(1.0));
    assert_eq!(found(&scrape, "tracked"), Some(1.0));
    // Its own polls tell how it is, whatever the list says.
    faults(&world, Scope::Flow("main".into(), 12), FaultPlan::always(code(-22)));
    world.pass(MINUTE * 2).await;
    assert_eq!(world.scrape().error(12).as_deref(), Some("parameter_exception"));
    assert_eq!(tracked(&world), [12, 13]);
}

#[tokio::test(start_paused = true)]
async fn execution_exceptions_are_looked_at_first() {
    let flows = (1..=60).map(|key_id| with_status(key_id, if key_id == 60 { 4 } else { 2 }));
    let setup = Setup {
        rate_limit: 1.0,
        max_concurrent_requests: 1,
        ..finding("")
    };
    let world = world_of(&setup, flows.collect());
    world.pass(MINUTE / 2).await;
    let arrivals = world.vendor.arrivals("main").unwrap();
    let first = arrivals.iter().find_map(|arrival| arrival.key_id);
    assert_eq!(first, Some(60));
}

#[tokio::test(start_paused = true)]
async fn lists_are_read_in_time_although_many_flows_wait_for_their_look() {
    let flows = (1..=2000).map(|key_id| with_status(key_id, 2));
    let setup = Setup {
        rate_limit: 5.0,
        ..finding("")
    };
    let world = world_of(&setup, flows.collect());
    world.pass(MINUTE * 3 + MINUTE / 2).await;
    // Twenty pages take four seconds of a minute by themselves, and eight where each waits for a look.
    within("lists in three and a half minutes", lists(&world).len(), 70..=80);
    assert_eq!(world.scrape().sum("laaffic_redial_flow_up"), 2000.0);
}

#[tokio::test(start_paused = true)]
async fn every_form_of_the_list_tells_the_same() {
    let proper = ListDialect::default();
    let forms = [
        proper,
        ListDialect {
            ignores_size: true,
            ..proper
        },
        ListDialect {
            omits_pages: true,
            total: TotalForm::Understated,
            ..proper
        },
        ListDialect {
            total: TotalForm::Overstated,
            ..proper
        },
        ListDialect {
            times: TimeForm::EpochMilliseconds,
            old_names: true,
            ..proper
        },
        ListDialect {
            answer: Dialect {
                numbers_as_text: true,
                code_as_text: true,
                extras: true,
                ..Dialect::default()
            },
            ..proper
        },
    ];
    for form in forms {
        let setup = finding("");
        let flows = (1..=120)
            .map(|key_id| Flow {
                age: Some(MINUTE),
                ..with_status(key_id, 1)
            })
            .collect();
        let mut account = vendor_account(&Setup { flows, ..setup.clone() });
        account.list_dialect = Some(form);
        account.time_zone = ZoneOffset { minutes: 330 };
        let world = start(&setup, account);
        world.pass(MINUTE).await;
        let scrape = world.scrape();
        assert_eq!(tracked(&world).len(), 120, "{form:?}");
        assert_eq!(scrape.flow("recall_attempts_completed", 7), Some(1.0), "{form:?}");
        let account = world.store.account("main").unwrap();
        let created = account
            .flow(key(7))
            .unwrap()
            .info
            .task
            .as_ref()
            .unwrap()
            .created
            .unwrap();
        let now = exporter_toolkit::clock::unix_seconds(exporter_toolkit::clock::Clock::now(&*world.calendar));
        within("two minutes old", now - created as f64, 115.0..=125.0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_sparse_list_leaves_what_is_known() {
    let setup = finding("");
    let world = world_of(&setup, vec![named(12, 1, "risk-1")]);
    world.pass(MINUTE).await;
    let sparse = ListDialect {
        answer: Dialect {
            sparse: true,
            ..Dialect::default()
        },
        ..ListDialect::default()
    };
    world.vendor.set_list_dialect("main", Some(sparse)).unwrap();
    world.pass(MINUTE * 2).await;
    assert!(info(&world.scrape(), 12).contains("task_id="));
    within("it is no change", looks(&world, 12), 1..=1);
}

#[tokio::test(start_paused = true)]
async fn the_list_is_part_of_what_the_account_asks_for() {
    let setup = Setup {
        rate_limit: 0.1,
        ..finding("")
    };
    let world = world_of(&setup, (1..=950).map(|key_id| with_status(key_id, 0)).collect());
    world.pass(HOUR).await;
    let ratio = world.scrape().account("exporter_poll_budget_ratio").unwrap();
    within("ten pages a minute at six", ratio, 1.6..=1.9);
    let interval = world.scrape().flow("poll_interval_seconds", 7).unwrap();
    within("stretched", interval, 96.0..=114.0);
}

#[tokio::test(start_paused = true)]
async fn a_list_is_read_no_further_while_the_vendor_wants_to_be_left_alone() {
    let flows = (1..=1000).map(|key_id| with_status(key_id, if key_id == 7 { 4 } else { 0 }));
    let setup = Setup {
        rate_limit: 1.0,
        ..finding("")
    };
    let world = world_of(&setup, flows.collect());
    world.pass(MINUTE).await;
    // Its next look tells to wait, in the middle of the next list.
    let wait = Fault::HttpStatus {
        status: 429,
        retry_after: Some(RetryAfter::Seconds(120)),
    };
    faults(&world, Scope::Flow("main".into(), 7), FaultPlan::always(wait));
    pin(&world, 7, 1, &[1]);
    let count = || world.vendor.arrivals("main").unwrap().len();
    for second in 0.. {
        assert!(second < 600, "it was not asked for");
        let scrape = world.scrape();
        if scrape.account("api_paused") == Some(1.0) {
            break;
        }
        world.pass(SECOND).await;
    }
    faults(&world, Scope::Flow("main".into(), 7), None);
    let before = count();
    world.pass(SECOND * 110).await;
    assert_eq!(count(), before, "nothing is asked");
    world.pass(MINUTE * 5).await;
    let scrape = world.scrape();
    assert_eq!(scrape.sum("laaffic_redial_flow_up"), 1000.0);
}

#[tokio::test(start_paused = true)]
async fn what_became_of_the_first_calls_is_known_where_the_list_tells_their_task() {
    let setup = Setup {
        outcomes: true,
        ..finding("")
    };
    let mut state = FlowState::with_nodes(1, &[2, 1, 0]);
    for (task_id, node) in (1200..).zip(&mut state.nodes) {
        node.task_id = Some(task_id);
    }
    let world = world_of(&setup, vec![Flow::fixed(12, state)]);
    world.pass(MINUTE * 11).await;
    let scrape = world.scrape();
    for round in [0, 1, 2] {
        let reached = format!(
            "laaffic_redial_flow_round_calls{{account=\"main\",key_id=\"12\",round=\"{round}\",result=\"reached\"}}"
        );
        assert!(
            scrape.get(&reached).is_some_and(|reached| reached > 0.0),
            "round {round}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn other_settings_are_asked_with_at_once_but_not_over_and_over_while_the_vendor_fails() {
    for answer in [-18, -1] {
        let world = world("", vec![with_status(12, 0)]);
        world.pass(MINUTE + SECOND).await;
        faults(&world, account(), FaultPlan::always(code(answer)));
        world.pass(MINUTE * 5).await;
        world
            .reload(&[finding("rules: [{match: '.*', labels: {team: a}}]")])
            .await;
        let before = world.vendor.arrivals("main").unwrap().len();
        world.pass(MINUTE * 10).await;
        let asked = world.vendor.arrivals("main").unwrap().len() - before;
        within("once a minute, and retries where it is not refused", asked, 9..=36);
        faults(&world, account(), None);
        world.pass(MINUTE * 2).await;
        assert!(info(&world.scrape(), 12).contains("team=\"a\""));
    }
}
