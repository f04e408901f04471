//! The flows of an account that are found in the vendor's list: which of them are watched, for how long, and which are worth a look at
//! their nodes.
//!
//! In: lists as they were read, and what looks at single flows brought. Out: what to tell the store, and turns in the schedule. Nothing is
//! asked here, and nothing waits.

mod zone;

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use self::zone::Zone;
use super::list::Listing;
use super::schedule::{Schedule, Slot};
use crate::api::{ListQuery, ListedFlow};
use crate::config::{self, Found, TimeZone};
use crate::model::{
    self, ApiCode, FailureReason, FlowInfo, FlowReport, KeyId, Origin, RecallType, Status, Task, UnreadableFields,
    WrittenTime,
};
use crate::store::{AccountFlows, ListUpdate, stretched};

/// What is looked at once takes as little of the budget as if its turn came once a day.
const ONCE: Duration = Duration::from_secs(86_400);

/// So many whole lists must lack a flow before it is asked for by its key: one may be torn.
const ABSENT: u8 = 2;

/// The flows that were found, and when to look for more.
#[derive(Debug)]
pub(super) struct Discovery {
    settings: config::Discovery,
    /// How often a flow is asked for by its key that is over.
    terminal_poll_interval: Duration,
    tracked: HashMap<KeyId, Tracked>,
    /// Flows that are over, and so is their time, for as long as the list has them.
    expired: HashSet<KeyId>,
    zone: Zone,
    /// When the list is to be read next; `None` while it is being read.
    next: Option<Instant>,
    /// The settings have changed since the list was read.
    renewed: bool,
    /// They have changed since it began to be read, so that it is read once more at once.
    read_again: bool,
    /// How many requests the last list took.
    pages: u32,
    /// Counts the lists.
    round: u64,
    state: model::Discovery,
}

/// A flow that is watched because it was found.
#[derive(Debug)]
struct Tracked {
    info: Arc<FlowInfo>,
    /// Its turn in the schedule, where it is to be looked at.
    slot: Option<Slot>,
    told: Told,
    /// Since when it is over.
    over_since: Option<Instant>,
    /// Whether its nodes were seen since it changed last.
    looked: bool,
    /// Whether the look after that has failed.
    look_failed: bool,
    /// The last list that had it.
    round: u64,
    /// How many whole lists in a row have lacked it, as far as that matters.
    absent: u8,
    /// Whether the last list was read only up to somewhere before it.
    read_past: bool,
}

/// How soon a look at a flow is worth something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// It is in an execution exception.
    Stopped,
    /// It goes on, or has changed.
    Moving,
    /// It waits.
    Waiting,
    /// It is over.
    Over,
}

/// What a list says of a flow's progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Told {
    status: Option<Status>,
    recall_type: Option<RecallType>,
    recall_attempts: Option<i64>,
    recall_interval_seconds: Option<i64>,
    recall_attempts_completed: Option<i64>,
}

/// When a list was read.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReadAt {
    pub(super) now: Instant,
    pub(super) calendar: SystemTime,
    /// The vendor's clock, as Unix time in seconds.
    pub(super) vendor: i64,
}

/// What follows from a list.
#[derive(Debug, Default)]
pub(super) struct Intake {
    /// For the store; sorted by key.
    pub(super) updates: Vec<ListUpdate>,
    /// The flows that leave; sorted.
    pub(super) gone: Vec<KeyId>,
    /// How the search stands now.
    pub(super) state: model::Discovery,
    /// How many flows were not watched before.
    pub(super) new: usize,
    /// The zone of the vendor's clock, where this list has told it.
    pub(super) zone: Option<TimeZone>,
}

/// What follows from a look at a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AfterLook {
    /// It is looked at again after so long.
    Again(Duration),
    /// The list tells all that is to be known of it.
    Done,
    /// It leaves: neither the list nor the vendor knows it any more.
    Gone,
}

