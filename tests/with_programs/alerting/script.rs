//! Stories that are played at thirty times their pace, and what somebody must be told of them: no more, no less, and nothing too early.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::process::Command;
use std::time::Duration;

use laaffic_simulator::{Fault, FaultPlan, FlowState, Scope};
use testkit::alertmanager::Notification;
use testkit::process::run;
use testkit::wait::wait_for;
use tokio::time::Instant;

use super::chain::{Chain, Watched};
use super::pace::FACTOR;

/// What happens.
#[derive(Debug, Clone)]
pub(super) enum Act {
    /// The vendor has this flow of the story's account in this status from now on.
    Status(u64, i64),
    /// The same with rounds in these statuses.
    Rounds(u64, i64, &'static [i64]),
    /// Every request of the account meets this.
    Fault(Fault),
    /// Every request for this flow does.
    FlowFault(u64, Fault),
    /// No request of the account meets a fault.
    NoFault,
    NoFlowFault(u64),
    /// The configuration has another name for the flow, or does not have it any more.
    Rename(u64, &'static str),
    Unwatch(u64),
    /// Alertmanager keeps quiet about the account, for so many minutes.
    Silence(u64),
    StopPrometheus,
    StartPrometheus,
    StopAlertmanager,
    StartAlertmanager,
    /// An exporter stands still, as on a host that swaps, and goes on.
    Freeze(usize),
    Thaw(usize),
    Kill(usize),
    Revive(usize),
    /// Whoever is told cannot be reached.
    Away(bool),
}

/// What must be told of one alert: when at the earliest, in minutes of the story, that it fires, and that it is over. Alternately.
#[derive(Debug, Clone)]
pub(super) struct Told {
    alert: &'static str,
    key_id: Option<u64>,
    at: Vec<f64>,
}

/// That this alert on a flow fires and is over, by turns, none of it before these minutes.
pub(super) fn flow(alert: &'static str, key_id: u64, at: impl Into<Vec<f64>>) -> Told {
    Told {
        alert,
        key_id: Some(key_id),
        at: at.into(),
    }
}

/// The same for an alert on the account, or on an exporter.
pub(super) fn whole(alert: &'static str, at: impl Into<Vec<f64>>) -> Told {
    Told {
        alert,
        key_id: None,
        at: at.into(),
    }
}

/// What happens to one account, by the minute, and what must be told of it.
pub(super) struct Story {
    pub(super) name: &'static str,
    pub(super) flows: u64,
    /// Whether each exporter has names of its own for the flows: their files are edited one after the other.
    names_differ: bool,
    pub(super) acts: Vec<(f64, Act)>,
    pub(super) told: Vec<Told>,
}

/// A story of an account of its own with one flow.
pub(super) fn story(name: &'static str, acts: impl Into<Vec<(f64, Act)>>, told: impl Into<Vec<Told>>) -> Story {
    Story {
        name,
        flows: 1,
        names_differ: false,
        acts: acts.into(),
        told: told.into(),
    }
}

impl Story {
    /// The same with so many flows.
    pub(super) fn of_flows(self, flows: u64) -> Self {
        Self { flows, ..self }
    }

    /// The same with other names for its flows at each exporter.
    pub(super) fn of_different_names(self) -> Self {
        Self {
            names_differ: true,
            ..self
        }
    }

    /// Its account: its name in a form that needs no quotes.
    pub(super) fn account(&self) -> String {
        self.name.replace(' ', "-")
    }
}

/// Stories that share their surroundings.
pub(super) struct World {
    pub(super) replicas: usize,
    /// What happens to all, by the minute, and what must be told of the exporters.
    pub(super) acts: Vec<(f64, Act)>,
    pub(super) told: Vec<Told>,
    pub(super) stories: Vec<Story>,
    /// How long it is looked on, in minutes.
    pub(super) minutes: f64,
}

/// Of an alert: its name, its account (empty for an exporter's own), its flow.
type Subject = (String, String, Option<u64>);

/// Plays the stories, and compares what was told with what had to be.
pub(super) async fn play(world: World) -> Chain {
    let watched = world.stories.iter().map(|story| Watched {
        names_differ: story.names_differ,
        ..Watched::new(&story.account(), story.flows)
    });
    let mut chain = Chain::start(watched.collect(), world.replicas).await;
    let of_all = world
        .acts
        .iter()
        .map(|(minute, act)| (*minute, String::new(), act.clone()));
    let of_stories = world.stories.iter().flat_map(|story| {
        let acts = story.acts.iter();
        acts.map(|(minute, act)| (*minute, story.account(), act.clone()))
    });
    let mut acts: Vec<_> = of_all.chain(of_stories).collect();
    acts.sort_by(|(one, ..), (other, ..)| one.total_cmp(other));

    // What is played here is the passing of time itself, for programs whose clock cannot be paused.
    let started = Instant::now();
    let at = |minute: f64| started + Duration::from_secs_f64(minute * 60.0 / FACTOR as f64);
    for (minute, account, act) in &acts {
        tokio::time::sleep_until(at(*minute)).await;
        perform(&mut chain, account, act).await;
    }
    tokio::time::sleep_until(at(world.minutes)).await;

    let mut expected: BTreeMap<Subject, Vec<f64>> = BTreeMap::new();
    let accounts = world.stories.iter().map(|story| (story.account(), &story.told));
    for (account, told) in accounts.chain([(String::new(), &world.told)]) {
        for Told { alert, key_id, at } in told {
            expected.insert(((*alert).to_owned(), account.clone(), *key_id), at.clone());
        }
    }
    let everything = wait_for("everything to be told", async || {
        let told = told(&chain.receiver.received());
        let lacks =
            |(subject, at): &(&Subject, &Vec<f64>)| told.get(*subject).is_none_or(|told| told.changes.len() < at.len());
        let lacking: Vec<_> = expected.iter().filter(lacks).map(|(subject, _)| subject).collect();
        if lacking.is_empty() {
            Ok(told)
        } else {
            Err(format!("{lacking:?} of {}", in_words(&told, started)))
        }
    })
    .await;
    let mut wrong = String::new();
    for (subject, told) in &everything {
        let due = expected.get(subject).map(Vec::as_slice).unwrap_or_default();
        let right = told.changes.len() == due.len()
            && told.labels.len() == 1
            && told.changes.iter().zip(due).all(|(change, due)| *change >= at(*due));
        if !right {
            let _ = writeln!(wrong, "{subject:?} was due at {due:?}");
        }
    }
    assert!(wrong.is_empty(), "{wrong}\n{}", in_words(&everything, started));
    chain
}

/// What was told of one subject.
#[derive(Debug, Default)]
struct History {
    /// When it was told that it fires, and that it is over, by turns.
    changes: Vec<Instant>,
    /// The labels that it had: more than one set is more than one alert.
    labels: BTreeSet<String>,
}

/// By subject. What is only repeated, because something else of the same notification is news, is none.
fn told(notifications: &[Notification]) -> BTreeMap<Subject, History> {
    let mut told: BTreeMap<Subject, History> = BTreeMap::new();
    for notification in notifications {
        for alert in &notification.alerts {
            let label = |name: &str| alert.labels.get(name).cloned().unwrap_or_default();
            let subject = (label("alertname"), label("account"), label("key_id").parse().ok());
            let history = told.entry(subject).or_default();
            history.labels.insert(format!("{:?}", alert.labels));
            let fires = history.changes.len() % 2 == 1;
            if fires != (alert.status == "firing") {
                history.changes.push(notification.at.unwrap());
            }
        }
    }
    told
}

fn in_words(told: &BTreeMap<Subject, History>, started: Instant) -> String {
    let mut words = String::new();
    for ((alert, account, key_id), history) in told {
        let minute = |at: &Instant| at.duration_since(started).as_secs_f64() * FACTOR as f64 / 60.0;
        let minutes: Vec<_> = history.changes.iter().map(|at| format!("{:.1}", minute(at))).collect();
        let _ = writeln!(
            words,
            "{alert} of {account} {key_id:?}: told at minutes {}; {} sets of labels",
            minutes.join(", "),
            history.labels.len()
        );
    }
    words
}

async fn perform(chain: &mut Chain, account: &str, act: &Act) {
    let vendor = chain.simulator.vendor();
    let of_account = Scope::Account(account.to_owned());
    let of_flow = |key_id| Scope::Flow(account.to_owned(), key_id);
    let always = |fault: &Fault| Some(FaultPlan::always(fault.clone()));
    match act {
        Act::Status(key_id, status) => {
            let state = FlowState::with_nodes(*status, &[2, 1, 0]);
            vendor.pin(account, *key_id, state).unwrap();
        }
        Act::Rounds(key_id, status, rounds) => {
            let state = FlowState::with_nodes(*status, rounds);
            vendor.pin(account, *key_id, state).unwrap();
        }
        Act::Fault(fault) => vendor.set_faults(&of_account, always(fault)).unwrap(),
        Act::FlowFault(key_id, fault) => vendor.set_faults(&of_flow(*key_id), always(fault)).unwrap(),
        Act::NoFault => vendor.set_faults(&of_account, None).unwrap(),
        Act::NoFlowFault(key_id) => vendor.set_faults(&of_flow(*key_id), None).unwrap(),
        Act::Rename(key_id, name) => {
            for (known, called) in flows(chain, account) {
                if known == key_id {
                    (*name).clone_into(called);
                }
            }
            chain.reload();
        }
        Act::Unwatch(key_id) => {
            flows(chain, account).retain(|(known, _)| known != key_id);
            chain.reload();
        }
        Act::Silence(minutes) => silence(chain, account, *minutes).await,
        Act::StopPrometheus => chain.stop_prometheus().await,
        Act::StartPrometheus => chain.start_prometheus().await,
        Act::StopAlertmanager => chain.stop_alertmanager().await,
        Act::StartAlertmanager => chain.start_alertmanager().await,
        Act::Freeze(replica) => chain.exporters[*replica].process.signal("STOP"),
        Act::Thaw(replica) => chain.exporters[*replica].process.signal("CONT"),
        Act::Kill(replica) => chain.exporters[*replica].process.kill(),
        Act::Revive(replica) => chain.revive(*replica),
        Act::Away(away) => chain.receiver.is_away(*away),
    }
}

/// What is watched of an account.
fn flows<'c>(chain: &'c mut Chain, account: &str) -> &'c mut Vec<(u64, String)> {
    let of_account = chain.watched.iter_mut().find(|watched| watched.account.name == account);
    &mut of_account.unwrap().flows
}

/// Silences the account for so many minutes.
async fn silence(chain: &Chain, account: &str, minutes: u64) {
    let mut command = Command::new("amtool");
    command
        .args(["silence", "add", "--author=somebody", "--comment=we know"])
        .args([
            format!("--alertmanager.url=http://{}", chain.alertmanager()),
            format!("--duration={}ms", minutes * 60_000 / FACTOR),
            format!("account={account}"),
        ]);
    let ended = run(command).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
}
