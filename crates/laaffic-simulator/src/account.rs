//! An account while the simulator runs: its flows, in the order in which they were created, and what is born into it.

use std::collections::{BTreeMap, HashMap};
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::balance::Balance;
use crate::births::{BirthSchedule, Births};
use crate::calendar::{Calendar, Moment, milliseconds};
use crate::counts::{Arrival, Counts};
use crate::fault::FaultPlan;
use crate::keys::task_of_flow;
use crate::lifecycle::{FlowState, Lifecycle};
use crate::list_dialect::ListDialect;
use crate::names;
use crate::script::{Script, Timetable};
use crate::settings::{Account, Flow};

pub(crate) struct AccountState {
    pub(crate) settings: Account,
    pub(crate) flows: HashMap<u64, FlowEntry>,
    /// The flows that the vendor knows, by the Unix second of their creation and by key: what lists are made of.
    created: Vec<(i64, u64)>,
    births: Option<BirthSchedule>,
    /// The highest key that a flow has had.
    highest_key: u64,
    /// What is left of what the account had at this simulated time.
    balance: (Balance, Duration),
    /// What goes wrong with the pages of its lists, by their number.
    pub(crate) page_faults: BTreeMap<u64, Option<FaultPlan>>,
    pub(crate) counts: Counts,
    pub(crate) arrivals: Vec<Arrival>,
}

pub(crate) struct FlowEntry {
    pub(crate) settings: Flow,
    pub(crate) pinned: Option<FlowState>,
    pub(crate) counts: Counts,
    /// The Unix second of its creation.
    pub(crate) created: i64,
    /// When its first life began, in simulated milliseconds since the simulator's start.
    began_ms: i64,
}

impl AccountState {
    pub(crate) fn new(mut settings: Account, seed: u64, calendar: Calendar) -> Self {
        let flows = std::mem::take(&mut settings.flows).into_iter();
        let flows = flows.map(|flow| (flow.key_id, FlowEntry::from_before(flow, seed, calendar)));
        let balance = settings
            .balance
            .unwrap_or_else(|| Balance::by_seed(seed, &settings.name));
        let mut account = Self {
            flows: flows.collect(),
            created: Vec::new(),
            births: settings
                .births
                .map(|births| BirthSchedule::from(births, Duration::ZERO)),
            highest_key: 0,
            balance: (balance, Duration::ZERO),
            settings,
            page_faults: BTreeMap::new(),
            counts: Counts::default(),
            arrivals: Vec::new(),
        };
        let known = account.flows.values().filter(|flow| flow.is_known());
        account.created = known.map(FlowEntry::place).collect();
        account.created.sort_unstable();
        account.highest_key = account.flows.keys().copied().max().unwrap_or_default();
        account
    }

    /// The flows that were created in these Unix seconds, the oldest first.
    pub(crate) fn created_within(&self, seconds: &RangeInclusive<i64>) -> &[(i64, u64)] {
        let from = self.created.partition_point(|(created, _)| created < seconds.start());
        let to = self.created.partition_point(|(created, _)| created <= seconds.end());
        self.created.get(from..to).unwrap_or_default()
    }

    /// Does to a flow what may make it known to the vendor, or unknown; `None` where there is no such flow.
    pub(crate) fn change(&mut self, key_id: u64, step: impl FnOnce(&mut FlowEntry)) -> Option<()> {
        let flow = self.flows.get_mut(&key_id)?;
        let listed = |flow: &FlowEntry| flow.is_known().then(|| flow.place());
        let before = listed(flow);
        step(flow);
        let after = listed(flow);
        if before != after {
            before.into_iter().for_each(|place| self.unlist(place));
            after.into_iter().for_each(|place| self.list(place));
        }
        Some(())
    }

    fn list(&mut self, place: (i64, u64)) {
        if let Err(index) = self.created.binary_search(&place) {
            self.created.insert(index, place);
        }
    }

    fn unlist(&mut self, place: (i64, u64)) {
        if let Ok(index) = self.created.binary_search(&place) {
            self.created.remove(index);
        }
    }

    /// Gives a flow another lifecycle. One that the vendor has not known until now is created at this Unix second.
    pub(crate) fn set_lifecycle(&mut self, key_id: u64, lifecycle: Lifecycle, moment: Moment, now: i64) {
        let began_ms = milliseconds(moment.elapsed);
        self.highest_key = self.highest_key.max(key_id);
        let unknown = || FlowEntry::created_at(Flow::unknown(key_id), now, began_ms);
        self.flows.entry(key_id).or_insert_with(unknown);
        self.change(key_id, |flow| {
            if flow.is_known() {
                flow.began_ms = -milliseconds(lifecycle.age(moment.seed, key_id));
            } else {
                (flow.created, flow.began_ms) = (now, began_ms);
            }
            flow.settings.lifecycle = lifecycle;
        });
    }

