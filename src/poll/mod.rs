//! When to ask for which flow, and what becomes of the answer.
//!
//! In: the configuration. Out: results in the store, counts in the activity metrics, one log line per event that matters. One task
//! per account keeps its flows' schedule, its limits and its standing with the vendor; one more task per poll under way.

mod account;
mod fetch;
mod journal;
mod limits;
mod nodes;
mod probe;
mod refusal;
mod schedule;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::account::{AccountPoller, Message, Settings, Update};
use self::probe::{Door, Doors};
pub use self::probe::{NoSuchAccount, Probed, Prober};
use crate::api::{Client, ClientError, Credentials, Network, Transport};
use crate::clock::SharedClock;
use crate::config::{Account, Config, SecretReader, SecretUse};
use crate::metrics::Activity;
use crate::model::{AccountName, FlowInfo};
use crate::store::{Policy, Store};

/// The polling of all accounts: starts it, watches over it, and hands new configurations to it.
#[derive(Debug)]
pub struct Poller {
    store: Arc<Store>,
    activity: Arc<Activity>,
    clock: SharedClock,
    accounts: HashMap<AccountName, Running>,
    doors: Doors,
    outline: Outline,
    tasks: JoinSet<Stopped>,
    commands: mpsc::Receiver<Command>,
    handle: PollerHandle,
    stop: CancellationToken,
}

/// The configuration in force, without its flows: those are in the store.
#[derive(Debug, Clone)]
pub struct Outline(Arc<Mutex<Arc<Config>>>);

impl Outline {
    /// As it is now.
    pub fn get(&self) -> Arc<Config> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Where to reach the polling of one account.
#[derive(Debug)]
struct Running {
    messages: mpsc::UnboundedSender<Message>,
    stop: CancellationToken,
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

/// Why polling cannot begin, or did not go on.
#[derive(Debug, thiserror::Error)]
pub enum PollError {
    /// An account's client cannot be built from its configuration.
    #[error("account {account:?} cannot be polled")]
    Client {
        /// The account.
        account: AccountName,
        /// What is wrong.
        source: ClientError,
    },
    /// The polling of an account has ended although nobody asked it to. Serving on would be serving old numbers.
    #[error("polling stopped by itself, which is a bug; please report it with the log")]
    Stopped,
}

/// A configuration in the form that polling needs: everything that can fail has been done.
#[derive(Debug)]
pub struct Plan {
    policy: Policy,
    /// The configuration itself, without the flows: those are in the store.
    outline: Arc<Config>,
    accounts: Vec<(Settings, Vec<FlowInfo>)>,
}

impl Plan {
    /// Prepares a configuration, each account's client over the transport that `connect` makes for it.
    ///
    /// # Errors
    /// If an account's secrets, TLS files or proxy cannot be used.
    pub fn new(mut config: Config, clock: &SharedClock, connect: &Connect) -> Result<Self, PollError> {
        let policy = Policy {
            stale_after: config.global.stale_after.get(),
            terminal_poll_interval: config.global.terminal_poll_interval.get(),
            request_timeout: config.global.request_timeout.get(),
        };
        // Moved, not copied: the copies' memory would not come back when the configuration goes.
        let flows: Vec<_> = config
            .accounts
            .iter_mut()
            .map(|account| std::mem::take(&mut account.flows))
            .collect();
        let prepare = |(account, infos): (&Account, Vec<FlowInfo>)| {
            let client = client(account, &config, clock, connect).map_err(|source| PollError::Client {
                account: account.name.clone(),
                source,
            })?;
            let settings = Settings {
                account: account.name.clone(),
                client,
                rate_limit: account.settings.rate_limit.get(),
                max_concurrent_requests: account.settings.most_concurrent(),
                terminal_poll_interval: config.global.terminal_poll_interval.get(),
            };
            Ok((settings, infos))
        };
        Ok(Self {
            policy,
            accounts: config
                .accounts
                .iter()
                .zip(flows)
                .map(prepare)
                .collect::<Result<_, _>>()?,
            outline: Arc::new(config),
        })
    }
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
            accounts: HashMap::new(),
            doors: Doors::default(),
            outline: Outline(Arc::new(Mutex::new(Arc::clone(&plan.outline)))),
            tasks: JoinSet::new(),
            commands,
            handle: PollerHandle(sender),
            stop: CancellationToken::new(),
        };
        poller.apply(plan);
        poller
    }

