//! When which flow of an account is due: pure bookkeeping, without waiting and without a clock of its own.
//!
//! Every flow has a phase, a fraction of its interval. Its polls fall on the grid `epoch + (n + phase) × interval`, so the polls of
//! all flows spread evenly over the interval whenever they were added, and a flow keeps its place whatever the others do. Phases
//! follow the golden ratio sequence, the one that stays even for any number of flows.
//!
//! Where the flows together ask for more than the account's rate, all intervals are stretched by the same factor.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, HashSet, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use crate::model::KeyId;
use crate::store::stretched;

/// The fractional part of the golden ratio: consecutive multiples, modulo 1, are as evenly spread as any sequence can be.
const GOLDEN: f64 = 0.618_033_988_749_894_9;

/// A flow's place in the schedule. A place may be given to another flow after a reload; then it has another generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Slot {
    index: u32,
    generation: u32,
}

/// A flow that is due, or will be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Due {
    /// When. First field, so that the order of the queue is "oldest due first".
    pub(super) at: Instant,
    /// Whose place it is.
    pub(super) slot: Slot,
}

/// What stands in a place.
#[derive(Debug, Clone, Copy)]
struct Planned {
    key_id: KeyId,
    interval: Duration,
    /// Requests that one poll takes: more than 1 where the nodes come in pages. 0 where the place is free.
    requests: u32,
    generation: u32,
}

