//! The control endpoint: what a person with curl, or a test in another process, can change while the vendor is being played.
//!
//! What there is stands in the documentation of [`super`]; every answer is JSON, and control requests are not counted.

use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::fault::{Chance, Fault, Trouble};
use super::life::{FlowState, Plan};
use super::page::Manner;
use super::settings::Latency;
use super::vendor::{Refused, Scope, Vendor};

pub(super) fn router(vendor: &Vendor) -> Router {
    Router::new()
        .route("/control", get(overview))
        .route("/control/fault", get(show_trouble).put(set_fault).delete(clear_trouble))
        .route("/control/mix", get(show_trouble).put(set_mix).delete(clear_trouble))
        .route("/control/flow", get(show_state).put(add_flow).delete(remove_flow))
        .route("/control/state", get(show_state).put(pin).delete(unpin))
        .route("/control/manner", get(show_manner).put(set_manner).delete(clear_manner))
        .route(
            "/control/latency",
            get(show_latency).put(set_latency).delete(clear_latency),
        )
        .route("/control/counts", get(show_counts).delete(reset_counts))
        .with_state(vendor.clone())
}

/// Where a control request applies, from its query.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Place {
    account: Option<String>,
    key_id: Option<u64>,
    times: Option<u64>,
}

type Asked = Result<Query<Place>, QueryRejection>;
type Answer = Result<Json<Value>, Problem>;

/// Why a control request failed, in words.
#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("{0}")]
    Query(#[from] QueryRejection),
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error("say which flow: ?account=NAME&key_id=N")]
    NoFlow,
    #[error("key_id alone is not enough: ?account=NAME&key_id=N")]
    NoAccount,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = match self {
            Self::Refused(Refused::NoAccount(_) | Refused::NoFlow(..)) => StatusCode::NOT_FOUND,
            _ => StatusCode::BAD_REQUEST,
        };
        (status, Json(json!({ "error": self.to_string() }))).into_response()
    }
}

impl Place {
    fn scope(&self) -> Result<Scope, Problem> {
        match (&self.account, self.key_id) {
            (None, None) => Ok(Scope::Everywhere),
            (None, Some(_)) => Err(Problem::NoAccount),
            (Some(account), None) => Ok(Scope::Account(account.clone())),
            (Some(account), Some(key_id)) => Ok(Scope::Flow(account.clone(), key_id)),
        }
    }

    fn flow(&self) -> Result<(&str, u64), Problem> {
        self.account.as_deref().zip(self.key_id).ok_or(Problem::NoFlow)
    }
}

/// The body, whatever its content type says: `curl -d` says it is a form.
fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    Ok(serde_json::from_slice(body)?)
}

fn done() -> Answer {
    Ok(Json(json!({ "ok": true })))
}

async fn overview(State(vendor): State<Vendor>) -> Answer {
    let mut accounts = serde_json::Map::new();
    for account in vendor.accounts() {
        let flows = vendor.key_ids(&account)?.len();
        let trouble = vendor.trouble(&Scope::Account(account.clone()))?;
        let counts = vendor.account_counts(&account)?;
        accounts.insert(account, json!({ "flows": flows, "trouble": trouble, "counts": counts }));
    }
    Ok(Json(json!({
        "accounts": accounts,
        "trouble": vendor.trouble(&Scope::Everywhere)?,
        "latency": vendor.latency(),
        "counts": vendor.counts(),
    })))
}

async fn show_trouble(State(vendor): State<Vendor>, place: Asked) -> Answer {
    Ok(Json(json!(vendor.trouble(&place?.scope()?)?)))
}

async fn set_fault(State(vendor): State<Vendor>, place: Asked, body: Bytes) -> Answer {
    let trouble = Trouble::always(read::<Fault>(&body)?);
    set_trouble(&vendor, &place?.0, trouble)
}

async fn set_mix(State(vendor): State<Vendor>, place: Asked, body: Bytes) -> Answer {
    let mix: Vec<Chance> = read(&body)?;
    set_trouble(&vendor, &place?.0, Trouble { mix, times: None })
}

fn set_trouble(vendor: &Vendor, place: &Place, trouble: Trouble) -> Answer {
    let trouble = Trouble {
        times: place.times,
        ..trouble
    };
    vendor.set_trouble(&place.scope()?, Some(trouble))?;
    done()
}

async fn clear_trouble(State(vendor): State<Vendor>, place: Asked) -> Answer {
    vendor.set_trouble(&place?.scope()?, None)?;
    done()
}

async fn add_flow(State(vendor): State<Vendor>, place: Asked) -> Answer {
    let place = place?;
    let (account, key_id) = place.flow()?;
    vendor.set_plan(account, key_id, Plan::Seeded)?;
    done()
}

async fn remove_flow(State(vendor): State<Vendor>, place: Asked) -> Answer {
    let place = place?;
    let (account, key_id) = place.flow()?;
    vendor.flow_counts(account, key_id)?;
    vendor.set_plan(account, key_id, Plan::Gone)?;
    done()
}

async fn show_state(State(vendor): State<Vendor>, place: Asked) -> Answer {
    let place = place?;
    let (account, key_id) = place.flow()?;
    Ok(Json(json!(vendor.flow_state(account, key_id)?)))
}

async fn pin(State(vendor): State<Vendor>, place: Asked, body: Bytes) -> Answer {
    let place = place?;
    let (account, key_id) = place.flow()?;
    vendor.pin(account, key_id, read::<FlowState>(&body)?)?;
    done()
}

async fn unpin(State(vendor): State<Vendor>, place: Asked) -> Answer {
    let place = place?;
    let (account, key_id) = place.flow()?;
    vendor.unpin(account, key_id)?;
    done()
}

async fn show_manner(State(vendor): State<Vendor>, place: Asked) -> Answer {
    let place = place?;
    let (account, key_id) = place.flow()?;
    Ok(Json(json!(vendor.manner(account, key_id)?)))
}

async fn set_manner(State(vendor): State<Vendor>, place: Asked, body: Bytes) -> Answer {
    let place = place?;
    let (account, key_id) = place.flow()?;
    vendor.set_manner(account, key_id, Some(read::<Manner>(&body)?))?;
    done()
}

async fn clear_manner(State(vendor): State<Vendor>, place: Asked) -> Answer {
    let place = place?;
    let (account, key_id) = place.flow()?;
    vendor.set_manner(account, key_id, None)?;
    done()
}

async fn show_latency(State(vendor): State<Vendor>) -> Answer {
    Ok(Json(json!(vendor.latency())))
}

async fn set_latency(State(vendor): State<Vendor>, body: Bytes) -> Answer {
    vendor.set_latency(read::<Latency>(&body)?);
    done()
}

async fn clear_latency(State(vendor): State<Vendor>) -> Answer {
    vendor.set_latency(Latency::default());
    done()
}

async fn show_counts(State(vendor): State<Vendor>, place: Asked) -> Answer {
    Ok(Json(match place?.scope()? {
        Scope::Everywhere => json!(vendor.counts()),
        Scope::Account(account) => json!(vendor.account_counts(&account)?),
        Scope::Flow(account, key_id) => json!(vendor.flow_counts(&account, key_id)?),
    }))
}

async fn reset_counts(State(vendor): State<Vendor>) -> Answer {
    vendor.reset_counts();
    done()
}
