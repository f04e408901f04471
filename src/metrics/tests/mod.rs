//! The whole body: golden files, Prometheus' own parser, and what must hold for any state.

mod parse;

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use prometheus_client::registry::Registry;
use proptest::prelude::*;

use self::parse::{Family, read};
use exporter_toolkit::exposition::Format;
use exporter_toolkit::exposition::body::{FRAME, Frames};
use testkit::golden;

use super::{Activity, Exposition, catalogue, registry};
use crate::model::{
    AccountName, ApiCode, Balance, CountByStatus, Discovery, Endpoint, FailureReason, FlowInfo, FlowReport, GroupCall,
    KeyId, Nodes, Origin, Outcome, RecallType, Status, Task, TaskId,
};
use crate::store::{AccountFlows, CallsReading, ListUpdate, Policy, Store};

const POLICY: Policy = Policy {
    stale_after: Duration::from_secs(300),
    terminal_poll_interval: Duration::from_secs(900),
    request_timeout: Duration::from_secs(10),
};

/// An account name with everything that needs escaping.
const HOSTILE: &str = "a\"b\\c\nd";

fn key(number: u64) -> KeyId {
    KeyId::new(number).unwrap()
}

fn at(seconds: f64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs_f64(1_763_848_500.0 + seconds)
}

fn info(key_id: u64, name: Option<&str>, labels: &[(&str, &str)]) -> FlowInfo {
    FlowInfo {
        name: name.map(Into::into),
        labels: labels
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()))
            .collect(),
        ..FlowInfo::configured(key(key_id), Duration::from_secs(60))
    }
}

fn report(status: Option<i64>, nodes: &[Status]) -> FlowReport {
    let mut counts = CountByStatus::default();
    for node in nodes {
        counts.add(*node);
    }
    FlowReport {
        status: status.map(|code| Status::from_code(Some(code))),
        recall_type: Some(RecallType::Failed),
        recall_attempts: Some(3),
        recall_interval_seconds: Some(300),
        nodes: Some(Nodes {
            by_status: counts,
            ..Nodes::default()
        }),
        ..FlowReport::default()
    }
}

fn whole(exposition: Exposition) -> String {
    in_frames(exposition, FRAME)
}

fn in_frames(mut exposition: Exposition, limit: usize) -> String {
    let mut text = Vec::new();
    loop {
        let mut frame = Vec::new();
        let more = exposition.fill_to(&mut frame, limit);
        text.append(&mut frame);
        if !more {
            return String::from_utf8(text).unwrap();
        }
    }
}

fn exposition(activity: &Arc<Activity>, store: &Store, format: Format) -> String {
    let mut registry = Registry::default();
    activity.register(&mut registry);
    whole(Exposition::new(&registry, store.snapshot(), format).unwrap())
}

