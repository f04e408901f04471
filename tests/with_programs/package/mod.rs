//! The Debian package: made of the program under test, judged by lintian, and installed, upgraded, removed and purged in a Debian of its own.

mod debian;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use testkit::assertions::says;
use testkit::folder::Folder;
use testkit::process::program;

use self::debian::Debian;

const CONFIG: &str = "/etc/laaffic-exporter/config.yaml";

/// What an administrator does with a machine that is running: nothing is started by installing, the service by hand, and an upgrade has it
/// run anew; it ends with the package.
const ADMINISTRATION: &str = "\
state() {
    echo \"$1 $(systemctl show --value --property=ActiveState laaffic-exporter) $(systemctl show --value --property=MainPID laaffic-exporter)\"
}
dpkg --install /package.deb
state installed
mv /config.yaml /etc/laaffic-exporter/config.yaml
echo secret | tee /etc/laaffic-exporter/api_key >/etc/laaffic-exporter/api_secret
systemctl enable --now laaffic-exporter
laaffic-exporter healthcheck
state started
systemctl reload laaffic-exporter
state reloaded
dpkg --force-confold --install /next.deb
laaffic-exporter healthcheck
state upgraded
journalctl --unit laaffic-exporter
dpkg --remove laaffic-exporter
state removed
echo well
";

/// What the administrator has made of the configuration.
const FILLED_IN: &str = "\
accounts:
  - name: main
    base_url: https://api.laaffic.com/v3
    api_key_file: api_key
    api_secret_file: api_secret
    flows: [{ key_id: 12 }]
";

/// Runs a command that has to end well, and gives what it says.
fn done(command: &mut Command) -> String {
    let ended = command.output().unwrap();
    assert!(ended.status.success(), "{command:?}: {ended:?}");
    String::from_utf8(ended.stdout).unwrap()
}

/// The package, made once.
fn package() -> &'static Path {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    MADE.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("debian");
        let built = program(env!("CARGO_BIN_EXE_laaffic-exporter"), [""; 0]);
        let stripped = Folder::new();
        let binary = stripped.file("laaffic-exporter");
        // As a release is, whichever profile it was built with.
        done(Command::new("strip").arg("-o").arg(&binary).arg(built.get_program()));
        done(Command::new("scripts/debian-package").arg(&binary).arg(&folder))
            .trim_end()
            .into()
    })
}

/// A version of the package that has another configuration, and is the next one.
fn next(folder: &Folder) -> PathBuf {
    let root = folder.file("root");
    done(Command::new("dpkg-deb").arg("-R").arg(package()).arg(&root));
    let change = |path: &str, from: &str, to: &str| {
        let path = root.join(path);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{text}");
        fs::write(path, text.replace(from, to)).unwrap();
    };
    let version = env!("CARGO_PKG_VERSION");
    change(
        "DEBIAN/control",
        &format!("Version: {version}-1\n"),
        &format!("Version: {version}-2\n"),
    );
    change(
        "etc/laaffic-exporter/config.yaml",
        "accounts: []\n",
        "# Of the next version.\naccounts: []\n",
    );
    let package = folder.file("next.deb");
    done(Command::new("dpkg-deb").args(["-Znone", "-b"]).arg(&root).arg(&package));
    package
}

#[test]
fn lintian_has_nothing_to_say_against_the_package() {
    let told = done(
        Command::new("lintian")
            .args(["--allow-root", "--fail-on=error,warning"])
            .arg(package()),
    );
    assert_eq!(told, "");
}

