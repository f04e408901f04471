//! Arguments, environment variables, exit codes, and the one line that says what is wrong.

use std::fs;
use std::net::TcpListener;

use testkit::answer::get;
use testkit::assertions::{is_one_line, says, says_nothing_of};
use testkit::folder::Folder;
use testkit::process::{Process, run};

use super::{GOOD, exporter, exporter_in};

/// The flags of the program, each also an environment variable.
const FLAGS: &[&str] = &[
    "--config.file",
    "--config.check",
    "--config.enable-auto-reload",
    "--shard",
    "--total-shards",
    "--web.enable-lifecycle",
    "--web.listen-address",
    "--web.telemetry-path",
    "--web.max-requests",
    "--web.allowed-hosts",
    "--web.external-url",
    "--grafana.url",
    "--log.level",
    "--log.format",
];

/// The commands, each with a flag of its own.
const COMMANDS: &[(&str, &str)] = &[
    ("demo", "--seed"),
    ("simulate", "--address"),
    ("healthcheck", "--timeout"),
    ("healthcheck", "--http.config.file"),
];

/// Three mistakes, with the beginning of each one's line.
const BAD: &str = "\
global:
  poll_intervall: 5s
accounts:
  - name: main
    base_url: ftp://example.org
    api_key: planted-key
    api_secret: planted-secret
    flows: [{ key_id: 12 }, { key_id: 12 }]
";
const MISTAKES: [&str; 3] = [
    "config.yaml:2:3: global.poll_intervall: ",
    "config.yaml:5:15: accounts[0].base_url: ",
    "config.yaml:8:39: accounts[0].flows[1].key_id: ",
];

#[tokio::test]
async fn the_version_is_told() {
    let ended = run(exporter(["--version"])).await;
    assert_eq!((ended.code, &*ended.stderr), (Some(0), ""));
    let version = format!("laaffic-exporter {} (", env!("CARGO_PKG_VERSION"));
    assert!(ended.stdout.starts_with(&version), "{}", ended.stdout);
    assert_eq!(ended.stdout.lines().count(), 1);
}

#[tokio::test]
async fn the_help_names_every_flag_variable_and_command() {
    let ended = run(exporter(["--help"])).await;
    assert_eq!((ended.code, &*ended.stderr), (Some(0), ""));
    says(&ended.stdout, FLAGS);
    says(&ended.stdout, &["--version", "--help"]);
    for flag in FLAGS {
        let name = flag.trim_start_matches('-').replace(['.', '-'], "_").to_uppercase();
        let variable = format!("[env: LAAFFIC_EXPORTER_{name}=]");
        says(&ended.stdout, &[&variable]);
    }
    for (command, flag) in COMMANDS {
        says(&ended.stdout, &[&format!("\n  {command} ")]);
        let of_command = run(exporter([*command, "--help"])).await;
        assert_eq!(of_command.code, Some(0));
        says(&of_command.stdout, &[flag]);
    }
}

#[tokio::test]
async fn bad_usage_is_one_line_and_exit_code_2() {
    for (arguments, word) in [
        (&["--no.such.flag"][..], "--no.such.flag"),
        (&["fly"], "fly"),
        (&["--log.level", "loud"], "loud"),
        (&["--log.format"], "--log.format"),
        (&["--web.listen-address", "nonsense"], "nonsense"),
        (&["--web.listen-address", "127.0.0.1:65536"], "65536"),
        (&["--web.telemetry-path", "metrics"], "metrics"),
        (&["--web.telemetry-path", "/-/ready"], "/-/ready"),
        (&["--web.max-requests", "-1"], "-1"),
        (&["--web.allowed-hosts", "http://a"], "without scheme"),
        (&["demo", "--seed", "x"], "--seed"),
        (&["demo", "--config.file", "x"], "no effect with demo"),
        (&["-config.file", "x"], "--config.file"),
    ] {
        let ended = run(exporter(arguments)).await;
        assert_eq!((ended.code, &*ended.stdout), (Some(2), ""), "{arguments:?}");
        is_one_line(&ended.stderr, &[word]);
    }
}

#[tokio::test]
async fn a_bad_environment_variable_is_bad_usage_too() {
    for (variable, value, arguments) in [
        ("LAAFFIC_EXPORTER_LOG_LEVEL", "loud", &["demo"][..]),
        ("LAAFFIC_EXPORTER_WEB_MAX_REQUESTS", "many", &["demo"]),
        ("LAAFFIC_EXPORTER_CONFIG_CHECK", "maybe", &[]),
        ("LAAFFIC_EXPORTER_WEB_LISTEN_ADDRESS", ":1,:1", &["demo"]),
    ] {
        let mut command = exporter(arguments);
        command.env(variable, value);
        let ended = run(command).await;
        assert_eq!(ended.code, Some(2), "{ended:?}");
        is_one_line(&ended.stderr, &[&format!("laaffic-exporter: {variable}")]);
        says_nothing_of(&ended.stderr, &["digit"]);
    }
}

#[tokio::test]
async fn a_good_configuration_is_called_good() {
    let folder = Folder::configured(GOOD);
    let ended = run(exporter_in(&folder, ["--config.check"])).await;
    assert_eq!((ended.code, &*ended.stderr), (Some(0), ""));
    assert!(ended.stdout.starts_with("config.yaml: good"), "{}", ended.stdout);
    assert_eq!(ended.stdout.lines().count(), 1);
}

