//! Rules with one clause less: whether some test notices.
//!
//! A clause is the right side of `and`, `unless` or `or`, the left side of an `or`, or a comparison. Without it the rule must fail some unit
//! test; a clause that nothing needs is none, or a test is missing.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_yaml::Value;

use crate::incidents::promtool::name;

/// A rule without one of its clauses.
#[derive(Debug, Clone)]
pub struct Mutant {
    /// The alert, or the series that is recorded.
    pub rule: String,
    /// What is left out, in one line, marked between what stands around it.
    pub without: String,
    group: usize,
    place: usize,
    expression: String,
}

/// Clauses that nothing needs and that stay all the same: the rule, the clause with what stands around it, and why.
pub const KEPT: &[(&str, &str, &str)] = &[
    (
        "LaafficAccountNotRefreshed",
        "laaffic:account:watched «== 1»",
        "of an account that is watched no longer no flow is left that was refreshed; but the rule says what it means",
    ),
    (
        "LaafficExporterScrapedTooRarely",
        "«and on () laaffic:rules:running_since <= time() - 3600»",
        "a Prometheus that was down for a while, which promtool cannot play: for it everything begins with the rules",
    ),
    (
        "LaafficExporterScrapedTooRarely",
        "laaffic:rules:running_since «<= time() - 3600»",
        "the same",
    ),
    (
        "laaffic:redial_flow:repair_seconds",
        "«unless on (job, account, key_id) laaffic:redial_flow:repair_seconds»",
        "a Prometheus that is restarted sees for five minutes what was recorded last, which promtool cannot play: each repair is told once",
    ),
];

impl Mutant {
    /// Why its clause stays although nothing needs it, where that is so.
    pub fn kept(&self) -> Option<&'static str> {
        let is_this = |(rule, clause, _): &&(&str, &str, &str)| *rule == self.rule && self.without.contains(clause);
        KEPT.iter().find(is_this).map(|(_, _, reason)| *reason)
    }
}

/// All mutants of these rules, in their order.
pub fn mutants(rules: &Value) -> Vec<Mutant> {
    let mut mutants = Vec::new();
    for (group, yaml) in sequence(&rules["groups"]).iter().enumerate() {
        for (place, rule) in sequence(&yaml["rules"]).iter().enumerate() {
            let expression = rule["expr"].as_str().unwrap_or_default();
            mutants.extend(clauses(expression).into_iter().map(|clause| Mutant {
                rule: name(rule).to_owned(),
                without: marked(expression, &clause),
                group,
                place,
                expression: format!("{} {}", &expression[..clause.start], &expression[clause.end..]),
            }));
        }
    }
    mutants
}

fn sequence(value: &Value) -> &[Value] {
    value.as_sequence().map(Vec::as_slice).unwrap_or_default()
}

/// The clause in its place: the same words may stand in an expression several times.
fn marked(expression: &str, clause: &Range<usize>) -> String {
    let before: Vec<_> = expression[..clause.start].split_whitespace().collect();
    let after: Vec<_> = expression[clause.end..].split_whitespace().collect();
    let around = |words: &[&str]| words.join(" ");
    format!(
        "{} «{}» {}",
        around(&before[before.len().saturating_sub(AROUND)..]),
        words(&expression[clause.clone()]),
        around(&after[..after.len().min(AROUND)])
    )
}

/// Words to each side of a clause, in what is told.
const AROUND: usize = 6;

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// How an operator binds: the looser, the further its operands reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Binds {
    Or,
    And,
    Comparison,
}

/// An operator of an expression, or the bounds of a part in parentheses.
#[derive(Debug)]
struct Mark {
    at: Range<usize>,
    depth: usize,
    /// `None` for a parenthesis.
    binds: Option<Binds>,
}

