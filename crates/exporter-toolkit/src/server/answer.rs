//! One answer on its way to the client: which connection it keeps busy, how much of it is out, and until when it must be.
//!
//! Bytes are counted when whatever held them for the client lets go of them, not when the body hands them over: an HTTP/2 client may leave
//! them lying here, and then nobody asks the body for more.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::BoxError;
use axum::body::{Body, Bytes, HttpBody};
use http_body::{Frame, SizeHint};
use tokio::time::Instant;

use super::connections::InFlight;

/// An answer may take this long whatever its size.
pub(super) const GRACE: Duration = Duration::from_secs(20);

/// And as much longer as its bytes need at this rate, in bytes per second: a tenth of what the smallest scrape interval of Prometheus
/// takes for 10,000 flows, and no more than a bad mobile connection has.
pub(super) const LEAST_RATE: u64 = 256 * 1024;

/// Bytes that are handed over at once; so a page that was made whole is counted in parts, too.
const PIECE: usize = 64 * 1024;

/// How far an answer has come.
#[derive(Debug)]
pub(super) struct Progress {
    since: Instant,
    taken: AtomicU64,
}

impl Progress {
    /// Of an answer that begins now.
    pub(super) fn begin() -> Self {
        Self {
            since: Instant::now(),
            taken: AtomicU64::new(0),
        }
    }

    /// When the client must have taken more.
    pub(super) fn deadline(&self) -> Instant {
        let earned = self.taken.load(Ordering::Relaxed).saturating_mul(1000) / LEAST_RATE;
        self.since + GRACE + Duration::from_millis(earned)
    }
}

/// An answer that is not out yet.
#[derive(Debug)]
struct Answer {
    _in_flight: InFlight,
    progress: Arc<Progress>,
}

/// The body of an answer. The request is being answered until its last byte is out.
#[derive(Debug)]
pub(super) struct AnswerBody {
    body: Body,
    /// Of the body's last frame, what is not handed over yet.
    rest: Bytes,
    answer: Arc<Answer>,
}

impl AnswerBody {
    /// Begins to answer.
    pub(super) fn begin(body: Body, in_flight: InFlight) -> Self {
        let answer = Answer {
            progress: in_flight.begin_answer(),
            _in_flight: in_flight,
        };
        Self {
            body,
            rest: Bytes::new(),
            answer: Arc::new(answer),
        }
    }

    /// The next bytes, which count as taken once they are dropped.
    fn piece(&mut self) -> Bytes {
        let bytes = self.rest.split_to(self.rest.len().min(PIECE));
        Bytes::from_owner(Piece {
            bytes,
            answer: Arc::clone(&self.answer),
        })
    }
}

struct Piece {
    bytes: Bytes,
    answer: Arc<Answer>,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        let length = u64::try_from(self.bytes.len()).unwrap_or_default();
        self.answer.progress.taken.fetch_add(length, Ordering::Relaxed);
    }
}

impl HttpBody for AnswerBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        while self.rest.is_empty() {
            let frame = match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                None => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(error.into_inner()))),
                Some(Ok(frame)) => frame,
            };
            match frame.into_data() {
                Ok(data) => self.rest = data,
                Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
            }
        }
        Poll::Ready(Some(Ok(Frame::data(self.piece()))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let rest = u64::try_from(self.rest.len()).unwrap_or_default();
        let mut hint = self.body.size_hint();
        let upper = hint.upper();
        hint.set_lower(hint.lower().saturating_add(rest));
        if let Some(upper) = upper {
            hint.set_upper(upper.saturating_add(rest));
        }
        hint
    }
}
