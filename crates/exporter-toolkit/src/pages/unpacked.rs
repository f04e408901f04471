//! An answer for a client that takes nothing compressed: unpacked a frame at a time, as the client takes it.

use std::fmt;
use std::io::{self, BufRead, Read};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::vec;

use axum::body::{Bytes, HttpBody};
use flate2::bufread::GzDecoder;
use http_body::{Frame as Part, SizeHint};
use tokio::sync::OwnedSemaphorePermit;

use super::rendering::{Frame, Rendering};
use crate::exposition::body::FRAME;

/// What such an answer takes of the room, in frames: the decoder with its window of 32 KiB, and what waits for the client. The server asks
/// for no more than its send buffer of 64 KiB holds, and a frame.
pub(super) const ROOM: u32 = 3;

/// The body of one answer, from a gzipped rendering.
pub(super) struct Unpacked {
    decoder: GzDecoder<Packed>,
    left: u64,
    room: Arc<OwnedSemaphorePermit>,
}

impl Unpacked {
    /// Holds `room`, of [`ROOM`] frames, until the last of its own frames is out.
    pub(super) fn new(rendering: &Rendering, room: OwnedSemaphorePermit) -> Self {
        let frames: Vec<_> = rendering.frames.to_vec();
        Self {
            decoder: GzDecoder::new(Packed {
                now: Bytes::new(),
                later: frames.into_iter(),
            }),
            left: rendering.plain,
            room: Arc::new(room),
        }
    }

    fn next(&mut self) -> io::Result<Bytes> {
        let length = usize::try_from(self.left).map_or(FRAME, |left| left.min(FRAME));
        let mut bytes = vec![0; length];
        self.decoder.read_exact(&mut bytes)?;
        self.left -= length as u64;
        let held = Arc::clone(&self.room);
        Ok(Bytes::from_owner(Frame { bytes, _held: held }))
    }
}

impl HttpBody for Unpacked {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Part<Bytes>, io::Error>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        Poll::Ready(Some(self.next().map(Part::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

impl fmt::Debug for Unpacked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unpacked")
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}

/// The frames as one stream; each is let go when it has been read.
struct Packed {
    now: Bytes,
    later: vec::IntoIter<Bytes>,
}

impl BufRead for Packed {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.now.is_empty() {
            let Some(next) = self.later.next() else { break };
            self.now = next;
        }
        Ok(&self.now)
    }

    fn consume(&mut self, amount: usize) {
        self.now = self.now.split_off(amount.min(self.now.len()));
    }
}

impl Read for Packed {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(out)?;
        self.consume(read);
        Ok(read)
    }
}
