//! Where secrets may be, and where they must never be.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod broken;
mod broken_yaml;
mod commands;
#[allow(dead_code, reason = "shared with other tests, which use more of it")]
#[path = "../common/mod.rs"]
mod common;
mod crash;
mod echo;
mod marks;
mod open_files;
mod printed;
mod running;
mod world;
