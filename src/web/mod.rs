//! HTTP: what is asked, what is answered. It only reads; nothing here polls or writes.
//!
//! - [`negotiate`]: `Accept` and `Accept-Encoding`
//! - [`metrics`]: the telemetry path
//! - [`body`]: its streamed, compressed body
//! - [`server`]: connections, with TLS or without
//! - [`guard`]: what every request passes: rate limit, password, headers
//! - `auth`: passwords, checked at a bounded cost
//! - [`health`]: `/-/healthy` and `/-/ready`
//! - [`lifecycle`][]: `/-/reload`
//! - [`probe`]: one flow fetched now
//! - [`running`][]: `/config`
//! - [`overview`]: the state of everything, as the next two tell it
//! - [`status`]: the page for people
//! - [`flows`]: the same as JSON
//! - `page_words`: moments, shares and counts in words
//! - `rendering`: answers that are written whole, off the async threads
//! - [`assets`]: what the page brings along

pub mod assets;
mod auth;
pub mod body;
mod connections;
pub mod flows;
pub mod guard;
pub mod health;
pub mod lifecycle;
pub mod metrics;
pub mod negotiate;
pub mod overview;
mod page_words;
pub mod probe;
mod rendering;
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
