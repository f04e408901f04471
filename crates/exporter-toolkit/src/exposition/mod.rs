//! The answer to a scrape, from what is asked to the last byte: for every Prometheus since 2.0, streamed and compressed.
//!
//! - [`negotiate`]: `Accept` and `Accept-Encoding`
//! - [`handler`]: the telemetry path as an axum handler, with a limit of scrapes at once
//! - [`body`]: its body, made and compressed a frame at a time
//! - [`text`]: the two text formats: headers, escaping, numbers, for those who write themselves
//! - [`family`]: metric families described as data, for prometheus-client's collectors and for writers
//! - [`process`]: the standard process metrics

pub mod body;
pub mod family;
pub mod handler;
pub mod negotiate;
mod places;
pub mod process;
pub mod text;

pub use self::body::{Frames, Whole};
pub use self::family::{Family, Kind, Unit};
pub use self::handler::{MetricsHandler, Source};
pub use self::places::Place;
pub use self::text::Format;