#[tokio::test]
async fn every_mistake_of_a_configuration_is_a_line_with_its_place() {
    let folder = Folder::configured(BAD);
    for arguments in [&["--config.check"][..], &[]] {
        let ended = run(exporter_in(&folder, arguments)).await;
        assert_eq!((ended.code, &*ended.stdout), (Some(1), ""), "{arguments:?}");
        let lines = ended.errors();
        assert_eq!(lines.len(), MISTAKES.len(), "{lines:?}");
        for (line, mistake) in lines.iter().zip(MISTAKES) {
            assert!(line.starts_with(mistake), "{mistake:?} does not begin {line:?}");
        }
        says_nothing_of(&ended.stderr, &["planted"]);
    }
}

#[tokio::test]
async fn a_missing_configuration_is_one_line() {
    let folder = Folder::new();
    for arguments in [
        ["--config.file", "none.yaml"],
        ["--config.check", "--config.file=none.yaml"],
    ] {
        let ended = run(exporter_in(&folder, arguments)).await;
        ended.is_refused_with(&[
            "none.yaml: there is no such file; ",
            "--config.file",
            "config.example.yaml",
            "laaffic-exporter demo",
        ]);
    }
}

#[tokio::test]
async fn an_unreadable_configuration_is_one_line() {
    // A folder cannot be read as a file, not even by root.
    let folder = Folder::new();
    fs::create_dir(folder.file("config.yaml")).unwrap();
    let ended = run(exporter_in::<&str>(&folder, [])).await;
    ended.is_refused_with(&["config.yaml", "cannot be read"]);
}

#[tokio::test]
async fn a_secret_that_is_not_there_is_one_line_with_its_place() {
    let of_file = Folder::configured(&GOOD.replace("api_secret: planted-secret", "api_secret_file: none.txt"));
    let ended = run(exporter_in::<&str>(&of_file, [])).await;
    ended.is_refused_with(&["config.yaml:5:22: accounts[0].api_secret_file: ", "none.txt"]);

    let of_variable = Folder::configured(&GOOD.replace("api_secret: planted-secret", "api_secret_env: LAAFFIC_SECRET"));
    let ended = run(exporter_in::<&str>(&of_variable, [])).await;
    ended.is_refused_with(&[
        "config.yaml:5:21: accounts[0].api_secret_env: ",
        "LAAFFIC_SECRET is not set",
    ]);

    let mut command = exporter_in(&of_variable, ["--config.check"]);
    command.env("LAAFFIC_SECRET", "planted-secret");
    assert_eq!(run(command).await.code, Some(0));
}

#[tokio::test]
async fn a_taken_port_is_one_line() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = Folder::configured(GOOD);
    for command in [
        exporter_in(&folder, ["--web.listen-address", &address]),
        exporter(["demo", "--web.listen-address", &address]),
        exporter(["simulate", "--address", &address]),
    ] {
        run(command).await.is_refused_with(&[&address, "in use"]);
    }
}

#[tokio::test]
async fn environment_variables_set_flags_and_a_flag_wins() {
    let folder = Folder::configured(GOOD);
    fs::rename(folder.file("config.yaml"), folder.file("other.yaml")).unwrap();
    let with_variables = |arguments: &[&str]| {
        let mut command = exporter_in(&folder, arguments);
        command
            .env("LAAFFIC_EXPORTER_CONFIG_FILE", "other.yaml")
            .env("LAAFFIC_EXPORTER_WEB_LISTEN_ADDRESS", "127.0.0.1:0,127.0.0.1:0")
            .env("LAAFFIC_EXPORTER_WEB_TELEMETRY_PATH", "/from/variable")
            .env("LAAFFIC_EXPORTER_LOG_LEVEL", "info");
        command
    };
    let by_variables = Process::start(with_variables(&[]));
    let [first, second] = by_variables.listening().await;
    assert_ne!(first, second);
    assert_eq!(get(second, "/from/variable").await.status, 200);

    let by_flags = Process::start(with_variables(&[
        "--web.listen-address=127.0.0.1:0",
        "--web.telemetry-path=/from/flag",
    ]));
    let [only] = by_flags.listening().await;
    assert_eq!(get(only, "/from/flag").await.status, 200);
    assert_eq!(get(only, "/from/variable").await.status, 404);

    let ended = run(with_variables(&["--config.file=none.yaml"])).await;
    ended.is_refused_with(&["none.yaml"]);

    for yes in ["true", "1", "yes"] {
        let mut checked = with_variables(&[]);
        checked
            .env("LAAFFIC_EXPORTER_CONFIG_CHECK", yes)
            .env("LAAFFIC_EXPORTER_WEB_ENABLE_LIFECYCLE", "no");
        let ended = run(checked).await;
        assert_eq!((ended.code, ended.stdout.contains("good")), (Some(0), true), "{yes}");
    }
    // A container's variables are there for its health check, too.
    let mut check = with_variables(&["healthcheck"]);
    check
        .env("LAAFFIC_EXPORTER_WEB_MAX_REQUESTS", "many")
        .env("LAAFFIC_EXPORTER_WEB_LISTEN_ADDRESS", only.to_string());
    assert_eq!(run(check).await.code, Some(0));
}
