//! systemd: sockets that it opened, and what it wants to be told of a `Type=notify` service.
//!
//! Without systemd nothing here does anything.

use std::io;
use std::time::Duration;

use listenfd::ListenFd;
use sd_notify::NotifyState;
use tokio::net::TcpListener;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// Why the sockets of systemd cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// None was passed on.
    #[error("systemd passed no sockets on; start this by a .socket unit, or leave --web.systemd-socket out")]
    None,
    /// One is not what is needed.
    #[error("a socket that systemd passed on cannot be used: {0}; the .socket unit needs ListenStream= with a port")]
    Unusable(#[from] io::Error),
}

/// The listening sockets that systemd passed on. Must be called within a tokio runtime, and once.
///
/// # Errors
/// If there is none, or one is not a TCP socket.
pub fn listeners() -> Result<Vec<TcpListener>, SocketError> {
    let mut passed = ListenFd::from_env();
    let mut listeners = Vec::new();
    for index in 0..passed.len() {
        if let Some(listener) = passed.take_tcp_listener(index)? {
            listener.set_nonblocking(true)?;
            listeners.push(TcpListener::from_std(listener)?);
        }
    }
    if listeners.is_empty() {
        return Err(SocketError::None);
    }
    Ok(listeners)
}

/// Says that the start is done, or that a reload is.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// Says that a reload begins; [`ready`] ends it.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::warn!(%error, "systemd cannot be told of the reload"),
    }
}

/// Says that the stop begins.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Says until the stop that all is well, as long as it is and where a `WatchdogSec=` asks for it.
pub async fn watchdog(healthy: impl Fn() -> bool, stop: CancellationToken) {
    let Some(limit) = sd_notify::watchdog_enabled().filter(|limit| *limit > Duration::ZERO) else {
        return stop.cancelled().await;
    };
    // Twice within the limit, as systemd advises.
    let mut turns = interval(limit / 2);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = turns.tick() => if healthy() {
                tell(&[NotifyState::Watchdog]);
            },
        }
    }
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "systemd cannot be told");
    }
}
