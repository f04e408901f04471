//! What a soak has found, and which bars it breaks.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use laaffic_simulator::{Counts, Fault};

use crate::counting::Requests;
use crate::resources::Resources;
use crate::scraper::Scrapes;
use crate::slope::Slope;
use crate::tally::Tally;

/// Resident memory may grow by no more than this in the second half, in MB a minute.
const STEEPEST: f64 = 0.05;

/// From so many minutes on the slope itself is held to the bar. Before, its interval is too wide for that: only a slope that is above the
/// bar beyond doubt, with its whole interval, breaks it.
const LONG: u32 = 30;

/// Everything that was measured.
#[derive(Debug)]
pub(crate) struct Findings {
    pub(crate) minutes: u32,
    pub(crate) requests: Requests,
    /// Of those that the exporter counted, how many ended how.
    pub(crate) outcomes: BTreeMap<String, u64>,
    /// What the vendor did.
    pub(crate) vendor: Counts,
    pub(crate) scrapes: Scrapes,
    pub(crate) resources: Resources,
    /// `laaffic_exporter_poll_panics_total`
    pub(crate) poll_panics: u64,
    /// How often the log says "panicked".
    pub(crate) panics_logged: usize,
    pub(crate) log_bytes: usize,
    pub(crate) log_lines: usize,
    pub(crate) tally: Arc<Tally>,
}

impl Findings {
    /// The bars that were not kept, a sentence each.
    pub(crate) fn broken_bars(&self) -> Vec<String> {
        let mut broken = Vec::new();
        for (account, sides) in &self.requests.0 {
            if sides.counted != sides.seen {
                broken.push(format!(
                    "account {account}: {} requests counted, {} seen by the vendor",
                    sides.counted, sides.seen
                ));
            }
        }
        if self.poll_panics > 0 || self.panics_logged > 0 {
            let (polls, logged) = (self.poll_panics, self.panics_logged);
            broken.push(format!("{polls} polls panicked, and the log speaks of {logged} panics"));
        }
        let Scrapes { durations, failed } = &self.scrapes;
        if !failed.is_empty() {
            broken.push(format!(
                "{} honest scrapes failed, such as: {}",
                failed.len(),
                failed[0]
            ));
        }
        if durations.is_empty() {
            broken.push("no honest scrape was answered".to_owned());
        }
        let wrong_reloads = self.tally.wrong_reloads.get();
        if wrong_reloads > 0 {
            broken.push(format!("{wrong_reloads} reloads did not end as they should"));
        }
        broken.extend(judge(Slope::of(&self.resources.second_half()), self.minutes));
        broken
    }

    /// For people: a table in Markdown.
    pub(crate) fn report(&self) -> String {
        let mut report = format!("\n| soak of {} min | |\n|---|--:|\n", self.minutes);
        let mut row = |name: &str, value: String| writeln!(report, "| {name} | {value} |").unwrap();
        let requests = self.requests.total();
        row("requests counted by the exporter", requests.counted.to_string());
        row("requests seen by the vendor", requests.seen.to_string());
        let identical = if self.requests.are_identical() { "yes" } else { "no" };
        row("the same in every account", identical.to_owned());
        let outcomes = self
            .outcomes
            .iter()
            .map(|(outcome, count)| format!("{outcome} {count}"));
        row("as counted, by outcome", outcomes.collect::<Vec<_>>().join(", "));
        row("as seen, left before the answer", self.vendor.abandoned.to_string());
        let all: BTreeSet<_> = Fault::all().iter().map(Fault::name).collect();
        let never: Vec<_> = all
            .iter()
            .filter(|name| !self.struck(name))
            .map(String::as_str)
            .collect();
        row(
            "faults that struck",
            format!("{} of {}", all.len() - never.len(), all.len()),
        );
        if !never.is_empty() {
            row("faults that did not", never.join(", "));
        }
        let scrapes = &self.scrapes;
        row("honest scrapes", scrapes.durations.len().to_string());
        row("honest scrapes that failed", scrapes.failed.len().to_string());
        row("scrape p50, ms", milliseconds(scrapes.quantile(0.5)));
        row("scrape p99, ms", milliseconds(scrapes.quantile(0.99)));
        row(
            "panics of polls, in the log",
            format!("{}, {}", self.poll_panics, self.panics_logged),
        );
        self.resource_rows(&mut row);
        self.load_rows(&mut row);
        let (lines, megabytes) = (self.log_lines, self.log_bytes as f64 / 1e6);
        row("log, lines, MB", format!("{lines}, {megabytes:.1}"));
        report
    }

    fn resource_rows(&self, row: &mut impl FnMut(&str, String)) {
        let Resources { samples, at_rest, .. } = &self.resources;
        let all = || samples.iter().chain(at_rest);
        let first_last_rest = [samples.first(), samples.last(), at_rest.as_ref()].map(Option::unwrap);
        let descriptors = first_last_rest.map(|sample| sample.descriptors.to_string()).join(", ");
        let most = all().map(|sample| sample.descriptors).max().unwrap();
        row("open fds: first, last, at rest; most", format!("{descriptors}; {most}"));
        let megabytes = |bytes: u64| format!("{:.1}", bytes as f64 / 1e6);
        let resident = first_last_rest.map(|sample| megabytes(sample.resident)).join(", ");
        let most = megabytes(all().map(|sample| sample.resident).max().unwrap());
        row("resident MB: first, last, at rest; most", format!("{resident}; {most}"));
        let slope = Slope::of(&self.resources.second_half());
        let slope = slope.map_or("too few samples".to_owned(), |slope| {
            format!("{:.3} ({:.3} to {:.3})", slope.value, slope.low, slope.high)
        });
        row("slope of the second half, MB/min (95 %)", slope);
    }

