//! A flow's state at a moment of simulated time, by rule and seed.
//!
//! Nothing runs in the background: the state is worked out when somebody asks, from the flow's lifecycle, the seed and the time since the
//! start. That is what makes 50,000 flows cheap and a test repeatable.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::random::{hash, pick};

// `status` and `nodeStatus` (vendor page, queryDetail).
const PENDING: i64 = 0;
const IN_PROGRESS: i64 = 1;
const COMPLETED: i64 = 2;
const CANCELLED: i64 = 3;
const EXECUTION_EXCEPTION: i64 = 4;

const MINUTE_MS: u64 = 60_000;

/// What the vendor knows of a flow at one moment. `None` is the vendor's `null`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FlowState {
    /// `status`
    pub status: Option<i64>,
    /// `recallType`
    pub recall_type: Option<i64>,
    /// `recallNum`
    pub recall_num: Option<i64>,
    /// `recallInterval`, in minutes
    pub recall_interval: Option<i64>,
    /// The rounds, in the order in which they run.
    pub nodes: Vec<NodeState>,
}

/// What the vendor knows of one round of a flow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NodeState {
    /// `keyId` of the node; where it is left out, one is made from the flow's key and the node's place.
    pub key_id: Option<i64>,
    /// `taskId`: the group call that the round ran as, `None` until it has run.
    pub task_id: Option<i64>,
    /// `nodeStatus`
    pub status: Option<i64>,
}

impl FlowState {
    /// A flow with this status and one node per status in `nodes`; every ten minutes it calls those again that failed.
    pub fn with_nodes(status: i64, nodes: &[i64]) -> Self {
        Self {
            status: Some(status),
            recall_type: Some(1),
            recall_num: i64::try_from(nodes.len()).ok(),
            recall_interval: Some(10),
            nodes: nodes
                .iter()
                .map(|status| NodeState {
                    status: Some(*status),
                    ..NodeState::default()
                })
                .collect(),
        }
    }
}

/// How a flow's state changes over time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Lifecycle {
    /// The seed decides everything: most lives complete, some are cancelled, have a failing node, meet an execution exception
    /// that is repaired later, or show a status that the vendor's page does not know; one flow in fifty is stuck in an execution
    /// exception for ever.
    #[default]
    Seeded,
    /// As written in the script.
    Scripted(Script),
    /// Always this state.
    Fixed(FlowState),
    /// The vendor knows no such flow: asked for it, it answers -22.
    Missing,
}

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

impl Lifecycle {
    /// The state of flow `key_id` after `elapsed` simulated time, or `None` where the vendor knows no such flow.
    pub(crate) fn state_at(&self, seed: u64, key_id: u64, elapsed: Duration) -> Option<FlowState> {
        let script = match self {
            Self::Missing => return None,
            Self::Fixed(state) => return Some(state.clone()),
            Self::Scripted(script) => *script,
            Self::Seeded => Script::seeded(seed, key_id, elapsed),
        };
        let (life, at_ms) = script.position(elapsed);
        Some(script.state(seed, key_id, life, at_ms))
    }
}

