//! Compares what fired with what was to be expected.

use std::collections::BTreeMap;

use super::expectation::{Expected, State};
use super::life::Seconds;
use super::promtool::{Firing, Labels};

/// How an alert broke its promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wrong {
    /// It had to fire and never did.
    Missed,
    /// It fired later than its bound.
    Late,
    /// It fired where it must not.
    False,
    /// It ended where it must go on.
    ResolvedEarly,
    /// It came a second time for the same thing, or twice at once.
    Doubled,
}

impl Wrong {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Missed,
        Self::Late,
        Self::False,
        Self::ResolvedEarly,
        Self::Doubled,
    ];

    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Missed => "missed",
            Self::Late => "late",
            Self::False => "false",
            Self::ResolvedEarly => "resolved early",
            Self::Doubled => "doubled",
        }
    }
}

/// A broken promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which way.
    pub wrong: Wrong,
    /// At which evaluation.
    pub step: usize,
}

/// How late an alert was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lateness {
    /// After the first moment at which it could fire.
    pub late: Seconds,
    /// How late it may be.
    pub bound: Seconds,
}

/// What is to be said of one alert over a life.
#[derive(Debug, Default)]
pub struct Verdict {
    /// How often it had to fire.
    pub incidents: usize,
    /// What was wrong.
    pub findings: Vec<Finding>,
    /// How late it was for each incident with nothing in the way.
    pub lateness: Vec<Lateness>,
}

/// Above this bound there was a trouble in the way, and how late it was says nothing of the rules.
const UNDISTURBED: Seconds = 15 * 60;

/// How many of an alert fire at each evaluation.
pub fn counts(expected: &Expected, firing: &[Firing]) -> Vec<usize> {
    let is_meant = |labels: &&Labels| {
        let is_named = labels.get("alertname").is_some_and(|name| name == expected.alert);
        is_named
            && expected
                .labels
                .iter()
                .all(|(name, value)| labels.get(*name) == Some(value))
    };
    let count = |firing: &Firing| {
        firing
            .iter()
            .filter(|(labels, _)| is_meant(labels))
            .map(|(_, count)| count)
            .sum()
    };
    firing.iter().map(count).collect()
}

/// Alerts of expected names that nobody expects, and when they fire first.
pub fn strangers(expected: &[Expected], firing: &[Firing]) -> BTreeMap<Labels, usize> {
    let mut strangers = BTreeMap::new();
    for (step, labels) in firing
        .iter()
        .enumerate()
        .flat_map(|(step, now)| now.keys().map(move |labels| (step, labels)))
    {
        let name = labels.get("alertname").map(String::as_str).unwrap_or_default();
        let mut named = expected.iter().filter(|expected| expected.alert == name).peekable();
        let is_known = named.peek().is_none()
            || named.any(|expected| {
                expected
                    .labels
                    .iter()
                    .all(|(name, value)| labels.get(*name) == Some(value))
            });
        if !is_known {
            strangers.entry(labels.clone()).or_insert(step);
        }
    }
    strangers
}

