//! The table of alerts for `docs/alerts.md`: from the rules as they are printed, and what each alert says from their unit tests.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

use regex::Regex;
use serde_yaml::Value;
use testkit::golden;

use super::{Choices, rules};

/// What gives an alert the labels of its flow. It is no condition.
const LABELS: &str = " * on (job, account, key_id) group_right () laaffic:redial_flow:labels";

/// A threshold that no rule has by itself.
const OTHER: Duration = Duration::from_secs(1234);

struct Rule {
    /// Of an alert or of what is recorded.
    name: String,
    is_alert: bool,
    severity: String,
    holds_for: String,
    /// On one line.
    expression: String,
}

fn rules_with(choices: &Choices) -> Vec<Rule> {
    let file: Value = serde_yaml::from_str(&rules(choices).unwrap()).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let groups = file["groups"].as_sequence().unwrap().iter();
    let rules = groups.flat_map(|group| group["rules"].as_sequence().unwrap());
    let read = |rule: &Value| Rule {
        name: text(&rule["alert"]) + &text(&rule["record"]),
        is_alert: !rule["alert"].is_null(),
        severity: text(&rule["labels"]["severity"]),
        holds_for: text(&rule["for"]),
        expression: text(&rule["expr"]).split_whitespace().collect::<Vec<_>>().join(" "),
    };
    rules.map(read).collect()
}

/// The conditions that an alert begins with: those that compare something, or all of it where none does.
fn begins_when(expression: &str) -> String {
    let condition = expression.strip_suffix(LABELS).unwrap_or(expression);
    let condition = without_parentheses(condition);
    let (begins, _) = split_once_outside(condition, &[" or "]).unwrap_or((condition, ""));
    let mut conditions = Vec::new();
    let mut rest = Some(begins);
    while let Some(text) = rest {
        let split = split_once_outside(text, &[" and ", " unless "]);
        let (one, others) = split.unwrap_or((text, ""));
        conditions.push(without_parentheses(one));
        rest = split.map(|_| after_matching(others));
        // "Unless" names what another alert says instead.
        if text[one.len()..].starts_with(" unless ") {
            break;
        }
    }
    let compares = Regex::new(" (<|<=|>|>=|==) ").unwrap();
    // What refers to alerts that fire already keeps one going, or leaves it to another one.
    conditions.retain(|condition| compares.is_match(condition) && !condition.contains("ALERTS"));
    match &conditions[..] {
        [] => begins.to_owned(),
        conditions => conditions.join(" and "),
    }
}

/// Splits at the first of these words that is in no parentheses, braces or brackets.
fn split_once_outside<'t>(text: &'t str, words: &[&str]) -> Option<(&'t str, &'t str)> {
    let mut depth = 0;
    for (place, letter) in text.char_indices() {
        match letter {
            '(' | '{' | '[' => depth += 1,
            ')' | '}' | ']' => depth -= 1,
            _ => {}
        }
        let rest = &text[place..];
        if let Some(word) = words.iter().find(|word| depth == 0 && rest.starts_with(**word)) {
            return Some((&text[..place], &rest[word.len()..]));
        }
    }
    None
}

/// Without the one pair of parentheses that everything is in.
fn without_parentheses(text: &str) -> &str {
    let inner = text.strip_prefix('(').and_then(|text| text.strip_suffix(')'));
    let is_one_pair = |inner: &&str| {
        let depths = inner.chars().scan(0, |depth, letter| {
            *depth += i32::from(letter == '(') - i32::from(letter == ')');
            Some(*depth)
        });
        depths.min().unwrap_or(0) >= 0
    };
    inner.filter(is_one_pair).map_or(text, str::trim)
}

/// Without the labels that both sides of a set operator must have in common.
fn after_matching(text: &str) -> &str {
    let matching = Regex::new(r"^on \([^)]*\) ").unwrap();
    matching.find(text).map_or(text, |found| &text[found.end()..])
}