impl Told {
    fn of(flow: &ListedFlow) -> Self {
        Self {
            status: flow.status,
            recall_type: flow.recall_type,
            recall_attempts: flow.recall_attempts,
            recall_interval_seconds: flow.recall_interval_seconds,
            recall_attempts_completed: flow.recall_attempts_completed,
        }
    }

    /// The same, with what was told before where nothing is told now.
    fn or(self, before: Self) -> Self {
        Self {
            status: self.status.or(before.status),
            recall_type: self.recall_type.or(before.recall_type),
            recall_attempts: self.recall_attempts.or(before.recall_attempts),
            recall_interval_seconds: self.recall_interval_seconds.or(before.recall_interval_seconds),
            recall_attempts_completed: self.recall_attempts_completed.or(before.recall_attempts_completed),
        }
    }

    fn report(self) -> FlowReport {
        FlowReport {
            status: self.status,
            recall_type: self.recall_type,
            recall_attempts: self.recall_attempts,
            recall_interval_seconds: self.recall_interval_seconds,
            recall_attempts_completed: self.recall_attempts_completed,
            nodes: None,
            unreadable: UnreadableFields::default(),
        }
    }
}

fn is_over(status: Option<Status>) -> bool {
    status.is_some_and(Status::is_terminal)
}

impl Tracked {
    /// Whether only its own key leads to it.
    fn is_asked_by_key(&self) -> bool {
        self.absent >= ABSENT || self.read_past
    }

    /// Whether nodes may change although the list shows no change.
    fn goes_on(&self) -> bool {
        matches!(self.told.status, None | Some(Status::InProgress | Status::Unknown(_)))
    }

    fn node_interval(&self) -> Duration {
        match self.info.origin {
            Origin::Discovered { node_interval } => node_interval,
            Origin::Configured => self.info.poll_interval,
        }
    }

    /// Its status is this one now.
    fn enters(&mut self, status: Option<Status>, now: Instant) {
        self.told.status = status;
        if is_over(status) {
            self.over_since.get_or_insert(now);
        } else {
            self.over_since = None;
        }
    }

    /// In which order flows are looked at: those that may wake somebody first, then those that move.
    fn rank(&self, changed: bool) -> Rank {
        match self.told.status {
            Some(Status::ExecutionException) => Rank::Stopped,
            Some(Status::InProgress | Status::Unknown(_)) | None => Rank::Moving,
            _ if changed => Rank::Moving,
            Some(Status::Pending) => Rank::Waiting,
            Some(Status::Completed | Status::Cancelled) => Rank::Over,
        }
    }
}

impl Discovery {
    /// A search that begins at once.
    pub(super) fn new(
        settings: config::Discovery,
        terminal_poll_interval: Duration,
        now: Instant,
        since: SystemTime,
    ) -> Self {
        Self {
            zone: Zone::new(settings.time_zone),
            state: model::Discovery {
                interval: settings.interval,
                since: Some(since),
                ..model::Discovery::default()
            },
            settings,
            terminal_poll_interval,
            tracked: HashMap::new(),
            expired: HashSet::new(),
            next: Some(now),
            renewed: false,
            read_again: false,
            pages: 1,
            round: 0,
        }
    }

    /// Goes on with other settings. Where they have changed, or flows are `delisted` in the configuration, the list is read at once.
    pub(super) fn update(
        &mut self,
        settings: config::Discovery,
        terminal_poll_interval: Duration,
        delisted: bool,
        now: Instant,
    ) {
        self.terminal_poll_interval = terminal_poll_interval;
        if self.settings.time_zone != settings.time_zone {
            self.zone = Zone::new(settings.time_zone);
        }
        if self.settings != settings || delisted {
            self.renewed = true;
            self.read_again = self.next.is_none();
            self.next = self.next.map(|_| now);
        }
        self.state.interval = settings.interval;
        self.settings = settings;
    }

