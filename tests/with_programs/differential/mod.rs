//! The decoder against a second reader, which is written from the rules in another language: what both make of thousands of odd answers.
//!
//! `LAAFFIC_EXPORTER_SEED` repeats a run, `LAAFFIC_EXPORTER_ANSWERS` makes it longer.

mod answers;

use std::collections::HashSet;
use std::fs::File;
use std::process::Command;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use laaffic_exporter::api::{Error, FlowPage, decode};
use laaffic_exporter::model::{CountByStatus, Endpoint, RecallType, ResponseField, Status};
use serde_json::{Value, json};
use testkit::folder::Folder;

use self::answers::Answers;

/// How many answers are read, where nobody wants more.
const ANSWERS: u64 = 6_000;

/// How many of a hundred answers must at least end so: a mix of nothing but refusals would show nothing.
const SHARES: [(&str, usize); 4] = [("ok", 50), ("a code", 4), ("no_data", 2), ("decode", 5)];

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

/// What the decoder reads, in the second reader's words.
fn reading(body: &[u8]) -> Value {
    match decode(body) {
        Ok(page) => of_page(&page),
        Err(Error::Code(code)) => json!({ "outcome": code.0 }),
        Err(Error::NoData) => json!({ "outcome": "no_data" }),
        Err(Error::Decode(_)) => json!({ "outcome": "decode" }),
        Err(other) => panic!("not of a body: {other}"),
    }
}

fn of_page(page: &FlowPage) -> Value {
    let by_status = page.nodes.as_ref().map(|nodes| {
        let mut by_status = CountByStatus::default();
        nodes.iter().for_each(|node| by_status.add(node.status));
        by_status.iter().map(|(_, count)| count).collect::<Vec<_>>()
    });
    let keys: Vec<_> = page.nodes.iter().flatten().filter_map(|node| node.key).collect();
    let mut unreadable: Vec<_> = page.unreadable.iter().map(ResponseField::label).collect();
    unreadable.sort_unstable();
    json!({
        "outcome": "ok",
        "keyId": page.key_id,
        "status": page.status.and_then(Status::code),
        "recallType": page.recall_type.map(RecallType::label),
        "recallNum": page.recall_attempts,
        "interval_seconds": page.recall_interval_seconds,
        "nodes_by_status": by_status,
        "nodes_with_key": keys.len(),
        "different_keys": keys.iter().collect::<HashSet<_>>().len(),
        "total": page.total,
        "pages": page.pages,
        "size": page.size,
        "current": page.current,
        "unreadable": unreadable,
    })
}

/// What the second reader reads: one process for all of them.
fn second_readings(bodies: &[Vec<u8>]) -> Vec<Value> {
    let lines: String = bodies.iter().map(|body| BASE64_STANDARD.encode(body) + "\n").collect();
    let folder = Folder::with([("answers", lines)]);
    let output = Command::new("python3")
        .args(["-I", "tests/with_programs/differential/reader.py"])
        .stdin(File::open(folder.file("answers")).unwrap())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// That the answers were odd enough, and not too odd, for agreement to mean something.
fn assert_a_fair_mix(readings: &[Value]) {
    for (end, share) in SHARES {
        let is_it = |reading: &&Value| reading["outcome"].as_str().unwrap_or("a code") == end;
        let found = readings.iter().filter(is_it).count();
        assert!(
            found * 100 >= readings.len() * share,
            "only {found} of {} end with {end}",
            readings.len()
        );
    }
    let lists = readings.iter().filter_map(|reading| reading["unreadable"].as_array());
    let unreadable: HashSet<_> = lists.flatten().filter_map(Value::as_str).collect();
    assert_eq!(
        unreadable.len(),
        Endpoint::QueryDetail.fields().count() - 1,
        "all but \"other\": {unreadable:?}"
    );
    let good = readings
        .iter()
        .filter_map(|reading| reading["status"].as_i64().and(reading.as_object()));
    for name in good.take(1).flat_map(serde_json::Map::keys) {
        let said: HashSet<_> = readings.iter().map(|reading| reading[name].to_string()).collect();
        assert!(said.len() > 2, "{name} is always {said:?}");
    }
}

#[test]
fn a_second_reader_reads_the_same() {
    let seed = from_environment("LAAFFIC_EXPORTER_SEED").unwrap_or_else(|| fastrand::u64(..));
    let many = from_environment("LAAFFIC_EXPORTER_ANSWERS").unwrap_or(ANSWERS);
    println!("LAAFFIC_EXPORTER_SEED={seed} LAAFFIC_EXPORTER_ANSWERS={many}");
    let bodies: Vec<_> = (0..many).zip(Answers::of(seed)).map(|(_, body)| body).collect();
    let ours: Vec<_> = bodies.iter().map(|body| reading(body)).collect();
    let theirs = second_readings(&bodies);
    assert_eq!(theirs.len(), ours.len(), "an answer was not read");
    let disagreements: Vec<_> = bodies
        .iter()
        .zip(ours.iter().zip(&theirs))
        .filter(|(_, (ours, theirs))| ours != theirs)
        .map(|(body, (ours, theirs))| format!("{}\n  decoder: {ours}\n  reader:  {theirs}\n", body.escape_ascii()))
        .collect();
    assert!(
        disagreements.is_empty(),
        "seed {seed}: {} disagreements, of which the first three:\n{}",
        disagreements.len(),
        disagreements.iter().take(3).cloned().collect::<String>()
    );
    assert_a_fair_mix(&ours);
}
