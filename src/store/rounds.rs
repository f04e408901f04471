//! What is known of a flow's rounds: the group call that each ran as, and what became of its calls.
//!
//! In: the group calls that a flow's nodes name, from each poll, and what the list of group calls says of them. Out: the numbers of each
//! round, as long as they are fresh. A group call that is over stays as it was read last: its numbers are fresh while the flow names it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::Store;
use super::account::AccountFlows;
use super::record::{FlowRecord, Reported, latest};
use super::snapshot::Snapshot;
use crate::model::{GroupCall, TaskId, WrittenTime};

/// `recallNum` is at most 10 (vendor page, queryDetail).
const MOST_RECALLS: usize = 10;

/// After so many intervals without a report a number is not shown, unless `stale_after` is longer: stale numbers are worse than none.
const STALE_AFTER: u32 = 3;

/// The longest that a group call is not looked for that was not in the list.
const LONGEST_WAIT: Duration = Duration::from_secs(86_400);

/// A flow's rounds that have run or run, in their order: 0 is the group call that the flow was made for, 1 its first recall.
#[derive(Debug, Clone)]
pub struct Rounds(Box<[Round]>);

/// One round, and what is known of its group call.
#[derive(Debug, Clone, Copy)]
pub struct Round {
    number: u8,
    task: TaskId,
    status: Option<Reported<i64>>,
    /// When the exporter first saw that status; of no meaning without one.
    status_since: SystemTime,
    numbers: Option<Reported<i64>>,
    success: Option<Reported<i64>>,
    fail: Option<Reported<i64>>,
    created: Option<WrittenTime>,
    over: Over,
    /// How many readings in a row should have had it and had not, and when the last of them began.
    missed: Option<(u32, Instant)>,
}

/// Whether a group call is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Over {
    No,
    /// It is, but its numbers may be from before that.
    Said,
    /// It was before its numbers were read, at that moment: they move no more.
    Settled(Instant),
}

/// One reading of the list of group calls.
#[derive(Debug, Default)]
pub struct CallsReading {
    /// What it had of those that were wanted, and when.
    pub found: HashMap<TaskId, (GroupCall, Instant)>,
    /// Those that it should have had and had not.
    pub missed: HashSet<TaskId>,
}

/// What is shown of a round; `None` is "not reported", or not of late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoundShown {
    /// Which round, from 0.
    pub number: u8,
    /// The group call's status, and when the exporter first saw it.
    pub status: Option<(i64, SystemTime)>,
    /// How many customers were reached.
    pub reached: Option<i64>,
    /// How many were called and not reached.
    pub failed: Option<i64>,
    /// How many are still to be called, or being called.
    pub open: Option<i64>,
}

/// Which group calls a flow's rounds run as: `own` is the `taskId` of the one that the flow was made for, where that is known, `nodes` has
/// those of its nodes in their order, nothing where a round has not run.
pub(super) fn round_tasks(own: Option<&str>, nodes: &[Option<TaskId>]) -> Vec<(u8, TaskId)> {
    let nodes = nodes.iter().copied().take(MOST_RECALLS);
    let tasks = std::iter::once(own.and_then(TaskId::of_words)).chain(nodes);
    let numbered = (0..).zip(tasks);
    numbered.filter_map(|(number, task)| Some((number, task?))).collect()
}

impl Rounds {
    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Round> {
        self.0.iter()
    }

    /// Whether any group call is still to be read.
    pub fn are_unsettled(&self) -> bool {
        self.iter().any(|round| !round.is_settled())
    }

    /// Takes in what a reading had of them.
    fn take(&mut self, reading: &CallsReading, began: Instant, at: SystemTime) {
        for round in &mut self.0 {
            match reading.found.get(&round.task) {
                Some((call, instant)) => round.take(call, *instant, at),
                None if reading.missed.contains(&round.task) => {
                    let before = round.missed.map_or(0, |(times, _)| times);
                    round.missed = Some((before.saturating_add(1), began));
                }
                None => {}
            }
        }
    }
}

