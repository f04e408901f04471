//! The simulated vendor, asked over real HTTP.

mod ask;
mod control;
mod faults;

use std::collections::BTreeSet;
use std::time::Duration;

use laaffic_simulator::{
    CUSTOMER_TEXT_MARKER, Dialect, Envelope, Fault, FaultPlan, Flow, FlowState, Latency, Lifecycle, Scope, Settings,
    Shape,
};
use reqwest::{RequestBuilder, StatusCode};
use serde_json::{Value, json};

use ask::{PUBLISHED, fixed, flows, json_of, settings, start};

const AN_HOUR: Latency = Latency {
    fixed_ms: 3_600_000,
    jitter_ms: 0,
};

#[tokio::test]
async fn the_published_example_is_answered_with_and_without_the_version() {
    let simulator = start(settings()).await;
    let response = simulator.published().send().await.unwrap();
    assert_eq!(response.headers()["date"], "Wed, 01 Sep 2021 04:00:05 GMT");
    let answer: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
    assert_eq!(answer["code"], 0);
    assert_eq!(answer["data"]["keyId"], 12);
    assert_eq!(answer["data"]["nodeList"].as_array().unwrap().len(), 3);

    let bare = simulator.url().strip_suffix("/v3").unwrap().to_owned();
    let mut request = simulator.published().build().unwrap();
    *request.url_mut() = format!("{bare}/voice/recallFlow/queryDetail").parse().unwrap();
    assert_eq!(
        simulator.client.execute(request).await.unwrap().status(),
        StatusCode::OK
    );
    simulator.answers_are(&[("success", 2)]).await;
    assert_eq!(simulator.vendor().flow_counts("acme", 12).unwrap().requests, 2);
    simulator.stop().await;
}

#[tokio::test]
async fn every_check_of_the_vendor_refuses_in_its_own_way() {
    let simulator = start(settings()).await;
    let good = json!({ "keyId": 12 });
    let of = |timestamp| simulator.signed(timestamp, &good);
    let refused = async |request: RequestBuilder| {
        let answer = json_of(request).await;
        assert!(answer["data"].is_null());
        let code = answer.get("code").or(answer.get("status")).unwrap();
        code.as_i64().unwrap_or_else(|| code.as_str().unwrap().parse().unwrap())
    };
    let with = |name: &'static str, value: &str| {
        let mut request = of(PUBLISHED).build().unwrap();
        request.headers_mut().insert(name, value.parse().unwrap());
        RequestBuilder::from_parts(simulator.client.clone(), request)
    };
    let without = |name: &'static str| {
        let mut request = of(PUBLISHED).build().unwrap();
        request.headers_mut().remove(name);
        RequestBuilder::from_parts(simulator.client.clone(), request)
    };

    assert_eq!(refused(with("api-key", "other")).await, -1);
    assert_eq!(refused(without("api-key")).await, -1);
    assert_eq!(refused(with("sign", "05d7a50893e22a5c4bb3216ae3396c7d")).await, -1);
    assert_eq!(refused(without("sign")).await, -1);
    assert_eq!(refused(without("timestamp")).await, -1);
    assert_eq!(refused(of(PUBLISHED - 1_796)).await, -16);
    assert_eq!(refused(of(PUBLISHED + 1_806)).await, -16);
    assert_eq!(refused(with("content-type", "text/plain")).await, -22);
    assert_eq!(refused(without("content-type")).await, -22);
    for body in [json!({ "keyId": "12" }), json!({}), json!([12]), json!({ "keyId": 13 })] {
        assert_eq!(refused(simulator.signed(PUBLISHED, &body)).await, -22);
    }
    assert_eq!(json_of(of(PUBLISHED - 1_795)).await["code"], 0);
    assert_eq!(json_of(of(PUBLISHED + 1_805)).await["code"], 0);

    let get = simulator
        .client
        .get(format!("{}/voice/recallFlow/queryDetail", simulator.url()));
    let response = get.send().await.unwrap();
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(response.headers()["allow"], "POST");
    let elsewhere = simulator
        .client
        .post(format!("{}/voice/recallFlow/create", simulator.url()));
    assert_eq!(elsewhere.send().await.unwrap().status(), StatusCode::NOT_FOUND);
    let huge = of(PUBLISHED).body(vec![b' '; 1 << 17]).send().await;
    assert!(huge.is_err() || huge.is_ok_and(|response| response.status() == StatusCode::BAD_REQUEST));

    simulator
        .answers_are(&[
            ("-1", 5),
            ("-16", 2),
            ("-22", 6),
            ("http_400", 1),
            ("http_404", 1),
            ("http_405", 1),
            ("success", 2),
        ])
        .await;
    // All but the unknown key, the absent key, the bare GET and the bare POST came with the account's key.
    assert_eq!(simulator.vendor().account_counts("acme").unwrap().requests, 14);
}

