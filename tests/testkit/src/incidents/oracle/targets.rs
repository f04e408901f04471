//! Alerts on the exporters.

use super::super::expectation::{Expected, State};
use super::super::life::{Life, Seconds, What};
use super::super::surroundings::Surroundings;
use super::{evaluated, is_step, ticks};

const MINUTE: Seconds = 60;
const HOUR: Seconds = 60 * MINUTE;
const DOWN: Seconds = 5 * MINUTE;
const ABSENT: Seconds = 10 * MINUTE;

/// After the last moment at which something is seen to hold, an alert on it has ended within this time.
fn end(life: &Life) -> Seconds {
    2 * MINUTE + life.step + life.slack()
}

/// All alerts on targets.
pub(super) fn expect(life: &Life, surroundings: &Surroundings) -> Vec<Expected> {
    let mut expected: Vec<_> = (0..life.targets.len())
        .flat_map(|target| of_target(life, surroundings, target))
        .collect();
    expected.push(absent(life, surroundings));
    expected
}

/// Since when something holds, and until when it may have held last.
#[derive(Debug, Clone, Copy, Default)]
struct Spell {
    since: Option<Seconds>,
    until: Option<Seconds>,
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
    /// The last scrape, and whether it failed; the last that did not, and since when the process was running that it showed.
    scraped: Option<(Seconds, bool)>,
    shown: Option<(Seconds, Seconds)>,
    /// When scrapes began to fail or to succeed again, and when another process was seen: the last scrape before it, and the first after.
    turns: Vec<(Seconds, Seconds)>,
    starts: Vec<(Seconds, Seconds)>,
    running_since: Option<Seconds>,
    was_unstable: Spell,
    crash_looped: Spell,
}

fn of_target(life: &Life, surroundings: &Surroundings, target: usize) -> Vec<Expected> {
    let instance = &life.targets[target].instance;
    let expected = |alert| {
        let mut expected = Expected::new(alert, life.step, [("instance", instance.clone())]);
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
    let mut crash_looping = expected("LaafficExporterCrashLooping");
    let mut recent = Recent::new(life, target);
    for at in ticks(life) {
        recent.tick(at, surroundings);
        if !is_step(life, at) {
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
        let (state, earliest) = recent.crash_looping(at);
        crash_looping.push(evaluated(surroundings, at, state), earliest);
    }
    vec![down, replica, unstable, crash_looping]
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
            scraped: None,
            shown: None,
            turns: Vec::new(),
            starts: Vec::new(),
            running_since: None,
            was_unstable: Spell::default(),
            crash_looped: Spell::default(),
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
        match self.scraped.replace((at, failed)) {
            Some((before, did_fail)) if did_fail != failed => self.turns.push((before, at)),
            _ => {}
        }
        if failed {
            self.failing_since.get_or_insert(at);
            self.failing_since_start.get_or_insert(at);
        } else {
            self.failing_since = None;
            self.failing_since_start = None;
            let started = self.running_since.unwrap_or(at);
            match self.shown.replace((at, started)) {
                Some((before, another)) if another != started => self.starts.push((before, at)),
                _ => {}
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
        // What is said of a target that service discovery lost while it was down may stay as long as it takes until that is said instead.
        let end = match self.listed == at || self.failing_since.is_some() {
            true => end(self.life),
            false => ABSENT + end(self.life),
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
        let state = match at >= failing.max(since) + DOWN + self.life.slack() {
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
        // One that has just gone may be back in a moment, and counts until it would be down itself.
        let just_gone = self
            .uncovered_since
            .filter(|since| at <= since + DOWN + self.life.slack());
        let (state, earliest) = self.down_while(at, self.covered_since.or(just_gone), &mut last);
        self.last_replica_down = last;
        match self.covered_since {
            Some(_) => (state, earliest),
            None => (state.min(State::May), earliest),
        }
    }

    /// What is expected of an alert on something that is counted over the past hour and is more often than it may be: for sure, and perhaps.
    fn counted(&self, at: Seconds, is_sure: bool, may_be: bool, last: &mut Spell) -> (State, Seconds) {
        if may_be {
            last.until = Some(at);
        }
        let since = match is_sure && self.listed == at {
            true => *last.since.get_or_insert(at),
            false => {
                last.since = None;
                at
            }
        };
        let state = match last.since {
            Some(since) if at >= since + self.life.slack() => State::Must,
            _ if last.until.is_some_and(|until| at <= until + 2 * self.life.slack()) => State::May,
            _ => State::Never,
        };
        (state, since)
    }

    /// Started more than three times within the hour.
    fn crash_looping(&mut self, at: Seconds) -> (State, Seconds) {
        let mut last = self.crash_looped;
        let told = self.counted(
            at,
            self.surely(at, &self.starts) > 3,
            self.perhaps(at, &self.starts) > 3,
            &mut last,
        );
        self.crash_looped = last;
        told
    }

    /// Scrapes began to fail or to succeed again more than five times within the hour, and it was not started as often as above.
    fn unstable(&mut self, at: Seconds) -> (State, Seconds) {
        let mut last = self.was_unstable;
        let is_sure = self.surely(at, &self.turns) > 5 && self.perhaps(at, &self.starts) <= 3;
        let may_be = self.perhaps(at, &self.turns) > 5 && self.surely(at, &self.starts) <= 3;
        let told = self.counted(at, is_sure, may_be, &mut last);
        self.was_unstable = last;
        told
    }

    /// How many of these changes were seen within the past hour, both before and after.
    fn surely(&self, at: Seconds, changes: &[(Seconds, Seconds)]) -> usize {
        changes
            .iter()
            .filter(|(before, _)| before + HOUR > at + self.life.slack())
            .count()
    }

    /// How many may count as seen within the past hour.
    fn perhaps(&self, at: Seconds, changes: &[(Seconds, Seconds)]) -> usize {
        changes
            .iter()
            .filter(|(_, after)| after + HOUR + self.life.slack() >= at)
            .count()
    }
}

/// Nothing is listed at all.
fn absent(life: &Life, surroundings: &Surroundings) -> Expected {
    let mut expected = Expected::new("LaafficExporterAbsent", life.step, []);
    let vanishes = |what: &What| matches!(what, What::Vanished(_));
    let troubles = life.troubles.iter().filter(|trouble| vanishes(&trouble.what));
    expected.story = troubles
        .map(|trouble| (trouble.span.start, trouble.words(life)))
        .collect();
    let mut since = None;
    let mut last = None;
    for at in ticks(life).filter(|at| is_step(life, *at)) {
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
                match at >= earliest + life.slack() {
                    true => State::Must,
                    false => State::May,
                }
            }
            _ if last.is_some_and(|last: Seconds| at <= last + end(life)) => State::May,
            _ => State::Never,
        };
        expected.push(evaluated(surroundings, at, state), earliest);
    }
    expected
}
