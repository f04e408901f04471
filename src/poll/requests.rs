//! The requests that one thing takes: their turn, their retries, the correction of the clock, and how they are counted.
//!
//! They are told all they need, and tell all they saw: what follows from that for the account is the account's own matter.

use std::future::Future;
use std::pin::pin;
use std::slice;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::condition::{Generation, corrected};
use super::limiter::{Limiter, Permit, Purpose};
use super::progress::Progress;
use crate::api::{CallOptions, Client, ClockOffset, CredentialPair, Error, Exchange, RetryAfter};
use crate::metrics::AccountActivity;
use crate::model::{ApiCode, Endpoint, Outcome, UnreadableFields};

/// With less than this left a request is not sent: it might be given up before it has left the process, and would be counted all the same.
const ENOUGH_TO_SEND: Duration = Duration::from_millis(100);

/// How long each retry waits at most ("full jitter"), and so how many of them all requests for one thing may take together, be it a flow
/// or a page of a list.
const BACKOFFS: [Duration; 2] = [Duration::from_millis(250), Duration::from_millis(500)];

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

/// A call of the vendor's API, with what it asks for.
pub(super) trait Call: Sync {
    /// What a good answer says.
    type Answer: Send;
    /// Which call it is.
    const ENDPOINT: Endpoint;

    /// Makes it.
    fn send(&self, client: &Client, options: CallOptions<'_>) -> impl Future<Output = Exchange<Self::Answer>> + Send;

    /// Whether a good answer is one to this very call.
    fn accept(&self, answer: Self::Answer) -> Result<Self::Answer, Error>;

    /// What of a good answer could not be read.
    fn unreadable(answer: &Self::Answer) -> UnreadableFields;
}

/// When a request may go out, and until when it must have ended.
#[derive(Debug)]
pub(super) enum Turn {
    /// The first one: it is given all the time that a request has, since what it brings is learnt from, whoever waits for it.
    First(Permit),
    /// A further one: it waits for its permit, and ends with the time of the whole.
    Further,
}

/// What requests have seen of the account's standing with the vendor.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    /// Which credentials they were signed with.
    pub(super) generation: Generation,
    /// The vendor's clock minus ours, from the last answer of the API that told.
    pub(super) clock_skew_seconds: Option<f64>,
    /// What to add to our clock from now on, where that was learnt.
    pub(super) clock_offset: Option<ClockOffset>,
    /// How long the vendor asks to be left alone.
    pub(super) pause: Option<RetryAfter>,
}

impl Seen {
    /// Of requests that were not sent.
    pub(super) fn nothing(session: &Session) -> Self {
        Self {
            generation: session.generation,
            clock_skew_seconds: None,
            clock_offset: None,
            pause: None,
        }
    }
}

/// The requests for one thing.
pub(super) struct Requests<'s> {
    session: &'s Session,
    /// On whose behalf all of them go out.
    purpose: Purpose,
    /// Who waits for them, and until when: no retry begins or ends later.
    progress: &'s Progress,
    /// Before each of the retries that are left.
    backoffs: slice::Iter<'static, Duration>,
    /// What was added to our clock for signing at first.
    told_offset: ClockOffset,
    clock_offset: ClockOffset,
    clock_skew_seconds: Option<f64>,
    pause: Option<RetryAfter>,
}

impl<'s> Requests<'s> {
    /// None yet. They are signed with our clock plus `clock_offset`.
    pub(super) fn new(
        session: &'s Session,
        purpose: Purpose,
        progress: &'s Progress,
        clock_offset: ClockOffset,
    ) -> Self {
        Self {
            session,
            purpose,
            progress,
            backoffs: BACKOFFS.iter(),
            told_offset: clock_offset,
            clock_offset,
            clock_skew_seconds: None,
            pause: None,
        }
    }

    /// As many retries as at first, for the next of many answers.
    pub(super) fn renew_retries(&mut self) {
        self.backoffs = BACKOFFS.iter();
    }

