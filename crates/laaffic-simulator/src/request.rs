//! One request from its arrival until its answer is out: what applies to it, and how it is counted.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use http_body::{Body as _, Frame, SizeHint};
use tokio::time::Instant;

use crate::account::AccountState;
use crate::calendar::Moment;
use crate::counts::{Arrival, Counts};
use crate::dialect::Dialect;
use crate::fault::{Fault, FaultPlan, draw_from};
use crate::lifecycle::FlowState;
use crate::list_dialect::ListDialect;
use crate::page::ListFaults;
use crate::random::{hash, hash_text};
use crate::settings::Settings;
use crate::signature;
use crate::vendor::{State, Vendor};

/// A request that has arrived. It is in flight, and counted so, until this is dropped.
#[derive(Debug)]
pub(crate) struct InFlightRequest {
    vendor: Vendor,
    /// Which request to this vendor it is.
    number: u64,
    account: Option<usize>,
    flow: Option<u64>,
    answered: bool,
    finished: bool,
}

/// What applies to a request, by whose it is and what it asks for.
#[derive(Default)]
pub(crate) struct RequestContext {
    pub(crate) account: Option<usize>,
    /// When all of it was there.
    pub(crate) moment: Moment,
    /// The flow as it is now, where the account has it.
    pub(crate) flow: Option<FlowState>,
    /// The flow's, or else that of the account.
    pub(crate) dialect: Dialect,
    /// Where it asks for a list.
    pub(crate) lists: ListDialect,
    pub(crate) list_faults: ListFaults,
    /// What comes instead of its proper answer.
    pub(crate) fault: Option<Fault>,
    pub(crate) latency: Duration,
    /// How far off the server's clock is.
    pub(crate) clock_offset_seconds: i64,
    /// What else is left to chance.
    pub(crate) hash: u64,
}

impl InFlightRequest {
    pub(crate) fn new(vendor: &Vendor, api_key: Option<&str>) -> Self {
        let mut state = vendor.state();
        let is_of = |account: &AccountState| api_key.is_some_and(|key| account.settings.api_key == key);
        let account = state.accounts.iter().rposition(is_of);
        state.counts_of(account, None).for_each(Counts::enter);
        Self {
            vendor: vendor.clone(),
            number: state.counts.requests,
            account,
            flow: None,
            answered: false,
            finished: false,
        }
    }

    /// Whether this is the signature of the account whose API key the request carries.
    pub(crate) fn is_signed(&self, sign: &str, timestamp: &str) -> bool {
        let state = self.vendor.state();
        let account = self.account.and_then(|place| state.accounts.get(place));
        account.is_some_and(|AccountState { settings, .. }| {
            signature::is_right(sign, &settings.api_key, &settings.api_secret, timestamp)
        })
    }

    /// All of the request is there, and asks for this flow or this page of a list if it could be read. To be called once.
    pub(crate) fn resolve(&mut self, key_id: Option<u64>, page: Option<u64>) -> RequestContext {
        let vendor = self.vendor.clone();
        let Settings {
            seed, record_arrivals, ..
        } = *vendor.settings();
        let (number, key) = (self.number, key_id.unwrap_or_default());
        let mut guard = vendor.state();
        let moment = vendor.moment();
        let state = &mut *guard;
        let mut context = RequestContext {
            account: self.account,
            moment,
            dialect: Dialect::by_seed(seed, key),
            latency: state.latency.draw(hash(seed, &[number, 51])),
            hash: hash(seed, &[number, 52]),
            ..RequestContext::default()
        };
        // From the widest scope to the nearest, each with a number that sets its chances apart from the others'.
        let mut plans: Vec<(u64, &mut Option<FaultPlan>)> = vec![(63, &mut state.faults)];
        let (mut owner, mut nth) = (0, number);
        if let Some(account) = self.account.and_then(|place| state.accounts.get_mut(place)) {
            if record_arrivals {
                let at = Instant::now();
                account.arrivals.push(Arrival { at, key_id });
            }
            owner = hash_text(&account.settings.name);
            context.lists = account.list_dialect(seed);
            if key_id.is_none() {
                context.dialect = context.lists.answer;
            }
            plans.push((62, &mut account.settings.faults));
            if let Some(page) = page
                && let Some(faults) = account.page_faults.get_mut(&page)
            {
                plans.push((64, faults));
            }
            if let Some(key_id) = key_id
                && let Some(flow) = account.flows.get_mut(&key_id)
            {
                self.flow = Some(key_id);
                nth = flow.counts.requests;
                flow.counts.enter();
                context.flow = flow.state_at(seed, moment.elapsed);
                context.dialect = flow.settings.dialect.unwrap_or(context.dialect);
                plans.push((61, &mut flow.settings.faults));
            }
        }
        let strike = |(scope, plan)| draw_from(plan, hash(seed, &[owner, key, nth, scope]));
        let faults: Vec<_> = plans.into_iter().rev().filter_map(strike).collect();
        for fault in faults {
            if context.alter(&fault) {
                let name = fault.name();
                state
                    .counts_of(self.account, self.flow)
                    .for_each(|counts| counts.alter(&name));
            } else {
                context.fault.get_or_insert(fault);
            }
        }
        context
    }

    /// What becomes of the request, for the counts. To be called once.
    pub(crate) fn answer(&mut self, name: &str) {
        self.answered = true;
        self.each_counts(|counts| counts.answer(name));
    }

    /// Leaves when the body is out, so that a request is in flight exactly as long as its client is being served.
    pub(crate) fn until_sent(self, body: Body) -> Body {
        Body::new(GuardedBody { body, request: self })
    }

    fn each_counts(&self, step: impl FnMut(&mut Counts)) {
        self.vendor.state().counts_of(self.account, self.flow).for_each(step);
    }
}

impl Drop for InFlightRequest {
    fn drop(&mut self) {
        if !self.answered {
            // Its sender left before all of it was here. It gets a name all the same, so that the names add up.
            self.answer("unread");
        }
        self.each_counts(|counts| counts.leave(!self.finished));
    }
}

impl RequestContext {
    /// The account whose API key the request carries.
    pub(crate) fn account<'a>(&self, state: &'a State) -> Option<&'a AccountState> {
        state.accounts.get(self.account?)
    }

    /// Applies a fault that only alters the proper answer; `false` if it is another.
    fn alter(&mut self, fault: &Fault) -> bool {
        match fault {
            Fault::Delay { milliseconds } => {
                self.latency = self.latency.saturating_add(Duration::from_millis(*milliseconds));
            }
            Fault::ClockOffset { seconds } => {
                self.clock_offset_seconds = self.clock_offset_seconds.saturating_add(*seconds);
            }
            Fault::IgnoreCurrent => self.dialect.ignores_current = true,
            Fault::RefusePaging => self.dialect.refuses_paging = true,
            Fault::OverstateTotal => self.dialect.overstates_total = true,
            Fault::Torn { records } => {
                self.list_faults.moved = self.list_faults.moved.saturating_add((*records).into());
            }
            Fault::KeylessRecords => self.list_faults.keyless = true,
            Fault::EmptyList => self.list_faults.empty = true,
            _ => return false,
        }
        true
    }
}

/// An answer's body that knows when it is out.
#[derive(Debug)]
struct GuardedBody {
    body: Body,
    request: InFlightRequest,
}

impl http_body::Body for GuardedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(None | Some(Err(_))) = frame {
            // An error here is a fault that was asked for, not a client that left.
            self.request.finished = true;
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for GuardedBody {
    fn drop(&mut self) {
        // The server does not ask for the end of a body that has said it is at its end.
        self.request.finished |= self.body.is_end_stream();
    }
}
