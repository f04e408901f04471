//! When to ask for which flow, and what becomes of the answer.
//!
//! In: the configuration. Out: results in the store, counts in the activity metrics, one log line per event that matters. One task
//! per account keeps its flows' schedule, its limits and its standing with the vendor, and makes its polls.

mod account;
mod balance;
mod condition;
mod discovery;
mod error;
mod event;
mod event_log;
mod fetch;
mod handle;
mod limiter;
mod list;
mod list_end;
mod nodes;
mod outcomes;
mod paging;
mod plan;
mod probe;
mod probes;
mod progress;
mod requests;
mod schedule;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::account::AccountTask;
pub use self::error::PollError;
use self::handle::{Handle, Handles, Message, Settings, Update};
pub use self::handle::{ProbeFailure, Reply};
pub use self::list::Listing;
pub use self::plan::{Connect, Plan, over_network};
pub use self::probe::{ProbeError, Probed, Prober};
use crate::config::Config;
use crate::metrics::Activity;
use crate::model::AccountName;
use crate::store::{Store, TrackedAccount};
use exporter_toolkit::clock::SharedClock;

/// The polling of all accounts: starts it, watches over it, and hands new configurations to it.
#[derive(Debug)]
pub struct Poller {
    store: Arc<Store>,
    activity: Arc<Activity>,
    clock: SharedClock,
    handles: Handles,
    config: RunningConfig,
    tasks: JoinSet<Stopped>,
    commands: mpsc::Receiver<Command>,
    handle: PollerHandle,
    stop: CancellationToken,
}

/// The configuration in force, without its flows: those are in the store.
#[derive(Debug, Clone)]
pub struct RunningConfig(Arc<Mutex<Arc<Config>>>);

impl RunningConfig {
    /// As it is now.
    pub fn get(&self) -> Arc<Config> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn set(&self, config: Arc<Config>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = config;
    }
}

/// How an account's polling ended.
#[derive(Debug)]
struct Stopped {
    /// Somebody had asked it to.
    asked: bool,
}

/// Hands new configurations to the running poller.
#[derive(Debug, Clone)]
pub struct PollerHandle(mpsc::Sender<Command>);

#[derive(Debug)]
struct Command {
    plan: Plan,
    done: oneshot::Sender<()>,
}

impl PollerHandle {
    /// Goes over to a new plan, whole. Returns when the store shows it.
    ///
    /// # Errors
    /// If polling has stopped.
    pub async fn apply(&self, plan: Plan) -> Result<(), PollError> {
        let (done, applied) = oneshot::channel();
        self.0
            .send(Command { plan, done })
            .await
            .map_err(|_| PollError::Stopped)?;
        applied.await.map_err(|_| PollError::Stopped)
    }
}

impl Poller {
    /// Begins with this plan when run; the store shows its flows at once.
    pub fn new(plan: Plan, store: Arc<Store>, activity: Arc<Activity>, clock: SharedClock) -> Self {
        let (sender, commands) = mpsc::channel(1);
        let mut poller = Self {
            store,
            activity,
            clock,
            handles: Handles::default(),
            config: RunningConfig(Arc::new(Mutex::new(Arc::clone(&plan.config)))),
            tasks: JoinSet::new(),
            commands,
            handle: PollerHandle(sender),
            stop: CancellationToken::new(),
        };
        poller.apply(plan, &[]);
        poller
    }

    /// Where new plans are handed in.
    pub fn handle(&self) -> PollerHandle {
        self.handle.clone()
    }

    /// The configuration in force at any time.
    pub fn config(&self) -> RunningConfig {
        self.config.clone()
    }

    /// Fetches single flows on request, within the accounts' limits.
    pub fn prober(&self) -> Prober {
        Prober {
            handles: self.handles.clone(),
            store: Arc::clone(&self.store),
            clock: Arc::clone(&self.clock),
            shard: self.config.get().shard,
        }
    }

