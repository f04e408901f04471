//! Asking over HTTP, and what is answered.
//!
//! One [`Answer`], whether it came over a socket or from a router within the process; as it came, so that a test sees what a scraper gets.

use std::fmt::Display;
use std::net::SocketAddr;
use std::sync::LazyLock;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use futures_util::TryStreamExt as _;
use reqwest::header::HeaderMap;
use reqwest::{Client, ClientBuilder, Method, Response, StatusCode, redirect};
use serde_json::Value;
use tokio::net::TcpListener;
use tower::ServiceExt as _;

use crate::wait::{PATIENCE, wait_for};

/// An answer as it came: nothing unpacked, no redirect followed.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Vec<u8>,
}

impl Answer {
    async fn read(response: Response) -> Result<Self, String> {
        Ok(Self {
            status: response.status(),
            headers: response.headers().clone(),
            body: response.bytes().await.map_err(|error| format!("{error:?}"))?.into(),
        })
    }

    /// A header; empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The body as text.
    #[track_caller]
    pub fn text(&self) -> &str {
        str::from_utf8(&self.body).unwrap()
    }

    /// The body as JSON, if it is that: a server that is not ready yet may answer something else.
    pub fn try_json(&self) -> Result<Value, String> {
        serde_json::from_slice(&self.body).map_err(|error| format!("{error}: {}", self.text()))
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        self.try_json().unwrap()
    }
}

/// A client that uses nothing of this host's and follows no redirect.
pub fn client() -> ClientBuilder {
    // Which provider is there first does not matter, only that one is.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .no_proxy()
        .no_gzip()
        .timeout(PATIENCE)
        .redirect(redirect::Policy::none())
}

/// Asks without keeping connections: a test's connections end with its runtime.
static CLIENT: LazyLock<Client> = LazyLock::new(|| {
    let client = client().timeout(Duration::from_secs(20)).tls_certs_only([]);
    client.pool_max_idle_per_host(0).build().unwrap()
});

/// One request; `Err` tells why there is no answer.
pub async fn ask(
    method: Method,
    address: impl Display,
    path: &str,
    headers: &[(&str, &str)],
) -> Result<Answer, String> {
    let mut request = CLIENT.request(method, format!("http://{address}{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Answer::read(request.send().await.map_err(|error| format!("{error:?}"))?).await
}

/// A `GET` that must be answered.
pub async fn get(address: impl Display, path: &str) -> Answer {
    ask(Method::GET, address, path, &[]).await.unwrap()
}

/// Waits until an exporter has tried every flow.
pub async fn ready(address: SocketAddr) {
    wait_for("every flow to be tried", async || {
        let answer = ask(Method::GET, address, "/-/ready", &[]).await?;
        let ready = answer.status == StatusCode::OK;
        ready.then_some(()).ok_or(answer.text().to_owned())
    })
    .await;
}

/// One request to pages that are on no socket.
pub async fn ask_router(router: &Router, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::empty()).unwrap();
    let (parts, body) = router.clone().oneshot(request).await.unwrap().into_parts();
    let frames: Vec<_> = body.into_data_stream().try_collect().await.unwrap();
    Answer {
        status: parts.status,
        headers: parts.headers,
        body: frames.concat(),
    }
}

/// Serves pages on a socket for as long as the test's runtime lives.
pub async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}
