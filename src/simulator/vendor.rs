//! The played vendor itself, without a socket: accounts, flows, troubles, counts, and the handle by which they are changed.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::clock::SharedClock;

use super::counts::{Arrival, Counts, FlowCounts};
use super::fault::{Impossible, Trouble};
use super::life::{FlowState, Plan, state_at};
use super::page::Manner;
use super::settings::{Account, Flow, Latency, Settings};

/// A handle on the vendor: cheap to clone, every clone is the same vendor.
#[derive(Clone)]
pub struct Vendor(Arc<Inner>);

struct Inner {
    seed: u64,
    speed: f64,
    allowed_skew: Duration,
    record_arrivals: bool,
    clock: SharedClock,
    started: Instant,
    stop: CancellationToken,
    // Held for single steps only, never across an await.
    state: Mutex<State>,
}

pub(super) struct State {
    pub(super) accounts: Vec<AccountState>,
    pub(super) by_name: HashMap<String, usize>,
    pub(super) by_api_key: HashMap<String, usize>,
    pub(super) trouble: Option<Box<Trouble>>,
    pub(super) latency: Latency,
    pub(super) counts: Counts,
    /// How often the counts were reset: a visit that began before a reset must not be found among the arrivals after it.
    pub(super) resets: u64,
}

pub(super) struct AccountState {
    pub(super) api_key: Arc<str>,
    pub(super) api_secret: Arc<str>,
    pub(super) name: String,
    pub(super) flows: HashMap<u64, FlowEntry>,
    pub(super) trouble: Option<Box<Trouble>>,
    pub(super) counts: Counts,
    pub(super) arrivals: Vec<Arrival>,
}

/// Small, as there may be 50,000 of them; what only few flows have is boxed.
pub(super) struct FlowEntry {
    pub(super) plan: Plan,
    pub(super) pinned: Option<Box<FlowState>>,
    pub(super) manner: Option<Box<Manner>>,
    pub(super) trouble: Option<Box<Trouble>>,
    pub(super) counts: FlowCounts,
}

/// Where a trouble applies. Of several that strike one request, the one for the flow wins over the one for its account and that over
/// the one for all; those that only alter an answer all apply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Every request to the API.
    Everywhere,
    /// Every request with the API key of the account of this name.
    Account(String),
    /// Every request for this flow of this account.
    Flow(String, u64),
}

/// Why a change was refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Refused {
    /// There is no account of this name.
    #[error("no account is called {0:?}")]
    NoAccount(String),
    /// The account has no such flow.
    #[error("account {0:?} has no flow {1}")]
    NoFlow(String, u64),
    /// The trouble cannot be.
    #[error(transparent)]
    Impossible(#[from] Impossible),
}

impl fmt::Debug for Vendor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vendor")
            .field("seed", &self.0.seed)
            .field("speed", &self.0.speed)
            .finish_non_exhaustive()
    }
}

impl Vendor {
    /// A vendor with these settings; the flows' lives begin now.
    pub fn new(settings: Settings, clock: SharedClock) -> Self {
        let mut state = State {
            accounts: Vec::with_capacity(settings.accounts.len()),
            by_name: HashMap::new(),
            by_api_key: HashMap::new(),
            trouble: settings.trouble.map(Box::new),
            latency: settings.latency,
            counts: Counts::default(),
            resets: 0,
        };
        for account in settings.accounts {
            let place = state.accounts.len();
            state.by_name.insert(account.name.clone(), place);
            state.by_api_key.insert(account.api_key.clone(), place);
            state.accounts.push(AccountState::new(account));
        }
        Self(Arc::new(Inner {
            seed: settings.seed,
            speed: settings.speed,
            allowed_skew: settings.allowed_skew,
            record_arrivals: settings.record_arrivals,
            clock,
            started: Instant::now(),
            stop: CancellationToken::new(),
            state: Mutex::new(state),
        }))
    }

    /// The accounts' names, sorted.
    pub fn accounts(&self) -> Vec<String> {
        let mut names: Vec<_> = self.state().by_name.keys().cloned().collect();
        names.sort_unstable();
        names
    }

