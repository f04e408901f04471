//! The simulated vendor itself, without a socket: accounts, flows, faults, counts, and the handle by which they are changed.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::counts::{Arrival, Counts};
use crate::dialect::Dialect;
use crate::fault::{FaultPlan, InvalidFault};
use crate::lifecycle::{FlowState, Lifecycle};
use crate::settings::{Account, Flow, Latency, Settings};

/// A handle on the vendor: cheap to clone, every clone is the same vendor.
#[derive(Clone)]
pub struct Vendor(Arc<Inner>);

struct Inner {
    /// What stays as it was at the start; all else is in `state`.
    settings: Settings,
    now: Box<dyn Fn() -> SystemTime + Send + Sync>,
    started: Instant,
    stop: CancellationToken,
    // Held for single steps only, never across an await.
    state: Mutex<State>,
}

pub(crate) struct State {
    pub(crate) accounts: Vec<AccountState>,
    pub(crate) faults: Option<FaultPlan>,
    pub(crate) latency: Latency,
    pub(crate) counts: Counts,
}

pub(crate) struct AccountState {
    pub(crate) settings: Account,
    pub(crate) flows: HashMap<u64, FlowEntry>,
    pub(crate) counts: Counts,
    pub(crate) arrivals: Vec<Arrival>,
}

pub(crate) struct FlowEntry {
    pub(crate) settings: Flow,
    pub(crate) pinned: Option<FlowState>,
    pub(crate) counts: Counts,
}

/// Where faults apply. Of several that strike one request, the one for the flow wins over the one for its account and that over
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

/// Why the vendor cannot do what its handle was asked for.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// There is no account of this name.
    #[error("no account is called {0:?}")]
    NoAccount(String),
    /// The account has no such flow.
    #[error("account {0:?} has no flow {1}")]
    NoFlow(String, u64),
    /// The faults cannot be.
    #[error(transparent)]
    InvalidFault(#[from] InvalidFault),
}

impl fmt::Debug for Vendor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vendor")
            .field("seed", &self.0.settings.seed)
            .field("speed", &self.0.settings.speed)
            .finish_non_exhaustive()
    }
}

impl Vendor {
    /// A vendor with these settings; the flows' lives begin now.
    pub fn new(mut settings: Settings, now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        let accounts = std::mem::take(&mut settings.accounts);
        let state = State {
            accounts: accounts.into_iter().map(AccountState::new).collect(),
            faults: settings.faults.take(),
            latency: settings.latency,
            counts: Counts::default(),
        };
        Self(Arc::new(Inner {
            settings,
            now: Box::new(now),
            started: Instant::now(),
            stop: CancellationToken::new(),
            state: Mutex::new(state),
        }))
    }

    /// The accounts' names, sorted.
    pub fn accounts(&self) -> Vec<String> {
        let state = self.state();
        let mut names: Vec<_> = state
            .accounts
            .iter()
            .map(|account| account.settings.name.clone())
            .collect();
        names.sort_unstable();
        names
    }

    /// The keys of an account's flows, sorted.
    pub fn key_ids(&self, account: &str) -> Result<Vec<u64>, Error> {
        let mut keys: Vec<_> = self.state().account(account)?.flows.keys().copied().collect();
        keys.sort_unstable();
        Ok(keys)
    }

    /// Where the flow stands now; `None` where the vendor knows no such flow.
    pub fn flow_state(&self, account: &str, key_id: u64) -> Result<Option<FlowState>, Error> {
        Ok(self
            .state()
            .flow(account, key_id)?
            .state_at(self.0.settings.seed, self.simulated_time()))
    }

    /// Holds a flow in this state until [`Vendor::unpin`].
    pub fn pin(&self, account: &str, key_id: u64, state: FlowState) -> Result<(), Error> {
        self.state().flow(account, key_id)?.pinned = Some(state);
        Ok(())
    }

    /// Lets a pinned flow live on, as if it had never stood still.
    pub fn unpin(&self, account: &str, key_id: u64) -> Result<(), Error> {
        self.state().flow(account, key_id)?.pinned = None;
        Ok(())
    }

    /// Gives a flow another lifecycle, or the account another flow. [`Lifecycle::Missing`] takes one away.
    pub fn set_lifecycle(&self, account: &str, key_id: u64, lifecycle: Lifecycle) -> Result<(), Error> {
        let mut state = self.state();
        let flows = &mut state.account(account)?.flows;
        let flow = flows
            .entry(key_id)
            .or_insert_with(|| FlowEntry::new(Flow::seeded(key_id)));
        flow.settings.lifecycle = lifecycle;
        Ok(())
    }

    /// In which of the vendor's forms a flow answers.
    pub fn dialect(&self, account: &str, key_id: u64) -> Result<Dialect, Error> {
        let chosen = self.state().flow(account, key_id)?.settings.dialect;
        Ok(chosen.unwrap_or_else(|| Dialect::by_seed(self.0.settings.seed, key_id)))
    }

    /// Chooses the form in which a flow answers; `None` leaves it to the seed.
    pub fn set_dialect(&self, account: &str, key_id: u64, dialect: Option<Dialect>) -> Result<(), Error> {
        self.state().flow(account, key_id)?.settings.dialect = dialect;
        Ok(())
    }

