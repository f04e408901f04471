//! Every fault as a client meets it on the wire.

use std::error::Error as _;
use std::io::{self, Read as _};
use std::time::Duration;

use flate2::read::GzDecoder;
use laaffic_simulator::{Dialect, Fault, FaultPlan, RetryAfter, Scope, Shape};
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use super::ask::{PUBLISHED, Served, fixed, flows, json_of, settings, start};

async fn meet(simulator: &Served, fault: Fault) -> reqwest::Result<Response> {
    simulator.set_faults(&Scope::Everywhere, FaultPlan::times(1, fault));
    simulator.published().send().await
}

/// The error of the operating system at the bottom of a failure, if there is one.
fn os_error(error: &reqwest::Error) -> Option<io::ErrorKind> {
    let mut source = error.source();
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<io::Error>()
            && error.raw_os_error().is_some()
        {
            return Some(error.kind());
        }
        source = error.source();
    }
    None
}

#[tokio::test]
async fn a_reset_is_a_reset_and_a_cut_is_a_cut() {
    let simulator = start(settings()).await;
    // Mid-body, unless this process is so slow that the reset overtakes the head too.
    let error = match meet(&simulator, Fault::Reset).await {
        Ok(response) => response.bytes().await.unwrap_err(),
        Err(error) => error,
    };
    assert_eq!(os_error(&error), Some(io::ErrorKind::ConnectionReset), "{error:?}");

    for (fault, has_length) in [(Fault::TruncatedLength, true), (Fault::TruncatedChunks, false)] {
        let mut response = meet(&simulator, fault).await.unwrap();
        assert_eq!(response.content_length().is_some(), has_length);
        let part = response.chunk().await.unwrap().unwrap();
        assert!(part.starts_with(b"{\"code\":0"));
        let error = response.chunk().await.unwrap_err();
        assert_eq!(os_error(&error), None, "{error:?}");
    }
    assert_eq!(json_of(simulator.published()).await["code"], 0);
    simulator
        .answers_are(&[
            ("reset", 1),
            ("success", 1),
            ("truncated_chunks", 1),
            ("truncated_length", 1),
        ])
        .await;
    assert_eq!(simulator.vendor().counts().abandoned, 0);
}