    /// How the search stands.
    pub(super) fn state(&self) -> model::Discovery {
        self.state
    }

    /// Which flows the list is asked for, when the vendor's clock says `vendor_now` (Unix time in seconds).
    pub(super) fn query(&self, vendor_now: i64) -> ListQuery {
        // A flow may be created while the list is read.
        const AHEAD: i64 = 3600;
        let (least, most) = self.zone.shown(vendor_now);
        let lookback = i64::try_from(self.settings.lookback.as_secs()).unwrap_or(i64::MAX);
        ListQuery {
            from: least.saturating_sub(lookback),
            until: most + AHEAD,
            task_name: self.settings.task_name.clone(),
        }
    }

    /// What the flows' names say of them.
    pub(super) fn rules(&self) -> config::NameRules {
        self.settings.rules.clone()
    }

    /// Most flows that are watched.
    pub(super) fn max_flows(&self) -> usize {
        self.settings.max_flows
    }

    /// Requests per second that reading the list takes.
    pub(super) fn demand(&self) -> f64 {
        f64::from(self.pages.max(1)) / self.settings.interval.as_secs_f64()
    }

    /// When to read the list.
    pub(super) fn next(&self) -> Option<Instant> {
        self.next
    }

    /// It is being read now.
    pub(super) fn begin(&mut self) {
        self.next = None;
    }

    /// The reading that began then has ended, or was not made; intervals are `stretch` times as long as configured.
    pub(super) fn end(&mut self, began: Instant, stretch: f64) {
        self.next = Some(match std::mem::take(&mut self.read_again) {
            true => began,
            false => began + stretched(self.settings.interval, stretch),
        });
    }

    /// The reading that began then is made again as soon as the vendor may be asked.
    pub(super) fn again(&mut self, now: Instant) {
        self.next = Some(now);
    }

    /// The flows that are found and have a turn in the schedule, with their interval there.
    pub(super) fn scheduled(&self) -> impl Iterator<Item = (KeyId, Duration)> {
        let scheduled = self.tracked.iter().filter(|(_, tracked)| tracked.slot.is_some());
        scheduled.filter_map(|(key_id, tracked)| Some((*key_id, self.next_look(tracked)?)))
    }

    /// Flows that the configuration lists from now on are its own matter.
    pub(super) fn leave_to_configuration(&mut self, account: &AccountFlows) {
        let is_found = |key_id: KeyId| account.flow(key_id).is_some_and(|flow| flow.info.is_discovered());
        self.tracked.retain(|key_id, _| is_found(*key_id));
    }

    /// Takes a list in.
    pub(super) fn take_in(
        &mut self,
        listing: Listing,
        account: &AccountFlows,
        schedule: &mut Schedule,
        read: ReadAt,
    ) -> Intake {
        let Listing {
            mut flows,
            total,
            whole,
            dropped,
            pages,
        } = listing;
        self.round += 1;
        self.pages = pages;
        flows.sort_unstable_by_key(|flow| flow.key_id);
        let newest = flows
            .iter()
            .filter_map(|flow| flow.created)
            .max_by_key(|created| created.seconds());
        let zone = newest.and_then(|newest| self.zone.learn(newest, read.vendor));
        if whole {
            let is_listed = |key_id: &KeyId| flows.binary_search_by_key(key_id, |flow| flow.key_id).is_ok();
            self.expired.retain(is_listed);
        }
        let listed = flows.len();
        let mut intake = Intake {
            updates: Vec::with_capacity(listed),
            zone,
            ..Intake::default()
        };
        let mut found = Vec::with_capacity(listed);
        for flow in flows {
            match account.flow(flow.key_id).filter(|known| !known.info.is_discovered()) {
                Some(configured) => intake.updates.push(self.beside(&configured.info, flow)),
                None if self.is_expired(&flow) => {}
                None => found.push(flow),
            }
        }
        let left_out = self.limit(&mut found);
        let mut looks = Vec::new();
        for flow in found {
            let update = self.found(flow, read.now, schedule, &mut looks, &mut intake.new);
            intake.updates.push(update);
        }
        self.absent(whole, &dropped, &left_out, read.now, &mut looks, &mut intake.gone);
        for key_id in &intake.gone {
            if let Some(slot) = self.tracked.remove(key_id).and_then(|tracked| tracked.slot) {
                schedule.remove(slot);
            }
        }
        self.look_at(looks, schedule, read.now);
        intake.updates.sort_unstable_by_key(|update| update.info.key_id);
        intake.gone.sort_unstable();
        let unread = total.and_then(|total| usize::try_from(total).ok()).unwrap_or(0);
        let unread = unread.saturating_sub(listed + dropped.len());
        let over_limit = left_out.len() + if whole { 0 } else { unread };
        self.state = model::Discovery {
            interval: self.settings.interval,
            since: self.state.since,
            tried: true,
            last_success: Some(read.calendar),
            complete: whole && over_limit == 0,
            tracked: self.tracked.len(),
            dropped: dropped.len(),
            over_limit,
        };
        self.renewed = self.read_again;
        intake.state = self.state;
        intake
    }

