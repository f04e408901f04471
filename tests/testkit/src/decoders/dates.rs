//! `Date` and `Retry-After`.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::http::Response as HttpResponse;
use axum::http::header::{DATE, HeaderMap, HeaderValue, RETRY_AFTER};
use exporter_toolkit::clock::{Clock, unix_seconds};
use futures_util::future::{BoxFuture, ready};
use laaffic_exporter::api::{CallOptions, Client, ClockOffset, CredentialPair, Error, Exchange, Transport};
use laaffic_exporter::config::Secret;
use laaffic_exporter::model::KeyId;
use reqwest::{Request, Response};
use tokio::runtime::Builder;

use super::head::headers;

/// The first second that a date of HTTP has no year for.
const YEAR_10000: f64 = 253_402_300_800.0;

/// The head of an answer that is refused: a moment is told from its `Date` and a wait from its `Retry-After` where they have one, and both
/// agree.
pub fn dates(head: &[u8]) {
    let head = headers(head, [DATE, RETRY_AFTER]);
    let exchange = ask(&head);
    let now = unix_seconds(Noon.now());
    let moment = exchange.clock_skew_seconds.map(|skew| now + skew);
    assert!(
        moment.is_none_or(|moment| (0.0..YEAR_10000).contains(&moment)),
        "{moment:?}"
    );
    if moment.is_some() {
        let date = head.get(DATE).unwrap();
        assert_eq!(date_of(date), moment);
    }
    let asked = head.get(RETRY_AFTER);
    let wait = exchange.retry_after.map(|asked| asked.wait);
    let Some(asked) = asked else {
        return assert_eq!(wait, None);
    };
    // As a date it says the same as `Date` would, by the server's own clock; otherwise it is seconds.
    let expected = match date_of(asked) {
        Some(until) => Some(Duration::from_secs_f64((until - moment.unwrap_or(now)).max(0.0))),
        None => {
            let seconds = asked.to_str().ok().and_then(|seconds| seconds.trim().parse().ok());
            seconds.map(Duration::from_secs)
        }
    };
    assert_eq!(wait, expected, "{asked:?}");
}

/// The moment that a `Date` of this value tells.
fn date_of(value: &HeaderValue) -> Option<f64> {
    let skew = ask(&HeaderMap::from_iter([(DATE, value.clone())])).clock_skew_seconds?;
    Some(unix_seconds(Noon.now()) + skew)
}

/// An exchange of which the answer has this head: too many requests, in an envelope of the vendor's.
fn ask(head: &HeaderMap) -> Exchange {
    let transport = Arc::new(Answers(head.clone()));
    let base_url = "http://vendor/v3".parse().unwrap();
    let client = Client::new(&base_url, transport, Duration::from_secs(10), Arc::new(Noon));
    let credentials = CredentialPair {
        api_key: Secret::new("key"),
        api_secret: Secret::new("secret"),
    };
    let key_id = KeyId::new(12).unwrap();
    let options = CallOptions {
        credentials: &credentials,
        clock_offset: ClockOffset::default(),
        timeout: Duration::MAX,
    };
    let asked = client.query_detail(key_id, None, options);
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(asked)
}

/// Noon of a day.
#[derive(Debug)]
struct Noon;

impl Clock for Noon {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_003_200)
    }
}

/// Answers every request with these headers.
#[derive(Debug)]
struct Answers(HeaderMap);

impl Transport for Answers {
    fn send(&self, _: Request) -> BoxFuture<'_, Result<Response, Error>> {
        let mut answer = HttpResponse::new(r#"{"code":-2200}"#);
        *answer.status_mut() = reqwest::StatusCode::TOO_MANY_REQUESTS;
        *answer.headers_mut() = self.0.clone();
        Box::pin(ready(Ok(answer.into())))
    }
}
