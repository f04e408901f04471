//! One life of a flow: what becomes of it, and when its rounds run.

use std::time::Duration;

use crate::keys::{node_key, task_of_node};
use crate::lifecycle::{CANCELLED, COMPLETED, EXECUTION_EXCEPTION, FlowState, IN_PROGRESS, NodeState, PENDING};
use crate::progress::Progress;
use crate::random::{hash, pick};

const MINUTE_MS: u64 = 60_000;

/// One life of a flow, in minutes of simulated time. After `rest` the flow begins anew, with new nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Script {
    /// What becomes of it.
    pub outcome: Outcome,
    /// `recallType`: 0 all attempts, 1 only the failed ones.
    pub recall_type: i64,
    /// `recallNum`: how many rounds there will be, at least 1.
    pub recall_num: u16,
    /// `recallInterval`: minutes from one round to the next, at least 1.
    pub recall_interval: u32,
    /// Minutes before the first round.
    pub pending: u32,
    /// Minutes from the end of the last round's interval to the next life; `None` stays as it ended.
    pub rest: Option<u32>,
    /// Minutes that the flow has already lived when the simulator starts.
    pub age: u32,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            outcome: Outcome::Completes,
            recall_type: 1,
            recall_num: 3,
            recall_interval: 10,
            pending: 10,
            rest: Some(20),
            age: 0,
        }
    }
}

/// What becomes of a life. Rounds count from 0; a round beyond the last one means the last one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Outcome {
    /// Every round runs to its end.
    #[default]
    Completes,
    /// Somebody cancels the flow while this round runs.
    Cancelled {
        /// The round that was running.
        round: u16,
    },
    /// An execution exception stops the flow while this round runs.
    Exception {
        /// The round that was running.
        round: u16,
        /// Minutes until somebody repairs it and the round goes on; `None`: nobody ever does.
        repair: Option<u32>,
    },
    /// This round ends in an execution exception of its own while the flow goes on.
    FailingNode {
        /// The round that fails.
        round: u16,
    },
    /// While this round runs, the flow shows a status number that the vendor's page does not know.
    Undocumented {
        /// The round.
        round: u16,
        /// The number.
        status: i64,
    },
}

impl Script {
    /// A life by seed that has just begun and that no other follows.
    pub(crate) fn newborn(seed: u64, key_id: u64) -> Self {
        Self {
            age: 0,
            rest: None,
            ..Self::seeded(seed, key_id, Duration::ZERO)
        }
    }

    /// The life that a seeded flow lives when it has `lived` so long. All its lives take equally long, whatever happens in them.
    pub(crate) fn seeded(seed: u64, key_id: u64, lived: Duration) -> Self {
        let roll = |what: u64| hash(seed, &[key_id, what]);
        let recall_interval = pick(roll(1), [5, 10, 15, 20, 30, 60]);
        let mut script = Self {
            outcome: Outcome::Completes,
            recall_type: i64::from(roll(2) % 10 != 0),
            recall_num: (1 + roll(3) % 6) as u16,
            recall_interval,
            pending: 5 + (roll(4) % 40) as u32,
            rest: Some(2 * recall_interval + 20 + (roll(5) % 100) as u32),
            age: 0,
        };
        if roll(6).is_multiple_of(50) {
            let round = (roll(7) % 3) as u16;
            script.outcome = Outcome::Exception { round, repair: None };
            script.rest = None;
            return script;
        }
        // Somewhere in its first life: flows that all begin together would be a dull picture.
        script.age = (roll(8) % (script.period_ms() / MINUTE_MS).max(1)) as u32;
        let (life, _) = script.position(lived);
        script.outcome = script.seeded_outcome(seed, key_id, life);
        if let Outcome::Exception { repair, .. } = script.outcome {
            // The rest has room for it.
            script.rest = script.rest.zip(repair).map(|(rest, repair)| rest - repair);
        }
        script
    }

    fn seeded_outcome(&self, seed: u64, key_id: u64, life: u64) -> Outcome {
        let roll = |what: u64| hash(seed, &[key_id, life, what]);
        let round = (roll(11) % self.rounds()) as u16;
        match roll(12) % 100 {
            0..70 => Outcome::Completes,
            70..80 => Outcome::FailingNode { round },
            80..89 => Outcome::Cancelled { round },
            89..97 => Outcome::Exception {
                round,
                // Less than twice the interval, so that it fits into the rest.
                repair: Some(self.recall_interval + (roll(13) % u64::from(self.recall_interval.max(1))) as u32),
            },
            _ => Outcome::Undocumented { round, status: 7 },
        }
    }

    fn rounds(&self) -> u64 {
        u64::from(self.recall_num.max(1))
    }

    fn interval_ms(&self) -> u64 {
        u64::from(self.recall_interval.max(1)) * MINUTE_MS
    }

    /// From the beginning of one life to that of the next, where there is a next.
    fn period_ms(&self) -> u64 {
        let repair = match self.outcome {
            Outcome::Exception { repair, .. } => repair.unwrap_or(0),
            _ => 0,
        };
        let quiet = u64::from(self.pending) + u64::from(repair) + u64::from(self.rest.unwrap_or(0));
        quiet * MINUTE_MS + self.rounds() * self.interval_ms()
    }

    /// The life that a flow lives when it has lived so long, seen at that moment.
    pub(crate) fn timetable(self, lived: Duration) -> Timetable {
        let (life, at) = self.position(lived);
        Timetable { script: self, life, at }
    }