    /// Gives an account another API key and secret; the old ones are unknown from now on.
    pub fn set_credentials(&self, account: &str, api_key: &str, api_secret: &str) -> Result<(), Error> {
        let mut state = self.state();
        let settings = &mut state.account(account)?.settings;
        settings.api_key = api_key.to_owned();
        settings.api_secret = api_secret.to_owned();
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
    pub fn faults(&self, scope: &Scope) -> Result<Option<FaultPlan>, Error> {
        Ok(self.state().faults(scope)?.clone())
    }

    /// Changes what goes wrong in this scope; `None` is nothing.
    pub fn set_faults(&self, scope: &Scope, faults: Option<FaultPlan>) -> Result<(), Error> {
        faults.iter().try_for_each(FaultPlan::check)?;
        *self.state().faults(scope)? = faults;
        Ok(())
    }

    /// All requests to the API.
    pub fn counts(&self) -> Counts {
        self.state().counts.clone()
    }

    /// The requests with an account's API key.
    pub fn account_counts(&self, account: &str) -> Result<Counts, Error> {
        Ok(self.state().account(account)?.counts.clone())
    }

    /// The requests for one flow.
    pub fn flow_counts(&self, account: &str, key_id: u64) -> Result<Counts, Error> {
        Ok(self.state().flow(account, key_id)?.counts.clone())
    }

    /// When the requests with an account's API key arrived, in that order; empty unless the settings ask for it.
    pub fn arrivals(&self, account: &str) -> Result<Vec<Arrival>, Error> {
        Ok(self.state().account(account)?.arrivals.clone())
    }

    /// Counts from the start again.
    pub fn reset_counts(&self) {
        let mut state = self.state();
        state.counts.reset();
        for account in &mut state.accounts {
            account.counts.reset();
            account.arrivals.clear();
            account.flows.values_mut().for_each(|flow| flow.counts.reset());
        }
    }

    /// How long flows have lived.
    pub(crate) fn simulated_time(&self) -> Duration {
        let simulated_ms = self.0.started.elapsed().as_secs_f64() * self.0.settings.speed * 1000.0;
        // A cast from a float to an integer saturates, so no speed is too absurd.
        Duration::from_millis(simulated_ms as u64)
    }

    /// What cannot be changed while the vendor runs.
    pub(crate) fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// The server's calendar, so many seconds off.
    pub(crate) fn now(&self, offset_seconds: i64) -> SystemTime {
        let now = (self.0.now)();
        let offset = Duration::from_secs(offset_seconds.unsigned_abs());
        let moved = if offset_seconds < 0 {
            now.checked_sub(offset)
        } else {
            now.checked_add(offset)
        };
        moved.unwrap_or(now)
    }

    /// Cancelled when the simulator stops, so that no answer that takes its time holds it up.
    pub(crate) fn stop(&self) -> &CancellationToken {
        &self.0.stop
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        // Every step leaves the state whole, so one that panicked is no reason to stop answering.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn account(&mut self, name: &str) -> Result<&mut AccountState, Error> {
        let mut accounts = self.accounts.iter_mut().rev();
        accounts
            .find(|account| account.settings.name == name)
            .ok_or_else(|| Error::NoAccount(name.to_owned()))
    }

    fn flow(&mut self, account: &str, key_id: u64) -> Result<&mut FlowEntry, Error> {
        let flows = &mut self.account(account)?.flows;
        flows
            .get_mut(&key_id)
            .ok_or_else(|| Error::NoFlow(account.to_owned(), key_id))
    }

    fn faults(&mut self, scope: &Scope) -> Result<&mut Option<FaultPlan>, Error> {
        Ok(match scope {
            Scope::Everywhere => &mut self.faults,
            Scope::Account(account) => &mut self.account(account)?.settings.faults,
            Scope::Flow(account, key_id) => &mut self.flow(account, *key_id)?.settings.faults,
        })
    }

    /// The counts that a request belongs to: those of everything, of its account and of its flow.
    pub(crate) fn counts_of(&mut self, account: Option<usize>, flow: Option<u64>) -> impl Iterator<Item = &mut Counts> {
        let account = account.and_then(|place| self.accounts.get_mut(place));
        let of_account = account.map(|account| {
            let flow = flow.and_then(|key_id| account.flows.get_mut(&key_id));
            [Some(&mut account.counts), flow.map(|flow| &mut flow.counts)]
        });
        let all = [Some(&mut self.counts)];
        all.into_iter().chain(of_account.into_iter().flatten()).flatten()
    }
}

impl AccountState {
    fn new(mut settings: Account) -> Self {
        let flows = std::mem::take(&mut settings.flows);
        Self {
            settings,
            flows: flows
                .into_iter()
                .map(|flow| (flow.key_id, FlowEntry::new(flow)))
                .collect(),
            counts: Counts::default(),
            arrivals: Vec::new(),
        }
    }
}

impl FlowEntry {
    fn new(settings: Flow) -> Self {
        Self {
            settings,
            pinned: None,
            counts: Counts::default(),
        }
    }

    pub(crate) fn state_at(&self, seed: u64, elapsed: Duration) -> Option<FlowState> {
        let Flow { key_id, lifecycle, .. } = &self.settings;
        let pinned = self.pinned.clone();
        pinned.or_else(|| lifecycle.state_at(seed, *key_id, elapsed))
    }
}
