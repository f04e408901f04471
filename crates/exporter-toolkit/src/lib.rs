//! What every Prometheus exporter needs around its metrics: listening, TLS, web configuration, negotiation, compression.

pub mod clock;
pub mod exposition;
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
