//! The documentation is compared with the code: metrics, flags, configuration, label values and links.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::{CommandFactory as _, Parser as _};
use exporter_toolkit::exposition::Kind;
use exporter_toolkit::http_config::HttpConfig;
use exporter_toolkit::web_config;
use laaffic_exporter::cli::Cli;
use laaffic_exporter::config;
use laaffic_exporter::metrics::catalogue::{Family, PROBE, all};
use laaffic_exporter::model::{ApiCode, FailureReason, Outcome, ResponseField, Status};
use laaffic_exporter::words::failure::{every_reason, explain};
use testkit::advice;
use testkit::assertions::says;
use testkit::folder::Folder;
use testkit::process::run;
use testkit::vendor::{account, still};
use testkit::watching::Watching;

use crate::exporter;

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

/// The section of docs/metrics.md on a metric.
fn section<'t>(reference: &'t str, name: &str) -> &'t str {
    let section = reference.split(&format!("\n### {name}\n\n")).nth(1);
    let section = section.unwrap_or_else(|| panic!("docs/metrics.md has no section on {name}"));
    section.split("\n## ").next().unwrap().split("\n### ").next().unwrap()
}

#[test]
fn the_reference_has_every_family_with_its_type_unit_and_labels() {
    let reference = read("docs/metrics.md");
    for family in all().chain(PROBE) {
        let name = family.query_name();
        let summary = section(&reference, &name).lines().next().unwrap();
        let mut parts = summary.split(" · ");
        assert_eq!(parts.next(), Some(family.kind.as_str()), "type of {name}");
        assert_eq!(code(summary), family.labels, "labels of {name}");
        let is_moment = name.contains("_timestamp_") || name.contains("_start_time_");
        let unit = family.unit.map(|unit| match is_moment {
            true => format!("{} (Unix time)", unit.as_str()),
            false => unit.as_str().to_owned(),
        });
        let said = parts.next().unwrap();
        let is_said = unit
            .as_ref()
            .map_or(!UNITS.iter().any(|unit| said.starts_with(unit)), |unit| said == unit);
        assert!(is_said, "unit of {name}: {said}, not {unit:?}");
    }
}

/// What only metrics may say they are counted in whose names end so.
const UNITS: [&str; 3] = ["seconds", "bytes", "ratio"];

#[test]
fn the_reference_has_a_query_on_every_family() {
    let reference = read("docs/metrics.md");
    for family in all().chain(PROBE) {
        let section = section(&reference, &family.query_name());
        let queries: Vec<&str> = section.lines().filter_map(advice::query).collect();
        let asks = queries
            .iter()
            .any(|query| words(query).any(|word| sample_names(family).iter().any(|name| name == word)));
        // What is added up over replicas and kept over gaps is asked by its recorded name.
        let recorded = family.name.replace("laaffic_account_", "laaffic:account:");
        let asks = asks || queries.iter().any(|query| query.contains(&recorded));
        assert!(asks, "{}: {queries:?}", family.name);
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
    let rows: BTreeMap<_, _> = advice::rows(section).collect();
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
fn every_reason_is_in_the_table_of_what_happens() {
    let page = read("docs/troubleshooting.md");
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| ")).collect();
    for reason in every_reason().map(FailureReason::label) {
        let word = format!("`{reason}`");
        let is_there = rows.iter().any(|row| row.contains("reason `") && row.contains(&word));
        assert!(is_there, "docs/troubleshooting.md has no row on {reason}");
    }
}

#[test]
fn the_documents_speak_of_no_flag_that_there_is_not() {
    let cli = Cli::command();
    let mut known: BTreeSet<String> = FLAGS_OF_CARGO.map(str::to_owned).into();
    known.extend(FLAGS_OF_INCIDENTS.map(str::to_owned));
    known.extend(["--help".to_owned(), "--version".to_owned()]);
    let commands = [&cli].into_iter().chain(cli.get_subcommands());
    let arguments = commands.flat_map(|command| command.get_arguments());
    let flags = arguments.filter_map(|argument| argument.get_long());
    known.extend(flags.map(|flag| format!("--{flag}")));
    for path in WITH_FLAGS {
        let text = read(path);
        let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && !"-._".contains(letter));
        for word in words.filter(|word| word.starts_with("--") && word.contains(char::is_alphabetic)) {
            // A flag at the end of a sentence.
            let word = word.trim_end_matches('.');
            assert!(known.contains(word), "{path} speaks of an unknown {word}");
        }
    }
}

/// The keys that a program lists when it refuses the file with an unknown one in each block; those of blocks with their names in front.
fn keys_in_refusal(refusal: &str) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    for line in refusal.lines() {
        let Some((place, listed)) = line.split_once(": unknown key; the keys here are ") else {
            continue;
        };
        let block = place.rsplit(' ').next().unwrap().trim_end_matches("unknown");
        keys.extend(listed.split(", ").map(|key| format!("{block}{key}")));
    }
    // A block is no key by itself where its own keys are listed.
    let blocks: Vec<String> = keys
        .iter()
        .filter_map(|key| Some(key.split_once('.')?.0.to_owned()))
        .collect();
    keys.retain(|key| !blocks.contains(key));
    keys
}