    /// Brings into the world what is born until now.
    pub(crate) fn give_birth(&mut self, moment: Moment) {
        while let Some(birth_ms) = self.next_birth(moment.elapsed) {
            // Where keys have come to their end, nobody is born.
            let Some(key_id) = self.highest_key.checked_add(1) else {
                return;
            };
            let flow = Flow {
                lifecycle: Lifecycle::Scripted(Script::newborn(moment.seed, key_id)),
                ..Flow::unknown(key_id)
            };
            let newborn = FlowEntry::created_at(flow, moment.calendar.second_of(birth_ms), birth_ms);
            self.highest_key = key_id;
            self.list(newborn.place());
            self.flows.insert(key_id, newborn);
        }
    }

    fn next_birth(&mut self, elapsed: Duration) -> Option<i64> {
        self.births.as_mut()?.next_until(elapsed)
    }

    pub(crate) fn births(&self) -> Option<Births> {
        self.births.map(|schedule| schedule.births)
    }

    /// Births from now on, without regard to those that have been.
    pub(crate) fn set_births(&mut self, births: Option<Births>, elapsed: Duration) {
        self.births = births.map(|births| BirthSchedule::from(births, elapsed));
    }

    pub(crate) fn balance(&self, elapsed: Duration) -> Balance {
        let (balance, since) = self.balance;
        balance.after(elapsed.saturating_sub(since))
    }

    /// What it has from now on; what the settings say, or the seed, where `None`.
    pub(crate) fn set_balance(&mut self, balance: Option<Balance>, seed: u64, elapsed: Duration) {
        let chosen = balance.or(self.settings.balance);
        let balance = chosen.unwrap_or_else(|| Balance::by_seed(seed, &self.settings.name));
        self.balance = (balance, elapsed);
    }

    pub(crate) fn list_dialect(&self, seed: u64) -> ListDialect {
        let chosen = self.settings.list_dialect;
        chosen.unwrap_or_else(|| ListDialect::by_seed(seed, &self.settings.name))
    }
}

impl FlowEntry {
    /// A flow that was there when the simulator started.
    pub(crate) fn from_before(settings: Flow, seed: u64, calendar: Calendar) -> Self {
        let lived = settings.lifecycle.age(seed, settings.key_id);
        let age = settings.age.unwrap_or(lived);
        let created = calendar.second_of(-milliseconds(age));
        Self::created_at(settings, created, -milliseconds(lived))
    }

    fn created_at(settings: Flow, created: i64, began_ms: i64) -> Self {
        Self {
            settings,
            pinned: None,
            counts: Counts::default(),
            created,
            began_ms,
        }
    }

    /// Where it is among the account's flows.
    fn place(&self) -> (i64, u64) {
        (self.created, self.settings.key_id)
    }

    fn is_known(&self) -> bool {
        self.pinned.is_some() || self.settings.lifecycle != Lifecycle::Missing
    }

    pub(crate) fn state_at(&self, seed: u64, elapsed: Duration) -> Option<FlowState> {
        let Flow { key_id, lifecycle, .. } = &self.settings;
        let pinned = self.pinned.clone();
        pinned.or_else(|| lifecycle.state_after(seed, *key_id, self.lived(elapsed)))
    }

    /// When the rounds run that [`FlowEntry::state_at`] tells of, where they run at all.
    pub(crate) fn timetable(&self, seed: u64, elapsed: Duration) -> Option<Timetable> {
        let Flow { key_id, lifecycle, .. } = &self.settings;
        if self.pinned.is_some() {
            return None;
        }
        lifecycle.timetable(seed, *key_id, self.lived(elapsed))
    }

    /// So many milliseconds after its first life began, in simulated milliseconds since the simulator's start.
    pub(crate) fn moment_of_life(&self, lived_ms: u64) -> i64 {
        self.began_ms.saturating_add_unsigned(lived_ms)
    }

    fn lived(&self, elapsed: Duration) -> Duration {
        let lived = milliseconds(elapsed).saturating_sub(self.began_ms);
        Duration::from_millis(u64::try_from(lived).unwrap_or_default())
    }

    /// The name of the task that the flow was made for.
    pub(crate) fn task_name(&self, seed: u64) -> String {
        let Flow { key_id, task_name, .. } = &self.settings;
        task_name.clone().unwrap_or_else(|| names::task_name(seed, *key_id))
    }