    /// What the list says beside of a flow that the configuration lists, which is asked for its state by its key.
    fn beside(&self, configured: &Arc<FlowInfo>, flow: ListedFlow) -> ListUpdate {
        let report = FlowReport {
            recall_attempts_completed: flow.recall_attempts_completed,
            ..FlowReport::default()
        };
        let task = Some(Box::new(self.task(flow, configured.task.as_deref())));
        let info = if task == configured.task {
            Arc::clone(configured)
        } else {
            Arc::new(FlowInfo {
                task,
                ..FlowInfo::clone(configured)
            })
        };
        ListUpdate {
            info,
            report,
            nodes_stand: false,
        }
    }

    /// What the list says of a flow's task; what it does not say stays.
    fn task(&self, flow: ListedFlow, before: Option<&Task>) -> Task {
        let created = flow.created.and_then(|created| self.zone.unix(created));
        Task {
            task_id: flow.task_id.or_else(|| before?.task_id.clone()),
            name: flow.name.or_else(|| before?.name.clone()),
            created: created.or_else(|| before?.created),
        }
    }

    /// Whether a flow's time is over; one that is not over any more is watched anew.
    fn is_expired(&mut self, flow: &ListedFlow) -> bool {
        match flow.status {
            Some(status) if !status.is_terminal() => {
                self.expired.remove(&flow.key_id);
                false
            }
            _ => self.expired.contains(&flow.key_id),
        }
    }

    /// Leaves out what is too much, and says which flows those are: first those that are over, oldest first, then those that are not watched
    /// yet.
    fn limit(&self, found: &mut Vec<ListedFlow>) -> HashSet<KeyId> {
        let is_listed = |key_id: &KeyId| found.binary_search_by_key(key_id, |flow| flow.key_id).is_ok();
        if self.tracked.len() + found.len() <= self.settings.max_flows {
            return HashSet::new(); // Whoever is there twice, there is room.
        }
        let unlisted = self.tracked.iter().filter(|(key_id, _)| !is_listed(key_id));
        let beside = unlisted.filter(|(_, tracked)| !is_over(tracked.told.status)).count();
        let room = self.settings.max_flows.saturating_sub(beside);
        if found.len() <= room {
            return HashSet::new();
        }
        let created = |flow: &ListedFlow| flow.created.map_or(i64::MIN, WrittenTime::seconds);
        found.sort_by_cached_key(|flow| {
            let is_new = !self.tracked.contains_key(&flow.key_id);
            let newest_first = std::cmp::Reverse((created(flow), flow.key_id));
            (is_over(flow.status), is_new && !is_over(flow.status), newest_first)
        });
        let left_out = found.split_off(room);
        found.sort_unstable_by_key(|flow| flow.key_id);
        left_out.iter().map(|flow| flow.key_id).collect()
    }

