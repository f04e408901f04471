//! What scripts/release wants to agree before it builds anything.

use std::fs;
use std::process::{Command, Output};

use testkit::assertions::is_one_line;
use testkit::folder::Folder;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// When the made-up release is.
const DAY: &str = "2026-12-01";

/// The files of the checkout that name the version, and the script beside them, as they are on the day of a release.
fn checkout() -> Folder {
    let folder = Folder::new();
    for inner in ["scripts", "deploy", "deploy/helm", "deploy/helm/laaffic-exporter"] {
        fs::create_dir(folder.file(inner)).unwrap();
    }
    for name in [
        "scripts/release",
        "Cargo.toml",
        "Cargo.lock",
        "deploy/helm/laaffic-exporter/Chart.yaml",
    ] {
        fs::copy(name, folder.file(name)).unwrap();
    }
    let changelog = fs::read_to_string("CHANGELOG.md").unwrap();
    folder.write(
        "CHANGELOG.md",
        changelog.replacen("/ unreleased\n", "/ 2026-12-01\n", 1),
    );
    folder
}

fn check(folder: &Folder, version: &str) -> Output {
    Command::new(folder.file("scripts/release"))
        .args(["--check", version])
        .output()
        .unwrap()
}

/// Refused with a single line that says this, once this is changed in one of the files.
#[track_caller]
fn is_refused(file: &str, was: &str, is: &str, words: &[&str]) {
    let folder = checkout();
    let text = fs::read_to_string(folder.file(file)).unwrap();
    assert!(text.contains(was), "{file} has no {was}");
    folder.write(file, text.replacen(was, is, 1));
    let output = check(&folder, VERSION);
    assert_eq!(
        (output.status.code(), &*output.stdout),
        (Some(1), &b""[..]),
        "{output:?}"
    );
    is_one_line(str::from_utf8(&output.stderr).unwrap().trim_end(), words);
}

#[test]
fn a_version_that_all_files_name_may_be_released_and_no_other() {
    let folder = checkout();
    let output = check(&folder, VERSION);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    for (version, words) in [
        ("99.0.0", ["Cargo.toml says", "not 99.0.0"]),
        ("1.2", ["1.2 is no version", "1.2.3"]),
        ("v1.2.3", ["v1.2.3 is no version", "1.2.3"]),
    ] {
        let output = check(&folder, version);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        is_one_line(str::from_utf8(&output.stderr).unwrap().trim_end(), &words);
    }
}

#[test]
fn a_file_that_names_another_version_is_named() {
    let version = format!("version = \"{VERSION}\"");
    let other = "version = \"99.0.0\"";
    is_refused("Cargo.toml", &version, other, &["Cargo.toml says 99.0.0", VERSION]);
    let asked = format!("path = \"crates/exporter-toolkit\", {version}");
    let asked_otherwise = format!("path = \"crates/exporter-toolkit\", {other}");
    is_refused(
        "Cargo.toml",
        &asked,
        &asked_otherwise,
        &["exporter-toolkit", "says 99.0.0"],
    );
    let locked = format!("name = \"laaffic-exporter\"\n{version}");
    let locked_otherwise = format!("name = \"laaffic-exporter\"\n{other}");
    is_refused(
        "Cargo.lock",
        &locked,
        &locked_otherwise,
        &["Cargo.lock says 99.0.0", VERSION],
    );
    let chart = "deploy/helm/laaffic-exporter/Chart.yaml";
    is_refused(
        chart,
        &format!("\"{VERSION}\""),
        "\"99.0.0\"",
        &[chart, "says 99.0.0", VERSION],
    );
    is_refused(chart, "appVersion", "version", &[chart, "says nothing", VERSION]);
}

#[test]
fn a_version_without_an_entry_or_a_day_in_the_changelog_is_refused() {
    let name = "CHANGELOG.md";
    let heading = format!("## {VERSION} / {DAY}\n");
    is_refused(name, &heading, "", &[name, "says nothing", VERSION]);
    is_refused(
        name,
        &heading,
        "## 99.0.0 / 2026-12-01\n",
        &[name, "says 99.0.0", VERSION],
    );
    let unreleased = format!("## {VERSION} / unreleased\n");
    is_refused(name, &heading, &unreleased, &[name, "on which day", VERSION]);
}

#[test]
fn this_checkout_speaks_of_one_version() {
    let output = Command::new("scripts/release")
        .args(["--check", VERSION])
        .output()
        .unwrap();
    let told = str::from_utf8(&output.stderr).unwrap();
    // The day of the release is the last thing that is decided.
    assert!(output.status.success() || told.contains("on which day"), "{told}");
}
