//! `/config`: the configuration in force, every secret as `<secret>`.

use std::io::Write;
use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use exporter_toolkit::pages::Renderer;

use crate::config;
use crate::poll::RunningConfig;
use crate::store::Store;

/// What answers may take in memory while they are sent, compressed: 10,000 flows are less than 100 kB.
const ROOM: usize = 4 << 20;

/// Where the configuration in force is: all but the flows, and the flows in the store.
#[derive(Debug, Clone)]
pub struct Running {
    config: RunningConfig,
    store: Arc<Store>,
    /// By how many configurations there were.
    renderer: Renderer<u64>,
}

impl Running {
    /// Everything but the flows, and the flows.
    pub fn new(config: RunningConfig, store: Arc<Store>) -> Self {
        Self {
            config,
            store,
            renderer: Renderer::new(ROOM),
        }
    }
}

/// Answers `/config`.
pub async fn show(State(running): State<Running>, headers: HeaderMap) -> Response {
    let in_force = running.config.get();
    let snapshot = running.store.snapshot();
    let key = snapshot.generation;
    let write = move |out: &mut dyn Write| -> Result<Option<String>, Box<dyn std::error::Error + Send + Sync>> {
        let shown = config::show(&in_force, |name| {
            let account = snapshot.accounts.iter().filter(|account| &*account.name == name);
            account
                .flat_map(|account| &account.flows)
                .map(|flow| &*flow.info)
                .filter(|flow| !flow.is_discovered())
                .collect()
        })?;
        out.write_all(shown.as_bytes())?;
        Ok(None)
    };
    running
        .renderer
        .answer(&headers, "text/plain; charset=utf-8", key, write)
        .await
}
