//! What every request passes before a page answers it, on every path: the rate limit, the password, and the configured headers.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::header::WWW_AUTHENTICATE;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tower_http::catch_panic::CatchPanicLayer;

use super::auth::{Credential, Passwords, Verdict};
use crate::clock::SteadyClock;
use exporter_toolkit::web_config::{Current, LiveWebConfig, RateLimit, WebConfig};

type Limiter = RateLimiter<NotKeyed, InMemoryState, SteadyClock, NoOpMiddleware<Nanos>>;

/// The pages behind their guard. One for all listeners, so that limits hold for them together.
#[derive(Debug)]
pub struct Guard {
    live: Arc<LiveWebConfig>,
    limiter: Option<Limiter>,
    passwords: Passwords,
    pages: Router,
}

impl Guard {
    /// Guards these pages as the configuration says.
    pub fn new(pages: Router, live: Arc<LiveWebConfig>) -> Self {
        Self {
            limiter: live.rate_limit().and_then(limiter),
            passwords: Passwords::new(),
            // A bug in one page costs one answer, not the connection and what else it carries.
            pages: pages.layer(CatchPanicLayer::custom(|_| ended_in_a_bug())),
            live,
        }
    }

    /// The configuration behind it.
    pub fn live(&self) -> &LiveWebConfig {
        &self.live
    }

    /// Answers a request that came from this address.
    pub async fn answer(&self, request: Request, from: IpAddr) -> Response {
        let Current { config, usable } = self.live.current();
        let mut response = match self.refuse(&config, usable, request.headers(), from).await {
            Some(refusal) => refusal,
            None => self.ask(request).await,
        };
        for (name, value) in &config.headers {
            response.headers_mut().insert(name.clone(), value.clone());
        }
        response
    }

    async fn refuse(&self, config: &WebConfig, usable: bool, headers: &HeaderMap, from: IpAddr) -> Option<Response> {
        if !usable {
            let sentence = "The web configuration cannot be used; the log says why.\n";
            return Some((StatusCode::INTERNAL_SERVER_ERROR, sentence).into_response());
        }
        if self.limiter.as_ref().is_some_and(|limiter| limiter.check().is_err()) {
            let sentence = "Too many requests: rate_limit of the web configuration says how many may come.\n";
            return Some((StatusCode::TOO_MANY_REQUESTS, sentence).into_response());
        }
        if config.users.is_empty() {
            return None;
        }
        let verdict = match Credential::of(headers) {
            None => Verdict::Wrong,
            Some(credential) => self.passwords.check(&config.users, credential, from).await,
        };
        match verdict {
            Verdict::Right => None,
            Verdict::Wrong => {
                let mut response = (StatusCode::UNAUTHORIZED, "Unauthorized\n").into_response();
                let headers = response.headers_mut();
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic"));
                Some(response)
            }
            Verdict::Busy => {
                let sentence = "Too many passwords are being checked already; try again later.\n";
                Some((StatusCode::SERVICE_UNAVAILABLE, sentence).into_response())
            }
        }
    }

    async fn ask(&self, request: Request<Body>) -> Response {
        use tower_service::Service as _;
        let mut pages = self.pages.clone();
        // A router is always ready, and has no error to give.
        pages.call(request).await.unwrap_or_else(|never| match never {})
    }
}

/// The log has the place of the bug already. What the panic says stays out of everything: nobody can say what it quotes.
fn ended_in_a_bug() -> Response {
    let sentence = "This page ended in a bug of the exporter; the log says where. Please report it.\n";
    (StatusCode::INTERNAL_SERVER_ERROR, sentence).into_response()
}

fn limiter(limit: RateLimit) -> Option<Limiter> {
    // `None` only for a period of 0, which is no limit.
    let quota = Quota::with_period(limit.interval)?.allow_burst(limit.burst);
    Some(RateLimiter::direct_with_clock(quota, SteadyClock::start()))
}
