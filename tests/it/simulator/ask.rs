//! Starting the simulated vendor, and asking it by hand: nothing of the exporter's client is in here.

use std::time::{Duration, UNIX_EPOCH};

use laaffic_simulator::{Account, Dialect, Flow, FlowState, Settings, Simulator};
use reqwest::{Client, RequestBuilder, StatusCode, redirect};
use serde_json::Value;
use testkit::vendor;
use tokio::net::TcpListener;

/// The moment of the vendor's published example.
pub(crate) const PUBLISHED: u64 = 1_630_468_800;

pub(crate) fn account(flows: Vec<Flow>) -> Account {
    Account {
        name: "acme".into(),
        api_key: "bDqJFiq9".into(),
        api_secret: "7bz1lzh9".into(),
        flows,
        faults: None,
    }
}

/// A flow in progress with three nodes, for ever.
pub(crate) fn fixed(key_id: u64, dialect: Dialect) -> Flow {
    Flow {
        dialect: Some(dialect),
        ..Flow::fixed(key_id, FlowState::with_nodes(1, &[2, 1, 0]))
    }
}

/// One account, "acme", with one flow, 12.
pub(crate) fn settings() -> Settings {
    Settings {
        accounts: vec![account(vec![fixed(12, Dialect::default())])],
        ..Settings::default()
    }
}

/// Five seconds after the published example.
pub(crate) async fn start(settings: Settings) -> Simulator {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    Simulator::start(listener, settings, || UNIX_EPOCH + Duration::from_secs(PUBLISHED + 5)).unwrap()
}

/// As any client: what is packed is unpacked, and only a test gives up.
pub(crate) fn client() -> Client {
    // Which provider is there first does not matter, only that one is: no TLS is spoken here.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder().no_proxy().redirect(redirect::Policy::none());
    client.build().unwrap()
}

/// The published example, down to the signature.
pub(crate) fn published(client: &Client, simulator: &Simulator) -> RequestBuilder {
    client
        .post(format!("{}/voice/recallFlow/queryDetail", simulator.url()))
        .header("Content-Type", "application/json;charset=UTF-8")
        .header("Sign", "05d7a50893e22a5c4bb3216ae3396c7c")
        .header("Timestamp", "1630468800")
        .header("Api-Key", "bDqJFiq9")
        .body("{\n\"keyId\":12\n}")
}

pub(crate) fn signed(client: &Client, simulator: &Simulator, timestamp: u64, body: &Value) -> RequestBuilder {
    vendor::signed(client, simulator, ("bDqJFiq9", "7bz1lzh9"), timestamp, body)
}

/// The JSON of an answer as the vendor sends it.
pub(crate) async fn json_of(request: RequestBuilder) -> Value {
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], "application/json;charset=UTF-8");
    serde_json::from_str(&response.text().await.unwrap()).unwrap()
}

/// What became of all requests so far; their names must add up.
pub(crate) async fn names(simulator: &Simulator) -> Vec<(String, u64)> {
    while simulator.vendor().counts().in_flight > 0 {
        tokio::task::yield_now().await;
    }
    let counts = simulator.vendor().counts();
    assert_eq!(counts.answers.values().sum::<u64>(), counts.requests, "{counts:?}");
    counts.answers.into_iter().collect()
}