impl Script {
    /// The life that a seeded flow lives after `elapsed`. All its lives take equally long, whatever happens in them.
    fn seeded(seed: u64, key_id: u64, elapsed: Duration) -> Self {
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
        let (life, _) = script.position(elapsed);
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

    /// Which life it is (from 0) and how far into it, in milliseconds.
    fn position(&self, elapsed: Duration) -> (u64, u64) {
        let elapsed = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        let age = elapsed.saturating_add(u64::from(self.age) * MINUTE_MS);
        match self.rest {
            None => (0, age),
            // A life has at least one round of at least a minute, so the divisor is never 0.
            Some(_) => (age / self.period_ms().max(1), age % self.period_ms().max(1)),
        }
    }

    /// The state so many milliseconds into a life.
    fn state(&self, seed: u64, key_id: u64, life: u64, at: u64) -> FlowState {
        let interval = self.interval_ms();
        let begin = |round: u64| u64::from(self.pending) * MINUTE_MS + round * interval;
        // The calls of a round take three fifths of the interval; the rest is waiting for the next one.
        let end = |round: u64| begin(round) + interval / 5 * 3;
        let last = self.rounds() - 1;
        let capped = |round: u16| u64::from(round).min(last);
        // Where a cancellation or an exception strikes: in the middle of the calls.
        let strike = |round: u16| begin(capped(round)) + interval / 4;

        // Where the flow has stopped, its time stands still. A repaired round goes on where it had stopped.
        let (at, stopped) = match self.outcome {
            Outcome::Cancelled { round } if at >= strike(round) => (strike(round), Some(CANCELLED)),
            Outcome::Exception { round, repair } if at >= strike(round) => {
                match repair.map(|minutes| u64::from(minutes) * MINUTE_MS) {
                    Some(repair) if at >= strike(round) + repair => (at - repair, None),
                    _ => (strike(round), Some(EXECUTION_EXCEPTION)),
                }
            }
            _ => (at, None),
        };

        let node_status = |round: u64| match self.outcome {
            Outcome::FailingNode { round: failing } if at >= end(round) && round == capped(failing) => {
                EXECUTION_EXCEPTION
            }
            _ if at >= end(round) => COMPLETED,
            _ if at >= begin(round) => stopped.unwrap_or(IN_PROGRESS),
            Outcome::Cancelled { .. } if stopped.is_some() => CANCELLED,
            _ => PENDING,
        };
        let runs = |round: u64| (begin(round)..begin(round + 1)).contains(&at);
        let status = stopped.unwrap_or(match self.outcome {
            Outcome::Undocumented { round, status } if runs(capped(round)) => status,
            _ if at < begin(0) => PENDING,
            _ if at < end(last) => IN_PROGRESS,
            _ => COMPLETED,
        });
        let task_id = |round: u64| 5_000_000 + (hash(seed, &[key_id, life, round, 21]) % 1_000_000) as i64;
        let node = |round: u64| NodeState {
            key_id: Some(node_key(key_id, life, round)),
            task_id: (at >= begin(round)).then(|| task_id(round)),
            status: Some(node_status(round)),
        };

        FlowState {
            status: Some(status),
            recall_type: Some(self.recall_type),
            recall_num: Some(i64::from(self.recall_num.max(1))),
            recall_interval: Some(i64::from(self.recall_interval.max(1))),
            nodes: (0..self.rounds()).map(node).collect(),
        }
    }
}

/// The `keyId` of a node: unlike any other node's of the flow, in this life and in the next ones.
pub(crate) fn node_key(flow: u64, life: u64, round: u64) -> i64 {
    let number = flow
        .wrapping_mul(1_000_000)
        .wrapping_add((life % 1000) * 1000 + round + 1);
    // The vendor's integers are signed and its keys positive.
    (number & i64::MAX.unsigned_abs()) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minutes(minutes: u64) -> Duration {
        Duration::from_secs(60 * minutes)
    }

    fn scripted(outcome: Outcome) -> Lifecycle {
        Lifecycle::Scripted(Script {
            outcome,
            ..Script::default()
        })
    }

    /// Compares a flow with what is said of it: at which minute, which status, and the statuses of its nodes.
    fn assert_story(lifecycle: &Lifecycle, story: &[(u64, i64, &str)]) {
        for (minute, status, nodes) in story {
            let state = lifecycle.state_at(1, 12, minutes(*minute)).unwrap();
            let of_nodes = state.nodes.iter().map(|node| node.status.unwrap().to_string());
            let told = (state.status.unwrap(), of_nodes.collect::<String>());
            assert_eq!(told, (*status, (*nodes).to_owned()), "{lifecycle:?} at {minute}");
        }
    }

    #[test]
    #[rustfmt::skip]
    fn every_outcome_takes_its_course() {
        // From pending through the rounds to completed, and anew.
        assert_story(&scripted(Outcome::Completes), &[
            (0, 0, "000"), (9, 0, "000"), (10, 1, "100"), (16, 1, "200"), (20, 1, "210"), (30, 1, "221"), (35, 1, "221"),
            (36, 2, "222"), (59, 2, "222"), (60, 0, "000"), (70, 1, "100"),
        ]);
        assert_story(&scripted(Outcome::Cancelled { round: 1 }), &[
            (22, 1, "210"), (23, 3, "233"), (59, 3, "233"), (60, 0, "000"),
        ]);
        // Repaired, the round goes on, and all that follows is later.
        assert_story(&scripted(Outcome::Exception { round: 1, repair: Some(15) }), &[
            (23, 4, "240"), (37, 4, "240"), (38, 1, "210"), (41, 1, "220"), (51, 2, "222"), (74, 2, "222"), (75, 0, "000"),
        ]);
        // The node fails, the flow goes on.
        assert_story(&scripted(Outcome::FailingNode { round: 0 }), &[(12, 1, "100"), (20, 1, "410"), (40, 2, "422")]);
        // A round beyond the last is the last.
        assert_story(&scripted(Outcome::Undocumented { round: 9, status: 7 }), &[
            (29, 1, "220"), (30, 7, "221"), (39, 7, "222"), (40, 2, "222"),
        ]);
    }

    #[test]
    fn stuck_is_for_ever() {
        let lifecycle = Lifecycle::Scripted(Script {
            outcome: Outcome::Exception { round: 0, repair: None },
            rest: None,
            age: 20,
            ..Script::default()
        });
        assert_story(&lifecycle, &[(0, 4, "400"), (1_000_000, 4, "400")]);
    }

    #[test]
    fn a_node_has_a_task_once_it_has_begun_and_a_key_of_its_own_in_every_life() {
        let nodes = |minute| {
            let state = scripted(Outcome::Completes).state_at(1, 12, minutes(minute));
            state.unwrap().nodes
        };
        let tasks: Vec<_> = nodes(25).iter().map(|node| node.task_id.is_some()).collect();
        assert_eq!(tasks, [true, true, false]);
        let keys: std::collections::BTreeSet<_> = [0, 60, 120]
            .into_iter()
            .flat_map(nodes)
            .map(|node| node.key_id.unwrap())
            .collect();
        assert_eq!(keys.len(), 9);
        assert!(keys.iter().all(|key| *key > 0));
    }

    #[test]
    fn fixed_and_missing() {
        let state = FlowState::with_nodes(2, &[2, 4]);
        let lifecycle = Lifecycle::Fixed(state.clone());
        assert_eq!(lifecycle.state_at(1, 12, minutes(5)), Some(state));
        assert_eq!(Lifecycle::Missing.state_at(1, 12, minutes(5)), None);
    }

    #[test]
    fn seeded_lives_differ_repeat_and_show_every_status() {
        let mut seen = std::collections::BTreeMap::<i64, u32>::new();
        for key in 1..=2_000 {
            let state = || Lifecycle::Seeded.state_at(42, key, minutes(100)).unwrap();
            assert_eq!(state(), state());
            assert!((1..=10).contains(&state().recall_num.unwrap()));
            assert!((1..=1440).contains(&state().recall_interval.unwrap()));
            *seen.entry(state().status.unwrap()).or_default() += 1;
        }
        assert_eq!(seen.keys().copied().collect::<Vec<_>>(), [0, 1, 2, 3, 4, 7], "{seen:?}");
        assert!(seen[&2] > 200 && seen[&1] > 200, "{seen:?}");
    }

    #[test]
    fn the_end_of_time_can_be_reckoned_with() {
        for outcome in [Outcome::Completes, Outcome::Exception { round: 0, repair: None }] {
            let lifecycle = Lifecycle::Scripted(Script {
                outcome,
                rest: None,
                recall_num: 0,
                recall_interval: 0,
                ..Script::default()
            });
            assert!(lifecycle.state_at(u64::MAX, u64::MAX, Duration::MAX).is_some());
        }
        assert!(Lifecycle::Seeded.state_at(0, u64::MAX, Duration::MAX).is_some());
        assert!(node_key(u64::MAX, u64::MAX, 5) >= 0);
    }
}
