//! Alerts on one flow.

use super::super::belief::{Belief, Promise, Sight};
use super::super::expectation::{Expected, State};
use super::super::knowledge::{Knowledge, Learnt, Lesson};
use super::super::life::{Face, Flow, Life, Seconds, clock};
use super::super::surroundings::Surroundings;
use super::flapping::Flapping;
use super::{evaluated, is_step, ticks};

const MINUTE: Seconds = 60;
const HOUR: Seconds = 60 * MINUTE;
const DAY: Seconds = 24 * HOUR;

/// What a lesson says of an alert's condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Says {
    Active,
    Over,
    Neither,
}

/// An alert on a flow: what it is about and what it promises.
struct Kind {
    alert: &'static str,
    promise: Promise,
    says: fn(Lesson) -> Says,
    /// Goes on where the condition keeps coming back.
    flaps: bool,
    /// Ends by itself after this time.
    lasts: Seconds,
}

const KINDS: &[Kind] = &[
    Kind {
        alert: "LaafficRedialFlowExecutionException",
        promise: Promise {
            threshold: 5 * MINUTE,
            hold: 0,
            hold_flapping: 10 * MINUTE,
            silence: DAY,
        },
        says: |lesson| match lesson {
            Lesson::Face(face) if face.is_exception() => Says::Active,
            Lesson::Face(face) if face.is_undocumented() || face == Face::Unknown => Says::Neither,
            Lesson::Face(_) | Lesson::NotConfigured => Says::Over,
            Lesson::Nothing => Says::Neither,
        },
        flaps: true,
        lasts: Seconds::MAX,
    },
    Kind {
        alert: "LaafficRedialFlowUnknownStatus",
        promise: ticket(10 * MINUTE),
        says: |lesson| match lesson {
            Lesson::Face(face) if face.is_undocumented() => Says::Active,
            Lesson::Face(Face::Says { .. }) | Lesson::NotConfigured => Says::Over,
            _ => Says::Neither,
        },
        flaps: false,
        lasts: Seconds::MAX,
    },
    Kind {
        alert: "LaafficRedialNodeExecutionException",
        promise: ticket(10 * MINUTE),
        says: |lesson| match lesson {
            Lesson::Face(Face::Says {
                status: 0 | 1,
                failed_round: true,
            }) => Says::Active,
            Lesson::Face(Face::Says { status: 0..=4, .. }) | Lesson::NotConfigured => Says::Over,
            _ => Says::Neither,
        },
        flaps: false,
        lasts: Seconds::MAX,
    },
    Kind {
        alert: "LaafficRedialFlowRejected",
        promise: ticket(5 * MINUTE),
        says: |lesson| match lesson {
            Lesson::Face(Face::Unknown) => Says::Active,
            Lesson::Face(Face::Says { .. }) | Lesson::NotConfigured => Says::Over,
            Lesson::Nothing => Says::Neither,
        },
        flaps: false,
        lasts: Seconds::MAX,
    },
    Kind {
        alert: "LaafficRedialFlowEndedWithFailedRounds",
        promise: ticket(0),
        says: |lesson| match lesson {
            Lesson::Face(Face::Says {
                status: 2,
                failed_round: true,
            }) => Says::Active,
            Lesson::Face(Face::Says { status: 0..=4, .. }) | Lesson::NotConfigured => Says::Over,
            _ => Says::Neither,
        },
        flaps: false,
        lasts: DAY,
    },
];

/// Tickets end when it is seen that what they are about is over.
const fn ticket(threshold: Seconds) -> Promise {
    Promise {
        threshold,
        hold: 0,
        hold_flapping: 0,
        silence: DAY,
    }
}