/// Every family, every kind of flow: healthy, never polled, failing, stale, unknown status, nothing reported.
async fn every_kind_of_flow() -> (Arc<Activity>, Store) {
    let hostile = AccountName::from(HOSTILE);
    let store = Store::new(
        POLICY,
        [
            AccountFlows::new(
                "main".into(),
                [
                    info(
                        12,
                        Some("overdue-reminder"),
                        &[("region", "north"), ("team", "collections")],
                    ),
                    info(13, None, &[]),
                    info(14, Some("failing"), &[]),
                    info(15, Some("stale"), &[]),
                    info(16, Some("quote\" backslash\\ newline\n end"), &[("note", "\"\\\n")]),
                    info(17, Some("<script>alert('\u{fc}\u{4f60}\u{1f4de}')</script>"), &[]),
                ],
            ),
            AccountFlows::new(hostile.clone(), [info(i64::MAX.unsigned_abs(), Some("last"), &[])]),
        ],
    );
    let activity = Arc::new(Activity::new(["main".into(), hostile.clone()], at(0.0)));
    activity.reached_at("http://host:10871/");

    let polled = |key_id, status, nodes: &[Status], seconds| {
        store
            .succeeded("main", key(key_id), report(status, nodes), at(seconds))
            .unwrap();
    };
    polled(15, Some(1), &[Status::InProgress], 1.25);
    tokio::time::advance(Duration::from_secs(600)).await;
    store.skipped("main", key(15), at(601.0)).unwrap();

    polled(12, Some(0), &[Status::Pending; 3], 602.0);
    polled(
        12,
        Some(1),
        &[Status::Completed, Status::InProgress, Status::Pending],
        662.123_456,
    );
    name_rounds(&store, at(662.123_456));
    polled(14, Some(2), &[Status::Completed; 2], 603.0);
    let reason = FailureReason::Transport(Outcome::Timeout);
    store.failed("main", key(14), reason, None, at(663.0)).unwrap();
    let mut odd = report(
        Some(7),
        &[Status::Unknown(Some(9)), Status::ExecutionException, Status::Cancelled],
    );
    odd.recall_type = Some(RecallType::All);
    if let Some(nodes) = &mut odd.nodes {
        (nodes.reported, nodes.truncated) = (Some(574), true);
    }
    store.succeeded("main", key(16), odd, at(604.5)).unwrap();
    let nothing = FlowReport::default();
    store.succeeded("main", key(17), nothing, at(605.0)).unwrap();

    let found = |key_id, name: &str, created| ListUpdate {
        info: Arc::new(FlowInfo {
            origin: Origin::Discovered {
                node_interval: Duration::from_secs(300),
            },
            task: Some(Box::new(Task {
                task_id: Some("T-\"9\"".into()),
                name: Some(name.into()),
                created,
            })),
            ..info(key_id, None, &[("team", "found")])
        }),
        report: FlowReport {
            recall_attempts_completed: Some(1),
            nodes: None,
            ..report(Some(1), &[])
        },
        nodes_stand: false,
    };
    let discovery = Discovery {
        interval: Duration::from_secs(60),
        tried: true,
        last_success: Some(at(606.5)),
        complete: true,
        tracked: 2,
        dropped: 5,
        ..Discovery::default()
    };
    let updates = vec![
        found(18, "found, looked at", Some(1_763_848_000)),
        found(19, "found, not looked at yet", None),
    ];
    store.listed("main", updates, &[], discovery, at(606.5));
    polled(18, Some(1), &[Status::Completed, Status::InProgress], 607.0);

    let last = i64::MAX.unsigned_abs();
    for (status, seconds) in [(1, 546.0), (4, 606.0)] {
        store
            .succeeded(HOSTILE, key(last), report(Some(status), &[]), at(seconds))
            .unwrap();
    }
    let reason = FailureReason::Api(ApiCode(-99));
    store.failed(HOSTILE, key(last), reason, None, at(666.0)).unwrap();
    store.update_account(HOSTILE, |state| {
        state.blocked = true;
        state.budget_ratio = 1.5;
        state.paused = true;
        state.clock_skew_seconds = Some(-1.25);
    });
    store.update_account("main", |state| {
        state.outcome_interval = Some(Duration::from_secs(300));
        state.budget_ratio = 0.02;
        state.balance = Some(Balance {
            balance: Some(-1_234.56),
            credit: Some(0.0),
            ..Balance::default()
        });
    });

    let counted = activity.account(&hostile);
    counted.request(Endpoint::QueryDetail, Outcome::Success, Duration::from_millis(62));
    counted.request(Endpoint::QueryDetail, Outcome::ApiError, Duration::from_millis(125));
    counted.api_error(Endpoint::QueryDetail, ApiCode(-99));
    counted.retry(Endpoint::QueryDetail);
    activity.reload_failed();
    (activity, store)
}

/// Names three rounds of flow 12: one that has ended, one of which not everything is reported, and one that is not in the list.
fn name_rounds(store: &Store, at: SystemTime) {
    let known = [Status::Completed, Status::InProgress, Status::Pending];
    let tasks = [1, 2, 3].map(TaskId::of_number);
    store
        .succeeded_as("main", key(12), report(Some(1), &known), Some(&tasks), at)
        .unwrap();
    let call = |number, status, numbers, fail| GroupCall {
        task: TaskId::Number(number),
        status: Some(status),
        numbers,
        success: Some(300),
        fail,
        created: None,
    };
    let calls = [call(1, 2, Some(1000), Some(700)), call(2, 9, Some(700), None)];
    let now = tokio::time::Instant::now();
    let reading = CallsReading {
        found: calls.into_iter().map(|call| (call.task, (call, now))).collect(),
        ..CallsReading::default()
    };
    store.calls_read("main", &reading, now, at);
}

