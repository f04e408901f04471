//! Starting the simulated vendor, and asking it by hand: nothing of the exporter's client is in here.

use std::ops::Deref;
use std::time::{Duration, UNIX_EPOCH};

use laaffic_simulator::{Account, Dialect, FaultPlan, Flow, FlowState, Scope, Settings, Simulator};
use reqwest::{Client, RequestBuilder, StatusCode, redirect};
use serde_json::Value;
use testkit::vendor;
use tokio::net::TcpListener;

/// The moment of the vendor's published example.
pub(crate) const PUBLISHED: u64 = 1_630_468_800;

fn account(flows: Vec<Flow>) -> Account {
    Account {
        name: "acme".into(),
        api_key: "bDqJFiq9".into(),
        api_secret: "7bz1lzh9".into(),
        flows,
        ..Account::default()
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
    flows([fixed(12, Dialect::default())])
}

/// The settings of one account, "acme", with these flows.
pub(crate) fn flows(flows: impl IntoIterator<Item = Flow>) -> Settings {
    Settings {
        accounts: vec![account(flows.into_iter().collect())],
        ..Settings::default()
    }
}

/// The simulated vendor on a socket, and a client for it.
pub(crate) struct Served {
    simulator: Simulator,
    pub(crate) client: Client,
}

impl Deref for Served {
    type Target = Simulator;

    fn deref(&self) -> &Simulator {
        &self.simulator
    }
}

/// Five seconds after the published example.
pub(crate) async fn start(settings: Settings) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    // Which provider is there first does not matter, only that one is: no TLS is spoken here.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // As any client: what is packed is unpacked, and only a test gives up.
    let client = Client::builder().no_proxy().redirect(redirect::Policy::none());
    Served {
        simulator: Simulator::start(listener, settings, || UNIX_EPOCH + Duration::from_secs(PUBLISHED + 5)).unwrap(),
        client: client.build().unwrap(),
    }
}

impl Served {
    /// The published example, down to the signature.
    pub(crate) fn published(&self) -> RequestBuilder {
        self.client
            .post(format!("{}/voice/recallFlow/queryDetail", self.url()))
            .header("Content-Type", "application/json;charset=UTF-8")
            .header("Sign", "05d7a50893e22a5c4bb3216ae3396c7c")
            .header("Timestamp", "1630468800")
            .header("Api-Key", "bDqJFiq9")
            .body("{\n\"keyId\":12\n}")
    }

    pub(crate) fn signed(&self, timestamp: u64, body: &Value) -> RequestBuilder {
        vendor::signed(&self.client, &self.simulator, ("bDqJFiq9", "7bz1lzh9"), timestamp, body)
    }

    pub(crate) fn set_faults(&self, scope: &Scope, faults: impl Into<Option<FaultPlan>>) {
        self.vendor().set_faults(scope, faults.into()).unwrap();
    }

    /// What became of all requests so far; their names must add up.
    pub(crate) async fn answered(&self) -> Vec<(String, u64)> {
        while self.vendor().counts().in_flight > 0 {
            tokio::task::yield_now().await;
        }
        let counts = self.vendor().counts();
        assert_eq!(counts.answers.values().sum::<u64>(), counts.requests, "{counts:?}");
        counts.answers.into_iter().collect()
    }

    /// Exactly this became of them.
    pub(crate) async fn answers_are(&self, expected: &[(&str, u64)]) {
        let answered = self.answered().await;
        let found: Vec<_> = answered.iter().map(|(name, count)| (&**name, *count)).collect();
        assert_eq!(found, expected);
    }

    pub(crate) async fn stop(self) {
        self.simulator.shutdown().await.unwrap();
    }
}

/// The JSON of an answer as the vendor sends it.
pub(crate) async fn json_of(request: RequestBuilder) -> Value {
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], "application/json;charset=UTF-8");
    serde_json::from_str(&response.text().await.unwrap()).unwrap()
}
