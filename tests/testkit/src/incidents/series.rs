//! Scrapes as promtool's series: samples in a row, `_` where there is none, `stale` where Prometheus would write that a series has ended.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// All series of all targets.
#[derive(Debug, Default)]
pub struct Series {
    rows: BTreeMap<String, Row>,
    /// The series of each target's last good scrape.
    last: BTreeMap<String, BTreeSet<String>>,
}

impl Series {
    /// A scrape of this target, the `step`th: its samples as series and value, or `None` where it failed. Whatever was in its scrape
    /// before and is not in this one ends.
    pub fn scrape(&mut self, instance: &str, step: usize, samples: Option<&[(String, String)]>) {
        let samples = samples.unwrap_or_default();
        for (series, value) in samples {
            self.rows.entry(series.clone()).or_default().put(step, value);
        }
        let now: BTreeSet<_> = samples.iter().map(|(series, _)| series.clone()).collect();
        let before = self.last.insert(instance.to_owned(), now).unwrap_or_default();
        for series in before.difference(&self.last[instance]) {
            self.rows.entry(series.clone()).or_default().put(step, "stale");
        }
    }

    /// A sample that Prometheus writes by itself, such as `up`.
    pub fn put(&mut self, series: &str, step: usize, value: &str) {
        self.rows.entry(series.to_owned()).or_default().put(step, value);
    }

    /// Every series with its values, in promtool's notation.
    pub fn lines(self) -> impl Iterator<Item = (String, String)> {
        self.rows.into_iter().map(|(series, row)| (series, row.finish()))
    }
}

/// One series.
#[derive(Debug, Default)]
struct Row {
    text: String,
    /// The next step that nothing is said of.
    next: usize,
    /// The value that is repeated, and how often it is there so far.
    run: Option<(String, usize)>,
}

impl Row {
    fn put(&mut self, step: usize, value: &str) {
        assert!(step >= self.next, "step {step} comes after {}", self.next);
        if step > self.next {
            self.end_run();
            let _ = write!(self.text, "_x{} ", step - self.next);
        }
        match &mut self.run {
            Some((same, times)) if same == value => *times += 1,
            _ => {
                self.end_run();
                self.run = Some((value.to_owned(), 1));
            }
        }
        self.next = step + 1;
    }

    fn end_run(&mut self) {
        let Some((value, times)) = self.run.take() else { return };
        // `axn` is a, and n more; only numbers can be repeated so.
        let is_number = value.parse::<f64>().is_ok_and(f64::is_finite);
        let _ = match times {
            2.. if is_number => write!(self.text, "{value}x{} ", times - 1),
            _ => write!(self.text, "{}", format!("{value} ").repeat(times)),
        };
    }

    fn finish(mut self) -> String {
        self.end_run();
        self.text.trim_end().to_owned()
    }
}

/// The samples of an exposition in the classic text format, of these families only, with further labels in front.
pub fn read(text: &str, families: &BTreeSet<String>, labels: &str) -> Vec<(String, String)> {
    let mut samples = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (series, value) = line.rsplit_once(' ').unwrap();
        let (family, own) = series.split_once('{').unwrap_or((series, "}"));
        if families.contains(family) {
            let comma = if own == "}" { "" } else { "," };
            samples.push((format!("{family}{{{labels}{comma}{own}"), value.to_owned()));
        }
    }
    samples
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scrape(series: &mut Series, step: usize, values: Option<&[(&str, &str)]>) {
        let samples: Option<Vec<_>> = values.map(|values| {
            let owned = values
                .iter()
                .map(|(series, value)| ((*series).to_owned(), (*value).to_owned()));
            owned.collect()
        });
        series.scrape("a:1", step, samples.as_deref());
    }

    fn lines(series: Series) -> Vec<(String, String)> {
        series.lines().collect()
    }

    fn pairs<const N: usize>(pairs: [(&str, &str); N]) -> Vec<(String, String)> {
        pairs
            .map(|(series, values)| (series.to_owned(), values.to_owned()))
            .to_vec()
    }

    #[test]
    fn what_repeats_is_counted_and_what_is_missing_is_left_out() {
        let mut series = Series::default();
        for step in [2, 3, 4, 7] {
            scrape(&mut series, step, Some(&[("x{}", "1")]));
        }
        assert_eq!(lines(series), pairs([("x{}", "_x2 1x2 _x2 1")]));
    }

    #[test]
    fn a_series_that_is_gone_ends_where_prometheus_ends_it() {
        let mut series = Series::default();
        scrape(&mut series, 0, Some(&[("x{}", "1"), ("y{}", "2")]));
        scrape(&mut series, 1, Some(&[("x{}", "1")]));
        // A failed scrape ends all, once.
        scrape(&mut series, 2, None);
        scrape(&mut series, 3, None);
        scrape(&mut series, 4, Some(&[("x{}", "1")]));
        assert_eq!(lines(series), pairs([("x{}", "1x1 stale _x1 1"), ("y{}", "2 stale")]));
    }

    #[test]
    fn targets_end_only_what_is_theirs() {
        let mut series = Series::default();
        scrape(&mut series, 0, Some(&[("x{}", "1")]));
        series.scrape("b:1", 0, Some(&[("z{}".to_owned(), "1".to_owned())]));
        series.scrape("b:1", 1, None);
        scrape(&mut series, 1, Some(&[("x{}", "1")]));
        assert_eq!(lines(series), pairs([("x{}", "1x1"), ("z{}", "1 stale")]));
    }

    #[test]
    fn only_the_families_that_are_asked_for_are_read() {
        let text = "# HELP a b\na{k=\"v v\"} 1\nb 2\nc 3\n";
        let families = ["a", "b"].map(str::to_owned).into();
        assert_eq!(
            read(text, &families, "job=\"j\""),
            pairs([("a{job=\"j\",k=\"v v\"}", "1"), ("b{job=\"j\"}", "2")])
        );
    }
}