    /// A flow that is watched is in the list.
    fn found(
        &mut self,
        flow: ListedFlow,
        now: Instant,
        schedule: &mut Schedule,
        looks: &mut Vec<(Rank, KeyId)>,
        new: &mut usize,
    ) -> ListUpdate {
        let key_id = flow.key_id;
        let told = Told::of(&flow);
        let before = self.tracked.get(&key_id).map(|tracked| Arc::clone(&tracked.info));
        let info = match before {
            Some(info) if !self.renewed && self.tells_the_same(&info, &flow) => info,
            before => Arc::new(self.info(flow, before.as_deref())),
        };
        let tracked = match self.tracked.entry(key_id) {
            Entry::Occupied(tracked) => tracked.into_mut(),
            Entry::Vacant(vacant) => {
                *new += 1;
                vacant.insert(Tracked {
                    info: Arc::clone(&info),
                    slot: None,
                    told,
                    over_since: None,
                    looked: false,
                    look_failed: false,
                    round: 0,
                    absent: 0,
                    read_past: false,
                })
            }
        };
        tracked.info = info;
        let told = told.or(tracked.told);
        let changed = told != tracked.told;
        tracked.told = told;
        tracked.enters(told.status, now);
        (tracked.round, tracked.absent, tracked.read_past) = (self.round, 0, false);
        if changed {
            (tracked.looked, tracked.look_failed) = (false, false);
            // Its turn may come too late.
            if let Some(slot) = tracked.slot.take() {
                schedule.remove(slot);
            }
        }
        let nodes_stand = tracked.looked && !tracked.goes_on();
        if nodes_stand && let Some(slot) = tracked.slot.take() {
            // It was asked for by its key, and the list has it again.
            schedule.remove(slot);
        }
        if tracked.slot.is_none() && !nodes_stand {
            looks.push((tracked.rank(changed), key_id));
        }
        ListUpdate {
            info: Arc::clone(&tracked.info),
            report: told.report(),
            nodes_stand,
        }
    }

    /// Whether what the list says of a flow's name and task is what is known. What it does not say stays.
    fn tells_the_same(&self, info: &FlowInfo, flow: &ListedFlow) -> bool {
        let same = |told: &Option<Box<str>>, known: Option<&Box<str>>| told.is_none() || told.as_ref() == known;
        let task = info.task.as_deref();
        let created = flow.created.and_then(|created| self.zone.unix(created));
        same(&flow.name, task.and_then(|task| task.name.as_ref()))
            && same(&flow.task_id, task.and_then(|task| task.task_id.as_ref()))
            && (created.is_none() || created == task.and_then(|task| task.created))
    }

    fn info(&self, flow: ListedFlow, before: Option<&FlowInfo>) -> FlowInfo {
        let key_id = flow.key_id;
        let task = self.task(flow, before.and_then(|before| before.task.as_deref()));
        let found = self.settings.rules.find(task.name.as_deref().unwrap_or_default());
        // Other rules may be in force since the list began to be read; the next one is read at once.
        let Found { labels, node_interval } = found.unwrap_or_else(|| Found {
            labels: before.map(|before| before.labels.clone()).unwrap_or_default(),
            node_interval: self.settings.interval,
        });
        FlowInfo {
            key_id,
            name: None,
            labels,
            poll_interval: self.settings.interval,
            origin: Origin::Discovered { node_interval },
            task: Some(Box::new(task)),
        }
    }

