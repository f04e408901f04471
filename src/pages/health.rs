//! `/-/healthy` and `/-/ready`: whether to restart this process, and whether it has something to show.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;

use crate::store::{AccountFlows, BLOCKED_TRY_INTERVAL, Snapshot, Store};

/// What health is judged by.
#[derive(Debug, Clone)]
pub struct Health {
    store: Arc<Store>,
    /// Set once every flow was tried: readiness is about the start, and is never taken back. An outage of the vendor must not make
    /// Prometheus lose the target.
    ready: Arc<AtomicBool>,
}

impl Health {
    /// Judges by the store.
    pub fn new(store: Arc<Store>) -> Self {
        Self {
            store,
            ready: Arc::default(),
        }
    }

    /// Whether polling works: a poll has ended, well or badly, within three of the shortest interval plus one request's time; or there
    /// is nothing to poll. A dead-man switch, not a mirror of the vendor's health: an account that it refuses is tried once a minute.
    pub fn healthy(&self) -> bool {
        let snapshot = self.store.snapshot();
        let Some(interval) = shortest_interval(&snapshot) else {
            return true;
        };
        let silence = snapshot.taken.saturating_duration_since(snapshot.last_poll_ended);
        silence <= interval * 3 + snapshot.policy.request_timeout
    }

    /// Whether every flow has been tried once since the start, and every list that flows are found in. A flow that was skipped was not tried; a blocked account tries one a
    /// minute, and all of them as soon as its credentials change.
    fn ready(&self) -> bool {
        if self.ready.load(Ordering::Relaxed) {
            return true;
        }
        let snapshot = self.store.snapshot();
        let is_ready = |account: &Arc<AccountFlows>| {
            account.state.discovery.is_none_or(|discovery| discovery.tried)
                && account.flows.iter().all(|flow| flow.tried())
        };
        let ready = snapshot.accounts.iter().all(is_ready);
        if ready {
            self.ready.store(true, Ordering::Relaxed);
        }
        ready
    }
}

fn shortest_interval(snapshot: &Snapshot) -> Option<Duration> {
    // A paused account is not to be asked: nothing is expected of it.
    let asked = snapshot.accounts.iter().filter(|account| !account.state.paused);
    let intervals = asked.flat_map(|account| {
        let least = if account.state.blocked {
            BLOCKED_TRY_INTERVAL
        } else {
            Duration::ZERO
        };
        let list = account
            .state
            .discovery
            .map(|discovery| account.state.stretched(discovery.interval));
        let flows = account.flows.iter().map(|flow| snapshot.poll_interval(account, flow));
        flows.chain(list).map(move |interval| interval.max(least))
    });
    intervals.min()
}

/// Answers `/-/healthy` (Prometheus' management API).
pub async fn healthy(State(health): State<Health>) -> (StatusCode, &'static str) {
    if health.healthy() {
        (StatusCode::OK, "Healthy: polling works.\n")
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "Not healthy: no poll has ended for three intervals; the log may say why.\n",
        )
    }
}

/// Answers `/-/ready`.
pub async fn ready(State(health): State<Health>) -> (StatusCode, &'static str) {
    if health.ready() {
        (StatusCode::OK, "Ready.\n")
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "Not ready: some flows, or a list of flows, have not been tried since the start.\n",
        )
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::model::{FailureReason, FlowInfo, KeyId, Outcome};
    use crate::store::{AccountFlows, Policy, TrackedAccount};

    fn info(key_id: u64) -> FlowInfo {
        FlowInfo::configured(KeyId::new(key_id).unwrap(), Duration::from_secs(60))
    }

    fn health(flows: u64) -> Health {
        let policy = Policy {
            stale_after: Duration::from_secs(300),
            terminal_poll_interval: Duration::from_secs(900),
            request_timeout: Duration::from_secs(10),
        };
        let infos = (1..=flows).map(info);
        Health::new(Arc::new(Store::new(policy, [AccountFlows::new("main".into(), infos)])))
    }

    fn poll_ends(health: &Health, key_id: u64) {
        let timeout = FailureReason::Transport(Outcome::Timeout);
        health
            .store
            .failed(
                "main",
                KeyId::new(key_id).unwrap(),
                timeout,
                None,
                SystemTime::UNIX_EPOCH,
            )
            .unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn healthy_as_long_as_polls_end_however_badly() {
        let health = health(2);
        let limit = Duration::from_secs(3 * 60 + 10);
        tokio::time::advance(limit).await;
        assert!(health.healthy());
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(!health.healthy());
        poll_ends(&health, 2);
        assert!(health.healthy());
    }

    #[tokio::test(start_paused = true)]
    async fn healthy_where_there_is_nothing_to_poll() {
        let health = health(0);
        tokio::time::advance(Duration::from_secs(86_400)).await;
        assert!(health.healthy() && health.ready());
    }

    #[tokio::test(start_paused = true)]
    async fn a_blocked_account_is_expected_to_try_once_a_minute_only() {
        let health = health(2);
        let short = Policy::default();
        let flow = FlowInfo {
            poll_interval: Duration::from_secs(1),
            ..info(1)
        };
        let account = TrackedAccount {
            name: "main".into(),
            flows: vec![flow],
            discovers: false,
        };
        health.store.apply(short, vec![account], &[]);
        tokio::time::advance(Duration::from_secs(60)).await;
        assert!(!health.healthy());
        health.store.update_account("main", |account| account.blocked = true);
        assert!(health.healthy());
        tokio::time::advance(Duration::from_secs(121)).await;
        assert!(!health.healthy());
    }

    #[tokio::test(start_paused = true)]
    async fn a_paused_account_is_not_expected_to_be_asked_and_begins_anew_when_the_pause_is_over() {
        let health = health(1);
        let pause = |paused| health.store.update_account("main", |account| account.paused = paused);
        pause(true);
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert!(health.healthy());
        pause(false);
        assert!(health.healthy());
        tokio::time::advance(Duration::from_secs(3 * 60 + 11)).await;
        assert!(!health.healthy());
    }

    #[tokio::test(start_paused = true)]
    async fn ready_once_every_flow_was_tried_and_not_when_it_was_skipped() {
        let health = health(2);
        assert!(!health.ready());
        poll_ends(&health, 1);
        let skipped = KeyId::new(2).unwrap();
        health.store.skipped("main", skipped, SystemTime::UNIX_EPOCH).unwrap();
        assert!(!health.ready());
        poll_ends(&health, 2);
        assert!(health.ready());
    }
}
