//! The demo's cast: 32 flows in four accounts, with lives written so that a five-minute look shows everything, every alert's cause too.
//! Account `retail` gets more of them while one looks, which only its list tells of, and runs out of money. The flows of `finance` are all
//! found in its list.

use crate::balance::Balance;
use crate::births::Births;
use crate::dialect::{Dialect, Envelope, Shape};
use crate::fault::{Fault, FaultPlan};
use crate::lifecycle::{FlowState, Lifecycle};
use crate::list_dialect::ListDialect;
use crate::script::{Outcome, Script};
use crate::settings::{Account, Flow, Latency, Settings};
use crate::times::TimeForm;

/// A simulated minute in a real second: a flow that waits ten minutes between rounds moves on every ten seconds.
const SPEED: f64 = 60.0;

use Outcome::{Cancelled, Completes, Exception, FailingNode, Undocumented};

/// What the demo's configuration says of an account.
#[derive(Debug, Clone)]
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
    pub flows: Vec<DemoFlow>,
    /// Whether the vendor refuses the account, so that none of its flows can be fetched.
    pub refused: bool,
    /// Whether the configuration lists its flows by hand.
    pub listed: bool,
    /// Whether its flows are found in the vendor's list, those among them that are born while one looks.
    pub discovered: bool,
}

/// What the demo's configuration says of a flow.
#[derive(Debug, Clone)]
pub struct DemoFlow {
    /// `keyId`
    pub key_id: u64,
    /// A name for people.
    pub name: &'static str,
    /// Who looks after it; a configured label.
    pub team: &'static str,
    lifecycle: Lifecycle,
}

const REPAIRED: Outcome = Exception {
    round: 1,
    repair: Some(45),
};
const NEVER_REPAIRED: Outcome = Exception { round: 1, repair: None };

fn flow(key_id: u64, name: &'static str, team: &'static str, lifecycle: Lifecycle) -> DemoFlow {
    DemoFlow {
        key_id,
        name,
        team,
        lifecycle,
    }
}

/// One life after the other; minutes of simulated time, which are seconds in the demo.
fn lives(outcome: Outcome, rounds: u16, interval: u32, pending: u32, rest: u32, age: u32) -> Lifecycle {
    Lifecycle::Scripted(Script {
        outcome,
        recall_num: rounds,
        recall_interval: interval,
        pending,
        rest: Some(rest),
        age,
        ..Script::default()
    })
}

/// Stays as its life ended.
fn stays(outcome: Outcome, rounds: u16, interval: u32, age: u32) -> Lifecycle {
    Lifecycle::Scripted(Script {
        outcome,
        recall_num: rounds,
        recall_interval: interval,
        rest: None,
        age,
        ..Script::default()
    })
}

/// Never moves; `nodes` are the statuses of those rounds that are told.
fn stands(status: i64, rounds: i64, interval: i64, nodes: &[i64]) -> Lifecycle {
    Lifecycle::Fixed(FlowState {
        recall_num: Some(rounds),
        recall_interval: Some(interval),
        ..FlowState::with_nodes(status, nodes)
    })
}

#[rustfmt::skip]
fn retail() -> Vec<DemoFlow> {
    vec![
        flow(1001, "Cart reminder EN",      "growth",    lives(Completes, 3, 20, 25, 40, 0)),
        flow(1002, "Cart reminder ES",      "growth",    lives(Completes, 2, 30, 40, 30, 45)),
        flow(1003, "Spring sale invite",    "growth",    lives(FailingNode { round: 0 }, 4, 15, 20, 60, 30)),
        flow(1004, "Loyalty points expiry", "loyalty",   lives(Cancelled { round: 1 }, 5, 15, 20, 40, 10)),
        flow(1005, "Delivery slot confirm", "logistics", lives(Completes, 5, 10, 15, 30, 20)),
        flow(1006, "Delivery delay notice", "logistics", lives(REPAIRED, 4, 20, 15, 30, 0)),
        flow(1007, "Returns pickup",        "logistics", lives(Completes, 2, 15, 60, 60, 0)),
        flow(1008, "Warranty renewal",      "support",   stays(NEVER_REPAIRED, 6, 30, 90)),
        flow(1009, "Customer survey Q3",    "support",   lives(Undocumented { round: 1, status: 7 }, 3, 30, 20, 40, 10)),
        flow(1010, "Win-back dormant",      "loyalty",   lives(Completes, 10, 10, 20, 60, 50)),
        flow(1011, "Birthday greeting",     "loyalty",   stays(Completes, 1, 5, 60)),
        flow(1012, "Store opening Lagos",   "growth",    stays(Cancelled { round: 0 }, 3, 60, 60)),
        flow(1013, "Preorder ready",        "logistics", lives(FailingNode { round: 1 }, 3, 20, 30, 30, 20)),
        flow(1014, "Old loyalty pilot",     "loyalty",   Lifecycle::Missing),
        flow(1015, "Newsletter confirm",    "growth",    stands(1, 3, 30, &[2, 1, 0])),
        flow(1016, "Product recall",        "support",   stands(1, 10, 1440, &[2, 4, 1, 0, 0])),
        flow(1017, "Gift card follow-up",   "growth",    stands(1, 1, 1, &[1])),
        flow(1018, "Store rating",          "support",   stands(0, 3, 1, &[0, 0, 0])),
    ]
}

