//! When to stop, and how long stopping may take.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Scrapes under way get this long to finish. The rest of the 5 s that a stop may take is for the process to end.
pub const GRACE: Duration = Duration::from_secs(4);

/// A token that is cancelled by the first SIGTERM or SIGINT.
///
/// # Errors
/// If the signals cannot be listened to.
pub fn on_signal() -> io::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stop = CancellationToken::new();
    let cancel = stop.clone();
    tokio::spawn(async move {
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        };
        tracing::info!(signal = name, "stopping");
        cancel.cancel();
    });
    Ok(stop)
}