impl Round {
    fn new(number: u8, task: TaskId) -> Self {
        Self {
            number,
            task,
            status: None,
            status_since: SystemTime::UNIX_EPOCH,
            numbers: None,
            success: None,
            fail: None,
            created: None,
            over: Over::No,
            missed: None,
        }
    }

    /// The group call that it runs as.
    pub fn task(&self) -> TaskId {
        self.task
    }

    /// When that was created, where it was read.
    pub fn created(&self) -> Option<WrittenTime> {
        self.created
    }

    /// Whether there is nothing to read of it any more.
    pub fn is_settled(&self) -> bool {
        matches!(self.over, Over::Settled(_))
    }

    /// Whether the last reading that should have had it had not.
    pub fn is_missed(&self) -> bool {
        self.missed.is_some()
    }

    /// Whether a reading that begins now is to look for it. One that was not there is looked for again after one interval, then after
    /// twice as long, and so on: it may be there tomorrow, but what reads to the end of the list is dear.
    pub fn is_due(&self, now: Instant, interval: Duration) -> bool {
        match self.missed {
            _ if self.is_settled() => false,
            None => true,
            Some((times, began)) => {
                let doubled = 2_u32.saturating_pow(times.saturating_sub(1));
                now >= began + interval.saturating_mul(doubled).min(LONGEST_WAIT.max(interval))
            }
        }
    }

    fn take(&mut self, call: &GroupCall, instant: Instant, at: SystemTime) {
        let status = self.status.map(|status| status.value);
        if call.status.is_some() && call.status != status {
            self.status_since = at;
        }
        self.over = match (call.is_over(), self.over) {
            (true, Over::No) => Over::Said,
            (true, Over::Said) => Over::Settled(instant),
            (true, settled @ Over::Settled(_)) => settled,
            (false, before) if call.status.is_none() => before,
            (false, _) => Over::No,
        };
        self.status = latest(call.status, self.status, instant);
        self.numbers = latest(call.numbers, self.numbers, instant);
        self.success = latest(call.success, self.success, instant);
        self.fail = latest(call.fail, self.fail, instant);
        self.created = call.created.or(self.created);
        self.missed = None;
    }

    /// What of it was reported within `limit` before `now`; before it was settled where it is.
    fn shown(&self, now: Instant, limit: Duration) -> RoundShown {
        let now = match self.over {
            Over::Settled(at) => at,
            Over::No | Over::Said => now,
        };
        let fresh = |part: Option<Reported<i64>>| {
            let part = part.filter(|part| now.saturating_duration_since(part.at) <= limit);
            part.map(|part| part.value)
        };
        let (reached, failed) = (fresh(self.success), fresh(self.fail));
        let open = |numbers: i64| Some(numbers.saturating_sub(reached?.saturating_add(failed?)).max(0));
        RoundShown {
            number: self.number,
            status: fresh(self.status).map(|status| (status, self.status_since)),
            reached,
            failed,
            open: fresh(self.numbers).and_then(open),
        }
    }
}

impl FlowRecord {
    /// Takes in which group calls the flow's rounds run as. Of those that it has still, what is known stays.
    pub(super) fn runs_as(&mut self, nodes: &[Option<TaskId>]) {
        let own = self.info.task.as_deref().and_then(|task| task.task_id.as_deref());
        let tasks = round_tasks(own, nodes);
        let before = self.rounds.as_deref().map_or(&[][..], |rounds| &rounds.0);
        let are_the_same = before
            .iter()
            .map(|round| (round.number, round.task))
            .eq(tasks.iter().copied());
        if are_the_same {
            return;
        }
        let round = |(number, task)| match before.iter().find(|round| round.task == task) {
            Some(known) => Round { number, ..*known },
            None => Round::new(number, task),
        };
        let rounds: Box<[_]> = tasks.into_iter().map(round).collect();
        self.rounds = (!rounds.is_empty()).then(|| Arc::new(Rounds(rounds)));
    }
}

