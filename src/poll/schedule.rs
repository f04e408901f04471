//! When which flow of an account is due: pure bookkeeping, without waiting and without a clock of its own.
//!
//! Every flow has a phase, a fraction of its interval. Its polls fall on the grid `epoch + (n + phase) × interval`, so the polls of
//! all flows spread evenly over the interval whenever they were added, and a flow keeps its place whatever the others do. Phases
//! follow the golden ratio sequence, the one that stays even for any number of flows.
//!
//! Where the flows together ask for more than the account's rate, all intervals are stretched by the same factor.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

use tokio::time::Instant;

use crate::model::KeyId;

/// The fractional part of the golden ratio: consecutive multiples, modulo 1, are as evenly spread as any sequence can be.
const GOLDEN: f64 = 0.618_033_988_749_894_9;

/// A flow's place in the schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Slot(u32);

/// A flow that is due, or will be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Due {
    /// When. First field, so that the order of the queue is "oldest due first".
    pub(super) at: Instant,
    /// Whose place it is.
    pub(super) slot: Slot,
}

#[derive(Debug)]
struct Planned {
    key_id: KeyId,
    interval: Duration,
    /// Requests that one poll takes: more than 1 where the nodes come in pages.
    requests: u32,
}

/// The schedule of one account.
#[derive(Debug)]
pub(super) struct Schedule {
    epoch: Instant,
    /// Requests per second that the account may send.
    rate: f64,
    flows: Vec<Planned>,
    queue: BinaryHeap<Reverse<Due>>,
    /// How many requests go out once per each interval: the demand is summed from it anew each time, so it cannot drift.
    demand: BTreeMap<Duration, u64>,
}

impl Schedule {
    /// A schedule without flows; `epoch` anchors the grid.
    pub(super) fn new(epoch: Instant, rate: f64) -> Self {
        Self {
            epoch,
            rate,
            flows: Vec::new(),
            queue: BinaryHeap::new(),
            demand: BTreeMap::new(),
        }
    }

    /// Adds a flow that is due at once.
    pub(super) fn add(&mut self, key_id: KeyId, interval: Duration, now: Instant) {
        let Ok(index) = u32::try_from(self.flows.len()) else {
            return; // Four thousand million flows in one account: no configuration file holds them.
        };
        let requests = 1;
        self.flows.push(Planned {
            key_id,
            interval,
            requests,
        });
        *self.demand.entry(interval).or_default() += u64::from(requests);
        self.queue.push(Reverse(Due {
            at: now,
            slot: Slot(index),
        }));
    }

    /// The flow that has been due longest, or will be due first.
    pub(super) fn peek(&self) -> Option<Due> {
        self.queue.peek().map(|Reverse(due)| *due)
    }

    /// Takes the flow of [`Self::peek`] out; it comes back by [`Self::again`].
    pub(super) fn take(&mut self) -> Option<(Due, KeyId)> {
        let Reverse(due) = self.queue.pop()?;
        Some((due, self.flows.get(due.slot.0 as usize)?.key_id))
    }

    /// Plans the next poll of a flow whose last one was due at `due` and has ended, with the interval that it asks for and the
    /// requests that it takes from now on.
    pub(super) fn again(&mut self, due: Due, interval: Duration, requests: u32, now: Instant) {
        let Some(flow) = self.flows.get_mut(due.slot.0 as usize) else {
            return;
        };
        if (flow.interval, flow.requests) != (interval, requests) {
            if let Some(count) = self.demand.get_mut(&flow.interval) {
                *count = count.saturating_sub(u64::from(flow.requests));
                if *count == 0 {
                    self.demand.remove(&flow.interval);
                }
            }
            *self.demand.entry(interval).or_default() += u64::from(requests);
            flow.interval = interval;
            flow.requests = requests;
        }
        let effective = interval.mul_f64(self.stretch());
        // Half an interval keeps the grid's next point from following at once where the interval has just changed.
        let earliest = now.max(due.at + effective / 2);
        let at = self.grid_point(earliest, effective, phase(due.slot));
        self.queue.push(Reverse(Due { at, slot: due.slot }));
    }

    /// Requests per second that the flows ask for ÷ the rate.
    pub(super) fn budget_ratio(&self) -> f64 {
        let asked: f64 = self
            .demand
            .iter()
            .map(|(interval, count)| *count as f64 / interval.as_secs_f64())
            .sum();
        asked / self.rate
    }

    /// Requests per second that the account may send.
    pub(super) fn rate(&self) -> f64 {
        self.rate
    }

    /// How many flows there are.
    pub(super) fn len(&self) -> usize {
        self.flows.len()
    }

    fn stretch(&self) -> f64 {
        self.budget_ratio().max(1.0)
    }

