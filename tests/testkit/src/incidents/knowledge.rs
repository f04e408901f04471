//! What an exporter may know of a flow, by the polls that it may have made: the step between the truth and a scrape.

use super::life::{Face, Flow, Seconds};
use super::surroundings::Surroundings;

/// A poll that ends badly takes up to this long, with its retries, and the next is up to half an interval off its usual place.
const AFTER_TROUBLE: Seconds = 45;

/// A poll that ends well takes no longer.
const POLL: Seconds = 10;

/// How long a state is shown without a success, or three intervals if longer: `stale_after`.
const STALE: Seconds = 300;

/// The interval of flows that are over: `terminal_poll_interval`.
const TERMINAL: Seconds = 900;

/// Something that an exporter may have learnt last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lesson {
    /// Nothing yet: it has just begun.
    Nothing,
    /// The flow is not in its configuration.
    NotConfigured,
    /// What the vendor said.
    Face(Face),
}

/// A lesson, when it may have been learnt first and last.
#[derive(Debug, Clone, Copy)]
pub struct Learnt {
    /// What.
    pub lesson: Lesson,
    /// The earliest poll that may have brought it.
    pub first: Seconds,
    /// The latest.
    pub last: Seconds,
}

/// What one exporter may know of one flow. It knows exactly one of these.
#[derive(Debug)]
pub struct Knowledge {
    target: usize,
    account: usize,
    interval: Seconds,
    /// All that is possible.
    pub possible: Vec<Learnt>,
    /// Since when the process runs.
    pub started: Option<Seconds>,
    /// Since when each poll can succeed.
    good_since: Option<Seconds>,
    /// What was last said of its status may be that it is over.
    may_think_it_over: bool,
    /// For how long the flow may be polled at the interval for flows that are over.
    slow_until: Seconds,
    /// When what the vendor says now began, and how often the flow was polled at most then: so soon it is learnt.
    face: (Seconds, Seconds),
    settled: bool,
}

impl Knowledge {
    /// That of this exporter of a flow of the account at this place.
    pub fn new(target: usize, account: usize, flow: &Flow) -> Self {
        Self {
            target,
            account,
            interval: flow.interval,
            possible: vec![nothing(0)],
            started: None,
            good_since: None,
            may_think_it_over: false,
            slow_until: 0,
            face: (0, flow.interval),
            settled: false,
        }
    }

    /// Takes in what holds at this tick.
    pub fn tick(&mut self, at: Seconds, flow: &Flow, surroundings: &Surroundings) {
        let exporter = surroundings.target(self.target, at);
        if !exporter.running {
            self.started = None;
            self.good_since = None;
            self.settled = false;
            self.slow_until = 0;
            self.may_think_it_over = false;
            self.possible = vec![nothing(at)];
            return;
        }
        let started = *self.started.get_or_insert(at);
        if flow.name(at).is_none() {
            self.good_since = None;
            self.may_think_it_over = false;
            self.possible = vec![Learnt {
                lesson: Lesson::NotConfigured,
                first: at,
                last: at,
            }];
            return;
        }
        if let [
            Learnt {
                lesson: lesson @ Lesson::NotConfigured,
                ..
            },
        ] = self.possible.as_mut_slice()
        {
            *lesson = Lesson::Nothing;
        }
        if !surroundings.learns(self.target, self.account, at) {
            self.good_since = None;
            self.settled = false;
            return;
        }
        let good_since = *self.good_since.get_or_insert(at);
        let (since, face) = flow.face(at);
        let lesson = Lesson::Face(face);
        match self.possible.iter_mut().find(|learnt| learnt.lesson == lesson) {
            Some(learnt) => learnt.last = at,
            None => self.possible.push(Learnt {
                lesson,
                first: at.max(started),
                last: at,
            }),
        }
        let interval = match at < self.slow_until || self.may_think_it_over {
            true => self.interval.max(TERMINAL),
            false => self.interval,
        };
        let is_good = |interval: Seconds| at >= good_since + interval * 3 / 2 + AFTER_TROUBLE;
        self.settled = is_good(interval);
        if self.face.0 != since {
            self.face = (since, interval);
        }
        let (_, interval) = self.face;
        if is_good(interval) && at >= since + interval + POLL {
            self.possible.retain(|learnt| learnt.lesson == lesson);
            // That the vendor does not know it any more tells nothing of how often to ask.
            self.may_think_it_over &= face == Face::Unknown;
        }
        if face.is_terminal() {
            self.may_think_it_over = true;
            self.slow_until = at + TERMINAL * 3 / 2 + AFTER_TROUBLE;
        }
    }

    /// Whether what it may know is still shown for sure, if polls have failed since.
    pub fn is_surely_shown(&self, at: Seconds, learnt: &Learnt) -> bool {
        // The last success was a poll before that moment.
        at <= learnt.last + self.longest_shown() - self.interval - POLL
    }

    /// Whether it may still be shown.
    pub fn may_be_shown(&self, at: Seconds, learnt: &Learnt) -> bool {
        at <= learnt.last
            + self
                .longest_shown()
                .max(TERMINAL * 3 * Seconds::from(at < self.slow_until))
            + POLL
    }

    /// Whether its last poll succeeded for sure.
    pub fn is_settled(&self, at: Seconds) -> bool {
        self.settled && self.possible.iter().any(|learnt| learnt.last == at)
    }

    fn longest_shown(&self) -> Seconds {
        STALE.max(3 * self.interval)
    }

    /// The one thing that it knows for sure.
    pub fn sure(&self) -> Option<&Learnt> {
        match self.possible.as_slice() {
            [learnt] => Some(learnt),
            _ => None,
        }
    }
}

fn nothing(at: Seconds) -> Learnt {
    Learnt {
        lesson: Lesson::Nothing,
        first: at,
        last: at,
    }
}