#[tokio::test]
async fn silence_lasts_until_the_client_gives_up() {
    let simulator = start(settings()).await;
    let silence = Some(FaultPlan::always(Fault::NeverAnswers));
    simulator.set_faults(&Scope::Account("acme".into()), silence);
    let asked = tokio::spawn(simulator.published().send());
    while simulator.vendor().flow_counts("acme", 12).unwrap().in_flight == 0 {
        tokio::task::yield_now().await;
    }
    assert!(!asked.is_finished());
    asked.abort();
    simulator.answers_are(&[("never_answers", 1)]).await;
    assert_eq!(simulator.vendor().counts().abandoned, 1);

    let asked = tokio::spawn(simulator.published().send());
    while simulator.vendor().counts().in_flight == 0 {
        tokio::task::yield_now().await;
    }
    simulator.stop().await;
    assert_eq!(asked.await.unwrap().unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn a_trickle_is_slow_and_does_not_hold_up_the_end() {
    let simulator = start(settings()).await;
    let mut response = meet(&simulator, Fault::Trickle).await.unwrap();
    assert_eq!(simulator.vendor().counts().in_flight, 1);
    let stopping = tokio::spawn(simulator.stop());
    let mut bytes = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        bytes.extend_from_slice(&chunk);
    }
    assert!(bytes.len() < 5, "{bytes:?}");
    stopping.await.unwrap();
}

#[tokio::test]
async fn statuses_redirects_and_when_to_come_back() {
    let simulator = start(settings()).await;
    let response = meet(
        &simulator,
        Fault::Redirect {
            status: 307,
            location: "http://192.0.2.1/".into(),
        },
    )
    .await
    .unwrap();
    assert_eq!(response.status(), StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(response.headers()["location"], "http://192.0.2.1/");

    let fault = |status, retry_after| Fault::HttpStatus { status, retry_after };
    for (status, retry_after, expected) in [
        (404, None, None),
        (429, Some(RetryAfter::Seconds(3)), Some("3")),
        (
            503,
            Some(RetryAfter::DateInSeconds(55)),
            Some("Wed, 01 Sep 2021 04:01:00 GMT"),
        ),
    ] {
        let response = meet(&simulator, fault(status, retry_after)).await.unwrap();
        assert_eq!(response.status(), status);
        assert_eq!(response.headers()["content-type"], "text/html");
        let retry_after = response
            .headers()
            .get("retry-after")
            .map(|value| value.to_str().unwrap());
        assert_eq!(retry_after, expected);
    }
    let counted: Vec<_> = simulator.answered().await.into_iter().map(|(name, _)| name).collect();
    assert_eq!(counted, ["http_307", "http_404", "http_429", "http_503"]);
}

#[tokio::test]
async fn bodies_over_the_limit() {
    const FOUR_MIB: usize = 4 << 20;
    let simulator = start(settings()).await;
    let plain = |declared| Fault::TooLarge { mebibytes: 5, declared };
    for (fault, length) in [(plain(true), Some((5 << 20) + 48)), (plain(false), None)] {
        let response = meet(&simulator, fault).await.unwrap();
        assert_eq!(response.content_length(), length);
        let body = response.bytes().await.unwrap();
        assert!(body.len() > FOUR_MIB);
        assert!(serde_json::from_slice::<Value>(&body).is_ok());
    }
    let packed = meet(&simulator, Fault::GzipBomb).await.unwrap().bytes().await.unwrap();
    assert!(packed.len() < FOUR_MIB / 100);
    let mut body = Vec::new();
    GzDecoder::new(&*packed).read_to_end(&mut body).unwrap();
    assert!(body.len() > FOUR_MIB);
    assert!(serde_json::from_slice::<Value>(&body).is_ok());
    simulator.answers_are(&[("gzip_bomb", 1), ("too_large", 2)]).await;
}

#[tokio::test]
async fn bodies_that_are_not_the_documented_json() {
    let simulator = start(settings()).await;
    for (fault, check) in [
        (Fault::Html, (|body| body.starts_with(b"<html>")) as fn(&[u8]) -> bool),
        (Fault::Empty, |body| body.is_empty()),
        (Fault::InvalidUtf8, |body| std::str::from_utf8(body).is_err()),
        (Fault::TruncatedJson, |body| {
            serde_json::from_slice::<Value>(body).is_err_and(|error| error.is_eof())
        }),
        (Fault::WrongTypes, |body| serde_json::from_slice::<Value>(body).is_ok()),
        (Fault::Nested, |body| {
            serde_json::from_slice::<Value>(body).is_err_and(|error| error.to_string().contains("recursion"))
        }),
    ] {
        let response = meet(&simulator, fault.clone()).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert!(check(&response.bytes().await.unwrap()), "{fault:?}");
        let name = fault.name();
        assert_eq!(simulator.vendor().counts().answered(&name), 1, "{name}");
    }
}

#[tokio::test]
async fn a_server_whose_clock_is_a_day_off_refuses_our_time_and_takes_its_own() {
    const DAY: u64 = 86_400;
    let simulator = start(settings()).await;
    let offset = FaultPlan::always(Fault::ClockOffset { seconds: DAY as i64 });
    simulator.set_faults(&Scope::Account("acme".into()), Some(offset));
    let response = simulator.published().send().await.unwrap();
    assert_eq!(response.headers()["date"], "Thu, 02 Sep 2021 04:00:05 GMT");
    let answer: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
    assert_eq!(answer["code"], -16);
    let theirs = simulator.signed(PUBLISHED + DAY, &json!({ "keyId": 12 }));
    assert_eq!(json_of(theirs).await["code"], 0);
    simulator.answers_are(&[("-16", 1), ("success", 1)]).await;
    assert_eq!(simulator.vendor().counts().altered["clock_offset"], 2);
}

#[tokio::test]
async fn scopes_add_up_and_the_nearest_fault_wins() {
    let dialect = Dialect {
        shape: Shape::Merged,
        page_size: 1,
        ..Dialect::default()
    };
    let simulator = start(flows(vec![fixed(12, dialect), fixed(13, dialect)])).await;
    let ask = |key_id: u64| {
        let body = json!({ "keyId": key_id, "current": 2 });
        json_of(simulator.signed(PUBLISHED, &body))
    };
    let set = |scope: &Scope, fault| {
        let faults = Some(FaultPlan::always(fault));
        simulator.set_faults(scope, faults);
    };
    assert_eq!(ask(12).await["data"]["current"], 2);
    set(&Scope::Everywhere, Fault::IgnoreCurrent);
    assert_eq!(ask(12).await["data"]["current"], 1);
    set(&Scope::Account("acme".into()), Fault::code(-2));
    assert_eq!(ask(12).await["code"], -2);
    set(&Scope::Flow("acme".into(), 12), Fault::code(-99));
    assert_eq!(ask(12).await["code"], -99);
    assert_eq!(ask(13).await["code"], -2);
    simulator.set_faults(&Scope::Account("acme".into()), None);
    assert_eq!(ask(13).await["data"]["current"], 1);
    assert_eq!(simulator.vendor().counts().altered["ignore_current"], 5);
}

#[tokio::test]
async fn a_vendor_that_refuses_pages_or_promises_too_many() {
    let dialect = Dialect {
        shape: Shape::Merged,
        page_size: 1,
        ..Dialect::default()
    };
    let simulator = start(flows(vec![fixed(12, dialect)])).await;
    let ask = |body: Value| json_of(simulator.signed(PUBLISHED, &body));
    let set = |fault| simulator.set_faults(&Scope::Everywhere, Some(FaultPlan::always(fault)));
    let total = ask(json!({ "keyId": 12 })).await["data"]["total"].as_u64().unwrap();
    set(Fault::RefusePaging);
    assert_eq!(ask(json!({ "keyId": 12 })).await["data"]["total"], total);
    assert_eq!(
        ask(json!({ "keyId": 12, "current": 2, "size": 100 })).await["code"],
        -22
    );
    set(Fault::OverstateTotal);
    let data = ask(json!({ "keyId": 12, "size": 100 })).await["data"].take();
    assert_eq!(data["total"], total + 1);
    assert_eq!(data["nodeList"].as_array().unwrap().len() as u64, total);
    let status = Fault::Code {
        code: -1,
        msg: None,
        status: Some(401),
    };
    let response = meet(&simulator, status).await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    let answer: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
    assert_eq!(answer["code"], -1);
}

#[tokio::test]
async fn a_mix_of_everything_is_the_same_in_every_run_and_adds_up() {
    let run = async || {
        let simulator = start(settings()).await;
        // The slow and the large ones have their own tests.
        let slow = |fault: &Fault| {
            matches!(
                fault,
                Fault::NeverAnswers | Fault::Trickle | Fault::Delay { .. } | Fault::TooLarge { .. } | Fault::GzipBomb
            )
        };
        let faults = Fault::all()
            .into_iter()
            .filter(|fault| !slow(fault))
            .map(|fault| (0.03, fault));
        let mix = Some(FaultPlan::mix(faults));
        simulator.set_faults(&Scope::Everywhere, mix);
        for _ in 0..200 {
            if let Ok(response) = simulator.published().send().await {
                let _ = response.bytes().await;
            }
        }
        simulator.answered().await
    };
    let first = run().await;
    assert_eq!(first.iter().map(|(_, count)| count).sum::<u64>(), 200);
    assert!(first.len() > 12, "{first:?}");
    assert_eq!(run().await, first);
}

#[tokio::test(start_paused = true)]
async fn a_delay_only_delays() {
    const AN_HOUR: Duration = Duration::from_secs(3600);
    let simulator = start(settings()).await;
    let delay = Fault::Delay {
        milliseconds: AN_HOUR.as_millis() as u64,
    };
    let started = tokio::time::Instant::now();
    let response = meet(&simulator, delay).await.unwrap();
    assert!(started.elapsed() >= AN_HOUR);
    assert_eq!(response.status(), StatusCode::OK);
    drop(response);
    simulator.answers_are(&[("success", 1)]).await;
    assert_eq!(simulator.vendor().counts().altered["delay"], 1);
}
