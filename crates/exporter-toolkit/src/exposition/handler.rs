//! The telemetry path: `GET` and `HEAD`, in the format and with the compression that the client asks for.

use std::fmt;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER, VARY};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use prometheus_client::registry::Registry;
use thiserror::Error;

use super::body::{FrameBody, Frames, Whole};
use super::negotiate::{self, Encoding};
use super::places::{Full, Place, Places};
use super::text::{self, Format};
use crate::client::Network;
use crate::logging::Unwritten;

static UNWRITTEN: Unwritten = Unwritten::new("the metrics");

/// When to ask again where too many ask at once, in seconds: few answers take longer.
const AGAIN_IN: HeaderValue = HeaderValue::from_static("1");

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
    places: Option<Places>,
}

impl<S> Clone for MetricsHandler<S> {
    fn clone(&self) -> Self {
        Self {
            source: Arc::clone(&self.source),
            places: self.places.clone(),
        }
    }
}

impl<S: Source> MetricsHandler<S> {
    /// Shows this source to at most `max_requests` clients at once; 0 is no limit. The next gets 503, as with Go's exporters, and so does
    /// a client that would have more of the places than it leaves to others (a client is a [`Network`]).
    pub fn new(source: S, max_requests: usize) -> Self {
        Self {
            source: Arc::new(source),
            places: (max_requests > 0).then(|| Places::new(max_requests)),
        }
    }

    /// The handler, for the path of one's choice.
    pub fn into_route(self) -> MethodRouter {
        get(scrape::<S>).with_state(self)
    }
}

async fn scrape<S: Source>(State(handler): State<MetricsHandler<S>>, request: Request) -> Response {
    let network = request.extensions().get::<Network>().copied();
    let place = match handler.places.as_ref().map(|places| places.take(network)).transpose() {
        Ok(place) => place,
        Err(full) => return refuse(full, handler.places.as_ref().map_or(0, Places::most)),
    };
    let format = negotiate::format(request.headers());
    respond(handler.source.exposition(format), format, request.headers(), place)
}

fn refuse(full: Full, most: usize) -> Response {
    let scrapes = match most {
        1 => "1 scrape is".to_owned(),
        many => format!("{many} scrapes are"),
    };
    let sentence = match full {
        Full::All => {
            format!("{scrapes} being answered already, which is the limit (--web.max-requests); try again later.\n")
        }
        Full::ForThisNetwork => format!(
            "Your address has as many of the {most} scrapes at once (--web.max-requests) as are left for others; try again later.\n"
        ),
    };
    (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, AGAIN_IN)], sentence).into_response()
}

/// An exposition as an answer in this format, compressed as the client asks; `place` is held until it is out.
pub fn respond<F: Frames>(
    exposition: Result<F, fmt::Error>,
    format: Format,
    headers: &HeaderMap,
    place: Option<Place>,
) -> Response {
    let encoding = negotiate::encoding(headers);
    let body = exposition
        .map_err(Unanswered::from)
        .and_then(|frames| Ok(FrameBody::new(frames, encoding, place)?));
    match body {
        Ok(body) => with_headers(Response::new(Body::new(body)), format, encoding),
        Err(error) => {
            UNWRITTEN.tell(&error);
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
