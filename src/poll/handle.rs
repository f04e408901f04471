//! How to reach the task of an account, and what it can be asked.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use exporter_toolkit::watched::Digest;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::condition::Pause;
use super::list::Listing;
use super::probes::{Asked, Share};
use crate::api::{Client, Connection, Credentials, Error, ListQuery};
use crate::config::Discovery;
use crate::model::{AccountName, FailureReason, FlowReport};
use crate::store::FlowRecord;

/// What the configuration says of an account, ready for use. Its flows are those that the store tracks.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) account: AccountName,
    pub(super) client: Client,
    /// What the client is made from.
    pub(super) connection: Connection,
    pub(super) credentials: Credentials,
    pub(super) rate_limit: f64,
    pub(super) max_concurrent_requests: usize,
    pub(super) terminal_poll_interval: Duration,
    /// Whether its balance is asked for.
    pub(super) balance: bool,
    /// How flows are found in its list, where they are.
    pub(super) discovery: Option<Discovery>,
    /// How often the outcomes of its flows' rounds are read; `None` where they are not.
    pub(super) outcome_interval: Option<Duration>,
}

impl Settings {
    /// Stands for the key in force.
    pub(super) fn api_key(&self) -> Digest {
        Digest::of(self.credentials.current().api_key.expose().as_bytes())
    }
}

/// A new configuration for an account that goes on.
#[derive(Debug)]
pub(super) struct Update {
    pub(super) settings: Settings,
    /// Flows that are not polled any more, as they were last known.
    pub(super) gone: Vec<Arc<FlowRecord>>,
}

/// What an account is asked to do.
#[derive(Debug)]
pub(super) enum Message {
    /// Go on with a new configuration.
    Update(Box<Update>),
    /// Fetch one flow for somebody who waits for it.
    Fetch(ProbeRequest),
    /// Read the list of flows for somebody who waits for it.
    List(AskedList),
}

/// The list, out of turn.
#[derive(Debug)]
pub(super) struct AskedList {
    pub(super) query: Arc<ListQuery>,
    /// No further page is asked for once there are so many flows.
    pub(super) most_flows: usize,
    /// How long a page may take.
    pub(super) patience: Duration,
    pub(super) reply: oneshot::Sender<Result<Listing, ProbeFailure>>,
}

/// One flow out of turn.
#[derive(Debug)]
pub(super) struct ProbeRequest {
    pub(super) asked: Asked,
    /// Until when somebody waits for it.
    pub(super) deadline: Instant,
    pub(super) reply: oneshot::Sender<Admission>,
}

/// Whether a [`ProbeRequest`] is taken.
#[derive(Debug)]
pub(super) enum Admission {
    /// It is, and so is the answer that this is a share in.
    Taken(Share),
    /// The account is not asked at present.
    Refused(ProbeFailure),
    /// Too many wait already; there may be room after this long.
    Busy(Duration),
}

/// What a probe brought.
pub type Reply = Result<FlowReport, ProbeFailure>;

/// Why a probe brought nothing.
#[derive(Debug, Clone)]
pub struct ProbeFailure {
    /// The reason, as metrics tell it.
    pub reason: FailureReason,
    /// What went wrong in the system's or the protocol's words, where something did; no part of an answer.
    pub error: Option<String>,
}

impl ProbeFailure {
    /// It is not made, because the vendor wants to be left alone.
    pub(super) fn paused(pause: Pause, now: Instant) -> Self {
        let seconds = pause.until.saturating_duration_since(now).as_secs();
        Self {
            reason: FailureReason::HttpStatus(pause.status),
            error: Some(format!(
                "not asked: the vendor answered HTTP status {} and wants to be left alone for {seconds} s more (Retry-After)",
                pause.status
            )),
        }
    }
}

impl From<&Error> for ProbeFailure {
    fn from(error: &Error) -> Self {
        Self {
            reason: error.reason(),
            error: Some(error.to_string()),
        }
    }
}

impl From<FailureReason> for ProbeFailure {
    fn from(reason: FailureReason) -> Self {
        Self { reason, error: None }
    }
}

/// The way to the task of one account.
#[derive(Debug, Clone)]
pub(super) struct Handle {
    pub(super) messages: mpsc::UnboundedSender<Message>,
    /// Of the key as of the last configuration, to tell whether another one has the same. The key itself is not kept: it may be rotated.
    pub(super) api_key: Digest,
    pub(super) stop: CancellationToken,
    /// Cancelled when it has ended.
    pub(super) ended: CancellationToken,
}

/// The accounts that are polled at present.
#[derive(Debug, Clone, Default)]
pub(super) struct Handles(Arc<Mutex<HashMap<AccountName, Handle>>>);

impl Handles {
    /// Looks an account up.
    pub(super) fn get(&self, account: &str) -> Option<Handle> {
        self.lock().get(account).cloned()
    }

    /// All of them.
    pub(super) fn all(&self) -> HashMap<AccountName, Handle> {
        self.lock().clone()
    }

    /// Puts others in their place.
    pub(super) fn replace(&self, handles: HashMap<AccountName, Handle>) {
        *self.lock() = handles;
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AccountName, Handle>> {
        // It is replaced as a whole, so it is sound even after a panic elsewhere.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