impl Store {
    /// Takes in what a reading of an account's list of group calls, which began at that moment, had of its flows' rounds.
    pub fn calls_read(&self, account: &str, reading: &CallsReading, began: Instant, at: SystemTime) {
        let Some(flows) = self.account(account) else { return };
        let is_about = |flow: &&Arc<FlowRecord>| {
            let rounds = flow.rounds.iter().flat_map(|rounds| rounds.iter());
            let mut tasks = rounds.map(Round::task);
            tasks.any(|task| reading.found.contains_key(&task) || reading.missed.contains(&task))
        };
        // One flow after the other, so that nobody waits for all of them.
        for flow in flows.flows.iter().filter(is_about) {
            self.change_rounds(account, flow, |rounds| {
                Arc::make_mut(rounds).take(reading, began, at);
            });
        }
    }

    /// Forgets all rounds of an account: nobody wants to know any more.
    pub fn forget_rounds(&self, account: &str) {
        let Some(flows) = self.account(account) else { return };
        for flow in flows.flows.iter().filter(|flow| flow.rounds.is_some()) {
            self.change_flow(account, flow.info.key_id, |flow| flow.rounds = None);
        }
    }

    fn change_rounds(&self, account: &str, flow: &FlowRecord, change: impl FnOnce(&mut Arc<Rounds>)) {
        self.change_flow(account, flow.info.key_id, |flow| {
            if let Some(rounds) = &mut flow.rounds {
                change(rounds);
            }
        });
    }
}