    /// What they have seen.
    pub(super) fn seen(&self) -> Seen {
        Seen {
            generation: self.session.generation,
            clock_skew_seconds: self.clock_skew_seconds,
            clock_offset: (self.clock_offset != self.told_offset).then_some(self.clock_offset),
            pause: self.pause,
        }
    }

    /// The answer to a call, which is made again while that makes sense.
    pub(super) async fn answer<C: Call>(&mut self, call: &C, turn: Turn) -> Result<C::Answer, Error> {
        let mut turn = Some(turn);
        let mut before = None;
        loop {
            let error = match (self.attempt(call, turn.take()).await, before.take()) {
                (Ok(answer), _) => return Ok(answer),
                // That our own time was over, or our own limits in the way, is not what is wrong.
                (Err(Error::NotSent | Error::GivenUp(_)), Some(before)) => return Err(before),
                (Err(error), _) => error,
            };
            let Some(wait) = self.wait_before_retry(&error) else {
                return Err(error);
            };
            self.session.activity.retry(C::ENDPOINT);
            self.progress.fails(&error);
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
        let wait = self.backoffs.next()?.mul_f64(fastrand::f64());
        (wait < self.progress.left()).then_some(wait)
    }

    /// One request; two where the first is refused for a clock that can be corrected.
    async fn attempt<C: Call>(&mut self, call: &C, turn: Option<Turn>) -> Result<C::Answer, Error> {
        let signed_with = self.clock_offset;
        let exchange = self.send(call, turn.unwrap_or(Turn::Further)).await?;
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
        self.session.activity.retry(C::ENDPOINT);
        match self.send(call, Turn::Further).await {
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
    async fn send<C: Call>(&mut self, call: &C, turn: Turn) -> Result<Exchange<C::Answer>, Error> {
        let session = self.session;
        let (permit, timeout) = match turn {
            Turn::First(permit) => (permit, Duration::MAX),
            Turn::Further => {
                let permit = permit_in_time(session, self.purpose, self.progress).await;
                (permit.ok_or(Error::NotSent)?, self.progress.left())
            }
        };
        if timeout < ENOUGH_TO_SEND {
            return Err(Error::NotSent);
        }
        self.progress.sends();
        let options = CallOptions {
            credentials: &session.credentials,
            clock_offset: self.clock_offset,
            timeout,
        };
        let mut exchange = call.send(&session.client, options).await;
        drop(permit);
        record::<C>(&session.activity, &exchange);
        self.clock_skew_seconds = exchange.clock_skew_seconds.or(self.clock_skew_seconds);
        self.pause = exchange.retry_after.map(bounded).or(self.pause);
        exchange.result = exchange.result.and_then(|answer| call.accept(answer));
        Ok(exchange)
    }
}

/// Leave to send one request, unless that would be too late for everybody who waits.
pub(super) async fn permit_in_time(session: &Session, purpose: Purpose, progress: &Progress) -> Option<Permit> {
    let mut permit = pin!(Arc::clone(&session.limiter).permit(purpose));
    loop {
        let deadline = progress.deadline();
        match tokio::time::timeout_at(deadline, &mut permit).await {
            Ok(permit) => return Some(permit),
            // Somebody with more patience has come meanwhile.
            Err(_) if progress.deadline() > deadline => {}
            Err(_) => return None,
        }
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
fn record<C: Call>(activity: &AccountActivity, exchange: &Exchange<C::Answer>) {
    let outcome = match &exchange.result {
        Ok(answer) => {
            activity.unreadable(C::ENDPOINT, C::unreadable(answer));
            Outcome::Success
        }
        Err(error) => error.outcome(),
    };
    activity.request(C::ENDPOINT, outcome, exchange.elapsed);
    if let Err(Error::Code(code)) = &exchange.result {
        activity.api_error(C::ENDPOINT, *code);
    }
}
