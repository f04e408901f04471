//! One poll of one flow: the request, its retries, the correction of the clock, the further pages of nodes.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder, Retryable};
use rand::RngExt;
use tokio::time::Instant;

use super::limits::{Limits, Ticket};
use super::nodes::Gathered;
use crate::api::{Client, ClockOffset, Error, Exchange, FlowPage};
use crate::metrics::AccountActivity;
use crate::model::{AccountName, ApiCode, Endpoint, FlowReport, KeyId, Outcome};

/// Retries a poll may take, over all its pages.
const MAX_RETRIES: usize = 2;

/// The first retry waits up to this long, the second up to twice as long ("full jitter").
const FIRST_BACKOFF: Duration = Duration::from_millis(250);

/// A clock in use for signing that is this close to the upstream's is close enough: the upstream accepts half an hour.
const CLOCK_TOLERANCE_SECONDS: f64 = 60.0;

/// What all polls of an account share.
#[derive(Debug)]
pub(super) struct Access {
    pub(super) account: AccountName,
    pub(super) client: Client,
    pub(super) limits: Arc<Limits>,
    pub(super) activity: AccountActivity,
    /// Set while the vendor refuses us: nothing is retried then.
    pub(super) blocked: AtomicBool,
    /// Seconds added to our clock for signing; see [`ClockOffset`].
    clock_offset: AtomicI64,
}

/// What one poll brought.
#[derive(Debug)]
pub(super) struct Fetched {
    /// The flow's state, or why there is none.
    pub(super) result: Result<FlowReport, Error>,
    /// Upstream's clock minus ours, from the last answer that told.
    pub(super) clock_skew_seconds: Option<f64>,
    /// How many requests the poll takes where all goes well.
    pub(super) requests: u32,
    /// The upstream gave the same nodes again when asked for the next page.
    pub(super) ignores_paging: bool,
    /// The answer says that it is about this flow instead.
    pub(super) foreign_key: Option<i64>,
}

/// How one poll is to be made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Order {
    pub(super) key_id: KeyId,
    /// The poll's interval: no retry begins or ends after it.
    pub(super) interval: Duration,
    /// Whether further pages of nodes may be asked for.
    pub(super) paging: bool,
    /// Whether the first request, too, must have ended by the end of the interval: somebody is waiting for it.
    pub(super) hurry: bool,
}

impl Access {
    pub(super) fn new(account: AccountName, client: Client, limits: Arc<Limits>, activity: AccountActivity) -> Self {
        Self {
            account,
            client,
            limits,
            activity,
            blocked: AtomicBool::new(false),
            clock_offset: AtomicI64::new(0),
        }
    }

    /// Whether the vendor refuses us at present.
    pub(super) fn is_blocked(&self) -> bool {
        self.blocked.load(Ordering::Relaxed)
    }

    /// The same account after a reload: what was learnt of the clocks stays.
    pub(super) fn renewed(&self, client: Client, limits: Arc<Limits>) -> Self {
        Self {
            account: self.account.clone(),
            client,
            limits,
            activity: self.activity.clone(),
            blocked: AtomicBool::new(false),
            clock_offset: AtomicI64::new(self.clock_offset.load(Ordering::Relaxed)),
        }
    }

    /// Polls one flow. `ticket` is the leave to send the first request.
    pub(super) async fn fetch(&self, order: Order, ticket: Ticket) -> Fetched {
        let poll = Poll {
            access: self,
            order,
            deadline: Instant::now() + order.interval,
            clock_skew_seconds: Mutex::new(None),
        };
        let mut retries = ExponentialBuilder::default()
            .with_min_delay(FIRST_BACKOFF)
            .with_factor(2.0)
            .with_max_times(MAX_RETRIES)
            .build();
        let mut fetched = Fetched {
            result: Err(Error::Timeout),
            clock_skew_seconds: None,
            requests: 1,
            ignores_paging: false,
            foreign_key: None,
        };
        fetched.result = match poll.page(None, Some(ticket), &mut retries).await {
            Err(error) => Err(error),
            Ok(first) => {
                fetched.foreign_key = first.key_id.filter(|key| u64::try_from(*key) != Ok(order.key_id.get()));
                let gathered = poll.further_pages(Gathered::new(first), &mut retries).await;
                gathered.map(|gathered| {
                    fetched.requests = gathered.pages();
                    fetched.ignores_paging = gathered.repeats();
                    gathered.report()
                })
            }
        };
        fetched.clock_skew_seconds = poll.clock_skew_seconds();
        fetched
    }