#[tokio::test(start_paused = true)]
async fn the_whole_catalogue_is_written_as_in_the_golden_files() {
    let (activity, store) = every_kind_of_flow().await;
    for (format, file) in [
        (Format::Classic, "classic.txt"),
        (Format::OpenMetrics, "openmetrics.txt"),
    ] {
        let text: String = exposition(&activity, &store, format)
            .split_inclusive('\n')
            // It differs from build to build.
            .filter(|line| !line.contains(catalogue::BUILD_INFO.name))
            .collect();
        golden::matches(&format!("tests/fixtures/exposition/{file}"), &text);
    }
}

fn promtool(arguments: &[&str], input: &str) -> (bool, String) {
    let mut child = Command::new("promtool")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool cannot be run; it comes with Prometheus: apt-get install prometheus");
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

#[tokio::test(start_paused = true)]
async fn promtool_has_nothing_to_say_about_the_classic_text() {
    let (activity, store) = every_kind_of_flow().await;
    let text = whole(Exposition::new(&registry(&activity), store.snapshot(), Format::Classic).unwrap());
    assert_eq!(promtool(&["check", "metrics"], &text), (true, String::new()));
}

#[tokio::test(start_paused = true)]
async fn prometheus_reads_every_line_of_the_openmetrics_text() {
    let (activity, store) = every_kind_of_flow().await;
    let text = whole(Exposition::new(&registry(&activity), store.snapshot(), Format::OpenMetrics).unwrap());
    // The only command that runs the OpenMetrics parser makes a database, for which every sample needs a time.
    let stamped: String = text
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(_) => format!("{line}\n"),
            None => format!("{line} 1763848500\n"),
        })
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("metrics.txt");
    std::fs::write(&file, stamped).unwrap();
    let (input, output) = (file.to_str().unwrap(), folder.path().join("blocks"));
    let arguments = [
        "tsdb",
        "create-blocks-from",
        "openmetrics",
        input,
        output.to_str().unwrap(),
    ];
    let (good, said) = promtool(&arguments, "");
    assert!(good, "{said}");
}

#[tokio::test(start_paused = true)]
async fn what_is_emitted_is_the_catalogue_and_nothing_else() {
    let (activity, store) = every_kind_of_flow().await;
    for format in Format::ALL {
        let openmetrics = format == Format::OpenMetrics;
        let text = whole(Exposition::new(&registry(&activity), store.snapshot(), format).unwrap());
        let families = read(&text, openmetrics);
        let described: BTreeSet<_> = catalogue::all()
            .filter(|family| cfg!(target_os = "linux") || !family.name.starts_with("process_"))
            .map(|family| {
                if openmetrics {
                    family.name.to_owned()
                } else {
                    family.query_name()
                }
            })
            .collect();
        let emitted: BTreeSet<_> = families.iter().map(|family| family.name.clone()).collect();
        assert_eq!(emitted, described);
        for family in families {
            let described = catalogue::all()
                .find(|described| described.name == family.name || described.query_name() == family.name)
                .unwrap();
            assert_eq!(family.help, described.help, "{}", family.name);
            assert_eq!(family.kind, described.kind.as_str(), "{}", family.name);
            let unit = described.unit.filter(|_| openmetrics).map(|unit| unit.as_str());
            assert_eq!(family.unit.as_deref(), unit, "{}", family.name);
            let labels: BTreeSet<_> = described.labels.iter().copied().collect();
            for sample in &family.samples {
                let mut shown: BTreeSet<_> = sample.labels.keys().map(String::as_str).collect();
                for extra in ["le", "team", "region", "note", "task_id"] {
                    shown.remove(extra);
                }
                assert_eq!(shown, labels, "{}", family.name);
            }
        }
    }
}

