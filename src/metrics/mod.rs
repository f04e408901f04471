//! The body of `/metrics`.
//!
//! In: a [`Snapshot`](crate::store::Snapshot) of the store, and a registry with our own doings. Out: the text of an answer, frame
//! by frame, in OpenMetrics 1.0 or in the classic text format 0.0.4.
//!
//! - [`catalogue`]: every family there is, as one table
//! - [`flows`]: flow and account families from a snapshot, by a cursor that stops when a frame is full
//! - `rows`: the samples of a flow that has one for each status
//! - [`activity`]: what the exporter itself does: requests, errors, reloads
//! - [`probe`]: the outcome of one probe
//! - [`exposition`]: registry and flows as one body
//!
//! Flows do not go through prometheus-client, because its encoder makes about twenty dynamic calls per series and there are 22
//! series per flow; and because classic text, escaped help and left-out empty families would be ours to write anyway.

pub mod activity;
pub mod catalogue;
pub mod exposition;
pub mod flows;
pub mod probe;
#[cfg(test)]
mod reference;
mod rounds;
mod rows;

pub use self::activity::{AccountActivity, Activity};
pub use self::exposition::Exposition;
pub use self::probe::probe_registry;

use std::sync::Arc;

use exporter_toolkit::exposition::process::ProcessMetrics;
use prometheus_client::registry::Registry;

/// The registry of a running exporter: its activity and its process.
pub fn registry(activity: &Arc<Activity>) -> Registry {
    let mut registry = Registry::default();
    activity.register(&mut registry);
    ProcessMetrics::new().register(&mut registry);
    registry
}

#[cfg(test)]
mod tests;
