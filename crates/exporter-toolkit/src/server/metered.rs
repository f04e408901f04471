//! What an HTTP/2 client sends without asking for anything: frames that cost it little and us some work, such as PING, SETTINGS, PRIORITY
//! and WINDOW_UPDATE, and bodies that nobody reads. So much of it, and the connection ends (RFC 9113, section 10.5).

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::connections::Slot;

/// Bytes between two requests. The largest head of a request fits in twice; who answers our own PINGs and nothing else takes a day.
const UNASKED: u64 = 64 * 1024;

/// Bytes sent for which the client may send one more. Clients tell of what they have read in WINDOW_UPDATE frames: Go's, two of 13 bytes
/// for each 4 KiB.
const SENT_PER_UNASKED: u64 = 16;

/// A connection that counts.
#[derive(Debug)]
pub(super) struct Metered<I> {
    io: I,
    slot: Arc<Slot>,
    /// Requests on the connection when the counts below began.
    requests: u64,
    read: u64,
    written: u64,
}

impl<I> Metered<I> {
    pub(super) fn new(io: I, slot: Arc<Slot>) -> Self {
        Self {
            io,
            slot,
            requests: 0,
            read: 0,
            written: 0,
        }
    }

    fn count(&mut self, read: usize) -> io::Result<()> {
        let requests = self.slot.requests();
        if requests != self.requests {
            (self.requests, self.read, self.written) = (requests, 0, 0);
        }
        self.read = self.read.saturating_add(length(read));
        if self.read <= UNASKED.saturating_add(self.written / SENT_PER_UNASKED) {
            return Ok(());
        }
        Err(io::Error::other("the client sends much and asks for nothing"))
    }

    fn sent(&mut self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(written)) = &written {
            self.written = self.written.saturating_add(length(*written));
        }
        written
    }
}

fn length(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

impl<I: AsyncRead + Unpin> AsyncRead for Metered<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(context, buffer))?;
        let read = buffer.filled().len().saturating_sub(before);
        Poll::Ready(self.count(read))
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Metered<I> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(context, bytes);
        self.sent(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(context, bytes);
        self.sent(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

    use super::super::connections::Connections;
    use super::*;

    async fn metered() -> (Metered<DuplexStream>, DuplexStream, Arc<Slot>) {
        let slot = Connections::new().acquire(IpAddr::V4(Ipv4Addr::LOCALHOST).into()).await;
        let slot = Arc::new(slot.unwrap());
        let (ours, theirs) = duplex(1 << 20);
        (Metered::new(ours, Arc::clone(&slot)), theirs, slot)
    }

    /// Lets the client send so much; whether it may.
    async fn takes(ours: &mut Metered<DuplexStream>, theirs: &mut DuplexStream, bytes: u64) -> bool {
        let mut buffer = vec![0; usize::try_from(bytes).unwrap()];
        theirs.write_all(&buffer).await.unwrap();
        ours.read_exact(&mut buffer).await.is_ok()
    }

    #[tokio::test]
    async fn so_much_may_be_sent_between_two_requests() {
        let (mut ours, mut theirs, slot) = metered().await;
        for _ in 0..3 {
            assert!(takes(&mut ours, &mut theirs, UNASKED).await);
            drop(slot.request());
        }
        assert!(takes(&mut ours, &mut theirs, UNASKED).await);
        assert!(!takes(&mut ours, &mut theirs, 1).await);
    }

    #[tokio::test]
    async fn who_is_sent_much_may_tell_that_it_came() {
        let (mut ours, mut theirs, _slot) = metered().await;
        assert!(takes(&mut ours, &mut theirs, UNASKED).await);
        for _ in 0..100 {
            // As Go's clients do.
            ours.write_all(&[0; 4096]).await.unwrap();
            theirs.read_exact(&mut [0; 4096]).await.unwrap();
            assert!(takes(&mut ours, &mut theirs, 2 * 13).await);
        }
        assert!(!takes(&mut ours, &mut theirs, UNASKED).await);
    }
}
