//! A thousand incidents: whether the alerts keep their promises, whatever happens.
//!
//! A seed makes [`life`]s of flows and of what is around them ([`generator`]). The project's own poller, store and writer live through
//! them on a paused clock ([`play`], [`exporter`]), and their scrapes become series as Prometheus would store them ([`series`]).
//! [`promtool`] says what the rules make of these. The [`oracle`] says what had to fire, from the truth and from what the alerts promise;
//! it knows no rule. [`verdict`] compares both, [`report`] tells.

pub mod belief;
pub mod expectation;
pub mod exporter;
pub mod generator;
pub mod knowledge;
pub mod life;
pub mod oracle;
pub mod play;
pub mod promtool;
pub mod report;
pub mod series;
pub mod surroundings;
pub mod verdict;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use self::life::{Life, Seconds, clock};
use self::promtool::Rules;
use self::report::Table;
use self::surroundings::Surroundings;
use self::verdict::{Finding, Verdict, Wrong};

/// Flows in one life.
const FLOWS: usize = 40;

/// Which lives to play.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What makes them.
    pub seed: u64,
    /// How many flows there are in all of them together.
    pub count: usize,
    /// Only the life of this number.
    pub only: Option<usize>,
    /// Lives that are played at the same time.
    pub side_by_side: usize,
}

/// What came of them.
#[derive(Debug, Default)]
pub struct Outcome {
    /// What was found, by alert.
    pub table: Table,
    /// The story of each fault, one for each alert and each kind of fault in each life.
    pub stories: Vec<String>,
    /// How many flows there were.
    pub flows: usize,
    /// How long the lives were together.
    pub lived: Seconds,
}

/// Plays lives, and judges the rules.
pub fn run(plan: &Plan, rules: &Rules) -> Outcome {
    let numbers: Vec<_> = (0..plan.count.div_ceil(FLOWS))
        .filter(|number| plan.only.is_none_or(|only| only == *number))
        .collect();
    let next = AtomicUsize::new(0);
    let outcomes = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..plan.side_by_side.max(1) {
            scope.spawn(|| {
                while let Some(number) = numbers.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let flows = FLOWS.min(plan.count - number * FLOWS);
                    let life = generator::life(plan.seed, *number, flows);
                    let outcome = judge(&life, plan.count, rules);
                    outcomes.lock().unwrap().push((*number, outcome));
                }
            });
        }
    });
    let mut outcomes = outcomes.into_inner().unwrap();
    outcomes.sort_by_key(|(number, _)| *number);
    let mut all = Outcome::default();
    for (_, outcome) in outcomes {
        all.table.merge(outcome.table);
        all.stories.extend(outcome.stories);
        all.flows += outcome.flows;
        all.lived += outcome.lived;
    }
    all
}

/// Plays one life and judges the rules by it.
pub fn judge(life: &Life, count: usize, rules: &Rules) -> Outcome {
    let surroundings = Surroundings::of(life);
    let series = play::play(life, &surroundings, &rules.families());
    let firing = rules.evaluate(life, series);
    let expected = oracle::expectations(life, &surroundings);
    let mut outcome = Outcome {
        flows: life.flows.len(),
        lived: life.end,
        ..Outcome::default()
    };
    for expected in &expected {
        let counts = verdict::counts(expected, &firing);
        let verdict = verdict::judge(expected, &counts);
        for wrong in Wrong::ALL {
            let first = verdict.findings.iter().find(|finding| finding.wrong == wrong);
            outcome
                .stories
                .extend(first.map(|finding| report::story(life, count, expected, &counts, finding)));
        }
        outcome.table.add(expected.alert, &verdict);
    }
    for (labels, step) in verdict::strangers(&expected, &firing) {
        let verdict = Verdict {
            findings: vec![Finding {
                wrong: Wrong::False,
                step,
            }],
            ..Verdict::default()
        };
        outcome.table.add(&labels["alertname"], &verdict);
        outcome.stories.push(format!(
            "{}: fires at {}, about nothing that there is (seed {}, life {})\n",
            promtool::words(&labels),
            clock(step as Seconds * life.step),
            life.seed,
            life.number
        ));
    }
    outcome
}