/// The operators and parentheses of an expression, but for those within quotes and braces.
fn marks(expression: &str) -> Vec<Mark> {
    let mut marks = Vec::new();
    let (mut depth, mut quote, mut word) = (0_usize, None, 0);
    let mut braces = false;
    let bytes = expression.as_bytes();
    for (index, letter) in expression.char_indices() {
        if let Some(open) = quote {
            quote = (letter != open).then_some(open);
            continue;
        }
        match letter {
            '"' | '\'' | '`' => quote = Some(letter),
            '{' => braces = true,
            '}' => braces = false,
            _ if braces => {}
            '(' => {
                depth += 1;
                marks.push(Mark {
                    at: index..index + 1,
                    depth,
                    binds: None,
                });
            }
            ')' => {
                marks.push(Mark {
                    at: index..index + 1,
                    depth,
                    binds: None,
                });
                depth = depth.saturating_sub(1);
            }
            '<' | '>' | '=' | '!' if !matches!(bytes[index - 1], b'<' | b'>' | b'=' | b'!') => {
                let end = index + 1 + usize::from(bytes[index + 1] == b'=');
                let binds = Some(Binds::Comparison);
                marks.push(Mark {
                    at: index..end,
                    depth,
                    binds,
                });
            }
            _ => {}
        }
        if letter.is_ascii_alphanumeric() || matches!(letter, '_' | ':') {
            let next = bytes.get(index + 1).copied().unwrap_or_default();
            if next.is_ascii_alphanumeric() || matches!(next, b'_' | b':') {
                continue;
            }
            let binds = match &expression[word..=index] {
                "or" => Some(Binds::Or),
                "and" | "unless" => Some(Binds::And),
                _ => None,
            };
            if binds.is_some() {
                marks.push(Mark {
                    at: word..index + 1,
                    depth,
                    binds,
                });
            }
        }
        word = index + letter.len_utf8();
    }
    marks
}

/// What can be left out of an expression so that another one remains.
fn clauses(expression: &str) -> Vec<Range<usize>> {
    let marks = marks(expression);
    let mut clauses = Vec::new();
    for (number, mark) in marks.iter().enumerate() {
        let Some(binds) = mark.binds else { continue };
        let bounds = |other: &&Mark| other.depth == mark.depth && other.binds.is_none_or(|others| others <= binds);
        let end = marks[number + 1..]
            .iter()
            .find(bounds)
            .map_or(expression.len(), |other| other.at.start);
        let right = mark.at.start..end;
        // `bool` makes a number of a comparison, and what is compared with a number on its left is what matters.
        let operand = expression[mark.at.end..end].trim_start();
        let start = marks[..number]
            .iter()
            .rev()
            .find(bounds)
            .map_or(0, |other| other.at.end);
        let left = &expression[start..mark.at.start];
        match binds {
            Binds::Comparison if operand.starts_with("bool") => {}
            Binds::Comparison if left.trim().parse::<f64>().is_ok() => clauses.push(start..mark.at.end),
            Binds::Comparison | Binds::And => clauses.push(right),
            Binds::Or => {
                clauses.push(right);
                let matching = operand.starts_with("on ").then(|| operand.find(')')).flatten();
                let skipped = expression[mark.at.end..end].len() - operand.len() + matching.map_or(0, |at| at + 1);
                clauses.push(start..mark.at.end + skipped);
            }
        }
    }
    clauses
}

/// A file of tests as files with one test each.
fn each_alone(file: &str) -> impl Iterator<Item = String> {
    let whole: Value = serde_yaml::from_str(file).unwrap();
    let tests = sequence(&whole["tests"]).to_vec();
    tests.into_iter().map(move |test| {
        let mut alone = whole.clone();
        alone["tests"] = Value::Sequence(vec![test]);
        serde_yaml::to_string(&alone).unwrap()
    })
}

/// The unit tests of the rules, in a folder with rules that can be changed.
#[derive(Debug)]
pub struct Tests {
    folder: tempfile::TempDir,
    rules: PathBuf,
    /// One for each test. The one that failed last is first: clauses of the same rule are mostly missed by the same test.
    files: Vec<PathBuf>,
    yaml: Value,
}

