//! One flow out of turn, for somebody who is waiting: a request to the task of the flow's account.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::handle::{Admission, AskedList, Handle, Handles, Message, ProbeFailure, ProbeRequest, Reply};
use super::list::Listing;
use super::probes::Asked;
use crate::api::ListQuery;
use crate::model::{FlowReport, KeyId};
use crate::shard::Shard;
use crate::store::{Snapshot, Store};
use exporter_toolkit::clock::SharedClock;

/// Fetches single flows on request.
#[derive(Debug, Clone)]
pub struct Prober {
    pub(super) handles: Handles,
    pub(super) store: Arc<Store>,
    pub(super) clock: SharedClock,
    pub(super) shard: Shard,
}

/// What a probe brought.
#[derive(Debug)]
pub struct Probed {
    /// The flow's state, or why there is none.
    pub result: Result<FlowReport, ProbeFailure>,
    /// The same as a snapshot of the one flow in the one account.
    pub snapshot: Snapshot,
    /// How long that took, waiting for the limits included.
    pub duration: Duration,
}

/// Why a probe was not made at all.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// There is no account of this name, or it is another shard's.
    #[error("{0}")]
    NoSuchAccount(String),
    /// A reload has taken the account away or given its name to another one while it was asked.
    #[error("the account was changed by a reload meanwhile; ask again")]
    Changed,
    /// Too many wait already.
    #[error(
        "too many probes of this account wait already, and its flows are polled first; probe fewer flows, or less often, or raise rate_limit"
    )]
    Busy {
        /// When there may be room.
        retry_after: Duration,
    },
}

impl Prober {
    /// Fetches one flow, configured or not, and gives up after `timeout`. The running poller's own knowledge of the flow does not
    /// change, but a refusal counts towards blocking the account, and in a blocked account nothing is asked. Whoever asks for the same flow
    /// meanwhile gets the same answer.
    ///
    /// # Errors
    /// If there is no account of this name, it changes meanwhile, or too many probes of it wait already.
    pub async fn probe(&self, account: &str, key_id: KeyId, timeout: Duration) -> Result<Probed, ProbeError> {
        let started = Instant::now();
        let asked = Asked {
            key_id,
            first_page_only: false,
        };
        let result = self.ask(account, asked, started + timeout).await?;
        let outcome = result.as_ref().map_err(|failure| failure.reason).copied();
        let snapshot = self.store.snapshot();
        let snapshot = snapshot.probed(account, key_id, timeout, outcome, self.clock.now());
        Ok(Probed {
            result,
            snapshot,
            duration: started.elapsed(),
        })
    }

    /// The same without the further pages of nodes, for somebody who looks at the first answer itself.
    ///
    /// # Errors
    /// If there is no account of this name, it changes meanwhile, or too many probes of it wait already.
    pub async fn first_page(&self, account: &str, key_id: KeyId, timeout: Duration) -> Result<Reply, ProbeError> {
        let asked = Asked {
            key_id,
            first_page_only: true,
        };
        self.ask(account, asked, Instant::now() + timeout).await
    }

    /// Reads the list of an account's flows, until it has `most_flows` of them; each page gets `patience`.
    ///
    /// # Errors
    /// If there is no account of this name, or it changes meanwhile.
    pub async fn list(
        &self,
        account: &str,
        query: ListQuery,
        most_flows: usize,
        patience: Duration,
    ) -> Result<Result<Listing, ProbeFailure>, ProbeError> {
        let handle = self.handle(account)?;
        let (reply, listing) = oneshot::channel();
        let asked = AskedList {
            query: Arc::new(query),
            most_flows,
            patience,
            reply,
        };
        let sent = handle.messages.send(Message::List(asked));
        sent.map_err(|_| ProbeError::Changed)?;
        listing.await.map_err(|_| ProbeError::Changed)
    }

    fn handle(&self, account: &str) -> Result<Handle, ProbeError> {
        let handle = self.handles.get(account);
        handle.ok_or_else(|| ProbeError::NoSuchAccount(self.shard.without(account)))
    }

    async fn ask(&self, account: &str, asked: Asked, deadline: Instant) -> Result<Reply, ProbeError> {
        let handle = self.handle(account)?;
        let (reply, admission) = oneshot::channel();
        let request = ProbeRequest { asked, deadline, reply };
        let sent = handle.messages.send(Message::Fetch(request));
        sent.map_err(|_| ProbeError::Changed)?;
        match admission.await.map_err(|_| ProbeError::Changed)? {
            Admission::Taken(share) => share.answer(deadline).await.ok_or(ProbeError::Changed),
            Admission::Refused(failure) => Ok(Err(failure)),
            Admission::Busy(retry_after) => Err(ProbeError::Busy { retry_after }),
        }
    }
}
