//! Configuration files from outside: what is accepted, and the exact words for what is not.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use laaffic_exporter::config::{self, Config, LoadError, SecretReader, SecretSource, SecretUse};
use laaffic_exporter::model::FlowInfo;
use proptest::prelude::*;
use testkit::assertions::says_nothing_of;
use testkit::folder::Folder;

const FOLDER: &str = "tests/fixtures/config";
/// What every secret that must not be told is called in the fixtures.
const PLANTED: &str = "hunter2";

/// The environment of the fixtures.
fn env(name: &str) -> Option<String> {
    let value = match name {
        "LAAFFIC_API_SECRET" => "from-the-environment",
        "LAAFFIC_EMPTY" => "",
        "LAAFFIC_TWO_LINES" => "hunter2\nhunter2",
        _ => return None,
    };
    Some(value.to_owned())
}

fn fixtures(ending: &str) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(FOLDER)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_str().unwrap().ends_with(ending))
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "no {ending} in {FOLDER}");
    paths
}

fn load(path: &Path) -> Result<Config, LoadError> {
    config::load(path, &env)
}

fn good(name: &str) -> Config {
    load(&Path::new(FOLDER).join(format!("{name}.ok.yaml"))).unwrap_or_else(|error| panic!("{error}"))
}

fn flow(config: &Config, account: usize, flow: usize) -> &FlowInfo {
    &config.accounts[account].flows[flow]
}

fn labels(flow: &FlowInfo) -> Vec<(&str, &str)> {
    flow.labels.iter().map(|(name, value)| (&**name, &**value)).collect()
}

fn secret(source: &SecretSource) -> String {
    let reader = SecretReader::new(source.clone(), SecretUse::Signature).unwrap();
    reader.current().expose().to_owned()
}

#[test]
fn every_good_file_is_accepted() {
    for path in fixtures(".ok.yaml") {
        let config = load(&path).unwrap_or_else(|error| panic!("{error}"));
        assert!(!format!("{config:?}").contains(PLANTED), "{}", path.display());
    }
}

#[test]
fn every_bad_file_is_refused_in_these_words() {
    for path in fixtures(".bad.yaml") {
        let error = load(&path).expect_err(&format!("{} was accepted", path.display()));
        let told = error.to_string().replace(&format!("{FOLDER}/"), "");
        let expected = fs::read_to_string(path.with_extension("txt")).unwrap();
        assert_eq!(told.trim_end(), expected.trim_end(), "{}:\n{told}\n", path.display());
        says_nothing_of(&format!("{error}{error:?}"), &[PLANTED]);
    }
}

#[test]
fn a_missing_file_is_one_problem() {
    let error = load(Path::new("no/such/config.yaml")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "no/such/config.yaml: cannot be read: No such file or directory (os error 2); \
         name a readable configuration file with --config.file"
    );
    assert_eq!(error.problems().len(), 1);
}

#[test]
fn problems_can_be_told_one_by_one() {
    let error = config::parse("accounts: []\nglobals: {}\n", Path::new("config.yaml"), &env).unwrap_err();
    let told = error.problems().iter().map(|problem| {
        let at = problem.position().unwrap();
        (at.line, at.column, problem.path(), problem.message())
    });
    let expected = [
        (1, 11, "accounts", "the list is empty; write at least one account"),
        (2, 1, "globals", "unknown key; did you mean global?"),
    ];
    assert_eq!(Vec::from_iter(told), expected);
    assert_eq!(error.file(), Path::new("config.yaml"));
}

#[test]
fn what_is_left_out_has_the_documented_default() {
    let config = good("minimal");
    assert_eq!(config.global.terminal_poll_interval.get(), Duration::from_secs(15 * 60));
    assert_eq!(config.global.request_timeout.get(), Duration::from_secs(10));
    assert_eq!(config.global.stale_after.get(), Duration::from_secs(5 * 60));
    let [account] = config.accounts.as_slice() else {
        panic!("{config:?}");
    };
    assert_eq!(account.settings.rate_limit.get(), 5.0);
    assert_eq!(account.settings.max_concurrent_requests.get(), 4);
    assert_eq!(account.settings.http_client, config::HttpClient::default());
    assert!(account.flows.is_empty());
    assert_eq!(flow(&good("aliases"), 0, 0).poll_interval, Duration::from_secs(60));
}

