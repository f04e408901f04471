//! A flow's state at a moment of simulated time, by rule and seed.
//!
//! Nothing runs in the background: the state is worked out when somebody asks, from the flow's lifecycle, the seed and the time since the
//! start. That is what makes 50,000 flows cheap and a test repeatable.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::random::hash;
use crate::script::{Script, Timetable};

// `status` and `nodeStatus` (vendor page, queryDetail).
pub(crate) const PENDING: i64 = 0;
pub(crate) const IN_PROGRESS: i64 = 1;
pub(crate) const COMPLETED: i64 = 2;
pub(crate) const CANCELLED: i64 = 3;
pub(crate) const EXECUTION_EXCEPTION: i64 = 4;

/// Ten rounds a day apart, as many and as rare as the vendor's page allows.
const MOST_MINUTES: u64 = 10 * 24 * 60;

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

impl NodeState {
    pub(crate) fn is_completed(&self) -> bool {
        self.status == Some(COMPLETED)
    }
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

impl Lifecycle {
    /// The state of flow `key_id` when it has lived so long, or `None` where the vendor knows no such flow.
    pub(crate) fn state_after(&self, seed: u64, key_id: u64, lived: Duration) -> Option<FlowState> {
        match self {
            Self::Missing => None,
            Self::Fixed(state) => Some(state.clone()),
            Self::Scripted(_) | Self::Seeded => {
                let timetable = self.timetable(seed, key_id, lived)?;
                Some(timetable.state(key_id))
            }
        }
    }

    /// When the rounds run of the life that the flow lives then, where it lives one.
    pub(crate) fn timetable(&self, seed: u64, key_id: u64, lived: Duration) -> Option<Timetable> {
        let script = match self {
            Self::Missing | Self::Fixed(_) => return None,
            Self::Scripted(script) => *script,
            Self::Seeded => Script::seeded(seed, key_id, lived),
        };
        Some(script.timetable(lived))
    }

    /// How long the flow has lived when the simulator starts: long enough for all that is said of it.
    pub(crate) fn age(&self, seed: u64, key_id: u64) -> Duration {
        let minutes = match self {
            Self::Missing => 0,
            Self::Scripted(script) => script.age.into(),
            Self::Seeded => Script::seeded(seed, key_id, Duration::ZERO).age.into(),
            Self::Fixed(state) => {
                let number = |number: Option<i64>| u64::try_from(number.unwrap_or_default()).unwrap_or_default();
                let rounds = number(state.recall_num).max(state.nodes.len() as u64);
                let waited = hash(seed, &[key_id, 9]) % (2 * 24 * 60);
                rounds.saturating_mul(number(state.recall_interval)).min(MOST_MINUTES) + waited
            }
        };
        Duration::from_secs(60 * minutes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::Outcome;

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
            let state = lifecycle
                .state_after(1, 12, lifecycle.age(1, 12) + minutes(*minute))
                .unwrap();
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
            let state = scripted(Outcome::Completes).state_after(1, 12, minutes(minute));
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
        assert_eq!(lifecycle.state_after(1, 12, minutes(5)), Some(state));
        assert_eq!(Lifecycle::Missing.state_after(1, 12, minutes(5)), None);
    }

    #[test]
    fn seeded_lives_differ_repeat_and_show_every_status() {
        let mut seen = std::collections::BTreeMap::<i64, u32>::new();
        for key in 1..=2_000 {
            let lived = Lifecycle::Seeded.age(42, key) + minutes(100);
            let state = || Lifecycle::Seeded.state_after(42, key, lived).unwrap();
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
            assert!(lifecycle.state_after(u64::MAX, u64::MAX, Duration::MAX).is_some());
        }
        assert!(Lifecycle::Seeded.state_after(0, u64::MAX, Duration::MAX).is_some());
    }
}
