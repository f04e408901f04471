//! The telemetry path, and what it shows.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use exporter_toolkit::exposition::{Format, Source};
use prometheus_client::registry::Registry;
use thiserror::Error;

use crate::metrics::Exposition;
use crate::store::Store;

/// The flows of a store, and the instruments of a registry.
#[derive(Debug)]
pub struct Telemetry {
    /// The state of every flow.
    pub store: Arc<Store>,
    /// What the exporter itself does.
    pub registry: Registry,
}

impl Source for Telemetry {
    type Frames = Exposition;

    fn exposition(&self, format: Format) -> Result<Exposition, fmt::Error> {
        Exposition::new(&self.registry, self.store.snapshot(), format)
    }
}

/// Where the metrics are: a path that the router takes and that no other page has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TelemetryPath(String);

/// Why a path cannot be the telemetry path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BadTelemetryPath {
    /// It does not begin with a slash.
    #[error("must begin with /")]
    Relative,
    /// It has a character that is not plain in a URL, or that means something to the router.
    #[error("may contain only letters, digits and / - . _ ~")]
    Character,
    /// Another page is there.
    #[error("is the path of another page of the exporter")]
    Taken,
}

impl TelemetryPath {
    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for TelemetryPath {
    fn default() -> Self {
        Self("/metrics".to_owned())
    }
}

impl fmt::Display for TelemetryPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for TelemetryPath {
    type Err = BadTelemetryPath;

    fn from_str(path: &str) -> Result<Self, BadTelemetryPath> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
        if !path.starts_with('/') {
            Err(BadTelemetryPath::Relative)
        } else if !path.bytes().all(plain) {
            Err(BadTelemetryPath::Character)
        } else if ["/-/", "/api/", "/static/", "/flows/", "/runbooks/"]
            .iter()
            .any(|taken| path.starts_with(taken))
            || ["/", "/probe", "/config", "/runbooks"].contains(&path)
        {
            Err(BadTelemetryPath::Taken)
        } else {
            Ok(Self(path.to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_telemetry_path_is_checked() {
        for (path, verdict) in [
            ("/metrics", Ok(())),
            ("/a-b/c.d_e~f/", Ok(())),
            ("", Err(BadTelemetryPath::Relative)),
            ("metrics", Err(BadTelemetryPath::Relative)),
            ("/{name}", Err(BadTelemetryPath::Character)),
            ("/:name", Err(BadTelemetryPath::Character)),
            ("/*rest", Err(BadTelemetryPath::Character)),
            ("/a b", Err(BadTelemetryPath::Character)),
            ("/", Err(BadTelemetryPath::Taken)),
            ("/-/ready", Err(BadTelemetryPath::Taken)),
            ("/probe", Err(BadTelemetryPath::Taken)),
            ("/flows/metrics", Err(BadTelemetryPath::Taken)),
            ("/runbooks", Err(BadTelemetryPath::Taken)),
            ("/runbooks/", Err(BadTelemetryPath::Taken)),
            ("/flows", Ok(())),
            ("/static/status.css", Err(BadTelemetryPath::Taken)),
        ] {
            assert_eq!(path.parse::<TelemetryPath>().map(drop), verdict, "{path:?}");
        }
        assert_eq!("/metrics".parse(), Ok(TelemetryPath::default()));
    }
}
