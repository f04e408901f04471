//! One fetch of one flow: the request, its retries, the correction of the clock, the further pages of nodes.
//!
//! A fetch is told all it needs, and tells all it saw: what follows from that for the account is the account's own matter.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use rand::RngExt;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::condition::{Generation, corrected};
use super::limiter::{Limiter, Permit};
use super::nodes::Gathered;
use crate::api::{Client, ClockOffset, CredentialPair, Error, Exchange, FlowPage};
use crate::metrics::AccountActivity;
use crate::model::{ApiCode, Endpoint, FailureReason, FlowReport, KeyId, Outcome};

/// Retries a fetch may take, over all its pages.
const MAX_RETRIES: usize = 2;

/// The first retry waits up to this long, the second up to twice as long ("full jitter").
const FIRST_BACKOFF: Duration = Duration::from_millis(250);

/// What the requests of an account go out with. Replaced as a whole; a fetch under way ends with what it began with.
#[derive(Debug, Clone)]
pub(super) struct Session {
    pub(super) client: Arc<Client>,
    pub(super) credentials: Arc<CredentialPair>,
    /// Which credentials of the account these are.
    pub(super) generation: Generation,
    pub(super) limiter: Arc<Limiter>,
    pub(super) activity: AccountActivity,
    /// Cancelled when the account is blocked: nothing is retried then, and what waits is not sent.
    pub(super) blocked: CancellationToken,
}

impl Session {
    /// The same, as it is used while the account is not blocked.
    pub(super) fn unblocked(&self) -> Self {
        Self {
            blocked: CancellationToken::new(),
            ..self.clone()
        }
    }
}

/// How one flow is to be fetched.
#[derive(Debug, Clone, Copy)]
pub(super) struct FetchRequest {
    pub(super) key_id: KeyId,
    /// No retry begins or ends after it.
    pub(super) deadline: Instant,
    /// Whether the first request, too, must have ended by the deadline: somebody is waiting for it.
    pub(super) hurry: bool,
    /// Whether further pages of nodes may be asked for.
    pub(super) paging: bool,
    /// What to add to our clock for signing.
    pub(super) clock_offset: ClockOffset,
}

/// What a fetch brought.
#[derive(Debug)]
pub(super) struct FetchOutcome {
    /// The flow's state, or why there is none.
    pub(super) result: Result<FlowReport, Error>,
    /// Which credentials it was signed with.
    pub(super) generation: Generation,
    /// The vendor's clock minus ours, from the last answer that told.
    pub(super) clock_skew_seconds: Option<f64>,
    /// A request was refused for the time that it was signed with.
    pub(super) clock_refused: bool,
    /// How many requests the fetch takes where all goes well.
    pub(super) requests: u32,
    /// The vendor gave the same nodes again when asked for the next page.
    pub(super) ignores_paging: bool,
    /// The answer says that it is about this flow instead.
    pub(super) foreign_key: Option<i64>,
}

/// Fetches one flow. `permit` is the leave to send the first request.
pub(super) async fn fetch(session: &Session, request: FetchRequest, permit: Permit) -> FetchOutcome {
    let mut fetch = Fetch {
        session,
        request,
        retries: ExponentialBuilder::default()
            .with_min_delay(FIRST_BACKOFF)
            .with_factor(2.0)
            .with_max_times(MAX_RETRIES)
            .build(),
        clock_offset: request.clock_offset,
        clock_skew_seconds: None,
        clock_refused: false,
    };
    let first = fetch.page(None, Some(permit)).await;
    let answered = first.as_ref().ok().and_then(|page| page.key_id);
    let gathered = match first {
        Ok(first) => fetch.further_pages(Gathered::new(first)).await,
        Err(error) => Err(error),
    };
    FetchOutcome {
        generation: session.generation,
        clock_skew_seconds: fetch.clock_skew_seconds,
        clock_refused: fetch.clock_refused,
        requests: gathered.as_ref().map_or(1, Gathered::pages),
        ignores_paging: gathered.as_ref().is_ok_and(Gathered::repeats),
        foreign_key: answered.filter(|key| u64::try_from(*key) != Ok(request.key_id.get())),
        result: gathered.map(|gathered| gathered.report()),
    }
}

