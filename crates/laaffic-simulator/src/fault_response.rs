//! A fault in place of the proper answer: what goes out over HTTP.

use std::io::{self, Read as _};
use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use axum::body::{Body, Bytes};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use flate2::Compression;
use flate2::read::GzEncoder;
use futures_util::{Stream, StreamExt as _, stream};
use tokio_util::sync::CancellationToken;

use crate::connection::ConnectionHandle;
use crate::fault::{Fault, RetryAfter};
use crate::odd;
use crate::random::pick;
use crate::response::{html, http_date, json};

/// Long enough for what was sent to be read before the connection ends: a reset may overtake what is still on its way.
const BEFORE_THE_END: Duration = Duration::from_millis(20);

const MIB: usize = 1024 * 1024;
const BLOCK: usize = 64 * 1024;
const BOMB_BYTES: usize = 8 * MIB;
const NESTING: usize = 100_000;

// Valid JSON round any amount of padding: a client that reads all of it and only then looks has not kept its limit.
const LARGE_HEAD: &[u8] = br#"{"code":0,"msg":"success","data":{"padding":""#;
const LARGE_TAIL: &[u8] = br#""}}"#;
static PADDING: [u8; BLOCK] = [b'x'; BLOCK];

/// The answer that a request should have got, and what is needed to spoil it.
pub(crate) struct ProperAnswer {
    pub(crate) body: String,
    /// The server's clock.
    pub(crate) now: SystemTime,
    /// What is left to chance.
    pub(crate) hash: u64,
    pub(crate) connection: ConnectionHandle,
    /// Cancelled when the simulator stops.
    pub(crate) stop: CancellationToken,
}