fn rows(families: &[Family], name: &str, key_id: u64) -> Vec<f64> {
    let key_id = key_id.to_string();
    families
        .iter()
        .filter(|family| family.name == name)
        .flat_map(|family| &family.samples)
        .filter(|sample| sample.label("key_id") == key_id)
        .map(|sample| sample.value)
        .collect()
}

#[tokio::test(start_paused = true)]
async fn before_the_first_success_only_what_is_known_is_shown() {
    let (activity, store) = every_kind_of_flow().await;
    let families = read(&exposition(&activity, &store, Format::Classic), false);
    let states = [
        "status",
        "status_code",
        "status_since_timestamp_seconds",
        "nodes",
        "nodes_truncated",
        "recall_attempts",
        "recall_interval_seconds",
    ];
    for state in states {
        let name = format!("laaffic_redial_flow_{state}");
        assert!(rows(&families, &name, 13).is_empty(), "never polled, {name}");
        assert!(rows(&families, &name, 15).is_empty(), "stale, {name}");
        assert!(
            !rows(&families, &name, 14).is_empty(),
            "failing but not stale yet, {name}"
        );
    }
    for (name, never, stale) in [
        ("laaffic_redial_flow_info", vec![1.0], vec![1.0]),
        ("laaffic_redial_flow_up", vec![0.0], vec![0.0]),
        ("laaffic_redial_flow_poll_interval_seconds", vec![60.0], vec![60.0]),
        ("laaffic_redial_flow_exceptions_total", vec![0.0], vec![0.0]),
        ("laaffic_redial_flow_error", vec![], vec![1.0]),
        (
            "laaffic_redial_flow_last_success_timestamp_seconds",
            vec![],
            vec![1_763_848_501.25],
        ),
    ] {
        assert_eq!(rows(&families, name, 13), never, "never polled, {name}");
        assert_eq!(rows(&families, name, 15), stale, "stale, {name}");
    }
}

#[test]
fn an_exporter_without_accounts_is_whole_as_well() {
    let activity = Arc::new(Activity::new([], at(0.0)));
    let store = Store::new(POLICY, []);
    for format in Format::ALL {
        let families = read(&exposition(&activity, &store, format), format == Format::OpenMetrics);
        assert!(
            families
                .iter()
                .all(|family| family.name.starts_with("laaffic_exporter_"))
        );
    }
}

#[test]
fn polls_during_a_scrape_do_not_show_in_it() {
    let flows = 50;
    let store = Store::new(
        POLICY,
        [AccountFlows::new(
            "main".into(),
            (1..=flows).map(|number| info(number, None, &[])),
        )],
    );
    // Poll number `round` leaves that number in every family of the flow.
    let poll_all = |round: i64| {
        for number in 1..=flows {
            let nodes = vec![Status::Pending; usize::try_from(round).unwrap()];
            let told = FlowReport {
                recall_attempts: Some(round),
                recall_interval_seconds: Some(round * 60),
                ..report(Some(round + 10), &nodes)
            };
            store.succeeded("main", key(number), told, at(round as f64)).unwrap();
        }
    };
    poll_all(1);
    let mut scrape = Exposition::new(&Registry::default(), store.snapshot(), Format::Classic).unwrap();
    let mut text = Vec::new();
    let mut round = 1;
    loop {
        let mut frame = Vec::new();
        let more = scrape.fill_to(&mut frame, 1024);
        text.append(&mut frame);
        round += 1;
        poll_all(round);
        if !more {
            break;
        }
    }
    assert!(round > 50, "the scrape was cut into {round} parts");
    let families = read(&String::from_utf8(text).unwrap(), false);
    for number in 1..=flows {
        for (family, value) in [
            ("status_code", vec![11.0]),
            ("recall_attempts", vec![1.0]),
            ("recall_interval_seconds", vec![60.0]),
            ("nodes", vec![1.0, 0.0, 0.0, 0.0, 0.0, 0.0]),
            ("last_success_timestamp_seconds", vec![1_763_848_501.0]),
            ("exceptions_total", vec![0.0]),
        ] {
            assert_eq!(
                rows(&families, &format!("laaffic_redial_flow_{family}"), number),
                value,
                "{family} of {number}"
            );
        }
    }
}

