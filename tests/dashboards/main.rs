//! The dashboards in `grafana/`: their form, and that every query of theirs finds something in a real Prometheus that watches the demo.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[allow(dead_code, reason = "shared with other tests, which use more of it")]
#[path = "../common/mod.rs"]
mod common;
#[cfg(test)]
mod dashboard;
#[cfg(test)]
mod form;
#[allow(dead_code, reason = "shared with other tests, which use more of it")]
#[path = "../common/prometheus.rs"]
mod prometheus;
#[cfg(test)]
mod queries;
