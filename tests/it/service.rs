//! The systemd units, and what the Debian package adds to them: the program knows what they tell it. What systemd says of them is in
//! `tests/with_programs/service.rs`.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use clap::{CommandFactory as _, Parser as _};
use laaffic_exporter::cli::Cli;
use laaffic_exporter::config;
use testkit::assertions::says;
use testkit::folder::Folder;

const FOLDER: &str = "deploy/systemd";

const FILES: [&str; 3] = [
    "laaffic-exporter.service",
    "laaffic-exporter.socket",
    "laaffic-exporter.service.d/socket.conf",
];

fn unit(name: &str) -> String {
    fs::read_to_string(Path::new(FOLDER).join(name)).unwrap()
}

/// The variables that stand for flags of the exporter.
fn variables() -> BTreeSet<String> {
    let command = Cli::command();
    let arguments = command.get_arguments();
    arguments
        .filter_map(|argument| Some(argument.get_env()?.to_str()?.to_owned()))
        .collect()
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
    assert_eq!(cli.export.config.file, Path::new("/etc/laaffic-exporter/config.yaml"));
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
fn neither_a_core_dump_nor_the_hosts_memory_is_its_to_fill() {
    let service = unit("laaffic-exporter.service");
    assert_eq!(values(&service, "LimitCORE"), ["0"]);
    assert_eq!(values(&service, "MemoryMax"), ["256M"]);
    let compose = fs::read_to_string("deploy/compose/compose.yaml").unwrap();
    says(&compose, &["ulimits: { core: 0 }", "mem_limit: 256m"]);
}

#[test]
fn the_image_is_built_with_the_runbooks_which_are_part_of_the_program() {
    let ignored = fs::read_to_string("deploy/container/Containerfile.dockerignore").unwrap();
    let lines: Vec<_> = ignored.lines().collect();
    assert!(
        !lines.contains(&"docs"),
        "what is in an ignored folder cannot be taken back"
    );
    assert!(lines.contains(&"!docs/runbooks"));
}

#[test]
fn the_socket_opens_the_programs_own_port_and_the_service_is_told_to_take_it() {
    let cli = Cli::parse_from(["laaffic-exporter"]);
    let port = cli.export.serve.listen.addresses[0].port().to_string();
    let socket = unit("laaffic-exporter.socket");
    assert_eq!(values(&socket, "ListenStream"), [port.as_str()]);
    let known = variables();
    let drop_in = unit("laaffic-exporter.service.d/socket.conf");
    let [variable] = values(&drop_in, "Environment")[..] else {
        panic!("not one Environment: {drop_in}");
    };
    let (name, value) = variable.split_once('=').unwrap();
    assert_eq!((known.contains(name), value), (true, "true"), "{name}");
}

#[test]
fn the_packages_variables_stand_for_flags() {
    let file = fs::read_to_string("deploy/debian/default").unwrap();
    let lines = file.lines().filter_map(|line| line.strip_prefix("#LAAFFIC_"));
    let named: Vec<_> = lines
        .map(|line| format!("LAAFFIC_{}", line.split_once('=').unwrap().0))
        .collect();
    let known = variables();
    assert_eq!(named.len(), 5, "{file}");
    for name in named {
        assert!(known.contains(&name), "{name} is no flag's");
    }
}

#[test]
fn the_packages_configuration_can_be_filled_in_as_it_says() {
    let file = fs::read_to_string("deploy/debian/config.yaml").unwrap();
    let filled_in: Vec<_> = file
        .lines()
        .filter_map(|line| line.strip_prefix("# "))
        .skip_while(|line| *line != "accounts:")
        .take_while(|line| *line == "accounts:" || line.starts_with(' '))
        .collect();
    let filled_in = filled_in.join("\n");
    let service = unit("laaffic-exporter.service");
    for credential in ["api_key", "api_secret"] {
        let path = format!("/run/credentials/laaffic-exporter.service/{credential}");
        assert!(filled_in.contains(&path) && service.contains(&path), "{filled_in}");
    }
    // Its files are there only while the service runs.
    let config = filled_in.replace("_file: /run/credentials/laaffic-exporter.service/", ": ");
    let config = config::parse(&config, Path::new("config.yaml"), &|_: &str| None).unwrap();
    assert_eq!(config.accounts[0].flows.len(), 1);
}

/// The commands in a unit's header.
fn commands(name: &str) -> String {
    let unit = unit(name);
    let lines = unit.lines().filter_map(|line| line.strip_prefix("#   "));
    let commands: Vec<_> = lines.filter(|line| !line.starts_with(' ')).collect();
    commands.join("\n")
}

#[test]
fn the_commands_in_the_headers_can_be_pasted_into_a_shell() {
    let folder = Folder::new();
    let here = |name: &str| folder.file(name);
    for name in ["laaffic-exporter", "config.yaml", "api_key", "api_secret"] {
        fs::write(here(name), name).unwrap();
    }
    let root = ["root/usr/local/bin", "root/etc/systemd/system"];
    for name in root.into_iter().chain(["laaffic-exporter.service.d"]) {
        fs::create_dir_all(here(name)).unwrap();
    }
    for name in FILES {
        fs::write(here(name), unit(name)).unwrap();
    }
    for name in &FILES[..2] {
        let script = commands(name).replace(" /", &format!(" {}/root/", folder.path().display()));
        let script = script.replace("systemctl ", "echo ");
        let mut shell = Command::new("sh");
        shell.args(["-eu", "-c", &script]).current_dir(folder.path());
        let ended = shell.output().unwrap();
        assert!(ended.status.success() && ended.stderr.is_empty(), "{ended:?}");
        let told = String::from_utf8(ended.stdout).unwrap();
        assert!(told.starts_with("daemon-reload\n"), "{told}");
        says(&told, &["enable --now laaffic-exporter"]);
    }
    for (name, mode) in [
        ("usr/local/bin/laaffic-exporter", 0o755),
        ("etc/laaffic-exporter/config.yaml", 0o644),
        ("etc/laaffic-exporter/api_key", 0o600),
        ("etc/laaffic-exporter/api_secret", 0o600),
    ] {
        let metadata = fs::metadata(here("root").join(name)).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, mode, "{name}");
    }
    for name in FILES {
        assert!(here("root/etc/systemd/system").join(name).exists(), "{name}");
    }
}
