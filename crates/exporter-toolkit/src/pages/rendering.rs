//! One answer, written once: compressed as it is written, so that the plain text is never there as a whole, and kept in frames that any
//! number of clients are sent without a copy.
//!
//! Every frame counts against a [`Room`] from when it is made until the last who holds it, a client's connection included, lets it go.

use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;

use axum::body::Bytes;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

use crate::exposition::body::{Compressor, FRAME};
use crate::exposition::negotiate::Encoding;

/// Memory for answers, in frames of 64 KiB. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Room {
    free: Arc<Semaphore>,
    frames: u32,
}

impl Room {
    /// So many frames.
    pub(super) fn new(frames: u32) -> Self {
        Self {
            free: Arc::new(Semaphore::new(
                usize::try_from(frames).unwrap_or(Semaphore::MAX_PERMITS),
            )),
            frames,
        }
    }

    /// Waits until so many frames are free, or all of them where there are no more.
    pub(super) async fn reserve(&self, frames: u32) -> Result<OwnedSemaphorePermit, AcquireError> {
        Arc::clone(&self.free).acquire_many_owned(frames.min(self.frames)).await
    }
}

/// Bytes, and what is given back when nobody holds them any more.
pub(super) struct Frame<P> {
    pub(super) bytes: Vec<u8>,
    pub(super) _held: P,
}

impl<P> AsRef<[u8]> for Frame<P> {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// A written answer. Cheap to clone.
#[derive(Clone)]
pub(super) struct Rendering {
    /// Compressed.
    pub(super) frames: Arc<[Bytes]>,
    /// Bytes before compression.
    pub(super) plain: u64,
    /// What tells it from others, if it has that.
    pub(super) tag: Option<Arc<str>>,
}

impl Rendering {
    /// Bytes as they are compressed.
    pub(super) fn packed(&self) -> u64 {
        self.frames.iter().map(|frame| frame.len() as u64).sum()
    }
}

/// Takes the text of an answer in.
pub(super) struct Packer {
    compressor: Compressor,
    /// What is not compressed yet.
    plain: Vec<u8>,
    /// The present frame.
    packed: Vec<u8>,
    frames: Vec<Bytes>,
    length: u64,
    room: Room,
    reserved: OwnedSemaphorePermit,
    full: bool,
}

impl Packer {
    /// One that writes into what is `reserved` of the room, and into more while there is some.
    ///
    /// # Errors
    ///
    /// The compressor cannot be set up.
    pub(super) fn new(encoding: Encoding, room: Room, reserved: OwnedSemaphorePermit) -> io::Result<Self> {
        let compressor = Compressor::new(encoding)?.ok_or_else(|| io::Error::other("nothing is kept uncompressed"))?;
        Ok(Self {
            compressor,
            plain: Vec::with_capacity(FRAME),
            packed: Vec::new(),
            frames: Vec::new(),
            length: 0,
            room,
            reserved,
            full: false,
        })
    }

    /// Whether writing failed because the room is used up.
    pub(super) fn is_full(&self) -> bool {
        self.full
    }

    /// The answer, with its tag.
    ///
    /// # Errors
    ///
    /// The room is used up, or the compressor fails.
    pub(super) fn finish(&mut self, tag: Option<Arc<str>>) -> io::Result<Rendering> {
        self.compress(true)?;
        self.packed.shrink_to_fit();
        self.seal()?;
        Ok(Rendering {
            frames: std::mem::take(&mut self.frames).into(),
            plain: self.length,
            tag,
        })
    }

    fn compress(&mut self, last: bool) -> io::Result<()> {
        let made = self.compressor.compress(&self.plain, last)?;
        self.plain.clear();
        let mut rest = made.as_slice();
        while !rest.is_empty() {
            let space = FRAME - self.packed.len();
            let (now, later) = rest.split_at(space.min(rest.len()));
            self.packed.extend_from_slice(now);
            rest = later;
            if self.packed.len() == FRAME {
                self.seal()?;
            }
        }
        Ok(())
    }

    fn seal(&mut self) -> io::Result<()> {
        let permit = match self.reserved.split(1) {
            Some(permit) => Some(permit),
            None => Arc::clone(&self.room.free).try_acquire_owned().ok(),
        };
        // Who has all of the room already may go on: else an answer larger than that could never be given.
        let frames = u32::try_from(self.frames.len()).unwrap_or(u32::MAX);
        if permit.is_none() && frames < self.room.frames {
            self.full = true;
            return Err(io::ErrorKind::StorageFull.into());
        }
        let bytes = std::mem::take(&mut self.packed);
        self.frames.push(Bytes::from_owner(Frame { bytes, _held: permit }));
        Ok(())
    }
}

impl Write for Packer {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        let space = FRAME - self.plain.len();
        let (now, _) = text.split_at(space.min(text.len()));
        self.plain.extend_from_slice(now);
        self.length += now.len() as u64;
        if self.plain.len() == FRAME {
            self.compress(false)?;
        }
        Ok(now.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for Rendering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rendering")
            .field("plain", &self.plain)
            .field("packed", &self.packed())
            .field("tag", &self.tag)
            .finish()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A text that hardly gets smaller.
    pub(in crate::pages) fn noise(length: usize) -> Vec<u8> {
        let mut state = 1_u32;
        let next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        };
        std::iter::repeat_with(next).take(length).collect()
    }

    async fn packed(room: &Room, reserve: u32, text: &[u8]) -> Result<Rendering, bool> {
        let reserved = room.reserve(reserve).await.unwrap();
        let mut packer = Packer::new(Encoding::Gzip, room.clone(), reserved).unwrap();
        let written = packer.write_all(text).and_then(|()| packer.finish(None));
        written.map_err(|_| packer.is_full())
    }

    #[tokio::test]
    async fn a_frame_counts_until_the_last_who_holds_it_lets_it_go() {
        let room = Room::new(8);
        let made = packed(&room, 1, &noise(3 * FRAME)).await.unwrap();
        assert_eq!((made.frames.len(), room.free.available_permits()), (4, 4));
        let connection = made.frames[3].slice(1..);
        drop(made);
        assert_eq!(room.free.available_permits(), 7);
        drop(connection);
        assert_eq!(room.free.available_permits(), 8);
        let unneeded = packed(&room, 5, b"small").await.unwrap();
        assert_eq!((unneeded.frames.len(), room.free.available_permits()), (1, 7));
    }

    #[tokio::test]
    async fn what_finds_no_room_is_given_up_and_what_has_all_of_it_goes_on() {
        let room = Room::new(4);
        let held = packed(&room, 1, b"small").await.unwrap();
        assert!(packed(&room, 1, &noise(5 * FRAME)).await.unwrap_err());
        assert_eq!(room.free.available_permits(), 3);
        drop(held);
        let large = packed(&room, 9, &noise(9 * FRAME)).await.unwrap();
        assert_eq!((large.frames.len(), room.free.available_permits()), (10, 0));
        drop(large);
        assert_eq!(room.free.available_permits(), 4);
    }
}
