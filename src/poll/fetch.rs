//! One fetch of one flow: the request, its retries, the correction of the clock, the further pages of nodes.
//!
//! A fetch is told all it needs, and tells all it saw: what follows from that for the account is the account's own matter.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use rand::RngExt;
use tokio_util::sync::CancellationToken;

use super::condition::{Generation, corrected};
use super::limiter::{Limiter, Permit, Purpose};
use super::nodes::Gathered;
use super::progress::Progress;
use crate::api::{Client, ClockOffset, CredentialPair, Error, Exchange, FlowPage, RetryAfter};
use crate::metrics::AccountActivity;
use crate::model::{ApiCode, Endpoint, FlowReport, KeyId, Outcome};

/// Retries a fetch may take, over all its pages.
const MAX_RETRIES: usize = 2;

/// With less than this left a request is not sent: it might be given up before it has left the process, and would be counted all the same.
const ENOUGH_TO_SEND: Duration = Duration::from_millis(100);

/// The first retry waits up to this long, the second up to twice as long ("full jitter").
const FIRST_BACKOFF: Duration = Duration::from_millis(250);

/// What is made of a longer `Retry-After`.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// What the requests of an account go out with. Replaced as a whole; a fetch under way ends with what it began with.
#[derive(Debug, Clone)]
pub(super) struct Session {
    pub(super) client: Arc<Client>,
    pub(super) credentials: Arc<CredentialPair>,
    /// Which credentials of the account these are.
    pub(super) generation: Generation,
    pub(super) limiter: Arc<Limiter>,
    pub(super) activity: AccountActivity,
    /// Cancelled when the account is blocked or paused: nothing is retried then, and what waits is not sent.
    pub(super) halted: CancellationToken,
}

impl Session {
    /// The same, for when the account goes on.
    pub(super) fn going_on(&self) -> Self {
        Self {
            halted: CancellationToken::new(),
            ..self.clone()
        }
    }
}

/// How one flow is to be fetched.
#[derive(Debug, Clone)]
pub(super) struct FetchRequest {
    pub(super) key_id: KeyId,
    /// On whose behalf all its requests go out.
    pub(super) purpose: Purpose,
    /// Who waits for it, and until when: no retry begins or ends later.
    pub(super) progress: Arc<Progress>,
    /// How many further pages of nodes may be asked for.
    pub(super) further_pages: u32,
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
    /// The vendor's clock minus ours, from the last answer of the API that told.
    pub(super) clock_skew_seconds: Option<f64>,
    /// What to add to our clock from now on, where that was learnt.
    pub(super) clock_offset: Option<ClockOffset>,
    /// How long the vendor asks to be left alone.
    pub(super) pause: Option<RetryAfter>,
    /// How many requests the fetch takes where all goes well.
    pub(super) requests: u32,
    /// What became of the further pages.
    pub(super) paging: Paging,
}

/// How the vendor hands out further pages of nodes.
#[derive(Debug)]
pub(super) enum Paging {
    /// As its answers say, as far as was asked for.
    AsSaid,
    /// No more than so many further pages brought anything, although there should be more.
    InVain {
        /// How many did.
        helpful: u32,
    },
    /// It refuses to be asked for one.
    Refused(Error),
}

/// Fetches one flow. `permit` is the leave to send the first request.
pub(super) async fn fetch(session: &Session, request: &FetchRequest, permit: Permit) -> FetchOutcome {
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
        pause: None,
    };
    let mut requests = 1;
    let mut paging = Paging::AsSaid;
    let result = match fetch.page(None, Some(permit)).await {
        Err(error) => Err(error),
        Ok(first) => {
            let mut gathered = Gathered::new(first);
            paging = fetch.further_pages(&mut gathered).await;
            requests = gathered.pages();
            Ok(gathered.report())
        }
    };
    FetchOutcome {
        result,
        generation: session.generation,
        clock_skew_seconds: fetch.clock_skew_seconds,
        clock_offset: (fetch.clock_offset != request.clock_offset).then_some(fetch.clock_offset),
        pause: fetch.pause,
        requests,
        paging,
    }
}

/// The account has stopped asking before the request was sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Halted;

/// Fetches one flow for somebody who waits, in the order of all requests. Once it is sent it is not given up, so that it is counted and
/// learnt from although who asked may have `gone`.
///
/// # Errors
/// If the account is halted before it is sent.
pub(super) async fn fetch_in_turn(
    session: &Session,
    request: &FetchRequest,
    gone: impl Future<Output = ()>,
) -> Result<FetchOutcome, Halted> {
    let permit = tokio::select! {
        biased;
        () = session.halted.cancelled() => return Err(Halted),
        () = gone => None,
        permit = permit_in_time(session, request) => permit,
    };
    Ok(match permit {
        Some(permit) => fetch(session, request, permit).await,
        None => FetchOutcome {
            result: Err(Error::NotSent),
            generation: session.generation,
            clock_skew_seconds: None,
            clock_offset: None,
            pause: None,
            requests: 0,
            paging: Paging::AsSaid,
        },
    })
}

/// Leave to send one request, unless that would be too late for everybody who waits.
async fn permit_in_time(session: &Session, request: &FetchRequest) -> Option<Permit> {
    let mut permit = pin!(Arc::clone(&session.limiter).permit(request.purpose));
    loop {
        let deadline = request.progress.deadline();
        match tokio::time::timeout_at(deadline, &mut permit).await {
            Ok(permit) => return Some(permit),
            // Somebody with more patience has come meanwhile.
            Err(_) if request.progress.deadline() > deadline => {}
            Err(_) => return None,
        }
    }
}

