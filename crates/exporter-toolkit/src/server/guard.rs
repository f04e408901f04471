//! What every request passes before a page answers it, on every path: the rate limit, the password, whether a browser was made to send
//! it; and the headers that every answer has.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tower_http::catch_panic::CatchPanicLayer;

use super::auth::{Credential, NoRandomNumbers, Passwords, Verdict};
use super::cross_site::is_cross_site;
use super::hosts::{AllowedHosts, Host};
use crate::client::Client;
use crate::clock::SteadyClock;
use crate::web_config::{Current, LiveWebConfig, RateLimit, WebConfig};

type Limiter = RateLimiter<NotKeyed, InMemoryState, SteadyClock, NoOpMiddleware<Nanos>>;

/// The pages behind their guard. One for all listeners, so that limits hold for them together.
#[derive(Debug)]
pub struct Guard {
    live: Arc<LiveWebConfig>,
    limiter: Option<Limiter>,
    passwords: Passwords,
    hosts: AllowedHosts,
    /// Paths that may be asked for by any name; all of them where it is `None`.
    public: Option<Vec<String>>,
    pages: Router,
}

impl Guard {
    /// Guards these pages as the configuration says.
    ///
    /// # Errors
    /// If the system gives no random numbers.
    pub fn new(pages: Router, live: Arc<LiveWebConfig>) -> Result<Self, NoRandomNumbers> {
        Ok(Self {
            limiter: live.rate_limit().and_then(limiter),
            passwords: Passwords::new()?,
            hosts: AllowedHosts::default(),
            public: None,
            // A bug in one page costs one answer, not the connection and what else it carries.
            pages: pages.layer(CatchPanicLayer::custom(|_| ended_in_a_bug())),
            live,
        })
    }

    /// Lets all but the `public` paths be asked for by these names only, so that no page of somebody else's can read them through a
    /// browser that it has made take its own name for ours (DNS rebinding).
    #[must_use]
    pub fn only_as(self, hosts: AllowedHosts, public: impl IntoIterator<Item = String>) -> Self {
        Self {
            hosts,
            public: Some(public.into_iter().collect()),
            ..self
        }
    }

    /// The configuration behind it.
    pub fn live(&self) -> &LiveWebConfig {
        &self.live
    }

    /// Answers a request of this client.
    pub async fn answer(&self, request: Request, client: &Client) -> Response {
        let Current { config, usable } = self.live.current();
        let (mut request, body) = request.into_parts();
        request.extensions.insert(client.network());
        let mut response = match self.refuse(&config, usable, &request, client).await {
            Some(refusal) => refusal,
            None => self.ask(Request::from_parts(request, body)).await,
        };
        let headers = response.headers_mut();
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        // What is shown is true now and no longer, unless a page knows better.
        headers
            .entry(CACHE_CONTROL)
            .or_insert(HeaderValue::from_static("no-store"));
        for (name, value) in &config.headers {
            headers.insert(name.clone(), value.clone());
        }
        response
    }

    async fn refuse(&self, config: &WebConfig, usable: bool, request: &Parts, client: &Client) -> Option<Response> {
        if !usable {
            let sentence = "The web configuration cannot be used; the log says why.\n";
            return Some((StatusCode::INTERNAL_SERVER_ERROR, sentence).into_response());
        }
        if self.limiter.as_ref().is_some_and(|limiter| limiter.check().is_err()) {
            let sentence = "Too many requests: rate_limit of the web configuration says how many may come.\n";
            return Some((StatusCode::TOO_MANY_REQUESTS, sentence).into_response());
        }
        let host = match Host::of(request) {
            Ok(host) => host,
            Err(sentence) => return Some((StatusCode::BAD_REQUEST, sentence).into_response()),
        };
        if let Some(refusal) = self.refuse_password(config, &request.headers, client).await {
            return Some(refusal);
        }
        if let Some(host) = &host
            && !self.is_public(request.uri.path())
            && !self.hosts.allow(host)
        {
            let sentence = "This page is not shown to who asks for it by this name: it is neither this host's, nor localhost, nor an \
                            address, nor the host of --web.external-url. If it is a good one, name it with --web.allowed-hosts.\n";
            return Some((StatusCode::FORBIDDEN, sentence).into_response());
        }
        if is_cross_site(request, host.as_ref(), &self.hosts) {
            let sentence = "This request comes from a page of another site, which may change nothing here.\n";
            return Some((StatusCode::FORBIDDEN, sentence).into_response());
        }
        None
    }

    async fn refuse_password(&self, config: &WebConfig, headers: &HeaderMap, client: &Client) -> Option<Response> {
        if config.users.is_empty() {
            return None;
        }
        let verdict = match Credential::of(headers) {
            None => Verdict::Wrong,
            Some(credential) => self.passwords.check(&config.users, credential, client).await,
        };
        match verdict {
            Verdict::Right => None,
            Verdict::Wrong => {
                let basic = [(WWW_AUTHENTICATE, HeaderValue::from_static("Basic"))];
                Some((StatusCode::UNAUTHORIZED, basic, "Unauthorized\n").into_response())
            }
            Verdict::Busy => {
                let sentence = "Too many passwords are being checked already; try again later.\n";
                let again = [(RETRY_AFTER, HeaderValue::from_static("1"))];
                Some((StatusCode::SERVICE_UNAVAILABLE, again, sentence).into_response())
            }
        }
    }

    fn is_public(&self, path: &str) -> bool {
        self.public
            .as_ref()
            .is_none_or(|public| public.iter().any(|public| public == path))
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
