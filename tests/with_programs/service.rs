//! The systemd units as systemd sees them.

use std::fs;
use std::process::{Command, Output};

use testkit::folder::Folder;

/// The worst exposure that is accepted, in tenths: below 2.0 is what systemd calls OK, and what is left is mostly the network.
const EXPOSURE: &str = "15";

fn unit(name: &str) -> String {
    fs::read_to_string(format!("deploy/systemd/{name}")).unwrap()
}

/// A copy of the units that name this build of the program: systemd looks for it.
fn installed() -> Folder {
    let folder = Folder::new();
    fs::create_dir(folder.file("laaffic-exporter.service.d")).unwrap();
    for name in [
        "laaffic-exporter.service",
        "laaffic-exporter.socket",
        "laaffic-exporter.service.d/socket.conf",
    ] {
        let built = env!("CARGO_BIN_EXE_laaffic-exporter");
        folder.write(name, unit(name).replace("/usr/local/bin/laaffic-exporter", built));
    }
    folder
}

fn analyze(folder: &Folder, arguments: &[&str]) -> Output {
    Command::new("systemd-analyze")
        .args(arguments)
        .arg("--no-pager")
        .current_dir(folder.path())
        .env("SYSTEMD_UNIT_PATH", format!("{}:", folder.path().display()))
        .output()
        .unwrap()
}

#[test]
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
    let name = "laaffic-exporter.service";
    folder.write(name, unit(name).replace("RestartSec=5s", "RestartSec=soon"));
    assert!(
        !analyze(&folder, &["verify", "--man=no", "./laaffic-exporter.service"])
            .stderr
            .is_empty()
    );
}

#[test]
fn the_service_is_locked_up_as_systemd_sees_it() {
    let folder = installed();
    let threshold = format!("--threshold={EXPOSURE}");
    let name = "./laaffic-exporter.service";
    let verdict = analyze(&folder, &["security", "--offline=true", &threshold, name]);
    assert!(verdict.status.success(), "{}", String::from_utf8_lossy(&verdict.stdout));
}
