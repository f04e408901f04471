//! What an account has: asked for from time to time, beside its flows.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::limiter::Purpose;
use super::progress::Progress;
use super::requests::{Call, Requests, Seen, Session, Turn};
use crate::api::{CallOptions, Client, ClockOffset, Error, Exchange};
use crate::model::{Balance, Endpoint, UnreadableFields};

/// How often it is asked for.
pub(super) const INTERVAL: Duration = Duration::from_secs(300);

/// After so many intervals without an answer nothing is shown: stale numbers are worse than none.
const STALE_AFTER: u32 = 3;

/// When an account's balance is asked for, and until when what was learnt is shown.
#[derive(Debug, Default)]
pub(super) struct BalanceTurns {
    /// When to ask next; `None` where nobody wants to know, or it is being asked for.
    next: Option<Instant>,
    wanted: bool,
    /// From when on what was learnt last is too old.
    stale: Option<Instant>,
}

impl BalanceTurns {
    /// Whether it is wanted, from now on. Wanted anew, it is asked for at once.
    pub(super) fn want(&mut self, wanted: bool, now: Instant) {
        if wanted != self.wanted {
            *self = Self {
                next: wanted.then_some(now),
                wanted,
                stale: None,
            };
        }
    }

    /// Whether it is asked for at all.
    pub(super) fn wanted(&self) -> bool {
        self.wanted
    }

    /// When to ask.
    pub(super) fn next(&self) -> Option<Instant> {
        self.next
    }

    /// From when on there is nothing to show any more.
    pub(super) fn stale(&self) -> Option<Instant> {
        self.stale
    }

    /// It is being asked for now.
    pub(super) fn begin(&mut self) {
        self.next = None;
    }

    /// The answer that was due at `began` has come, a `good` one or not.
    pub(super) fn end(&mut self, began: Instant, good: bool) {
        if self.wanted {
            self.next = Some(began + INTERVAL);
        }
        if self.wanted && good {
            self.stale = Some(began + INTERVAL * STALE_AFTER);
        }
    }

    /// What was learnt last is shown no longer.
    pub(super) fn forget(&mut self) {
        self.stale = None;
    }
}

/// What asking brought.
#[derive(Debug)]
pub(super) struct BalanceOutcome {
    pub(super) result: Result<Balance, Error>,
    /// What its requests saw.
    pub(super) seen: Seen,
}

/// Asks, in the order of all requests, but before any probe.
pub(super) async fn fetch_balance(session: &Arc<Session>, clock_offset: ClockOffset, began: Instant) -> BalanceOutcome {
    let progress = Progress::new(began + INTERVAL);
    let purpose = Purpose::Poll { urgent_from: began };
    let mut sent = Requests::new(session, purpose, &progress, clock_offset);
    BalanceOutcome {
        result: sent.answer(&GetBalance, Turn::Further).await,
        seen: sent.seen(),
    }
}

struct GetBalance;

impl Call for GetBalance {
    type Answer = Balance;
    const ENDPOINT: Endpoint = Endpoint::GetBalance;

    async fn send(&self, client: &Client, options: CallOptions<'_>) -> Exchange<Balance> {
        client.get_balance(options).await
    }

    fn accept(&self, balance: Balance) -> Result<Balance, Error> {
        Ok(balance)
    }

    fn unreadable(balance: &Balance) -> UnreadableFields {
        balance.unreadable
    }
}
