//! Alerts on the exporters.

use super::super::belief::SLACK;
use super::super::expectation::{Expected, State};
use super::super::life::{Life, STEP, Seconds, What};
use super::super::surroundings::Surroundings;
use super::{evaluated, is_step, ticks};

const MINUTE: Seconds = 60;
const HOUR: Seconds = 60 * MINUTE;
const DOWN: Seconds = 5 * MINUTE;
const ABSENT: Seconds = 10 * MINUTE;

/// After the last moment at which something is seen to hold, an alert on it has ended.
const END: Seconds = 2 * MINUTE + STEP + SLACK;

/// What is said of a target that service discovery lost while it was down may stay as long as it takes until that is said instead.
const END_WHERE_VANISHED: Seconds = ABSENT + END;

/// All alerts on targets.
pub(super) fn expect(life: &Life, surroundings: &Surroundings) -> Vec<Expected> {
    let mut expected: Vec<_> = (0..life.targets.len())
        .flat_map(|target| of_target(life, surroundings, target))
        .collect();
    expected.push(absent(life, surroundings));
    expected
}

/// How a target has been lately.
struct Recent<'l> {
    life: &'l Life,
    target: usize,
    /// When scrapes began to fail, while each does, and the same since Prometheus runs.
    failing_since: Option<Seconds>,
    failing_since_start: Option<Seconds>,
    /// Since when another watches all of its accounts, or none watches one of them.
    covered_since: Option<Seconds>,
    uncovered_since: Option<Seconds>,
    /// The last moments at which it was down for long, and uncovered, or covered.
    last_down: Option<Seconds>,
    last_replica_down: Option<Seconds>,
    /// When it was last seen in service discovery.
    listed: Seconds,
    /// Each scrape of the past hour, and whether it failed; each start that was seen.
    scrapes: Vec<(Seconds, bool)>,
    starts: Vec<Seconds>,
    down_for_long: Option<Seconds>,
    running_since: Option<Seconds>,
    last_unstable: Option<Seconds>,
    unstable_since: Option<Seconds>,
}

fn of_target(life: &Life, surroundings: &Surroundings, target: usize) -> Vec<Expected> {
    let instance = &life.targets[target].instance;
    let expected = |alert| {
        let mut expected = Expected::new(alert, [("instance", instance.clone())]);
        let concerns = |what: &What| match what {
            What::Stopped(of) | What::Frozen(of) | What::Unscraped(of) | What::Vanished(of) => *of == target,
            _ => false,
        };
        let troubles = life.troubles.iter().filter(|trouble| concerns(&trouble.what));
        expected.story = troubles
            .map(|trouble| (trouble.span.start, trouble.words(life)))
            .collect();
        expected
    };
    let mut down = expected("LaafficExporterDown");
    let mut replica = expected("LaafficExporterReplicaDown");
    let mut unstable = expected("LaafficExporterUnstable");
    let mut recent = Recent::new(life, target);
    for at in ticks(life) {
        recent.tick(at, surroundings);
        if !is_step(at) {
            continue;
        }
        if surroundings.prometheus(at) {
            recent.step(at, surroundings);
        } else {
            recent.failing_since_start = None;
        }
        let (state, earliest) = recent.down(at);
        down.push(evaluated(surroundings, at, state), earliest);
        let (state, earliest) = recent.replica_down(at);
        replica.push(evaluated(surroundings, at, state), earliest);
        let (state, earliest) = recent.unstable(at);
        unstable.push(evaluated(surroundings, at, state), earliest);
    }
    vec![down, replica, unstable]
}

impl<'l> Recent<'l> {
    fn new(life: &'l Life, target: usize) -> Self {
        Self {
            life,
            target,
            failing_since: None,
            failing_since_start: None,
            covered_since: None,
            uncovered_since: None,
            last_down: None,
            last_replica_down: None,
            listed: 0,
            scrapes: Vec::new(),
            starts: Vec::new(),
            down_for_long: None,
            running_since: None,
            last_unstable: None,
            unstable_since: None,
        }
    }

    fn tick(&mut self, at: Seconds, surroundings: &Surroundings) {
        match surroundings.target(self.target, at).running {
            true => {
                self.running_since.get_or_insert(at);
            }
            false => self.running_since = None,
        }
    }

    fn step(&mut self, at: Seconds, surroundings: &Surroundings) {
        let is_covered = self.is_covered(at, surroundings);
        let (since, other) = match is_covered {
            true => (&mut self.covered_since, &mut self.uncovered_since),
            false => (&mut self.uncovered_since, &mut self.covered_since),
        };
        since.get_or_insert(at);
        *other = None;
        if !surroundings.target(self.target, at).discovered {
            self.failing_since = None;
            self.failing_since_start = None;
            return;
        }
        self.listed = at;
        let failed = !surroundings.sees(self.target, at);
        self.scrapes.push((at, failed));
        self.scrapes.retain(|(when, _)| when + HOUR > at);
        if failed {
            let since = *self.failing_since.get_or_insert(at);
            self.failing_since_start.get_or_insert(at);
            if at >= since + DOWN {
                self.down_for_long = Some(at);
            }
        } else {
            self.failing_since = None;
            self.failing_since_start = None;
            if let Some(started) = self.running_since
                && self.starts.last() != Some(&started)
            {
                self.starts.push(started);
            }
        }
    }