#[test]
fn the_packages_units_are_those_of_deploy_with_its_own_paths() {
    let folder = Folder::new();
    done(Command::new("dpkg-deb").arg("-x").arg(package()).arg(folder.path()));
    let settings = |unit: String| {
        let lines = unit.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    for name in ["laaffic-exporter.service", "laaffic-exporter.socket"] {
        let packed = fs::read_to_string(folder.file("usr/lib/systemd/system").join(name)).unwrap();
        assert!(!packed.contains("/usr/local"), "{packed}");
        let by_hand = fs::read_to_string(Path::new("deploy/systemd").join(name)).unwrap();
        let by_hand = by_hand.replace("=/usr/local/bin/laaffic-exporter ", "=/usr/bin/laaffic-exporter ");
        let mut packed = settings(packed);
        packed.retain(|line| line != "Documentation=man:laaffic-exporter(1)");
        assert_eq!(packed, settings(by_hand), "{name}");
    }
}

#[test]
fn the_package_has_the_licences_of_what_is_built_into_the_program() {
    let folder = Folder::new();
    done(Command::new("dpkg-deb").arg("-x").arg(package()).arg(folder.path()));
    let crates = folder.file("usr/share/doc/laaffic-exporter/crates.gz");
    let crates = done(Command::new("gzip").arg("-dc").arg(crates));
    // A text for what is not used under the program's own licence, code in C that a crate brings along among it.
    says(
        &crates,
        &["\nserde 1.", "\ntokio 1.", "Tokio Contributors", ": jemalloc/COPYING\n"],
    );
    // What only tests or macros need is in no binary.
    for absent in ["\nproptest ", "\nclap_mangen ", "\nserde_derive "] {
        assert!(!crates.contains(absent), "{absent}");
    }
}

/// Everything that comes and goes with the package, in one Debian, which takes longest to make.
#[test]
fn it_is_installed_upgraded_removed_and_purged() {
    let debian = Debian::new();
    let before = debian.files();
    is_installed_and_waits_for_its_configuration(&debian);
    is_what_it_is_said_to_be(&debian);
    an_upgrade_keeps_what_the_administrator_has_written(&debian);
    a_purge_leaves_nothing_behind(&debian, &before);
}

#[test]
fn it_is_started_by_a_systemd_restarted_by_an_upgrade_and_stopped_by_its_removal() {
    let debian = Debian::new();
    debian.bring(package(), "/package.deb");
    let folder = Folder::new();
    debian.bring(&next(&folder), "/next.deb");
    debian.write("/config.yaml", FILLED_IN);
    let told = debian.errand(ADMINISTRATION);
    let state = |moment: &str| {
        let line = told.lines().find_map(|line| line.strip_prefix(moment));
        let (state, process) = line
            .unwrap_or_else(|| panic!("{moment}: {told}"))
            .split_once(' ')
            .unwrap();
        (state, process.parse::<u32>().unwrap())
    };
    assert_eq!(state("installed "), ("inactive", 0));
    let (started, process) = state("started ");
    assert_eq!(started, "active", "{told}");
    assert_eq!(state("reloaded "), ("active", process));
    let (upgraded, next) = state("upgraded ");
    assert_eq!(upgraded, "active", "{told}");
    assert_ne!(next, process);
    assert_eq!(state("removed "), ("inactive", 0));
    // It heard the reload, and polls, though nobody can be reached from there.
    says(&told, &["configuration reloaded", "polls fail"]);
}

fn is_installed_and_waits_for_its_configuration(debian: &Debian) {
    let told = debian.install(package(), "--force-confdef");
    says(
        &told,
        &["is not started yet", "systemctl enable --now laaffic-exporter"],
    );
    let wanted = "/etc/systemd/system/multi-user.target.wants/laaffic-exporter.service";
    assert!(!debian.has(wanted), "it is enabled");
    // What to fill in is said with its place.
    let check = debian.run(&["laaffic-exporter", "--config.check", "--config.file", CONFIG]);
    assert_eq!(check.status.code(), Some(1), "{check:?}");
    let line = debian
        .read(CONFIG)
        .lines()
        .position(|line| line == "accounts: []")
        .unwrap()
        + 1;
    let verdict = format!("{CONFIG}:{line}:11: accounts: the list is empty; write at least one account\n");
    assert_eq!(String::from_utf8_lossy(&check.stderr), verdict);
}

fn is_what_it_is_said_to_be(debian: &Debian) {
    let version = debian.ok(&["laaffic-exporter", "--version"]);
    assert!(
        version.starts_with(&format!("laaffic-exporter {}", env!("CARGO_PKG_VERSION"))),
        "{version}"
    );
    let conffiles = debian.ok(&["dpkg-query", "-W", "-f=${Conffiles}", "laaffic-exporter"]);
    let conffiles: BTreeSet<_> = conffiles
        .split_whitespace()
        .filter(|word| word.starts_with('/'))
        .collect();
    assert_eq!(conffiles, BTreeSet::from([CONFIG, "/etc/default/laaffic-exporter"]));
    // With its manual page, which the units name.
    for unit in ["laaffic-exporter.service", "laaffic-exporter.socket"] {
        let verdict = debian.run(&["systemd-analyze", "verify", unit]);
        assert!(
            verdict.status.success() && verdict.stderr.is_empty(),
            "{unit}: {verdict:?}"
        );
    }
    for (section, page) in [
        ("1", "laaffic-exporter"),
        ("1", "laaffic-exporter-query"),
        ("5", "laaffic-exporter.yaml"),
    ] {
        let path = debian.ok(&["man", "-w", section, page]);
        assert_eq!(
            path.trim_end(),
            format!("/usr/share/man/man{section}/{page}.{section}.gz")
        );
    }
    // Enabled and disabled as any other unit is.
    let wanted = "/etc/systemd/system/multi-user.target.wants/laaffic-exporter.service";
    debian.ok(&["systemctl", "enable", "laaffic-exporter"]);
    assert!(debian.has(wanted));
}

fn an_upgrade_keeps_what_the_administrator_has_written(debian: &Debian) {
    debian.write(CONFIG, FILLED_IN);
    for secret in ["api_key", "api_secret"] {
        debian.write(&format!("/etc/laaffic-exporter/{secret}"), secret);
    }
    let folder = Folder::new();
    let next = next(&folder);
    let told = debian.install(&next, "--force-confold");
    assert!(!told.contains("is not started yet"), "{told}");
    assert_eq!(debian.read(CONFIG), FILLED_IN);
    says(
        &debian.read(&format!("{CONFIG}.dpkg-dist")),
        &["# Of the next version."],
    );
    debian.ok(&["laaffic-exporter", "--config.check", "--config.file", CONFIG]);
    assert!(debian.has("/etc/systemd/system/multi-user.target.wants/laaffic-exporter.service"));
    // The other answer to the question: the package's own, and the administrator's beside it.
    debian.install(package(), "--force-confold");
    debian.install(&next, "--force-confnew");
    says(&debian.read(CONFIG), &["# Of the next version."]);
    assert_eq!(debian.read(&format!("{CONFIG}.dpkg-old")), FILLED_IN);
}

fn a_purge_leaves_nothing_behind(debian: &Debian, before: &BTreeSet<String>) {
    debian.ok(&["dpkg", "--remove", "laaffic-exporter"]);
    assert!(!debian.has("/usr/bin/laaffic-exporter"));
    assert!(debian.has(CONFIG) && debian.has("/etc/laaffic-exporter/api_key"));
    debian.ok(&["dpkg", "--purge", "laaffic-exporter"]);
    let after = debian.files();
    let left: Vec<_> = after.difference(before).collect();
    assert!(left.is_empty(), "{left:?}");
    let lost: Vec<_> = before.difference(&after).collect();
    assert!(lost.is_empty(), "{lost:?}");
}
