//! Signed requests now, for `query` and `check --live`.
//!
//! They are requests to the tasks of the accounts, made for the purpose, so limits hold and three refusals end the asking here as well.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use exporter_toolkit::clock::SharedClock;
use tokio_util::sync::CancellationToken;

use crate::api::ListQuery;
use crate::config::{Account, Config, Discovery};
use crate::metrics::Activity;
use crate::model::{AccountName, FlowInfo, KeyId};
use crate::poll::{self, Connect, Listing, Plan, Poller, ProbeFailure, Probed, Prober, Reply};
use crate::store::{Policy, Store};
use crate::words::failure::explain;

/// Everything that is needed to ask, without anything that polls.
#[derive(Debug)]
pub(super) struct Asker {
    prober: Prober,
    timeout: Duration,
    pub(super) flows: Vec<(AccountName, Vec<FlowInfo>)>,
    /// The accounts that find flows in the vendor's list, and which they look for.
    pub(super) lists: Vec<(AccountName, Discovery)>,
    stop: CancellationToken,
}

/// A failed query or check has been told on standard output already; nothing is left to say but the exit code.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Failed(pub(super) String);

impl Asker {
    pub(super) fn new(config: Config, clock: &SharedClock) -> Result<Self> {
        Self::over(&poll::over_network, config, clock)
    }

    /// The same over transports of one's own.
    pub(super) fn over(connect: &Connect, mut config: Config, clock: &SharedClock) -> Result<Self> {
        // Long enough for the retries of a passing trouble.
        let timeout = config.global.request_timeout.get() * 3;
        let mut lists = Vec::new();
        let mut take = |account: &mut Account| {
            // Nothing but what somebody asks for.
            account.settings.balance = false;
            account.settings.outcomes = false;
            lists.extend(
                account
                    .discovery
                    .take()
                    .map(|discovery| (account.name.clone(), discovery)),
            );
            (account.name.clone(), std::mem::take(&mut account.flows))
        };
        let flows: Vec<_> = config.accounts.iter_mut().map(&mut take).collect();
        let names: Vec<_> = flows.iter().map(|(name, _)| name.clone()).collect();
        let plan = Plan::new(config, clock, connect)?;
        let store = Arc::new(Store::new(Policy::default(), []));
        let activity = Arc::new(Activity::new(names, clock.now()));
        let poller = Poller::new(plan, store, activity, Arc::clone(clock));
        let prober = poller.prober();
        let stop = CancellationToken::new();
        tokio::spawn(poller.run(stop.clone()));
        Ok(Self {
            prober,
            timeout,
            flows,
            lists,
            stop,
        })
    }

    pub(super) async fn ask(&self, account: &AccountName, key_id: KeyId) -> Result<Probed> {
        Ok(self.prober.probe(account, key_id, self.timeout).await?)
    }

    /// The same for the first answer alone.
    pub(super) async fn ask_first_page(&self, account: &AccountName, key_id: KeyId) -> Result<Reply> {
        Ok(self.prober.first_page(account, key_id, self.timeout).await?)
    }

    /// Reads the list of an account's flows.
    pub(super) async fn list(
        &self,
        account: &AccountName,
        query: ListQuery,
        most_flows: usize,
    ) -> Result<Result<Listing, ProbeFailure>> {
        Ok(self.prober.list(account, query, most_flows, self.timeout).await?)
    }

    /// The account that was named, else all of them.
    pub(super) fn accounts(&self, named: Option<&str>) -> Result<Vec<&AccountName>> {
        match named {
            Some(named) => Ok(vec![self.named(named)?]),
            None => Ok(self.flows.iter().map(|(name, _)| name).collect()),
        }
    }

    fn named(&self, named: &str) -> Result<&AccountName> {
        let mut names = self.flows.iter().map(|(name, _)| name);
        match names.find(|name| ***name == *named) {
            Some(name) => Ok(name),
            None => bail!("there is no account {named:?}; the configuration has {}", self.listed()),
        }
    }

    /// The names of the accounts, for a message.
    fn listed(&self) -> String {
        let names: Vec<_> = self.flows.iter().map(|(name, _)| &**name).collect();
        names.join(", ")
    }

    /// The account that a flow belongs to: the one that was named, else the only one, else the only one that has the flow.
    pub(super) fn account(&self, named: Option<&str>, key_id: KeyId) -> Result<&AccountName> {
        if let Some(named) = named {
            return self.named(named);
        }
        let has_flow = |flows: &[FlowInfo]| flows.iter().any(|flow| flow.key_id == key_id);
        let with_flow: Vec<_> = self
            .flows
            .iter()
            .filter(|(_, flows)| has_flow(flows))
            .map(|(name, _)| name)
            .collect();
        match (with_flow.as_slice(), self.flows.as_slice()) {
            ([name], _) => Ok(name),
            ([], [(name, _)]) => Ok(name),
            _ => bail!(
                "say which account flow {key_id} belongs to with --account; the configuration has {}",
                self.listed()
            ),
        }
    }

    pub(super) fn name(&self, account: &str, key_id: KeyId) -> Option<&str> {
        let (_, flows) = self.flows.iter().find(|(name, _)| **name == *account)?;
        flows.iter().find(|flow| flow.key_id == key_id)?.name.as_deref()
    }
}

impl Drop for Asker {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// What a failed query ends with.
pub(super) fn failed(account: &str, key_id: KeyId, failure: &ProbeFailure) -> Failed {
    Failed(format!("flow {key_id} of account {account}: {}", sentence(failure)))
}

/// The failure with its code or the system's words, its meaning and the cure.
pub(super) fn sentence(failure: &ProbeFailure) -> String {
    let explanation = explain(failure.reason);
    let error = failure.error.as_ref();
    let detail = error.map(|error| format!(" ({error})")).unwrap_or_default();
    format!("{}{detail}; {}", explanation.meaning, explanation.cure)
}
