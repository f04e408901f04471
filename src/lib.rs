//! Prometheus exporter for LAAFFIC automatic redial ("recallFlow") campaigns.
//!
//! Data flows one way: config → poll → api → store → metrics → pages.
//!
//! - [`config`]: the YAML file, checked as a whole, into values that cannot be wrong
//! - [`poll`]: when to ask for which flow, and what becomes of the answer
//! - [`api`]: one signed exchange with the vendor, decoded
//! - [`store`]: last known state per flow; the poller writes it, everybody else takes snapshots
//! - [`metrics`]: the store and our own counters as text for Prometheus
//! - [`pages`]: what is answered over HTTP, with the table of routes
//!
//! Around them:
//! - [`model`]: the types that all modules share, without input or output
//! - [`words`]: everything that is said to people
//! - [`rules`]: the recording and alert rules, for Prometheus
//! - [`app`]: builds the parts and owns their tasks
//! - [`shard`]: which accounts this instance polls, where several share them
//! - [`reload`]: the configuration again: checked whole, then swapped whole
//! - [`cli`], [`commands`], [`logging`], [`build_info`]: arguments, what else the program does, its log, its origin
//!
//! What any exporter needs is the crate [`exporter_toolkit`]; the vendor, played, is the crate [`laaffic_simulator`].

pub mod api;
pub mod app;
pub mod build_info;
pub mod cli;
pub mod commands;
pub mod config;
pub mod logging;
pub mod metrics;
pub mod model;
pub mod pages;
pub mod poll;
pub mod reload;
pub mod rules;
pub mod shard;
pub mod store;
pub mod words;
