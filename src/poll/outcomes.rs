//! What became of the calls of each round: the list of an account's group calls, read from time to time for those that its flows name.
//!
//! In: the flows' rounds, from the store. Out: what the list says of those that may still change. While there are none, nothing is asked.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use exporter_toolkit::clock::unix_seconds;
use tokio::time::Instant;

use super::limiter::Purpose;
use super::list_end::ListEnd;
use super::progress::Progress;
use super::requests::{Call, Requests, Seen, Session, Turn};
use crate::api::{CallOptions, CallsPage, CallsQuery, Client, ClockOffset, Error, Exchange};
use crate::model::{Endpoint, GroupCall, TaskId, UnreadableFields, WrittenTime};
use crate::store::{AccountFlows, CallsReading};

/// How often the list is read, unless flows are asked for much more often than every minute.
const INTERVAL: Duration = Duration::from_secs(300);

/// Where they are, so many of their intervals lie between two readings.
const POLLS_PER_READING: u32 = 5;

/// The first group call that is named is read for this much later: more will be named meanwhile.
const GATHER: Duration = Duration::from_secs(10);

/// No more pages are asked for in one reading.
const MOST_PAGES: u32 = 200;

/// How long a single page may take, its retries included.
const PATIENCE: Duration = Duration::from_secs(60);

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

/// The platform's zone is unknown; none on earth is further from UTC.
const ZONE: i64 = 14 * HOUR;

/// A group call of which nobody knows when it was created is looked for this far back.
const LOOKBACK: i64 = 7 * DAY;

/// No group call is looked for further back: a round takes hours.
const LONGEST_LOOKBACK: i64 = 31 * DAY;

/// How often the list is read of an account whose flows are asked for at this interval by default.
pub(super) fn interval(poll_interval: Duration) -> Duration {
    (poll_interval * POLLS_PER_READING).min(INTERVAL)
}

/// When an account's list of group calls is read.
#[derive(Debug, Default)]
pub(super) struct OutcomeTurns {
    /// How often; `None` where nobody wants to know.
    interval: Option<Duration>,
    /// When to look next whether anything is to be read; `None` where nothing is known to be, or it is being read.
    next: Option<Instant>,
    /// No reading begins before.
    earliest: Option<Instant>,
    reading: bool,
    /// How many requests the last reading took.
    pages: u32,
    /// How much longer the last reading made the interval.
    longer: Duration,
}

impl OutcomeTurns {
    /// How often it is to be read, from now on. Wanted anew, it is read as soon as there is something to read.
    pub(super) fn want(&mut self, interval: Option<Duration>, now: Instant) {
        if interval != self.interval {
            *self = Self {
                interval,
                next: interval.map(|_| now + GATHER),
                reading: self.reading,
                ..Self::default()
            };
        }
    }

    /// Whether it is read at all.
    pub(super) fn wanted(&self) -> bool {
        self.interval.is_some()
    }

    /// How often it is read at present; `None` where it is not.
    pub(super) fn interval(&self) -> Option<Duration> {
        self.interval.map(|interval| interval + self.longer)
    }

    /// Requests per second that it takes.
    pub(super) fn rate(&self) -> f64 {
        let interval = self.interval();
        interval.map_or(0.0, |interval| f64::from(self.pages.max(1)) / interval.as_secs_f64())
    }

    /// When to look whether anything is to be read.
    pub(super) fn next(&self) -> Option<Instant> {
        self.next.filter(|_| !self.reading)
    }

    /// A flow has told which rounds it has: perhaps there is something to read.
    pub(super) fn named(&mut self, now: Instant) {
        if self.wanted() && self.next.is_none() {
            self.next = Some((now + GATHER).max(self.earliest.unwrap_or(now)));
        }
    }

    /// What a reading that begins now is to look for; `None` where it is not to begin.
    pub(super) fn begin(&mut self, account: &AccountFlows, now: Instant, today: SystemTime) -> Option<Wanted> {
        let interval = self.interval()?;
        let wanted = Wanted::of(account, now, interval, today);
        let is_due = !wanted.due.is_empty();
        // Where all have been looked for in vain of late, they are looked for later.
        self.next = (!is_due && !wanted.known.is_empty()).then_some(now + interval);
        self.reading = is_due;
        is_due.then_some(wanted)
    }

    /// The reading that began at `began` has ended. The next one follows after as long as this one took, at least: no more than half of the
    /// time is spent reading.
    pub(super) fn end(&mut self, began: Instant, pages: u32, now: Instant) {
        self.reading = false;
        if let Some(interval) = self.interval {
            let took = now.saturating_duration_since(began);
            self.pages = pages;
            self.longer = (took * 2).saturating_sub(interval);
            let next = began + interval + self.longer;
            (self.next, self.earliest) = (Some(next), Some(next));
        }
    }
}

