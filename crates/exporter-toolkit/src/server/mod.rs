//! A server that holds up: connections are accepted, bounded in number and time, encrypted where TLS is configured, guarded, and ended
//! in peace at the stop.
//!
//! axum's own has no bound on connections, no timeout for handshakes, for silent clients or for clients that do not read, and no TLS.

mod answer;
mod auth;
mod connection;
mod connections;
mod cross_site;
mod guard;
mod hosts;
mod line;
mod listen;
mod metered;
pub mod shutdown;
pub mod systemd;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use self::auth::NoRandomNumbers;
use self::connections::Connections;
pub use self::guard::Guard;
pub use self::hosts::{AllowedHosts, HostPattern};
pub use self::listen::{ListenAddress, ListenError, listen};
use crate::client::Client;

/// After an error of the system, such as too many open files, accepting pauses for this long: so that a connection that is sent away is
/// gone, one that has just come in has asked, and a crowd is through before a scrape's patience is over.
const PAUSE: Duration = Duration::from_millis(20);

/// Such an error is told once in this time. Where connections come and go, it comes and goes with them.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// The server of all listeners. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Server {
    guard: Arc<Guard>,
    connections: Arc<Connections>,
}

impl Server {
    /// Serves what is behind this guard.
    pub fn new(guard: Guard) -> Self {
        Self {
            guard: Arc::new(guard),
            connections: Connections::new(),
        }
    }

    /// Whether connections are encrypted.
    pub fn has_tls(&self) -> bool {
        self.guard.live().tls().is_some()
    }

    /// Serves a listener until the stop, and then whoever is being answered to the end.
    pub async fn serve(self, listener: TcpListener, stop: CancellationToken) {
        let mut tasks = JoinSet::new();
        let mut told: Option<Instant> = None;
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = listener.accept() => accepted,
                Some(_) = tasks.join_next() => continue,
            };
            let (stream, client) = match accepted {
                Ok((stream, from)) => (stream, Client::from(from.ip())),
                Err(error) if is_about_one_connection(&error) => continue,
                Err(error) => {
                    if told.is_none_or(|told| told.elapsed() >= TELL_EVERY) {
                        tracing::error!(%error, "connections cannot be accepted, trying on");
                        told = Some(Instant::now());
                    }
                    // Where it is files that are lacking, this frees one.
                    self.connections.evict_one();
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            let slot = tokio::select! {
                () = stop.cancelled() => break,
                slot = self.connections.acquire(client.network()) => slot,
            };
            let Some(slot) = slot else { continue };
            let guard = Arc::clone(&self.guard);
            tasks.spawn(connection::serve(stream, client, guard, Arc::new(slot), stop.clone()));
        }
        drop(listener);
        while tasks.join_next().await.is_some() {}
    }
}

fn is_about_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}
