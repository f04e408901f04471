//! The documentation is compared with the code: metrics, flags, configuration, label values and links.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use clap::CommandFactory;
use exporter_toolkit::exposition::Kind;
use laaffic_exporter::cli::Cli;
use laaffic_exporter::config;
use laaffic_exporter::metrics::catalogue::{Family, PROBE, all};
use laaffic_exporter::model::{ApiCode, FailureReason, Outcome, ResponseField, Status};
use laaffic_exporter::words::failure::{every_reason, explain};
use testkit::assertions::says;

/// cargo's own flags that the documents mention.
const FLAGS_OF_CARGO: [&str; 3] = ["--release", "--test", "--workspace"];

/// Flags of `scripts/incidents` that the documents mention.
const FLAGS_OF_INCIDENTS: [&str; 5] = ["--seed", "--count", "--only", "--stories", "--keep"];

/// What has the flags of the exporter and of nothing else but cargo and `scripts/incidents`.
const WITH_FLAGS: [&str; 6] = [
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "docs/command-line.md",
    "docs/http.md",
    "docs/troubleshooting.md",
];

/// Families that no dashboard or rule has a use for: how much address space there is says nothing of a program like this.
const NOT_ASKED_FOR: [&str; 2] = ["process_virtual_memory_bytes", "process_virtual_memory_max_bytes"];

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).unwrap()
}

/// The files in these folders, and in the folders in them, whose names end in one of `ends`.
fn files(folders: &[&str], ends: &[&str]) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = folders.iter().map(PathBuf::from).collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let end = path.extension().unwrap_or_default().to_str().unwrap();
            if path.is_dir() {
                folders.push(path);
            } else if ends.contains(&end) {
                found.push((path.clone(), read(path)));
            }
        }
    }
    found
}

/// What is at the top of the repository.
const AT_THE_TOP: [&str; 4] = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"];

/// Everything at the top, in `docs/` and beside what is deployed.
fn documents() -> Vec<(PathBuf, String)> {
    let mut found = files(&["docs", "deploy", "grafana"], &["md"]);
    found.extend(AT_THE_TOP.map(|path| (path.into(), read(path))));
    found
}

/// What asks for metrics: alert and recording rules, dashboards.
fn queries() -> Vec<(PathBuf, String)> {
    files(&["deploy/prometheus/rules", "grafana/dashboards"], &["yml", "json"])
}

/// The cells of a Markdown table's rows whose first cell is one word of code, by that word.
fn rows(text: &str) -> BTreeMap<&str, Vec<&str>> {
    text.lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` |"))
        .map(|(word, rest)| (word, rest.split('|').map(str::trim).collect()))
        .collect()
}

/// The words of code in a line of Markdown.
fn code(line: &str) -> Vec<&str> {
    line.split('`').skip(1).step_by(2).collect()
}

/// Fenced blocks of this language.
fn blocks<'t>(text: &'t str, language: &str) -> Vec<&'t str> {
    let fence = format!("```{language}\n");
    let starts = text.split(&*fence).skip(1);
    starts.map(|rest| rest.split("```").next().unwrap()).collect()
}

fn sample_names(family: &Family) -> Vec<String> {
    match family.kind {
        Kind::Histogram => ["", "_bucket", "_sum", "_count"]
            .map(|end| format!("{}{end}", family.name))
            .into(),
        Kind::Counter | Kind::Gauge => vec![family.query_name()],
    }
}

/// What may be the name of a metric. The parts of a recorded one, between colons, are names too.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
}

#[test]
fn every_metric_is_on_a_dashboard_or_in_a_rule() {
    let queries = queries();
    let asked: BTreeSet<&str> = queries.iter().flat_map(|(_, text)| words(text)).collect();
    for family in all() {
        let mut names = sample_names(family).into_iter();
        let is_asked_for = names.any(|name| asked.contains(&*name)) || NOT_ASKED_FOR.contains(&family.name);
        assert!(is_asked_for, "nothing asks for {}", family.name);
    }
}

#[test]
fn every_metric_that_is_written_about_exists() {
    let known: BTreeSet<String> = all().chain(PROBE).flat_map(sample_names).collect();
    for (path, text) in documents().into_iter().chain(queries()) {
        for word in words(&text) {
            let is_metric = word.starts_with("laaffic_") && word != "laaffic_exporter" || word.starts_with("process_");
            // `process_*` speaks of all that begin so, as does a pattern.
            let group = || {
                let open = word.ends_with('_') || text.contains(&format!("=~\"{word}("));
                open && known.iter().any(|name| name.starts_with(word))
            };
            let exists = !is_metric || known.contains(word) || group();
            assert!(
                exists,
                "{} speaks of {word}, which the catalogue does not have",
                path.display()
            );
        }
    }
}

#[test]
fn the_reference_lists_every_family_of_ours_and_no_other() {
    let reference = read("docs/metrics.md");
    let table = reference.split("\n## All at a glance\n").nth(1).unwrap();
    let table = table.split("\n## ").next().unwrap();
    let rows = table
        .lines()
        .filter_map(|line| line.strip_prefix("| [`")?.split_once("`](#"));
    let listed: BTreeSet<_> = rows.map(|(name, _)| name).collect();
    let names: Vec<_> = all().map(Family::query_name).collect();
    let ours = names.iter().map(String::as_str);
    let ours: BTreeSet<_> = ours.filter(|name| !name.starts_with("process_")).collect();
    assert_eq!(listed, ours);
}

