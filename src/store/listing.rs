//! What reading a list of flows changes: very many flows at once, in one step.

use std::cmp::Ordering;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::time::Instant;

use super::record::FlowRecord;
use super::{AccountFlows, Change, LastError, Store, bounded, take};
use crate::model::{Discovery, FailureReason, FlowInfo, FlowReport, KeyId};

/// What a list says of one flow, ready to be taken in.
#[derive(Debug, Clone)]
pub struct ListUpdate {
    /// The flow, as it is from now on.
    pub info: Arc<FlowInfo>,
    /// What the list says of its state, without the nodes.
    pub report: FlowReport,
    /// Whether nothing of it has changed since its nodes were reported, so that they are what they were.
    pub nodes_stand: bool,
}

/// What a list has changed.
#[derive(Debug, Default)]
pub struct Taken {
    /// The flows whose status is another, or of which nothing was known before or the last fetch had failed; with what was reported.
    pub changes: Vec<(Change, FlowReport)>,
    /// The flows that have left, as they were last known.
    pub gone: Vec<Arc<FlowRecord>>,
}

impl Store {
    /// Takes a list in: `updates`, sorted by key, are the flows that it has, those that are new among them; `gone`, sorted as well, leave.
    /// Flows that were found before and are in neither stay as they are.
    pub fn listed(
        &self,
        account: &str,
        updates: Vec<ListUpdate>,
        gone: &[KeyId],
        discovery: Discovery,
        at: SystemTime,
    ) -> Taken {
        let mut inner = self.lock();
        inner.last_poll_ended = Instant::now();
        let terminal = inner.policy.terminal_poll_interval;
        let Some(account) = inner.accounts.get_mut(account) else {
            return Taken::default();
        };
        let AccountFlows { flows, state, .. } = Arc::make_mut(account);
        state.discovery = Some(discovery);
        let mut taken = Taken::default();
        let mut before = std::mem::take(flows).into_iter().peekable();
        let mut updates = updates.into_iter().peekable();
        flows.reserve_exact(before.len().max(updates.len()));
        loop {
            let order = match (before.peek(), updates.peek()) {
                (None, None) => break,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(flow), Some(update)) => flow.info.key_id.cmp(&update.info.key_id),
            };
            let mut flow = match order {
                Ordering::Less | Ordering::Equal => before.next(),
                Ordering::Greater => None,
            };
            let update = match order {
                Ordering::Greater | Ordering::Equal => updates.next(),
                Ordering::Less => None,
            };
            let Some(update) = update else {
                if let Some(flow) = &mut flow
                    && flow.listed.as_ref().is_some_and(|listed| listed.now)
                {
                    Arc::make_mut(flow).unlisted();
                }
                flows.extend(flow);
                continue;
            };
            let mut flow = flow.unwrap_or_else(|| Arc::new(FlowRecord::new(Arc::clone(&update.info))));
            let previous_status = flow.status();
            // That the list could not be read is no failure of the flow alone.
            let own_failure = flow.failure.as_ref().filter(|_| !flow.is_told_by_list());
            let previous_failure = own_failure.map(|failure| failure.reason);
            let record = Arc::make_mut(&mut flow);
            let ListUpdate {
                info,
                report,
                nodes_stand,
            } = update;
            record.info = info;
            record.listed(report.recall_attempts_completed, nodes_stand);
            if record.info.is_discovered() {
                take(record, state, report, at);
                if previous_status != record.status() || previous_failure.is_some() {
                    let change = Change {
                        flow: Arc::clone(&record.info),
                        previous_status,
                        previous_failure,
                        base_interval: record.base_interval(terminal),
                    };
                    taken.changes.push((change, report));
                }
            }
            flows.push(flow);
        }
        if !gone.is_empty() {
            flows.retain(|flow| {
                let stays = gone.binary_search(&flow.info.key_id).is_err() || !flow.info.is_discovered();
                if !stays {
                    taken.gone.push(Arc::clone(flow));
                }
                stays
            });
        }
        taken
    }

    /// Takes in that the list could not be read: nothing new is known of the flows that it tells of. Where it was not even asked for, because
    /// the account is blocked, that is no error of its own.
    pub fn list_failed(&self, account: &str, reason: FailureReason, detail: Option<String>, at: SystemTime) {
        let mut inner = self.lock();
        let asked = !matches!(reason, FailureReason::Blocked { .. });
        if asked {
            inner.last_poll_ended = Instant::now();
        }
        let Some(account) = inner.accounts.get_mut(account) else {
            return;
        };
        let detail = detail.map(bounded);
        let AccountFlows { flows, state, .. } = Arc::make_mut(account);
        for flow in flows.iter_mut().filter(|flow| flow.is_told_by_list()) {
            let known = flow.failure.as_ref();
            if known.is_none_or(|failure| failure.reason.label() != reason.label() || failure.detail != detail) {
                let reason = match reason {
                    FailureReason::Blocked { .. } => FailureReason::Blocked { tried: flow.tried() },
                    reason => reason,
                };
                Arc::make_mut(flow).failed(reason, detail.clone(), at);
            }
        }
        if asked {
            if let Some(discovery) = &mut state.discovery {
                (discovery.tried, discovery.complete) = (true, false);
            }
            state.last_error = Some(LastError {
                reason,
                detail,
                key_id: None,
                at,
            });
        }
    }

    /// A flow that was found leaves: the vendor does not know it any more. Returns it as it was last known.
    pub fn found_gone(&self, account: &str, key_id: KeyId) -> Option<Arc<FlowRecord>> {
        let mut inner = self.lock();
        let account = inner.accounts.get_mut(account)?;
        let flow = account.flow(key_id)?;
        if !flow.info.is_discovered() {
            return None;
        }
        let AccountFlows { flows, state, .. } = Arc::make_mut(account);
        let index = flows.binary_search_by_key(&key_id, |flow| flow.info.key_id).ok()?;
        if let Some(discovery) = &mut state.discovery {
            discovery.tracked = discovery.tracked.saturating_sub(1);
        }
        Some(flows.remove(index))
    }
}