#[rustfmt::skip]
fn finance() -> Vec<DemoFlow> {
    vec![
        flow(2001, "Payment due in 3 days", "collections", lives(Completes, 3, 15, 20, 30, 0)),
        flow(2002, "Payment overdue 7d",    "collections", lives(Completes, 6, 10, 10, 30, 25)),
        flow(2003, "Payment overdue 30d",   "collections", lives(REPAIRED, 5, 15, 10, 45, 40)),
        flow(2004, "Promise to pay",        "collections", lives(Cancelled { round: 2 }, 4, 20, 15, 60, 30)),
        flow(2005, "KYC documents missing", "risk",        lives(Completes, 2, 40, 45, 45, 20)),
        flow(2006, "Card fraud check",      "risk",        lives(FailingNode { round: 0 }, 3, 10, 10, 60, 15)),
        flow(2007, "Loan offer callback",   "sales",       lives(Completes, 4, 20, 30, 40, 60)),
        flow(2008, "Account opening",       "sales",       lives(Completes, 1, 60, 50, 50, 0)),
        flow(2009, "Insurance upsell",      "sales",       lives(Undocumented { round: 0, status: 7 }, 2, 40, 60, 30, 0)),
        flow(2010, "Branch closing notice", "support",     stays(Completes, 4, 15, 200)),
    ]
}

/// Slow, and with a clock that is off.
#[rustfmt::skip]
fn travel() -> Vec<DemoFlow> {
    vec![
        flow(3001, "Check-in reminder",     "bookings",  lives(Completes, 3, 20, 20, 30, 0)),
        flow(3002, "Rebooking offer",       "bookings",  lives(Completes, 4, 15, 30, 30, 20)),
    ]
}

/// Refused by the vendor.
#[rustfmt::skip]
fn clinic() -> Vec<DemoFlow> {
    vec![
        flow(4001, "Appointment reminder",  "care",      lives(Completes, 3, 20, 20, 30, 0)),
        flow(4002, "Vaccination recall",    "care",      lives(Completes, 2, 30, 10, 30, 0)),
    ]
}

/// Requests per second: enough for every flow every second, with pages and retries.
const AMPLE: f64 = 50.0;

/// The demo's accounts, for the configuration of an exporter that watches them.
pub fn demo_accounts() -> [DemoAccount; 4] {
    let account = |name, api_key, api_secret, rate_limit, flows| DemoAccount {
        name,
        api_key,
        api_secret,
        rate_limit,
        flows,
        refused: name == "clinic",
        listed: name != "finance",
        discovered: ["retail", "finance"].contains(&name),
    };
    [
        account("retail", "demoRtl1", "demo-secret-of-retail", AMPLE, retail()),
        account("finance", "demoFin2", "demo-secret-of-finance", AMPLE, finance()),
        // Less than its flows ask for, even when all of them are completed.
        account("travel", "demoTrv3", "demo-secret-of-travel", 0.2, travel()),
        account("clinic", "demoCln4", "demo-secret-of-clinic", AMPLE, clinic()),
    ]
}

impl Settings {
    /// The vendor as the demo shows it: the flows of [`demo_accounts`], a simulated minute to the second.
    ///
    /// Within five minutes every status is seen, and every kind of trouble that an alert is about: a flow stuck in an execution exception
    /// from the start, a failed round in one that goes on, one that takes too long and one that does not begin, one that the vendor does
    /// not know (-22), one that cannot be fetched; an account with many errors, one that is slow and has a clock of its own, one that
    /// is refused (-2).
    pub fn demo(seed: u64) -> Self {
        Self {
            seed,
            speed: SPEED,
            latency: Latency {
                fixed_ms: 20,
                jitter_ms: 60,
            },
            accounts: demo_accounts().into_iter().map(DemoAccount::into_account).collect(),
            ..Self::default()
        }
    }
}

impl DemoAccount {
    fn into_account(self) -> Account {
        Account {
            name: self.name.into(),
            api_key: self.api_key.into(),
            api_secret: self.api_secret.into(),
            flows: self.flows.into_iter().map(DemoFlow::into_flow).collect(),
            faults: match self.name {
                "finance" => Some(FaultPlan::mix([
                    (0.08, Fault::code(-18)),
                    (0.04, Fault::Reset),
                    (0.005, Fault::code(-54)),
                ])),
                "travel" => Some(FaultPlan::always(Fault::ClockOffset { seconds: 7 * 60 })),
                "clinic" => Some(FaultPlan::always(Fault::code(-2))),
                _ => None,
            },
            list_dialect: Some(list_dialect(self.name)),
            balance: (self.name == "retail").then_some(Balance {
                cents: 250_000,
                gift_cents: 1_000,
                credit_cents: 0,
                // A simulated hour is a minute: it lasts for about forty.
                cents_per_hour: 6_000,
            }),
            births: (self.name == "retail").then_some(Births {
                every_minutes: 20,
                most: 100,
            }),
            ..Account::default()
        }
    }
}

