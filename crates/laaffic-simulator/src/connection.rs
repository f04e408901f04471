//! A handle on a client's TCP connection, by which it can be made to end with a reset.

use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;
use socket2::SockRef;
use tokio::net::TcpListener;

/// The connection that a request came on, found in the request's extensions. One without a socket (or whose socket could not be
/// shared) ends as any other.
#[derive(Debug, Clone, Default)]
pub(crate) struct ConnectionHandle(Option<Arc<OwnedFd>>);

impl ConnectionHandle {
    /// Makes the connection end with a TCP reset instead of a clean close.
    pub(crate) fn reset_on_close(&self) {
        if let Some(socket) = &self.0 {
            // Closing a socket that may not linger makes the kernel send RST.
            let _ = SockRef::from(&**socket).set_linger(Some(Duration::ZERO));
        }
    }
}

impl Connected<IncomingStream<'_, TcpListener>> for ConnectionHandle {
    /// Called once for a connection, when it has been accepted.
    fn connect_info(stream: IncomingStream<'_, TcpListener>) -> Self {
        let stream = stream.io();
        // Answers are small and come whole: waiting for more to send would only add latency.
        let _ = stream.set_nodelay(true);
        Self(stream.as_fd().try_clone_to_owned().ok().map(Arc::new))
    }
}