#[test]
fn what_is_given_is_taken() {
    let config = good("full");
    assert_eq!(config.global.terminal_poll_interval.get(), Duration::from_secs(30 * 60));
    assert_eq!(config.global.request_timeout.get(), Duration::from_millis(1500));
    assert_eq!(config.global.stale_after.get(), Duration::from_secs(10));
    let account = &config.accounts[0];
    assert_eq!(&*account.name, "quotes \" and \\ and\nlines");
    assert_eq!(account.base_url.as_str(), "http://127.0.0.1:8080/v3");
    let file = SecretSource::File("tests/fixtures/config/secret.txt".into());
    assert_eq!(account.api_key, file);
    assert_eq!(secret(&account.api_key), "from-the-file");
    assert_eq!(secret(&account.api_secret), "from-the-environment");
    assert_eq!(account.settings.rate_limit.get(), 0.5);
    assert_eq!(account.settings.max_concurrent_requests.get(), 1);
    let proxy = account.settings.http_client.proxy_url.as_ref().unwrap();
    assert_eq!(proxy.expose(), "socks5://user:hunter2@proxy:1080");
    let certificate = Some(PathBuf::from("tests/fixtures/config/certificate.txt"));
    let tls = &account.settings.http_client.tls;
    for file in [&tls.ca_file, &tls.cert_file, &tls.key_file] {
        assert_eq!(*file, certificate);
    }
    assert!(tls.insecure_skip_verify);

    let first = flow(&config, 0, 0);
    assert_eq!(first.key_id.get(), 9_223_372_036_854_775_807);
    assert_eq!(first.name.as_deref(), Some("überfällig"));
    assert_eq!(first.poll_interval, Duration::from_secs(90));
    assert_eq!(labels(first), [("Area_51", ""), ("team", "collections")]);
    let second = flow(&config, 0, 1);
    assert_eq!((second.key_id.get(), second.name.as_deref()), (1, None));
    assert_eq!(second.poll_interval, Duration::from_secs(45));
}

#[test]
fn a_default_further_down_in_the_file_counts() {
    let config = good("global_after_accounts");
    assert_eq!(flow(&config, 0, 0).poll_interval, Duration::from_secs(120));
}

#[test]
fn a_key_without_a_value_is_as_good_as_absent() {
    let config = good("keys_without_values");
    assert_eq!(config.accounts[0].settings.rate_limit.get(), 5.0);
    let flow = flow(&config, 0, 0);
    assert_eq!((flow.name.as_deref(), labels(flow).len()), (None, 0));
    assert_eq!(flow.poll_interval, Duration::from_secs(60));
}

#[test]
fn a_text_is_taken_as_it_is_written() {
    let config = good("scalars_as_text");
    let account = &config.accounts[0];
    assert_eq!(&*account.name, "12");
    assert_eq!(secret(&account.api_key), "0012");
    assert_eq!(secret(&account.api_secret), "1e3");
    let flow = flow(&config, 0, 0);
    assert_eq!(flow.name.as_deref(), Some("true"));
    let expected = [("folded", "7"), ("octal", "010"), ("on", "yes"), ("version", "1.10")];
    assert_eq!(labels(flow), expected);
}

#[test]
fn an_alias_is_what_it_stands_for() {
    let config = good("aliases");
    assert_eq!(config.accounts[0].base_url, config.accounts[1].base_url);
    assert_eq!(config.accounts[0].flows, config.accounts[1].flows);
    assert_eq!(labels(flow(&config, 1, 1)), [("team", "collections")]);
}

#[test]
fn what_is_hardly_meant_so_is_warned_of_where_it_is() {
    let text = "\
global: { poll_interval: 5s }
accounts:
  - name: a
    base_url: https://h/v3/voice/recallFlow/queryDetail/
    api_key: $API_KEY
    api_secret: ${hunter2}
    flows:
      - { key_id: 1, poll_interval: 1m }
      - { key_id: 2, poll_interval: 9s }
      - { key_id: 3, poll_interval: 9s }
";
    let told = |text: &str| -> Vec<String> {
        let config = config::parse(text, Path::new("f"), &env).unwrap();
        let warnings = config.warnings.iter();
        warnings.map(|warning| warning.told_of(Path::new("f"))).collect()
    };
    let reference = "this looks like the name of a variable, and is taken as the secret itself";
    assert_eq!(
        told(text),
        [
            "f:1:9: global.request_timeout: 10s is longer than the poll_interval of 5s, so a slow answer holds up the next poll; shorten it".to_owned(),
            "f:4:15: accounts[0].base_url: ends in the path of a call, which is added to it for each call; \
             write it like https://api.laaffic.com/v3"
                .to_owned(),
            format!("f:5:14: accounts[0].api_key: {reference}; use api_key_env"),
            format!("f:6:17: accounts[0].api_secret: {reference}; use api_secret_env"),
            "f:9:37: accounts[0].flows[1].poll_interval: 9s is shorter than the request_timeout of 10s, so a slow answer holds up the next poll; \
             lengthen it"
                .to_owned(),
        ]
    );
    let minimal = fs::read_to_string(Path::new(FOLDER).join("minimal.ok.yaml")).unwrap();
    assert_eq!(
        told(&minimal),
        [
            "f:2:3: accounts: no account has a flow, so nothing is polled; list flows, find them by discovery, or ask for single ones at /probe"
        ]
    );
    let good = format!("{minimal}    flows: [key_id: 1]\nglobal: {{ request_timeout: 1m }}\n");
    assert_eq!(told(&good), [""; 0]);
    assert_eq!(told(&good.replace("1m", "61s")).len(), 1);
}

