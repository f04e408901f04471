//! Prometheus exporter for LAAFFIC automatic redial ("recallFlow") campaigns.
//!
//! Data flows one way: config → poll → api → store → metrics → web.
//!
//! - [`config`]: the YAML file, checked as a whole, into values that cannot be wrong
//! - [`model`]: the words all modules share; pure types
//! - [`store`]: last known state per flow; the poller writes it, everybody else takes snapshots
//! - [`clock`]: wall time, injected

pub mod clock;
pub mod config;
pub mod model;
pub mod store;