impl ProperAnswer {
    /// The answer as it goes out with this fault. Those that only alter an answer leave it as it is.
    pub(crate) async fn with(self, fault: Option<Fault>) -> Response {
        let Some(fault) = fault else {
            return json(self.body);
        };
        match fault {
            Fault::NeverAnswers => {
                self.stop.cancelled().await;
                html(StatusCode::SERVICE_UNAVAILABLE)
            }
            Fault::Trickle => json(self.trickle()),
            Fault::Reset => {
                let connection = self.connection.clone();
                json(self.half_then(move || connection.reset_on_close()))
            }
            Fault::TruncatedLength => {
                let length = [(header::CONTENT_LENGTH, self.body.len())];
                (length, json(self.half_then(|| {}))).into_response()
            }
            Fault::TruncatedChunks => json(self.half_then(|| {})),
            Fault::Redirect { status, location } => {
                ([(header::LOCATION, location)], html(status_code(status))).into_response()
            }
            Fault::HttpStatus { status, retry_after } => {
                let retry_after = retry_after.map(|retry_after| [(header::RETRY_AFTER, self.text_of(retry_after))]);
                (retry_after, html(status_code(status))).into_response()
            }
            Fault::TooLarge { mebibytes, declared } => too_large(mebibytes.into(), declared),
            Fault::GzipBomb => ([(header::CONTENT_ENCODING, "gzip")], json(BOMB.clone())).into_response(),
            Fault::Html => html(StatusCode::OK),
            Fault::Empty => json(Body::empty()),
            Fault::InvalidUtf8 => {
                // After the opening brace, so that all the rest is as it should be.
                let rest = self.body.strip_prefix('{').unwrap_or_default();
                json([b"{\"note\":\"\xc3\x28\xff\",", rest.as_bytes()].concat())
            }
            Fault::TruncatedJson => json(self.half()),
            Fault::WrongTypes => json(pick(
                self.hash,
                [
                    r#"[{"code":0,"msg":"success","data":{}}]"#,
                    r#"{"code":{"value":0},"msg":"success","data":{}}"#,
                    r#"{"code":0,"msg":"success","data":"completed"}"#,
                    r#""success""#,
                ],
            )),
            Fault::Nested => {
                let (open, close) = ("[".repeat(NESTING), "]".repeat(NESTING));
                json(format!(r#"{{"code":0,"msg":"success","data":{open}{close}}}"#))
            }
            Fault::OtherFlow => json(odd::about_another_flow(&self.body)),
            Fault::NoData => json(odd::without_data(&self.body)),
            Fault::OddFields => json(odd::with_odd_fields(&self.body, self.hash)),
            Fault::Code { status, .. } => {
                let status = status.map_or(StatusCode::OK, status_code);
                (status, json(self.body)).into_response()
            }
            Fault::Delay { .. }
            | Fault::ClockOffset { .. }
            | Fault::IgnoreCurrent
            | Fault::RefusePaging
            | Fault::OverstateTotal
            | Fault::Torn { .. }
            | Fault::KeylessRecords
            | Fault::EmptyList => json(self.body),
        }
    }

    fn half(&self) -> Bytes {
        let bytes = self.body.as_bytes();
        let (half, _) = bytes.split_at_checked(bytes.len() / 2).unwrap_or_default();
        Bytes::copy_from_slice(half)
    }

    /// Half of the answer; then `end`, and the connection is over.
    fn half_then(self, end: impl FnOnce() + Send + 'static) -> Body {
        let first = stream::iter([Ok(self.half())]);
        let last = stream::once(async move {
            // While this waits, the server sends what it has.
            tokio::time::sleep(BEFORE_THE_END).await;
            end();
            Err(io::Error::from(io::ErrorKind::ConnectionAborted))
        });
        body(first.chain(last))
    }

    /// A byte a second, until the end of the answer or of the simulator.
    fn trickle(self) -> Body {
        let stop = self.stop.cancelled_owned();
        let bytes = stream::iter(Bytes::from(self.body)).then(async |byte| {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Ok(Bytes::copy_from_slice(&[byte]))
        });
        body(bytes.take_until(stop))
    }

    fn text_of(&self, retry_after: RetryAfter) -> String {
        match retry_after {
            RetryAfter::Seconds(seconds) => seconds.to_string(),
            RetryAfter::DateInSeconds(seconds) => {
                let date = self.now.checked_add(Duration::from_secs(seconds));
                http_date(date.unwrap_or(self.now))
            }
        }
    }
}

fn body(stream: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> Body {
    Body::from_stream(stream)
}

/// The status, or 500 where it is none.
fn status_code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// A body of so many MiB, made while it is being sent.
fn too_large(mebibytes: usize, declared: bool) -> Response {
    let blocks = mebibytes.max(1) * (MIB / BLOCK);
    let parts = stream::iter([LARGE_HEAD])
        .chain(stream::iter(std::iter::repeat_n(PADDING.as_slice(), blocks)))
        .chain(stream::iter([LARGE_TAIL]));
    let response = json(body(parts.map(|part| Ok(Bytes::from_static(part)))));
    let length = LARGE_HEAD.len() + blocks * BLOCK + LARGE_TAIL.len();
    (declared.then_some([(header::CONTENT_LENGTH, length)]), response).into_response()
}

/// Made once, when first asked for.
static BOMB: LazyLock<Bytes> = LazyLock::new(|| {
    let json = [LARGE_HEAD, &PADDING.repeat(BOMB_BYTES / BLOCK), LARGE_TAIL].concat();
    let mut bomb = Vec::new();
    // Compressing in memory does not fail; if it did, an empty body would show in the tests.
    let _ = GzEncoder::new(&*json, Compression::fast()).read_to_end(&mut bomb);
    Bytes::from(bomb)
});

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;

    use super::*;

    const ANSWER: &str = r#"{"code":0,"msg":"success","data":{"keyId":12}}"#;

    fn answer() -> ProperAnswer {
        ProperAnswer {
            body: ANSWER.into(),
            now: SystemTime::UNIX_EPOCH + Duration::from_secs(1_630_468_800),
            hash: 0,
            connection: ConnectionHandle::default(),
            stop: CancellationToken::new(),
        }
    }

    async fn bytes(answer: ProperAnswer, fault: Fault) -> Bytes {
        let response = answer.with(Some(fault)).await;
        to_bytes(response.into_body(), usize::MAX).await.unwrap()
    }

    #[tokio::test]
    async fn json_that_is_not_the_documented_one() {
        for hash in 0..4 {
            let body = bytes(ProperAnswer { hash, ..answer() }, Fault::WrongTypes).await;
            let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
            let documented = json.get("code").is_some_and(|code| code == 0) && json["data"].is_object();
            assert!(!documented, "{json}");
        }
        let nested = bytes(answer(), Fault::Nested).await;
        let count = |wanted| nested.iter().filter(|byte| **byte == wanted).count();
        assert_eq!((count(b'['), count(b']')), (NESTING, NESTING));
    }

    #[tokio::test(start_paused = true)]
    async fn a_trickle_takes_a_second_a_byte() {
        let started = tokio::time::Instant::now();
        assert_eq!(bytes(answer(), Fault::Trickle).await, ANSWER);
        assert_eq!(started.elapsed().as_secs(), ANSWER.len() as u64);
    }

    #[tokio::test]
    async fn bombs_are_small_and_large_bodies_are_as_large_as_they_say() {
        let bomb = bytes(answer(), Fault::GzipBomb).await;
        assert!((1_000..100_000).contains(&bomb.len()), "{}", bomb.len());
        let declared = Fault::TooLarge {
            mebibytes: 5,
            declared: true,
        };
        let response = answer().with(Some(declared.clone())).await;
        let body = bytes(answer(), declared).await;
        assert_eq!(response.headers()["content-length"], body.len().to_string());
    }
}
