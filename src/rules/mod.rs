//! The recording and alert rules of this version: `laaffic-exporter rules` prints them, and the file under `deploy/prometheus` is what it
//! prints with the defaults. The Helm chart has them with a placeholder for each choice, which it fills in itself.
//!
//! The rules themselves, each with its reasons, are in `templates/rules.yml`; its thresholds are those of [`trouble`], which the pages go
//! by as well.

#[cfg(test)]
mod reference;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use askama::Template;
use exporter_toolkit::duration::PrometheusDuration;
use thiserror::Error;
use url::Url;

use crate::model::FailureReason;
use crate::words::failure::{Explanation, every_reason, explain};
use crate::words::trouble::{self, LIST_NOT_READ_AFTER, NOT_REFRESHED_AFTER};

/// A word that means itself in YAML, in PromQL and in a template: letters, digits and any of `_ - . : /`, with a letter first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word(String);

impl Word {
    /// The word itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// It is not a [`Word`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("takes letters, digits and _ - . : / only, with a letter first")]
pub struct NoWord;

impl FromStr for Word {
    type Err = NoWord;

    fn from_str(text: &str) -> Result<Self, NoWord> {
        let allowed = |letter: char| letter.is_ascii_alphanumeric() || "_-.:/".contains(letter);
        let begins = text.starts_with(|first: char| first.is_ascii_alphabetic());
        // YAML would read `a:` as a key.
        let well = begins && text.chars().all(allowed) && !text.ends_with(':');
        well.then(|| Self(text.to_owned())).ok_or(NoWord)
    }
}

/// What users change about the rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choices {
    /// The scrape job of the exporter in Prometheus.
    pub job: Word,
    /// `severity` of what wakes somebody.
    pub page: Word,
    /// `severity` of what waits for the working day.
    pub ticket: Word,
    /// How long a flow may be in an execution exception before it pages.
    pub exception_for: Duration,
    /// How long an exporter may be down.
    pub down_for: Duration,
    /// How long a flow or an account may go without a good poll, at the least.
    pub not_refreshed_for: Duration,
    /// Where people reach the exporter, for links of alerts while none has told it.
    pub external_url: Option<Url>,
}

impl Default for Choices {
    /// What the rule file under `deploy/` is made with.
    fn default() -> Self {
        let word = |word: &str| Word(word.to_owned());
        Self {
            job: word("laaffic-exporter"),
            page: word("critical"),
            ticket: word("warning"),
            exception_for: Duration::from_secs(300),
            down_for: Duration::from_secs(300),
            not_refreshed_for: NOT_REFRESHED_AFTER,
            external_url: None,
        }
    }
}

/// Where an exporter that was never seen is looked for: at its default port.
const ON_THIS_HOST: &str = "http://localhost:10871";

/// How long a flow that was seen in an execution exception counts as being so while nobody can tell.
const MEMORY: Duration = Duration::from_secs(24 * 60 * 60);

/// The rules as the YAML of a rule file (Prometheus, "Defining recording rules" and "Alerting rules").
///
/// # Errors
/// None that can be met: writing to memory does not fail.
pub fn rules(choices: &Choices) -> Result<String, askama::Error> {
    let file = RuleFile {
        job: choices.job.as_str(),
        page: choices.page.as_str(),
        ticket: choices.ticket.as_str(),
        exception_for: Threshold::of(choices.exception_for),
        down_for: Threshold::of(choices.down_for),
        not_refreshed_for: Threshold::of(choices.not_refreshed_for),
        list_not_read_for: PrometheusDuration(LIST_NOT_READ_AFTER),
        memory: PrometheusDuration(MEMORY),
        external_url: choices
            .external_url
            .as_ref()
            .map_or(ON_THIS_HOST, |url| url.as_str().trim_end_matches('/')),
        reasons: every_reason().map(Reason::new).collect(),
    };
    file.text()
}