/// Fetches one flow for somebody who waits, in the order of all requests. Once it is sent it is not given up, so that it is counted and
/// learnt from although who asked may have `gone`.
///
/// # Errors
/// Why it was not sent, if it was not.
pub(super) async fn fetch_in_turn(
    session: &Session,
    request: FetchRequest,
    gone: impl Future<Output = ()>,
) -> Result<FetchOutcome, FailureReason> {
    let timeout = FailureReason::Transport(Outcome::Timeout);
    let permit = tokio::select! {
        biased;
        () = session.blocked.cancelled() => return Err(FailureReason::Blocked { tried: true }),
        () = gone => return Err(timeout),
        permit = tokio::time::timeout_at(request.deadline, Arc::clone(&session.limiter).permit()) => permit,
    };
    Ok(fetch(session, request, permit.map_err(|_| timeout)?).await)
}

/// One fetch under way.
struct Fetch<'s> {
    session: &'s Session,
    request: FetchRequest,
    /// The waits before the retries that are left, over all pages.
    retries: ExponentialBackoff,
    clock_offset: ClockOffset,
    clock_skew_seconds: Option<f64>,
    clock_refused: bool,
}

impl Fetch<'_> {
    /// Asks for the pages that the vendor says there are. A page that fails fails the fetch: half a list would look like fewer nodes.
    async fn further_pages(&mut self, mut gathered: Gathered) -> Result<Gathered, Error> {
        while let Some(number) = gathered.next_page().filter(|_| self.request.paging) {
            gathered.add(&self.page(Some(number), None).await?);
        }
        Ok(gathered)
    }

    /// One page, retried while it makes sense.
    async fn page(&mut self, page: Option<u32>, mut permit: Option<Permit>) -> Result<FlowPage, Error> {
        let mut retry = false;
        loop {
            let error = match self.attempt(page, permit.take(), retry).await {
                Ok(page) => return Ok(page),
                Err(error) => error,
            };
            let Some(wait) = self.wait_before_retry(&error) else {
                return Err(error);
            };
            self.session.activity.retry(Endpoint::QueryDetail);
            tokio::time::sleep(wait).await;
            retry = true;
        }
    }

    /// Full jitter (anything between nothing and the back-off), or as long as the server asks; `None` where another request would not
    /// help, or would come too late.
    fn wait_before_retry(&mut self, error: &Error) -> Option<Duration> {
        if !error.is_transient() || self.session.blocked.is_cancelled() {
            return None;
        }
        let backoff = self.retries.next()?;
        let wait = match error.retry_after() {
            Some(asked) => asked,
            None => backoff.mul_f64(rand::rng().random()),
        };
        (wait < self.request.deadline.saturating_duration_since(Instant::now())).then_some(wait)
    }

    /// One request; two where the first is refused for a clock that can be corrected.
    async fn attempt(&mut self, page: Option<u32>, permit: Option<Permit>, retry: bool) -> Result<FlowPage, Error> {
        let signed_with = self.clock_offset;
        let result = self.send(page, permit, retry).await;
        let refused = matches!(result, Err(Error::Code(ApiCode::TIMESTAMP_EXPIRED)));
        self.clock_refused |= refused;
        if let Some(skew) = self.clock_skew_seconds {
            self.clock_offset = corrected(signed_with, skew, refused);
        }
        // A vendor that refuses its own time has another reason, and asking again would not help.
        if !refused || self.clock_offset == signed_with {
            return result;
        }
        self.session.activity.retry(Endpoint::QueryDetail);
        self.send(page, None, true).await
    }

    async fn send(&mut self, page: Option<u32>, permit: Option<Permit>, retry: bool) -> Result<FlowPage, Error> {
        let Self { session, request, .. } = *self;
        let left = || {
            if retry || request.hurry {
                request.deadline.saturating_duration_since(Instant::now())
            } else {
                Duration::MAX
            }
        };
        let permit = match permit {
            Some(permit) => permit,
            None => tokio::time::timeout(left(), Arc::clone(&session.limiter).permit())
                .await
                .map_err(|_| Error::Timeout)?,
        };
        let credentials = &session.credentials;
        let asked = session
            .client
            .query_detail(credentials, request.key_id, page, self.clock_offset, left());
        let exchange = asked.await;
        drop(permit);
        record(&session.activity, &exchange);
        self.clock_skew_seconds = exchange.clock_skew_seconds.or(self.clock_skew_seconds);
        exchange.result
    }
}

/// Counts a request that has ended.
fn record(activity: &AccountActivity, exchange: &Exchange) {
    let outcome = exchange
        .result
        .as_ref()
        .map_or_else(Error::outcome, |_| Outcome::Success);
    activity.request(Endpoint::QueryDetail, outcome, exchange.elapsed);
    if let Err(Error::Code(code)) = &exchange.result {
        activity.api_error(Endpoint::QueryDetail, *code);
    }
}
