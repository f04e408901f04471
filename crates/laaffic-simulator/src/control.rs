//! The control endpoint: what a person with curl, or a test in another process, can change while the simulator runs.
//!
//! `docs/simulator.md` describes it. Every answer is JSON, and control requests are not counted.

use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, Query, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::fault::FaultPlan;
use crate::lifecycle::Lifecycle;
use crate::settings::Latency;
use crate::vendor::{Error, Scope, Vendor};

pub(crate) fn router(vendor: &Vendor) -> Router {
    Router::new()
        .route("/control", get(overview))
        .route("/control/faults", get(faults).put(set_faults).delete(clear_faults))
        .route("/control/flow", get(flow_state).put(add_flow).delete(remove_flow))
        .route("/control/state", get(flow_state).put(pin).delete(unpin))
        .route("/control/dialect", get(dialect).put(set_dialect).delete(clear_dialect))
        .route("/control/latency", get(latency).put(set_latency).delete(clear_latency))
        .route("/control/counts", get(counts).delete(reset_counts))
        .with_state(vendor.clone())
}

/// Where a control request applies, from its query.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Target {
    account: Option<String>,
    key_id: Option<u64>,
    times: Option<u64>,
}

/// The flow that a control request is about.
struct FlowTarget(String, u64);

type Reply = Result<Json<Value>, ControlError>;

/// Why a control request failed, in words.
#[derive(Debug, thiserror::Error)]
enum ControlError {
    #[error(transparent)]
    Query(#[from] QueryRejection),
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error(transparent)]
    Vendor(#[from] Error),
    #[error("say which flow: ?account=NAME&key_id=N")]
    NoFlow,
    #[error("key_id alone is not enough: ?account=NAME&key_id=N")]
    NoAccount,
}

impl IntoResponse for ControlError {
    fn into_response(self) -> Response {
        let status = match self {
            Self::Vendor(Error::NoAccount(_) | Error::NoFlow(..)) => StatusCode::NOT_FOUND,
            _ => StatusCode::BAD_REQUEST,
        };
        (status, Json(json!({ "error": self.to_string() }))).into_response()
    }
}

impl<S: Sync> FromRequestParts<S> for Target {
    type Rejection = ControlError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ControlError> {
        let Query(target) = Query::try_from_uri(&parts.uri)?;
        Ok(target)
    }
}

impl<S: Sync> FromRequestParts<S> for FlowTarget {
    type Rejection = ControlError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ControlError> {
        let target = Target::from_request_parts(parts, state).await?;
        let (account, key_id) = target.account.zip(target.key_id).ok_or(ControlError::NoFlow)?;
        Ok(Self(account, key_id))
    }
}

impl Target {
    fn scope(self) -> Result<Scope, ControlError> {
        match (self.account, self.key_id) {
            (None, None) => Ok(Scope::Everywhere),
            (None, Some(_)) => Err(ControlError::NoAccount),
            (Some(account), None) => Ok(Scope::Account(account)),
            (Some(account), Some(key_id)) => Ok(Scope::Flow(account, key_id)),
        }
    }
}

/// The body, whatever its content type says: `curl -d` says it is a form.
fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, ControlError> {
    Ok(serde_json::from_slice(body)?)
}

fn show(value: impl Serialize) -> Reply {
    Ok(Json(json!(value)))
}

fn done() -> Reply {
    show(json!({ "ok": true }))
}

async fn overview(State(vendor): State<Vendor>) -> Reply {
    let mut accounts = serde_json::Map::new();
    for account in vendor.accounts() {
        let flows = vendor.key_ids(&account)?.len();
        let faults = vendor.faults(&Scope::Account(account.clone()))?;
        let counts = vendor.account_counts(&account)?;
        accounts.insert(account, json!({ "flows": flows, "faults": faults, "counts": counts }));
    }
    show(json!({
        "accounts": accounts,
        "faults": vendor.faults(&Scope::Everywhere)?,
        "latency": vendor.latency(),
        "counts": vendor.counts(),
    }))
}

async fn faults(State(vendor): State<Vendor>, target: Target) -> Reply {
    show(vendor.faults(&target.scope()?)?)
}

/// One fault, or a list of faults with their probabilities.
async fn set_faults(State(vendor): State<Vendor>, target: Target, body: Bytes) -> Reply {
    let faults = if body.trim_ascii_start().starts_with(b"[") {
        FaultPlan {
            faults: read(&body)?,
            times: target.times,
        }
    } else {
        FaultPlan {
            times: target.times,
            ..FaultPlan::always(read(&body)?)
        }
    };
    vendor.set_faults(&target.scope()?, Some(faults))?;
    done()
}

async fn clear_faults(State(vendor): State<Vendor>, target: Target) -> Reply {
    vendor.set_faults(&target.scope()?, None)?;
    done()
}

async fn add_flow(State(vendor): State<Vendor>, FlowTarget(account, key_id): FlowTarget) -> Reply {
    vendor.set_lifecycle(&account, key_id, Lifecycle::Seeded)?;
    done()
}

async fn remove_flow(State(vendor): State<Vendor>, FlowTarget(account, key_id): FlowTarget) -> Reply {
    vendor.flow_state(&account, key_id)?;
    vendor.set_lifecycle(&account, key_id, Lifecycle::Missing)?;
    done()
}

async fn flow_state(State(vendor): State<Vendor>, FlowTarget(account, key_id): FlowTarget) -> Reply {
    show(vendor.flow_state(&account, key_id)?)
}

async fn pin(State(vendor): State<Vendor>, FlowTarget(account, key_id): FlowTarget, body: Bytes) -> Reply {
    vendor.pin(&account, key_id, read(&body)?)?;
    done()
}

async fn unpin(State(vendor): State<Vendor>, FlowTarget(account, key_id): FlowTarget) -> Reply {
    vendor.unpin(&account, key_id)?;
    done()
}

async fn dialect(State(vendor): State<Vendor>, FlowTarget(account, key_id): FlowTarget) -> Reply {
    show(vendor.dialect(&account, key_id)?)
}

async fn set_dialect(State(vendor): State<Vendor>, FlowTarget(account, key_id): FlowTarget, body: Bytes) -> Reply {
    vendor.set_dialect(&account, key_id, Some(read(&body)?))?;
    done()
}

async fn clear_dialect(State(vendor): State<Vendor>, FlowTarget(account, key_id): FlowTarget) -> Reply {
    vendor.set_dialect(&account, key_id, None)?;
    done()
}

async fn latency(State(vendor): State<Vendor>) -> Reply {
    show(vendor.latency())
}

async fn set_latency(State(vendor): State<Vendor>, body: Bytes) -> Reply {
    vendor.set_latency(read(&body)?);
    done()
}

async fn clear_latency(State(vendor): State<Vendor>) -> Reply {
    vendor.set_latency(Latency::default());
    done()
}

async fn counts(State(vendor): State<Vendor>, target: Target) -> Reply {
    match target.scope()? {
        Scope::Everywhere => show(vendor.counts()),
        Scope::Account(account) => show(vendor.account_counts(&account)?),
        Scope::Flow(account, key_id) => show(vendor.flow_counts(&account, key_id)?),
    }
}

async fn reset_counts(State(vendor): State<Vendor>) -> Reply {
    vendor.reset_counts();
    done()
}
