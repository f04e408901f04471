//! The demo's cast: 32 flows in four accounts, with lives written so that a five-minute look shows everything, every alert's cause too.

use crate::dialect::{Dialect, Envelope, Shape};
use crate::fault::{Fault, FaultPlan};
use crate::lifecycle::{FlowState, Lifecycle, Outcome, Script};
use crate::settings::{Account, Flow, Latency, Settings};

/// A simulated minute in a real second: a flow that waits ten minutes between rounds moves on every ten seconds.
const SPEED: f64 = 60.0;

/// What the demo's configuration says of an account.
#[derive(Debug, Clone, Copy)]
pub struct DemoAccount {
    /// The account's name.
    pub name: &'static str,
    /// `Api-Key`
    pub api_key: &'static str,
    /// The secret that belongs to it; made up, like everything here.
    pub api_secret: &'static str,
    /// Requests per second that the exporter may send.
    pub rate_limit: f64,
    /// The flows to watch. One of them the vendor does not know.
    pub flows: &'static [DemoFlow],
    /// Whether the vendor refuses the account, so that none of its flows can be fetched.
    pub refused: bool,
}

/// What the demo's configuration says of a flow.
#[derive(Debug, Clone, Copy)]
pub struct DemoFlow {
    /// `keyId`
    pub key_id: u64,
    /// A name for people.
    pub name: &'static str,
    /// Who looks after it; a configured label.
    pub team: &'static str,
    role: Role,
}

