//! A web server that keeps what an Alertmanager sends to webhooks.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::Uri;
use axum::{Json, Router};
use serde::Deserialize;
use tokio::net::TcpListener;

/// What one call of a webhook said.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Notification {
    /// The path that was called; which of the example's receivers it was.
    #[serde(default)]
    pub(crate) path: String,
    /// `firing` or `resolved`.
    pub(crate) status: String,
    pub(crate) alerts: Vec<Alert>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Alert {
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) annotations: BTreeMap<String, String>,
}

type Kept = Arc<Mutex<Vec<Notification>>>;

pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    kept: Kept,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let kept = Kept::default();
        let router = Router::new().fallback(keep).with_state(Arc::clone(&kept));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, kept }
    }

    /// Everything so far, oldest first.
    pub(crate) fn received(&self) -> Vec<Notification> {
        self.kept.lock().unwrap().clone()
    }
}

async fn keep(State(kept): State<Kept>, path: Uri, Json(mut notification): Json<Notification>) {
    notification.path = path.path().to_owned();
    kept.lock().unwrap().push(notification);
}