    /// Which life it is (from 0) and how far into it, in milliseconds.
    fn position(&self, lived: Duration) -> (u64, u64) {
        let lived = u64::try_from(lived.as_millis()).unwrap_or(u64::MAX);
        match self.rest {
            None => (0, lived),
            // A life has at least one round of at least a minute, so the divisor is never 0.
            Some(_) => (lived / self.period_ms().max(1), lived % self.period_ms().max(1)),
        }
    }

    fn pending_ms(&self) -> u64 {
        u64::from(self.pending) * MINUTE_MS
    }

    /// When a round begins, in milliseconds into a life in which nothing has to be repaired.
    fn begin(&self, round: u64) -> u64 {
        self.pending_ms()
            .saturating_add(round.saturating_mul(self.interval_ms()))
    }

    /// The calls of a round take three fifths of the interval; the rest is waiting for the next one.
    fn calls_ms(&self) -> u64 {
        self.interval_ms() / 5 * 3
    }

    fn end(&self, round: u64) -> u64 {
        self.begin(round).saturating_add(self.calls_ms())
    }

    fn last(&self) -> u64 {
        self.rounds() - 1
    }

    /// A round beyond the last one means the last one.
    fn capped(&self, round: u16) -> u64 {
        u64::from(round).min(self.last())
    }

    /// Where a cancellation or an exception strikes: in the middle of the calls.
    fn strike(&self, round: u16) -> u64 {
        self.begin(self.capped(round)) + self.interval_ms() / 4
    }

    /// How far into a life the flow itself is, and the status in which it has stopped there. Where the flow has stopped, its time stands
    /// still. A repaired round goes on where it had stopped.
    fn stopped(&self, at: u64) -> (u64, Option<i64>) {
        match self.outcome {
            Outcome::Cancelled { round } if at >= self.strike(round) => (self.strike(round), Some(CANCELLED)),
            Outcome::Exception { round, repair } if at >= self.strike(round) => {
                match repair.map(|minutes| u64::from(minutes) * MINUTE_MS) {
                    Some(repair) if at >= self.strike(round) + repair => (at - repair, None),
                    _ => (self.strike(round), Some(EXECUTION_EXCEPTION)),
                }
            }
            _ => (at, None),
        }
    }

    fn node_status(&self, round: u64, at: u64, stopped: Option<i64>) -> i64 {
        match self.outcome {
            Outcome::FailingNode { .. } if at >= self.end(round) && self.fails(round) => EXECUTION_EXCEPTION,
            _ if at >= self.end(round) => COMPLETED,
            _ if at >= self.begin(round) => stopped.unwrap_or(IN_PROGRESS),
            Outcome::Cancelled { .. } if stopped.is_some() => CANCELLED,
            _ => PENDING,
        }
    }

    /// Whether this round is to end in an exception of its own.
    fn fails(&self, round: u64) -> bool {
        matches!(self.outcome, Outcome::FailingNode { round: failing } if round == self.capped(failing))
    }

    fn status(&self, at: u64) -> i64 {
        let runs = |round: u64| (self.begin(round)..self.begin(round + 1)).contains(&at);
        match self.outcome {
            Outcome::Undocumented { round, status } if runs(self.capped(round)) => status,
            _ if at < self.begin(0) => PENDING,
            _ if at < self.end(self.last()) => IN_PROGRESS,
            _ => COMPLETED,
        }
    }
}

/// The rounds of one life of a flow, seen at a moment of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timetable {
    script: Script,
    /// Which life it is, from 0.
    life: u64,
    /// How far into it, in milliseconds.
    at: u64,
}

impl Timetable {
    pub(crate) fn state(&self, key_id: u64) -> FlowState {
        let Self { script, life, at } = *self;
        let (at, stopped) = script.stopped(at);
        let node = |round: u64| NodeState {
            key_id: Some(node_key(key_id, life, round)),
            task_id: (at >= script.begin(round)).then(|| task_of_node(key_id, life, round)),
            status: Some(script.node_status(round, at, stopped)),
        };
        FlowState {
            status: Some(stopped.unwrap_or_else(|| script.status(at))),
            recall_type: Some(script.recall_type),
            recall_num: Some(i64::from(script.recall_num.max(1))),
            recall_interval: Some(i64::from(script.recall_interval.max(1))),
            nodes: (0..script.rounds()).map(node).collect(),
        }
    }

    /// When a round began, in milliseconds since the flow's first life did.
    pub(crate) fn began(&self, round: u64) -> u64 {
        let late = match self.script.outcome {
            Outcome::Exception { round: struck, repair } if round > self.script.capped(struck) => {
                u64::from(repair.unwrap_or_default()) * MINUTE_MS
            }
            _ => 0,
        };
        let begin = self.script.begin(round).saturating_add(late);
        let life = self.life.saturating_mul(self.script.period_ms());
        life.saturating_add(begin)
    }

    /// How much of a round's calls has been made. Of a round that is to fail, half of the calls never are.
    pub(crate) fn progress(&self, round: u64) -> Progress {
        let (at, _) = self.script.stopped(self.at);
        let done = at.saturating_sub(self.script.begin(round));
        let of = self.script.calls_ms();
        if self.script.fails(round) {
            return Progress::new(done.min(of), 2 * of);
        }
        Progress::new(done, of)
    }

    /// How much of the calls of the flow's parent task has been made: it calls until the first round of the first life begins.
    pub(crate) fn parent_progress(&self) -> Progress {
        match self.life {
            0 => Progress::new(self.at, self.script.pending_ms()),
            _ => Progress::DONE,
        }
    }
}