/// One fetch under way.
struct Fetch<'s> {
    session: &'s Session,
    request: &'s FetchRequest,
    /// The waits before the retries that are left, over all pages.
    retries: ExponentialBackoff,
    clock_offset: ClockOffset,
    clock_skew_seconds: Option<f64>,
    pause: Option<RetryAfter>,
}

impl Fetch<'_> {
    /// Asks for the pages that the vendor says there are. Asking so is documented nowhere, so a page that does not come costs no more than
    /// the nodes on it.
    async fn further_pages(&mut self, gathered: &mut Gathered) -> Paging {
        for _ in 0..self.request.further_pages {
            let Some(number) = gathered.next_page() else { break };
            match self.page(Some(number), None).await {
                Ok(page) => gathered.add(page),
                Err(error) if error.is_refusal() => return Paging::Refused(error),
                Err(_) => return Paging::AsSaid,
            }
        }
        match gathered.in_vain() {
            true => Paging::InVain {
                helpful: gathered.helpful_pages(),
            },
            false => Paging::AsSaid,
        }
    }

    /// One page, retried while it makes sense.
    async fn page(&mut self, page: Option<u32>, mut permit: Option<Permit>) -> Result<FlowPage, Error> {
        let mut before = None;
        loop {
            let error = match (self.attempt(page, permit.take(), before.is_some()).await, before.take()) {
                (Ok(page), _) => return Ok(page),
                // That our own time was over, or our own limits in the way, is not what is wrong.
                (Err(Error::NotSent | Error::GivenUp(_)), Some(before)) => return Err(before),
                (Err(error), _) => error,
            };
            let Some(wait) = self.wait_before_retry(&error) else {
                return Err(error);
            };
            self.session.activity.retry(Endpoint::QueryDetail);
            self.request.progress.fails(&error);
            tokio::time::sleep(wait).await;
            before = Some(error);
        }
    }

    /// Full jitter (anything between nothing and the back-off); `None` where another request would not help, is not wanted, or would come
    /// too late.
    fn wait_before_retry(&mut self, error: &Error) -> Option<Duration> {
        if !error.is_transient() || self.pause.is_some() || self.session.halted.is_cancelled() {
            return None;
        }
        let wait = self.retries.next()?.mul_f64(rand::rng().random());
        (wait < self.request.progress.left()).then_some(wait)
    }

    /// One request; two where the first is refused for a clock that can be corrected.
    async fn attempt(&mut self, page: Option<u32>, permit: Option<Permit>, retry: bool) -> Result<FlowPage, Error> {
        let signed_with = self.clock_offset;
        let exchange = self.send(page, permit, retry).await?;
        let refused = matches!(exchange.result, Err(Error::Code(ApiCode::TIMESTAMP_EXPIRED)));
        self.clock_offset = match exchange.clock_skew_seconds {
            Some(skew) => corrected(signed_with, skew, refused),
            // An offset that does not help is given up: perhaps our own clock has been put right.
            None if refused => ClockOffset::default(),
            None => signed_with,
        };
        // A vendor that refuses its own time has another reason, and asking again would not help.
        if !refused || self.clock_offset == signed_with {
            return exchange.result;
        }
        self.session.activity.retry(Endpoint::QueryDetail);
        match self.send(page, None, true).await {
            Ok(Exchange {
                result: Err(Error::GivenUp(_)),
                ..
            })
            | Err(_) => exchange.result,
            Ok(again) => again.result,
        }
    }

    /// Sends a request, when its turn has come.
    ///
    /// # Errors
    /// [`Error::NotSent`] if that would be too late.
    async fn send(&mut self, page: Option<u32>, permit: Option<Permit>, retry: bool) -> Result<Exchange, Error> {
        let Self { session, request, .. } = *self;
        let permit = match permit {
            Some(permit) => permit,
            None => permit_in_time(session, request).await.ok_or(Error::NotSent)?,
        };
        // The first one is given all the time that a request has: what it brings is learnt from, whoever waits for it.
        let left = if retry || page.is_some() {
            request.progress.left()
        } else {
            Duration::MAX
        };
        if left < ENOUGH_TO_SEND {
            return Err(Error::NotSent);
        }
        request.progress.sends();
        let credentials = &session.credentials;
        let asked = session
            .client
            .query_detail(credentials, request.key_id, page, self.clock_offset, left);
        let mut exchange = asked.await;
        drop(permit);
        record(&session.activity, &exchange);
        self.clock_skew_seconds = exchange.clock_skew_seconds.or(self.clock_skew_seconds);
        self.pause = exchange.retry_after.map(bounded).or(self.pause);
        if let Ok(FlowPage {
            key_id: Some(answered), ..
        }) = exchange.result
            && u64::try_from(answered) != Ok(request.key_id.get())
        {
            exchange.result = Err(Error::OtherFlow(answered));
        }
        Ok(exchange)
    }
}

/// However long the vendor asks to be left alone, it is looked after again after a while.
fn bounded(asked: RetryAfter) -> RetryAfter {
    RetryAfter {
        wait: asked.wait.min(LONGEST_PAUSE),
        ..asked
    }
}

/// Counts a request that has ended.
fn record(activity: &AccountActivity, exchange: &Exchange) {
    let outcome = match &exchange.result {
        Ok(page) => {
            activity.unreadable(Endpoint::QueryDetail, page.unreadable);
            Outcome::Success
        }
        Err(error) => error.outcome(),
    };
    activity.request(Endpoint::QueryDetail, outcome, exchange.elapsed);
    if let Err(Error::Code(code)) = &exchange.result {
        activity.api_error(Endpoint::QueryDetail, *code);
    }
}
