//! The routes, and the checks that a request for any call goes through before the vendor answers it.

use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;

use crate::connection::ConnectionHandle;
use crate::control;
use crate::endpoint::{Endpoint, PARAMETER_EXCEPTION};
use crate::fault::Fault;
use crate::fault_response::ProperAnswer;
use crate::get_balance::GetBalance;
use crate::group_call_query::GroupCallQuery;
use crate::query_detail::QueryDetail;
use crate::query_page::QueryPage;
use crate::request::InFlightRequest;
use crate::response::{html, http_date};
use crate::vendor::Vendor;

/// Requests are tiny; whoever sends more than this is not making one.
const MAX_REQUEST_BYTES: usize = 64 * 1024;

const AUTHENTICATION_ERROR: i64 = -1;
const TIMESTAMP_EXPIRES: i64 = -16;

impl Vendor {
    /// The vendor's API, with and without `/v3`, and the control endpoint, for a server of one's own or for requests without a socket.
    pub fn router(&self) -> Router {
        Router::new()
            .merge(routes::<QueryDetail>())
            .merge(routes::<QueryPage>())
            .merge(routes::<GroupCallQuery>())
            .merge(routes::<GetBalance>())
            .fallback(not_found)
            .with_state(self.clone())
            .merge(control::router(self))
    }
}

fn routes<E: Endpoint>() -> Router<Vendor> {
    Router::new()
        .route(&format!("/v3{}", E::PATH), any(exchange::<E>))
        .route(E::PATH, any(exchange::<E>))
}

async fn not_found(State(vendor): State<Vendor>, request: Request) -> Response {
    let in_flight = InFlightRequest::new(&vendor, text(request.headers(), "api-key"));
    reject(&vendor, in_flight, StatusCode::NOT_FOUND)
}

/// Refuses what the web server in front of the vendor refuses by itself.
fn reject(vendor: &Vendor, mut in_flight: InFlightRequest, status: StatusCode) -> Response {
    in_flight.answer(&format!("http_{}", status.as_u16()));
    send(in_flight, html(status), vendor.now(0))
}

pub(crate) async fn exchange<E: Endpoint>(State(vendor): State<Vendor>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let mut in_flight = InFlightRequest::new(&vendor, text(&head.headers, "api-key"));
    if head.method != E::METHOD {
        let response = reject(&vendor, in_flight, StatusCode::METHOD_NOT_ALLOWED);
        return ([(header::ALLOW, E::METHOD.as_str())], response).into_response();
    }
    let Ok(body) = to_bytes(body, MAX_REQUEST_BYTES).await else {
        return reject(&vendor, in_flight, StatusCode::BAD_REQUEST);
    };

    let call = E::parse(&body);
    let mut context = in_flight.resolve(call.as_ref().and_then(E::key_id), call.as_ref().and_then(E::page));
    let mut fault = context.fault.take();
    let now = || vendor.now(context.clock_offset_seconds);
    let proper = check(&vendor, &in_flight, &head.method, &head.headers, now())
        .and_then(|()| call.ok_or(PARAMETER_EXCEPTION)?.answer(&vendor, &context));
    if proper.is_err() {
        fault.take_if(|fault| fault.is_of_a_success());
    }
    // The vendor's refusals come with HTTP status 200.
    let refusal = |code: i64, message| (code.to_string(), context.dialect.refusal(code, message));
    let (name, answer) = match (proper, &fault) {
        (Err(code), _) => refusal(code, None),
        (Ok(_), Some(Fault::Code { code, msg, .. })) => refusal(*code, msg.as_deref()),
        (Ok(answer), _) => ("success".to_owned(), answer),
    };
    let replacement = fault.as_ref().filter(|fault| !matches!(fault, Fault::Code { .. }));
    in_flight.answer(&replacement.map_or(name, Fault::name));

    if !context.latency.is_zero() {
        let _ = tokio::time::timeout(context.latency, vendor.stop().cancelled()).await;
    }
    let connection = head.extensions.get::<ConnectInfo<ConnectionHandle>>();
    let answer = ProperAnswer {
        body: answer.to_string(),
        now: now(),
        hash: context.hash,
        connection: connection.map(|ConnectInfo(handle)| handle.clone()).unwrap_or_default(),
        stop: vendor.stop().clone(),
    };
    send(in_flight, answer.with(fault).await, now())
}

/// Whether a request for any call has the right signature, a fresh timestamp and JSON, or else with which code it is refused.
fn check(
    vendor: &Vendor,
    in_flight: &InFlightRequest,
    method: &Method,
    headers: &HeaderMap,
    now: SystemTime,
) -> Result<(), i64> {
    let sign = text(headers, "sign").zip(text(headers, "timestamp"));
    let signed = sign.filter(|(sign, timestamp)| in_flight.is_signed(sign, timestamp));
    let (_, timestamp) = signed.ok_or(AUTHENTICATION_ERROR)?;
    if !is_fresh(timestamp, now, vendor.settings().allowed_skew) {
        return Err(TIMESTAMP_EXPIRES);
    }
    // What is got is not in the body, so no content type need be said.
    if method != Method::GET && !is_json(headers) {
        return Err(PARAMETER_EXCEPTION);
    }
    Ok(())
}

/// Whether `Timestamp` (Unix seconds) is near enough to the server's clock.
fn is_fresh(timestamp: &str, now: SystemTime, allowed: Duration) -> bool {
    let Ok(timestamp) = timestamp.parse::<u64>() else {
        return false;
    };
    // Whole seconds on both sides: the client cannot say more.
    let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    now.abs_diff(timestamp) <= allowed.as_secs()
}

fn is_json(headers: &HeaderMap) -> bool {
    let content_type = text(headers, "content-type").unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default();
    media_type.trim().eq_ignore_ascii_case("application/json")
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Dates the response by the server's clock; the request ends when the body is out.
fn send(in_flight: InFlightRequest, response: Response, now: SystemTime) -> Response {
    let response = response.map(|body| in_flight.until_sent(body));
    ([(header::DATE, http_date(now))], response).into_response()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn half_an_hour_either_way_is_fresh() {
        let is_fresh = |timestamp: &str, now| {
            let now = SystemTime::UNIX_EPOCH + Duration::from_secs(now);
            is_fresh(timestamp, now, Duration::from_secs(1800))
        };
        for timestamp in ["10000", "8200", "11800"] {
            assert!(is_fresh(timestamp, 10_000), "{timestamp}");
        }
        for timestamp in ["8199", "11801", "", "-1", "soon", "99999999999999999999"] {
            assert!(!is_fresh(timestamp, 10_000), "{timestamp}");
        }
        assert!(!is_fresh("18446744073709551615", 0));
    }

    #[test]
    fn content_types() {
        let is_json = |value| {
            is_json(&HeaderMap::from_iter([(
                header::CONTENT_TYPE,
                HeaderValue::from_static(value),
            )]))
        };
        for value in [
            "application/json;charset=UTF-8",
            "Application/JSON ; charset=utf-8",
            "application/json",
        ] {
            assert!(is_json(value), "{value}");
        }
        for value in ["application/jsonp", "text/plain", ""] {
            assert!(!is_json(value), "{value}");
        }
    }
}