    fn load_rows(&self, row: &mut impl FnMut(&str, String)) {
        let tally = &self.tally;
        row("scrapes broken off", tally.broken_off.get().to_string());
        let two = |one: u64, other: u64| format!("{one}, {other}");
        row("pages read, not had", two(tally.pages.get(), tally.pages_not_had.get()));
        row("slow readers", tally.slow_readers.get().to_string());
        let probes = two(tally.probes.get(), tally.probes_not_had.get());
        row(
            "probes answered, not had, left",
            format!("{probes}, {}", tally.probes_left.get()),
        );
        let reloads = two(tally.reloads.get(), tally.refused_reloads.get());
        row(
            "reloads done, refused, wrong",
            format!("{reloads}, {}", tally.wrong_reloads.get()),
        );
    }

    fn struck(&self, fault: &str) -> bool {
        self.vendor.answers.contains_key(fault) || self.vendor.altered.contains_key(fault)
    }
}

fn milliseconds(duration: Option<Duration>) -> String {
    duration.map_or("none".to_owned(), |duration| {
        format!("{:.1}", duration.as_secs_f64() * 1e3)
    })
}

/// What is wrong with the slope of resident memory, if anything is.
fn judge(slope: Option<Slope>, minutes: u32) -> Option<String> {
    let Some(Slope { value, low, .. }) = slope else {
        return Some("too few samples of resident memory".to_owned());
    };
    let judged = if minutes >= LONG { value } else { low };
    (judged > STEEPEST).then(|| {
        let least = if minutes >= LONG { "" } else { "at least " };
        format!("resident memory grows by {least}{judged:.3} MB/min in the second half, more than {STEEPEST}")
    })
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;
    use crate::counting::Sides;
    use crate::resources::Sample;

    /// A soak of half an hour in which all went well.
    fn good() -> Findings {
        let sides = Sides { counted: 9, seen: 9 };
        let sample = |second| Sample {
            at: Duration::from_secs(second),
            resident: 40_000_000,
            descriptors: 20,
        };
        Findings {
            minutes: 30,
            requests: Requests([("first".to_owned(), sides), ("second".to_owned(), sides)].into()),
            outcomes: [("success".to_owned(), 18)].into(),
            vendor: Counts::default(),
            scrapes: Scrapes {
                durations: vec![Duration::from_millis(20)],
                failed: Vec::new(),
            },
            resources: Resources {
                process: 0,
                begin: Instant::now(),
                samples: (0..1_800).map(sample).collect(),
                at_rest: Some(sample(1_800)),
            },
            poll_panics: 0,
            panics_logged: 0,
            log_bytes: 0,
            log_lines: 0,
            tally: Arc::default(),
        }
    }

    #[test]
    fn each_bar_is_broken_by_what_it_is_for_and_by_nothing_else() {
        assert_eq!(good().broken_bars(), Vec::<String>::new());
        type Change = fn(&mut Findings);
        let changes: [(&str, Change); 8] = [
            // What one account has too many is no excuse for what another has too few.
            ("first: 10 requests counted, 9 seen", |findings| {
                let account = |counted| Sides { counted, seen: 9 };
                findings.requests.0.insert("first".to_owned(), account(10));
            }),
            ("second: 8 requests counted, 9 seen", |findings| {
                findings.requests.0.get_mut("second").unwrap().counted = 8;
            }),
            ("1 polls panicked", |findings| findings.poll_panics = 1),
            ("speaks of 2 panics", |findings| findings.panics_logged = 2),
            ("1 honest scrapes failed", |findings| {
                findings.scrapes.failed.push("status 503".to_owned());
            }),
            ("no honest scrape", |findings| findings.scrapes.durations.clear()),
            ("1 reloads did not", |findings| findings.tally.wrong_reloads.add_one()),
            ("memory grows by 0.060 MB/min", |findings| {
                for sample in &mut findings.resources.samples {
                    sample.resident += sample.at.as_secs() * 1_000;
                }
            }),
        ];
        for (words, change) in changes {
            let mut findings = good();
            change(&mut findings);
            let broken = findings.broken_bars();
            assert!(broken.len() == 1 && broken[0].contains(words), "{words}: {broken:?}");
        }
    }

    #[test]
    fn the_report_says_what_was_counted_on_both_sides_and_what_did_not_strike() {
        let mut findings = good();
        findings.vendor.answers.insert("reset".to_owned(), 3);
        let report = findings.report();
        for row in [
            "| requests counted by the exporter | 18 |",
            "| requests seen by the vendor | 18 |",
            "| as counted, by outcome | success 18 |",
            "| faults that struck | 1 of ",
            "never_answers",
            "| scrape p99, ms | 20.0 |",
            "| slope of the second half, MB/min (95 %) | 0.000 (0.000 to 0.000) |",
        ] {
            assert!(report.contains(row), "{row}: {report}");
        }
    }

    #[test]
    fn a_short_soak_is_held_to_what_is_beyond_doubt_and_a_long_one_to_the_slope() {
        let slope = |value, margin| {
            Some(Slope {
                value,
                low: value - margin,
                high: value + margin,
            })
        };
        for (slope, minutes, broken) in [
            (slope(0.2, 0.3), 29, false),
            (slope(0.2, 0.3), 30, true),
            (slope(0.2, 0.1), 5, true),
            (slope(0.04, 0.3), 30, false),
            (slope(-1.0, 0.1), 5, false),
            (None, 5, true),
        ] {
            let judgement = judge(slope, minutes);
            assert_eq!(
                judgement.is_some(),
                broken,
                "{slope:?} after {minutes} min: {judgement:?}"
            );
        }
    }
}
