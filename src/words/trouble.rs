//! What counts as trouble, and what to do about it. The alerts ([`crate::rules`]) are made with the same thresholds.

use std::time::Duration;

use super::failure::{Explanation, explain};
use crate::model::{ApiCode, CountByStatus, FailureReason, Status};

/// A flow in progress is late after so many times its plan (attempts × interval) ...
pub const OVERDUE_FACTOR: f64 = 1.5;
/// ... and so much more.
pub const OVERDUE_GRACE: Duration = Duration::from_secs(3600);
/// What counts as planned where the vendor reports no number: the most attempts that it allows ...
pub const MOST_ATTEMPTS: i64 = 10;
/// ... at the longest interval, in seconds.
pub const LONGEST_INTERVAL_SECONDS: i64 = 86_400;
/// A flow is pending too long after its interval and so much more.
pub const PENDING_GRACE: Duration = Duration::from_secs(6 * 3600);
/// A flow is not refreshed after so many of its intervals in force without a good poll ...
pub const MISSED_POLLS: u32 = 3;
/// ... and after so long at the least.
pub const NOT_REFRESHED_AFTER: Duration = Duration::from_secs(600);
/// Clocks that differ by more seconds than this are trouble.
pub const CLOCK_SKEW_SECONDS: f64 = 300.0;
/// An account whose flows ask for more than this share of its rate is in trouble.
pub const BUDGET_RATIO: f64 = 1.0;

/// A list of flows is not read after so many of its intervals in force ...
pub const MISSED_LISTS: u32 = 3;
/// ... and after so long at the least.
pub const LIST_NOT_READ_AFTER: Duration = Duration::from_secs(900);

/// A balance that lasts for less is low.
pub const BALANCE_LASTS_SECONDS: u32 = 86_400;

/// What a flow is judged by.
#[derive(Debug, Clone, Copy)]
pub struct FlowFacts {
    /// Its present status; `None` where nothing is known, or not any more.
    pub status: Option<Status>,
    /// For how long it has been so.
    pub status_age: Duration,
    /// Its rounds.
    pub rounds: Option<CountByStatus>,
    /// Planned attempts.
    pub attempts: Option<i64>,
    /// The time between two rounds, in seconds.
    pub interval_seconds: Option<i64>,
    /// Why it cannot be fetched, where it cannot.
    pub failure: Option<FailureReason>,
    /// For how long there has been no good poll, since the last.
    pub success_age: Option<Duration>,
    /// The poll interval in force.
    pub poll_interval: Duration,
}

/// What is wrong with a flow, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlowTrouble {
    /// The vendor has stopped it.
    ExecutionException,
    /// A round has failed while the flow goes on.
    RoundException,
    /// In progress for much longer than planned.
    Overdue,
    /// It does not begin.
    PendingTooLong,
    /// A status that the vendor does not document.
    UndocumentedStatus,
    /// Fetched well, but without any status.
    NoStatus,
    /// No good poll for long, and no failed one either.
    NotRefreshed,
    /// The last poll failed.
    Unfetchable(FailureReason),
}

impl FlowTrouble {
    /// Everything that is wrong with a flow.
    pub fn of(facts: &FlowFacts) -> Vec<Self> {
        let mut found = Vec::new();
        let goes_on = matches!(facts.status, Some(Status::Pending | Status::InProgress));
        let failed = |rounds: CountByStatus| rounds.get(Status::ExecutionException) > 0;
        if facts.status == Some(Status::ExecutionException) {
            found.push(Self::ExecutionException);
        }
        if goes_on && facts.rounds.is_some_and(failed) {
            found.push(Self::RoundException);
        }
        match facts.status {
            Some(Status::InProgress) if facts.status_age > longest_run(facts) => found.push(Self::Overdue),
            Some(Status::Pending) if facts.status_age > interval(facts) + PENDING_GRACE => {
                found.push(Self::PendingTooLong);
            }
            Some(Status::Unknown(Some(_))) => found.push(Self::UndocumentedStatus),
            Some(Status::Unknown(None)) => found.push(Self::NoStatus),
            _ => {}
        }
        let patience = facts
            .poll_interval
            .saturating_mul(MISSED_POLLS)
            .max(NOT_REFRESHED_AFTER);
        match facts.failure {
            Some(reason) => found.push(Self::Unfetchable(reason)),
            None if facts.success_age.is_some_and(|age| age > patience) => found.push(Self::NotRefreshed),
            None => {}
        }
        found
    }

