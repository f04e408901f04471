//! Answers that are written off the async threads, once for all that ask.
//!
//! A page of 10,000 flows takes tens of milliseconds to write and to compress. On an async thread that would hold up scrapes and polls, so
//! it is done on tokio's blocking threads, for two at a time. Whoever asks the same while it is written, or within a second, is sent the
//! same frames. However many ask, and however slowly they read, what is kept for them stays within the renderer's room.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderValue, RETRY_AFTER, VARY};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::runtime::Handle;
use tokio::sync::{AcquireError, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

use super::etag;
use super::rendering::{Packer, Rendering, Room};
use super::unpacked::{self, Unpacked};
use crate::exposition::body::FRAME;
use crate::exposition::negotiate::{self, Encoding};
use crate::logging::Unwritten;

/// Answers written at once.
const AT_ONCE: usize = 2;

/// How long an answer is kept for others that ask the same.
const KEPT: Duration = Duration::from_secs(1);

/// How long a client waits for its turn, and for room, before it is told to come back later.
const PATIENCE: Duration = Duration::from_secs(5);

/// After how many seconds it should come back: a client that does not read is cut off not much later.
const COME_BACK: &str = "10";

/// Where the answers of one path are written. Cheap to clone. `K` is everything that an answer is made of: equal keys, equal answers.
pub struct Renderer<K>(Arc<Shared<K>>);

struct Shared<K> {
    slots: Mutex<HashMap<(K, Encoding), Weak<Slot>>>,
    turns: Arc<Semaphore>,
    room: Room,
    /// Frames of the last answer: as many will be needed for the next.
    usual: AtomicU32,
}

static UNWRITTEN: Unwritten = Unwritten::new("a page");

/// An answer, as soon as there is one. Who writes it has the lock, and the others wait for that.
type Slot = tokio::sync::Mutex<Option<Rendering>>;

/// Why a text could not be written: a bug, told only to the log.
type Failed = Box<dyn std::error::Error + Send + Sync>;

/// Why there is no answer.
enum Unanswered {
    /// Others have the turns or the room.
    Busy,
    /// A bug.
    Failed(Failed),
}

/// What there is before writing begins.
enum Begun {
    Made(Rendering),
    ToWrite(
        OwnedMutexGuard<Option<Rendering>>,
        OwnedSemaphorePermit,
        OwnedSemaphorePermit,
    ),
}

impl<K: Clone + Eq + Hash + Send + 'static> Renderer<K> {
    /// One whose answers, compressed, take at most so many bytes at a time, those included that slow clients have not read yet. At least
    /// one can always be given, whatever its size.
    pub fn new(room: usize) -> Self {
        let frames = u32::try_from(room / FRAME).unwrap_or(u32::MAX);
        Self(Arc::new(Shared {
            slots: Mutex::default(),
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            room: Room::new(frames.max(unpacked::ROOM + 1)),
            usual: AtomicU32::new(1),
        }))
    }

    /// Answers with what `write` writes, compressed as the client asks. Whoever has what has the tag that `write` gives gets 304. Where
    /// others have all turns or all room for long, 503.
    pub async fn answer<E: Into<Failed>>(
        &self,
        request: &HeaderMap,
        content_type: &'static str,
        key: K,
        write: impl FnOnce(&mut dyn io::Write) -> Result<Option<String>, E> + Send + 'static,
    ) -> Response {
        let encoding = negotiate::encoding(request);
        // For a client that takes nothing compressed it is unpacked on the way.
        let packing = match encoding {
            Encoding::Identity | Encoding::Gzip => Encoding::Gzip,
            Encoding::Zstd => Encoding::Zstd,
        };
        let answer = async {
            let rendering = self.rendering(key, packing, write).await?;
            self.respond(request, &rendering, encoding).await
        };
        match answer.await {
            Ok(mut response) => {
                let headers = response.headers_mut();
                headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
                headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
                response
            }
            Err(unanswered) => unanswered.into_response(),
        }
    }

    async fn respond(
        &self,
        request: &HeaderMap,
        rendering: &Rendering,
        encoding: Encoding,
    ) -> Result<Response, Unanswered> {
        // Weak: what does not last may differ, and the encoding.
        let tag = rendering.tag.as_ref().map(|tag| format!("W/\"{tag}\""));
        let tag = tag.map(HeaderValue::try_from).transpose()?;
        let has = |tag: &Arc<str>| etag::has(request, tag);
        let mut response = if rendering.tag.as_ref().is_some_and(has) {
            StatusCode::NOT_MODIFIED.into_response()
        } else if encoding == Encoding::Identity {
            let room = in_time(self.0.room.reserve(unpacked::ROOM)).await?;
            Body::new(Unpacked::new(rendering, room)).into_response()
        } else {
            let frames: Vec<_> = rendering.frames.iter().cloned().map(Ok::<_, io::Error>).collect();
            let mut response = Body::from_stream(stream::iter(frames)).into_response();
            let headers = response.headers_mut();
            headers.insert(CONTENT_LENGTH, HeaderValue::from(rendering.packed()));
            if let Some(encoding) = encoding.content_encoding() {
                headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
            }
            response
        };
        if let Some(tag) = tag {
            response.headers_mut().insert(ETAG, tag);
        }
        Ok(response)
    }

    /// What was written for this key, or is written now.
    async fn rendering<E: Into<Failed>>(
        &self,
        key: K,
        packing: Encoding,
        write: impl FnOnce(&mut dyn io::Write) -> Result<Option<String>, E> + Send + 'static,
    ) -> Result<Rendering, Unanswered> {
        let slot = self.slot((key, packing));
        // Until here a client that hangs up costs nothing; from there on the work ends, for the next who asks.
        let (mut place, turn, reserved) = match in_time(self.begin(&slot)).await? {
            Begun::Made(rendering) => return Ok(rendering),
            Begun::ToWrite(place, turn, reserved) => (place, turn, reserved),
        };
        let shared = Arc::clone(&self.0);
        let work = move || {
            let mut packer = Packer::new(packing, shared.room.clone(), reserved)?;
            let written = write(&mut packer).map_err(Into::into);
            let finished = written.and_then(|tag| Ok(packer.finish(tag.map(Into::into))?));
            let rendering = finished.map_err(|error| match packer.is_full() {
                true => Unanswered::Busy,
                false => Unanswered::Failed(error),
            })?;
            let frames = u32::try_from(rendering.frames.len()).unwrap_or(u32::MAX);
            shared.usual.store(frames, Ordering::Relaxed);
            *place = Some(rendering.clone());
            drop((place, turn));
            keep(slot);
            Ok(rendering)
        };
        tokio::task::spawn_blocking(work).await?
    }

    /// Waits for who writes it already; else for a turn and for room to write it.
    async fn begin(&self, slot: &Arc<Slot>) -> Result<Begun, AcquireError> {
        let place = Arc::clone(slot).lock_owned().await;
        if let Some(rendering) = &*place {
            return Ok(Begun::Made(rendering.clone()));
        }
        let turn = Arc::clone(&self.0.turns).acquire_owned().await?;
        let reserved = self.0.room.reserve(self.0.usual.load(Ordering::Relaxed)).await?;
        Ok(Begun::ToWrite(place, turn, reserved))
    }

    /// Where the answer for this key is, or will be.
    fn slot(&self, key: (K, Encoding)) -> Arc<Slot> {
        let mut slots = self.0.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = slots.get(&key).and_then(Weak::upgrade) {
            return slot;
        }
        slots.retain(|_, slot| slot.strong_count() > 0);
        let slot = Arc::new(Slot::default());
        slots.insert(key, Arc::downgrade(&slot));
        slot
    }
}

