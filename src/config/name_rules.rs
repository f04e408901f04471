//! What the names of discovered flows say of them: labels, how often their rounds are looked at, and whether they are watched at all.
//!
//! In: the rules as they are written. Out: [`NameRules`], which tell of any name what is [`Found`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use exporter_toolkit::yaml::{Path, Rules, quote};
use regex::Regex;

use super::schema::{self, RuleAction};

/// A label of ours that configured flows do not have, and discovered ones do.
const TASK_ID: &str = "task_id";

/// How often rounds are looked at where no rule says otherwise.
const NODE_INTERVAL: Duration = Duration::from_secs(300);

/// Rules on names, in order. Without any, every flow is watched.
#[derive(Debug, Clone, Default)]
pub struct NameRules(Arc<[NameRule]>);

#[derive(Debug, Clone)]
struct NameRule {
    pattern: Regex,
    action: RuleAction,
    labels: Box<[(Box<str>, Box<str>)]>,
    node_interval: Option<Duration>,
}

/// What is found of a flow by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Labels, sorted by name; none of them is empty.
    pub labels: Box<[(Box<str>, Box<str>)]>,
    /// How often the flow's rounds are looked at while it is in progress.
    pub node_interval: Duration,
}

impl NameRules {
    /// What the rules say of a flow with this name; `None` where they leave it out.
    pub fn find(&self, name: &str) -> Option<Found> {
        let mut labels = BTreeMap::new();
        let mut node_interval = NODE_INTERVAL;
        for rule in &*self.0 {
            let captured = rule.pattern.captures(name);
            match (&captured, rule.action) {
                (Some(_), RuleAction::Drop) | (None, RuleAction::Keep) => return None,
                (None, RuleAction::Drop | RuleAction::Label) => continue,
                (Some(_), RuleAction::Keep | RuleAction::Label) => {}
            }
            for (name, template) in &rule.labels {
                let mut value = String::new();
                if let Some(captured) = &captured {
                    captured.expand(template, &mut value);
                }
                labels.insert(name, value);
            }
            node_interval = rule.node_interval.unwrap_or(node_interval);
        }
        let labels = labels.into_iter().filter(|(_, value)| !value.is_empty());
        Some(Found {
            labels: labels.map(|(name, value)| (name.clone(), value.into())).collect(),
            node_interval,
        })
    }

    /// Whether they leave a flow with this name out.
    pub fn drops(&self, name: &str) -> bool {
        self.0.iter().any(|rule| match rule.action {
            RuleAction::Drop => rule.pattern.is_match(name),
            RuleAction::Keep => !rule.pattern.is_match(name),
            RuleAction::Label => false,
        })
    }
}

impl PartialEq for NameRules {
    fn eq(&self, other: &Self) -> bool {
        let key = |rule: &NameRule| {
            let pattern = rule.pattern.as_str().to_owned();
            (pattern, rule.action, rule.labels.clone(), rule.node_interval)
        };
        self.0.iter().map(key).eq(other.0.iter().map(key))
    }
}

impl Eq for NameRules {}

/// Checks the rules.
pub(super) fn check(written: &[schema::NameRule], at: &Path<'_>, rules: &mut Rules) -> Option<NameRules> {
    let compiled: Vec<_> = written
        .iter()
        .enumerate()
        .map(|(index, rule)| compile(rule, &at.index(index), rules))
        .collect();
    compiled.into_iter().collect::<Option<_>>().map(NameRules)
}