/// The files beside `config.example.yaml` that its comments ask for.
const EXAMPLE_NAMES: [&str; 5] = [
    "laaffic-secret",
    "laaffic-trial-key",
    "ca.pem",
    "client.pem",
    "client.key",
];

#[test]
fn the_example_loads_when_its_comments_are_followed() {
    let folder = Folder::with(EXAMPLE_NAMES.map(|name| (name, "content\n")));
    let example = folder.write("config.yaml", fs::read("config.example.yaml").unwrap());
    let env = |name: &str| match name {
        "LAAFFIC_SALES_API_KEY" => Some("key".to_owned()),
        "LAAFFIC_SALES_API_SECRET" => Some("secret".to_owned()),
        _ => None,
    };
    let config = config::load(&example, &env).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(config.accounts.len(), 3);
    assert_eq!(flow(&config, 0, 0).poll_interval, Duration::from_secs(30));
    let expected = [("country", "id"), ("team", "collections")];
    assert_eq!(labels(flow(&config, 0, 0)), expected);
}

#[test]
fn nesting_without_end_is_refused() {
    for opening in ["[", "- ", "{a: ", "? "] {
        let text = opening.repeat(100_000);
        assert!(config::parse(&text, Path::new("config.yaml"), &env).is_err());
    }
}

#[test]
fn very_many_flows_are_read_in_order() {
    let head = fs::read_to_string(Path::new(FOLDER).join("minimal.ok.yaml")).unwrap();
    let flows: String = (1..=50_000)
        .map(|key| format!("      - {{ key_id: {key}, name: flow-{key} }}\n"))
        .collect();
    let config = config::parse(format!("{head}    flows:\n{flows}"), Path::new("config.yaml"), &env).unwrap();
    let keys: Vec<u64> = config.accounts[0].flows.iter().map(|flow| flow.key_id.get()).collect();
    assert_eq!(keys, (1..=50_000).collect::<Vec<_>>());
}

/// A piece of a good file, or what is likely to upset a parser.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("  ".to_owned()),
        Just("\n".to_owned()),
        Just("- ".to_owned()),
        "[\\[\\]{}:,&*!|>'\"%@`#?~<\t\r\u{0}\u{85}\u{feff}]{1,3}",
        Just("key_id: ".to_owned()),
        Just("*a &a ".to_owned()),
        Just("!!str ".to_owned()),
        Just("---\n".to_owned()),
        ".{0,5}",
    ]
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(content in any::<Vec<u8>>()) {
        let _ = config::parse(&content, Path::new("config.yaml"), &env);
    }

    #[test]
    fn no_pieces_of_yaml_make_it_panic(pieces in prop::collection::vec(piece(), 0..30)) {
        let _ = config::parse(pieces.concat(), Path::new("config.yaml"), &env);
    }

    #[test]
    fn no_change_to_a_good_file_makes_it_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..8, piece()), 1..6)
    ) {
        let mut text: Vec<char> = include_str!("../fixtures/config/full.ok.yaml").chars().collect();
        for (place, removed, piece) in changes {
            let start = place.index(text.len() + 1);
            let end = (start + removed).min(text.len());
            text.splice(start..end, piece.chars());
        }
        let text: String = text.into_iter().collect();
        if let Err(error) = config::parse(&text, Path::new("config.yaml"), &env) {
            prop_assert!(!error.problems().is_empty());
            prop_assert!(error.problems().is_sorted_by_key(config::Problem::position));
        }
    }
}