/// All alerts on this flow.
pub(super) fn expect(life: &Life, surroundings: &Surroundings, flow: &Flow) -> Vec<Expected> {
    let account = life.accounts.iter().position(|name| *name == flow.account).unwrap();
    let watch = |target: usize| {
        let watches = life.targets[target].accounts.contains(&flow.account);
        watches.then(|| Knowledge::new(target, account, flow))
    };
    let mut exporters: Vec<_> = (0..life.targets.len())
        .filter_map(|target| Some((target, watch(target)?)))
        .collect();
    let mut alerts: Vec<_> = KINDS
        .iter()
        .map(|kind| {
            let belief = Belief::new(kind.promise, life.slack());
            (kind, belief, about(life, flow, kind.alert))
        })
        .collect();
    let mut flapping = Flapping::new(life, flow, exporters.len());
    let mut flapping_expected = about(life, flow, "LaafficRedialFlowFlapping");
    for at in ticks(life) {
        for (_, knowledge) in &mut exporters {
            knowledge.tick(at, flow, surroundings);
        }
        flapping.tick(at, flow, &exporters);
        if !is_step(life, at) {
            continue;
        }
        let scraped: Vec<_> = exporters
            .iter()
            .filter(|(target, _)| surroundings.sees(*target, at))
            .map(|(_, knowledge)| knowledge)
            .collect();
        let (state, earliest) = flapping.step(at, &exporters, surroundings);
        flapping_expected.push(evaluated(surroundings, at, state), earliest);
        let maybe_flapping = entries(flow, at.saturating_sub(HOUR + 3 * flow.interval), at) >= 2;
        for (kind, belief, expected) in &mut alerts {
            belief.see(at, sight(&scraped, at, kind.says), kind.flaps && maybe_flapping);
            let (state, earliest) = belief.state(at);
            // One that was over before is asked for so rarely that it may be over again before anybody sees it go on.
            let is_missable = kind.lasts == DAY && ends(flow, at) > 1;
            let state = match is_missable || at.saturating_sub(earliest) + life.slack() > kind.lasts {
                true => state.min(State::May),
                false => state,
            };
            expected.push(evaluated(surroundings, at, state), earliest);
        }
    }
    let alerts = alerts.into_iter().map(|(_, _, expected)| expected);
    alerts.chain([flapping_expected]).collect()
}

/// An alert on this flow, of which nothing is expected yet.
fn about(life: &Life, flow: &Flow, alert: &'static str) -> Expected {
    let labels = [
        ("account", flow.account.to_owned()),
        ("key_id", flow.key_id.to_string()),
    ];
    let mut expected = Expected::new(alert, life.step, labels);
    expected.story = story(flow);
    expected
}

/// What the exporters that are scraped now show of a condition.
fn sight(scraped: &[&Knowledge], at: Seconds, says: fn(Lesson) -> Says) -> Sight {
    // What one exporter has learnt for sure is newer than whatever another can only have learnt before.
    let newest = scraped
        .iter()
        .filter_map(|knowledge| Some(knowledge.sure()?.first))
        .max();
    let mut sight = Sight::default();
    let mut sure = [false; 2];
    let mut unsure = false;
    for knowledge in scraped {
        sight.same_process_since = sight.same_process_since.max(knowledge.started.unwrap_or(at));
        let shown = |learnt: &&Learnt| {
            let is_newer = newest.is_none_or(|newest| learnt.last >= newest);
            is_newer && knowledge.may_be_shown(at, learnt)
        };
        for learnt in knowledge.possible.iter().filter(shown) {
            let is_sure = knowledge.sure().is_some() && knowledge.is_surely_shown(at, learnt);
            // That the vendor does not know it is shown only until another poll fails.
            let is_sure = is_sure && (learnt.lesson != Lesson::Face(Face::Unknown) || knowledge.is_settled(at));
            sight.shows |= learnt.lesson != Lesson::Nothing;
            match says(learnt.lesson) {
                Says::Active => {
                    let since = sight
                        .active
                        .map_or(learnt.first, |since: Seconds| since.min(learnt.first));
                    sight.active = Some(since);
                    sure[0] |= is_sure;
                    unsure |= !is_sure;
                }
                Says::Over => {
                    sight.over = true;
                    sure[1] |= is_sure;
                    unsure |= !is_sure;
                }
                Says::Neither => unsure |= !is_sure && learnt.lesson != Lesson::Nothing,
            }
        }
    }
    sight.is_sure = match (sight.active.is_some(), sight.over) {
        (true, false) => sure[0] && !unsure,
        (false, true) => sure[1] && !unsure,
        _ => false,
    };
    sight
}

/// How often the flow was over by now.
fn ends(flow: &Flow, at: Seconds) -> usize {
    let so_far = flow.faces.iter().filter(|(from, _)| *from <= at);
    so_far.filter(|(_, face)| face.is_terminal()).count()
}

/// How often the flow truly entered an execution exception in this span.
fn entries(flow: &Flow, from: Seconds, until: Seconds) -> usize {
    let pairs = flow.faces.windows(2);
    pairs
        .filter(|pair| !pair[0].1.is_exception() && pair[1].1.is_exception())
        .filter(|pair| (from..=until).contains(&pair[1].0))
        .count()
}

/// A flow's life in words.
fn story(flow: &Flow) -> Vec<(Seconds, String)> {
    let faces = flow.faces.iter().map(|(at, face)| (*at, format!("the flow: {face}")));
    let names = flow.configured.iter().map(|(at, name)| {
        let words = match name {
            Some(name) => format!("the configuration calls it {name:?}"),
            None => "a reload takes it out of the configuration".to_owned(),
        };
        (*at, words)
    });
    let mut story: Vec<_> = faces.chain(names).collect();
    story.sort_by_key(|(at, _)| *at);
    story.insert(
        0,
        (
            0,
            format!("it is polled every {} s, from {} on", flow.interval, clock(0)),
        ),
    );
    story
}
