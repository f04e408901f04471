//! A real Alertmanager as a child process, and a web server where the pager and the ticket system would be.
//!
//! Needs the program `prometheus-alertmanager`. What the [`Receiver`] was told it keeps, so that a test can say what nobody was told.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use axum::extract;
use axum::http::{StatusCode, Uri};
use axum::{Json, Router};
use serde::Deserialize;
use tokio::time::Instant;

use crate::answer::serve;
use crate::folder::Folder;
use crate::process::Process;
use crate::prometheus::{flag, listens_on};

/// A running one.
pub struct Alertmanager {
    process: Process,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Alertmanager {
    /// Starts it with this configuration, which is written into the folder along with its data; waits until it listens.
    pub async fn start(folder: &Folder, config: &str) -> Self {
        Self::start_at(folder, config, SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    /// The same at this address.
    pub async fn start_at(folder: &Folder, config: &str, address: SocketAddr) -> Self {
        let path = folder.write("alertmanager.yml", config);
        let mut command = Command::new("prometheus-alertmanager");
        command
            .arg(flag("--config.file", &path))
            .arg(flag("--storage.path", &folder.file("alertmanager")))
            .arg(format!("--web.listen-address={address}"))
            .arg("--cluster.listen-address=");
        let process = Process::start(command);
        Self {
            address: listens_on(&process).await,
            process,
        }
    }

    /// Asks it to end, and waits until it has, with all written down that it has told.
    pub async fn stopped(self) {
        self.process.stopped().await;
    }
}

/// What one call of a webhook said, as Alertmanager's documentation of `webhook_config` has it.
#[derive(Debug, Clone, Deserialize)]
pub struct Notification {
    /// The path that was called: which receiver it was.
    #[serde(default)]
    pub path: String,
    /// When it came.
    #[serde(skip)]
    pub at: Option<Instant>,
    /// `firing` or `resolved`.
    pub status: String,
    /// How many alerts more than `max_alerts` there were.
    #[serde(rename = "truncatedAlerts", default)]
    pub truncated: usize,
    /// The alerts it is about.
    pub alerts: Vec<Alert>,
}

/// One alert of a notification.
#[derive(Debug, Clone, Deserialize)]
pub struct Alert {
    /// `firing` or `resolved`.
    pub status: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
}

/// What has come, and whether there is anybody to take what comes.
#[derive(Debug, Default)]
struct State {
    kept: Mutex<Vec<Notification>>,
    away: AtomicBool,
}

/// A web server that keeps what an Alertmanager sends to webhooks.
pub struct Receiver {
    /// Where it listens.
    pub address: SocketAddr,
    state: Arc<State>,
}

impl Receiver {
    /// Starts it, with nothing received.
    pub async fn start() -> Self {
        let state = Arc::<State>::default();
        let address = serve(Router::new().fallback(keep).with_state(Arc::clone(&state))).await;
        Self { address, state }
    }

    /// Everything so far, oldest first.
    pub fn received(&self) -> Vec<Notification> {
        self.state.kept.lock().unwrap().clone()
    }

    /// While it is away it answers 503, and keeps nothing.
    pub fn is_away(&self, away: bool) {
        self.state.away.store(away, Ordering::Relaxed);
    }
}

async fn keep(
    extract::State(state): extract::State<Arc<State>>,
    path: Uri,
    Json(mut notification): Json<Notification>,
) -> StatusCode {
    if state.away.load(Ordering::Relaxed) {
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    notification.path = path.path().to_owned();
    notification.at = Some(Instant::now());
    state.kept.lock().unwrap().push(notification);
    StatusCode::OK
}