    /// Where new plans are handed in.
    pub fn handle(&self) -> PollerHandle {
        self.handle.clone()
    }

    /// The configuration in force at any time.
    pub fn outline(&self) -> Outline {
        self.outline.clone()
    }

    /// Fetches single flows on request, within the accounts' limits.
    pub fn prober(&self) -> Prober {
        Prober {
            doors: Arc::clone(&self.doors),
            store: Arc::clone(&self.store),
            clock: Arc::clone(&self.clock),
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
                    self.apply(command.plan);
                    // Whoever asked may have gone; the plan is in force all the same.
                    let _ = command.done.send(());
                }
            }
        }
    }

    /// Takes a plan over: the store first, so that no poll files a result for a flow that is not shown yet.
    fn apply(&mut self, plan: Plan) {
        *self.outline.0.lock().unwrap_or_else(PoisonError::into_inner) = plan.outline;
        let mut flows = Vec::with_capacity(plan.accounts.len());
        let mut accounts = Vec::with_capacity(plan.accounts.len());
        for (settings, infos) in plan.accounts {
            flows.push((settings.account.clone(), infos));
            accounts.push(settings);
        }
        let mut gone = HashMap::<_, Vec<_>>::new();
        for (account, flow) in self.store.apply(plan.policy, flows) {
            gone.entry(account).or_default().push(flow);
        }
        let mut before = std::mem::take(&mut self.accounts);
        for settings in accounts {
            let name = settings.account.clone();
            let running = match before.remove(&name) {
                Some(running) => {
                    let gone = gone.remove(&name).unwrap_or_default();
                    // A receiver that is gone ends the whole poller at its next turn.
                    let _ = running
                        .messages
                        .send(Message::Update(Box::new(Update { settings, gone })));
                    running
                }
                None => self.begin(settings),
            };
            self.accounts.insert(name, running);
        }
        for (name, running) in before {
            running.stop.cancel();
            self.doors.lock().unwrap_or_else(PoisonError::into_inner).remove(&name);
            self.activity.forget_account(&name);
        }
    }

    fn begin(&mut self, settings: Settings) -> Running {
        let stop = self.stop.child_token();
        let name = settings.account.clone();
        let (messages, receiver) = mpsc::unbounded_channel();
        let poller = AccountPoller::new(
            settings,
            Arc::clone(&self.store),
            Arc::clone(&self.activity),
            Arc::clone(&self.clock),
        );
        let door = Door {
            access: poller.door(),
            messages: messages.clone(),
        };
        self.doors
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name, door);
        let running = Running {
            messages,
            stop: stop.clone(),
        };
        self.tasks.spawn(async move {
            poller.run(receiver, stop.clone()).await;
            Stopped {
                asked: stop.is_cancelled(),
            }
        });
        running
    }
}

/// Makes the transport of one account; the network's is [`over_network`].
pub type Connect = dyn Fn(&Account, &Config) -> Result<Arc<dyn Transport>, ClientError> + Send + Sync;

/// Reaches the upstream as the account's `http_client` says.
///
/// # Errors
/// If the TLS files or the proxy cannot be used.
pub fn over_network(account: &Account, config: &Config) -> Result<Arc<dyn Transport>, ClientError> {
    let network = Network::new(
        &account.base_url,
        &account.settings.http_client,
        config.global.request_timeout.get(),
        account.settings.most_concurrent(),
    )?;
    Ok(Arc::new(network))
}

fn client(account: &Account, config: &Config, clock: &SharedClock, connect: &Connect) -> Result<Client, ClientError> {
    let credentials = Credentials {
        api_key: SecretReader::new(account.api_key.clone(), SecretUse::Header)?,
        api_secret: SecretReader::new(account.api_secret.clone(), SecretUse::Signature)?,
    };
    let transport = connect(account, config)?;
    Ok(Client::new(
        &account.base_url,
        credentials,
        transport,
        config.global.request_timeout.get(),
        Arc::clone(clock),
    ))
}
