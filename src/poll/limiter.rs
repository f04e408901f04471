//! What an account may ask of the vendor: so many requests a second, so many at once.
//!
//! Every request of the account passes here, first polls and retries alike, in the order they asked. New limits hold for what is under
//! way and what waits, too.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use governor::clock::Clock as _;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::sync::Notify;

use exporter_toolkit::clock::SteadyClock;

type Rate = RateLimiter<NotKeyed, InMemoryState, SteadyClock, NoOpMiddleware<Nanos>>;

/// Leave to send one request; given back by dropping it when the request has ended.
#[derive(Debug)]
pub(super) struct Permit(Arc<Limiter>);

/// The limits of one account.
#[derive(Debug)]
pub(super) struct Limiter {
    // Held for a few instructions, never across an await.
    state: Mutex<State>,
    /// Wakes who is first in the queue.
    changed: Notify,
    /// Held by who is first in the queue: a fair lock, so that who asked first goes first.
    first: tokio::sync::Mutex<()>,
    clock: SteadyClock,
}

#[derive(Debug)]
struct State {
    rate_limit: f64,
    rate: Rate,
    max_concurrent: usize,
    in_flight: usize,
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
                in_flight: 0,
            }),
            changed: Notify::new(),
            first: tokio::sync::Mutex::new(()),
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
        self.changed.notify_one();
    }

    /// Waits until one more request may be sent. Cancelling the wait costs nothing.
    pub(super) async fn permit(self: Arc<Self>) -> Permit {
        let first = self.first.lock().await;
        while let Err(wait) = self.take() {
            // Over or not: either way it is worth another try.
            let _ = tokio::time::timeout(wait, self.changed.notified()).await;
        }
        drop(first);
        Permit(self)
    }

    /// Counts one more request as under way, or says for how long there can be none unless something changes.
    fn take(&self) -> Result<(), Duration> {
        let mut state = self.state();
        if state.in_flight >= state.max_concurrent {
            return Err(Duration::MAX);
        }
        let checked = state.rate.check();
        checked.map_err(|too_early| too_early.wait_time_from(self.clock.now()))?;
        state.in_flight += 1;
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Numbers that are changed by code that cannot panic in between.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.state().in_flight -= 1;
        self.0.changed.notify_one();
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
mod tests {
    use tokio::time::Instant;

    use super::*;

    fn limiter(rate_limit: f64, max_concurrent: usize) -> Arc<Limiter> {
        Arc::new(Limiter::new(rate_limit, max_concurrent))
    }

    /// Takes `count` permits one after the other and returns when each was given.
    async fn times(limiter: &Arc<Limiter>, count: usize) -> Vec<Duration> {
        let start = Instant::now();
        let mut times = Vec::new();
        for _ in 0..count {
            drop(Arc::clone(limiter).permit().await);
            times.push(start.elapsed());
        }
        times
    }

    #[tokio::test(start_paused = true)]
    async fn no_second_sees_more_than_the_rate_and_a_second_of_burst() {
        for rate in [0.5, 1.0, 2.5, 5.0, 40.0] {
            let times = times(&limiter(rate, 4), 200).await;
            let burst = rate.max(1.0).floor();
            for (index, start) in times.iter().enumerate() {
                let within = times[index..]
                    .iter()
                    .filter(|time| **time - *start < Duration::from_secs(1))
                    .count();
                assert!(
                    within as f64 <= (rate + burst).ceil(),
                    "{within} within a second at rate {rate}"
                );
            }
            let seconds = times.last().unwrap().as_secs_f64();
            assert!(
                (seconds - (200.0 - burst) / rate).abs() < 1.0,
                "200 requests at {rate}/s took {seconds} s"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_than_so_many_at_once() {
        let limiter = limiter(1000.0, 2);
        let first = Arc::clone(&limiter).permit().await;
        let _second = Arc::clone(&limiter).permit().await;
        assert!(
            tokio::time::timeout(Duration::from_secs(60), Arc::clone(&limiter).permit())
                .await
                .is_err()
        );
        drop(first);
        assert!(
            tokio::time::timeout(Duration::from_secs(1), Arc::clone(&limiter).permit())
                .await
                .is_ok()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_given_up_takes_nothing_from_the_others() {
        let limiter = limiter(1.0, 1);
        drop(Arc::clone(&limiter).permit().await);
        assert!(
            tokio::time::timeout(Duration::from_millis(500), Arc::clone(&limiter).permit())
                .await
                .is_err()
        );
        let start = Instant::now();
        drop(Arc::clone(&limiter).permit().await);
        assert!(start.elapsed() <= Duration::from_millis(501), "{:?}", start.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn new_limits_hold_for_what_is_under_way_and_for_who_waits() {
        let limiter = limiter(1000.0, 4);
        let permit = || Arc::clone(&limiter).permit();
        let soon = |permit| tokio::time::timeout(Duration::from_secs(1), permit);
        let mut under_way = vec![permit().await, permit().await, permit().await];
        limiter.set(1000.0, 2);
        under_way.pop();
        assert!(soon(permit()).await.is_err(), "2 of 2 are in use");
        under_way.pop();
        under_way.push(soon(permit()).await.unwrap());
        limiter.set(1000.0, 1);
        limiter.set(1000.0, 3);
        under_way.push(soon(permit()).await.unwrap());
        assert!(soon(permit()).await.is_err(), "3 of 3 are in use");
        under_way.clear();
        limiter.set(0.001, 3);
        drop(permit().await);
        let waiting = tokio::spawn(permit());
        assert!(soon(permit()).await.is_err());
        limiter.set(1000.0, 3);
        let given = tokio::time::timeout(Duration::from_secs(1), waiting).await;
        assert!(given.is_ok(), "who waits need not wait for the old rate");
    }
}
