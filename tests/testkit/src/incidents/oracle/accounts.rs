//! Alerts on an account as a whole.

use super::super::belief::{Belief, Promise, Sight};
use super::super::expectation::{Expected, State};
use super::super::life::{Life, Seconds, TICK, Trouble, VendorTrouble, What};
use super::super::surroundings::Surroundings;
use super::{evaluated, is_step, ticks};

const MINUTE: Seconds = 60;

/// An account has a flow that is polled so often; see [`Life::flows`].
const INTERVAL: Seconds = MINUTE;

/// The first good poll after a trouble: half an interval off its place, and what a poll that is under way takes with its retries.
const RECOVERY: Seconds = INTERVAL * 3 / 2 + 45;

/// How long an alert is held after it was seen to be over.
const HOLD: Seconds = 2 * MINUTE;

/// After the last moment at which something is seen to hold, an alert on it has ended within this time.
fn end(life: &Life) -> Seconds {
    HOLD + life.step + life.slack()
}

const NOT_REFRESHED: Seconds = 10 * MINUTE;
const NOT_WATCHED: Seconds = 10 * MINUTE;

/// All alerts on the account at this place.
pub(super) fn expect(life: &Life, surroundings: &Surroundings, account: usize) -> Vec<Expected> {
    let name = life.accounts[account];
    let expected = |alert| {
        let mut expected = Expected::new(alert, life.step, [("account", name.to_owned())]);
        let concerns = |trouble: &&Trouble| matches!(&trouble.what, What::Vendor(whose, _) if *whose == name);
        let troubles = life.troubles.iter().filter(concerns);
        expected.story = troubles
            .map(|trouble| (trouble.span.start, trouble.words(life)))
            .collect();
        expected
    };
    let mut blocked = (Blocked::new(life, account), expected("LaafficAccountBlocked"));
    let mut not_refreshed = (NotRefreshed::new(life, account), expected("LaafficAccountNotRefreshed"));
    let mut not_watched = (NotWatched::default(), expected("LaafficAccountNotWatched"));
    for at in ticks(life) {
        blocked.0.tick(at, surroundings);
        not_refreshed.0.tick(at, surroundings);
        if !is_step(life, at) {
            continue;
        }
        let (state, earliest) = blocked.0.step(at, surroundings);
        blocked.1.push(evaluated(surroundings, at, state), earliest);
        let (state, earliest) = not_refreshed.0.step(at, surroundings, &blocked.0.belief);
        not_refreshed.1.push(evaluated(surroundings, at, state), earliest);
        let (state, earliest) = not_watched.0.step(at, life, surroundings, name);
        not_watched.1.push(evaluated(surroundings, at, state), earliest);
    }
    vec![blocked.1, not_refreshed.1, not_watched.1]
}

/// The exporters that watch an account.
fn watchers(life: &Life, account: usize) -> Vec<usize> {
    let name = life.accounts[account];
    let watches = |target: &usize| life.targets[*target].accounts.contains(&name);
    (0..life.targets.len()).filter(watches).collect()
}

/// The vendor refuses the account.
struct Blocked {
    account: usize,
    /// Each exporter, and whether it may think the account open, and blocked.
    exporters: Vec<(usize, Standing)>,
    belief: Belief,
}

#[derive(Debug, Clone, Copy, Default)]
struct Standing {
    may_be_open: bool,
    may_be_blocked: Option<Seconds>,
    since: Option<(bool, Seconds)>,
    is_running: bool,
}

impl Blocked {
    fn new(life: &Life, account: usize) -> Self {
        Self {
            account,
            exporters: watchers(life, account)
                .into_iter()
                .map(|target| (target, Standing::default()))
                .collect(),
            belief: Belief::new(
                Promise {
                    threshold: MINUTE,
                    hold: HOLD,
                    hold_flapping: HOLD,
                    silence: 24 * 60 * MINUTE,
                },
                life.slack(),
            ),
        }
    }

    fn tick(&mut self, at: Seconds, surroundings: &Surroundings) {
        for (target, standing) in &mut self.exporters {
            let exporter = surroundings.target(*target, at);
            if !exporter.running {
                *standing = Standing::default();
                continue;
            }
            if !standing.is_running {
                // It begins with the belief that it may ask.
                *standing = Standing {
                    is_running: true,
                    may_be_open: true,
                    ..Standing::default()
                };
            }
            let trouble = surroundings.vendor(self.account, at);
            let refused = match trouble {
                Some(VendorTrouble::Refuses(_)) => true,
                None | Some(VendorTrouble::Slow) => false,
                Some(_) => {
                    standing.since = None;
                    continue;
                }
            };
            if exporter.frozen {
                standing.since = None;
                continue;
            }
            if standing.since.is_none_or(|(before, _)| before != refused) {
                standing.since = Some((refused, at));
            }
            let (_, since) = standing.since.unwrap_or((refused, at));
            let is_sure = at >= since + RECOVERY;
            match refused {
                true => {
                    standing.may_be_blocked.get_or_insert(at);
                    standing.may_be_open &= !is_sure;
                }
                false => {
                    standing.may_be_open = true;
                    if is_sure {
                        standing.may_be_blocked = None;
                    }
                }
            }
        }
    }

