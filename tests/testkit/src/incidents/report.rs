//! What is told at the end: a table, and the story of whatever went wrong.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::expectation::{Expected, State};
use super::life::{Life, Seconds, clock};
use super::verdict::{Finding, Lateness, Verdict, Wrong};

/// Troubles around the flows are told from this long before something went wrong.
const BEFORE: Seconds = 3 * 3600;

/// What was found of each alert.
#[derive(Debug, Default)]
pub struct Table(BTreeMap<String, Row>);

#[derive(Debug, Default)]
struct Row {
    incidents: usize,
    wrong: BTreeMap<Wrong, usize>,
    lateness: Vec<Lateness>,
}

impl Table {
    /// Adds what was found of an alert in one life.
    pub fn add(&mut self, alert: &str, verdict: &Verdict) {
        let row = self.0.entry(alert.to_owned()).or_default();
        row.incidents += verdict.incidents;
        for finding in &verdict.findings {
            *row.wrong.entry(finding.wrong).or_default() += 1;
        }
        row.lateness.extend(&verdict.lateness);
    }

    /// Adds another table.
    pub fn merge(&mut self, other: Self) {
        for (alert, from) in other.0 {
            let row = self.0.entry(alert).or_default();
            row.incidents += from.incidents;
            for (wrong, count) in from.wrong {
                *row.wrong.entry(wrong).or_default() += count;
            }
            row.lateness.extend(from.lateness);
        }
    }

    /// How many incidents there were.
    pub fn incidents(&self) -> usize {
        self.0.values().map(|row| row.incidents).sum()
    }

    /// How many of each kind of fault were found of an alert.
    pub fn count(&self, alert: &str, wrong: Wrong) -> usize {
        self.0
            .get(alert)
            .and_then(|row| row.wrong.get(&wrong))
            .copied()
            .unwrap_or_default()
    }

    /// Whether every promise was kept.
    pub fn is_clean(&self) -> bool {
        self.0.values().all(|row| row.wrong.is_empty())
    }

    /// As text, a line for each alert.
    pub fn text(&self) -> String {
        let mut text = format!("{:40}{:>10}", "alert", "incidents");
        for wrong in Wrong::ALL {
            let _ = write!(text, "{:>16}", wrong.words());
        }
        let _ = writeln!(text, "{:>10}{:>8}{:>8}{:>10}", "late: p50", "p99", "max", "of bound");
        for (alert, row) in &self.0 {
            let _ = write!(text, "{alert:40}{:>10}", row.incidents);
            for wrong in Wrong::ALL {
                let _ = write!(text, "{:>16}", row.wrong.get(&wrong).unwrap_or(&0));
            }
            let _ = writeln!(text, "{}", row.late());
        }
        text
    }
}

impl Row {
    /// The median, the 99th percentile and the most of how late it was in seconds, and the most in parts of its bound.
    fn late(&self) -> String {
        let mut late: Vec<_> = self.lateness.iter().map(|lateness| lateness.late).collect();
        late.sort_unstable();
        let Some(max) = late.last() else { return String::new() };
        let at = |percent: usize| late[(late.len() * percent / 100).min(late.len() - 1)];
        let share = |lateness: &Lateness| lateness.late as f64 / lateness.bound.max(1) as f64;
        let worst = self.lateness.iter().map(share).fold(0.0, f64::max);
        format!("{:>8} s{:>6} s{max:>6} s{:>8.0} %", at(50), at(99), worst * 100.0)
    }
}

/// The story of what went wrong with one alert in one life, and how to see it again.
pub fn story(life: &Life, flows: usize, expected: &Expected, counts: &[usize], finding: &Finding) -> String {
    let at = finding.step as Seconds * expected.step;
    let labels: Vec<_> = expected
        .labels
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let mut text = format!(
        "{} {}: {} at {}\n",
        expected.alert,
        labels.join(" "),
        finding.wrong.words(),
        clock(at)
    );
    let targets: Vec<_> = life
        .targets
        .iter()
        .map(|target| format!("{} ({})", target.instance, target.accounts.join(", ")))
        .collect();
    let _ = writeln!(text, "  exporters: {}", targets.join("; "));
    let around = life
        .troubles
        .iter()
        .filter(|trouble| trouble.span.end + BEFORE >= at && trouble.span.start <= at + BEFORE / 10);
    let mut told: Vec<_> = around
        .map(|trouble| (trouble.span.start, trouble.words(life)))
        .collect();
    told.extend(expected.story.iter().cloned());
    told.sort();
    told.dedup();
    for (when, what) in told {
        let _ = writeln!(text, "  {:>10}  {what}", clock(when));
    }
    let _ = writeln!(
        text,
        "  it must fire     {}",
        spans(expected, |step| expected.states[step] == Some(State::Must))
    );
    let _ = writeln!(
        text,
        "  it must not end  {}",
        spans(expected, |step| expected.states[step] >= Some(State::Keep))
    );
    let _ = writeln!(
        text,
        "  it may fire      {}",
        spans(expected, |step| expected.states[step] >= Some(State::May))
    );
    let _ = writeln!(text, "  it fired         {}", spans(expected, |step| counts[step] > 0));
    let _ = writeln!(
        text,
        "  again: scripts/incidents --seed {} --count {flows} --only {}",
        life.seed, life.number
    );
    text
}

/// From when to when something holds.
fn spans(expected: &Expected, holds: impl Fn(usize) -> bool) -> String {
    let mut spans: Vec<(usize, usize)> = Vec::new();
    let evaluated = (0..expected.states.len()).filter(|step| expected.states[*step].is_some());
    let mut goes_on = false;
    for step in evaluated {
        match (holds(step), spans.last_mut()) {
            (true, Some((_, until))) if goes_on => *until = step,
            (true, _) => spans.push((step, step)),
            (false, _) => {}
        }
        goes_on = holds(step);
    }
    let words = |(from, until): &(usize, usize)| {
        format!(
            "{} to {}",
            clock(*from as Seconds * expected.step),
            clock(*until as Seconds * expected.step)
        )
    };
    match spans.is_empty() {
        true => "never".to_owned(),
        false => spans.iter().map(words).collect::<Vec<_>>().join(", "),
    }
}
