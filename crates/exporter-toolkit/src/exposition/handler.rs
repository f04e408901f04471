//! The telemetry path: `GET` and `HEAD`, in the format and with the compression that the client asks for.

use std::fmt;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use prometheus_client::registry::Registry;
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::body::{FrameBody, Frames, Whole};
use super::negotiate::{self, Encoding};
use super::text::{self, Format};

/// What the telemetry path shows. A prometheus-client registry is one; so is whoever writes its text itself.
pub trait Source: Send + Sync + 'static {
    /// The text of one answer.
    type Frames: Frames;

    /// An answer in this format, end mark included.
    ///
    /// # Errors
    /// If it cannot be made: then there is none, since half of one would look like vanished series.
    fn exposition(&self, format: Format) -> Result<Self::Frames, fmt::Error>;
}

impl Source for Registry {
    type Frames = Whole;

    fn exposition(&self, format: Format) -> Result<Whole, fmt::Error> {
        let mut text = text::encode(self, format)?;
        text.push_str(format.end());
        Ok(Whole(text.into_bytes()))
    }
}

/// Answers scrapes of a source, so many at once. Cheap to clone.
#[derive(Debug)]
pub struct MetricsHandler<S> {
    source: Arc<S>,
    limiter: Option<Limiter>,
}

#[derive(Debug, Clone)]
struct Limiter {
    at_once: usize,
    permits: Arc<Semaphore>,
}

impl<S> Clone for MetricsHandler<S> {
    fn clone(&self) -> Self {
        Self {
            source: Arc::clone(&self.source),
            limiter: self.limiter.clone(),
        }
    }
}

impl<S: Source> MetricsHandler<S> {
    /// Shows this source to at most `max_requests` clients at once; 0 is no limit. The next gets 503, as with Go's exporters.
    pub fn new(source: S, max_requests: usize) -> Self {
        Self {
            source: Arc::new(source),
            limiter: (max_requests > 0).then(|| Limiter {
                at_once: max_requests,
                permits: Arc::new(Semaphore::new(max_requests.min(Semaphore::MAX_PERMITS))),
            }),
        }
    }

    /// The handler, for the path of one's choice.
    pub fn into_route(self) -> MethodRouter {
        get(scrape::<S>).with_state(self)
    }
}

async fn scrape<S: Source>(State(handler): State<MetricsHandler<S>>, headers: HeaderMap) -> Response {
    let permit = match handler.limiter.as_ref().map(Limiter::permit).transpose() {
        Ok(permit) => permit,
        Err(refusal) => return refusal,
    };
    let format = negotiate::format(&headers);
    respond(handler.source.exposition(format), format, &headers, permit)
}

impl Limiter {
    #[allow(
        clippy::result_large_err,
        reason = "the refusal is the answer itself, once in a request"
    )]
    fn permit(&self) -> Result<OwnedSemaphorePermit, Response> {
        Arc::clone(&self.permits).try_acquire_owned().map_err(|_| {
            let scrapes = match self.at_once {
                1 => "1 scrape is".to_owned(),
                many => format!("{many} scrapes are"),
            };
            let sentence = format!(
                "{scrapes} being answered already, which is the limit (--web.max-requests); try again later.\n"
            );
            (StatusCode::SERVICE_UNAVAILABLE, sentence).into_response()
        })
    }
}

/// An exposition as an answer in this format, compressed as the client asks; `permit` is held until it is out.
pub fn respond<F: Frames>(
    exposition: Result<F, fmt::Error>,
    format: Format,
    headers: &HeaderMap,
    permit: Option<OwnedSemaphorePermit>,
) -> Response {
    let encoding = negotiate::encoding(headers);
    let body = exposition
        .map_err(Unanswered::from)
        .and_then(|frames| Ok(FrameBody::new(frames, encoding, permit)?));
    match body {
        Ok(body) => with_headers(Response::new(Body::new(body)), format, encoding),
        Err(error) => {
            tracing::error!(error = error.to_string(), "the metrics could not be written");
            let sentence = "The metrics could not be written; the log says why.\n";
            (StatusCode::INTERNAL_SERVER_ERROR, sentence).into_response()
        }
    }
}

fn with_headers(mut response: Response, format: Format, encoding: Encoding) -> Response {
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
