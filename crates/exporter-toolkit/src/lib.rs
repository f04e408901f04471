//! What every Prometheus exporter needs around its metrics: listening, TLS, web configuration, negotiation, compression.

pub mod credential;
pub mod duration;
pub mod exposure;
pub mod http_config;
pub mod secret;
pub mod secret_reader;
pub mod surroundings;
pub mod watched;
pub mod web_config;
pub mod yaml;
