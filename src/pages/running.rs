//! `/config`: the configuration in force, every secret as `<secret>`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;

use crate::config;
use crate::poll::RunningConfig;
use crate::store::Store;

/// Where the configuration in force is: all but the flows, and the flows in the store.
#[derive(Debug, Clone)]
pub struct Running {
    /// Everything but the flows.
    pub config: RunningConfig,
    /// The flows.
    pub store: Arc<Store>,
}

/// Answers `/config`.
pub async fn show(State(running): State<Running>) -> (StatusCode, String) {
    let in_force = running.config.get();
    let snapshot = running.store.snapshot();
    let shown = config::show(&in_force, |name| {
        let account = snapshot.accounts.iter().filter(|account| &*account.name == name);
        account
            .flat_map(|account| &account.flows)
            .map(|flow| &*flow.info)
            .collect()
    });
    match shown {
        Ok(yaml) => (StatusCode::OK, yaml),
        Err(error) => {
            tracing::error!(error = error.to_string(), "the configuration could not be written");
            let sentence = "The configuration could not be written; the log says why.\n";
            (StatusCode::INTERNAL_SERVER_ERROR, sentence.to_owned())
        }
    }
}