    /// The alert that is about this, where there is one.
    pub fn alert(self) -> Option<&'static str> {
        match self {
            Self::ExecutionException => Some("LaafficRedialFlowExecutionException"),
            Self::RoundException => Some("LaafficRedialNodeExecutionException"),
            Self::Overdue => Some("LaafficRedialFlowOverdue"),
            Self::PendingTooLong => Some("LaafficRedialFlowPendingTooLong"),
            Self::UndocumentedStatus => Some("LaafficRedialFlowUnknownStatus"),
            Self::NoStatus => None,
            Self::Unfetchable(FailureReason::Api(ApiCode::PARAMETER_EXCEPTION) | FailureReason::NoData) => {
                Some("LaafficRedialFlowRejected")
            }
            Self::Unfetchable(FailureReason::Blocked { .. }) => Some("LaafficAccountBlocked"),
            Self::NotRefreshed | Self::Unfetchable(_) => Some("LaafficRedialFlowNotRefreshed"),
        }
    }

    /// The word for programs.
    pub fn label(self) -> &'static str {
        match self {
            Self::ExecutionException => "execution_exception",
            Self::RoundException => "round_execution_exception",
            Self::Overdue => "overdue",
            Self::PendingTooLong => "pending_too_long",
            Self::UndocumentedStatus => "undocumented_status",
            Self::NoStatus => "no_status",
            Self::NotRefreshed => "not_refreshed",
            Self::Unfetchable(_) => "unfetchable",
        }
    }

    /// What it means, and what to do first.
    pub fn explain(self) -> Explanation {
        let (meaning, cure) = match self {
            Self::Unfetchable(reason) => return explain(reason),
            Self::ExecutionException => (
                "execution exception: the vendor has stopped the flow",
                "look at it in the vendor's console; repair or cancel it there",
            ),
            Self::RoundException => (
                "a round is in an execution exception, while the flow goes on",
                "look at the round in the vendor's console; repair or cancel it there",
            ),
            Self::Overdue => (
                "in progress for much longer than its attempts and intervals need",
                "look in the vendor's console which of its rounds does not end",
            ),
            Self::PendingTooLong => (
                "pending for much longer than its interval",
                "look in the vendor's console whether the call task before it has ended and whether the flow is scheduled",
            ),
            Self::UndocumentedStatus => (
                "a status that the vendor does not document",
                "ask the vendor what the number means",
            ),
            Self::NoStatus => (
                "the vendor's answer has no status",
                "look at the flow in the vendor's console; ask the vendor if it has a status there",
            ),
            Self::NotRefreshed => (
                "no poll has ended for much longer than the interval",
                "look into the exporter's log; restart the exporter if it says nothing of the flow",
            ),
        };
        Explanation { meaning, cure }
    }
}

/// The time between two rounds.
fn interval(facts: &FlowFacts) -> Duration {
    let seconds = facts.interval_seconds.filter(|seconds| *seconds > 0);
    Duration::from_secs(seconds.unwrap_or(LONGEST_INTERVAL_SECONDS).unsigned_abs())
}

/// How long a flow may be in progress.
fn longest_run(facts: &FlowFacts) -> Duration {
    let attempts = facts.attempts.filter(|attempts| *attempts > 0).unwrap_or(MOST_ATTEMPTS);
    // An i64 of attempts is more than any run takes; only its size matters.
    let plan = interval(facts).as_secs_f64() * attempts as f64 * OVERDUE_FACTOR;
    Duration::try_from_secs_f64(plan).map_or(Duration::MAX, |plan| plan.saturating_add(OVERDUE_GRACE))
}

/// What an account is judged by.
#[derive(Debug, Clone, Copy, Default)]
pub struct AccountFacts {
    /// The vendor refuses it.
    pub blocked: bool,
    /// The vendor wants to be left alone for a while.
    pub paused: bool,
    /// The vendor's clock minus ours.
    pub clock_skew_seconds: Option<f64>,
    /// Requests that its flows ask for ÷ those that are allowed.
    pub budget_ratio: f64,
    /// For how long its list of flows was not read, and how often it is to be, where flows are found in it and it was tried.
    pub list_age: Option<(Duration, Duration)>,
    /// Flows that are not watched because there are too many.
    pub over_limit: usize,
}

/// What is wrong with an account as a whole, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountTrouble {
    /// The vendor refuses it.
    Blocked,
    /// The vendor wants to be left alone for a while.
    Paused,
    /// The vendor's clock and this host's differ.
    ClockSkew,
    /// The list that its flows are found in cannot be read.
    ListNotRead,
    /// There are more flows than are watched.
    TooManyFlows,
    /// Its flows ask for more than its rate allows.
    OverBudget,
}

impl AccountTrouble {
    /// Everything that is wrong.
    pub fn of(facts: AccountFacts) -> Vec<Self> {
        let skewed = facts
            .clock_skew_seconds
            .is_some_and(|seconds| seconds.abs() > CLOCK_SKEW_SECONDS);
        let unread = facts
            .list_age
            .is_some_and(|(age, interval)| age > (interval * MISSED_LISTS).max(LIST_NOT_READ_AFTER));
        let all = [
            (Self::Blocked, facts.blocked),
            (Self::Paused, facts.paused),
            (Self::ClockSkew, skewed),
            (Self::ListNotRead, unread),
            (Self::TooManyFlows, facts.over_limit > 0),
            (Self::OverBudget, facts.budget_ratio > BUDGET_RATIO),
        ];
        all.into_iter()
            .filter_map(|(trouble, is)| is.then_some(trouble))
            .collect()
    }