    fn step(&mut self, at: Seconds, surroundings: &Surroundings) -> (State, Seconds) {
        let mut sight = Sight::default();
        for (target, standing) in &self.exporters {
            if surroundings.sees(*target, at) {
                sight.shows = true;
                sight.over |= standing.may_be_open;
                sight.active = match (sight.active, standing.may_be_blocked) {
                    (Some(before), Some(since)) => Some(before.min(since)),
                    (before, since) => before.or(since),
                };
            }
        }
        sight.is_sure = sight.shows && sight.over != sight.active.is_some();
        self.belief.see(at, sight, false);
        self.belief.state(at)
    }
}

/// Nothing is learnt of any flow.
struct NotRefreshed {
    step: Seconds,
    slack: Seconds,
    end: Seconds,
    account: usize,
    watchers: Vec<usize>,
    /// Since when something can be learnt.
    good_since: Option<Seconds>,
    /// The last moment at which something may have been learnt, and the last at which that was certain.
    last: Seconds,
    last_sure: Seconds,
    /// Since when an exporter that watches it is scraped, and it has been the same process.
    scraped_since: Option<Seconds>,
    /// When it was last seen to be fine.
    seen_fine: Seconds,
    /// When it last had reason to fire.
    last_reason: Option<Seconds>,
}

impl NotRefreshed {
    fn new(life: &Life, account: usize) -> Self {
        Self {
            step: life.step,
            slack: life.slack(),
            end: end(life),
            account,
            watchers: watchers(life, account),
            good_since: None,
            last: 0,
            last_sure: 0,
            scraped_since: None,
            seen_fine: 0,
            last_reason: None,
        }
    }

    fn tick(&mut self, at: Seconds, surroundings: &Surroundings) {
        let learns = |target: &usize| surroundings.learns(*target, self.account, at);
        if self.watchers.iter().any(learns) {
            let good_since = *self.good_since.get_or_insert(at);
            self.last = at;
            if at >= good_since + RECOVERY {
                self.last_sure = at;
            }
        } else {
            self.good_since = None;
        }
    }

    fn step(&mut self, at: Seconds, surroundings: &Surroundings, blocked: &Belief) -> (State, Seconds) {
        let sees = |target: &usize| surroundings.sees(*target, at);
        match self.watchers.iter().any(sees) {
            true => {
                self.scraped_since.get_or_insert(at);
            }
            false => self.scraped_since = None,
        }
        let earliest = self.last_sure.saturating_sub(INTERVAL + self.step) + NOT_REFRESHED;
        let learns_now = at < self.last + TICK;
        let sees_good = |target: &usize| sees(target) && surroundings.learns(*target, self.account, at);
        if self.last_sure == at && self.watchers.iter().any(sees_good) {
            self.seen_fine = at;
        }
        let is_due = at >= earliest && self.seen_fine + NOT_REFRESHED <= at + INTERVAL + self.step;
        if is_due {
            self.last_reason = Some(at);
        }
        let state = match self.scraped_since {
            _ if blocked.is_surely_active() => State::Never,
            Some(since) if is_due && !learns_now && blocked.is_surely_over() => {
                let late = self.last + NOT_REFRESHED + self.slack;
                if at >= late.max(since + NOT_REFRESHED + self.slack) {
                    State::Must
                } else if at >= late {
                    State::Keep
                } else {
                    State::May
                }
            }
            _ if self.last_reason.is_some_and(|last| at <= last + self.end) => State::May,
            _ => State::Never,
        };
        // What ends because the account is blocked has its time too.
        let state = match self.last_reason {
            Some(last) if state == State::Never && at <= last + self.end => State::May,
            _ => state,
        };
        (state, earliest.max(self.last + NOT_REFRESHED - INTERVAL - self.step))
    }
}

/// No exporter that service discovery lists watches the account.
#[derive(Default)]
struct NotWatched {
    since: Option<Seconds>,
    last_reason: Option<Seconds>,
}

impl NotWatched {
    fn step(&mut self, at: Seconds, life: &Life, surroundings: &Surroundings, account: &str) -> (State, Seconds) {
        let discovered = |target: &usize| surroundings.target(*target, at).discovered;
        let watches = |target: &usize| life.targets[*target].accounts.contains(&account);
        let targets: Vec<_> = (0..life.targets.len()).filter(discovered).collect();
        if targets.iter().any(watches) {
            self.since = None;
        } else if surroundings.prometheus(at) {
            self.since.get_or_insert(at);
        }
        let earliest = self.since.map_or(at, |since| since + NOT_WATCHED);
        let state = match self.since {
            Some(_) if at >= earliest => {
                self.last_reason = Some(at);
                // Where nothing is listed at all, another alert says so.
                match at >= earliest + life.slack() && !targets.is_empty() {
                    true => State::Must,
                    false => State::May,
                }
            }
            _ if self.last_reason.is_some_and(|last| at <= last + end(life)) => State::May,
            _ => State::Never,
        };
        (state, earliest)
    }
}
