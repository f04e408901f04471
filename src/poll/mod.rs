//! When to ask for which flow, and what becomes of the answer.
//!
//! In: the configuration. Out: results in the store, counts in the activity metrics, one log line per event that matters. One task
//! per account keeps its flows' schedule, its limits and its standing with the vendor; one more task per poll under way.

mod account;
mod fetch;
mod journal;
mod limits;
mod nodes;
mod refusal;
mod schedule;

use std::sync::Arc;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::account::AccountPoller;
use self::fetch::Access;
use self::limits::Limits;
use crate::api::{Client, ClientError, Credentials, Network, Transport};
use crate::clock::SharedClock;
use crate::config::{Account, Config, SecretReader, SecretUse};
use crate::metrics::Activity;
use crate::model::AccountName;
use crate::store::Store;

/// The polling of all accounts.
#[derive(Debug)]
pub struct Poller {
    accounts: Vec<AccountPoller>,
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

impl Poller {
    /// Prepares the polling of every account of the configuration, each over the transport that `connect` makes for it.
    ///
    /// # Errors
    /// If an account's secrets, TLS files or proxy cannot be used.
    pub fn new(
        config: &Config,
        store: &Arc<Store>,
        activity: &Arc<Activity>,
        clock: &SharedClock,
        connect: &Connect,
    ) -> Result<Self, PollError> {
        let prepare = |account: &Account| {
            let client = client(account, config, clock, connect).map_err(|source| PollError::Client {
                account: account.name.clone(),
                source,
            })?;
            let limits = Limits::new(account.rate_limit, account.max_concurrent_requests);
            let access = Access::new(account.name.clone(), client, limits, activity.account(&account.name));
            Ok(AccountPoller::new(
                access,
                account.rate_limit,
                &account.flows,
                config.terminal_poll_interval,
                Arc::clone(store),
                Arc::clone(activity),
                Arc::clone(clock),
            ))
        };
        Ok(Self {
            accounts: config.accounts.iter().map(prepare).collect::<Result<_, _>>()?,
        })
    }

    /// Polls until told to stop.
    ///
    /// # Errors
    /// [`PollError::Stopped`] if the polling of any account ends before that.
    pub async fn run(self, stop: CancellationToken) -> Result<(), PollError> {
        let mut tasks: JoinSet<()> = self
            .accounts
            .into_iter()
            .map(|account| account.run(stop.clone()))
            .collect();
        while tasks.join_next().await.is_some() {
            if !stop.is_cancelled() {
                return Err(PollError::Stopped);
            }
        }
        Ok(())
    }
}

/// Makes the transport of one account; the network's is [`over_network`].
pub type Connect = dyn Fn(&Account, &Config) -> Result<Arc<dyn Transport>, ClientError>;

/// Reaches the upstream as the account's `http_client` says.
///
/// # Errors
/// If the TLS files or the proxy cannot be used.
pub fn over_network(account: &Account, config: &Config) -> Result<Arc<dyn Transport>, ClientError> {
    let network = Network::new(
        &account.http_client,
        config.request_timeout,
        account.max_concurrent_requests,
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
        config.request_timeout,
        Arc::clone(clock),
    ))
}
