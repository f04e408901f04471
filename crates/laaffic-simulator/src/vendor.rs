//! The simulated vendor itself, without a socket: accounts, flows, faults, counts, and the handle by which they are changed.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::account::{AccountState, FlowEntry};
use crate::balance::Balance;
use crate::births::Births;
use crate::calendar::{Calendar, Moment, unix_second};
use crate::counts::{Arrival, Counts};
use crate::dialect::Dialect;
use crate::fault::{FaultPlan, InvalidFault};
use crate::lifecycle::{FlowState, Lifecycle};
use crate::list_dialect::ListDialect;
use crate::settings::{Latency, Settings};

/// A handle on the vendor: cheap to clone, every clone is the same vendor.
#[derive(Clone)]
pub struct Vendor(Arc<Inner>);

struct Inner {
    /// What stays as it was at the start; all else is in `state`.
    settings: Settings,
    now: Box<dyn Fn() -> SystemTime + Send + Sync>,
    started: Instant,
    calendar: Calendar,
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

/// Where faults apply. Of several that strike one request, the one for the flow wins over the one for its account and that over
/// the one for all; those that only alter an answer all apply. A page's is as near as a flow's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Every request to the API.
    Everywhere,
    /// Every request with the API key of the account of this name.
    Account(String),
    /// Every request for this flow of this account.
    Flow(String, u64),
    /// Every request for the page of this number, from 1, of any of this account's lists.
    Page(String, u64),
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
        let calendar = Calendar::starting(now(), &settings);
        let account = |account| AccountState::new(account, settings.seed, calendar);
        let state = State {
            accounts: accounts.into_iter().map(account).collect(),
            faults: settings.faults.take(),
            latency: settings.latency,
            counts: Counts::default(),
        };
        Self(Arc::new(Inner {
            settings,
            now: Box::new(now),
            started: Instant::now(),
            calendar,
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
        let moment = self.moment();
        Ok(self
            .state()
            .flow(account, key_id)?
            .state_at(moment.seed, moment.elapsed))
    }

    /// Holds a flow in this state until [`Vendor::unpin`].
    pub fn pin(&self, account: &str, key_id: u64, state: FlowState) -> Result<(), Error> {
        self.set_pinned(account, key_id, Some(state))
    }

    /// Lets a pinned flow live on, as if it had never stood still.
    pub fn unpin(&self, account: &str, key_id: u64) -> Result<(), Error> {
        self.set_pinned(account, key_id, None)
    }

    fn set_pinned(&self, account: &str, key_id: u64, state: Option<FlowState>) -> Result<(), Error> {
        let changed = self
            .state()
            .account(account)?
            .change(key_id, |flow| flow.pinned = state);
        changed.ok_or_else(|| Error::NoFlow(account.to_owned(), key_id))
    }

    /// Gives a flow another lifecycle, or the account another flow, which is created then. [`Lifecycle::Missing`] takes one away.
    pub fn set_lifecycle(&self, account: &str, key_id: u64, lifecycle: Lifecycle) -> Result<(), Error> {
        let now = unix_second(self.now(0));
        let moment = self.moment();
        self.state()
            .account(account)?
            .set_lifecycle(key_id, lifecycle, moment, now);
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

    /// In which of the vendor's forms an account's lists and its balance are answered.
    pub fn list_dialect(&self, account: &str) -> Result<ListDialect, Error> {
        Ok(self.state().account(account)?.list_dialect(self.0.settings.seed))
    }

    /// Chooses the form in which an account's lists and its balance are answered; `None` leaves it to the seed.
    pub fn set_list_dialect(&self, account: &str, dialect: Option<ListDialect>) -> Result<(), Error> {
        self.state().account(account)?.settings.list_dialect = dialect;
        Ok(())
    }

    /// What an account has now.
    pub fn balance(&self, account: &str) -> Result<Balance, Error> {
        let elapsed = self.moment().elapsed;
        Ok(self.state().account(account)?.balance(elapsed))
    }

    /// Changes what an account has; `None` is what it had at the start.
    pub fn set_balance(&self, account: &str, balance: Option<Balance>) -> Result<(), Error> {
        let moment = self.moment();
        self.state()
            .account(account)?
            .set_balance(balance, moment.seed, moment.elapsed);
        Ok(())
    }

    /// How often an account gets a new flow; `None` is never.
    pub fn births(&self, account: &str) -> Result<Option<Births>, Error> {
        Ok(self.state().account(account)?.births())
    }

    /// Changes how often an account gets a new flow from now on. What was born stays.
    pub fn set_births(&self, account: &str, births: Option<Births>) -> Result<(), Error> {
        let elapsed = self.moment().elapsed;
        self.state().account(account)?.set_births(births, elapsed);
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

    /// Now, in simulated time.
    pub(crate) fn moment(&self) -> Moment {
        Moment {
            seed: self.0.settings.seed,
            elapsed: self.simulated_time(),
            calendar: self.0.calendar,
        }
    }

    /// How long flows have lived since the start.
    fn simulated_time(&self) -> Duration {
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

    /// All that lasts, with what is born until now.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        // Every step leaves the state whole, so one that panicked is no reason to stop answering.
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        let moment = self.moment();
        state.accounts.iter_mut().for_each(|account| account.give_birth(moment));
        state
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
            Scope::Page(account, page) => self.account(account)?.page_faults.entry(*page).or_default(),
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