impl Snapshot {
    /// What is shown of a flow's rounds: nothing once its nodes are too old to be shown, and of each round what was reported of late.
    pub fn rounds<'f>(
        &self,
        account: &AccountFlows,
        flow: &'f FlowRecord,
    ) -> impl Iterator<Item = RoundShown> + use<'f> {
        let interval = account.state.outcome_interval;
        let limit = interval.map(|interval| (interval * STALE_AFTER).max(self.policy.stale_after));
        let rounds = flow.rounds.as_deref().zip(limit);
        let rounds = rounds.filter(|_| self.fresh_part(account, flow, |known| known.nodes).is_some());
        let taken = self.taken;
        rounds
            .into_iter()
            .flat_map(move |(rounds, limit)| rounds.0.iter().map(move |round| round.shown(taken, limit)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{AccountFlows, Policy, TrackedAccount};
    use super::*;
    use crate::model::{FlowInfo, FlowReport, KeyId, Nodes, Status};

    const POLICY: Policy = Policy {
        stale_after: Duration::from_secs(300),
        terminal_poll_interval: Duration::from_secs(900),
        request_timeout: Duration::from_secs(10),
    };
    const MINUTE: Duration = Duration::from_secs(60);
    const INTERVAL: Duration = Duration::from_secs(300);

    fn key() -> KeyId {
        KeyId::new(12).unwrap()
    }

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn task(number: i64) -> TaskId {
        TaskId::Number(number)
    }

    /// The account in a new configuration.
    fn tracked(flows: Vec<FlowInfo>) -> TrackedAccount {
        TrackedAccount {
            name: "main".into(),
            flows,
            discovers: false,
        }
    }

    /// A store with one flow, of whose nodes nothing is known yet.
    fn store() -> Store {
        let info = FlowInfo::configured(key(), MINUTE);
        let store = Store::new(POLICY, [AccountFlows::new("main".into(), [info])]);
        store.update_account("main", |account| account.outcome_interval = Some(INTERVAL));
        store
    }

    /// A poll that names these group calls; 0 is a round that has not run.
    fn poll(store: &Store, tasks: &[i64]) {
        let report = FlowReport {
            status: Some(Status::InProgress),
            nodes: Some(Nodes::default()),
            ..FlowReport::default()
        };
        let tasks: Vec<_> = tasks.iter().map(|number| TaskId::of_number(*number)).collect();
        store.succeeded_as("main", key(), report, Some(&tasks), at(1)).unwrap();
    }

    fn call(number: i64, status: i64, [numbers, success, fail]: [i64; 3]) -> GroupCall {
        GroupCall {
            task: task(number),
            status: Some(status),
            numbers: Some(numbers),
            success: Some(success),
            fail: Some(fail),
            created: None,
        }
    }

    fn read(store: &Store, calls: &[GroupCall], at: SystemTime) {
        let now = Instant::now();
        let found = calls.iter().map(|call| (call.task, (*call, now))).collect();
        let reading = CallsReading {
            found,
            ..CallsReading::default()
        };
        store.calls_read("main", &reading, now, at);
    }

    fn miss(store: &Store, number: i64) {
        let reading = CallsReading {
            missed: [task(number)].into(),
            ..CallsReading::default()
        };
        store.calls_read("main", &reading, Instant::now(), at(9));
    }

    fn shown(store: &Store) -> Vec<RoundShown> {
        let snapshot = store.snapshot();
        let account = &snapshot.accounts[0];
        snapshot.rounds(account, &account.flows[0]).collect()
    }

    /// Which rounds are shown with which reached, failed and open.
    fn numbers(store: &Store) -> Vec<(u8, [Option<i64>; 3])> {
        let numbers = |round: RoundShown| (round.number, [round.reached, round.failed, round.open]);
        shown(store).into_iter().map(numbers).collect()
    }

    fn round(store: &Store) -> Round {
        let snapshot = store.snapshot();
        *snapshot.accounts[0].flows[0]
            .rounds
            .as_ref()
            .unwrap()
            .iter()
            .next()
            .unwrap()
    }

    #[test]
    fn the_flows_own_group_call_is_round_0_and_recalls_keep_their_place() {
        let nodes = [Some(task(5)), None, Some(task(7))];
        assert_eq!(round_tasks(None, &nodes), [(1, task(5)), (3, task(7))]);
        assert_eq!(round_tasks(Some("900"), &nodes[..1]), [(0, task(900)), (1, task(5))]);
        assert_eq!(round_tasks(Some(" "), &[]), []);
        let many: Vec<_> = (1..=30).map(TaskId::of_number).collect();
        let tasks = round_tasks(Some("900"), &many);
        assert_eq!((tasks.len(), tasks.last()), (11, Some(&(10, task(10)))));
    }

    #[tokio::test(start_paused = true)]
    async fn numbers_are_those_of_the_list_and_open_is_what_is_left() {
        let store = store();
        poll(&store, &[51, 52, 0]);
        assert_eq!(
            numbers(&store),
            [(1, [None; 3]), (2, [None; 3])],
            "nothing is known yet"
        );
        let overcounted = call(52, 1, [10, 8, 5]);
        read(
            &store,
            &[call(51, 2, [100, 60, 30]), overcounted, call(99, 2, [1, 1, 0])],
            at(2),
        );
        assert_eq!(
            numbers(&store),
            [(1, [Some(60), Some(30), Some(10)]), (2, [Some(8), Some(5), Some(0)])],
            "never below nothing"
        );
        assert_eq!(shown(&store)[1].status, Some((1, at(2))));
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_can_say_what_is_open_where_not_all_is_reported() {
        let silent = |numbers, fail| GroupCall {
            numbers,
            fail,
            ..call(51, 1, [100, 60, 30])
        };
        for call in [silent(None, Some(30)), silent(Some(100), None)] {
            let store = store();
            poll(&store, &[51]);
            read(&store, &[call], at(2));
            assert_eq!(numbers(&store), [(1, [Some(60), call.fail, None])]);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn each_number_ages_by_its_own_report_and_with_the_nodes() {
        let store = store();
        poll(&store, &[51]);
        read(&store, &[call(51, 1, [100, 60, 30])], at(2));
        let silent = GroupCall {
            success: None,
            ..call(51, 1, [100, 0, 35])
        };
        for _ in 0..15 {
            tokio::time::advance(MINUTE).await;
            poll(&store, &[51]);
            read(&store, &[silent], at(3));
        }
        assert_eq!(numbers(&store), [(1, [Some(60), Some(35), Some(5)])]);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(numbers(&store), [(1, [None, Some(35), None])], "15 minutes");
        assert_eq!(shown(&store)[0].status, Some((1, at(2))), "it is still the same");
        tokio::time::advance(MINUTE * 5).await;
        assert_eq!(numbers(&store), [], "the flow's own state is stale");
        poll(&store, &[51]);
        assert_eq!(numbers(&store), [(1, [None, Some(35), None])]);
        store.update_account("main", |account| account.outcome_interval = None);
        assert_eq!(numbers(&store), [], "nobody wants to know");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_over_is_read_once_more_and_then_stays_while_the_flow_names_it() {
        let store = store();
        poll(&store, &[51]);
        read(&store, &[call(51, 2, [100, 60, 30])], at(2));
        assert!(!round(&store).is_settled(), "its last calls may not be counted yet");
        tokio::time::advance(INTERVAL).await;
        read(&store, &[call(51, 2, [100, 65, 35])], at(3));
        assert!(round(&store).is_settled());
        assert!(!round(&store).is_due(Instant::now() + INTERVAL * 1000, INTERVAL));
        tokio::time::advance(MINUTE * 60 * 24 * 30).await;
        poll(&store, &[51]);
        assert_eq!(numbers(&store), [(1, [Some(65), Some(35), Some(0)])]);
        assert_eq!(shown(&store)[0].status, Some((2, at(2))));
        poll(&store, &[61]);
        assert_eq!(numbers(&store), [(1, [None; 3])], "another life");
        poll(&store, &[0]);
        assert_eq!(numbers(&store), []);
    }

    #[tokio::test(start_paused = true)]
    async fn what_goes_on_after_all_is_not_settled() {
        let store = store();
        poll(&store, &[51]);
        for (status, settled) in [(3, false), (1, false), (3, false), (4, true), (3, true)] {
            read(&store, &[call(51, status, [100, 60, 30])], at(2));
            assert_eq!(round(&store).is_settled(), settled, "{status}");
        }
        poll(&store, &[52]);
        let silent = GroupCall {
            status: None,
            ..call(52, 0, [1, 1, 0])
        };
        for _ in 0..3 {
            read(&store, &[silent], at(2));
        }
        assert!(!round(&store).is_settled());
        assert_eq!(shown(&store)[0].status, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_round_that_begins_leaves_the_others_as_they_are() {
        let store = store();
        poll(&store, &[51, 0]);
        read(&store, &[call(51, 5, [100, 60, 30])], at(2));
        poll(&store, &[51, 52]);
        assert_eq!(numbers(&store), [(1, [Some(60), Some(30), Some(10)]), (2, [None; 3])]);
        let report = FlowReport::default();
        store.succeeded("main", key(), report, at(3)).unwrap();
        assert_eq!(numbers(&store).len(), 2, "an answer without nodes says nothing of them");
        store.forget_rounds("main");
        assert_eq!(numbers(&store), []);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_in_the_list_is_looked_for_ever_more_seldom() {
        let store = store();
        poll(&store, &[51]);
        let mut waits = Vec::new();
        for _ in 0..12 {
            miss(&store, 51);
            let began = Instant::now();
            let waited = (1..=2000).find(|times| round(&store).is_due(began + INTERVAL * *times, INTERVAL));
            waits.extend(waited);
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 288, 288, 288]);
        assert_eq!(numbers(&store), [(1, [None; 3])]);
        read(&store, &[call(51, 1, [100, 60, 30])], at(2));
        assert!(round(&store).is_due(Instant::now(), INTERVAL));
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_flow_has_stays_at_a_reload_and_is_no_probes() {
        let store = store();
        poll(&store, &[51]);
        read(&store, &[call(51, 1, [100, 60, 30])], at(2));
        let info = FlowInfo::clone(&store.snapshot().accounts[0].flows[0].info);
        store.apply(POLICY, vec![tracked(vec![info])], &[]);
        assert_eq!(numbers(&store).len(), 1);
        let report = FlowReport {
            nodes: Some(Nodes::default()),
            ..FlowReport::default()
        };
        let probed = store.snapshot().probed("main", key(), MINUTE, Ok(report), at(3));
        assert_eq!(
            probed.rounds(&probed.accounts[0], &probed.accounts[0].flows[0]).count(),
            0
        );
        store.apply(POLICY, vec![tracked(vec![])], &[]);
        assert!(store.snapshot().accounts[0].flows.is_empty());
    }
}