#[derive(Template)]
#[template(path = "rules.yml", syntax = "rules", escape = "none")]
struct RuleFile<'r> {
    job: &'r str,
    page: &'r str,
    ticket: &'r str,
    exception_for: Threshold,
    down_for: Threshold,
    not_refreshed_for: Threshold,
    list_not_read_for: PrometheusDuration,
    memory: PrometheusDuration,
    external_url: &'r str,
    reasons: Vec<Reason>,
}

impl RuleFile<'_> {
    /// The file's text; the template leaves its last line without an end.
    fn text(&self) -> Result<String, askama::Error> {
        Ok(self.render()? + "\n")
    }
}

/// A time that users change, in both of its notations: of Prometheus, and of comparisons in PromQL.
struct Threshold {
    text: String,
    seconds: String,
}

impl Threshold {
    fn of(time: Duration) -> Self {
        Self {
            text: PrometheusDuration(time).to_string(),
            seconds: time.as_secs().to_string(),
        }
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Why a poll fails, for the texts.
struct Reason {
    word: &'static str,
    text: String,
}

impl Reason {
    fn new(reason: FailureReason) -> Self {
        let Explanation { meaning, cure } = explain(reason);
        Self {
            word: reason.label(),
            text: format!("{meaning}: {cure}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use testkit::golden;

    use super::*;

    #[test]
    fn the_file_under_deploy_is_what_the_defaults_give() {
        golden::matches(
            "deploy/prometheus/rules/laaffic.yml",
            &rules(&Choices::default()).unwrap(),
        );
    }

    /// The rules with a placeholder for each choice.
    fn with_placeholders() -> String {
        let threshold = |name: &str| Threshold {
            text: format!("<{name}>"),
            seconds: format!("<{name}-seconds>"),
        };
        let file = RuleFile {
            job: "<job>",
            page: "<page>",
            ticket: "<ticket>",
            exception_for: threshold("exception-for"),
            down_for: threshold("down-for"),
            not_refreshed_for: threshold("not-refreshed-for"),
            list_not_read_for: PrometheusDuration(LIST_NOT_READ_AFTER),
            memory: PrometheusDuration(MEMORY),
            external_url: "<external-url>",
            reasons: every_reason().map(Reason::new).collect(),
        };
        file.text().unwrap()
    }

    #[test]
    fn the_file_of_the_chart_has_a_placeholder_for_each_choice() {
        golden::matches("deploy/helm/laaffic-exporter/files/rules.yaml", &with_placeholders());
    }

    #[test]
    fn what_is_chosen_is_what_the_rules_say() {
        let word = |word: &str| word.parse().unwrap();
        let choices = Choices {
            job: word("dialler"),
            page: word("P1"),
            ticket: word("P4"),
            exception_for: Duration::from_secs(90),
            down_for: Duration::from_secs(420),
            not_refreshed_for: Duration::from_secs(1234),
            external_url: Some("https://example.org/laaffic/".parse().unwrap()),
        };
        let text = rules(&choices).unwrap();
        for piece in [
            "build_info{job=\"dialler\"}[7m]",
            "severity: P1\n",
            "severity: P4\n",
            "<= time() - 90\n",
            ", 1234)",
            "{{ else }}https://example.org/laaffic{{ end }}/runbooks/",
        ] {
            assert!(text.contains(piece), "{piece}");
        }
        for piece in ["laaffic-exporter\"", "critical", "warning", "localhost"] {
            assert!(!text.contains(piece), "{piece}");
        }
    }

    #[test]
    fn a_word_has_nothing_that_yaml_or_a_query_could_take_for_its_own() {
        for good in ["laaffic-exporter", "critical", "P1", "monitoring/laaffic", "a.b_c"] {
            assert_eq!(good.parse::<Word>().unwrap().as_str(), good);
        }
        for bad in ["", "1a", "-a", "a b", "a\"b", "a\\b", "a\nb", "a{{", "a#", "ä", "a:"] {
            assert_eq!(bad.parse::<Word>(), Err(NoWord), "{bad}");
        }
    }
}
