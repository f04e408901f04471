//! What an account may ask of the upstream: so many requests a second, so many at once.
//!
//! Every request of the account passes here, first polls and retries alike, in the order they asked.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::Clock as _;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};

use crate::clock::SteadyClock;

/// Leave to send one request; give it back by dropping it when the request has ended.
#[derive(Debug)]
pub(super) struct Ticket {
    _permit: Option<OwnedSemaphorePermit>,
}

/// The limits of one account.
#[derive(Debug)]
pub(super) struct Limits {
    concurrency: Arc<Semaphore>,
    rate: RateLimiter<NotKeyed, InMemoryState, SteadyClock, NoOpMiddleware<Nanos>>,
    clock: SteadyClock,
    /// Held while waiting for the rate, so that who asked first goes first.
    turn: Mutex<()>,
}

impl Limits {
    /// `rate_limit` requests a second with a burst of one second's worth, but at least 1; `max_concurrent` at once.
    pub(super) fn new(rate_limit: f64, max_concurrent: usize) -> Self {
        let clock = SteadyClock::start();
        Self {
            concurrency: Arc::new(Semaphore::new(max_concurrent.clamp(1, Semaphore::MAX_PERMITS))),
            rate: RateLimiter::direct_with_clock(quota(rate_limit), clock),
            clock,
            turn: Mutex::new(()),
        }
    }

    /// Waits until one more request may be sent. Cancelling the wait costs nothing.
    pub(super) async fn ticket(&self) -> Ticket {
        // The semaphore is never closed; were it, the rate alone would still hold.
        let permit = Arc::clone(&self.concurrency).acquire_owned().await.ok();
        let _turn = self.turn.lock().await;
        while let Err(too_early) = self.rate.check() {
            tokio::time::sleep(too_early.wait_time_from(self.clock.now())).await;
        }
        Ticket { _permit: permit }
    }
}

fn quota(rate_limit: f64) -> Quota {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float-to-integer cast saturates, and the configuration takes positive rates only"
    )]
    let burst = NonZeroU32::new(rate_limit as u32).unwrap_or(NonZeroU32::MIN);
    let period = Duration::try_from_secs_f64(1.0 / rate_limit).unwrap_or(Duration::MAX);
    // A period of 0 (more than 10^9 requests a second) is the only thing refused.
    Quota::with_period(period).map_or_else(|| Quota::per_second(NonZeroU32::MAX), |quota| quota.allow_burst(burst))
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    /// Takes `count` tickets one after the other and returns when each was given.
    async fn times(limits: &Limits, count: usize) -> Vec<Duration> {
        let start = Instant::now();
        let mut times = Vec::new();
        for _ in 0..count {
            drop(limits.ticket().await);
            times.push(start.elapsed());
        }
        times
    }

    #[tokio::test(start_paused = true)]
    async fn no_second_sees_more_than_the_rate_and_a_second_of_burst() {
        for rate in [0.5, 1.0, 2.5, 5.0, 40.0] {
            let times = times(&Limits::new(rate, 4), 200).await;
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
        let limits = Limits::new(1000.0, 2);
        let first = limits.ticket().await;
        let _second = limits.ticket().await;
        assert!(
            tokio::time::timeout(Duration::from_secs(60), limits.ticket())
                .await
                .is_err()
        );
        drop(first);
        assert!(
            tokio::time::timeout(Duration::from_secs(1), limits.ticket())
                .await
                .is_ok()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_given_up_takes_nothing_from_the_others() {
        let limits = Limits::new(1.0, 1);
        drop(limits.ticket().await);
        assert!(
            tokio::time::timeout(Duration::from_millis(500), limits.ticket())
                .await
                .is_err()
        );
        let start = Instant::now();
        drop(limits.ticket().await);
        assert!(start.elapsed() <= Duration::from_millis(501), "{:?}", start.elapsed());
    }
}
