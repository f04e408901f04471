//! The group calls behind the flows: the one that each was made for, and the one that each round runs as.
//!
//! Nothing is remembered of them: like the flows themselves, they are worked out when somebody asks.

use crate::account::FlowEntry;
use crate::calendar::Moment;
use crate::lifecycle::{CANCELLED, COMPLETED, EXECUTION_EXCEPTION, FlowState, NodeState, PENDING};
use crate::progress::Progress;
use crate::random::hash;
use crate::script::Timetable;

// `status` (vendor page, group call query).
const WAITING: i64 = 0;
const CALLING: i64 = 1;
const FINISHED: i64 = 2;
const SUBMISSION_FAILED: i64 = 3;
const TASK_CANCELLED: i64 = 4;
const SUSPENDED: i64 = 5;
const SUBMITTING: i64 = 6;

/// `recallType`: everybody is called again, whether reached or not.
const ALL: Option<i64> = Some(0);

/// Calls under way at once: so many have been made, and nobody knows yet how they end.
const LINES: u64 = 5;

const MINUTE: i64 = 60;

/// A group call at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct GroupCall {
    pub(crate) task_id: i64,
    /// The flow that it belongs to.
    pub(crate) flow: u64,
    /// Which of its rounds it is, from 0; `None` is the one that the flow was made for.
    pub(crate) round: Option<u64>,
    /// The Unix second of its creation.
    pub(crate) created: i64,
    pub(crate) status: i64,
    pub(crate) calls: Calls,
}

/// How far the calls of a task have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Calls {
    /// `numCnt`
    pub(crate) numbers: u64,
    /// `callNum`
    pub(crate) called: u64,
    pub(crate) success: u64,
    pub(crate) fail: u64,
}

/// How many numbers a flow is about, and how many of them are reached.
#[derive(Debug, Clone, Copy)]
struct Audience {
    numbers: u64,
    /// Of a thousand calls of the task that the flow was made for.
    reached: u64,
}

/// A flow at the moment at which its group calls are asked for.
struct SeenFlow<'a> {
    flow: &'a FlowEntry,
    state: FlowState,
    /// `None` where it stands still.
    timetable: Option<Timetable>,
    audience: Audience,
    moment: Moment,
}

/// The group calls of a flow that there are at this moment: its own, and one for each round that has run or runs in its present life.
pub(crate) fn of_flow(flow: &FlowEntry, moment: Moment) -> Vec<GroupCall> {
    let timetable = flow.timetable(moment.seed, moment.elapsed);
    let state = match timetable {
        Some(times) => Some(times.state(flow.settings.key_id)),
        None => flow.state_at(moment.seed, moment.elapsed),
    };
    let Some(state) = state else { return Vec::new() };
    let seen = SeenFlow {
        flow,
        state,
        timetable,
        audience: Audience::by_seed(moment.seed, flow.settings.key_id),
        moment,
    };
    let mut tasks = vec![seen.own_task()];
    for (round, node) in (0..).zip(&seen.state.nodes) {
        let before = tasks
            .last()
            .map_or(seen.audience.numbers, |task| task.calls.unreached());
        tasks.extend(
            node.task_id
                .map(|task_id| seen.task_of_round(task_id, round, node, before)),
        );
    }
    tasks
}