/// The group calls that a reading is to look for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Those that it reads on for.
    due: HashSet<TaskId>,
    /// All that would be news, these included.
    known: HashSet<TaskId>,
    query: CallsQuery,
}

impl Wanted {
    fn of(account: &AccountFlows, now: Instant, interval: Duration, today: SystemTime) -> Self {
        #[allow(clippy::cast_possible_truncation, reason = "a moment in whole seconds")]
        let today = unix_seconds(today) as i64;
        let (mut due, mut known) = (HashSet::new(), HashSet::new());
        let mut oldest = today;
        for rounds in account.flows.iter().filter_map(|flow| flow.rounds.as_deref()) {
            // A round follows those before it.
            let mut latest_before = None;
            for round in rounds.iter() {
                let created = round.created().map(WrittenTime::seconds);
                if !round.is_settled() {
                    known.insert(round.task());
                    if round.is_due(now, interval) {
                        due.insert(round.task());
                        let guessed = latest_before.filter(|_| !round.is_missed());
                        oldest = oldest.min(created.or(guessed).unwrap_or(today - LOOKBACK));
                    }
                }
                latest_before = created.max(latest_before);
            }
        }
        let query = CallsQuery {
            from: oldest.max(today - LONGEST_LOOKBACK) - ZONE,
            until: today + ZONE,
        };
        Self { due, known, query }
    }
}

/// What a reading brought.
#[derive(Debug)]
pub(super) struct CallsOutcome {
    /// Whether it was read as far as was wanted, or why it was not. What was read until then counts.
    pub(super) result: Result<(), Error>,
    /// What it had of what was wanted.
    pub(super) reading: CallsReading,
    /// How many requests it took where all went well.
    pub(super) pages: u32,
    /// What its requests saw.
    pub(super) seen: Seen,
}

/// Reads the list until all is found that is due, in the order of all requests.
pub(super) async fn read_calls(
    session: &Arc<Session>,
    wanted: &Wanted,
    clock_offset: ClockOffset,
    began: Instant,
) -> CallsOutcome {
    let progress = Progress::new(began + PATIENCE);
    // So many pages are not urgent at once, but nobody's probes put them off for good.
    let urgent_from = began + INTERVAL / 3;
    let mut sent = Requests::new(session, Purpose::Poll { urgent_from }, &progress, clock_offset);
    let mut reading = Reading::new(wanted);
    let result = loop {
        if session.halted.is_cancelled() {
            break Err(Error::NotSent);
        }
        let call = GroupCallQuery {
            query: wanted.query,
            page: reading.end.pages() + 1,
        };
        progress.extend(Instant::now() + PATIENCE);
        sent.renew_retries();
        match sent.answer(&call, Turn::Further).await {
            Err(error) => break Err(error),
            Ok(page) => {
                if reading.takes(page, Instant::now()) {
                    break Ok(());
                }
            }
        }
    };
    CallsOutcome {
        pages: reading.end.pages(),
        reading: reading.ended(result.is_ok()),
        result,
        seen: sent.seen(),
    }
}

/// A list that is being read. Of its records only those are kept that are wanted.
struct Reading<'w> {
    wanted: &'w Wanted,
    found: HashMap<TaskId, (GroupCall, Instant)>,
    /// How many of those that are due are still to be found.
    missing: usize,
    end: ListEnd,
    /// The last page.
    last: Vec<TaskId>,
}

impl<'w> Reading<'w> {
    fn new(wanted: &'w Wanted) -> Self {
        Self {
            wanted,
            found: HashMap::new(),
            missing: wanted.due.len(),
            end: ListEnd::default(),
            last: Vec::new(),
        }
    }

    /// Takes the next page in; whether that is enough.
    fn takes(&mut self, page: CallsPage, now: Instant) -> bool {
        let is_end = self.end.takes(&page);
        let calls = page.items.unwrap_or_default();
        for call in calls.iter().filter(|call| self.wanted.known.contains(&call.task)) {
            let is_new = self.found.insert(call.task, (*call, now)).is_none();
            self.missing -= usize::from(is_new && self.wanted.due.contains(&call.task));
        }
        let tasks: Vec<_> = calls.iter().map(|call| call.task).collect();
        // The same page again is what a server gives that takes no notice of the page's number.
        let is_repetition = !tasks.is_empty() && tasks == self.last;
        self.last = tasks;
        is_end || is_repetition || self.missing == 0 || self.end.pages() >= MOST_PAGES
    }

