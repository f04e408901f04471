//! What a simulator is told at its start.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::balance::Balance;
use crate::births::Births;
use crate::dialect::Dialect;
use crate::fault::FaultPlan;
use crate::lifecycle::{FlowState, Lifecycle};
use crate::list_dialect::ListDialect;
use crate::random::fraction;
use crate::times::ZoneOffset;

/// Everything that is fixed at the start. [`Settings::default`] is a vendor without accounts, in real time, without latency.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Decides all that is left to chance. The same seed gives the same lives, dialects and faults.
    pub seed: u64,
    /// Simulated seconds in a real second: how fast flows live. The calendar (`Timestamp`, `Date`) is always the real one.
    pub speed: f64,
    /// How long answers take.
    pub latency: Latency,
    /// How far a request's `Timestamp` may be from the server's clock, either way. One of the vendor's pages says half an hour.
    pub allowed_skew: Duration,
    /// Remember the moment of every arrival, for tests of rates; it costs memory with every request.
    pub record_arrivals: bool,
    /// What goes wrong everywhere.
    pub faults: Option<FaultPlan>,
    /// The accounts. Names and API keys are unique; of two that are not, the later one counts.
    pub accounts: Vec<Account>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 1,
            speed: 1.0,
            latency: Latency::default(),
            allowed_skew: Duration::from_secs(30 * 60),
            record_arrivals: false,
            faults: None,
            accounts: Vec::new(),
        }
    }
}

/// How long answers take: always `fixed_ms`, and up to `jitter_ms` more by seed. Milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Latency {
    /// Milliseconds for every answer.
    pub fixed_ms: u32,
    /// Up to this many milliseconds more.
    pub jitter_ms: u32,
}

impl Latency {
    pub(crate) fn draw(self, hash: u64) -> Duration {
        let jitter = f64::from(self.jitter_ms) * fraction(hash);
        Duration::from_millis(self.fixed_ms.into()) + Duration::from_micros((jitter * 1000.0) as u64)
    }
}

/// An account with the vendor.
#[derive(Clone, Default)]
pub struct Account {
    /// How control and counts call it; the vendor's API never says it.
    pub name: String,
    /// `Api-Key`
    pub api_key: String,
    /// The secret that signatures are made with.
    pub api_secret: String,
    /// The account's flows. A `keyId` that is not among them answers -22.
    pub flows: Vec<Flow>,
    /// What goes wrong in this account.
    pub faults: Option<FaultPlan>,
    /// In which of the vendor's forms its lists and its balance are answered; by seed where `None`.
    pub list_dialect: Option<ListDialect>,
    /// The zone that lists write their times in.
    pub time_zone: ZoneOffset,
    /// What it has at the start; by seed where `None`.
    pub balance: Option<Balance>,
    /// Flows that it gets while the simulator runs.
    pub births: Option<Births>,
}

// Someone may simulate with the keys of a real account: they stay out of what is printed.
impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("name", &self.name)
            .field("flows", &self.flows.len())
            .field("faults", &self.faults)
            .finish_non_exhaustive()
    }
}

/// A flow of an account.
#[derive(Debug, Clone, Default)]
pub struct Flow {
    /// `keyId`
    pub key_id: u64,
    /// How its state changes over time.
    pub lifecycle: Lifecycle,
    /// In which of the vendor's forms it answers; by seed where `None`.
    pub dialect: Option<Dialect>,
    /// What goes wrong when this flow is asked for.
    pub faults: Option<FaultPlan>,
    /// `taskName`: the name of the group call that it was made for; by seed where `None`.
    pub task_name: Option<String>,
    /// `taskId`: the key of that group call; made from the flow's key where `None`.
    pub task_id: Option<i64>,
    /// How long before the simulator's start it was created, by the calendar; when its first life began where `None`.
    pub age: Option<Duration>,
}

impl Flow {
    /// A flow that stays in this state, in the documented form.
    pub fn fixed(key_id: u64, state: FlowState) -> Self {
        Self {
            key_id,
            lifecycle: Lifecycle::Fixed(state),
            dialect: Some(Dialect::default()),
            ..Self::default()
        }
    }

    /// A flow that the seed decides all about.
    pub fn seeded(key_id: u64) -> Self {
        Self {
            key_id,
            ..Self::default()
        }
    }

    /// A key that is no flow's yet.
    pub(crate) fn unknown(key_id: u64) -> Self {
        Self {
            lifecycle: Lifecycle::Missing,
            ..Self::seeded(key_id)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printing_settings_shows_no_secret() {
        let settings = Settings {
            accounts: vec![Account {
                name: "retail".into(),
                api_key: "theKey".into(),
                api_secret: "theSecret".into(),
                flows: vec![Flow::seeded(1)],
                ..Account::default()
            }],
            ..Settings::default()
        };
        let text = format!("{settings:?}");
        assert!(text.contains("retail"));
        assert!(!text.contains("theSecret") && !text.contains("theKey"), "{text}");
    }
}
