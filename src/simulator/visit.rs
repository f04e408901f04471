//! One request from its arrival to its end: what it meets, and how it is counted.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::chance::{chance, fraction, of_text};
use super::counts::{Arrival, Counts};
use super::fault::{Fault, strike};
use super::life::Plan;
use super::page::Manner;
use super::settings::Latency;
use super::vendor::Vendor;

impl Vendor {
    /// A request has arrived. It is in flight until the visit is dropped.
    pub(super) fn arrive(&self, api_key: Option<&str>) -> Visit {
        let mut state = self.state();
        state.counts.enter();
        let number = state.counts.requests;
        let resets = state.resets;
        let place = api_key.and_then(|key| state.by_api_key.get(key)).copied();
        let mut arrival = None;
        if let Some(account) = place.and_then(|place| state.accounts.get_mut(place)) {
            account.counts.enter();
            if self.records_arrivals() {
                arrival = Some((resets, account.arrivals.len()));
                account.arrivals.push(Arrival {
                    at: Instant::now(),
                    key_id: None,
                });
            }
        }
        Visit {
            vendor: self.clone(),
            number,
            account: place,
            flow: None,
            arrival,
            named: false,
            finished: false,
        }
    }
}

/// One request, from its arrival until its answer is out or its sender has left.
#[derive(Debug)]
pub(super) struct Visit {
    vendor: Vendor,
    /// Which request to this vendor it is.
    number: u64,
    account: Option<usize>,
    flow: Option<u64>,
    arrival: Option<(u64, usize)>,
    named: bool,
    finished: bool,
}

/// What a request finds.
pub(super) struct Situation {
    /// Whose API key it carries, if anybody's.
    pub(super) credentials: Option<Credentials>,
    /// The flow it asks for, where the account has it.
    pub(super) plan: Plan,
    pub(super) manner: Manner,
    /// What becomes of it instead of its proper answer.
    pub(super) fault: Option<Fault>,
    /// What only changes the proper answer.
    pub(super) alterations: Vec<Fault>,
    pub(super) latency: Duration,
    /// What else is left to chance.
    pub(super) hash: u64,
}

pub(super) struct Credentials {
    pub(super) api_key: Arc<str>,
    pub(super) api_secret: Arc<str>,
}

impl Visit {
    pub(super) fn vendor(&self) -> &Vendor {
        &self.vendor
    }

    /// The request's body is there and asks for this flow, if it could be read. To be called once.
    pub(super) fn meet(&mut self, key_id: Option<u64>) -> Situation {
        let seed = self.vendor.seed();
        let number = self.number;
        let mut guard = self.vendor.state();
        let state = &mut *guard;
        let mut faults = Vec::new();
        let mut situation = Situation {
            credentials: None,
            plan: Plan::Gone,
            manner: Manner::by_seed(seed, key_id.unwrap_or_default()),
            fault: None,
            alterations: Vec::new(),
            latency: state.latency.of(chance(seed, &[number, 51])),
            hash: chance(seed, &[number, 52]),
        };

        let mut circumstances = [0, key_id.unwrap_or_default(), number];
        if let Some(account) = self.account.and_then(|place| state.accounts.get_mut(place)) {
            situation.credentials = Some(Credentials {
                api_key: Arc::clone(&account.api_key),
                api_secret: Arc::clone(&account.api_secret),
            });
            if let Some((resets, place)) = self.arrival
                && resets == state.resets
                && let Some(arrival) = account.arrivals.get_mut(place)
            {
                arrival.key_id = key_id;
            }
            let flow = key_id.and_then(|key_id| account.flows.get_mut(&key_id));
            let nth = flow.as_ref().map_or(number, |flow| flow.counts.requests);
            circumstances = [of_text(&account.name), key_id.unwrap_or_default(), nth];
            if let Some(flow) = flow {
                self.flow = key_id;
                flow.counts.enter();
                situation.plan = flow.present_plan();
                if let Some(manner) = flow.manner.as_deref() {
                    situation.manner = manner.clone();
                }
                faults.extend(strike(&mut flow.trouble, chance_of(seed, circumstances, 61)));
            }
            faults.extend(strike(&mut account.trouble, chance_of(seed, circumstances, 62)));
        }
        faults.extend(strike(&mut state.trouble, chance_of(seed, circumstances, 63)));

        for fault in faults {
            if fault.only_alters() {
                situation.alterations.push(fault);
            } else if situation.fault.is_none() {
                situation.fault = Some(fault);
            }
        }
        situation
    }

    /// What becomes of the request, for the counts. To be called once.
    pub(super) fn answer(&mut self, name: &str) {
        self.named = true;
        self.each_counts(|counts| counts.answer(name));
    }

    /// A fault that only alters the answer, for the counts.
    pub(super) fn alter(&self, name: &str) {
        self.each_counts(|counts| counts.alter(name));
    }

    /// The answer is out.
    pub(super) fn finish(&mut self) {
        self.finished = true;
    }

    fn each_counts(&self, step: impl Fn(&mut Counts)) {
        let mut state = self.vendor.state();
        step(&mut state.counts);
        if let Some(account) = self.account.and_then(|place| state.accounts.get_mut(place)) {
            step(&mut account.counts);
        }
    }
}

fn chance_of(seed: u64, circumstances: [u64; 3], scope: u64) -> u64 {
    let [account, flow, nth] = circumstances;
    chance(seed, &[account, flow, nth, scope])
}

impl Drop for Visit {
    fn drop(&mut self) {
        if !self.named {
            // Its sender left before all of it was here. It gets a name all the same, so that the names add up.
            self.answer("unread");
        }
        let abandoned = !self.finished;
        self.each_counts(|counts| counts.leave(abandoned));
        if let Some(key_id) = self.flow {
            let mut state = self.vendor.state();
            let account = self.account.and_then(|place| state.accounts.get_mut(place));
            if let Some(flow) = account.and_then(|account| account.flows.get_mut(&key_id)) {
                flow.counts.leave();
            }
        }
    }
}

impl Latency {
    fn of(self, hash: u64) -> Duration {
        let jitter = f64::from(self.jitter_ms) * fraction(hash);
        Duration::from_millis(self.fixed_ms.into()) + Duration::from_micros((jitter * 1000.0) as u64)
    }
}