    /// The keys of an account's flows, sorted.
    pub fn key_ids(&self, account: &str) -> Result<Vec<u64>, Refused> {
        let mut keys: Vec<_> = self.state().account(account)?.flows.keys().copied().collect();
        keys.sort_unstable();
        Ok(keys)
    }

    /// Where the flow stands now; `None` where the vendor knows no such flow.
    pub fn flow_state(&self, account: &str, key_id: u64) -> Result<Option<FlowState>, Refused> {
        let plan = self.state().flow(account, key_id)?.present_plan();
        Ok(self.state_of(&plan, key_id))
    }

    /// Holds a flow in this state until [`Vendor::unpin`].
    pub fn pin(&self, account: &str, key_id: u64, state: FlowState) -> Result<(), Refused> {
        self.state().flow(account, key_id)?.pinned = Some(Box::new(state));
        Ok(())
    }

    /// Lets a pinned flow live on, as if it had never stood still.
    pub fn unpin(&self, account: &str, key_id: u64) -> Result<(), Refused> {
        self.state().flow(account, key_id)?.pinned = None;
        Ok(())
    }

    /// Gives a flow another plan, or the account another flow. [`Plan::Gone`] takes one away.
    pub fn set_plan(&self, account: &str, key_id: u64, plan: Plan) -> Result<(), Refused> {
        let mut state = self.state();
        let flows = &mut state.account(account)?.flows;
        match flows.get_mut(&key_id) {
            Some(flow) => flow.plan = plan,
            None => {
                flows.insert(
                    key_id,
                    FlowEntry::new(Flow {
                        key_id,
                        plan,
                        ..Flow::default()
                    }),
                );
            }
        }
        Ok(())
    }

    /// In which of the vendor's forms a flow answers.
    pub fn manner(&self, account: &str, key_id: u64) -> Result<Manner, Refused> {
        let manner = self.state().flow(account, key_id)?.manner.clone();
        Ok(manner.map_or_else(|| Manner::by_seed(self.0.seed, key_id), |manner| *manner))
    }

    /// Chooses the form in which a flow answers; `None` leaves it to the seed.
    pub fn set_manner(&self, account: &str, key_id: u64, manner: Option<Manner>) -> Result<(), Refused> {
        self.state().flow(account, key_id)?.manner = manner.map(Box::new);
        Ok(())
    }

    /// Gives an account another API key and secret; the old ones are unknown from now on.
    pub fn set_credentials(&self, account: &str, api_key: &str, api_secret: &str) -> Result<(), Refused> {
        let mut state = self.state();
        let entry = state.account(account)?;
        let old = std::mem::replace(&mut entry.api_key, api_key.into());
        entry.api_secret = api_secret.into();
        if let Some(place) = state.by_api_key.remove(&*old) {
            state.by_api_key.insert(api_key.to_owned(), place);
        }
        Ok(())
    }

    /// How long answers take.
    pub fn latency(&self) -> Latency {
        self.state().latency
    }

    /// Changes how long answers take.
    pub fn set_latency(&self, latency: Latency) {
        self.state().latency = latency;
    }

    /// What goes wrong in this scope.
    pub fn trouble(&self, scope: &Scope) -> Result<Option<Trouble>, Refused> {
        Ok(self.state().trouble(scope)?.as_deref().cloned())
    }

    /// Changes what goes wrong in this scope; `None` is peace.
    pub fn set_trouble(&self, scope: &Scope, trouble: Option<Trouble>) -> Result<(), Refused> {
        trouble.iter().try_for_each(Trouble::check)?;
        *self.state().trouble(scope)? = trouble.map(Box::new);
        Ok(())
    }

    /// All requests to the API.
    pub fn counts(&self) -> Counts {
        self.state().counts.clone()
    }

    /// The requests with an account's API key.
    pub fn account_counts(&self, account: &str) -> Result<Counts, Refused> {
        Ok(self.state().account(account)?.counts.clone())
    }

