//! What an account may ask of the vendor: so many requests a second, so many at once.
//!
//! Every request of the account passes here, first ones, retries and further pages alike. Polls and probes have a queue each, in the order
//! they asked. Where both wait they take turns, so that probes get half of the rate at most; where a poll has waited too long, polls alone
//! go. What one side does not use is the other's. New limits hold for what is under way and what waits, too.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use governor::clock::Clock as _;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::sync::Notify;
use tokio::time::Instant;

use exporter_toolkit::clock::SteadyClock;

type Rate = RateLimiter<NotKeyed, InMemoryState, SteadyClock, NoOpMiddleware<Nanos>>;

/// On whose behalf a request is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A flow's turn has come.
    Poll {
        /// From when on no probe goes first any more.
        urgent_from: Instant,
    },
    /// Somebody asks out of turn.
    Probe,
}

impl Purpose {
    fn side(self) -> Side {
        match self {
            Self::Poll { .. } => Side::Polls,
            Self::Probe => Side::Probes,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Polls,
    Probes,
}

/// Leave to send one request; given back by dropping it when the request has ended.
#[derive(Debug)]
pub(super) struct Permit {
    limiter: Arc<Limiter>,
    side: Side,
}

/// The limits of one account.
#[derive(Debug)]
pub(super) struct Limiter {
    // Held for a few instructions, never across an await.
    state: Mutex<State>,
    polls: Queue,
    probes: Queue,
    clock: SteadyClock,
}

/// Those of one side who wait.
#[derive(Debug, Default)]
struct Queue {
    /// Held by who is first: a fair lock, so that who asked first goes first.
    first: tokio::sync::Mutex<()>,
    /// Wakes who is first.
    changed: Notify,
}

#[derive(Debug)]
struct State {
    rate_limit: f64,
    rate: Rate,
    max_concurrent: usize,
    polls_in_flight: usize,
    probes_in_flight: usize,
    /// When each poll that waits becomes urgent, with a number that tells equal ones apart.
    polls_waiting: BTreeSet<(Instant, u64)>,
    probes_waiting: usize,
    /// How many have waited so far.
    numbers: u64,
    /// Who went last.
    last: Side,
}

impl State {
    /// Whose request goes next, of those that wait and can go.
    fn turn(&self, now: Instant) -> Option<Side> {
        if self.polls_in_flight + self.probes_in_flight >= self.max_concurrent {
            return None;
        }
        // Answers may be long in coming: the places of polls are kept free for them, where there is more than one place.
        let most_probes = (self.max_concurrent / 2).max(1);
        let probes = self.probes_waiting > 0 && self.probes_in_flight < most_probes;
        let first_urgent = self.polls_waiting.first().map(|(urgent_from, _)| *urgent_from);
        match (first_urgent, probes) {
            (None, false) => None,
            (None, true) => Some(Side::Probes),
            (Some(_), false) => Some(Side::Polls),
            (Some(urgent_from), true) if urgent_from <= now || self.last == Side::Probes => Some(Side::Polls),
            (Some(_), true) => Some(Side::Probes),
        }
    }

    fn in_flight(&mut self, side: Side) -> &mut usize {
        match side {
            Side::Polls => &mut self.polls_in_flight,
            Side::Probes => &mut self.probes_in_flight,
        }
    }
}

/// A place in a queue, given back by dropping it.
struct Waiting<'l> {
    limiter: &'l Limiter,
    /// Among the polls that wait.
    place: Option<(Instant, u64)>,
}

impl<'l> Waiting<'l> {
    fn begin(limiter: &'l Limiter, purpose: Purpose) -> Self {
        let mut state = limiter.state();
        let place = match purpose {
            Purpose::Poll { urgent_from } => {
                let place = (urgent_from, state.numbers);
                state.numbers += 1;
                state.polls_waiting.insert(place);
                Some(place)
            }
            Purpose::Probe => {
                state.probes_waiting += 1;
                None
            }
        };
        Self { limiter, place }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut state = self.limiter.state();
        match self.place {
            Some(place) => drop(state.polls_waiting.remove(&place)),
            None => state.probes_waiting -= 1,
        }
        drop(state);
        self.limiter.wake();
    }
}

impl Limiter {
    /// `rate_limit` requests a second with a burst of one second's worth, but at least 1; `max_concurrent` at once.
    pub(super) fn new(rate_limit: f64, max_concurrent: usize) -> Self {
        let clock = SteadyClock::start();
        Self {
            state: Mutex::new(State {
                rate_limit,
                rate: rate(rate_limit, clock),
                max_concurrent: max_concurrent.max(1),
                polls_in_flight: 0,
                probes_in_flight: 0,
                polls_waiting: BTreeSet::new(),
                probes_waiting: 0,
                numbers: 0,
                last: Side::Probes,
            }),
            polls: Queue::default(),
            probes: Queue::default(),
            clock,
        }
    }