fn compile(written: &schema::NameRule, at: &Path<'_>, rules: &mut Rules) -> Option<NameRule> {
    let Some(text) = written.pattern.as_deref() else {
        rules.problem(
            at,
            "match is missing; write a regular expression on the flow's taskName, like match: \"TEST.*\"",
        );
        return None;
    };
    let place = at.key("match");
    // As Prometheus does it, a dot matches a newline as well.
    let pattern = Regex::new(&format!("^(?s:{text})$"))
        .map_err(|error| {
            rules.problem(
                &place,
                format!("{} is not a regular expression: {}", quote(text), complaint(&error)),
            )
        })
        .ok()?;
    if pattern.capture_names().skip(1).any(|name| name.is_none()) {
        rules.problem(
            &place,
            "has a group without a name; name it as in (?P<team>[a-z]+), or write (?:…) where nothing is to be captured",
        );
    }
    for (name, template) in &written.labels.0 {
        check_label(name, template, &pattern, &at.key("labels"), rules);
    }
    if written.action == RuleAction::Drop && !written.labels.0.is_empty() {
        rules.problem(
            &at.key("labels"),
            "flows that are dropped get no labels; remove them, or the action",
        );
    }
    Some(NameRule {
        pattern,
        action: written.action,
        labels: written.labels.0.clone(),
        node_interval: written.node_interval.map(|interval| interval.get()),
    })
}

fn check_label(name: &str, template: &str, pattern: &Regex, at: &Path<'_>, rules: &mut Rules) {
    if name == TASK_ID {
        rules.problem_with_key(
            &at.key(name),
            "every discovered flow has this label already, with the id of its task; choose another name",
        );
    }
    let has = |group: &str| pattern.capture_names().flatten().any(|known| known == group);
    if let Some(unknown) = groups_of(template).into_iter().find(|group| !has(group)) {
        rules.problem(
            &at.key(name),
            format!(
                "{} stands for the group {}, which the expression does not have; name a group so, or write $$ for the sign itself",
                quote(&format!("${unknown}")),
                quote(unknown)
            ),
        );
    }
}

/// The groups that a template stands for, as [`regex::Captures::expand`] reads it: `$name`, as long as it can be, or `${name}`.
fn groups_of(template: &str) -> Vec<&str> {
    let mut groups = Vec::new();
    let mut rest = template;
    while let Some((_, after)) = rest.split_once('$') {
        if let Some(after) = after.strip_prefix('$') {
            rest = after;
            continue;
        }
        let (group, after) = match after.strip_prefix('{').and_then(|braced| braced.split_once('}')) {
            Some(braced) => braced,
            None => {
                let end = after.find(|letter: char| letter != '_' && !letter.is_ascii_alphanumeric());
                after.split_at(end.unwrap_or(after.len()))
            }
        };
        groups.push(group);
        rest = after;
    }
    groups
}

