//! What must, may and must not fire at every moment of a life: from what truly happened, from how often anybody looks, and from what
//! each alert promises. Nothing here knows a rule.

mod accounts;
mod flapping;
mod flows;
mod targets;

use super::expectation::{Expected, State};
use super::life::{Life, Seconds, TICK};
use super::surroundings::Surroundings;

/// The alerts that it knows the promises of.
pub const ALERTS: &[&str] = &[
    "LaafficRedialFlowExecutionException",
    "LaafficRedialFlowFlapping",
    "LaafficRedialFlowUnknownStatus",
    "LaafficRedialNodeExecutionException",
    "LaafficRedialFlowRejected",
    "LaafficRedialFlowEndedWithFailedRounds",
    "LaafficAccountBlocked",
    "LaafficAccountNotRefreshed",
    "LaafficAccountNotWatched",
    "LaafficExporterDown",
    "LaafficExporterReplicaDown",
    "LaafficExporterUnstable",
    "LaafficExporterCrashLooping",
    "LaafficExporterAbsent",
];

/// For so long after a restart of Prometheus alerts may come back one after the other; Alertmanager waits longer before it resolves any.
const AFTER_PROMETHEUS: Seconds = 3 * 60;

/// All that is to be expected of this life.
pub fn expectations(life: &Life, surroundings: &Surroundings) -> Vec<Expected> {
    let mut expected = Vec::new();
    for flow in &life.flows {
        expected.extend(flows::expect(life, surroundings, flow));
    }
    for account in 0..life.accounts.len() {
        expected.extend(accounts::expect(life, surroundings, account));
    }
    expected.extend(targets::expect(life, surroundings));
    expected
}

/// Every tick of a life.
fn ticks(life: &Life) -> impl Iterator<Item = Seconds> {
    (0..=life.end).step_by(TICK as usize)
}

/// Whether Prometheus scrapes and evaluates now, while it runs.
fn is_step(life: &Life, at: Seconds) -> bool {
    at.is_multiple_of(life.step)
}

/// What is to be expected where it is evaluated at all.
fn evaluated(surroundings: &Surroundings, at: Seconds, state: State) -> Option<State> {
    let ran = |ago: Seconds| surroundings.prometheus(at.saturating_sub(ago));
    let settled = (0..=AFTER_PROMETHEUS).step_by(TICK as usize).all(ran);
    match (surroundings.prometheus(at), settled) {
        (false, _) => None,
        (true, true) => Some(state),
        (true, false) => Some(if state == State::Never {
            State::Never
        } else {
            State::May
        }),
    }
}

#[cfg(test)]
mod tests;
