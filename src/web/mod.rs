//! HTTP: what is asked, what is answered. It only reads; nothing here polls or writes.
//!
//! - [`negotiate`]: `Accept` and `Accept-Encoding`
//! - [`metrics`]: the telemetry path
//! - [`body`]: its streamed, compressed body

pub mod body;
pub mod metrics;
pub mod negotiate;