#[tokio::test]
async fn shapes_paging_and_pins() {
    let paged = |shape| Dialect {
        shape,
        page_size: 2,
        envelope: Envelope::StatusReason,
        code_as_text: true,
        ..Dialect::default()
    };
    let both = [fixed(1, paged(Shape::Records)), fixed(2, paged(Shape::Merged))];
    let simulator = start(flows(both)).await;
    let ask = async |body: Value| json_of(simulator.signed(PUBLISHED, &body)).await;

    let records = ask(json!({ "keyId": 1 })).await;
    assert_eq!(
        (&records["status"], &records["reason"]),
        (&json!("0"), &json!("success"))
    );
    assert_eq!(records["data"]["records"].as_array().unwrap().len(), 2);
    assert_eq!(records["data"]["total"], 3);
    assert!(records["data"].get("recallNum").is_none());
    let merged = ask(json!({ "keyId": 2, "current": 2, "size": 2 })).await;
    assert_eq!(merged["data"]["nodeList"].as_array().unwrap().len(), 1);
    assert_eq!(merged["data"]["status"], 1);
    assert_eq!(merged["data"]["current"], 2);

    let vendor = simulator.vendor();
    vendor.pin("acme", 2, FlowState::with_nodes(4, &[4; 574])).unwrap();
    let pinned = ask(json!({ "keyId": 2, "current": 6, "size": 100 })).await;
    assert_eq!(pinned["data"]["status"], 4);
    assert_eq!(pinned["data"]["total"], 574);
    assert_eq!(pinned["data"]["pages"], 6);
    assert_eq!(pinned["data"]["nodeList"].as_array().unwrap().len(), 74);
    vendor.unpin("acme", 2).unwrap();
    assert_eq!(ask(json!({ "keyId": 2 })).await["data"]["status"], 1);
    vendor.set_dialect("acme", 2, Some(Dialect::default())).unwrap();
    assert_eq!(ask(json!({ "keyId": 2 })).await["code"], 0);
    vendor.set_lifecycle("acme", 2, Lifecycle::Missing).unwrap();
    assert_eq!(ask(json!({ "keyId": 2 })).await["code"], -22);
    vendor.set_lifecycle("acme", 3, Lifecycle::Seeded).unwrap();
    vendor.set_dialect("acme", 3, Some(Dialect::default())).unwrap();
    assert_eq!(ask(json!({ "keyId": 3 })).await["data"]["keyId"], 3);
    let no_flow = vendor.pin("acme", 99, FlowState::default()).unwrap_err();
    assert_eq!(no_flow.to_string(), r#"account "acme" has no flow 99"#);
    let no_account = vendor.pin("nobody", 1, FlowState::default()).unwrap_err();
    assert_eq!(no_account.to_string(), r#"no account is called "nobody""#);
}

#[tokio::test]
async fn other_credentials_count_at_once() {
    let simulator = start(settings()).await;
    let vendor = simulator.vendor();
    vendor.set_credentials("acme", "newKey", "newSecret").unwrap();
    assert_eq!(json_of(simulator.published()).await["data"], Value::Null);
    vendor.set_credentials("acme", "bDqJFiq9", "7bz1lzh9").unwrap();
    assert_eq!(json_of(simulator.published()).await["code"], 0);
    simulator.answers_are(&[("-1", 1), ("success", 1)]).await;
}

#[tokio::test]
async fn a_code_instead_of_success_but_never_instead_of_a_refusal() {
    let simulator = start(settings()).await;
    let scope = Scope::Flow("acme".into(), 12);
    let busy = FaultPlan::times(2, Fault::code(-18));
    simulator.set_faults(&scope, Some(busy));
    let answer = json_of(simulator.published()).await;
    assert_eq!(answer["msg"], "Port program unusual");
    let stale = simulator.signed(1, &json!({ "keyId": 12 }));
    assert_eq!(json_of(stale).await["code"], -16);
    assert_eq!(json_of(simulator.published()).await["code"], 0);
    simulator.answers_are(&[("-16", 1), ("-18", 1), ("success", 1)]).await;
}

#[tokio::test]
async fn concurrency_arrivals_and_those_who_leave_are_seen() {
    let simulator = start(Settings {
        latency: AN_HOUR,
        record_arrivals: true,
        ..settings()
    })
    .await;
    let vendor = simulator.vendor().clone();
    let three: Vec<_> = (0..3).map(|_| tokio::spawn(simulator.published().send())).collect();
    while vendor.flow_counts("acme", 12).unwrap().in_flight < 3 {
        tokio::task::yield_now().await;
    }
    assert_eq!(vendor.counts().max_concurrent, 3);
    three.iter().for_each(tokio::task::JoinHandle::abort);
    while vendor.counts().in_flight > 0 {
        tokio::task::yield_now().await;
    }
    let counts = vendor.account_counts("acme").unwrap();
    assert_eq!((counts.requests, counts.abandoned, counts.max_concurrent), (3, 3, 3));
    assert_eq!(vendor.flow_counts("acme", 12).unwrap().in_flight, 0);
    let arrivals = vendor.arrivals("acme").unwrap();
    let keys: Vec<_> = arrivals.iter().map(|arrival| arrival.key_id).collect();
    assert_eq!(keys, [Some(12); 3]);
    assert!(arrivals.is_sorted_by_key(|arrival| arrival.at));

    vendor.set_latency(Latency::default());
    vendor.reset_counts();
    assert_eq!(json_of(simulator.published()).await["code"], 0);
    simulator.answers_are(&[("success", 1)]).await;
    let counts = vendor.counts();
    assert_eq!((counts.abandoned, counts.max_concurrent), (0, 1));
}

#[tokio::test]
async fn stopping_waits_for_no_slow_answer() {
    let simulator = start(Settings {
        latency: AN_HOUR,
        ..settings()
    })
    .await;
    let slow = tokio::spawn(simulator.published().send());
    while simulator.vendor().counts().in_flight == 0 {
        tokio::task::yield_now().await;
    }
    simulator.stop().await;
    assert_eq!(slow.await.unwrap().unwrap().status(), StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn lives_go_on_with_the_runtimes_time() {
    let simulator = start(Settings::demo(7)).await;
    let vendor = simulator.vendor();
    let mut seen = BTreeSet::new();
    for _ in 0..60 {
        for account in vendor.accounts() {
            for key_id in vendor.key_ids(&account).unwrap() {
                let state = vendor.flow_state(&account, key_id).unwrap();
                seen.insert(state.map(|state| state.status.unwrap()));
            }
        }
        tokio::time::advance(Duration::from_secs(5)).await;
    }
    let all = [None, Some(0), Some(1), Some(2), Some(3), Some(4), Some(7)];
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), all);
}

#[tokio::test]
async fn fifty_thousand_flows_answer_at_once_and_their_texts_are_marked() {
    let simulator = start(flows((1..=50_000).map(Flow::seeded))).await;
    let mut marked = 0;
    for key_id in [1, 2, 3, 4, 5, 25_000, 49_999, 50_000] {
        let request = simulator.signed(PUBLISHED, &json!({ "keyId": key_id }));
        let text = request.send().await.unwrap().text().await.unwrap();
        marked += text.matches(CUSTOMER_TEXT_MARKER).count();
    }
    assert!(marked > 0);
    simulator.answers_are(&[("success", 8)]).await;
}
