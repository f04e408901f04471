//! A real Alertmanager as a child process, and a web server where the pager and the ticket system would be.
//!
//! Needs the program `prometheus-alertmanager`. What the [`Receiver`] was told it keeps, so that a test can say what nobody was told.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::Uri;
use axum::{Json, Router};
use serde::Deserialize;

use crate::answer::serve;
use crate::folder::Folder;
use crate::process::Process;
use crate::prometheus::{flag, listens_on};

/// A running one.
pub struct Alertmanager {
    _process: Process,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Alertmanager {
    /// Starts it with this configuration, which is written into the folder along with its data; waits until it listens.
    pub async fn start(folder: &Folder, config: &str) -> Self {
        let path = folder.write("alertmanager.yml", config);
        let mut command = Command::new("prometheus-alertmanager");
        command
            .arg(flag("--config.file", &path))
            .arg(flag("--storage.path", &folder.file("alertmanager")))
            .args(["--web.listen-address=127.0.0.1:0", "--cluster.listen-address="]);
        let process = Process::start(command);
        Self {
            address: listens_on(&process).await,
            _process: process,
        }
    }
}

/// What one call of a webhook said.
#[derive(Debug, Clone, Deserialize)]
pub struct Notification {
    /// The path that was called: which receiver it was.
    #[serde(default)]
    pub path: String,
    /// `firing` or `resolved`.
    pub status: String,
    /// The alerts it is about.
    pub alerts: Vec<Alert>,
}

/// One alert of a notification.
#[derive(Debug, Clone, Deserialize)]
pub struct Alert {
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
}

type Kept = Arc<Mutex<Vec<Notification>>>;

/// A web server that keeps what an Alertmanager sends to webhooks.
pub struct Receiver {
    /// Where it listens.
    pub address: SocketAddr,
    kept: Kept,
}

impl Receiver {
    /// Starts it, with nothing received.
    pub async fn start() -> Self {
        let kept = Kept::default();
        let address = serve(Router::new().fallback(keep).with_state(Arc::clone(&kept))).await;
        Self { address, kept }
    }

    /// Everything so far, oldest first.
    pub fn received(&self) -> Vec<Notification> {
        self.kept.lock().unwrap().clone()
    }
}

async fn keep(State(kept): State<Kept>, path: Uri, Json(mut notification): Json<Notification>) {
    notification.path = path.path().to_owned();
    kept.lock().unwrap().push(notification);
}
