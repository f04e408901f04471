//! Upstreams that send back what they are told: the worst that a broken server or proxy can do with a secret.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use testkit::answer::serve;

use super::marks::CUSTOMER_TEXT;

/// How many kinds of answers there are; flow N gets the N-th.
pub(crate) const KINDS: u64 = 13;

/// The headers of every request so far.
pub(crate) type Heard = Arc<Mutex<Vec<HeaderMap>>>;

/// Every value of this header that was heard.
pub(crate) fn heard(heard: &Heard, name: &str) -> BTreeSet<String> {
    let heard = heard.lock().unwrap();
    let values = heard.iter().filter_map(|headers| headers.get(name));
    values.map(|value| value.to_str().unwrap().to_owned()).collect()
}

/// An upstream, or a proxy, that answers with the request's headers in all kinds of places.
pub(crate) async fn echo() -> (SocketAddr, Heard) {
    let heard = Heard::default();
    let app = Router::new().fallback(answer).with_state(Arc::clone(&heard));
    (serve(app).await, heard)
}

async fn answer(State(heard): State<Heard>, headers: HeaderMap, body: Bytes) -> Response {
    heard.lock().unwrap().push(headers.clone());
    let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
    let key = headers.get("api-key").map_or("", |key| key.to_str().unwrap());
    let all = format!("{headers:?} {CUSTOMER_TEXT}");
    let location = format!("http://127.0.0.1:9/{key}");
    match asked["keyId"].as_u64() {
        Some(1) => (StatusCode::INTERNAL_SERVER_ERROR, all).into_response(),
        Some(2) => ([("content-type", "text/html")], format!("<html><p>{all}")).into_response(),
        Some(3) => axum::Json(json!({"code": -99, "msg": all})).into_response(),
        Some(4) => (StatusCode::FOUND, [("location", location)], all).into_response(),
        Some(5) => axum::Json(json!({"code": all, "msg": all})).into_response(),
        Some(6) => axum::Json(json!({"code": 0, "data": {
            "keyId": 6, "status": key, "recallType": key, "recallNum": key, "recallInterval": key,
            "nodeList": [{"keyId": key, "nodeStatus": key, "text": all}, key],
        }}))
        .into_response(),
        Some(7) => axum::Json(json!({"code": 0, "data": all})).into_response(),
        Some(8) => format!("{{\"code\":0,\"data\":{{\"{key}\":\"{key}").into_response(),
        Some(9) => {
            let headers = [("retry-after", key), ("date", key), ("server", key)];
            (StatusCode::TOO_MANY_REQUESTS, headers, all.clone()).into_response()
        }
        Some(10) => ([("content-encoding", "gzip")], all).into_response(),
        Some(11) => axum::Json(json!({key: key, "msg": all})).into_response(),
        Some(12) => (StatusCode::UNAUTHORIZED, [("www-authenticate", key)], all.clone()).into_response(),
        _ => {
            let headers = [("proxy-authenticate", key)];
            (StatusCode::PROXY_AUTHENTICATION_REQUIRED, headers, all.clone()).into_response()
        }
    }
}

/// An upstream that speaks no HTTP and sends back every byte.
pub(crate) async fn mirror() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 4096];
                if let Ok(length) = stream.read(&mut request).await {
                    let _ = stream.write_all(&request[..length]).await;
                }
            });
        }
    });
    address
}