    /// The alert that is about this, where there is one.
    pub fn alert(self) -> Option<&'static str> {
        match self {
            Self::Blocked => Some("LaafficAccountBlocked"),
            Self::Paused => None,
            Self::ClockSkew => Some("LaafficClockSkew"),
            Self::ListNotRead => Some("LaafficDiscoveryFailing"),
            Self::TooManyFlows => Some("LaafficDiscoveryIncomplete"),
            Self::OverBudget => Some("LaafficExporterOverBudget"),
        }
    }

    /// In a word or two.
    pub fn word(self) -> &'static str {
        match self {
            Self::Blocked => "blocked",
            Self::Paused => "paused",
            Self::ClockSkew => "clock off",
            Self::ListNotRead => "list of flows not read",
            Self::TooManyFlows => "too many flows",
            Self::OverBudget => "over its rate_limit",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::{Choices, rules};

    const WELL: FlowFacts = FlowFacts {
        status: Some(Status::InProgress),
        status_age: Duration::from_secs(60),
        rounds: None,
        attempts: Some(3),
        interval_seconds: Some(600),
        failure: None,
        success_age: Some(Duration::from_secs(10)),
        poll_interval: Duration::from_secs(60),
    };

    #[test]
    fn every_alert_that_is_named_exists() {
        let rules = rules(&Choices::default()).unwrap();
        let exists = |name: &str| rules.contains(&format!("- alert: {name}\n"));
        let reasons = crate::words::failure::every_reason();
        let unfetchable = reasons.map(FlowTrouble::Unfetchable);
        let flows = [
            FlowTrouble::ExecutionException,
            FlowTrouble::RoundException,
            FlowTrouble::Overdue,
            FlowTrouble::PendingTooLong,
            FlowTrouble::UndocumentedStatus,
            FlowTrouble::NotRefreshed,
        ];
        for trouble in flows.into_iter().chain(unfetchable) {
            assert!(exists(trouble.alert().unwrap()), "{trouble:?}");
        }
        let all = AccountTrouble::of(AccountFacts {
            blocked: true,
            paused: true,
            clock_skew_seconds: Some(-420.0),
            budget_ratio: 10.0,
            list_age: Some((Duration::from_secs(901), Duration::from_secs(60))),
            over_limit: 1,
        });
        assert_eq!(all.len(), 6);
        for trouble in all {
            assert!(trouble.alert().is_none_or(exists), "{trouble:?}");
        }
    }

    #[test]
    fn a_flow_is_in_trouble_just_beyond_the_thresholds() {
        let late = Duration::from_millis(1);
        let plan = Duration::from_secs(3 * 600 * 3 / 2 + 3600);
        let mut failed = CountByStatus::default();
        failed.add(Status::ExecutionException);
        let with = |change: &dyn Fn(&mut FlowFacts)| {
            let mut facts = WELL;
            change(&mut facts);
            FlowTrouble::of(&facts)
        };
        assert_eq!(with(&|_| {}), []);
        assert_eq!(with(&|facts| facts.status_age = plan), []);
        assert_eq!(with(&|facts| facts.status_age = plan + late), [FlowTrouble::Overdue]);
        let unplanned = |facts: &mut FlowFacts| {
            facts.status_age = Duration::from_secs(14 * 86_400);
            (facts.attempts, facts.interval_seconds) = (None, Some(0));
        };
        assert_eq!(with(&unplanned), [], "15 days and an hour are allowed");
        let pending = |age: Duration| {
            with(&|facts| {
                facts.status = Some(Status::Pending);
                facts.status_age = age;
            })
        };
        assert_eq!(pending(Duration::from_secs(600 + 6 * 3600)), []);
        assert_eq!(
            pending(Duration::from_secs(600 + 6 * 3600) + late),
            [FlowTrouble::PendingTooLong]
        );
        assert_eq!(
            with(&|facts| facts.rounds = Some(failed)),
            [FlowTrouble::RoundException]
        );
        let stopped = |facts: &mut FlowFacts| {
            facts.status = Some(Status::ExecutionException);
            facts.rounds = Some(failed);
        };
        assert_eq!(with(&stopped), [FlowTrouble::ExecutionException]);
        let nothing = |facts: &mut FlowFacts| facts.status = Some(Status::Unknown(None));
        assert_eq!(with(&nothing), [FlowTrouble::NoStatus]);
        assert_eq!(
            with(&|facts| facts.status = None),
            [],
            "not known, but not for long enough"
        );
        let silent = |facts: &mut FlowFacts| facts.success_age = Some(Duration::from_secs(601));
        assert_eq!(with(&silent), [FlowTrouble::NotRefreshed]);
    }
}
