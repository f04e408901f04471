//! What is known of one account, with its flows.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::record::FlowRecord;
use crate::model::{AccountName, Balance, CountByStatus, Discovery, FailureReason, FlowInfo, KeyId};

/// How often an account is tried that the vendor refuses: soon enough to see the repair, too seldom to be a nuisance.
pub const BLOCKED_TRY_INTERVAL: Duration = Duration::from_secs(60);

/// The last request that failed for a reason of its own, of any flow of an account or for its list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastError {
    /// Why; never [`FailureReason::Blocked`], which would hide what the account is blocked for.
    pub reason: FailureReason,
    /// The same in the system's or the protocol's words.
    pub detail: Option<Arc<str>>,
    /// Of which flow; `None` for the list.
    pub key_id: Option<KeyId>,
    /// When, by the calendar.
    pub at: SystemTime,
}

/// What is known of an account as a whole.
#[derive(Debug, Clone, PartialEq)]
pub struct AccountState {
    /// Requests per second that the configuration asks for ÷ the account's rate limit.
    pub budget_ratio: f64,
    /// Refused credentials or a refused address have stopped all polls but one probe a minute.
    pub blocked: bool,
    /// The vendor has asked to be left alone for a while (`Retry-After`), and is.
    pub paused: bool,
    /// The vendor's clock minus ours in seconds, from its `Date` header; `None` until one was seen.
    pub clock_skew_seconds: Option<f64>,
    /// What went wrong last, whether or not it is over.
    pub last_error: Option<LastError>,
    /// What the account has, where that is asked for and was answered of late.
    pub balance: Option<Balance>,
    /// How finding flows in the vendor's list goes, where it is read.
    pub discovery: Option<Discovery>,
    /// How often its group calls are read, for the outcomes of its flows' rounds; `None` where they are not.
    pub outcome_interval: Option<Duration>,
    /// How often flows of the account were seen to enter each status, those that are not tracked any more included.
    pub transitions: CountByStatus,
}

impl AccountState {
    pub(super) const NEW: Self = Self {
        budget_ratio: 0.0,
        blocked: false,
        paused: false,
        clock_skew_seconds: None,
        last_error: None,
        balance: None,
        discovery: None,
        outcome_interval: None,
        transitions: CountByStatus::NONE,
    };

    /// By how much every interval of the account is stretched so that the rate limit holds; at least 1.
    pub fn stretch(&self) -> f64 {
        self.budget_ratio.max(1.0)
    }

    /// An interval that the configuration asks for, stretched so that the rate limit holds.
    pub fn stretched(&self, interval: Duration) -> Duration {
        stretched(interval, self.stretch())
    }
}

/// An interval that is `stretch` times as long, but never longer than a century: times that far away cannot be reckoned with.
pub fn stretched(interval: Duration, stretch: f64) -> Duration {
    const CENTURY: Duration = Duration::from_secs(100 * 365 * 86_400);
    Duration::try_from_secs_f64(interval.as_secs_f64() * stretch).map_or(CENTURY, |stretched| stretched.min(CENTURY))
}

/// One account with its flows.
#[derive(Debug, Clone)]
pub struct AccountFlows {
    /// The account's name.
    pub name: AccountName,
    /// What is known of the account as a whole.
    pub state: AccountState,
    /// Its flows, sorted by key.
    pub flows: Vec<Arc<FlowRecord>>,
}

impl AccountFlows {
    /// A new account of which nothing is known yet; each key is taken once.
    pub fn new(name: AccountName, infos: impl IntoIterator<Item = FlowInfo>) -> Self {
        let mut flows: Vec<_> = infos
            .into_iter()
            .map(|info| Arc::new(FlowRecord::new(Arc::new(info))))
            .collect();
        flows.sort_unstable_by_key(|flow| flow.info.key_id);
        flows.dedup_by_key(|flow| flow.info.key_id);
        flows.shrink_to_fit();
        Self {
            name,
            state: AccountState::NEW,
            flows,
        }
    }

    /// Takes over what was known before a reload, of the account and of each flow that stays. Flows that were found stay where further ones
    /// are looked for.
    pub(super) fn inherit(&mut self, before: &Self, discovers: bool) {
        self.state = before.state.clone();
        if discovers {
            let found = before.flows.iter().filter(|flow| flow.info.is_discovered());
            let found: Vec<_> = found
                .filter(|flow| self.flow(flow.info.key_id).is_none())
                .cloned()
                .collect();
            self.flows.extend(found);
            self.flows.sort_unstable_by_key(|flow| flow.info.key_id);
        }
        for flow in &mut self.flows {
            if let Some(known) = before.flow(flow.info.key_id)
                && !Arc::ptr_eq(known, flow)
            {
                // What did not change is taken anew as well: of the old configuration nothing stays, so that all its memory comes back, and
                // not only what lies between that of unchanged flows.
                let record = Arc::make_mut(flow);
                *record = FlowRecord {
                    info: Arc::clone(&record.info),
                    ..FlowRecord::clone(known)
                };
            }
        }
    }

    /// The record of one flow.
    pub fn flow(&self, key_id: KeyId) -> Option<&Arc<FlowRecord>> {
        let index = self.flows.binary_search_by_key(&key_id, |flow| flow.info.key_id).ok()?;
        self.flows.get(index)
    }
}
