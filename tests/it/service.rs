//! The systemd units: the program knows what they tell it, and systemd knows what they say.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends by panicking"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use clap::{CommandFactory as _, Parser as _};
use laaffic_exporter::cli::Cli;
use tempfile::TempDir;

const FOLDER: &str = "deploy/systemd";
const FILES: [&str; 3] = [
    "laaffic-exporter.service",
    "laaffic-exporter.socket",
    "laaffic-exporter.service.d/socket.conf",
];

/// The worst exposure that is accepted, in tenths: below 2.0 is what systemd calls OK, and what is left is mostly the network.
const EXPOSURE: &str = "15";

fn unit(name: &str) -> String {
    fs::read_to_string(Path::new(FOLDER).join(name)).unwrap()
}

/// What stands behind `key=`, each time.
fn values<'u>(unit: &'u str, key: &str) -> Vec<&'u str> {
    let lines = unit.lines().filter_map(|line| line.split_once('='));
    lines
        .filter(|(found, _)| *found == key)
        .map(|(_, value)| value)
        .collect()
}

#[test]
fn the_service_starts_the_program_as_it_wants_to_be_started() {
    let service = unit("laaffic-exporter.service");
    let [command] = values(&service, "ExecStart")[..] else {
        panic!("not one ExecStart: {service}");
    };
    let cli = Cli::try_parse_from(command.split_whitespace()).unwrap();
    assert_eq!(cli.config.file, Path::new("/etc/laaffic-exporter/config.yaml"));
    assert!(cli.command.is_none());
    // As the credentials that the comment speaks of.
    for credential in ["api_key", "api_secret"] {
        assert!(service.contains(&format!(
            "\nLoadCredential={credential}:/etc/laaffic-exporter/{credential}\n"
        )));
        assert!(service.contains(&format!(
            "{credential}_file: /run/credentials/laaffic-exporter.service/{credential}\n"
        )));
    }
}

#[test]
fn the_socket_opens_the_programs_own_port_and_the_service_is_told_to_take_it() {
    let cli = Cli::parse_from(["laaffic-exporter"]);
    let port = cli.web.listen_address[0].port().to_string();
    assert_eq!(
        values(&unit("laaffic-exporter.socket"), "ListenStream"),
        [port.as_str()]
    );
    let known: BTreeSet<String> = Cli::command()
        .get_arguments()
        .filter_map(|argument| Some(argument.get_env()?.to_str()?.to_owned()))
        .collect();
    let drop_in = unit("laaffic-exporter.service.d/socket.conf");
    let [variable] = values(&drop_in, "Environment")[..] else {
        panic!("not one Environment: {drop_in}");
    };
    let (name, value) = variable.split_once('=').unwrap();
    assert_eq!((known.contains(name), value), (true, "true"), "{name}");
}

/// A copy of the units that name this build of the program: systemd looks for it.
fn installed() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("laaffic-exporter.service.d")).unwrap();
    for name in FILES {
        let text = unit(name).replace(
            "/usr/local/bin/laaffic-exporter",
            env!("CARGO_BIN_EXE_laaffic-exporter"),
        );
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn analyze(folder: &TempDir, arguments: &[&str]) -> Output {
    Command::new("systemd-analyze")
        .args(arguments)
        .arg("--no-pager")
        .current_dir(folder.path())
        .env("SYSTEMD_UNIT_PATH", format!("{}:", folder.path().display()))
        .output()
        .unwrap()
}

#[test]
#[ignore = "needs systemd-analyze (Debian: systemd): cargo test --test service -- --ignored"]
fn systemd_has_nothing_to_say_against_the_units() {
    let folder = installed();
    for name in ["./laaffic-exporter.service", "./laaffic-exporter.socket"] {
        let verdict = analyze(&folder, &["verify", "--man=no", name]);
        assert!(
            verdict.status.success() && verdict.stderr.is_empty(),
            "{name}: {verdict:?}"
        );
    }
    // A unit with a mistake is told from one without.
    let service = folder.path().join("laaffic-exporter.service");
    fs::write(
        &service,
        unit("laaffic-exporter.service").replace("RestartSec=5s", "RestartSec=soon"),
    )
    .unwrap();
    assert!(
        !analyze(&folder, &["verify", "--man=no", "./laaffic-exporter.service"])
            .stderr
            .is_empty()
    );
}

#[test]
#[ignore = "needs systemd-analyze (Debian: systemd): cargo test --test service -- --ignored"]
fn the_service_is_locked_up_as_systemd_sees_it() {
    let folder = installed();
    let threshold = format!("--threshold={EXPOSURE}");
    let name = "./laaffic-exporter.service";
    let verdict = analyze(&folder, &["security", "--offline=true", &threshold, name]);
    assert!(verdict.status.success(), "{}", String::from_utf8_lossy(&verdict.stdout));
}
