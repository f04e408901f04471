//! HTTP: what is asked, what is answered. It only reads; nothing here polls or writes.
//!
//! - [`negotiate`]: `Accept` and `Accept-Encoding`
//! - [`metrics`]: the telemetry path
//! - [`body`]: its streamed, compressed body
//! - [`server`]: connections, with TLS or without
//! - [`guard`]: what every request passes: rate limit, password, headers
//! - `auth`: passwords, checked at a bounded cost
//! - [`config`]: the web-config file
//! - [`flows`][]: `/api/v1/flows`
//! - [`health`]: `/-/healthy` and `/-/ready`
//! - [`lifecycle`][]: `/-/reload`
//! - [`probe`]: one flow fetched now
//! - [`running`][]: `/config`
//! - [`status`]: the page for people

mod auth;
pub mod body;
pub mod config;
mod connections;
pub mod flows;
pub mod guard;
pub mod health;
pub mod lifecycle;
pub mod metrics;
pub mod negotiate;
pub mod probe;
pub mod running;
pub mod server;
pub mod status;

use axum::http::StatusCode;

/// Answers a path that is not there.
pub async fn not_found() -> (StatusCode, &'static str) {
    (StatusCode::NOT_FOUND, "There is no such page; / shows what there is.\n")
}

/// Answers a method that a path does not take. The `Allow` header says which it does.
pub async fn method_not_allowed() -> (StatusCode, &'static str) {
    (
        StatusCode::METHOD_NOT_ALLOWED,
        "This page does not take this method; the Allow header says which it takes.\n",
    )
}
