//! `/probe?account=main&key_id=12`: one flow fetched now, as metrics of its own.
//!
//! For flows that are not worth a line in the configuration, and for a look at one that is. It can reach nothing but the base URLs of
//! configured accounts (multi-target exporter pattern of the Prometheus guides, with accounts in place of targets).

use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use exporter_toolkit::exposition::{handler, negotiate};
use serde::Deserialize;

use crate::metrics::{Exposition, probe_registry};
use crate::model::KeyId;
use crate::poll::{ProbeError, Prober};

/// What Prometheus says of its patience, in seconds.
const SCRAPE_TIMEOUT: &str = "x-prometheus-scrape-timeout-seconds";

/// What is left of Prometheus' patience for the answer's own way.
const MARGIN: Duration = Duration::from_millis(500);

/// Where nobody says how long to wait.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// Nobody's scrape waits longer.
const MAX_TIMEOUT: Duration = Duration::from_secs(120);

/// Which flow, in the query.
#[derive(Debug, Deserialize)]
pub struct Target {
    account: String,
    key_id: String,
}

/// Answers `/probe`.
pub async fn probe(
    State(prober): State<Prober>,
    target: Result<Query<Target>, QueryRejection>,
    headers: HeaderMap,
) -> Response {
    let Ok(Query(target)) = target else {
        return refuse("say which flow: /probe?account=NAME&key_id=NUMBER");
    };
    let Ok(key_id) = target.key_id.parse::<KeyId>() else {
        return refuse("key_id must be a whole number from 1 on, in digits alone");
    };
    let probed = match prober.probe(&target.account, key_id, timeout(&headers)).await {
        Ok(probed) => probed,
        Err(error @ ProbeError::NoSuchAccount(_)) => return refuse(&error.to_string()),
        Err(error @ ProbeError::Changed) => return later(&error.to_string(), Duration::ZERO),
        Err(error @ ProbeError::Busy { retry_after }) => return later(&error.to_string(), retry_after),
    };
    let registry = probe_registry(probed.result.is_ok(), probed.duration);
    let format = negotiate::format(&headers);
    let exposition = Exposition::of_flows(&registry, probed.snapshot, format);
    handler::respond(exposition, format, &headers, None)
}

fn refuse(sentence: &str) -> Response {
    (StatusCode::BAD_REQUEST, format!("{sentence}\n")).into_response()
}

/// Not now, but after a while (RFC 9110, section 15.6.4; `Retry-After` in whole seconds).
fn later(sentence: &str, retry_after: Duration) -> Response {
    let seconds = retry_after.as_secs_f64().ceil().max(1.0).to_string();
    (
        StatusCode::SERVICE_UNAVAILABLE,
        [(RETRY_AFTER, seconds)],
        format!("{sentence}\n"),
    )
        .into_response()
}

/// How long the one who asks will wait.
fn timeout(headers: &HeaderMap) -> Duration {
    let asked = headers
        .get(SCRAPE_TIMEOUT)
        .and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let asked = asked.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    match asked {
        None => DEFAULT_TIMEOUT,
        // A very short patience is halved, so that something is left of it.
        Some(asked) => asked
            .min(MAX_TIMEOUT)
            .saturating_sub(MARGIN)
            .max(asked.min(MAX_TIMEOUT) / 2),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prometheus_patience_is_honoured_with_a_margin() {
        for (header, seconds) in [
            (None, 10.0),
            (Some("10"), 9.5),
            (Some("0.6"), 0.3),
            (Some("1e9"), 119.5),
            (Some("-1"), 10.0),
            (Some("NaN"), 10.0),
            (Some("soon"), 10.0),
        ] {
            let headers = header.map(|value| (SCRAPE_TIMEOUT.parse().unwrap(), value.parse().unwrap()));
            assert_eq!(
                timeout(&headers.into_iter().collect()),
                Duration::from_secs_f64(seconds),
                "{header:?}"
            );
        }
    }
}
