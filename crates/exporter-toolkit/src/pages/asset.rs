//! `/static/…`: what a page brings along, inside the binary.
//!
//! The page asks with a hash of the content (`?v=…`), and that answer may be kept for ever; any other is asked for again each time.

use axum::Router;
use axum::extract::RawQuery;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderName};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::etag;

/// One file.
#[derive(Debug)]
pub struct Asset {
    name: &'static str,
    content_type: &'static str,
    content: &'static str,
    hash: String,
}

impl Asset {
    /// A file of this name and content.
    pub fn new(name: &'static str, content_type: &'static str, content: &'static str) -> Self {
        Self {
            name,
            content_type,
            content,
            hash: etag::tag([content.as_bytes()]),
        }
    }

    /// Where it is, relative to a page at the root, so that the exporter may stand behind a path of a proxy.
    pub fn link(&self) -> String {
        format!("static/{}?v={}", self.name, self.hash)
    }

    fn answer(&self, query: Option<&str>, request: &HeaderMap) -> Response {
        let asked = query.and_then(|query| query.strip_prefix("v="));
        let keep = if asked == Some(&self.hash) {
            "public, max-age=31536000, immutable"
        } else {
            "no-cache"
        };
        let tag = format!("\"{}\"", self.hash);
        let headers: [(HeaderName, &str); 3] = [(CONTENT_TYPE, self.content_type), (CACHE_CONTROL, keep), (ETAG, &tag)];
        if etag::has(request, &self.hash) {
            (StatusCode::NOT_MODIFIED, headers).into_response()
        } else {
            (headers, self.content).into_response()
        }
    }
}

/// The paths of these files.
pub fn asset_router<S: Clone + Send + Sync + 'static>(assets: impl IntoIterator<Item = &'static Asset>) -> Router<S> {
    assets.into_iter().fold(Router::new(), |router, asset| {
        let answer = move |RawQuery(query): RawQuery, headers: HeaderMap| async move {
            asset.answer(query.as_deref(), &headers)
        };
        router.route(&format!("/static/{}", asset.name), get(answer))
    })
}
