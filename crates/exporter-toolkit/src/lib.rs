//! What a Prometheus exporter needs around its metrics.
//!
//! Other exporters' operators know what to expect of one: flags and files of the same names, both text formats, a limit of scrapes at once,
//! TLS and passwords in a web-config file, a stop that lets scrapes finish. This is that, for any exporter in Rust.
//!
//! - [`exposition`]: the answer to a scrape: negotiation, formats, compression, the standard process metrics
//! - [`server`]: listening, connections that are bounded in number and time, TLS, passwords, systemd, the stop
//! - [`web_config`]: `--web.config.file`, in the schema of Go's exporter-toolkit, with live reload
//! - [`pages`]: parts of pages for people
//! - [`logging`]: log lines as Prometheus writes them, as logfmt or JSON
//! - [`clock`]: time that a test can hold still
//!
//! A whole exporter is in `examples/minimal.rs`.

pub mod clock;
pub mod exposition;
pub mod logging;
pub mod pages;
pub mod server;
pub mod web_config;
mod tmp {
    pub use super::identity::*;
    pub use super::problem::*;
    pub fn key_in_path(s: &str) -> String {
        s.to_owned()
    }
    pub fn warn_of_open_file(_: &std::path::Path) {}
}
mod identity;
#[allow(missing_docs)]
pub mod problem;