/// Most accounts list their flows in the documented form.
fn list_dialect(account: &str) -> ListDialect {
    let plain = ListDialect::default();
    if account != "finance" {
        return plain;
    }
    ListDialect {
        answer: Dialect {
            envelope: Envelope::StatusReason,
            code_as_text: true,
            ..Dialect::default()
        },
        ignores_size: true,
        times: TimeForm::T,
        ..plain
    }
}

impl DemoFlow {
    /// What the group call was called that the flow was made for: the team and the name, as people write such names.
    pub fn task_name(&self) -> String {
        let words = self.name.to_lowercase().replace(' ', "-");
        format!("{}-{words}-{}", self.team, self.key_id)
    }

    fn into_flow(mut self) -> Flow {
        if let Lifecycle::Scripted(script) = &mut self.lifecycle {
            script.recall_type = i64::from(!self.key_id.is_multiple_of(5));
        }
        let fault = match self.key_id {
            1015 => Some(Fault::HttpStatus {
                status: 502,
                retry_after: None,
            }),
            3000..4000 => Some(Fault::Delay { milliseconds: 6_000 }),
            _ => None,
        };
        let task_name = self.task_name();
        Flow {
            key_id: self.key_id,
            dialect: Some(self.dialect()),
            lifecycle: self.lifecycle,
            faults: fault.map(FaultPlan::always),
            task_name: Some(task_name),
            ..Flow::default()
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

    const EVERY_STATUS: [i64; 6] = [0, 1, 2, 3, 4, 7];

    #[test]
    fn thirty_two_flows_with_names_teams_and_keys_of_their_own() {
        let flows: Vec<_> = demo_accounts().into_iter().flat_map(|account| account.flows).collect();
        assert_eq!(flows.len(), 32);
        assert_eq!(flows.iter().map(|flow| flow.key_id).collect::<BTreeSet<_>>().len(), 32);
        assert_eq!(flows.iter().map(|flow| flow.name).collect::<BTreeSet<_>>().len(), 32);
        assert!(flows.iter().all(|flow| !flow.team.is_empty()));
        let missing = flows.iter().filter(|flow| flow.lifecycle == Lifecycle::Missing);
        assert_eq!(missing.count(), 1);
    }

    #[test]
    fn tasks_are_named_after_their_team_and_their_flow() {
        let settings = Settings::demo(1);
        let flows = settings.accounts.iter().flat_map(|account| &account.flows);
        let names: Vec<_> = flows.map(|flow| flow.task_name.clone().unwrap()).collect();
        assert_eq!(names[0], "growth-cart-reminder-en-1001");
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), 32);
    }

    /// The flows that the vendor knows, so many seconds after the start.
    fn states(second: u64) -> Vec<FlowState> {
        let settings = Settings::demo(1);
        let elapsed = Duration::from_secs(second * settings.speed as u64);
        let flows = settings.accounts.iter().flat_map(|account| &account.flows);
        flows
            .filter_map(|Flow { key_id, lifecycle, .. }| {
                let lived = lifecycle.age(settings.seed, *key_id) + elapsed;
                lifecycle.state_after(settings.seed, *key_id, lived)
            })
            .collect()
    }

    #[test]
    fn five_minutes_show_every_status_for_long_enough_to_be_seen() {
        // How many of the 300 seconds have a flow with the status, or a node with it.
        let mut seconds = BTreeMap::<(&str, i64), u32>::new();
        for second in 0..300 {
            let states = states(second);
            assert_eq!(states.len(), 31);
            let of_flows = states.iter().map(|state| ("flow", state.status.unwrap()));
            let nodes = states.iter().flat_map(|state| &state.nodes);
            let of_nodes = nodes.map(|node| ("node", node.status.unwrap()));
            for seen in of_flows.chain(of_nodes).collect::<BTreeSet<_>>() {
                *seconds.entry(seen).or_default() += 1;
            }
        }
        assert!(
            EVERY_STATUS
                .iter()
                .all(|status| seconds.contains_key(&("flow", *status)))
        );
        assert_eq!(seconds[&("flow", 4)], 300, "something is always stuck");
        assert!(seconds.values().all(|seconds| *seconds >= 60), "{seconds:?}");
    }

    #[test]
    fn every_status_is_reached_by_a_change_that_happens_while_one_looks() {
        let mut reached = BTreeSet::new();
        for second in 1..300 {
            let changes = states(second - 1).into_iter().zip(states(second));
            let changes = changes.filter(|(before, after)| before.status != after.status);
            reached.extend(changes.filter_map(|(_, after)| after.status));
        }
        assert_eq!(reached.into_iter().collect::<Vec<_>>(), EVERY_STATUS);
    }
}