    /// Whether each of its accounts is watched by another that is scraped.
    fn is_covered(&self, at: Seconds, surroundings: &Surroundings) -> bool {
        let targets = &self.life.targets;
        targets[self.target].accounts.iter().all(|account| {
            (0..targets.len()).any(|other| {
                other != self.target && targets[other].accounts.contains(account) && surroundings.sees(other, at)
            })
        })
    }

    /// What is expected where it is down and `since` holds, which is what tells the page from the ticket.
    fn down_while(&self, at: Seconds, since: Option<Seconds>, last: &mut Option<Seconds>) -> (State, Seconds) {
        let end = match self.listed == at || self.failing_since.is_some() {
            true => END,
            false => END_WHERE_VANISHED,
        };
        let tail = |last: Option<Seconds>| match last.is_some_and(|last| at <= last + end) {
            true => State::May,
            false => State::Never,
        };
        let (Some(failing), Some(since)) = (self.failing_since, since) else {
            return (tail(*last), at);
        };
        let earliest = failing + DOWN;
        if at < earliest {
            return (tail(*last), earliest);
        }
        *last = Some(at);
        let failing = self.failing_since_start.unwrap_or(at);
        let state = match at >= failing.max(since) + DOWN + SLACK {
            true => State::Must,
            false => State::May,
        };
        (state, earliest.max(since))
    }

    fn down(&mut self, at: Seconds) -> (State, Seconds) {
        let mut last = self.last_down;
        let state = self.down_while(at, self.uncovered_since, &mut last);
        self.last_down = last;
        state
    }

    fn replica_down(&mut self, at: Seconds) -> (State, Seconds) {
        let mut last = self.last_replica_down;
        let state = self.down_while(at, self.covered_since, &mut last);
        self.last_replica_down = last;
        state
    }

    /// Down for more than a fifth of the past hour, or started more than three times in half an hour.
    fn unstable(&mut self, at: Seconds) -> (State, Seconds) {
        let failed = self.scrapes.iter().filter(|(_, failed)| *failed).count();
        let steps = HOUR / STEP;
        let seen = self.scrapes.len();
        let starts = |within: Seconds| self.starts.iter().skip(1).filter(|start| **start + within > at).count();
        let long = self.down_for_long.is_some_and(|last| last + HOUR + END > at);
        // Of what is not scraped at all, such as while Prometheus is stopped, nobody knows how it counts.
        let may = failed * 100 > seen.max(1) * 17 || starts(HOUR + MINUTE) > 2;
        let must = !long
            && seen as Seconds + 2 >= steps
            && (failed * 100 > seen * 23 || starts(30 * MINUTE - STEP) > 3)
            && self.failing_since.is_none();
        if may {
            self.last_unstable = Some(at);
        }
        let since = match must {
            true => *self.unstable_since.get_or_insert(at),
            false => {
                self.unstable_since = None;
                at
            }
        };
        let state = match must && at >= since + 2 * SLACK {
            true => State::Must,
            false if self.last_unstable.is_some_and(|last| at <= last + 10 * MINUTE) => State::May,
            false => State::Never,
        };
        (state, since)
    }
}

/// Nothing is listed at all.
fn absent(life: &Life, surroundings: &Surroundings) -> Expected {
    let mut expected = Expected::new("LaafficExporterAbsent", []);
    let vanishes = |what: &What| matches!(what, What::Vanished(_));
    let troubles = life.troubles.iter().filter(|trouble| vanishes(&trouble.what));
    expected.story = troubles
        .map(|trouble| (trouble.span.start, trouble.words(life)))
        .collect();
    let mut since = None;
    let mut last = None;
    for at in ticks(life).filter(|at| is_step(*at)) {
        let listed = |target: usize| surroundings.target(target, at).discovered;
        if (0..life.targets.len()).any(listed) {
            since = None;
        } else if surroundings.prometheus(at) {
            since.get_or_insert(at);
        } else {
            // What Prometheus counts begins anew with it.
            since = None;
        }
        let earliest = since.map_or(at, |since: Seconds| since + ABSENT);
        let state = match since {
            Some(_) if at >= earliest => {
                last = Some(at);
                match at >= earliest + SLACK {
                    true => State::Must,
                    false => State::May,
                }
            }
            _ if last.is_some_and(|last: Seconds| at <= last + END) => State::May,
            _ => State::Never,
        };
        expected.push(evaluated(surroundings, at, state), earliest);
    }
    expected
}
