//! `/-/reload`: asks for a reload, where the operator has allowed that (Prometheus' management API).

use axum::extract::State;
use axum::http::StatusCode;

use crate::reload::ReloadHandle;

/// Answers `/-/reload`; `reload` is `None` where lifecycle requests are off.
pub async fn reload(State(reload): State<Option<ReloadHandle>>) -> (StatusCode, String) {
    let Some(reload) = reload else {
        let sentence = "Lifecycle requests are off; start with --web.enable-lifecycle to allow them.\n";
        return (StatusCode::FORBIDDEN, sentence.to_owned());
    };
    match reload.reload().await {
        Ok(()) => (StatusCode::OK, "The configuration is reloaded.\n".to_owned()),
        Err(error) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("failed to reload config; the old one stays:\n{error}\n"),
        ),
    }
}
