//! One flow out of turn, for somebody who is waiting: through the account's own limits, credentials and standing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::account::{Message, Standing};
use super::fetch::{Access, Fetched, Order};
use crate::clock::SharedClock;
use crate::model::{AccountName, FailureReason, FlowInfo, FlowReport, KeyId, Outcome};
use crate::store::{AccountFlows, Snapshot, Store};

/// Where the accounts can be reached at present.
pub(super) type Doors = Arc<Mutex<HashMap<AccountName, Door>>>;

/// The way to one account.
#[derive(Debug, Clone)]
pub(super) struct Door {
    pub(super) access: Arc<Mutex<Arc<Access>>>,
    pub(super) messages: mpsc::UnboundedSender<Message>,
}

/// Fetches single flows on request.
#[derive(Debug, Clone)]
pub struct Prober {
    pub(super) doors: Doors,
    pub(super) store: Arc<Store>,
    pub(super) clock: SharedClock,
}

/// What a probe brought.
#[derive(Debug)]
pub struct Probed {
    /// The one flow, in the one account.
    pub snapshot: Snapshot,
    /// Whether it could be fetched.
    pub success: bool,
    /// What went wrong in the system's or the protocol's words, where it could not; no part of an answer.
    pub error: Option<String>,
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
        let door = self
            .doors
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(account)
            .cloned();
        let door = door.ok_or(NoSuchAccount)?;
        let access = Arc::clone(&door.access.lock().unwrap_or_else(PoisonError::into_inner));
        let started = Instant::now();
        let result = fetch(&access, &door, key_id, timeout).await;
        let duration = started.elapsed();
        let error = result.as_ref().err().and_then(|(_, words)| words.clone());
        let success = result.is_ok();
        let store = self.store_of_one(&access.account, key_id, timeout);
        let now = self.clock.now();
        match result {
            Ok(report) => store.succeeded(&access.account, key_id, report, now),
            Err((reason, _)) => store.failed(&access.account, key_id, reason, now),
        };
        Ok(Probed {
            snapshot: store.snapshot(),
            success,
            error,
            duration,
        })
    }

    /// A store with this flow alone, as far as the running one knows it: what began before this probe began then.
    fn store_of_one(&self, account: &AccountName, key_id: KeyId, timeout: Duration) -> Store {
        let running = self.store.snapshot();
        let known = self.store.flow(account, key_id);
        let flow = match known {
            Some(known) => AccountFlows::of_record(account.clone(), known),
            None => {
                let info = FlowInfo {
                    key_id,
                    name: None,
                    labels: Box::default(),
                    poll_interval: timeout,
                };
                AccountFlows::new(account.clone(), [info])
            }
        };
        Store::new(running.policy, [flow])
    }
}

async fn fetch(
    access: &Access,
    door: &Door,
    key_id: KeyId,
    timeout: Duration,
) -> Result<FlowReport, (FailureReason, Option<String>)> {
    if access.is_blocked() {
        return Err((FailureReason::Blocked, None));
    }
    let deadline = Instant::now() + timeout;
    let Ok(ticket) = tokio::time::timeout_at(deadline, access.limits.ticket()).await else {
        return Err((FailureReason::Transport(Outcome::Timeout), None));
    };
    let order = Order {
        key_id,
        interval: deadline.saturating_duration_since(Instant::now()),
        paging: true,
        hurry: true,
    };
    let Fetched {
        result,
        clock_skew_seconds,
        ..
    } = access.fetch(order, ticket).await;
    // An account that has gone meanwhile has no standing to keep.
    let _ = door
        .messages
        .send(Message::Probed(Standing::of(&result), clock_skew_seconds));
    result.map_err(|error| (error.reason(), Some(error.to_string())))
}
