//! The control endpoint, as a person with curl uses it.

use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

use super::ask::{Served, json_of, settings, start};

struct Control<'a> {
    client: &'a Client,
    base: String,
}

impl<'a> Control<'a> {
    fn of(simulator: &'a Served) -> Self {
        Self {
            client: &simulator.client,
            base: format!("http://{}/control", simulator.address()),
        }
    }

    async fn send(&self, method: Method, path: &str, body: &str) -> (StatusCode, Value) {
        // As `curl -d` sends it: not declared as JSON.
        let request = self
            .client
            .request(method, format!("{}{path}", self.base))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body.to_owned());
        let response = request.send().await.unwrap();
        let status = response.status();
        let text = response.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or_else(|_| json!(text)))
    }

    async fn get(&self, path: &str) -> Value {
        let (status, answer) = self.send(Method::GET, path, "").await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        answer
    }

    async fn put(&self, path: &str, body: &str) {
        let answered = self.send(Method::PUT, path, body).await;
        assert_eq!(answered, (StatusCode::OK, json!({ "ok": true })));
    }

    async fn delete(&self, path: &str) {
        let answered = self.send(Method::DELETE, path, "").await;
        assert_eq!(answered, (StatusCode::OK, json!({ "ok": true })));
    }
}

#[tokio::test]
async fn one_fault_or_several() {
    let simulator = start(settings()).await;
    let control = Control::of(&simulator);
    let flow = "/faults?account=acme&key_id=12";

    control
        .put(&format!("{flow}&times=1"), r#"{"kind":"code","code":-18}"#)
        .await;
    assert_eq!(
        control.get(flow).await,
        json!({ "faults": [{ "probability": 1.0, "fault": { "kind": "code", "code": -18 } }], "times": 1 })
    );
    assert_eq!(json_of(simulator.published()).await["code"], -18);
    assert_eq!(control.get(flow).await, Value::Null);

    let mix = r#"[{"probability": 1, "fault": {"kind": "http_status", "status": 503, "retry_after": {"seconds": 2}}}]"#;
    control.put("/faults", mix).await;
    let response = simulator.published().send().await.unwrap();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers()["retry-after"], "2");
    control.delete("/faults").await;
    control.put("/faults?account=acme", r#"{"kind":"empty"}"#).await;
    let response = simulator.published().send().await.unwrap();
    assert_eq!(response.bytes().await.unwrap().len(), 0);
    control.delete("/faults?account=acme").await;
    assert_eq!(json_of(simulator.published()).await["code"], 0);

    let counts = control.get("/counts?account=acme").await;
    assert_eq!(
        counts["answers"],
        json!({ "-18": 1, "empty": 1, "http_503": 1, "success": 1 })
    );
    assert_eq!(counts["requests"], 4);
    let of_flow = control.get("/counts?account=acme&key_id=12").await;
    assert_eq!(
        (&of_flow["requests"], &of_flow["answers"]),
        (&json!(4), &counts["answers"])
    );
    control.delete("/counts").await;
    assert_eq!(control.get("/counts").await["requests"], 0);
}

#[tokio::test]
async fn states_dialects_flows_and_latency() {
    let simulator = start(settings()).await;
    let control = Control::of(&simulator);
    let place = "account=acme&key_id=12";

    let state = r#"{"status":4,"recall_num":2,"nodes":[{"status":2},{"status":4}]}"#;
    control.put(&format!("/state?{place}"), state).await;
    assert_eq!(control.get(&format!("/state?{place}")).await["status"], 4);
    let answer = json_of(simulator.published()).await;
    assert_eq!(answer["data"]["status"], 4);
    assert_eq!(answer["data"]["nodeList"][1]["nodeStatus"], 4);
    assert!(answer["data"]["recallInterval"].is_null());
    control.delete(&format!("/state?{place}")).await;
    assert_eq!(json_of(simulator.published()).await["data"]["status"], 1);

    let dialect = r#"{"envelope":"status_reason","code_as_text":true,"shape":"records"}"#;
    control.put(&format!("/dialect?{place}"), dialect).await;
    let answer = json_of(simulator.published()).await;
    assert_eq!((&answer["status"], &answer["data"]["total"]), (&json!("0"), &json!(3)));
    assert_eq!(control.get(&format!("/dialect?{place}")).await["page_size"], 10);
    control.put(&format!("/dialect?{place}"), "{}").await;

    control.delete(&format!("/flow?{place}")).await;
    assert_eq!(json_of(simulator.published()).await["code"], -22);
    assert_eq!(control.get(&format!("/flow?{place}")).await, Value::Null);
    control.put(&format!("/flow?{place}"), "").await;
    assert_eq!(json_of(simulator.published()).await["code"], 0);
    control.put("/flow?account=acme&key_id=99", "").await;
    assert!(control.get("/state?account=acme&key_id=99").await["status"].is_number());

    control.put("/latency", r#"{"fixed_ms":1}"#).await;
    assert_eq!(control.get("/latency").await, json!({ "fixed_ms": 1, "jitter_ms": 0 }));
    control.delete("/latency").await;
    let overview = control.get("").await;
    assert_eq!(overview["accounts"]["acme"]["flows"], 2);
    assert_eq!(overview["latency"]["fixed_ms"], 0);
}

#[tokio::test]
async fn mistakes_are_told() {
    let simulator = start(settings()).await;
    let control = Control::of(&simulator);
    // Where a PUT goes, its body, the status of the answer, and words that are in it.
    for mistake in [
        r#"/faults?account=nobody          | {"kind":"reset"}                    | 404 | no account is called "nobody""#,
        r#"/faults?account=acme&key_id=5   | {"kind":"reset"}                    | 404 | account "acme" has no flow 5"#,
        r#"/faults?key_id=12               | {"kind":"reset"}                    | 400 | key_id alone is not enough"#,
        r#"/faults?acount=acme             | {"kind":"reset"}                    | 400 | unknown field `acount`"#,
        r#"/faults                         | {"kind":"earthquake"}               | 400 | unknown variant `earthquake`"#,
        r#"/faults                         | {"kind":"http_status","status":99}  | 400 | status 99 is not from 200 to 599"#,
        r#"/faults                         | [{"probability":2,"fault":{"kind":"reset"}}] | 400 | probabilities are from 0 to 1"#,
        r#"/state?account=acme             | {}                                  | 400 | say which flow"#,
        r#"/state?account=acme&key_id=12   | {"stats":1}                         | 400 | unknown field `stats`"#,
        r#"/dialect?account=acme&key_id=12 |                                     | 400 | EOF while parsing"#,
    ] {
        let [path, body, status, words] = Vec::from_iter(mistake.split('|').map(str::trim))[..] else {
            panic!("{mistake}");
        };
        let (answered, answer) = control.send(Method::PUT, path, body).await;
        assert_eq!(answered.as_str(), status, "{path} {answer}");
        let error = answer["error"].as_str().unwrap();
        assert!(error.contains(words), "{path}: {error}");
    }
    let (status, _) = control.send(Method::POST, "/faults", "{}").await;
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(simulator.vendor().counts().requests, 0);
}
