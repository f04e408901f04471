//! The streamed body of an answer: made, compressed and sent a frame at a time.
//!
//! A frame is written where it is asked for, without waiting for anything, so a scrape never depends on another task; it only steps
//! aside now and then, so that a large one does not keep the thread from the polls.

use std::fmt;
use std::io::{self, Write};
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Bytes, HttpBody};
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body::Frame;
use zstd::stream::write::Encoder as ZstdEncoder;

use super::negotiate::Encoding;
use super::places::Place;

/// How much of an answer is made at a time, in bytes. Large enough that the work around a frame does not show, small enough that
/// many scrapes at once stay small.
pub const FRAME: usize = 64 * 1024;

/// The text of one answer, made a frame at a time, so that the whole of it never exists.
pub trait Frames: Send + Unpin + 'static {
    /// Appends the next part, at most about [`FRAME`] bytes, to `out`. False with the last part.
    fn fill(&mut self, out: &mut Vec<u8>) -> bool;
}

/// An answer that is made already, in one frame.
#[derive(Debug)]
pub struct Whole(pub Vec<u8>);

impl Frames for Whole {
    fn fill(&mut self, out: &mut Vec<u8>) -> bool {
        out.append(&mut self.0);
        false
    }
}

/// Other tasks get their turn after this many frames, which is half a millisecond of compressing.
const FRAMES_PER_TURN: u32 = 8;

/// What compressed frames usually are shorter than, in bytes.
const COMPRESSED_FRAME: usize = 8 * 1024;

/// The lowest level: the default one takes 8.8 times as long for 22 % less (docs/performance.md).
const GZIP_LEVEL: u32 = 1;

/// Faster and smaller than gzip at its lowest; higher levels cost more than they save.
const ZSTD_LEVEL: i32 = 1;

/// A window of 256 KiB: what repeats in this text is near, and a larger window only costs memory.
const ZSTD_WINDOW_LOG: u32 = 18;

/// The body of one answer.
pub struct FrameBody<F> {
    frames: F,
    compressor: Option<Compressor>,
    /// The plain text of the present frame, where it is compressed.
    plain: Vec<u8>,
    /// Frames until other tasks get their turn.
    turn: u32,
    ended: bool,
    /// Held until the last byte is out.
    place: Option<Arc<Place>>,
}

/// What a text is compressed with, piece by piece.
pub(crate) enum Compressor {
    /// See [`GZIP_LEVEL`].
    Gzip(GzEncoder<Vec<u8>>),
    /// See [`ZSTD_LEVEL`].
    Zstd(ZstdEncoder<'static, Vec<u8>>),
}

impl<F: Frames> FrameBody<F> {
    /// The body for this answer; `place` is given back when the body is dropped and every byte of it is out.
    ///
    /// # Errors
    ///
    /// The compressor cannot be set up.
    pub fn new(frames: F, encoding: Encoding, place: Option<Place>) -> io::Result<Self> {
        Ok(Self {
            frames,
            compressor: Compressor::new(encoding)?,
            plain: Vec::new(),
            // The first frame goes out alone, and thereby at once: a pause makes hyper flush.
            turn: 1,
            ended: false,
            place: place.map(Arc::new),
        })
    }

    /// The next bytes to send; may be none, since a compressor holds back what does not fill a block.
    fn next(&mut self) -> io::Result<Vec<u8>> {
        let Some(compressor) = &mut self.compressor else {
            let mut frame = Vec::with_capacity(FRAME);
            self.ended = !self.frames.fill(&mut frame);
            return Ok(frame);
        };
        self.plain.clear();
        self.plain.reserve(FRAME);
        self.ended = !self.frames.fill(&mut self.plain);
        compressor.compress(&self.plain, self.ended)
    }

    /// These bytes, which hold the place too: with HTTP/2 they may wait for the client long after the body's end.
    fn held(&self, bytes: Vec<u8>) -> Bytes {
        match &self.place {
            None => bytes.into(),
            Some(place) => Bytes::from_owner(Held {
                bytes,
                _place: Arc::clone(place),
            }),
        }
    }
}

/// Bytes on their way.
struct Held {
    bytes: Vec<u8>,
    _place: Arc<Place>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Compressor {
    /// One for this encoding; none where nothing is to be compressed.
    pub(crate) fn new(encoding: Encoding) -> io::Result<Option<Self>> {
        let out = Vec::with_capacity(COMPRESSED_FRAME);
        Ok(match encoding {
            Encoding::Identity => None,
            Encoding::Gzip => Some(Self::Gzip(GzEncoder::new(out, Compression::new(GZIP_LEVEL)))),
            Encoding::Zstd => {
                let mut encoder = ZstdEncoder::new(out, ZSTD_LEVEL)?;
                encoder.window_log(ZSTD_WINDOW_LOG)?;
                Some(Self::Zstd(encoder))
            }
        })
    }

    /// Takes the next plain bytes in, gives out what is ready.
    pub(crate) fn compress(&mut self, plain: &[u8], last: bool) -> io::Result<Vec<u8>> {
        let ready = match self {
            Self::Gzip(encoder) => {
                encoder.write_all(plain)?;
                if last {
                    encoder.try_finish()?;
                }
                encoder.get_mut()
            }
            Self::Zstd(encoder) => {
                encoder.write_all(plain)?;
                if last {
                    encoder.do_finish()?;
                }
                encoder.get_mut()
            }
        };
        Ok(mem::replace(ready, Vec::with_capacity(COMPRESSED_FRAME)))
    }
}

impl<F: Frames> HttpBody for FrameBody<F> {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let body = &mut *self;
        while !body.ended {
            if body.turn == 0 {
                body.turn = FRAMES_PER_TURN;
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            body.turn -= 1;
            match body.next() {
                Ok(bytes) if bytes.is_empty() => {}
                Ok(bytes) => return Poll::Ready(Some(Ok(Frame::data(body.held(bytes))))),
                Err(error) => {
                    body.ended = true;
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }
}

impl<F: fmt::Debug> fmt::Debug for FrameBody<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameBody")
            .field("frames", &self.frames)
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}
