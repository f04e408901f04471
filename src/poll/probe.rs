//! One flow out of turn, for somebody who is waiting: a request to the task of the flow's account.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::handle::{Handles, Message, ProbeFailure, ProbeRequest, Reply};
use crate::model::{FlowReport, KeyId};
use crate::store::{Snapshot, Store};
use exporter_toolkit::clock::SharedClock;

/// Fetches single flows on request.
#[derive(Debug, Clone)]
pub struct Prober {
    pub(super) handles: Handles,
    pub(super) store: Arc<Store>,
    pub(super) clock: SharedClock,
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

/// There is no account of this name.
#[derive(Debug, thiserror::Error)]
#[error("there is no account of this name in the configuration")]
pub struct NoSuchAccount;

impl Prober {
    /// Fetches one flow, configured or not, and gives up after `timeout`. The running poller's own knowledge of the flow does not
    /// change, but a refusal counts towards blocking the account, and in a blocked account nothing is asked.
    ///
    /// # Errors
    /// If there is no account of this name.
    pub async fn probe(&self, account: &str, key_id: KeyId, timeout: Duration) -> Result<Probed, NoSuchAccount> {
        let started = Instant::now();
        let result = self
            .ask(account, key_id, started + timeout, false)
            .await
            .ok_or(NoSuchAccount)?;
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
    /// If there is no account of this name.
    pub async fn first_page(&self, account: &str, key_id: KeyId, timeout: Duration) -> Result<Reply, NoSuchAccount> {
        let deadline = Instant::now() + timeout;
        self.ask(account, key_id, deadline, true).await.ok_or(NoSuchAccount)
    }

    /// `None` where there is no such account, or it has gone meanwhile.
    async fn ask(&self, account: &str, key_id: KeyId, deadline: Instant, first_page_only: bool) -> Option<Reply> {
        let handle = self.handles.get(account)?;
        let (reply, answer) = oneshot::channel();
        let request = ProbeRequest {
            key_id,
            deadline,
            first_page_only,
            reply,
        };
        handle.messages.send(Message::Fetch(request)).ok()?;
        answer.await.ok()
    }
}