#[test]
fn scrapes_beside_a_polling_thread_show_one_poll_per_flow() {
    let flows = 20;
    let rounds = 200;
    let store = Store::new(
        POLICY,
        [AccountFlows::new(
            "main".into(),
            (1..=flows).map(|number| info(number, None, &[])),
        )],
    );
    std::thread::scope(|scope| {
        let polling = scope.spawn(|| {
            for round in 1..=rounds {
                for number in 1..=flows {
                    let told = FlowReport {
                        recall_attempts: Some(round),
                        recall_interval_seconds: Some(round * 60),
                        ..report(Some(round), &[])
                    };
                    store.succeeded("main", key(number), told, at(round as f64)).unwrap();
                }
            }
        });
        loop {
            let last = polling.is_finished();
            let scrape = Exposition::new(&Registry::default(), store.snapshot(), Format::OpenMetrics).unwrap();
            let families = read(&whole(scrape), true);
            for number in 1..=flows {
                let code = rows(&families, "laaffic_redial_flow_status_code", number);
                assert_eq!(code, rows(&families, "laaffic_redial_flow_recall_attempts", number));
                let minutes: Vec<_> = rows(&families, "laaffic_redial_flow_recall_interval_seconds", number)
                    .iter()
                    .map(|seconds| seconds / 60.0)
                    .collect();
                assert_eq!(code, minutes);
            }
            if last {
                break;
            }
        }
    });
}

#[test]
fn no_frame_is_much_longer_than_it_should_be() {
    let flows = (1..=2_000).map(|number| info(number, Some("a name of a usual length"), &[("team", "collections")]));
    let store = Store::new(POLICY, [AccountFlows::new("main".into(), flows)]);
    let mut scrape = Exposition::new(&Registry::default(), store.snapshot(), Format::Classic).unwrap();
    let mut frames = 0;
    loop {
        let mut frame = Vec::with_capacity(FRAME);
        let more = scrape.fill(&mut frame);
        assert_eq!(frame.capacity(), FRAME, "the frame had to grow");
        frames += 1;
        if !more {
            break;
        }
    }
    assert!(frames > 10);
}

/// Any text, but more often than not with what needs escaping.
fn text() -> impl Strategy<Value = String> {
    proptest::collection::vec(
        prop_oneof![
            Just('"'),
            Just('\\'),
            Just('\n'),
            Just('n'),
            Just('{'),
            Just('}'),
            Just(','),
            any::<char>()
        ],
        0..12,
    )
    .prop_map(String::from_iter)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn any_label_value_reads_back_as_itself_from_any_frames(
        account in text(), name in text(), value in text(), frame in 1_usize..5_000,
    ) {
        let activity = Arc::new(Activity::new([account.as_str().into()], at(0.0)));
        let mut registry = Registry::default();
        activity.register(&mut registry);
        let store = Store::new(POLICY, [
            AccountFlows::new(account.as_str().into(), [info(7, Some(&name), &[("team", &value)]), info(8, None, &[])]),
            AccountFlows::new("other".into(), [info(7, None, &[])]),
        ]);
        for format in Format::ALL {
            let text = in_frames(Exposition::new(&registry, store.snapshot(), format).unwrap(), frame);
            prop_assert_eq!(&text, &whole(Exposition::new(&registry, store.snapshot(), format).unwrap()));
            let families = read(&text, format == Format::OpenMetrics);
            let flow = families
                .iter()
                .flat_map(|family| &family.samples)
                .find(|sample| sample.name == "laaffic_redial_flow_info" && sample.label("key_id") == "7" && sample.label("account") == account)
                .unwrap();
            prop_assert_eq!(flow.label("name"), &name);
            prop_assert_eq!(flow.label("team"), &value);
            let ours = families.iter().flat_map(|family| &family.samples);
            let retries = ours.filter(|sample| sample.name == "laaffic_api_retries_total" && sample.label("account") == account);
            prop_assert_eq!(retries.count(), 1);
        }
    }
}