    /// Polls until told to stop.
    ///
    /// # Errors
    /// [`PollError::Stopped`] if the polling of any account ends before that.
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), PollError> {
        let _stop_all = self.stop.clone().drop_guard();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                Some(ended) = self.tasks.join_next(), if !self.tasks.is_empty() => {
                    if !ended.is_ok_and(|stopped| stopped.asked) {
                        return Err(PollError::Stopped);
                    }
                }
                Some(command) = self.commands.recv() => {
                    let others = self.end_others(&command.plan).await;
                    self.apply(command.plan, &others);
                    // Whoever asked may have gone; the plan is in force all the same.
                    let _ = command.done.send(());
                }
            }
        }
    }

    /// Ends the polling of accounts whose names mean others in the new configuration, and returns these names. What they have asked for and
    /// not got is nobody's any more, and must be gone before the new ones begin.
    async fn end_others(&mut self, new: &Plan) -> Vec<AccountName> {
        let before = self.config.get();
        let mut handles = self.handles.all();
        let mut others = Vec::new();
        for (account, (settings, _)) in new.config.accounts.iter().zip(&new.accounts) {
            let Some(before) = before.accounts.iter().find(|before| before.name == account.name) else {
                continue;
            };
            // A key that is written elsewhere from now on is the same key.
            let has_same_key = |handle: &Handle| handle.api_key == settings.api_key();
            let is_same = account.base_url == before.base_url
                && (account.api_key == before.api_key || handles.get(&account.name).is_some_and(has_same_key));
            if !is_same && let Some(handle) = handles.remove(&account.name) {
                handle.stop.cancel();
                handle.ended.cancelled().await;
                others.push(account.name.clone());
            }
        }
        self.handles.replace(handles);
        others
    }

    /// Takes a plan over: the store first, so that no poll files a result for a flow that is not shown yet.
    fn apply(&mut self, plan: Plan, others: &[AccountName]) {
        self.config.set(plan.config);
        let (accounts, flows): (Vec<_>, Vec<_>) = plan
            .accounts
            .into_iter()
            .map(|(settings, infos)| {
                let name = settings.account.clone();
                let flows = TrackedAccount {
                    name,
                    flows: infos,
                    discovers: settings.discovery.is_some(),
                };
                (settings, flows)
            })
            .unzip();
        let mut gone = HashMap::<_, Vec<_>>::new();
        for (account, flow) in self.store.apply(plan.policy, flows, others) {
            gone.entry(account).or_default().push(flow);
        }
        let mut before = self.handles.all();
        let mut handles = HashMap::with_capacity(accounts.len());
        for settings in accounts {
            let name = settings.account.clone();
            let handle = match before.remove(&name) {
                Some(mut handle) => {
                    let gone = gone.remove(&name).unwrap_or_default();
                    handle.api_key = settings.api_key();
                    let update = Message::Update(Box::new(Update { settings, gone }));
                    // A receiver that is gone ends the whole poller at its next turn.
                    let _ = handle.messages.send(update);
                    handle
                }
                None => self.begin(settings),
            };
            handles.insert(name, handle);
        }
        self.handles.replace(handles);
        for (name, handle) in before {
            handle.stop.cancel();
            self.activity.forget_account(&name);
        }
    }

    fn begin(&mut self, settings: Settings) -> Handle {
        let stop = self.stop.child_token();
        let (messages, receiver) = mpsc::unbounded_channel();
        let api_key = settings.api_key();
        let (store, activity) = (Arc::clone(&self.store), Arc::clone(&self.activity));
        let task = AccountTask::new(settings, store, activity, Arc::clone(&self.clock));
        let (stopped, ended) = (stop.clone(), CancellationToken::new());
        let end = ended.clone().drop_guard();
        self.tasks.spawn(async move {
            let _end = end;
            task.run(receiver, stopped.clone()).await;
            Stopped {
                asked: stopped.is_cancelled(),
            }
        });
        Handle {
            messages,
            api_key,
            stop,
            ended,
        }
    }
}
