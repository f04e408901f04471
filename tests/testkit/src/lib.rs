//! What the tests of the exporter share.
//!
//! In this process: [`world`] (poller, store and played vendor on a paused clock), [`vendor`] (the played vendor on a socket), [`server`]
//! (a server with a web-config file), [`store`] (what pages and scrapes are made of). As processes: [`process`] (any program),
//! [`watching`] (the exporter on a played vendor), [`prometheus`], [`alertmanager`], [`nginx`], [`browser`]. Besides: [`answer`] (asking
//! over HTTP), [`advice`] (what the documents tell to ask), [`certificates`], [`decoders`] (what the fuzzer calls), [`folder`], [`golden`]
//! (texts that are compared with a file), [`dashboard`], [`wait`], [`assertions`].
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test fails by panicking, and shows what it knows"
)]
#![allow(missing_debug_implementations, reason = "nothing here is ever printed as a whole")]

pub mod advice;
pub mod alertmanager;
pub mod answer;
pub mod assertions;
pub mod browser;
pub mod certificates;
pub mod dashboard;
pub mod decoders;
pub mod folder;
pub mod golden;
pub mod incidents;
pub mod log;
pub mod mutations;
pub mod nginx;
pub mod process;
pub mod prometheus;
pub mod server;
pub mod store;
pub mod vendor;
pub mod wait;
pub mod watching;
pub mod world;
