//! Everything that needs other programs: prometheus, promtool, alertmanager, nginx, chromium with chromedriver, systemd-analyze, python3,
//! kubectl, mandoc, shells, buildah and runc, what makes and judges a Debian package, and the tools of Python's registry that
//! `scripts/python-tools` installs.
//!
//! Run only when asked for by name, as `scripts/test` does, which installs them: `cargo test --test with_programs`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod alerting;
mod chart;
mod completions;
mod compose;
mod container;
mod dashboards;
mod differential;
mod documents;
mod end_to_end;
mod incidents;
mod manuals;
mod package;
mod page;
mod prometheus_3;
mod readers;
mod release;
mod service;
mod tls;

use std::ffi::OsStr;
use std::process::Command;

/// The program under test with these arguments; where it lies only the tests of its own package are told.
fn exporter<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    testkit::process::program(env!("CARGO_BIN_EXE_laaffic-exporter"), arguments)
}