    /// What it has brought. One that was not read as far as was wanted says nothing of what it had not.
    fn ended(self, whole: bool) -> CallsReading {
        let missed = self
            .wanted
            .due
            .iter()
            .filter(|task| whole && !self.found.contains_key(task));
        CallsReading {
            missed: missed.copied().collect(),
            found: self.found,
        }
    }
}

/// One page (from 1) of the list.
struct GroupCallQuery {
    query: CallsQuery,
    page: u32,
}

impl Call for GroupCallQuery {
    type Answer = CallsPage;
    const ENDPOINT: Endpoint = Endpoint::GroupCallQuery;

    async fn send(&self, client: &Client, options: CallOptions<'_>) -> Exchange<CallsPage> {
        client.group_calls(self.query, self.page, options).await
    }

    fn accept(&self, page: CallsPage) -> Result<CallsPage, Error> {
        match page.items {
            // Without a list nobody can say what is not in it.
            None => Err(Error::NoData),
            Some(_) => Ok(page),
        }
    }

    fn unreadable(page: &CallsPage) -> UnreadableFields {
        page.unreadable
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{FlowInfo, FlowReport, KeyId, Nodes};
    use crate::store::{Policy, Store};

    const NOW: i64 = 1_763_971_200;

    fn today() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(NOW.unsigned_abs())
    }

    fn task(number: i64) -> TaskId {
        TaskId::Number(number)
    }

    fn call(number: i64, status: i64, created: Option<i64>) -> GroupCall {
        GroupCall {
            task: task(number),
            status: Some(status),
            numbers: None,
            success: None,
            fail: None,
            created: created.map(WrittenTime::Local),
        }
    }

    /// Flows that name these group calls.
    fn store(flows: &[&[i64]]) -> Store {
        let infos = (1..=flows.len() as u64).map(|key_id| FlowInfo::configured(KeyId::new(key_id).unwrap(), INTERVAL));
        let store = Store::new(Policy::default(), [AccountFlows::new("main".into(), infos)]);
        for (key_id, tasks) in (1..).zip(flows) {
            let tasks: Vec<_> = tasks.iter().map(|number| Some(task(*number))).collect();
            let report = FlowReport {
                nodes: Some(Nodes::default()),
                ..FlowReport::default()
            };
            let key_id = KeyId::new(key_id).unwrap();
            store
                .succeeded_as("main", key_id, report, Some(&tasks), today())
                .unwrap();
        }
        store
    }

    fn read(store: &Store, calls: &[GroupCall], missed: &[i64]) {
        let now = Instant::now();
        let reading = CallsReading {
            found: calls.iter().map(|call| (call.task, (*call, now))).collect(),
            missed: missed.iter().map(|number| task(*number)).collect(),
        };
        store.calls_read("main", &reading, now, today());
    }

    fn wanted(store: &Store) -> Wanted {
        Wanted::of(&store.account("main").unwrap(), Instant::now(), INTERVAL, today())
    }