    /// Looks after the flows that the list has not told of, and after those whose time is over.
    fn absent(
        &mut self,
        whole: bool,
        dropped: &HashSet<KeyId>,
        left_out: &HashSet<KeyId>,
        now: Instant,
        looks: &mut Vec<(Rank, KeyId)>,
        gone: &mut Vec<KeyId>,
    ) {
        for (&key_id, tracked) in &mut self.tracked {
            let is_listed = tracked.round == self.round;
            let is_expired = |since| now.saturating_duration_since(since) >= self.settings.keep_terminal;
            if dropped.contains(&key_id) || left_out.contains(&key_id) {
                gone.push(key_id);
            } else if tracked.over_since.is_some_and(is_expired) {
                gone.push(key_id);
                if is_listed {
                    self.expired.insert(key_id);
                }
            } else if !is_listed {
                tracked.read_past = !whole;
                if whole {
                    tracked.absent = (tracked.absent + 1).min(ABSENT);
                }
                if tracked.is_asked_by_key() && tracked.slot.is_none() {
                    looks.push((tracked.rank(false), key_id));
                }
            }
        }
    }

    /// Gives these flows a turn.
    fn look_at(&mut self, mut looks: Vec<(Rank, KeyId)>, schedule: &mut Schedule, now: Instant) {
        looks.sort_unstable();
        for (rank, key_id) in looks {
            let Some(interval) = self.tracked.get(&key_id).and_then(|tracked| self.next_look(tracked)) else {
                continue;
            };
            let slot = match rank {
                Rank::Stopped => schedule.add_first(key_id, interval, now),
                Rank::Moving => schedule.add_ahead(key_id, interval, now),
                Rank::Waiting | Rank::Over => schedule.add(key_id, interval, now),
            };
            if let Some(tracked) = self.tracked.get_mut(&key_id) {
                tracked.slot = slot;
            }
        }
    }

    /// After how long a flow is looked at again; `None` where the list tells all.
    fn next_look(&self, tracked: &Tracked) -> Option<Duration> {
        let interval = self.settings.interval;
        if tracked.is_asked_by_key() {
            return Some(match is_over(tracked.told.status) {
                true => interval.max(self.terminal_poll_interval),
                false => interval,
            });
        }
        match (tracked.looked, tracked.goes_on(), tracked.look_failed) {
            (false, false, false) => Some(ONCE),
            (true, false, _) => None,
            _ => Some(tracked.node_interval()),
        }
    }

    /// Whether a failed fetch says something of the flow's state: the list does not tell it. `None` where the flow was not found.
    pub(super) fn depends_on_looks(&self, key_id: KeyId) -> Option<bool> {
        self.tracked.get(&key_id).map(Tracked::is_asked_by_key)
    }

    /// Takes in what a look brought whose turn was `slot`. `None` where the flow was not found, or has another turn by now.
    pub(super) fn looked(
        &mut self,
        key_id: KeyId,
        slot: Slot,
        result: Result<&FlowReport, FailureReason>,
        now: Instant,
    ) -> Option<AfterLook> {
        let tracked = self.tracked.get_mut(&key_id)?;
        let in_turn = tracked.slot == Some(slot);
        match result {
            Ok(report) => {
                (tracked.looked, tracked.look_failed) = (true, false);
                tracked.enters(report.status.or(tracked.told.status), now);
            }
            Err(reason) => {
                tracked.look_failed = true;
                if tracked.absent >= ABSENT && is_unknown_to_vendor(reason) {
                    self.tracked.remove(&key_id);
                    self.state.tracked = self.tracked.len();
                    return Some(AfterLook::Gone);
                }
            }
        }
        if !in_turn {
            return None;
        }
        let next = self.tracked.get(&key_id).and_then(|tracked| self.next_look(tracked));
        if next.is_none()
            && let Some(tracked) = self.tracked.get_mut(&key_id)
        {
            tracked.slot = None;
        }
        Some(next.map_or(AfterLook::Done, AfterLook::Again))
    }
}

/// Whether the vendor says that there is no such flow.
fn is_unknown_to_vendor(reason: FailureReason) -> bool {
    matches!(
        reason,
        FailureReason::NoData | FailureReason::Api(ApiCode::PARAMETER_EXCEPTION)
    )
}
