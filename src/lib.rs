//! Prometheus exporter for LAAFFIC automatic redial ("recallFlow") campaigns.
//!
//! Data flows one way: config → poll → api → store → metrics → web.
//!
//! - [`config`]: the YAML file, checked as a whole, into values that cannot be wrong
//! - [`poll`]: when to ask for which flow, and what becomes of the answer
//! - [`api`]: one signed exchange with the vendor, decoded
//! - [`store`]: last known state per flow; the poller writes it, everybody else takes snapshots
//! - [`metrics`]: the store and our own counters as text for Prometheus
//! - [`web`]: what is asked over HTTP and answered; it only reads
//!
//! Around them:
//! - [`model`]: the words all modules share; pure types
//! - [`clock`]: wall time, injected
//! - [`app`]: builds the parts and owns their tasks
//! - [`reload`]: the configuration again: checked whole, then swapped whole
//! - [`cli`], [`listen`], [`logging`], [`shutdown`], [`build_info`]: the program's arguments, sockets, log, stop and origin
//! - [`demo`]: runs the simulated vendor, which is a crate of its own ([`laaffic_simulator`]), beside the exporter
//! - [`systemd`]: its sockets, and what it wants to be told
//! - [`query`], [`healthcheck`]: requests now, to the upstream and to a running exporter
//! - [`explain`]: what a failure means and what to do about it

pub mod api;
pub mod app;
pub mod build_info;
pub mod cli;
pub use exporter_toolkit::clock;
pub mod config;
pub mod demo;
pub mod healthcheck;
pub mod logging;
pub mod metrics;
pub mod model;
pub mod pages;
pub mod poll;
pub mod query;
pub mod reload;
pub mod store;
pub mod words;
