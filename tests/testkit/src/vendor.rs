//! The played vendor, as tests start it.

use exporter_toolkit::clock::{Clock as _, SystemClock};
use laaffic_simulator::{Account, Flow, FlowState, Settings, Simulator};
use md5::{Digest as _, Md5};
use reqwest::{Client, RequestBuilder};
use serde_json::Value;
use tokio::net::TcpListener;

/// An account with these flows; its key and its secret are made of its name.
pub fn account(name: &str, flows: impl IntoIterator<Item = Flow>) -> Account {
    Account {
        name: name.to_owned(),
        api_key: format!("key-of-{name}"),
        api_secret: format!("secret-of-{name}"),
        flows: flows.into_iter().collect(),
        ..Account::default()
    }
}

/// A flow that stays in progress, with three nodes.
pub fn still(key_id: u64) -> Flow {
    with_status(key_id, 1)
}

/// A flow that stays in this status, with three nodes, in the documented form.
pub fn with_status(key_id: u64, status: i64) -> Flow {
    Flow::fixed(key_id, FlowState::with_nodes(status, &[2, 1, 0]))
}

/// Plays the vendor of these accounts on a socket, in real time.
pub async fn play(accounts: impl IntoIterator<Item = Account>) -> Simulator {
    let accounts = accounts.into_iter().collect();
    play_as(Settings {
        accounts,
        ..Settings::default()
    })
    .await
}

/// The same with everything that can be set.
pub async fn play_as(settings: Settings) -> Simulator {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    Simulator::start(listener, settings, || SystemClock.now()).unwrap()
}

/// A request of one flow as the vendor documents it, made without anything of the exporter's client.
pub fn signed(
    client: &Client,
    vendor: &Simulator,
    (key, secret): (&str, &str),
    time: u64,
    body: &Value,
) -> RequestBuilder {
    let digest = Md5::digest(format!("{key}{secret}{time}"));
    let sign: String = digest.iter().map(|byte| format!("{byte:02X}")).collect();
    client
        .post(format!("{}/voice/recallFlow/queryDetail", vendor.url()))
        .header("Content-Type", "application/json;charset=UTF-8")
        .header("Sign", sign)
        .header("Timestamp", time)
        .header("Api-Key", key)
        .body(body.to_string())
}
