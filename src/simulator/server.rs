//! The routes, and the checks a request goes through before the vendor answers it.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use axum::routing::any;
use serde_json::Value;

use super::body::VisitBody;
use super::control;
use super::fault::Fault;
use super::line::Scissors;
use super::page::{self, Question};
use super::sign;
use super::vendor::Vendor;
use super::visit::{Situation, Visit};
use super::wreck::Wreck;

/// Questions are tiny; whoever sends more than this is not asking one.
const MAX_QUESTION_BYTES: usize = 64 * 1024;

impl Vendor {
    /// The vendor's API, with and without `/v3`, and the control endpoint, for a server of one's own or for requests without a socket.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/v3/voice/recallFlow/queryDetail", any(query_detail))
            .route("/voice/recallFlow/queryDetail", any(query_detail))
            .fallback(not_found)
            .with_state(self.clone())
            .merge(control::router(self))
    }
}

async fn not_found(State(vendor): State<Vendor>, request: Request) -> Response {
    let mut visit = vendor.arrive(text(request.headers(), "api-key"));
    visit.answer("http_404");
    send(visit, html(StatusCode::NOT_FOUND), 0)
}

async fn query_detail(State(vendor): State<Vendor>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let mut visit = vendor.arrive(text(&head.headers, "api-key"));
    if head.method != Method::POST {
        visit.answer("http_405");
        let mut response = html(StatusCode::METHOD_NOT_ALLOWED);
        response
            .headers_mut()
            .insert(header::ALLOW, HeaderValue::from_static("POST"));
        return send(visit, response, 0);
    }
    let Ok(body) = to_bytes(body, MAX_QUESTION_BYTES).await else {
        visit.answer("http_400");
        return send(visit, html(StatusCode::BAD_REQUEST), 0);
    };

    let question = Question::parse(&body);
    let mut situation = visit.meet(question.map(|question| question.key_id));
    let mut wait = situation.latency;
    let mut offset = 0i64;
    for alteration in &situation.alterations {
        visit.alter(&alteration.name());
        match alteration {
            Fault::Delay { milliseconds } => wait = wait.saturating_add(Duration::from_millis(*milliseconds)),
            Fault::ClockOffset { seconds } => offset = offset.saturating_add(*seconds),
            Fault::IgnoreCurrent => situation.manner.ignores_current = true,
            _ => {}
        }
    }
    let (name, answer) = verdict(&vendor, &head, question, &situation, offset);
    let fault = situation.fault.filter(|fault| !matches!(fault, Fault::Code { .. }));
    visit.answer(&fault.as_ref().map_or(name, Fault::name));

    if !wait.is_zero() {
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = vendor.stop().cancelled() => {}
        }
    }
    let response = match fault {
        None => json(answer.to_string()),
        Some(fault) => {
            let scissors = head.extensions.get::<ConnectInfo<Scissors>>();
            let wreck = Wreck {
                answer: answer.to_string(),
                now: vendor.now(offset),
                hash: situation.hash,
                scissors: scissors.map(|ConnectInfo(scissors)| scissors.clone()),
                stop: vendor.stop().clone(),
            };
            wreck.by(fault).await
        }
    };
    send(visit, response, offset)
}

/// What the vendor would answer, and how the counts call it. The vendor's refusals come with HTTP status 200.
fn verdict(
    vendor: &Vendor,
    head: &Parts,
    question: Option<Question>,
    situation: &Situation,
    offset: i64,
) -> (Cow<'static, str>, Value) {
    let refuse = |code: i64| (code.to_string().into(), page::refusal(&situation.manner, code, None));
    let is_known = situation
        .credentials
        .as_ref()
        .zip(text(&head.headers, "sign"))
        .zip(text(&head.headers, "timestamp"))
        .filter(|((ours, sign), timestamp)| sign::is_right(sign, &ours.api_key, &ours.api_secret, timestamp));
    let Some((_, timestamp)) = is_known else {
        return refuse(-1);
    };
    if !is_fresh(timestamp, vendor.now(offset), vendor.allowed_skew()) {
        return refuse(-16);
    }
    let Some(question) = question.filter(|_| is_json(&head.headers)) else {
        return refuse(-22);
    };
    let Some(state) = vendor.state_of(&situation.plan, question.key_id) else {
        return refuse(-22);
    };
    if let Some(Fault::Code { code, msg }) = &situation.fault {
        let answer = page::refusal(&situation.manner, *code, msg.as_deref());
        return (code.to_string().into(), answer);
    }
    let answer = page::detail(&situation.manner, question, &state, vendor.seed());
    ("success".into(), answer)
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

/// An answer as the vendor sends it.
pub(super) fn json(answer: impl Into<Body>) -> Response {
    let mut response = Response::new(answer.into());
    let content_type = HeaderValue::from_static("application/json;charset=UTF-8");
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
}

/// What a web server in front of the vendor answers by itself.
pub(super) fn html(status: StatusCode) -> Response {
    let page = format!(
        "<html>\r\n<head><title>{status}</title></head>\r\n<body>\r\n<center><h1>{status}</h1></center>\r\n</body>\r\n</html>\r\n"
    );
    let mut response = Response::new(Body::from(page));
    *response.status_mut() = status;
    let content_type = HeaderValue::from_static("text/html");
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
}

/// The moment as HTTP writes it, as far as HTTP can write it.
pub(super) fn http_date(moment: SystemTime) -> String {
    const LAST_SECOND_OF_9999: u64 = 253_402_300_799;
    let since = moment.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let writable = Duration::from_secs(since.as_secs().min(LAST_SECOND_OF_9999));
    httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + writable)
}

/// Dates the response by the server's clock; the visit ends when the body is out.
fn send(visit: Visit, mut response: Response, offset: i64) -> Response {
    if let Ok(date) = HeaderValue::from_str(&http_date(visit.vendor().now(offset))) {
        response.headers_mut().insert(header::DATE, date);
    }
    response.map(|body| Body::new(VisitBody::new(body, visit)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn half_an_hour_either_way_is_fresh() {
        let half_an_hour = Duration::from_secs(1800);
        for (timestamp, fresh) in [
            ("10000", true),
            ("8200", true),
            ("8199", false),
            ("11800", true),
            ("11801", false),
            ("", false),
            ("-1", false),
            ("soon", false),
            ("99999999999999999999", false),
        ] {
            assert_eq!(is_fresh(timestamp, at(10_000), half_an_hour), fresh, "{timestamp:?}");
        }
        assert!(!is_fresh("18446744073709551615", at(0), half_an_hour));
    }

    #[test]
    fn content_types() {
        for (value, json) in [
            ("application/json;charset=UTF-8", true),
            ("Application/JSON ; charset=utf-8", true),
            ("application/json", true),
            ("application/jsonp", false),
            ("text/plain", false),
        ] {
            let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(value))]);
            assert_eq!(is_json(&headers), json, "{value}");
        }
        assert!(!is_json(&HeaderMap::new()));
    }

    #[test]
    fn dates_beyond_the_calendar_are_its_end() {
        assert_eq!(http_date(at(1_630_468_800)), "Wed, 01 Sep 2021 04:00:00 GMT");
        assert_eq!(http_date(at(1 << 40)), "Fri, 31 Dec 9999 23:59:59 GMT");
    }
}