/// One line of a flow's part; minutes of simulated time, which are seconds in the demo.
#[derive(Debug, Clone, Copy)]
enum Role {
    /// Outcome, rounds, interval, pending before and rest after, age at the start.
    Lives(Outcome, u16, u32, u32, u32, u32),
    /// Stays as its life ended; course, rounds, interval, age at the start.
    Stays(Outcome, u16, u32, u32),
    /// Never moves; status, rounds, interval, the rounds' statuses.
    Stands(i64, u16, u32, &'static [i64]),
    /// The same, and the web server before the vendor answers instead of it.
    Unreachable(i64, u16, u32, &'static [i64]),
    Gone,
}

const fn flow(key_id: u64, name: &'static str, team: &'static str, role: Role) -> DemoFlow {
    DemoFlow {
        key_id,
        name,
        team,
        role,
    }
}

const fn account(
    name: &'static str,
    api_key: &'static str,
    api_secret: &'static str,
    rate_limit: f64,
    flows: &'static [DemoFlow],
    refused: bool,
) -> DemoAccount {
    DemoAccount {
        name,
        api_key,
        api_secret,
        rate_limit,
        flows,
        refused,
    }
}

use Outcome::{Cancelled, Completes, Exception, FailingNode, Undocumented};
use Role::{Gone, Lives, Stands, Stays, Unreachable};

const REPAIRED: Outcome = Exception {
    round: 1,
    repair: Some(45),
};
const BAD_GATEWAY: Fault = Fault::HttpStatus {
    status: 502,
    retry_after: None,
};
const NEVER_REPAIRED: Outcome = Exception { round: 1, repair: None };

#[rustfmt::skip]
const RETAIL: [DemoFlow; 18] = [
    flow(1001, "Cart reminder EN",      "growth",    Lives(Completes, 3, 20, 25, 40, 0)),
    flow(1002, "Cart reminder ES",      "growth",    Lives(Completes, 2, 30, 40, 30, 45)),
    flow(1003, "Spring sale invite",    "growth",    Lives(FailingNode { round: 0 }, 4, 15, 20, 60, 30)),
    flow(1004, "Loyalty points expiry", "loyalty",   Lives(Cancelled { round: 1 }, 5, 15, 20, 40, 10)),
    flow(1005, "Delivery slot confirm", "logistics", Lives(Completes, 5, 10, 15, 30, 20)),
    flow(1006, "Delivery delay notice", "logistics", Lives(REPAIRED, 4, 20, 15, 30, 0)),
    flow(1007, "Returns pickup",        "logistics", Lives(Completes, 2, 15, 60, 60, 0)),
    flow(1008, "Warranty renewal",      "support",   Stays(NEVER_REPAIRED, 6, 30, 90)),
    flow(1009, "Customer survey Q3",    "support",   Lives(Undocumented { round: 1, status: 7 }, 3, 30, 20, 40, 10)),
    flow(1010, "Win-back dormant",      "loyalty",   Lives(Completes, 10, 10, 20, 60, 50)),
    flow(1011, "Birthday greeting",     "loyalty",   Stays(Completes, 1, 5, 60)),
    flow(1012, "Store opening Lagos",   "growth",    Stays(Cancelled { round: 0 }, 3, 60, 60)),
    flow(1013, "Preorder ready",        "logistics", Lives(FailingNode { round: 1 }, 3, 20, 30, 30, 20)),
    flow(1014, "Old loyalty pilot",     "loyalty",   Gone),
    flow(1015, "Newsletter confirm",    "growth",    Unreachable(1, 3, 30, &[2, 1, 0])),
    flow(1016, "Product recall",        "support",   Stands(1, 10, 1440, &[2, 4, 1, 0, 0])),
    flow(1017, "Gift card follow-up",   "growth",    Stands(1, 1, 1, &[1])),
    flow(1018, "Store rating",          "support",   Stands(0, 3, 1, &[0, 0, 0])),
];

#[rustfmt::skip]
const FINANCE: [DemoFlow; 10] = [
    flow(2001, "Payment due in 3 days", "collections", Lives(Completes, 3, 15, 20, 30, 0)),
    flow(2002, "Payment overdue 7d",    "collections", Lives(Completes, 6, 10, 10, 30, 25)),
    flow(2003, "Payment overdue 30d",   "collections", Lives(REPAIRED, 5, 15, 10, 45, 40)),
    flow(2004, "Promise to pay",        "collections", Lives(Cancelled { round: 2 }, 4, 20, 15, 60, 30)),
    flow(2005, "KYC documents missing", "risk",        Lives(Completes, 2, 40, 45, 45, 20)),
    flow(2006, "Card fraud check",      "risk",        Lives(FailingNode { round: 0 }, 3, 10, 10, 60, 15)),
    flow(2007, "Loan offer callback",   "sales",       Lives(Completes, 4, 20, 30, 40, 60)),
    flow(2008, "Account opening",       "sales",       Lives(Completes, 1, 60, 50, 50, 0)),
    flow(2009, "Insurance upsell",      "sales",       Lives(Undocumented { round: 0, status: 7 }, 2, 40, 60, 30, 0)),
    flow(2010, "Branch closing notice", "support",     Stays(Completes, 4, 15, 200)),
];

/// Slow, and with a clock that is off.
#[rustfmt::skip]
const TRAVEL: [DemoFlow; 2] = [
    flow(3001, "Check-in reminder",     "bookings",  Lives(Completes, 3, 20, 20, 30, 0)),
    flow(3002, "Rebooking offer",       "bookings",  Lives(Completes, 4, 15, 30, 30, 20)),
];

/// Refused by the vendor.
#[rustfmt::skip]
const CLINIC: [DemoFlow; 2] = [
    flow(4001, "Appointment reminder",  "care",      Lives(Completes, 3, 20, 20, 30, 0)),
    flow(4002, "Vaccination recall",    "care",      Lives(Completes, 2, 30, 10, 30, 0)),
];

/// Requests per second: enough for every flow every second, with pages and retries.
const AMPLE: f64 = 50.0;

#[rustfmt::skip]
const ACCOUNTS: [DemoAccount; 4] = [
    account("retail",  "demoRtl1", "demo-secret-of-retail",  AMPLE, &RETAIL,  false),
    account("finance", "demoFin2", "demo-secret-of-finance", AMPLE, &FINANCE, false),
    // Less than its flows ask for, even when all of them are completed.
    account("travel",  "demoTrv3", "demo-secret-of-travel",  0.2,   &TRAVEL,  false),
    account("clinic",  "demoCln4", "demo-secret-of-clinic",  AMPLE, &CLINIC,  true),
];

/// The demo's accounts, for the configuration of an exporter that watches them.
pub fn demo_accounts() -> [DemoAccount; 4] {
    ACCOUNTS
}

impl Settings {
    /// The vendor as the demo shows it: the flows of [`demo_accounts`], a simulated minute to the second.
    ///
    /// Within five minutes every status is seen, and every kind of trouble that an alert is about: a flow stuck in an execution exception
    /// from the start, a failed round in one that goes on, one that takes too long and one that does not begin, one that the vendor does
    /// not know (-22), one that cannot be fetched; an account with many errors, one that is slow and has a clock of its own, one that
    /// is refused (-2).
    pub fn demo(seed: u64) -> Self {
        let accounts = demo_accounts().map(|account| Account {
            name: account.name.into(),
            api_key: account.api_key.into(),
            api_secret: account.api_secret.into(),
            flows: account.flows.iter().map(DemoFlow::flow).collect(),
            faults: None,
        });
        let [retail, mut finance, mut travel, mut clinic] = accounts;
        finance.faults = Some(FaultPlan::mix([
            (0.08, Fault::code(-18)),
            (0.04, Fault::Reset),
            (0.005, Fault::code(-54)),
        ]));
        travel.faults = Some(FaultPlan::always(Fault::ClockOffset { seconds: 7 * 60 }));
        for flow in &mut travel.flows {
            flow.faults = Some(FaultPlan::always(Fault::Delay { milliseconds: 6_000 }));
        }
        clinic.faults = Some(FaultPlan::always(Fault::code(-2)));
        Self {
            seed,
            speed: SPEED,
            latency: Latency {
                fixed_ms: 20,
                jitter_ms: 60,
            },
            accounts: vec![retail, finance, travel, clinic],
            ..Self::default()
        }
    }
}

impl DemoFlow {
    fn flow(&self) -> Flow {
        let script = |outcome, recall_num, recall_interval, pending, rest, age| {
            Lifecycle::Scripted(Script {
                outcome,
                recall_type: i64::from(!self.key_id.is_multiple_of(5)),
                recall_num,
                recall_interval,
                pending,
                rest,
                age,
            })
        };
        let lifecycle = match self.role {
            Lives(outcome, rounds, interval, pending, rest, age) => {
                script(outcome, rounds, interval, pending, Some(rest), age)
            }
            Stays(outcome, rounds, interval, age) => script(outcome, rounds, interval, 10, None, age),
            Stands(status, rounds, interval, nodes) | Unreachable(status, rounds, interval, nodes) => {
                Lifecycle::Fixed(FlowState {
                    recall_num: Some(rounds.into()),
                    recall_interval: Some(interval.into()),
                    ..FlowState::with_nodes(status, nodes)
                })
            }
            Gone => Lifecycle::Missing,
        };
        Flow {
            key_id: self.key_id,
            lifecycle,
            dialect: Some(self.dialect()),
            faults: matches!(self.role, Unreachable(..)).then(|| FaultPlan::always(BAD_GATEWAY)),
        }
    }

    /// Most flows answer in the documented form; each other form is shown by some of those that have nothing else to show.
    #[rustfmt::skip]
    fn dialect(&self) -> Dialect {
        let plain = Dialect::default();
        match self.key_id {
            1005 => Dialect { shape: Shape::Records, page_size: 2, ..plain },
            1007 => Dialect { numbers_as_text: true, code_as_text: true, ..plain },
            1010 => Dialect { shape: Shape::Merged, page_size: 4, ..plain },
            2002 => Dialect { shape: Shape::Merged, page_size: 2, ignores_current: true, ..plain },
            2005 => Dialect { sparse: true, extras: true, ..plain },
            2007 => Dialect { envelope: Envelope::StatusReason, code_as_text: true, ..plain },
            2008 => Dialect { envelope: Envelope::StatusReason, numbers_as_text: true, extras: true, ..plain },
            _ => plain,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::time::Duration;

    use super::*;

    #[test]
    fn thirty_two_flows_with_names_teams_and_keys_of_their_own() {
        let flows: Vec<_> = demo_accounts().iter().flat_map(|account| account.flows).collect();
        assert_eq!(flows.len(), 32);
        assert_eq!(flows.iter().map(|flow| flow.key_id).collect::<BTreeSet<_>>().len(), 32);
        assert_eq!(flows.iter().map(|flow| flow.name).collect::<BTreeSet<_>>().len(), 32);
        assert!(flows.iter().all(|flow| !flow.team.is_empty()));
        let gone = flows.iter().filter(|flow| matches!(flow.role, Gone)).count();
        assert_eq!(gone, 1);
    }

    #[test]
    fn five_minutes_show_every_status_for_long_enough_to_be_seen() {
        let settings = Settings::demo(1);
        // How many of the 300 seconds have a flow with the status (or a node with it).
        let mut flow_seconds = BTreeMap::<i64, u32>::new();
        let mut node_seconds = BTreeMap::<i64, u32>::new();
        for second in 0..300u32 {
            let elapsed = Duration::from_secs(1).mul_f64(f64::from(second) * settings.speed);
            let states: Vec<_> = settings
                .accounts
                .iter()
                .flat_map(|account| &account.flows)
                .filter_map(|flow| flow.lifecycle.state_at(settings.seed, flow.key_id, elapsed))
                .collect();
            assert_eq!(states.len(), 31);
            assert!(
                states.iter().any(|state| state.status == Some(4)),
                "nothing stuck at {second}"
            );
            let of_flows: BTreeSet<_> = states.iter().filter_map(|state| state.status).collect();
            let of_nodes: BTreeSet<_> = states
                .iter()
                .flat_map(|state| &state.nodes)
                .filter_map(|node| node.status)
                .collect();
            of_flows
                .iter()
                .for_each(|status| *flow_seconds.entry(*status).or_default() += 1);
            of_nodes
                .iter()
                .for_each(|status| *node_seconds.entry(*status).or_default() += 1);
        }
        assert_eq!(flow_seconds.keys().copied().collect::<Vec<_>>(), [0, 1, 2, 3, 4, 7]);
        assert!(flow_seconds.values().all(|seconds| *seconds >= 60), "{flow_seconds:?}");
        assert!(node_seconds.values().all(|seconds| *seconds >= 60), "{node_seconds:?}");
    }

    #[test]
    fn every_status_is_reached_by_a_change_that_happens_while_one_looks() {
        let settings = Settings::demo(1);
        let mut reached = BTreeSet::new();
        for flow in settings.accounts.iter().flat_map(|account| &account.flows) {
            let state = |second: u64| {
                flow.lifecycle
                    .state_at(1, flow.key_id, Duration::from_secs(60 * second))
            };
            let status = |second: u64| state(second)?.status;
            reached.extend(
                (1..300)
                    .filter(|second| status(*second) != status(second - 1))
                    .filter_map(status),
            );
        }
        assert_eq!(reached.into_iter().collect::<Vec<_>>(), [0, 1, 2, 3, 4, 7]);
    }
}