impl SeenFlow<'_> {
    /// The task that the flow was made for: it has called everybody when the first round begins.
    fn own_task(&self) -> GroupCall {
        let progress = match self.timetable {
            Some(times) => times.parent_progress(),
            None if self.state.status == Some(PENDING) => Progress::of_status(None),
            None => Progress::DONE,
        };
        let calls = Calls::made(self.audience.numbers, progress, |settled| {
            self.audience.reached_of(settled)
        });
        GroupCall {
            task_id: self.flow.task_id(),
            flow: self.flow.settings.key_id,
            round: None,
            created: self.flow.created,
            status: match calls.called {
                0 => WAITING,
                _ if progress.is_done() => FINISHED,
                _ => CALLING,
            },
            calls,
        }
    }

    /// The task of a round, before which so many were not reached.
    fn task_of_round(&self, task_id: i64, round: u64, node: &NodeState, unreached: u64) -> GroupCall {
        let is_for_all = self.state.recall_type == ALL;
        let numbers = if is_for_all { self.audience.numbers } else { unreached };
        let progress = self.timetable.map(|times| times.progress(round));
        let progress = progress.unwrap_or_else(|| Progress::of_status(node.status));
        // Who did not answer once is less likely to answer again.
        let halved = (round + 1).min(63);
        let calls = Calls::made(numbers, progress, |settled| self.audience.reached_of(settled) >> halved);
        GroupCall {
            task_id,
            flow: self.flow.settings.key_id,
            round: Some(round),
            created: self.began(round),
            status: status_of_round(&self.state, node, calls),
            calls,
        }
    }

    /// The Unix second in which a round began. Of a flow that stands still: an interval after the one before, and not after the present.
    fn began(&self, round: u64) -> i64 {
        if let Some(times) = self.timetable {
            let simulated_ms = self.flow.moment_of_life(times.began(round));
            return self.moment.calendar.second_of(simulated_ms);
        }
        let interval = self.state.recall_interval.unwrap_or_default().saturating_mul(MINUTE);
        let rounds = i64::try_from(round + 1).unwrap_or(i64::MAX);
        let began = self.flow.created.saturating_add(interval.saturating_mul(rounds));
        began.min(self.moment.second())
    }
}

fn status_of_round(flow: &FlowState, node: &NodeState, calls: Calls) -> i64 {
    match node.status {
        Some(PENDING) => WAITING,
        Some(COMPLETED) => FINISHED,
        Some(CANCELLED) => TASK_CANCELLED,
        // Where the flow has stopped with it, it may go on.
        Some(EXECUTION_EXCEPTION) if flow.status == Some(EXECUTION_EXCEPTION) => SUSPENDED,
        Some(EXECUTION_EXCEPTION) => SUBMISSION_FAILED,
        _ if calls.called == 0 => SUBMITTING,
        _ => CALLING,
    }
}

impl Calls {
    /// So far have the calls of these numbers come; `reached` says how many of so many calls that have ended were answered.
    fn made(numbers: u64, progress: Progress, reached: impl Fn(u64) -> u64) -> Self {
        let called = progress.part_of(numbers);
        let under_way = if progress.is_done() { 0 } else { LINES };
        let settled = called.saturating_sub(under_way);
        let success = reached(settled);
        Self {
            numbers,
            called,
            success,
            fail: settled.saturating_sub(success),
        }
    }

    fn unreached(self) -> u64 {
        self.numbers.saturating_sub(self.success)
    }
}

impl Audience {
    fn by_seed(seed: u64, key_id: u64) -> Self {
        let roll = |what: u64| hash(seed, &[key_id, what, 101]);
        Self {
            numbers: 200 + roll(1) % 4_800,
            reached: 450 + roll(2) % 300,
        }
    }

