//! Tells the program which compiler and which revision it is made of, for `laaffic_exporter_build_info`.
//!
//! Neither may fail a build: a source archive has no git, and then the revision is "unknown" (packagers set
//! `LAAFFIC_EXPORTER_REVISION`).

use std::env;
use std::path::Path;
use std::process::Command;

const REVISION: &str = "LAAFFIC_EXPORTER_REVISION";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed={REVISION}");

    let rustc = env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    // "rustc 1.88.0 (6b00bc388 2025-06-23)": the number says it all.
    let rustc = output(&rustc, &["--version"])
        .and_then(|line| line.split_whitespace().nth(1).map(str::to_owned))
        .unwrap_or_else(|| "unknown".to_owned());
    println!("cargo::rustc-env=LAAFFIC_EXPORTER_RUSTC={rustc}");

    let revision = env::var(REVISION)
        .ok()
        .map(|revision| revision.trim().to_owned())
        .filter(|revision| !revision.is_empty() && !revision.contains('\n'))
        .or_else(git_revision)
        .unwrap_or_else(|| "unknown".to_owned());
    println!("cargo::rustc-env={REVISION}={revision}");
}

/// The commit that is checked out here; `None` outside a checkout of this very package.
fn git_revision() -> Option<String> {
    // A source archive unpacked inside some other repository must not pass that one's revision for its own.
    let root = output("git", &["rev-parse", "--show-toplevel"])?;
    let package = env::var_os("CARGO_MANIFEST_DIR")?;
    if Path::new(&root).canonicalize().ok()? != Path::new(&package).canonicalize().ok()? {
        return None;
    }
    // A commit moves the branch's file, a checkout moves HEAD, git's housekeeping moves branches into packed-refs.
    let branch = output("git", &["symbolic-ref", "--quiet", "HEAD"]);
    for name in ["HEAD", "packed-refs"].into_iter().chain(branch.as_deref()) {
        if let Some(path) = output("git", &["rev-parse", "--git-path", name])
            && Path::new(&path).exists()
        {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    output("git", &["rev-parse", "HEAD"])
}

/// What a command prints, if it can be run, succeeds and prints anything.
fn output(command: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(command).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let text = text.trim();
    (output.status.success() && !text.is_empty()).then(|| text.to_owned())
}