/// The last line of what the compiler says, which shows the expression and points into it before.
fn complaint(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default().trim();
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn config(rules: &str) -> Result<NameRules, String> {
        let file = format!(
            "accounts:\n- name: main\n  base_url: https://api.example.org\n  api_key: k\n  api_secret: s\n  discovery:\n    rules:\n{rules}"
        );
        let config = super::super::parse(file, Path::new("c.yaml"), &|_| None).map_err(|error| error.to_string())?;
        let mut accounts = config.accounts;
        Ok(accounts.remove(0).discovery.unwrap().rules)
    }

    fn rules(text: &str) -> NameRules {
        config(text).unwrap()
    }

    fn labels(rules: &NameRules, name: &str) -> Option<Vec<(String, String)>> {
        let labels = rules.find(name)?.labels;
        Some(
            labels
                .iter()
                .map(|(name, value)| (name.to_string(), value.to_string()))
                .collect(),
        )
    }

    fn owned(labels: &[(&str, &str)]) -> Vec<(String, String)> {
        labels
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect()
    }

    #[test]
    fn without_rules_every_flow_is_watched() {
        let none = NameRules::default();
        assert_eq!(labels(&none, ""), Some(vec![]));
        assert_eq!(none.find("x").unwrap().node_interval, NODE_INTERVAL);
        assert!(!none.drops("x"));
    }

    #[test]
    fn a_dropped_flow_is_gone_and_expressions_match_the_whole_name() {
        let rules = rules("    - {match: 'TEST.*', action: drop}\n    - {match: ' *', action: drop}\n");
        for (name, dropped) in [
            ("TEST", true),
            ("TEST-1", true),
            ("TEST\n2", true),
            ("A TEST", false),
            ("test", false),
            ("", true),
        ] {
            assert_eq!(rules.drops(name), dropped, "{name:?}");
            assert_eq!(rules.find(name).is_none(), dropped, "{name:?}");
        }
    }

    #[test]
    fn keep_leaves_out_all_others_and_labels_what_it_keeps() {
        let rules = rules("    - {match: '(?P<team>a|b)-.*', action: keep, labels: {team: $team}}\n");
        assert!(rules.drops("c-1") && rules.find("c-1").is_none());
        assert_eq!(labels(&rules, "b-1"), Some(owned(&[("team", "b")])));
    }

    #[test]
    fn groups_become_labels_and_a_later_rule_wins() {
        let rules = rules(concat!(
            "    - match: '(?P<team>[a-z]+)-(?<kind>[a-z]*)_?.*'\n",
            "      labels: {team: '$team', kind: 'is-${kind}s', price: '$$5', empty: '$kind'}\n",
            "      node_interval: 1m\n",
            "    - match: '.*-late.*'\n",
            "      labels: {team: night}\n",
        ));
        let found = labels(&rules, "risk-check_1");
        let expected = owned(&[
            ("empty", "check"),
            ("kind", "is-checks"),
            ("price", "$5"),
            ("team", "risk"),
        ]);
        assert_eq!(found, Some(expected));
        assert_eq!(labels(&rules, "risk-").unwrap()[0].0, "kind", "an empty label is none");
        let late = rules.find("risk-late").unwrap();
        assert_eq!(
            late.labels.iter().find(|label| &*label.0 == "team").unwrap().1.as_ref(),
            "night"
        );
        assert_eq!(late.node_interval, Duration::from_secs(60));
        assert_eq!(labels(&rules, "Nobody"), Some(vec![]));
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_its_place() {
        for (rule, complaint) in [
            (
                "{action: drop}",
                "c.yaml:8:7: accounts[0].discovery.rules[0]: match is missing; write a regular expression on the flow's taskName, like match: \"TEST.*\"",
            ),
            (
                "{match: '(a'}",
                "c.yaml:8:15: accounts[0].discovery.rules[0].match: \"(a\" is not a regular expression: unclosed group",
            ),
            (
                "{match: '(a)'}",
                "c.yaml:8:15: accounts[0].discovery.rules[0].match: has a group without a name; name it as in (?P<team>[a-z]+), or write (?:…) where nothing is to be captured",
            ),
            (
                "{match: a, action: forget}",
                "c.yaml:8:26: accounts[0].discovery.rules[0].action: \"forget\" is not an action; write label, drop or keep",
            ),
            (
                "{match: a, labels: {task_id: x}}",
                "c.yaml:8:27: accounts[0].discovery.rules[0].labels.task_id: every discovered flow has this label already, with the id of its task; choose another name",
            ),
            (
                "{match: a, labels: {name: x}}",
                "c.yaml:8:27: accounts[0].discovery.rules[0].labels.name: this label is already taken by the metrics or by Prometheus; choose another name",
            ),
            (
                "{match: '(?P<team>a)', labels: {team: $teams}}",
                "c.yaml:8:45: accounts[0].discovery.rules[0].labels.team: \"$teams\" stands for the group \"teams\", which the expression does not have; name a group so, or write $$ for the sign itself",
            ),
            (
                "{match: a, action: drop, labels: {team: x}}",
                "c.yaml:8:40: accounts[0].discovery.rules[0].labels: flows that are dropped get no labels; remove them, or the action",
            ),
        ] {
            let refused = config(&format!("    - {rule}\n")).unwrap_err();
            assert_eq!(refused, complaint, "{rule}");
        }
    }
}
