//! Answers that are written whole, off the async threads.
//!
//! A page of 10,000 flows takes tens of milliseconds to write and to compress. On an async thread that would hold up scrapes and
//! polls, so it is done on tokio's blocking threads, for two clients at a time; the others wait, which also bounds the memory.

use std::sync::Arc;

use axum::http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, VARY, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use tokio::sync::Semaphore;

use crate::exposition::body::compressed;
use crate::exposition::negotiate;

/// Answers written at once.
const AT_ONCE: usize = 2;

/// Where the answers of one path are written. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Renderer(Arc<Semaphore>);

/// Why there is no answer: a bug, told only to the log.
type Failed = Box<dyn std::error::Error + Send + Sync>;

impl Default for Renderer {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

impl Renderer {
    /// Answers with what `write` gives, compressed as the client asks, never to be kept: old numbers must not pass for fresh.
    pub async fn answer<E: Into<Failed>>(
        &self,
        request: &HeaderMap,
        content_type: &'static str,
        write: impl FnOnce() -> Result<Vec<u8>, E> + Send + 'static,
    ) -> Response {
        let encoding = negotiate::encoding(request);
        match self
            .written(move || Ok(compressed(write().map_err(Into::into)?, encoding)?))
            .await
        {
            Ok(body) => {
                let mut response = body.into_response();
                let headers = response.headers_mut();
                headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
                headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
                headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
                headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
                if let Some(encoding) = encoding.content_encoding() {
                    headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
                }
                response
            }
            Err(error) => {
                tracing::error!(
                    error = error.to_string(),
                    content_type,
                    "an answer could not be written"
                );
                let sentence = "The answer could not be written; the log says why.\n";
                (StatusCode::INTERNAL_SERVER_ERROR, sentence).into_response()
            }
        }
    }

    async fn written(
        &self,
        write: impl FnOnce() -> Result<Vec<u8>, Failed> + Send + 'static,
    ) -> Result<Vec<u8>, Failed> {
        // Moved into the work: a client that hangs up does not end it, and it counts until it has ended.
        let permit = Arc::clone(&self.0).acquire_owned().await?;
        let work = move || {
            let written = write();
            drop(permit);
            written
        };
        tokio::task::spawn_blocking(work).await?
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::io;

    use super::*;

    #[tokio::test]
    async fn what_cannot_be_written_is_a_500_without_details_and_gives_its_turn_back() {
        let renderer = Renderer::default();
        let none = HeaderMap::new();
        for _ in 0..AT_ONCE + 1 {
            let broken = || Err(io::Error::other("inner details"));
            let answer = renderer.answer(&none, "text/plain", broken).await;
            assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
            let bug = || -> Result<Vec<u8>, Infallible> { panic!("a bug") };
            let answer = renderer.answer(&none, "text/plain", bug).await;
            assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
        }
        let good = || Ok::<_, Infallible>(b"good".to_vec());
        let answer = renderer.answer(&none, "text/plain", good).await;
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()[CONTENT_TYPE], "text/plain");
    }
}
