//! `/static/…`: what the page brings along, inside the binary.
//!
//! The page asks with a hash of the content (`?v=…`), and that answer may be kept for ever; any other is asked for again each time.

use std::fmt::Write as _;
use std::sync::LazyLock;

use axum::Router;
use axum::extract::RawQuery;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderName, IF_NONE_MATCH, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use md5::{Digest, Md5};

/// The page's look.
pub static CSS: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new(
        "status.css",
        "text/css; charset=utf-8",
        include_str!("../../assets/status.css"),
    )
});

/// What lets the page refresh and filter itself.
pub static JS: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new(
        "status.js",
        "text/javascript; charset=utf-8",
        include_str!("../../assets/status.js"),
    )
});

/// The sign in the browser's tab.
pub static ICON: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("icon.svg", "image/svg+xml", include_str!("../../assets/icon.svg")));

/// One file.
#[derive(Debug)]
pub struct Asset {
    name: &'static str,
    content_type: &'static str,
    content: &'static str,
    hash: String,
}

impl Asset {
    fn new(name: &'static str, content_type: &'static str, content: &'static str) -> Self {
        let mut hash = String::new();
        // Nobody has to be kept from forging it: it tells one build's file from another's.
        for byte in Md5::digest(content).iter().take(8) {
            // Writing to a String cannot fail.
            let _ = write!(hash, "{byte:02x}");
        }
        Self {
            name,
            content_type,
            content,
            hash,
        }
    }

    /// Where it is, relative to the page, so that the exporter may stand behind a path of a proxy.
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
        let known = request
            .get_all(IF_NONE_MATCH)
            .iter()
            .filter_map(|value| value.to_str().ok());
        let known = known.flat_map(|tags| tags.split(','));
        let unchanged = known.map(str::trim).any(|known| known.trim_start_matches("W/") == tag);
        let headers: [(HeaderName, &str); 4] = [
            (CONTENT_TYPE, self.content_type),
            (CACHE_CONTROL, keep),
            (ETAG, &tag),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        ];
        if unchanged {
            (StatusCode::NOT_MODIFIED, headers).into_response()
        } else {
            (headers, self.content).into_response()
        }
    }
}

/// The files' paths.
pub fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    [&CSS, &JS, &ICON].into_iter().fold(Router::new(), |router, asset| {
        let answer = move |RawQuery(query): RawQuery, headers: HeaderMap| async move {
            asset.answer(query.as_deref(), &headers)
        };
        router.route(&format!("/static/{}", asset.name), get(answer))
    })
}