    /// The requests for one flow.
    pub fn flow_counts(&self, account: &str, key_id: u64) -> Result<FlowCounts, Refused> {
        Ok(self.state().flow(account, key_id)?.counts)
    }

    /// When the requests with an account's API key arrived, in that order; empty unless the settings ask for it.
    pub fn arrivals(&self, account: &str) -> Result<Vec<Arrival>, Refused> {
        Ok(self.state().account(account)?.arrivals.clone())
    }

    /// Counts from the start again.
    pub fn reset_counts(&self) {
        let mut state = self.state();
        state.resets += 1;
        state.counts.reset();
        for account in &mut state.accounts {
            account.counts.reset();
            account.arrivals.clear();
            account.flows.values_mut().for_each(|flow| flow.counts.reset());
        }
    }

    /// The state of a flow with this plan now.
    pub(super) fn state_of(&self, plan: &Plan, key_id: u64) -> Option<FlowState> {
        let simulated_ms = self.0.started.elapsed().as_secs_f64() * self.0.speed * 1000.0;
        // A cast from a float to an integer saturates, so no speed is too absurd.
        state_at(plan, self.0.seed, key_id, Duration::from_millis(simulated_ms as u64))
    }

    pub(super) fn records_arrivals(&self) -> bool {
        self.0.record_arrivals
    }

    pub(super) fn seed(&self) -> u64 {
        self.0.seed
    }

    pub(super) fn allowed_skew(&self) -> Duration {
        self.0.allowed_skew
    }

    /// The server's calendar, so many seconds off.
    pub(super) fn now(&self, offset_seconds: i64) -> SystemTime {
        let now = self.0.clock.now();
        let offset = Duration::from_secs(offset_seconds.unsigned_abs());
        let moved = if offset_seconds < 0 {
            now.checked_sub(offset)
        } else {
            now.checked_add(offset)
        };
        moved.unwrap_or(now)
    }

    /// Cancelled when the simulator stops, so that no answer that takes its time holds it up.
    pub(super) fn stop(&self) -> &CancellationToken {
        &self.0.stop
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // Every step leaves the state whole, so one that panicked is no reason to stop answering.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn account(&mut self, name: &str) -> Result<&mut AccountState, Refused> {
        let place = self.by_name.get(name).copied();
        place
            .and_then(|place| self.accounts.get_mut(place))
            .ok_or_else(|| Refused::NoAccount(name.to_owned()))
    }

    fn flow(&mut self, account: &str, key_id: u64) -> Result<&mut FlowEntry, Refused> {
        let flows = &mut self.account(account)?.flows;
        flows
            .get_mut(&key_id)
            .ok_or_else(|| Refused::NoFlow(account.to_owned(), key_id))
    }

    fn trouble(&mut self, scope: &Scope) -> Result<&mut Option<Box<Trouble>>, Refused> {
        Ok(match scope {
            Scope::Everywhere => &mut self.trouble,
            Scope::Account(account) => &mut self.account(account)?.trouble,
            Scope::Flow(account, key_id) => &mut self.flow(account, *key_id)?.trouble,
        })
    }
}

impl AccountState {
    fn new(account: Account) -> Self {
        Self {
            api_key: account.api_key.into(),
            api_secret: account.api_secret.into(),
            name: account.name,
            flows: account
                .flows
                .into_iter()
                .map(|flow| (flow.key_id, FlowEntry::new(flow)))
                .collect(),
            trouble: account.trouble.map(Box::new),
            counts: Counts::default(),
            arrivals: Vec::new(),
        }
    }
}

impl FlowEntry {
    fn new(flow: Flow) -> Self {
        Self {
            plan: flow.plan,
            pinned: None,
            manner: flow.manner.map(Box::new),
            trouble: flow.trouble.map(Box::new),
            counts: FlowCounts::default(),
        }
    }

    pub(super) fn present_plan(&self) -> Plan {
        self.pinned.clone().map_or_else(|| self.plan.clone(), Plan::Still)
    }
}