impl Tests {
    /// Those of the folder `tests`, of these rules. A test finds the rules at the same place, seen from itself, as where it was.
    ///
    /// # Panics
    /// If the files are not there.
    pub fn copy(rules: &Path, tests: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let here = |path: &Path| folder.path().join(path);
        for path in [rules.parent().unwrap(), tests] {
            fs::create_dir_all(here(path)).unwrap();
        }
        let mut files = Vec::new();
        for entry in fs::read_dir(tests).unwrap() {
            let path = entry.unwrap().path();
            for (number, test) in each_alone(&fs::read_to_string(&path).unwrap()).enumerate() {
                let alone = here(&path).with_extension(format!("{number}.yml"));
                fs::write(&alone, test).unwrap();
                files.push(alone);
            }
        }
        files.sort();
        let yaml = serde_yaml::from_str(&fs::read_to_string(rules).unwrap()).unwrap();
        Self {
            rules: here(rules),
            files,
            yaml,
            folder,
        }
    }

    /// The rules as they are.
    pub fn rules(&self) -> &Value {
        &self.yaml
    }

    /// Whether a test fails with this mutant; `None` where it is no rule at all.
    ///
    /// # Panics
    /// If promtool cannot be run.
    pub fn notice(&mut self, mutant: &Mutant) -> Option<bool> {
        let mut yaml = self.yaml.clone();
        yaml["groups"][mutant.group]["rules"][mutant.place]["expr"] = mutant.expression.clone().into();
        fs::write(&self.rules, serde_yaml::to_string(&yaml).unwrap()).unwrap();
        if !self.promtool(&["check", "rules"], &self.rules) {
            return None;
        }
        let failed = self.failing();
        if let Some(failed) = failed {
            self.files[..=failed].rotate_right(1);
        }
        Some(failed.is_some())
    }

    /// The rules as they are must pass: else every mutant would seem to be noticed.
    ///
    /// # Panics
    /// If a test fails, or promtool cannot be run.
    pub fn pass(&self) {
        fs::write(&self.rules, serde_yaml::to_string(&self.yaml).unwrap()).unwrap();
        let failed = self.failing().map(|failed| &self.files[failed]);
        assert_eq!(failed, None, "fails with the rules as they are");
    }

    /// The first file whose tests fail with the rules that are there now.
    fn failing(&self) -> Option<usize> {
        self.files
            .iter()
            .position(|path| !self.promtool(&["test", "rules"], path))
    }

    fn promtool(&self, arguments: &[&str], path: &Path) -> bool {
        let mut command = Command::new("promtool");
        let output = command
            .current_dir(self.folder.path())
            .args(arguments)
            .arg(path)
            .output();
        output.unwrap().status.success()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_clause_can_be_left_out() {
        let expression = "0 <= a{b=\"x or y\"} <= 5 and on (k) (c unless d) or on (k) e > bool 1";
        let left: Vec<_> = clauses(expression)
            .into_iter()
            .map(|clause| {
                words(&format!(
                    "{} {}",
                    &expression[..clause.start],
                    &expression[clause.end..]
                ))
            })
            .collect();
        assert_eq!(
            left,
            [
                "a{b=\"x or y\"} <= 5 and on (k) (c unless d) or on (k) e > bool 1",
                "0 <= a{b=\"x or y\"} and on (k) (c unless d) or on (k) e > bool 1",
                "0 <= a{b=\"x or y\"} <= 5 or on (k) e > bool 1",
                "0 <= a{b=\"x or y\"} <= 5 and on (k) (c ) or on (k) e > bool 1",
                "0 <= a{b=\"x or y\"} <= 5 and on (k) (c unless d)",
                "e > bool 1",
            ]
        );
    }
}
