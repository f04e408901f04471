//! Answers that are written whole, off the async threads.
//!
//! A page of 10,000 flows takes tens of milliseconds to write and to compress. On an async thread that would hold up scrapes and
//! polls, so it is done on tokio's blocking threads, for two clients at a time; the others wait, which also bounds the memory.

use std::sync::Arc;

use axum::http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderValue, VARY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use tokio::sync::Semaphore;

use super::etag;
use crate::exposition::body::compressed;
use crate::exposition::negotiate::{self, Encoding};

/// Answers written at once.
const AT_ONCE: usize = 2;

/// Where the answers of one path are written. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Renderer(Arc<Semaphore>);

/// Why there is no answer: a bug, told only to the log.
type Failed = Box<dyn std::error::Error + Send + Sync>;

/// What came of writing an answer.
enum Written {
    /// The answer, with its tag if it has one.
    New(Vec<u8>, Option<HeaderValue>),
    /// The client has it.
    Unchanged(HeaderValue),
    /// A bug.
    Nothing,
}

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
        let work = move || Ok(Written::New(compressed(write().map_err(Into::into)?, encoding)?, None));
        self.respond(content_type, encoding, work).await
    }

    /// The same for a page that a client asks for again and again, with a tag of the `lasting` parts of the page: 304 to who has it with
    /// these. What grows by itself, as ages do, is no lasting part.
    pub async fn answer_if_changed<E: Into<Failed>>(
        &self,
        request: &HeaderMap,
        content_type: &'static str,
        lasting: fn(&[u8]) -> Vec<&[u8]>,
        write: impl FnOnce() -> Result<Vec<u8>, E> + Send + 'static,
    ) -> Response {
        let encoding = negotiate::encoding(request);
        let request = request.clone();
        let work = move || {
            let body = write().map_err(Into::into)?;
            let tag = etag::tag(lasting(&body));
            // Weak: what does not last may differ, and the encoding.
            let header = HeaderValue::try_from(format!("W/\"{tag}\""))?;
            Ok(match etag::has(&request, &tag) {
                true => Written::Unchanged(header),
                false => Written::New(compressed(body, encoding)?, Some(header)),
            })
        };
        self.respond(content_type, encoding, work).await
    }

    async fn respond(
        &self,
        content_type: &'static str,
        encoding: Encoding,
        work: impl FnOnce() -> Result<Written, Failed> + Send + 'static,
    ) -> Response {
        let written = self.written(work).await.unwrap_or_else(|error| {
            tracing::error!(
                error = error.to_string(),
                content_type,
                "an answer could not be written"
            );
            Written::Nothing
        });
        let (mut response, tag) = match written {
            Written::New(body, tag) => (body.into_response(), tag),
            Written::Unchanged(tag) => (StatusCode::NOT_MODIFIED.into_response(), Some(tag)),
            Written::Nothing => {
                let sentence = "The answer could not be written; the log says why.\n";
                return (StatusCode::INTERNAL_SERVER_ERROR, sentence).into_response();
            }
        };
        let content_encoding = encoding
            .content_encoding()
            .filter(|_| response.status() == StatusCode::OK);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
        if let Some(tag) = tag {
            headers.insert(ETAG, tag);
        }
        if let Some(encoding) = content_encoding {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
        response
    }

    async fn written(
        &self,
        write: impl FnOnce() -> Result<Written, Failed> + Send + 'static,
    ) -> Result<Written, Failed> {
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

    #[tokio::test]
    async fn who_has_the_lasting_parts_gets_304() {
        let renderer = Renderer::default();
        let ask = async |text: &'static str, known: &str| {
            let mut request = HeaderMap::new();
            request.insert("if-none-match", known.parse().unwrap());
            request.insert("accept-encoding", "gzip".parse().unwrap());
            let first: fn(&[u8]) -> Vec<&[u8]> = |body| body.split(|byte| *byte == b' ').take(1).collect();
            let write = || Ok::<_, Infallible>(text.as_bytes().to_vec());
            let answer = renderer.answer_if_changed(&request, "text/plain", first, write).await;
            let tag = answer.headers()[ETAG].to_str().unwrap().to_owned();
            (answer.status(), tag, answer.headers().contains_key(CONTENT_ENCODING))
        };
        let (status, tag, packed) = ask("lasting 1", "\"other\"").await;
        assert!(status == StatusCode::OK && packed && tag.starts_with("W/\""));
        assert_eq!(
            ask("lasting 2", &tag).await,
            (StatusCode::NOT_MODIFIED, tag.clone(), false)
        );
        let (status, other, _) = ask("changed 2", &tag).await;
        assert!(status == StatusCode::OK && other != tag);
    }
}