    /// The first point of a flow's grid that is not before `earliest`.
    fn grid_point(&self, earliest: Instant, interval: Duration, phase: f64) -> Instant {
        let interval = interval.as_secs_f64();
        let intervals_gone = earliest.saturating_duration_since(self.epoch).as_secs_f64() / interval;
        let point = (intervals_gone - phase).ceil().max(0.0) + phase;
        let at = self.epoch + Duration::from_secs_f64(point * interval);
        // Rounding may put the point a hair before `earliest`.
        at.max(earliest)
    }
}

/// The phase of a flow, in 0..1.
fn phase(slot: Slot) -> f64 {
    (f64::from(slot.0) * GOLDEN).fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn schedule(flows: u64, interval: Duration, rate: f64) -> (Schedule, Instant) {
        let now = Instant::now();
        let mut schedule = Schedule::new(now, rate);
        for key in 1..=flows {
            schedule.add(KeyId::new(key).unwrap(), interval, now);
        }
        (schedule, now)
    }

    /// Polls for `duration` as if every answer came at once, and returns what was polled when.
    fn run(schedule: &mut Schedule, from: Instant, duration: Duration, interval: Duration) -> Vec<(Duration, u64)> {
        let mut polls = Vec::new();
        while schedule.peek().is_some_and(|due| due.at <= from + duration) {
            let (due, key) = schedule.take().unwrap();
            polls.push((due.at - from, key.get()));
            schedule.again(due, interval, 1, due.at);
        }
        polls
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_round_is_due_at_once_in_order() {
        let (mut schedule, now) = schedule(3, MINUTE, 5.0);
        let first: Vec<_> = (0..3)
            .map(|_| schedule.take().unwrap())
            .map(|(due, key)| (due.at, key.get()))
            .collect();
        assert_eq!(first, [(now, 1), (now, 2), (now, 3)]);
    }

    #[tokio::test(start_paused = true)]
    async fn after_the_first_round_polls_are_spread_evenly_and_one_interval_apart() {
        let (mut schedule, now) = schedule(100, MINUTE, 100.0);
        let polls = run(&mut schedule, now, MINUTE * 10, MINUTE);
        // In any 6 s after the first two minutes, 10 of 100 flows are due; the sequence is even to within a few.
        for start in (120..600).step_by(6) {
            let window = Duration::from_secs(start)..Duration::from_secs(start + 6);
            let count = polls.iter().filter(|(at, _)| window.contains(at)).count();
            assert!((8..=12).contains(&count), "{count} polls in the 6 s from {start}");
        }
        for key in 1..=100 {
            let at: Vec<_> = polls.iter().filter(|poll| poll.1 == key).map(|poll| poll.0).collect();
            let gaps: Vec<_> = at.windows(2).map(|pair| pair[1] - pair[0]).collect();
            assert!(
                gaps[0] >= MINUTE / 2 && gaps[0] < MINUTE * 3 / 2,
                "flow {key}: second poll after {:?}",
                gaps[0]
            );
            for gap in &gaps[1..] {
                assert!(gap.abs_diff(MINUTE) < Duration::from_micros(1), "flow {key}: {gap:?}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_late_poll_is_not_made_up_for() {
        let (mut schedule, now) = schedule(1, MINUTE, 5.0);
        let (due, _) = schedule.take().unwrap();
        schedule.again(due, MINUTE, 1, now + MINUTE * 7 + Duration::from_secs(1));
        assert_eq!(schedule.peek().unwrap().at, now + MINUTE * 8);
    }

    #[tokio::test(start_paused = true)]
    async fn demand_over_the_rate_stretches_every_interval_alike() {
        let (mut schedule, now) = schedule(120, MINUTE, 1.0);
        assert!((schedule.budget_ratio() - 2.0).abs() < 1e-9);
        let polls = run(&mut schedule, now, MINUTE * 20, MINUTE);
        let of_flow_9: Vec<_> = polls.iter().filter(|poll| poll.1 == 9).map(|poll| poll.0).collect();
        assert!((of_flow_9[2] - of_flow_9[1]).abs_diff(MINUTE * 2) < Duration::from_micros(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_flow_that_is_over_asks_for_less() {
        let (mut schedule, now) = schedule(2, MINUTE, 1.0);
        for _ in 0..2 {
            let (due, _) = schedule.take().unwrap();
            schedule.again(due, MINUTE * 15, 1, now);
        }
        assert!((schedule.budget_ratio() - 2.0 / 900.0).abs() < 1e-9);
    }

    #[tokio::test(start_paused = true)]
    async fn the_flow_that_is_due_longest_comes_first() {
        let (mut schedule, now) = schedule(50, MINUTE, 1.0);
        let mut last = now;
        for _ in 0..500 {
            let (due, _) = schedule.take().unwrap();
            assert!(due.at >= last);
            last = due.at;
            // Served one second later than due, each.
            schedule.again(due, MINUTE, 1, due.at + Duration::from_secs(1));
        }
    }
}