/// Judges one alert.
pub fn judge(expected: &Expected, counts: &[usize]) -> Verdict {
    let mut verdict = Verdict::default();
    let mut find = |wrong, step| verdict.findings.push(Finding { wrong, step });
    let mut was_firing = false;
    let mut was_false = false;
    let mut resolved_early = false;
    let mut is_incident = false;
    let mut twice = 0;
    let mut began = 0;
    for (step, (state, count)) in expected.states.iter().zip(counts).enumerate() {
        let Some(state) = *state else { continue };
        let fires = *count > 0;
        if fires && !was_firing {
            began = step;
            if resolved_early {
                find(Wrong::Doubled, step);
            }
        }
        if fires && state == State::Never {
            if !was_false {
                find(Wrong::False, step);
            }
            was_false = true;
        } else {
            was_false = false;
        }
        twice = if *count > 1 { twice + 1 } else { 0 };
        // One more at one evaluation is a change of labels.
        if twice == 3 {
            find(Wrong::Doubled, step);
        }
        if was_firing && !fires && state >= State::Keep {
            find(Wrong::ResolvedEarly, step);
            resolved_early = true;
        } else if state == State::Never || fires {
            resolved_early = false;
        }
        if let Some(earliest) = expected.earliest.get(&step) {
            let due = step as Seconds * expected.step;
            let bound = due.saturating_sub(*earliest);
            let is_first = !is_incident && bound <= UNDISTURBED;
            if fires {
                let late = (began as Seconds * expected.step)
                    .checked_sub(*earliest)
                    .filter(|_| is_first);
                verdict.lateness.extend(late.map(|late| Lateness { late, bound }));
            } else if !resolved_early {
                let until = |state: &Option<State>| !matches!(state, Some(State::Never | State::May));
                let window = expected.states[step..].iter().zip(&counts[step..]);
                let mut window = window.take_while(|(state, _)| until(state));
                match window.position(|(state, count)| state.is_some() && *count > 0) {
                    Some(after) => {
                        find(Wrong::Late, step);
                        let late = due + after as Seconds * expected.step - earliest;
                        verdict.lateness.extend(is_first.then_some(Lateness { late, bound }));
                    }
                    None => find(Wrong::Missed, step),
                }
            }
        }
        if state == State::Must && !is_incident {
            is_incident = true;
            verdict.incidents += 1;
        }
        is_incident &= state != State::Never;
        was_firing = fires;
    }
    verdict
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `n` never, `m` may, `k` keep, `!` must, space: nobody evaluates; and below, what fires.
    fn judged(states: &str, fires: &str) -> Vec<(Wrong, usize)> {
        let mut expected = Expected::new("LaafficX", 30, []);
        for state in states.chars() {
            let state = match state {
                'n' => Some(State::Never),
                'm' => Some(State::May),
                'k' => Some(State::Keep),
                '!' => Some(State::Must),
                _ => None,
            };
            expected.push(state, 30);
        }
        let counts: Vec<_> = fires
            .chars()
            .map(|count| count.to_digit(10).unwrap() as usize)
            .collect();
        let verdict = judge(&expected, &counts);
        let findings = verdict.findings.iter().map(|finding| (finding.wrong, finding.step));
        findings.collect()
    }

    #[test]
    fn a_promise_is_kept() {
        assert_eq!(judged("nnmm!!!mmnn", "00001110000"), []);
        assert_eq!(judged("nnmm!!!mmnn", "00111111100"), []);
        // Nobody looks while Prometheus is stopped.
        assert_eq!(judged("nm!!  !!mn", "0011001110"), []);
        // What may go on need not, if it has not begun.
        assert_eq!(judged("nmkkmn", "000000"), []);
    }

    #[test]
    fn every_way_to_break_one_is_found() {
        assert_eq!(judged("nm!!!mn", "0000000"), [(Wrong::Missed, 2)]);
        assert_eq!(judged("nm!!!mn", "0000100"), [(Wrong::Late, 2)]);
        assert_eq!(judged("nnm!!mn", "0111110"), [(Wrong::False, 1)]);
        let early = [(Wrong::ResolvedEarly, 4), (Wrong::Doubled, 6), (Wrong::False, 6)];
        assert_eq!(judged("nm!!!mn", "0011001"), early);
        let twice = [(Wrong::ResolvedEarly, 3), (Wrong::Doubled, 4)];
        assert_eq!(judged("nm!!!mn", "0010110"), twice);
        assert_eq!(judged("nm!  !mn", "01100000"), [(Wrong::ResolvedEarly, 5)]);
        assert_eq!(judged("nm!!!!mn", "00122210"), [(Wrong::Doubled, 5)]);
        assert_eq!(judged("nmkkmn", "011000"), [(Wrong::ResolvedEarly, 3)]);
    }

    #[test]
    fn lateness_is_counted_from_the_first_moment_at_which_it_could_fire() {
        let mut expected = Expected::new("LaafficX", 30, []);
        for state in [State::Never, State::May, State::May, State::Must] {
            expected.push(Some(state), 30);
        }
        let verdict = judge(&expected, &[0, 0, 1, 1]);
        assert_eq!(verdict.lateness, [Lateness { late: 30, bound: 60 }]);
        assert_eq!(verdict.incidents, 1);
    }
}