    /// Other limits from now on. Whoever waits keeps its place; a rate that is new begins with its burst.
    pub(super) fn set(&self, rate_limit: f64, max_concurrent: usize) {
        let mut state = self.state();
        if rate_limit != state.rate_limit {
            state.rate_limit = rate_limit;
            state.rate = rate(rate_limit, self.clock);
        }
        state.max_concurrent = max_concurrent.max(1);
        drop(state);
        self.wake();
    }

    /// Waits until one more request may be sent. Cancelling the wait costs nothing.
    pub(super) async fn permit(self: Arc<Self>, purpose: Purpose) -> Permit {
        let side = purpose.side();
        let queue = self.queue(side);
        let waiting = Waiting::begin(&self, purpose);
        let first = queue.first.lock().await;
        while let Err(wait) = self.take(side) {
            // Over or not: either way it is worth another try.
            let _ = tokio::time::timeout(wait, queue.changed.notified()).await;
        }
        drop((first, waiting));
        Permit { limiter: self, side }
    }

    /// Counts one more request as under way, or says for how long there can be none unless something changes.
    fn take(&self, side: Side) -> Result<(), Duration> {
        let mut state = self.state();
        match state.turn(Instant::now()) {
            Some(turn) if turn == side => {}
            turn => {
                drop(state);
                // Time alone may have made it the others' turn.
                if let Some(others) = turn {
                    self.queue(others).changed.notify_one();
                }
                return Err(Duration::MAX);
            }
        }
        let checked = state.rate.check();
        checked.map_err(|too_early| too_early.wait_time_from(self.clock.now()))?;
        *state.in_flight(side) += 1;
        state.last = side;
        Ok(())
    }

    /// Something has changed for who is first on either side.
    fn wake(&self) {
        self.polls.changed.notify_one();
        self.probes.changed.notify_one();
    }

    fn queue(&self, side: Side) -> &Queue {
        match side {
            Side::Polls => &self.polls,
            Side::Probes => &self.probes,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Numbers that are changed by code that cannot panic in between.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        *self.limiter.state().in_flight(self.side) -= 1;
        self.limiter.wake();
    }
}

fn rate(rate_limit: f64, clock: SteadyClock) -> Rate {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float-to-integer cast saturates, and the configuration takes positive rates only"
    )]
    let burst = NonZeroU32::new(rate_limit as u32).unwrap_or(NonZeroU32::MIN);
    let period = Duration::try_from_secs_f64(1.0 / rate_limit).unwrap_or(Duration::MAX);
    // A period of 0 (more than 10^9 requests a second) is the only thing refused.
    let quota =
        Quota::with_period(period).map_or_else(|| Quota::per_second(NonZeroU32::MAX), |quota| quota.allow_burst(burst));
    RateLimiter::direct_with_clock(quota, clock)
}

#[cfg(test)]
mod tests;