    /// The key of the task that the flow was made for.
    pub(crate) fn task_id(&self) -> i64 {
        let Flow { key_id, task_id, .. } = &self.settings;
        task_id.unwrap_or_else(|| task_of_flow(*key_id))
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::settings::Settings;

    const START: i64 = 1_630_468_800;

    fn calendar() -> Calendar {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(START.unsigned_abs());
        Calendar::starting(now, &Settings::default())
    }

    fn account(settings: Account) -> AccountState {
        AccountState::new(settings, 1, calendar())
    }

    fn minutes(minutes: u64) -> Duration {
        Duration::from_secs(60 * minutes)
    }

    fn aged(key_id: u64, age: u64) -> Flow {
        Flow {
            age: Some(minutes(age)),
            ..Flow::fixed(key_id, FlowState::default())
        }
    }

    fn moment(minute: u64) -> Moment {
        Moment {
            seed: 1,
            elapsed: minutes(minute),
            calendar: calendar(),
        }
    }

    fn keys_within(account: &AccountState, seconds: RangeInclusive<i64>) -> Vec<u64> {
        let created = account.created_within(&seconds).iter();
        created.map(|(_, key_id)| *key_id).collect()
    }

    #[test]
    fn flows_by_the_second_of_their_creation_and_then_by_key() {
        let account = account(Account {
            flows: vec![
                aged(3, 1),
                aged(1, 2),
                aged(2, 1),
                Flow {
                    age: Some(minutes(1)),
                    ..Flow::unknown(4)
                },
            ],
            ..Account::default()
        });
        assert_eq!(keys_within(&account, 0..=i64::MAX), [1, 2, 3]);
        assert_eq!(keys_within(&account, START - 120..=START - 61), [1]);
        assert_eq!(keys_within(&account, START - 119..=START - 60), [2, 3]);
        assert!(keys_within(&account, START - 59..=i64::MAX).is_empty());
        let backwards = RangeInclusive::new(START, START - 200);
        assert!(keys_within(&account, backwards).is_empty());
    }

    #[test]
    fn a_flow_is_created_when_its_life_began_unless_the_settings_say_otherwise() {
        let script = Script {
            age: 25,
            ..Script::default()
        };
        let scripted = |key_id| Flow {
            lifecycle: Lifecycle::Scripted(script),
            ..Flow::seeded(key_id)
        };
        let old = Flow {
            age: Some(minutes(10_000)),
            ..scripted(2)
        };
        let account = account(Account {
            flows: vec![scripted(1), old],
            ..Account::default()
        });
        let created = [1, 2].map(|key_id| START - account.flows[&key_id].created);
        assert_eq!(created, [25 * 60, 10_000 * 60]);
        let states = [1, 2].map(|key_id| account.flows[&key_id].state_at(1, Duration::ZERO).unwrap());
        assert!(states.iter().all(|state| state.status == Some(1)), "{states:?}");
    }

    #[test]
    fn what_is_added_begins_to_live_then_and_what_is_taken_away_is_in_no_list() {
        let mut account = account(Account {
            flows: vec![aged(1, 5)],
            ..Account::default()
        });
        account.set_lifecycle(2, Lifecycle::Scripted(Script::default()), moment(60), START + 3_600);
        assert_eq!(account.flows[&2].created, START + 3_600);
        let status = |minute| account.flows[&2].state_at(1, minutes(minute)).unwrap().status;
        assert_eq!([60, 69, 70].map(status), [Some(0), Some(0), Some(1)]);
        assert_eq!(keys_within(&account, 0..=i64::MAX), [1, 2]);

        account.set_lifecycle(1, Lifecycle::Missing, moment(61), START + 3_660);
        assert_eq!(keys_within(&account, 0..=i64::MAX), [2]);
        account.change(1, |flow| flow.pinned = Some(FlowState::default()));
        assert_eq!(keys_within(&account, 0..=i64::MAX), [1, 2]);
        account.change(1, |flow| flow.pinned = None);
        account.set_lifecycle(1, Lifecycle::Seeded, moment(62), START + 3_720);
        assert_eq!(keys_within(&account, 0..=i64::MAX), [2, 1]);
        assert_eq!(account.flows[&1].created, START + 3_720);
        // Another life is no other flow.
        account.set_lifecycle(1, Lifecycle::Fixed(FlowState::default()), moment(63), START + 3_780);
        assert_eq!(account.flows[&1].created, START + 3_720);
    }

    #[test]
    fn flows_are_born_run_and_end() {
        let mut account = account(Account {
            flows: vec![aged(7, 5)],
            births: Some(Births {
                every_minutes: 30,
                most: 40,
            }),
            ..Account::default()
        });
        account.give_birth(moment(29));
        assert_eq!(account.flows.len(), 1);
        account.give_birth(moment(61));
        assert_eq!(keys_within(&account, START + 1..=i64::MAX), [8, 9]);
        assert_eq!(account.flows[&8].created, START + 30 * 60);
        let status = |account: &AccountState, minute| account.flows[&8].state_at(1, minutes(minute)).unwrap().status;
        assert_eq!(status(&account, 30), Some(0));
        account.give_birth(moment(100_000));
        assert_eq!(account.flows.len(), 41);
        let ends: Vec<_> = (8..=47)
            .map(|key_id| account.flows[&key_id].state_at(1, minutes(100_000)).unwrap().status)
            .collect();
        assert!(ends.iter().all(|status| matches!(status, Some(2..=4))), "{ends:?}");
        assert_eq!(ends, {
            let later = (8..=47).map(|key_id| account.flows[&key_id].state_at(1, minutes(200_000)).unwrap().status);
            later.collect::<Vec<_>>()
        });
    }
}
