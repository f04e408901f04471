//! `--web.config.file` over real sockets: TLS, client certificates, passwords, headers, limits, and what a crowd can do.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends by panicking"
)]

mod clients;
mod conformance;
mod files;
mod healthcheck;
mod passwords;
mod pki;
mod pressure;
mod program;
mod prometheus;
mod reload;
mod systemd;
mod tls;
mod world;