/// The schedule of one account.
#[derive(Debug)]
pub(super) struct Schedule {
    epoch: Instant,
    /// Requests per second that the account may send.
    rate: f64,
    flows: Vec<Planned>,
    /// Places that a reload has emptied.
    free: Vec<u32>,
    queue: BinaryHeap<Reverse<Due>>,
    /// Flows that go before all others.
    first: VecDeque<Due>,
    /// Flows that take turns with those in the queue that have been due longer.
    ahead: VecDeque<Due>,
    /// Whether the last turn was one of those.
    ahead_went: bool,
    /// Flows that have been due for longer than those in the queue, oldest first, but wait for [`Self::wake_all`].
    parked: VecDeque<Due>,
    /// Requests per second that go out beside those for flows.
    besides: f64,
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
            free: Vec::new(),
            queue: BinaryHeap::new(),
            first: VecDeque::new(),
            ahead: VecDeque::new(),
            ahead_went: false,
            parked: VecDeque::new(),
            besides: 0.0,
            demand: BTreeMap::new(),
        }
    }

    /// So many requests per second go out beside those for flows.
    pub(super) fn leave_room(&mut self, besides: f64) {
        self.besides = besides;
    }

    /// Adds a flow that is due at once.
    pub(super) fn add(&mut self, key_id: KeyId, interval: Duration, now: Instant) -> Option<Slot> {
        let slot = self.place(key_id, interval)?;
        self.queue.push(Reverse(Due { at: now, slot }));
        Some(slot)
    }

    /// Adds a flow that is due at once, before all others.
    pub(super) fn add_first(&mut self, key_id: KeyId, interval: Duration, now: Instant) -> Option<Slot> {
        let slot = self.place(key_id, interval)?;
        self.first.push_back(Due { at: now, slot });
        Some(slot)
    }

    /// Adds a flow that is due at once. With those that have been due longer it takes turns, so that it waits for none of them but one, and
    /// they do not wait for ever.
    pub(super) fn add_ahead(&mut self, key_id: KeyId, interval: Duration, now: Instant) -> Option<Slot> {
        let slot = self.place(key_id, interval)?;
        self.ahead.push_back(Due { at: now, slot });
        Some(slot)
    }

    /// Takes a flow out. A poll of it that is under way comes back to nothing.
    pub(super) fn remove(&mut self, slot: Slot) {
        let Some(interval) = self.planned(slot).map(|flow| flow.interval) else {
            return;
        };
        self.set_demand(slot.index as usize, interval, 0);
        self.free.push(slot.index);
        self.let_go();
    }

    /// Takes the turns of flows out that have gone, where they would be next.
    fn let_go(&mut self) {
        while self
            .queue
            .peek()
            .is_some_and(|Reverse(due)| self.planned(due.slot).is_none())
        {
            self.queue.pop();
        }
        while self.first.front().is_some_and(|due| self.planned(due.slot).is_none()) {
            self.first.pop_front();
        }
        while self.ahead.front().is_some_and(|due| self.planned(due.slot).is_none()) {
            self.ahead.pop_front();
        }
        while self.parked.front().is_some_and(|due| self.planned(due.slot).is_none()) {
            self.parked.pop_front();
        }
    }

    /// A place for a flow.
    fn place(&mut self, key_id: KeyId, interval: Duration) -> Option<Slot> {
        let planned = |generation| Planned {
            key_id,
            interval,
            requests: 1,
            generation,
        };
        let slot = match self.free.pop() {
            Some(index) => {
                let place = self.flows.get_mut(index as usize)?;
                *place = planned(place.generation);
                Slot {
                    index,
                    generation: place.generation,
                }
            }
            None => {
                // Four thousand million flows in one account: no configuration file holds them.
                let index = u32::try_from(self.flows.len()).ok()?;
                self.flows.push(planned(0));
                Slot { index, generation: 0 }
            }
        };
        *self.demand.entry(interval).or_default() += 1;
        Some(slot)
    }

    /// Takes over a new configuration: `wanted` are all flows with the intervals that they ask for from now on. Flows that stay keep
    /// their place and their next poll, unless a new interval asks for an earlier one; new ones are due at once. A poll under way of a
    /// flow that has gone comes back to nothing.
    pub(super) fn replace(&mut self, wanted: impl IntoIterator<Item = (KeyId, Duration)>, rate: f64, now: Instant) {
        self.rate = rate;
        let wanted: Vec<_> = wanted.into_iter().collect();
        let mut new: HashMap<_, _> = wanted.iter().copied().collect();
        let mut changed = HashSet::new();
        for index in 0..self.flows.len() {
            let Some(&flow) = self.flows.get(index).filter(|flow| flow.requests > 0) else {
                continue;
            };
            if let Some(interval) = new.remove(&flow.key_id) {
                if self.set_demand(index, interval, flow.requests) {
                    changed.insert(index);
                }
            } else {
                self.set_demand(index, flow.interval, 0);
                self.free.extend(u32::try_from(index));
            }
        }
        let queue = std::mem::take(&mut self.queue);
        let stays = queue.into_iter().filter_map(|Reverse(due)| {
            let flow = self.planned(due.slot)?;
            let earlier = if changed.contains(&(due.slot.index as usize)) {
                self.grid_point(now, stretched(flow.interval, self.stretch()), phase(due.slot))
            } else {
                due.at
            };
            Some(Reverse(Due {
                at: due.at.min(earlier),
                slot: due.slot,
            }))
        });
        self.queue = stays.collect();
        self.let_go();
        for (key_id, interval) in wanted {
            // A key that is wanted twice is taken once.
            if new.remove(&key_id).is_some() {
                self.add(key_id, interval, now);
            }
        }
    }

    fn planned(&self, slot: Slot) -> Option<&Planned> {
        let flow = self.flows.get(slot.index as usize)?;
        (flow.requests > 0 && flow.generation == slot.generation).then_some(flow)
    }

    /// Makes the flow at this place ask for so many requests an interval; none make the place free. Returns whether that is news.
    fn set_demand(&mut self, index: usize, interval: Duration, requests: u32) -> bool {
        let Some(flow) = self.flows.get_mut(index) else {
            return false;
        };
        let before = (flow.interval, flow.requests);
        if before == (interval, requests) {
            return false;
        }
        (flow.interval, flow.requests) = (interval, requests);
        if requests == 0 {
            flow.generation = flow.generation.wrapping_add(1);
        }
        *self.demand.entry(interval).or_default() += u64::from(requests);
        if let Some(count) = self.demand.get_mut(&before.0) {
            *count = count.saturating_sub(u64::from(before.1));
            if *count == 0 {
                self.demand.remove(&before.0);
            }
        }
        true
    }

    /// When the next flow is due that is not parked.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let ahead = self.first.front().or(self.ahead.front()).map(|due| due.at);
        ahead.or_else(|| self.queue.peek().map(|Reverse(due)| due.at))
    }

    /// Takes out whose turn it is of those that are not parked.
    fn next_in_turn(&mut self) -> Option<Due> {
        if let Some(first) = self.first.pop_front() {
            return Some(first);
        }
        let waits_longer = |ahead: &Due| self.queue.peek().is_some_and(|Reverse(due)| due.at < ahead.at);
        let queue_is_next = self
            .ahead
            .front()
            .is_none_or(|ahead| self.ahead_went && waits_longer(ahead));
        self.ahead_went = !queue_is_next;
        if queue_is_next {
            self.queue.pop().map(|Reverse(due)| due)
        } else {
            self.ahead.pop_front()
        }
    }

    /// When a flow that is due at `due` has waited for a third of the shortest interval in force, so that no probe may go before it any more.
    pub(super) fn urgent_from(&self, due: Instant) -> Instant {
        let shortest = self.demand.keys().next().copied().unwrap_or_default();
        due + stretched(shortest, self.stretch()) / 3
    }

    /// Sets the flow of [`Self::next_due`] aside; it comes back by [`Self::take`], or with all others.
    pub(super) fn park(&mut self) -> Option<KeyId> {
        let due = self.next_in_turn()?;
        let key_id = self.planned(due.slot)?.key_id;
        self.parked.push_back(due);
        self.let_go();
        Some(key_id)
    }

    /// Makes every flow due now, the parked ones first.
    pub(super) fn wake_all(&mut self, now: Instant) {
        let mut ahead = std::mem::take(&mut self.first);
        ahead.append(&mut self.ahead);
        let parked = std::mem::take(&mut self.parked);
        let queue = std::mem::take(&mut self.queue);
        let first = ahead.into_iter().chain(parked);
        for mut due in first.chain(queue.into_iter().map(|Reverse(due)| due)) {
            due.at = due.at.min(now);
            self.put_back(due);
        }
    }

    /// Takes the flow out that has been due longest, or will be due first; it comes back by [`Self::again`] or [`Self::put_back`].
    pub(super) fn take(&mut self) -> Option<(Due, KeyId)> {
        let due = match self.parked.pop_front() {
            Some(due) => due,
            None => self.next_in_turn()?,
        };
        let key_id = self.planned(due.slot)?.key_id;
        self.let_go();
        Some((due, key_id))
    }

    /// The interval that a flow asks for, as far as it is known here.
    pub(super) fn base_interval(&self, due: Due) -> Duration {
        self.planned(due.slot).map_or(Duration::ZERO, |flow| flow.interval)
    }

    /// Takes back a flow that has not been asked for after all: it is as due as it was.
    pub(super) fn put_back(&mut self, due: Due) {
        // A reload may have removed the flow meanwhile.
        if self.planned(due.slot).is_some() {
            self.queue.push(Reverse(due));
        }
    }

    /// Whether no flow waits for its poll, parked or not.
    pub(super) fn is_empty(&self) -> bool {
        [&self.first, &self.ahead, &self.parked]
            .into_iter()
            .all(VecDeque::is_empty)
            && self.queue.is_empty()
    }

    /// Plans the next poll of a flow whose last one was due at `due`, began at `began` and has ended, with the interval that it asks for and
    /// the requests that it takes from now on.
    pub(super) fn again(&mut self, due: Due, began: Instant, interval: Duration, requests: u32, now: Instant) {
        if self.planned(due.slot).is_none() {
            return; // A reload has removed the flow meanwhile.
        }
        self.set_demand(due.slot.index as usize, interval, requests.max(1));
        let effective = stretched(interval, self.stretch());
        let late = began.saturating_duration_since(due.at);
        let at = if (effective / 4..effective).contains(&late) {
            // There is not room for all at present, be it because of probes. The grid's next point would follow too soon, and the
            // poll after it be as late again; so every flow waits a little longer, and all of them the same.
            now.max(began + effective)
        } else {
            // Half an interval keeps the grid's next point from following at once where the interval has just changed.
            self.grid_point(now.max(due.at + effective / 2), effective, phase(due.slot))
        };
        self.queue.push(Reverse(Due { at, slot: due.slot }));
    }

    /// Requests per second that are asked for ÷ the rate.
    pub(super) fn budget_ratio(&self) -> f64 {
        let asked: f64 = self
            .demand
            .iter()
            .map(|(interval, count)| *count as f64 / interval.as_secs_f64())
            .sum();
        (asked + self.besides) / self.rate
    }

    /// Requests per second that the account may send.
    pub(super) fn rate(&self) -> f64 {
        self.rate
    }

    /// How many flows there are.
    pub(super) fn len(&self) -> usize {
        self.flows.len() - self.free.len()
    }

    /// By how much every interval is stretched so that the rate holds; at least 1.
    pub(super) fn stretch(&self) -> f64 {
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
    (f64::from(slot.index) * GOLDEN).fract()
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
        while schedule.next_due().is_some_and(|at| at <= from + duration) {
            let (due, key) = schedule.take().unwrap();
            polls.push((due.at - from, key.get()));
            schedule.again(due, due.at, interval, 1, due.at);
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
        let late = now + MINUTE * 7 + Duration::from_secs(1);
        schedule.again(due, late, MINUTE, 1, late);
        assert_eq!(schedule.next_due().unwrap(), now + MINUTE * 8);
    }

    #[tokio::test(start_paused = true)]
    async fn a_poll_that_comes_late_for_want_of_room_is_followed_a_whole_interval_later() {
        for (late, next) in [(10, 60), (20, 80), (50, 110), (70, 120)] {
            let (mut schedule, now) = schedule(1, MINUTE, 5.0);
            let (due, _) = schedule.take().unwrap();
            let began = now + Duration::from_secs(late);
            schedule.again(due, began, MINUTE, 1, began);
            assert_eq!(
                schedule.next_due(),
                Some(now + Duration::from_secs(next)),
                "{late} s late"
            );
        }
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
            schedule.again(due, now, MINUTE * 15, 1, now);
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
            schedule.again(due, due.at, MINUTE, 1, due.at + Duration::from_secs(1));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_reload_keeps_the_turns_of_flows_that_stay_and_polls_new_ones_at_once() {
        let (mut schedule, now) = schedule(3, MINUTE, 5.0);
        run(&mut schedule, now, MINUTE, MINUTE);
        let before: Vec<_> = schedule.queue.clone().into_sorted_vec();
        let later = now + MINUTE + MINUTE / 4;
        schedule.replace([1, 3, 4].map(|key| (KeyId::new(key).unwrap(), MINUTE)), 5.0, later);
        let of = |schedule: &Schedule, key: u64| {
            let due = schedule
                .queue
                .iter()
                .find(|due| schedule.planned(due.0.slot).unwrap().key_id.get() == key);
            due.map(|due| due.0.at)
        };
        assert_eq!(of(&schedule, 4), Some(later));
        assert_eq!(of(&schedule, 2), None);
        assert_eq!(schedule.len(), 3);
        for due in before {
            let key = schedule.planned(due.0.slot).map(|flow| flow.key_id.get());
            // Flow 2's place is flow 4's now, so its old turn belongs to nobody.
            assert!(key.is_none() || of(&schedule, key.unwrap()) == Some(due.0.at));
        }
        assert!((schedule.budget_ratio() - 3.0 / 60.0 / 5.0).abs() < 1e-9);
    }

    #[tokio::test(start_paused = true)]
    async fn a_shorter_interval_takes_effect_at_once_and_a_longer_one_after_the_next_poll() {
        let (mut schedule, now) = schedule(1, MINUTE * 60, 5.0);
        run(&mut schedule, now, MINUTE, MINUTE * 60);
        schedule.replace([(KeyId::new(1).unwrap(), MINUTE)], 5.0, now + MINUTE);
        assert!(schedule.next_due().unwrap() <= now + MINUTE * 2);
        let before = schedule.next_due().unwrap();
        schedule.replace([(KeyId::new(1).unwrap(), MINUTE * 60)], 5.0, now + MINUTE);
        assert_eq!(schedule.next_due(), Some(before));
    }

    #[tokio::test(start_paused = true)]
    async fn a_poll_under_way_of_a_flow_that_has_gone_comes_back_to_nothing() {
        let (mut schedule, now) = schedule(1, MINUTE, 5.0);
        let (due, key_id) = schedule.take().unwrap();
        schedule.replace([], 5.0, now);
        // The same flow comes back before its old poll has ended: it must not be polled twice from then on.
        schedule.replace([(key_id, MINUTE)], 5.0, now);
        schedule.again(due, now, MINUTE, 1, now);
        assert_eq!(schedule.queue.len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_thousand_reloads_leave_no_places_behind() {
        let (mut schedule, now) = schedule(10, MINUTE, 5.0);
        for round in 1..=1000 {
            let keys = (round..round + 10).map(|key| (KeyId::new(key).unwrap(), MINUTE));
            schedule.replace(keys, 5.0, now);
        }
        assert_eq!((schedule.len(), schedule.queue.len()), (10, 10));
        assert!(schedule.flows.len() <= 20);
    }

    #[tokio::test(start_paused = true)]
    async fn the_longest_intervals_and_the_lowest_rate_can_be_reckoned_with() {
        let now = Instant::now();
        let mut schedule = Schedule::new(now, 1e-6);
        let longest = Duration::from_secs(292 * 365 * 86_400);
        for (key, interval) in [(1, Duration::from_millis(1)), (2, longest)] {
            schedule.add(KeyId::new(key).unwrap(), interval, now);
        }
        for _ in 0..10 {
            let (due, key) = schedule.take().unwrap();
            let interval = if key.get() == 1 {
                Duration::from_millis(1)
            } else {
                longest
            };
            schedule.again(due, due.at, interval, 1, due.at);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_added_ahead_takes_turns_with_those_that_wait_longer_and_who_is_added_first_waits_for_none() {
        let (mut schedule, now) = schedule(4, MINUTE, 5.0);
        let later = now + Duration::from_secs(1);
        let key = |number| KeyId::new(number).unwrap();
        for number in [10, 11, 12] {
            schedule.add_ahead(key(number), MINUTE, later);
        }
        let gone = schedule.add_ahead(key(13), MINUTE, later).unwrap();
        schedule.add_first(key(20), MINUTE, later);
        schedule.remove(gone);
        let order: Vec<_> = std::iter::from_fn(|| schedule.take())
            .map(|(_, key)| key.get())
            .collect();
        assert_eq!(order, [20, 10, 1, 11, 2, 12, 3, 4]);
        assert!(schedule.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn parked_flows_take_turns_and_all_wake_at_once() {
        let (mut schedule, now) = schedule(4, MINUTE, 5.0);
        for _ in 0..3 {
            schedule.park();
        }
        let mut taken = || {
            let (due, key) = schedule.take().unwrap();
            schedule.again(due, now, MINUTE, 1, now);
            key.get()
        };
        assert_eq!([taken(), taken()], [1, 2]);
        schedule.wake_all(now);
        let woken: Vec<_> = std::iter::from_fn(|| schedule.take())
            .map(|(due, key)| (due.at, key.get()))
            .collect();
        assert_eq!(woken, [1, 2, 3, 4].map(|key| (now, key)));
    }
}