/// All that an alert asks: its expression, and those of what is recorded for it.
fn asked_by(alert: &str, rules: &[Rule]) -> String {
    let mut names = BTreeSet::from([alert.to_owned()]);
    let mut asked = String::new();
    let recorded = Regex::new("laaffic:[a-zA-Z0-9_:]+").unwrap();
    let mut new = vec![alert.to_owned()];
    while let Some(name) = new.pop() {
        for rule in rules.iter().filter(|rule| rule.name == name) {
            asked.push_str(&rule.expression);
            let found = recorded
                .find_iter(&rule.expression)
                .map(|found| found.as_str().to_owned());
            new.extend(found.filter(|name| names.insert(name.clone())));
        }
    }
    asked
}

/// The flags of `rules` that change when an alert begins, by the alert: found by changing them.
fn flags_by_alert() -> BTreeMap<String, Vec<String>> {
    let defaults = rules_with(&Choices::default());
    let with = |change: fn(&mut Choices)| {
        let mut choices = Choices::default();
        change(&mut choices);
        rules_with(&choices)
    };
    let changes = [
        ("--exception-for", with(|choices| choices.exception_for = OTHER)),
        ("--down-for", with(|choices| choices.down_for = OTHER)),
        ("--not-refreshed-for", with(|choices| choices.not_refreshed_for = OTHER)),
    ];
    let mut flags: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (flag, changed) in changes {
        for alert in defaults.iter().filter(|rule| rule.is_alert) {
            if asked_by(&alert.name, &defaults) != asked_by(&alert.name, &changed) {
                flags.entry(alert.name.clone()).or_default().push(format!("`{flag}`"));
            }
        }
    }
    flags
}

/// The first summary that a unit test expects of each alert, which promtool holds the rules to.
fn summaries() -> BTreeMap<String, String> {
    let mut summaries = BTreeMap::new();
    let paths = fs::read_dir("tests/rules").unwrap();
    let mut paths: Vec<_> = paths.map(|entry| entry.unwrap().path()).collect();
    // Those of the file that is about texts first.
    paths.sort_by_key(|path| (!path.ends_with("texts.yml"), path.clone()));
    for path in paths {
        let file: Value = serde_yaml::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        let list = |value: &Value| value.as_sequence().cloned().unwrap_or_default();
        for case in list(&file["tests"])
            .iter()
            .flat_map(|test| list(&test["alert_rule_test"]))
        {
            let alert = case["alertname"].as_str().unwrap();
            for expected in list(&case["exp_alerts"]) {
                if let Some(summary) = expected["exp_annotations"]["summary"].as_str() {
                    summaries.entry(alert.to_owned()).or_insert_with(|| summary.to_owned());
                }
            }
        }
    }
    summaries
}

#[test]
fn the_page_has_every_alert_as_its_rule_says_it() {
    let rules = rules_with(&Choices::default());
    let (flags, summaries) = (flags_by_alert(), summaries());
    let mut table =
        "| alert | severity | `for` | begins when | changed with | says |\n|---|---|---|---|---|---|\n".to_owned();
    for rule in rules.iter().filter(|rule| rule.is_alert) {
        let Rule {
            name,
            severity,
            holds_for,
            expression,
            ..
        } = rule;
        let begins = begins_when(expression).replace('|', "\\|");
        let flags = flags.get(name).map_or_else(String::new, |flags| flags.join(", "));
        let summary = &summaries[name];
        writeln!(
            table,
            "| [{name}](runbooks/{name}.md) | `{severity}` | `{holds_for}` | `{begins}` | {flags} | {summary} |"
        )
        .unwrap();
    }
    golden::part_matches("docs/alerts.md", "alerts", &table);
}

#[test]
fn what_begins_an_alert_is_cut_out_of_its_expression() {
    for (expression, begins) in [
        ("a > 1", "a > 1"),
        ("sum by (b) (a > 1)", "sum by (b) (a > 1)"),
        ("a > 1 or a and ALERTS{}", "a > 1"),
        (
            "(a > 1 and on (b, c) d) * on (job, account, key_id) group_right () laaffic:redial_flow:labels",
            "a > 1",
        ),
        ("(a > 1 or a < -1) and b", "a > 1 or a < -1"),
        ("a / b > 1 and a >= 5", "a / b > 1 and a >= 5"),
        ("a unless b", "a unless b"),
        ("a > 1 unless on (c) b > 2", "a > 1"),
    ] {
        assert_eq!(begins_when(expression), begins, "{expression}");
    }
}