#[test]
fn the_reference_has_every_key_of_the_web_config_file_and_of_the_http_config_file() {
    let page = read("docs/web-config.md");
    let tables: Vec<BTreeSet<String>> = page
        .split("\n| key | meaning |\n|---|---|\n")
        .skip(1)
        .map(|table| {
            let rows = table.split("\n\n").next().unwrap().lines();
            let keys = rows.flat_map(|row| {
                let names = code(row.trim_start_matches("| ").split(" | ").next().unwrap());
                let block = names[0]
                    .rsplit_once('.')
                    .map_or(String::new(), |(block, _)| format!("{block}."));
                let others = names[1..].iter().map(move |name| format!("{block}{name}"));
                [names[0].to_owned()].into_iter().chain(others).collect::<Vec<_>>()
            });
            keys.collect()
        })
        .collect();
    let folder = Folder::new();
    let unknown = |blocks: &[&str]| {
        let blocks: String = blocks
            .iter()
            .map(|block| format!("{block}: {{unknown: 1}}\n"))
            .collect();
        folder.write("file.yaml", format!("unknown: 1\n{blocks}"))
    };
    let web = web_config::load(&unknown(&["tls_server_config", "http_server_config", "rate_limit"])).unwrap_err();
    let http = HttpConfig::load(&unknown(&["tls_config", "basic_auth"])).unwrap_err();
    assert_eq!(
        tables,
        [web.to_string(), http.to_string()].map(|refusal| keys_in_refusal(&refusal))
    );
}

#[test]
fn the_reference_has_every_route_and_no_other() {
    let source = read("src/pages/mod.rs");
    let table = source.split("fn into_router(").nth(1).unwrap();
    let table = table.split(".fallback(").next().unwrap();
    let mut routes: BTreeSet<&str> = table.split('"').skip(1).step_by(2).collect();
    // Where the metrics are, a flag says; the files stand in a table of their own.
    routes.extend(["/metrics", "/static/{file}"]);
    let page = read("docs/http.md");
    let (_, table) = page.split_once("| path | methods |").unwrap();
    let names = [
        ("ACCOUNT", "{account}"),
        ("KEY", "{key_id}"),
        ("NAME", "{alert}"),
        ("FILE", "{file}"),
    ];
    let documented: Vec<String> = advice::rows(table.split("\n\n").next().unwrap())
        .map(|(path, _)| {
            names
                .iter()
                .fold(path.to_owned(), |path, (shown, name)| path.replace(shown, name))
        })
        .collect();
    assert_eq!(documented.iter().map(String::as_str).collect::<BTreeSet<_>>(), routes);
}

#[test]
fn every_command_in_the_documents_is_understood() {
    let mut understood = 0;
    for (path, text) in documents() {
        let blocks = ["sh", "console"].map(|language| blocks(&text, language)).concat();
        for line in blocks.iter().flat_map(|block| block.lines()) {
            let line = line.strip_prefix("$ ").unwrap_or(line);
            let Some(arguments) = line.strip_prefix("laaffic-exporter ") else {
                continue;
            };
            let arguments = arguments.split(" > ").next().unwrap().split(" | ").next().unwrap();
            let arguments = ["laaffic-exporter"].into_iter().chain(arguments.split_whitespace());
            let parsed = Cli::try_parse_from(arguments);
            assert!(parsed.is_ok(), "{}: {line}: {}", path.display(), parsed.unwrap_err());
            understood += 1;
        }
    }
    assert!(understood > 10, "{understood}");
}

#[tokio::test]
async fn every_example_of_a_command_does_what_it_says() {
    let page = read("docs/command-line.md");
    let examples = blocks(&page, "sh")[0];
    let world = Watching::start(
        exporter::<&str>([]),
        account("main", [still(12)]),
        "",
        ["key_id: 12".to_owned()],
    )
    .await;
    let folder = world.exporter.folder.path();
    let program = exporter::<&str>([]);
    let place = Path::new(program.get_program()).parent().unwrap();
    let address = format!("--web.listen-address={}", world.exporter.address);
    for line in examples.lines() {
        let script = line.replace("healthcheck", &format!("healthcheck {address}"));
        let mut shell = Command::new("sh");
        let path = std::env::join_paths([place, Path::new("/usr/bin"), Path::new("/bin")]).unwrap();
        shell.args(["-eu", "-c", &script]).current_dir(folder).env("PATH", path);
        let ended = run(shell).await;
        assert_eq!(ended.code, Some(0), "{line}: {ended:?}");
    }
    for (file, words) in [("flows.yaml", "flows:"), ("laaffic.yml", "severity: page")] {
        says(&read(folder.join(file)), &[words]);
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

/// How GitHub calls the place of a heading: in small letters, without punctuation, with dashes for spaces.
fn anchor(heading: &str) -> String {
    let heading = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = heading
        .chars()
        .filter(|letter| letter.is_alphanumeric() || "-_ ".contains(*letter));
    kept.collect::<String>().replace(' ', "-")
}

#[test]
fn links_between_the_documents_lead_somewhere() {
    for (path, text) in documents() {
        for rest in text.split("](").skip(1) {
            let link = rest.split(')').next().unwrap();
            if link.contains("://") {
                continue;
            }
            let (target, place) = link.split_once('#').unwrap_or((link, ""));
            let file = match target {
                "" => path.clone(),
                target => path.parent().unwrap().join(target),
            };
            assert!(file.exists(), "{} links to {target}", path.display());
            if !place.is_empty() {
                let text = read(file);
                let mut headings = text.lines().filter(|line| line.starts_with('#'));
                assert!(
                    headings.any(|heading| anchor(heading) == place),
                    "{} links to {link}",
                    path.display()
                );
            }
        }
    }
}
