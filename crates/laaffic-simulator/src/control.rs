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
        .route(
            "/control/lists",
            get(list_dialect).put(set_list_dialect).delete(clear_list_dialect),
        )
        .route("/control/balance", get(balance).put(set_balance).delete(clear_balance))
        .route("/control/births", get(births).put(set_births).delete(clear_births))
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
    page: Option<u64>,
    times: Option<u64>,
}

/// The account that a control request is about.
struct AccountTarget(String);

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
    #[error("say which account: ?account=NAME")]
    NoAccount,
    #[error("{0} alone is not enough: ?account=NAME&{0}=N")]
    NoAccountOf(&'static str),
    #[error("a flow has no pages: key_id or page, not both")]
    PageOfFlow,
    #[error("counts are not kept by page")]
    CountsOfPage,
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

impl<S: Sync> FromRequestParts<S> for AccountTarget {
    type Rejection = ControlError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ControlError> {
        let target = Target::from_request_parts(parts, state).await?;
        target.account.map(Self).ok_or(ControlError::NoAccount)
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
        match (self.account, self.key_id, self.page) {
            (None, None, None) => Ok(Scope::Everywhere),
            (_, Some(_), Some(_)) => Err(ControlError::PageOfFlow),
            (None, Some(_), None) => Err(ControlError::NoAccountOf("key_id")),
            (None, None, Some(_)) => Err(ControlError::NoAccountOf("page")),
            (Some(account), None, None) => Ok(Scope::Account(account)),
            (Some(account), Some(key_id), None) => Ok(Scope::Flow(account, key_id)),
            (Some(account), None, Some(page)) => Ok(Scope::Page(account, page)),
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
        let births = vendor.births(&account)?;
        let balance = vendor.balance(&account)?;
        let counts = vendor.account_counts(&account)?;
        accounts.insert(
            account,
            json!({ "flows": flows, "births": births, "balance": balance, "faults": faults, "counts": counts }),
        );
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

async fn list_dialect(State(vendor): State<Vendor>, AccountTarget(account): AccountTarget) -> Reply {
    show(vendor.list_dialect(&account)?)
}

async fn set_list_dialect(State(vendor): State<Vendor>, AccountTarget(account): AccountTarget, body: Bytes) -> Reply {
    vendor.set_list_dialect(&account, Some(read(&body)?))?;
    done()
}

async fn clear_list_dialect(State(vendor): State<Vendor>, AccountTarget(account): AccountTarget) -> Reply {
    vendor.set_list_dialect(&account, None)?;
    done()
}

async fn balance(State(vendor): State<Vendor>, AccountTarget(account): AccountTarget) -> Reply {
    show(vendor.balance(&account)?)
}

async fn set_balance(State(vendor): State<Vendor>, AccountTarget(account): AccountTarget, body: Bytes) -> Reply {
    vendor.set_balance(&account, Some(read(&body)?))?;
    done()
}

async fn clear_balance(State(vendor): State<Vendor>, AccountTarget(account): AccountTarget) -> Reply {
    vendor.set_balance(&account, None)?;
    done()
}

async fn births(State(vendor): State<Vendor>, AccountTarget(account): AccountTarget) -> Reply {
    show(vendor.births(&account)?)
}

async fn set_births(State(vendor): State<Vendor>, AccountTarget(account): AccountTarget, body: Bytes) -> Reply {
    vendor.set_births(&account, Some(read(&body)?))?;
    done()
}

async fn clear_births(State(vendor): State<Vendor>, AccountTarget(account): AccountTarget) -> Reply {
    vendor.set_births(&account, None)?;
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
        Scope::Page(..) => Err(ControlError::CountsOfPage),
    }
}

async fn reset_counts(State(vendor): State<Vendor>) -> Reply {
    vendor.reset_counts();
    done()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asked::{ACME, asking};
    use crate::fault::Fault;
    use crate::settings::{Account, Flow};

    async fn target(query: &str) -> Result<Scope, String> {
        let uri = format!("/control/faults?{query}");
        let (mut parts, ()) = axum::http::Request::get(uri).body(()).unwrap().into_parts();
        let target = Target::from_request_parts(&mut parts, &()).await;
        let scope = target.and_then(Target::scope);
        scope.map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn scopes() {
        let acme = || ACME.to_owned();
        for (query, scope) in [
            ("", Scope::Everywhere),
            ("account=acme", Scope::Account(acme())),
            ("account=acme&key_id=12", Scope::Flow(acme(), 12)),
            ("account=acme&page=2", Scope::Page(acme(), 2)),
        ] {
            assert_eq!(target(query).await, Ok(scope));
        }
        for (query, words) in [
            ("key_id=12", "key_id alone is not enough: ?account=NAME&key_id=N"),
            ("page=2", "page alone is not enough: ?account=NAME&page=N"),
            ("account=acme&key_id=12&page=2", "key_id or page, not both"),
            ("account=acme&pages=2", "unknown field `pages`"),
        ] {
            let error = target(query).await.unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }

    #[tokio::test]
    async fn what_an_account_has_is_shown_set_and_undone() {
        let vendor = asking(Account {
            flows: vec![Flow::seeded(1)],
            ..Account::default()
        })
        .vendor;
        let vendor = || State(vendor.clone());
        let acme = || AccountTarget(ACME.into());
        let value = |reply: Reply| reply.unwrap().0;
        let is_done = |reply: Reply| assert_eq!(value(reply), json!({ "ok": true }));
        let by_seed = value(list_dialect(vendor(), acme()).await);

        let dialect =
            Bytes::from_static(br#"{"answer":{"sparse":true},"total":"overstated","times":"epoch_milliseconds"}"#);
        is_done(set_list_dialect(vendor(), acme(), dialect).await);
        let shown = value(list_dialect(vendor(), acme()).await);
        assert_eq!(
            (&shown["answer"]["sparse"], &shown["answer"]["page_size"]),
            (&json!(true), &json!(10))
        );
        assert_eq!(
            (&shown["total"], &shown["times"]),
            (&json!("overstated"), &json!("epoch_milliseconds"))
        );
        is_done(clear_list_dialect(vendor(), acme()).await);
        assert_eq!(value(list_dialect(vendor(), acme()).await), by_seed);

        is_done(set_balance(vendor(), acme(), Bytes::from_static(br#"{"cents":5}"#)).await);
        let five = json!({ "cents": 5, "gift_cents": 0, "credit_cents": 0, "cents_per_hour": 0 });
        assert_eq!(value(balance(vendor(), acme()).await), five);
        let set = Bytes::from_static(br#"{"every_minutes":10,"most":3}"#);
        is_done(set_births(vendor(), acme(), set).await);
        let shown = value(overview(vendor()).await);
        assert_eq!(shown["accounts"][ACME]["balance"], five);
        assert_eq!(
            shown["accounts"][ACME]["births"],
            json!({ "every_minutes": 10, "most": 3 })
        );
        is_done(clear_births(vendor(), acme()).await);
        is_done(clear_balance(vendor(), acme()).await);
        assert_eq!(value(births(vendor(), acme()).await), Value::Null);
        assert_ne!(value(balance(vendor(), acme()).await), five);

        let nobody = || AccountTarget("nobody".into());
        let error = balance(vendor(), nobody()).await.unwrap_err();
        assert_eq!(error.into_response().status(), StatusCode::NOT_FOUND);
        let wrong = set_births(vendor(), acme(), Bytes::from_static(b"{}"))
            .await
            .unwrap_err();
        assert!(wrong.to_string().contains("every_minutes"), "{wrong}");
        let page = Scope::Page(ACME.into(), 1);
        vendor()
            .set_faults(&page, Some(FaultPlan::always(Fault::Reset)))
            .unwrap();
        let target = Target {
            account: Some(ACME.into()),
            key_id: None,
            page: Some(1),
            times: None,
        };
        assert!(matches!(
            counts(vendor(), target).await,
            Err(ControlError::CountsOfPage)
        ));
    }
}
