//! The telemetry path: `GET` and `HEAD`, in the format and with the compression that the client asks for.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::registry::Registry;
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};

use super::body::ScrapeBody;
use super::negotiate::{self, Encoding};
use crate::metrics::{Exposition, Format};
use crate::store::Store;

/// What the telemetry path shows, and how many may look at once. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Scrapes {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    store: Arc<Store>,
    registry: Registry,
    limit: Option<Limit>,
}

#[derive(Debug)]
struct Limit {
    at_once: usize,
    permits: Arc<Semaphore>,
}

impl Scrapes {
    /// Shows this store and this registry, to at most `max_requests` clients at once; 0 is no limit.
    pub fn new(store: Arc<Store>, registry: Registry, max_requests: usize) -> Self {
        let limit = (max_requests > 0).then(|| Limit {
            at_once: max_requests,
            permits: Arc::new(Semaphore::new(max_requests.min(Semaphore::MAX_PERMITS))),
        });
        Self {
            inner: Arc::new(Inner { store, registry, limit }),
        }
    }

    /// An answer in this format.
    ///
    /// # Errors
    ///
    /// An instrument of the registry cannot be encoded.
    pub fn exposition(&self, format: Format) -> Result<Exposition, fmt::Error> {
        Exposition::new(&self.inner.registry, self.inner.store.snapshot(), format)
    }
}

impl Limit {
    fn permit(&self) -> Result<OwnedSemaphorePermit, TryAcquireError> {
        Arc::clone(&self.permits).try_acquire_owned()
    }
}

/// The telemetry path alone.
pub fn router(path: &TelemetryPath, scrapes: Scrapes) -> Router {
    Router::new().route(&path.0, get(scrape)).with_state(scrapes)
}

async fn scrape(State(scrapes): State<Scrapes>, headers: HeaderMap) -> Response {
    let permit = match &scrapes.inner.limit {
        None => None,
        Some(limit) => match limit.permit() {
            Ok(permit) => Some(permit),
            Err(_) => {
                let scrapes = match limit.at_once {
                    1 => "1 scrape is".to_owned(),
                    many => format!("{many} scrapes are"),
                };
                let sentence = format!(
                    "{scrapes} being answered already, which is the limit (--web.max-requests); try again later.\n"
                );
                return (StatusCode::SERVICE_UNAVAILABLE, sentence).into_response();
            }
        },
    };
    let format = negotiate::format(&headers);
    answer(scrapes.exposition(format), format, &headers, permit)
}

/// An exposition as an answer in this format, compressed as the client asks; `permit` is held until it is out.
pub(super) fn answer(
    exposition: Result<Exposition, fmt::Error>,
    format: Format,
    headers: &HeaderMap,
    permit: Option<OwnedSemaphorePermit>,
) -> Response {
    let encoding = negotiate::encoding(headers);
    let body = exposition
        .map_err(Unanswered::from)
        .and_then(|exposition| Ok(ScrapeBody::new(exposition, encoding, permit)?));
    match body {
        Ok(body) => respond(body, format, encoding),
        Err(error) => {
            tracing::error!(error = error.to_string(), "the metrics could not be written");
            let sentence = "The metrics could not be written; the log says why.\n";
            (StatusCode::INTERNAL_SERVER_ERROR, sentence).into_response()
        }
    }
}

fn respond(body: ScrapeBody, format: Format, encoding: Encoding) -> Response {
    let mut response = Response::new(Body::new(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
    headers.insert(VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
    if let Some(encoding) = encoding.content_encoding() {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    response
}

/// Why there is no answer. Both are bugs or worse, so they are told apart only for the log.
#[derive(Debug, Error)]
enum Unanswered {
    #[error("an instrument of the registry cannot be encoded")]
    Registry(#[from] fmt::Error),
    #[error("the compressor cannot be set up: {0}")]
    Compressor(#[from] std::io::Error),
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
        } else if ["/-/", "/api/", "/static/"].iter().any(|taken| path.starts_with(taken))
            || ["/", "/probe", "/config"].contains(&path)
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
            ("/static/status.css", Err(BadTelemetryPath::Taken)),
        ] {
            assert_eq!(path.parse::<TelemetryPath>().map(drop), verdict, "{path:?}");
        }
        assert_eq!("/metrics".parse(), Ok(TelemetryPath::default()));
    }

    #[test]
    fn every_path_that_is_accepted_can_be_routed() {
        let store = Arc::new(Store::new(
            crate::store::Policy {
                stale_after: std::time::Duration::from_secs(300),
                terminal_poll_interval: std::time::Duration::from_secs(900),
                request_timeout: std::time::Duration::from_secs(10),
            },
            [],
        ));
        let scrapes = Scrapes::new(store, Registry::default(), usize::MAX);
        for path in ["/metrics", "//", "/a//b/", "/~", "/..", "/-", "/probe/x"] {
            drop(router(&path.parse().unwrap(), scrapes.clone()));
        }
    }
}
