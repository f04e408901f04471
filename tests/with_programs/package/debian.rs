//! A small Debian in a folder, of the host's own release and archive: what a package is installed into. Needs root.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use testkit::folder::Folder;

use super::done;

/// What is there before the package: what it depends on, who judges its units, and who reads its manual pages.
const WITH: &str = "--include=ca-certificates,man-db,procps,systemd";

/// What is done by a Debian that is running, before it is shut down.
const ERRAND: &str = "\
[Unit]
SuccessAction=poweroff
FailureAction=poweroff

[Service]
Type=oneshot
ExecStart=/bin/sh -e /errand
StandardOutput=file:/told
StandardError=file:/told
TimeoutStartSec=5min
";

/// What changes with any package, whichever it is, or is gone after the next boot.
const NOT_THE_PACKAGES: [&str; 6] = [
    "/var/lib/dpkg/",
    "/var/log/",
    "/var/cache/man/",
    "/var/cache/ldconfig/",
    "/proc/",
    "/run/",
];

/// The Debian. It goes with the test.
pub(super) struct Debian(Folder);

impl Debian {
    pub(super) fn new() -> Self {
        let folder = Folder::new();
        let (codename, archive) = archive();
        let mut make = Command::new("mmdebstrap");
        make.args(["--quiet", "--mode=root", "--variant=minbase", WITH]);
        // It is gone after the test, whatever the disk does.
        make.arg("--dpkgopt=force-unsafe-io");
        make.arg(&codename).arg(folder.file("root")).arg(&archive);
        done(&mut make);
        Self(folder)
    }

    fn root(&self) -> PathBuf {
        self.0.file("root")
    }

    /// Where a file of the Debian is on the host.
    fn place(&self, path: &str) -> PathBuf {
        self.root().join(path.trim_start_matches('/'))
    }

    /// Runs a command in it, with /proc as it would have it.
    pub(super) fn run(&self, command: &[&str]) -> Output {
        let mut chroot = Command::new("unshare");
        // A mount that only this command sees, and that goes with it.
        let script = "mount -t proc proc \"$0/proc\" && exec chroot \"$0\" \"$@\"";
        chroot
            .args(["--mount", "sh", "-c", script])
            .arg(self.root())
            .args(command);
        chroot.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        chroot.envs([("DEBIAN_FRONTEND", "noninteractive"), ("LC_ALL", "C.UTF-8")]);
        chroot.output().unwrap()
    }

    /// The same for one that has to end well; gives what it says.
    pub(super) fn ok(&self, command: &[&str]) -> String {
        let ended = self.run(command);
        assert!(ended.status.success(), "{command:?}: {ended:?}");
        String::from_utf8(ended.stdout).unwrap()
    }

    /// Starts it as a machine is started, by its own systemd and with a network of its own, which runs this script and shuts it down. Gives
    /// what the script says; it has to end well.
    pub(super) fn errand(&self, script: &str) -> String {
        self.write("/errand", script);
        self.write("/etc/systemd/system/errand.service", ERRAND);
        self.ok(&["systemctl", "add-wants", "multi-user.target", "errand.service"]);
        let mut machine = Command::new("systemd-nspawn");
        // Nothing of the host's systemd is asked for, if it has any.
        machine.args([
            "--quiet",
            "--boot",
            "--register=no",
            "--keep-unit",
            "--private-network",
            "--console=pipe",
        ]);
        let console = done(machine.arg("--directory").arg(self.root()));
        assert!(self.has("/told"), "{console}");
        let told = self.read("/told");
        assert!(told.ends_with("\nwell\n"), "{told}{console}");
        told
    }

    /// Puts a package where scripts find it.
    pub(super) fn bring(&self, package: &Path, name: &str) {
        fs::copy(package, self.place(name)).unwrap();
    }

    /// Installs a package, with this answer to questions about configuration files; gives what is said.
    pub(super) fn install(&self, package: &Path, answer: &str) -> String {
        self.bring(package, "/package.deb");
        let told = self.ok(&["dpkg", answer, "--install", "/package.deb"]);
        fs::remove_file(self.place("/package.deb")).unwrap();
        told
    }

    pub(super) fn has(&self, path: &str) -> bool {
        // A link may lead to where only the Debian finds something.
        self.place(path).symlink_metadata().is_ok()
    }

    pub(super) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.place(path)).unwrap()
    }

    pub(super) fn write(&self, path: &str, text: &str) {
        fs::write(self.place(path), text).unwrap();
    }

    /// Every file and folder that a package may leave behind.
    pub(super) fn files(&self) -> BTreeSet<String> {
        let found = self.ok(&["find", "/", "-xdev"]);
        let found = found
            .lines()
            .filter(|path| !NOT_THE_PACKAGES.iter().any(|folder| path.starts_with(folder)));
        found.map(str::to_owned).collect()
    }
}

/// The host's release, and where its archive is: the main one is where the codename stands alone.
fn archive() -> (String, String) {
    let mut targets = Command::new("apt-get");
    targets.args(["indextargets", "--format", "$(CODENAME) $(REPO_URI)"]);
    let told = done(targets.args(["Created-By: Packages", "Origin: Debian", "Component: main"]));
    let mut archives = told.lines().filter_map(|line| line.split_once(' '));
    let main = archives.find(|(codename, _)| !codename.contains('-'));
    let (codename, archive) = main.expect("this host reads no Debian archive (or not yet: apt-get update)");
    (codename.to_owned(), archive.to_owned())
}