    fn reached_of(self, calls: u64) -> u64 {
        calls * self.reached / 1000
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::calendar::Calendar;
    use crate::lifecycle::Lifecycle;
    use crate::script::{Outcome, Script};
    use crate::settings::{Flow, Settings};

    const START: i64 = 1_630_468_800;

    fn moment(second: u64) -> Moment {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(START.unsigned_abs());
        Moment {
            seed: 1,
            elapsed: Duration::from_secs(second),
            calendar: Calendar::starting(now, &Settings::default()),
        }
    }

    fn entry(lifecycle: Lifecycle) -> FlowEntry {
        let flow = Flow {
            lifecycle,
            ..Flow::seeded(12)
        };
        FlowEntry::from_before(flow, 1, moment(0).calendar)
    }

    fn scripted(outcome: Outcome, recall_type: i64) -> FlowEntry {
        entry(Lifecycle::Scripted(Script {
            outcome,
            recall_type,
            recall_num: 4,
            ..Script::default()
        }))
    }

    fn assert_possible(calls: Calls) {
        assert!(calls.success + calls.fail <= calls.called, "{calls:?}");
        assert!(calls.called <= calls.numbers, "{calls:?}");
    }

    /// The group calls at the end of a life of so many minutes, after having looked at every five seconds of it.
    fn lived(flow: &FlowEntry, minutes: u64) -> Vec<GroupCall> {
        let mut before: Vec<GroupCall> = Vec::new();
        for second in (0..=60 * minutes).step_by(5) {
            let tasks = of_flow(flow, moment(second));
            let of_nodes = flow.state_at(1, moment(second).elapsed).unwrap().nodes;
            let of_nodes: Vec<_> = of_nodes.iter().filter_map(|node| node.task_id).collect();
            assert_eq!(tasks[1..].iter().map(|task| task.task_id).collect::<Vec<_>>(), of_nodes);
            for (task, before) in tasks.iter().zip(&before) {
                let [now, then] = [task.calls, before.calls];
                assert!(now.called >= then.called && now.success >= then.success && now.fail >= then.fail);
                assert_eq!((task.created, now.numbers), (before.created, then.numbers));
            }
            for task in &tasks {
                assert_possible(task.calls);
                assert!(task.created <= moment(second).second(), "{task:?} at {second}");
                let is_over = [FINISHED, SUBMISSION_FAILED].contains(&task.status);
                assert!(!is_over || task.calls.called > 0, "{task:?}");
                if task.status == FINISHED {
                    let Calls {
                        numbers,
                        called,
                        success,
                        fail,
                    } = task.calls;
                    assert_eq!((called, success + fail), (numbers, numbers));
                }
            }
            before = tasks;
        }
        before
    }

    fn statuses(tasks: &[GroupCall]) -> Vec<i64> {
        tasks.iter().map(|task| task.status).collect()
    }

    #[test]
    fn each_round_calls_those_that_were_not_reached_and_reaches_fewer_of_them() {
        let tasks = lived(&scripted(Outcome::Completes, 1), 50);
        assert_eq!(statuses(&tasks), [FINISHED; 5]);
        let began: Vec<_> = tasks.iter().map(|task| (task.created - START) / 60).collect();
        assert_eq!(began, [0, 10, 20, 30, 40]);
        for pair in tasks.windows(2) {
            let [before, after] = [pair[0].calls, pair[1].calls];
            assert_eq!(after.numbers, before.fail);
            // Compared as fractions, so that nothing is lost by rounding.
            assert!(
                after.success * before.numbers < before.success * after.numbers,
                "{before:?} {after:?}"
            );
        }
    }

    #[test]
    fn lives_by_seed_from_birth_to_end() {
        for key_id in 1..=60 {
            let flow = Flow {
                lifecycle: Lifecycle::Scripted(Script::newborn(1, key_id)),
                ..Flow::seeded(key_id)
            };
            let flow = FlowEntry::from_before(flow, 1, moment(0).calendar);
            // A life is at most 45 minutes of waiting, six rounds an hour apart, and a repair of two hours.
            let tasks = lived(&flow, 45 + 8 * 60);
            for pair in tasks.windows(2) {
                let [before, after] = [pair[0].calls, pair[1].calls];
                assert!(after.numbers <= before.numbers, "{key_id}");
                // Of a round that was cut short one cannot say.
                let reached_fewer = after.success * before.called <= before.success * after.called;
                assert!(reached_fewer || pair[0].status != FINISHED, "{key_id}");
            }
        }
    }

    #[test]
    fn another_life_has_other_rounds_and_the_same_parent() {
        let flow = scripted(Outcome::Completes, 1);
        // A life takes 70 minutes.
        let [first, second] = [50, 70 + 50].map(|minute| of_flow(&flow, moment(60 * minute)));
        assert_eq!(first[0], second[0]);
        let later: Vec<_> = first
            .iter()
            .zip(&second)
            .map(|(first, second)| second.created - first.created)
            .collect();
        assert_eq!(later, [0, 4_200, 4_200, 4_200, 4_200]);
        assert!(
            first[1..]
                .iter()
                .zip(&second[1..])
                .all(|(first, second)| first.task_id != second.task_id)
        );
        assert_eq!(of_flow(&flow, moment(60 * 75)).len(), 1);
    }

    #[test]
    fn or_else_all_of_them_again() {
        let tasks = lived(&scripted(Outcome::Completes, 0), 50);
        assert!(tasks.iter().all(|task| task.calls.numbers == tasks[0].calls.numbers));
        assert!(
            tasks
                .windows(2)
                .all(|pair| pair[1].calls.success < pair[0].calls.success)
        );
    }

    #[test]
    fn what_does_not_end_well() {
        let tasks = lived(&scripted(Outcome::Cancelled { round: 1 }, 1), 50);
        assert_eq!(statuses(&tasks), [FINISHED, FINISHED, TASK_CANCELLED]);
        let Calls { numbers, called, .. } = tasks[2].calls;
        assert!(called > numbers / 3 && called < numbers / 2, "{called} of {numbers}");

        let failing = lived(&scripted(Outcome::FailingNode { round: 1 }, 1), 50);
        assert_eq!(
            statuses(&failing),
            [FINISHED, FINISHED, SUBMISSION_FAILED, FINISHED, FINISHED]
        );
        // Those that were never called are called in the next round.
        assert_eq!(
            failing[3].calls.numbers,
            failing[2].calls.numbers - failing[2].calls.success
        );
        assert!(failing[2].calls.called <= failing[2].calls.numbers / 2);

        let repaired = scripted(
            Outcome::Exception {
                round: 1,
                repair: Some(5),
            },
            1,
        );
        let tasks = lived(&repaired, 50);
        assert_eq!(statuses(&tasks), [FINISHED, FINISHED, FINISHED, FINISHED, CALLING]);
        let began: Vec<_> = tasks.iter().map(|task| (task.created - START) / 60).collect();
        assert_eq!(began, [0, 10, 20, 35, 45]);
        assert_eq!(
            statuses(&of_flow(&repaired, moment(25 * 60))),
            [FINISHED, FINISHED, SUSPENDED]
        );
    }

    #[test]
    fn from_waiting_to_the_end() {
        let flow = scripted(Outcome::Completes, 1);
        let at = |second| statuses(&of_flow(&flow, moment(second)));
        assert_eq!(at(0), [WAITING]);
        assert_eq!(at(300), [CALLING]);
        assert_eq!(at(600), [FINISHED, SUBMITTING]);
        assert_eq!(at(700), [FINISHED, CALLING]);
        assert_eq!(at(960), [FINISHED, FINISHED]);
    }

    #[test]
    fn a_flow_that_stands_still_has_those_that_its_nodes_name() {
        let mut state = FlowState::with_nodes(1, &[2, 4, 1, 0, 0]);
        for (task_id, node) in (70..).zip(&mut state.nodes[..4]) {
            node.task_id = Some(task_id);
        }
        let tasks = of_flow(&entry(Lifecycle::Fixed(state)), moment(60));
        assert_eq!(
            statuses(&tasks),
            [FINISHED, FINISHED, SUBMISSION_FAILED, CALLING, WAITING]
        );
        assert_eq!(
            tasks[1..].iter().map(|task| task.task_id).collect::<Vec<_>>(),
            [70, 71, 72, 73]
        );
        assert!(tasks.is_sorted_by_key(|task| task.created));
        assert!(tasks.iter().all(|task| task.created <= START + 60));
        tasks.iter().for_each(|task| assert_possible(task.calls));
        assert!(of_flow(&entry(Lifecycle::Missing), moment(60)).is_empty());
    }

    #[test]
    fn no_two_tasks_have_the_same_key() {
        let mut keys = std::collections::BTreeSet::new();
        for key_id in 1..=500 {
            let flow = FlowEntry::from_before(Flow::seeded(key_id), 1, moment(0).calendar);
            for task in of_flow(&flow, moment(3_600)) {
                assert!(keys.insert(task.task_id), "{task:?}");
                assert_possible(task.calls);
            }
        }
        assert!(keys.len() > 1_000, "{}", keys.len());
    }
}
