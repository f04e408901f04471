//! The log in both formats.

use std::net::SocketAddr;

use serde_json::Value;
use testkit::answer::{get, ready};
use testkit::process::Process;
use testkit::wait::eventually;

use super::exporter;

/// A line of key=value pairs, with values in quotes where they need it.
fn logfmt(line: &str) -> Option<Vec<(String, String)>> {
    let mut pairs = Vec::new();
    let mut rest = line;
    while !rest.is_empty() {
        let (key, after) = rest.split_once('=')?;
        let plain = |character: char| character.is_ascii_alphanumeric() || "_.-".contains(character);
        if key.is_empty() || !key.chars().all(plain) {
            return None;
        }
        let length = if after.starts_with('"') {
            let mut values = serde_json::Deserializer::from_str(after).into_iter::<String>();
            values.next()?.ok()?;
            values.byte_offset()
        } else {
            after.find(' ').unwrap_or(after.len())
        };
        let (value, after) = after.split_at(length);
        if !value.starts_with('"') && value.contains(['"', '=']) {
            return None;
        }
        pairs.push((key.to_owned(), value.trim_matches('"').to_owned()));
        rest = match after.strip_prefix(' ') {
            Some(next) => next,
            None if after.is_empty() => after,
            None => return None,
        };
    }
    Some(pairs)
}

/// What a demo in full swing logs at the most talkative level.
async fn log_of_a_demo(format: &str) -> String {
    let mut command = exporter(["demo", "--web.listen-address=127.0.0.1:0", "--log.level=debug"]);
    command.args(["--log.format", format]);
    let demo = Process::start(command);
    // The introduction says the address in either log format.
    let url = demo.writes("for people").await;
    let address: SocketAddr = url
        .trim()
        .trim_matches('/')
        .trim_start_matches("http://")
        .parse()
        .unwrap();
    ready(address).await;
    eventually(async || {
        get(address, "/metrics")
            .await
            .text()
            .contains("\nlaaffic_redial_flow_error{")
    })
    .await;
    demo.stopped().await.stderr
}

#[tokio::test]
async fn the_log_is_logfmt() {
    let log = log_of_a_demo("logfmt").await;
    assert!(log.contains("level=DEBUG"));
    for line in log.lines() {
        let pairs = logfmt(line).unwrap_or_else(|| panic!("not logfmt: {line}"));
        let keys: Vec<_> = pairs.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys[..4], ["time", "level", "source", "msg"], "{line}");
        let level = &pairs[1].1;
        assert!(["DEBUG", "INFO", "WARN", "ERROR"].contains(&level.as_str()), "{line}");
    }
}

#[tokio::test]
async fn the_log_is_json() {
    let log = log_of_a_demo("json").await;
    assert!(log.contains("\"DEBUG\""));
    for line in log.lines() {
        let entry: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        for key in ["time", "level", "source", "msg"] {
            assert!(entry[key].is_string(), "no {key}: {line}");
        }
    }
}