    /// Keeps the clock that requests are signed with near the upstream's, once the upstream has refused ours.
    fn learn_clock(&self, skew: f64, refused: bool) {
        let offset = self.clock_offset.load(Ordering::Relaxed);
        #[allow(
            clippy::cast_precision_loss,
            reason = "seconds between two calendars are far below 2^53"
        )]
        let off_by = (skew - offset as f64).abs();
        if off_by <= CLOCK_TOLERANCE_SECONDS || !(refused || offset != 0) {
            return;
        }
        #[allow(clippy::cast_possible_truncation, reason = "a float-to-integer cast saturates")]
        let wanted = if skew.abs() <= CLOCK_TOLERANCE_SECONDS {
            0
        } else {
            skew.round() as i64
        };
        if self.clock_offset.swap(wanted, Ordering::Relaxed) == offset {
            self.tell_clock(wanted);
        }
    }

    /// What to add to our clock for signing, at present.
    fn clock_offset(&self) -> ClockOffset {
        ClockOffset::from_seconds(self.clock_offset.load(Ordering::Relaxed))
    }

    fn tell_clock(&self, offset: i64) {
        let account = &*self.account;
        if offset == 0 {
            tracing::info!(
                account,
                "the clock of this host agrees with the upstream again; requests are signed with it"
            );
        } else {
            tracing::warn!(
                account,
                offset_seconds = offset,
                "the clock of this host is off: requests are signed with the time of the upstream; check NTP on this host"
            );
        }
    }

    fn record(&self, exchange: &Exchange) {
        let outcome = exchange
            .result
            .as_ref()
            .map_or_else(Error::outcome, |_| Outcome::Success);
        self.activity.request(Endpoint::QueryDetail, outcome, exchange.elapsed);
        if let Err(Error::Code(code)) = &exchange.result {
            self.activity.api_error(Endpoint::QueryDetail, *code);
        }
    }
}

/// One poll under way.
struct Poll<'a> {
    access: &'a Access,
    order: Order,
    /// No retry begins or ends later than this.
    deadline: Instant,
    clock_skew_seconds: Mutex<Option<f64>>,
}

impl Poll<'_> {
    /// Asks for the pages that the upstream says there are. A page that fails fails the poll: half a list would look like fewer nodes.
    async fn further_pages(&self, mut gathered: Gathered, retries: &mut ExponentialBackoff) -> Result<Gathered, Error> {
        while let Some(number) = gathered.next_page().filter(|_| self.order.paging) {
            gathered.add(&self.page(Some(number), None, retries).await?);
        }
        Ok(gathered)
    }

    /// One page, retried while it makes sense. `retries` is what the poll has left of them, over all its pages.
    async fn page(
        &self,
        page: Option<u32>,
        mut ticket: Option<Ticket>,
        retries: &mut ExponentialBackoff,
    ) -> Result<FlowPage, Error> {
        let mut retry = false;
        let attempt = || self.attempt(page, ticket.take(), std::mem::replace(&mut retry, true));
        attempt
            .retry(retries)
            .when(|error| error.is_transient() && !self.access.is_blocked())
            .adjust(|error, backoff| wait_before_retry(error, backoff?, self.deadline))
            .notify(|_, _| self.access.activity.retry(Endpoint::QueryDetail))
            .await
    }

    /// One request; two where the first is refused for a clock that can be corrected.
    async fn attempt(&self, page: Option<u32>, ticket: Option<Ticket>, retry: bool) -> Result<FlowPage, Error> {
        let offset = self.access.clock_offset();
        let result = self.send(page, ticket, retry, offset).await;
        let Some(skew) = self.clock_skew_seconds() else {
            return result;
        };
        let refused = matches!(result, Err(Error::Code(ApiCode::TIMESTAMP_EXPIRED)));
        self.access.learn_clock(skew, refused);
        let corrected = self.access.clock_offset();
        // An upstream that refuses its own time has another reason, and asking again would not help.
        if !refused || corrected == offset {
            return result;
        }
        self.access.activity.retry(Endpoint::QueryDetail);
        self.send(page, None, true, corrected).await
    }

    async fn send(
        &self,
        page: Option<u32>,
        ticket: Option<Ticket>,
        retry: bool,
        offset: ClockOffset,
    ) -> Result<FlowPage, Error> {
        let left = |now| {
            if retry || self.order.hurry {
                self.deadline.saturating_duration_since(now)
            } else {
                Duration::MAX
            }
        };
        let ticket = match ticket {
            Some(ticket) => ticket,
            None => match tokio::time::timeout(left(Instant::now()), self.access.limits.ticket()).await {
                Ok(ticket) => ticket,
                Err(_) => return Err(Error::Timeout),
            },
        };
        let client = &self.access.client;
        let exchange = client
            .query_detail(self.order.key_id, page, offset, left(Instant::now()))
            .await;
        drop(ticket);
        self.access.record(&exchange);
        if exchange.clock_skew_seconds.is_some() {
            *self.clock_skew_seconds.lock().unwrap_or_else(PoisonError::into_inner) = exchange.clock_skew_seconds;
        }
        exchange.result
    }

    /// Upstream's clock minus ours, as the last answer told.
    fn clock_skew_seconds(&self) -> Option<f64> {
        *self.clock_skew_seconds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Full jitter (anything between nothing and the back-off), or as long as the server asks; `None` where that is past the deadline.
fn wait_before_retry(error: &Error, backoff: Duration, deadline: Instant) -> Option<Duration> {
    let wait = match error.retry_after() {
        Some(asked) => asked,
        None => backoff.mul_f64(rand::rng().random()),
    };
    (wait < deadline.saturating_duration_since(Instant::now())).then_some(wait)
}
