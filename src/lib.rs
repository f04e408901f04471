//! Prometheus exporter for LAAFFIC automatic redial ("recallFlow") campaigns.
//!
//! Data flows one way: config → poll → api → store → metrics → web.
//!
//! - [`config`]: the YAML file, checked as a whole, into values that cannot be wrong
//! - [`api`]: one signed exchange with the vendor, decoded
//! - [`store`]: last known state per flow; the poller writes it, everybody else takes snapshots
//! - [`metrics`]: the body of `/metrics` in both text formats: flows from a snapshot, our own doings from a registry
//! - [`web`]: HTTP: what is asked, what is answered; it only reads
//!
//! Around them:
//! - [`model`]: the words all modules share; pure types
//! - [`clock`]: wall time, injected
//! - [`simulator`]: the vendor, played: for the demo and for tests

pub mod api;
pub mod clock;
pub mod config;
pub mod metrics;
pub mod model;
pub mod simulator;
pub mod store;
pub mod web;
