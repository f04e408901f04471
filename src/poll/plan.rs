//! A configuration made ready for polling.

use std::sync::Arc;

use super::error::PollError;
use super::handle::Settings;
use super::outcomes;
use crate::api::{Client, ClientError, Connection, Credentials, Network, Transport};
use crate::config::{Account, Config};
use crate::model::FlowInfo;
use crate::store::Policy;
use exporter_toolkit::clock::SharedClock;

/// A configuration in the form that polling needs: everything that can fail has been done.
#[derive(Debug)]
pub struct Plan {
    pub(super) policy: Policy,
    /// The configuration itself, without the flows: those are in the store.
    pub(super) config: Arc<Config>,
    pub(super) accounts: Vec<(Settings, Vec<FlowInfo>)>,
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
            let settings = settings(account, &config, clock, connect).map_err(|source| PollError::Client {
                account: account.name.clone(),
                source,
            })?;
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
            config: Arc::new(config),
        })
    }
}

fn settings(
    account: &Account,
    config: &Config,
    clock: &SharedClock,
    connect: &Connect,
) -> Result<Settings, ClientError> {
    let credentials = Credentials::new(account.api_key.clone(), account.api_secret.clone())?;
    // Before the client is: a file that changes in between makes the next reload a changed one, which is as good.
    let connection = Connection::new(&account.base_url, &account.settings.http_client);
    let transport = connect(account, config)?;
    Ok(Settings {
        account: account.name.clone(),
        client: Client::new(
            &account.base_url,
            transport,
            config.global.request_timeout.get(),
            Arc::clone(clock),
        ),
        connection,
        credentials,
        rate_limit: account.settings.rate_limit.get(),
        max_concurrent_requests: account.settings.most_concurrent(),
        terminal_poll_interval: config.global.terminal_poll_interval.get(),
        balance: account.settings.balance,
        discovery: account.discovery.clone(),
        outcome_interval: (account.settings.outcomes).then(|| outcomes::interval(config.global.poll_interval.get())),
    })
}

/// Makes the transport of one account; the network's is [`over_network`].
pub type Connect = dyn Fn(&Account, &Config) -> Result<Arc<dyn Transport>, ClientError> + Send + Sync;

/// Reaches the vendor as the account's `http_client` says.
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
