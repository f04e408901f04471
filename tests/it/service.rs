//! The systemd units: the program knows what they tell it. What systemd says of them is in `tests/with_programs/service.rs`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use clap::{CommandFactory as _, Parser as _};
use laaffic_exporter::cli::Cli;

const FOLDER: &str = "deploy/systemd";

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
