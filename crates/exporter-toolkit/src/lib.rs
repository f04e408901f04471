//! What a Prometheus exporter needs around its metrics.
//!
//! Other exporters' operators know what to expect of one: flags and files of the same names, both text formats, a limit of scrapes at once,
//! TLS and passwords in a web-config file, a stop that lets scrapes finish. This is that, for any exporter in Rust.
//!
//! - [`exposition`]: the answer to a scrape: negotiation, formats, compression, the standard process metrics
//! - [`client`]: who asks, as limits count
//! - [`server`]: listening, connections that are bounded in number and time, TLS, passwords, systemd, the stop
//! - [`web_config`]: `--web.config.file`, in the schema of Go's exporter-toolkit, with live reload
//! - [`pages`]: parts of pages for people
//! - [`yaml`]: serde structs read from YAML with every mistake at once, by line and column; [`duration`] in Prometheus' notation
//! - [`secret`], [`credential`], [`secret_reader`]: secrets that cannot be printed, where they come from, and as they are now
//! - [`watched`]: whether files have changed; [`exposure`]: whether everyone may read them; [`surroundings`]: what a file refers to
//! - [`http_config`]: a client's password and certificates, in Prometheus' schema
//! - [`logging`]: log lines as Prometheus writes them, as logfmt or JSON, and one a minute at most of a kind
//! - [`clock`]: time that a test can hold still
//!
//! A whole exporter is in `examples/minimal.rs`.

pub mod client;
pub mod clock;
pub mod credential;
pub mod duration;
pub mod exposition;
pub mod exposure;
pub mod http_config;
pub mod logging;
pub mod pages;
pub mod secret;
pub mod secret_reader;
pub mod server;
pub mod surroundings;
pub mod watched;
pub mod web_config;
pub mod yaml;
