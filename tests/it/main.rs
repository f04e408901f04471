//! Everything that needs nothing but cargo: the exporter from inside and from outside, against played vendors and bad clients.
//!
//! What has to set something for a whole process (its environment, its panic hook, its open files) does so in a child.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod chart;
mod config;
mod corpus;
mod dashboards;
mod decode;
mod docs;
mod metrics;
mod network;
mod pages;
mod polling;
mod program;
mod redact;
mod reload;
mod rules;
mod secrets;
mod service;
mod simulator;
mod web_config;

use std::ffi::OsStr;
use std::process::Command;

use testkit::folder::Folder;

/// The program under test with these arguments; where it lies only the tests of its own package are told.
fn exporter<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    testkit::process::program(env!("CARGO_BIN_EXE_laaffic-exporter"), arguments)
}

/// The same in this folder, where `config.yaml` is the configuration unless told otherwise.
fn exporter_in<S: AsRef<OsStr>>(folder: &Folder, arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = exporter(arguments);
    command.current_dir(folder.path());
    command
}