/// What comes of waiting, if it comes while a client has patience.
async fn in_time<T>(waiting: impl Future<Output = Result<T, AcquireError>>) -> Result<T, Unanswered> {
    match tokio::time::timeout(PATIENCE, waiting).await {
        Ok(came) => Ok(came?),
        Err(_) => Err(Unanswered::Busy),
    }
}

/// Nobody else keeps a slot but those who ask and those who write.
fn keep(slot: Arc<Slot>) {
    Handle::current().spawn(async move {
        tokio::time::sleep(KEPT).await;
        drop(slot);
    });
}

impl IntoResponse for Unanswered {
    fn into_response(self) -> Response {
        match self {
            Self::Busy => {
                let sentence = "Too many answers are being written or read at once; try again later.\n";
                (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, COME_BACK)], sentence).into_response()
            }
            Self::Failed(error) => {
                UNWRITTEN.tell(&*error);
                let sentence = "The answer could not be written; the log says why.\n";
                (StatusCode::INTERNAL_SERVER_ERROR, sentence).into_response()
            }
        }
    }
}

/// Everything that goes wrong otherwise is a bug.
impl<E: std::error::Error + Send + Sync + 'static> From<E> for Unanswered {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl<K> Clone for Renderer<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K> fmt::Debug for Renderer<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Renderer").field(&self.0.room).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::io::{Read as _, Write as _};
    use std::sync::atomic::AtomicUsize;
    use std::sync::mpsc;

    use axum::body::{Bytes, to_bytes};
    use futures_util::future::join_all;

    use super::*;
    use crate::pages::rendering::tests::noise;

    fn asking(headers: &[(&'static str, &str)]) -> HeaderMap {
        let header = |(name, value): &(&'static str, &str)| ((*name).parse().unwrap(), value.parse().unwrap());
        headers.iter().map(header).collect()
    }

    /// Writes this text, with this tag.
    fn text(
        text: impl AsRef<[u8]> + Send + 'static,
        tag: Option<&'static str>,
    ) -> impl FnOnce(&mut dyn io::Write) -> io::Result<Option<String>> + Send + 'static {
        move |out| out.write_all(text.as_ref()).map(|()| tag.map(str::to_owned))
    }

    async fn body(response: Response) -> Bytes {
        to_bytes(response.into_body(), usize::MAX).await.unwrap()
    }

    #[tokio::test]
    async fn what_cannot_be_written_is_a_500_without_details_and_gives_its_turn_back() {
        let renderer = Renderer::new(1 << 20);
        let none = HeaderMap::new();
        for _ in 0..AT_ONCE + 1 {
            let broken = |_: &mut dyn io::Write| Err(io::Error::other("inner details"));
            let answer = renderer.answer(&none, "text/plain", 1, broken).await;
            assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
            assert!(!String::from_utf8_lossy(&body(answer).await).contains("inner"));
            let bug = |_: &mut dyn io::Write| -> Result<Option<String>, Infallible> { panic!("a bug") };
            let answer = renderer.answer(&none, "text/plain", 1, bug).await;
            assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
        }
        let answer = renderer.answer(&none, "text/plain", 1, text("good", None)).await;
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()[CONTENT_TYPE], "text/plain");
        assert_eq!(body(answer).await, "good");
    }

    #[tokio::test]
    async fn each_encoding_unpacks_to_the_same_text() {
        let renderer = Renderer::new(1 << 20);
        for length in [0, 1, FRAME, 3 * FRAME + 5] {
            let plain = noise(length);
            for encoding in ["identity", "gzip", "zstd"] {
                let request = asking(&[("accept-encoding", encoding)]);
                let write = text(plain.clone(), None);
                let answer = renderer.answer(&request, "text/plain", length, write).await;
                let said = answer.headers().get(CONTENT_ENCODING).cloned();
                assert_eq!(said.is_none(), encoding == "identity");
                let mut unpacked = Vec::new();
                let packed = body(answer).await;
                match encoding {
                    "gzip" => flate2::read::GzDecoder::new(&*packed)
                        .read_to_end(&mut unpacked)
                        .map(drop),
                    "zstd" => zstd::stream::copy_decode(&*packed, &mut unpacked),
                    _ => unpacked.write_all(&packed),
                }
                .unwrap();
                assert!(unpacked == plain, "{length} {encoding}");
            }
        }
    }

    #[tokio::test]
    async fn who_has_what_has_the_tag_gets_304() {
        let renderer = Renderer::new(1 << 20);
        let ask = async |key: u32, tag: &'static str, known: &str| {
            let request = asking(&[("if-none-match", known), ("accept-encoding", "gzip")]);
            let answer = renderer
                .answer(&request, "text/plain", key, text("text", Some(tag)))
                .await;
            let tag = answer.headers()[ETAG].to_str().unwrap().to_owned();
            (answer.status(), tag, answer.headers().contains_key(CONTENT_ENCODING))
        };
        let (status, tag, packed) = ask(1, "a", "\"other\"").await;
        assert!(status == StatusCode::OK && packed && tag == "W/\"a\"");
        assert_eq!(ask(2, "a", &tag).await, (StatusCode::NOT_MODIFIED, tag.clone(), false));
        let (status, other, _) = ask(3, "b", &tag).await;
        assert!(status == StatusCode::OK && other != tag);
    }

    #[tokio::test(start_paused = true)]
    async fn all_that_ask_the_same_within_a_second_are_sent_one_writing() {
        let renderer = Renderer::new(64 << 20);
        let written = Arc::new(AtomicUsize::new(0));
        let ask = async |key: u32| {
            let written = Arc::clone(&written);
            let write = move |out: &mut dyn io::Write| {
                let number = written.fetch_add(1, Ordering::Relaxed);
                write!(out, "{number}").map(|()| None)
            };
            body(renderer.answer(&HeaderMap::new(), "text/plain", key, write).await).await
        };
        let many = join_all((0..50).map(|_| ask(1))).await;
        assert!(many.iter().all(|answer| answer == "0"), "{many:?}");
        assert_eq!(ask(2).await, "1");
        assert_eq!(ask(1).await, "0");
        tokio::time::sleep(KEPT + Duration::from_millis(2)).await;
        assert_eq!(ask(1).await, "2");
        assert_eq!(
            renderer.0.slots.lock().unwrap().len(),
            1,
            "nothing is kept of what nobody asks for"
        );
    }

    #[tokio::test]
    async fn what_a_client_that_hangs_up_has_begun_is_there_for_the_next() {
        let renderer = Renderer::new(1 << 20);
        let (begun, begins) = tokio::sync::oneshot::channel();
        let (go_on, goes_on) = mpsc::channel::<()>();
        let slow = move |out: &mut dyn io::Write| {
            begun.send(()).unwrap();
            let _ = goes_on.recv();
            out.write_all(b"first").map(|()| None)
        };
        let first = {
            let renderer = renderer.clone();
            tokio::spawn(async move { renderer.answer(&HeaderMap::new(), "text/plain", 1, slow).await })
        };
        begins.await.unwrap();
        first.abort();
        assert!(first.await.unwrap_err().is_cancelled());
        drop(go_on);
        let next = renderer
            .answer(&HeaderMap::new(), "text/plain", 1, text("second", None))
            .await;
        assert_eq!(body(next).await, "first");
    }

    #[tokio::test(start_paused = true)]
    async fn who_finds_no_room_is_told_to_come_back() {
        let renderer = Renderer::new(8 * FRAME);
        let gzip = asking(&[("accept-encoding", "gzip")]);
        let large = async |key: u32| {
            renderer
                .answer(&gzip, "text/plain", key, text(noise(5 * FRAME), None))
                .await
        };
        let held = large(1).await;
        assert_eq!(held.status(), StatusCode::OK);
        for _ in 0..2 {
            let refused = large(2).await;
            assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(refused.headers()[RETRY_AFTER], COME_BACK);
        }
        drop(held);
        tokio::time::sleep(2 * KEPT).await;
        assert_eq!(large(2).await.status(), StatusCode::OK);
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_compressed_counts_until_it_has_read_or_left() {
        let renderer = Renderer::new(8 * FRAME);
        let plain = HeaderMap::new();
        let ask = async || renderer.answer(&plain, "text/plain", 1, text("text", None)).await;
        let [first, second] = [ask().await, ask().await];
        assert_eq!(ask().await.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(body(first).await, "text");
        assert_eq!(ask().await.status(), StatusCode::OK);
        drop(second);
        assert_eq!(ask().await.status(), StatusCode::OK);
    }
}