    fn tasks(of: &HashSet<TaskId>) -> Vec<i64> {
        let number = |task: &TaskId| match task {
            TaskId::Number(number) => *number,
            TaskId::Other(_) => 0,
        };
        let mut numbers: Vec<_> = of.iter().map(number).collect();
        numbers.sort_unstable();
        numbers
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_over_is_wanted_from_its_creation_on() {
        let store = store(&[&[51, 52], &[61]]);
        let all = wanted(&store);
        assert_eq!(tasks(&all.due), [51, 52, 61]);
        assert_eq!(all.query.from, NOW - 7 * DAY - 14 * HOUR);
        assert_eq!(all.query.until, NOW + 14 * HOUR);

        read(
            &store,
            &[call(51, 1, Some(NOW - DAY)), call(61, 1, Some(NOW - HOUR))],
            &[],
        );
        let found = wanted(&store);
        assert_eq!(tasks(&found.due), [51, 52, 61]);
        assert_eq!(found.query.from, NOW - DAY - 14 * HOUR, "52 ran after 51");

        for _ in 0..2 {
            read(&store, &[call(51, 2, Some(NOW - DAY)), call(61, 3, None)], &[]);
        }
        assert_eq!(tasks(&wanted(&store).known), [52], "what is over is not");

        read(&store, &[], &[52]);
        assert!(wanted(&store).due.is_empty(), "it was not there a moment ago");
        tokio::time::advance(INTERVAL).await;
        let missed = wanted(&store);
        assert_eq!(tasks(&missed.due), [52]);
        assert_eq!(
            missed.query.from,
            NOW - 7 * DAY - 14 * HOUR,
            "perhaps it did not run after 51"
        );

        read(&store, &[call(52, 5, Some(NOW - 90 * DAY))], &[]);
        assert_eq!(wanted(&store).query.from, NOW - 31 * DAY - 14 * HOUR);
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_asked_while_nothing_is_wanted() {
        let (silent, named) = (store(&[&[]]), store(&[&[51]]));
        let mut turns = OutcomeTurns::default();
        let begin = |turns: &mut OutcomeTurns, store: &Store| {
            let account = store.account("main").unwrap();
            turns.begin(&account, Instant::now(), today()).is_some()
        };
        turns.named(Instant::now());
        assert_eq!(turns.next(), None);
        assert!(!begin(&mut turns, &named), "off");
        turns.want(Some(INTERVAL), Instant::now());
        assert_eq!(turns.next(), Some(Instant::now() + GATHER));
        assert!(!begin(&mut turns, &silent));
        assert_eq!(turns.next(), None);
        turns.named(Instant::now());
        assert_eq!(turns.next(), Some(Instant::now() + GATHER));
        assert!(begin(&mut turns, &named));
        turns.named(Instant::now());
        assert_eq!(turns.next(), None, "it is being read");
        read(&named, &[], &[51]);
        let began = Instant::now();
        turns.end(began, 3, began);
        assert_eq!(turns.next(), Some(began + INTERVAL));
        assert!((turns.rate() - 3.0 / 300.0).abs() < 1e-9);
        assert!(!begin(&mut turns, &named), "it was not there a moment ago");
        assert_eq!(turns.next(), Some(began + INTERVAL));
        turns.want(None, began);
        assert_eq!((turns.next(), turns.wanted()), (None, false));
        turns.end(began, 1, began);
        assert_eq!((turns.next(), turns.interval()), (None, None));
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_than_half_of_the_time_is_spent_reading() {
        let mut turns = OutcomeTurns::default();
        let began = Instant::now();
        turns.want(Some(INTERVAL), began);
        turns.end(began, 200, began + Duration::from_secs(400));
        assert_eq!(turns.next(), Some(began + Duration::from_secs(800)));
        assert_eq!(turns.interval(), Some(Duration::from_secs(800)));
        turns.end(began, 1, began + Duration::from_secs(1));
        assert_eq!(turns.interval(), Some(INTERVAL));
    }

    #[test]
    fn five_minutes_or_five_polls() {
        for (poll, reading) in [(60, 300), (300, 300), (1, 5), (86_400, 300)] {
            assert_eq!(interval(Duration::from_secs(poll)), Duration::from_secs(reading));
        }
    }

    fn page(tasks: impl Iterator<Item = i64>) -> CallsPage {
        let calls: Vec<_> = tasks.map(|number| call(number, 1, None)).collect();
        CallsPage {
            records: calls.len(),
            items: Some(calls),
            ..CallsPage::default()
        }
    }

    fn due(tasks: &[i64]) -> Wanted {
        let due: HashSet<_> = tasks.iter().map(|number| task(*number)).collect();
        Wanted {
            known: due.clone(),
            due,
            query: CallsQuery { from: 0, until: 0 },
        }
    }

    /// After how many pages of an endless list a reading ends, and how many group calls it keeps.
    fn pages(wanted: &Wanted, page_of: impl Fn(i64) -> CallsPage) -> (u32, usize) {
        let mut reading = Reading::new(wanted);
        while !reading.takes(page_of(i64::from(reading.end.pages())), Instant::now()) {}
        (reading.end.pages(), reading.found.len())
    }

    #[tokio::test(start_paused = true)]
    async fn a_reading_ends_where_all_is_found_or_there_is_no_more() {
        let hundred = |before: i64| page(100 * before + 1..=100 * before + 100);
        assert_eq!(pages(&due(&[7, 205]), hundred), (3, 2));
        assert_eq!(
            pages(&due(&[7, 1_000_000]), hundred),
            (200, 1),
            "no list is read without end"
        );
        assert_eq!(pages(&due(&[7, 205]), |_| hundred(0)), (2, 1), "the same page again");
        assert_eq!(pages(&due(&[7, 205]), |before| page(1..=100 - 50 * before)), (2, 1));
        assert_eq!(pages(&due(&[7]), |_| page(std::iter::empty())), (1, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_whole_reading_says_what_is_not_there() {
        let wanted = due(&[7, 8]);
        for (whole, missed) in [(true, vec![8]), (false, vec![])] {
            let mut reading = Reading::new(&wanted);
            reading.takes(page(1..=7), Instant::now());
            let ended = reading.ended(whole);
            assert_eq!(tasks(&ended.missed), missed);
            assert_eq!(ended.found.len(), 1, "what was read counts");
        }
    }
}