#[test]
fn the_readme_leads_to_every_document() {
    let readme = read("README.md");
    says(
        &readme,
        &["](docs/metrics.md)", "](docs/troubleshooting.md)", "](docs/README.md)"],
    );
    let list = read("docs/README.md");
    for (path, _) in files(&["docs"], &["md"]) {
        let path = path.strip_prefix("docs").unwrap().to_str().unwrap().to_owned();
        // The runbooks have a list of their own.
        let is_listed =
            path == "README.md" || path.starts_with("runbooks/Laaffic") || list.contains(&format!("]({path})"));
        assert!(is_listed, "docs/README.md does not list {path}");
    }
}

#[test]
fn the_reference_has_every_family_with_its_type_and_labels() {
    let reference = read("docs/metrics.md");
    for family in all() {
        let name = family.query_name();
        let summary = reference.split(&format!("\n### {name}\n\n")).nth(1);
        assert!(summary.is_some(), "docs/metrics.md has no section on {name}");
        let summary = summary.unwrap().lines().next().unwrap();
        let kind = summary.split(" · ").next();
        assert_eq!(kind, Some(family.kind.as_str()), "type of {name}");
        assert_eq!(code(summary), family.labels, "labels of {name}");
    }
}

#[test]
fn the_reference_has_every_label_value() {
    let reference = read("docs/metrics.md");
    let reasons = ApiCode::DOCUMENTED.map(ApiCode::reason);
    let words = Status::ALL
        .map(Status::label)
        .into_iter()
        .chain(Outcome::ALL.map(Outcome::label))
        .chain(reasons)
        .chain(["api_other", "other_flow", "no_data", "blocked"]);
    for word in words {
        assert!(reference.contains(&format!("| `{word}` |")), "no row on {word}");
    }
}

#[test]
fn the_reference_has_every_field_that_may_be_unreadable() {
    let reference = read("docs/metrics.md");
    let section = reference
        .split("\n### laaffic_api_unreadable_fields_total\n")
        .nth(1)
        .unwrap();
    let section = section.split("\n### ").next().unwrap();
    for field in ResponseField::ALL.map(ResponseField::label) {
        assert!(code(section).contains(&field), "no word on {field}");
    }
}

#[test]
fn the_reference_explains_every_reason_in_the_programs_own_words() {
    let reference = read("docs/metrics.md");
    let section = reference.split("\n## Reasons and cures\n").nth(1).unwrap();
    let rows = rows(section);
    let reasons: Vec<_> = every_reason().collect();
    for reason in &reasons {
        let explanation = explain(*reason);
        let meaning = match reason {
            FailureReason::Api(code) if ApiCode::DOCUMENTED.contains(code) => {
                format!("code {code}: {}", explanation.meaning)
            }
            _ => explanation.meaning.to_owned(),
        };
        let cells = rows.get(reason.label());
        assert!(cells.is_some(), "docs/metrics.md does not explain {}", reason.label());
        let cells: Vec<_> = cells.unwrap().iter().map(|cell| cell.replace('`', "")).collect();
        assert_eq!(cells[..2], [meaning, explanation.cure.to_owned()], "{}", reason.label());
    }
    assert_eq!(rows.len(), reasons.len(), "{:?}", rows.keys());
}

#[test]
fn the_documents_have_every_flag_with_its_default_and_no_other() {
    let reference = read("docs/command-line.md");
    let rows = rows(&reference);
    let cli = Cli::command();
    let mut known: BTreeSet<String> = FLAGS_OF_CARGO.map(str::to_owned).into();
    known.extend(FLAGS_OF_INCIDENTS.map(str::to_owned));
    known.extend(["--help".to_owned(), "--version".to_owned()]);
    let commands = [&cli].into_iter().chain(cli.get_subcommands());
    let arguments = commands.flat_map(|command| command.get_arguments());
    for (argument, long) in arguments.filter_map(|argument| Some((argument, argument.get_long()?))) {
        let flag = format!("--{long}");
        let cells = rows.get(&*flag);
        assert!(
            cells.is_some(),
            "docs/command-line.md does not have {flag} in its table"
        );
        if argument.get_action().takes_values() {
            let defaults = argument.get_default_values().iter();
            let defaults: Vec<_> = defaults.map(|value| value.to_str().unwrap()).collect();
            assert_eq!(code(cells.unwrap()[0]), defaults, "default of {flag}");
        }
        known.insert(flag);
    }
    for path in WITH_FLAGS {
        let text = read(path);
        let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && !"-._".contains(letter));
        for word in words.filter(|word| word.starts_with("--") && word.contains(char::is_alphabetic)) {
            assert!(known.contains(word), "{path} speaks of an unknown {word}");
        }
    }
}

#[test]
fn the_configuration_in_the_readme_is_good() {
    let readme = read("README.md");
    let blocks = blocks(&readme, "yaml");
    let (prometheus, ours): (Vec<_>, Vec<_>) = blocks.into_iter().partition(|text| text.starts_with("scrape_configs:"));
    assert!(!prometheus.is_empty() && !ours.is_empty());
    for text in prometheus {
        says(text, &["job_name: laaffic-exporter\n"]);
    }
    for text in ours {
        let env = |name: &str| Some(format!("value-of-{name}"));
        config::parse(text, Path::new("README.md"), &env).unwrap();
    }
}

#[test]
fn links_between_the_documents_lead_somewhere() {
    for (path, text) in documents() {
        for rest in text.split("](").skip(1) {
            let target = rest.split([')', '#']).next().unwrap();
            let file = path.parent().unwrap().join(target);
            let leads_somewhere = target.is_empty() || target.contains("://") || file.exists();
            assert!(leads_somewhere, "{} links to {target}", path.display());
        }
    }
}
