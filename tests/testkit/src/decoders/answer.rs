//! The vendor's answer: how it is read, and what is left of it for a bug report.

use std::collections::HashMap;

use laaffic_exporter::api::{Error, FlowPage, NodeKey, decode, redact};
use laaffic_exporter::model::TaskId;

/// How an answer is read, without the keys and tasks of nodes that are not numbers: of the keys it counts only which are the same.
#[derive(Debug, PartialEq)]
pub struct Reading {
    /// What was decoded.
    pub page: FlowPage,
    /// For each node the place of the first one with its key.
    pub same: Vec<usize>,
}

/// Reads an answer; where it cannot be read, what kind of failure that is.
pub fn reading(body: &[u8]) -> Result<Reading, String> {
    let mut page = decode(body).map_err(|error| match error {
        // The words of a parser say where, which redaction moves.
        Error::Decode(_) => "decode".to_owned(),
        other => format!("{other:?}"),
    })?;
    let mut first = HashMap::new();
    let nodes = page.nodes.iter_mut().flatten().enumerate();
    let same = nodes.map(|(place, node)| {
        let first = *first.entry(node.key).or_insert(place);
        node.key = node.key.filter(|key| matches!(key, NodeKey::Number(_)));
        node.task = node.task.filter(|task| matches!(task, TaskId::Number(_)));
        first
    });
    let same = same.collect();
    Ok(Reading { page, same })
}

/// The body of an answer: it is always read in the same way, holds no more than it has room for, no message quotes it, and what
/// redaction leaves of it reads as before and has nothing of a customer's.
pub fn answer(body: &[u8]) {
    let read = decode(body);
    assert_eq!(format!("{read:?}"), format!("{:?}", decode(body)));
    match &read {
        Ok(page) => bounded(page, body.len()),
        Err(error) => quotes_nothing(&error.to_string()),
    }
    let redacted = redact(body);
    assert_eq!(reading(redacted.as_bytes()), reading(body), "{redacted}");
    let harmless = |of: char| of.is_ascii_graphic() || of.is_whitespace() || of == '\u{feff}';
    assert!(redacted.chars().all(harmless), "{redacted:?}");
    planted_is_replaced(body);
}

/// An amount is not negative, and the shortest node is `{},`.
fn bounded(page: &FlowPage, length: usize) {
    let amounts = [page.recall_attempts, page.recall_interval_seconds, page.total];
    assert!(amounts.into_iter().flatten().all(|amount| amount >= 0), "{page:?}");
    let nodes = page.nodes.as_ref().map_or(0, Vec::len);
    assert!(nodes * 3 <= length, "{nodes} nodes in {length} bytes");
}

/// Our own words are short and plain.
pub(super) fn quotes_nothing(message: &str) {
    let plain = |of: char| of.is_ascii_alphanumeric() || " :()_-.".contains(of);
    assert!(message.len() < 100 && message.chars().all(plain), "{message}");
}

/// However an answer begins, a customer's texts and numbers further on are replaced, and in no message.
fn planted_is_replaced(beginning: &[u8]) {
    const PLANTED: [&str; 2] = ["Planted", "13800138000"];
    const REST: &str = r#",{"text":"Planted","Planted":13800138000,"13800138000":["Planted",[13800138000]]}]}"#;
    let body = [br#"{"code":0,"data":["#, beginning, REST.as_bytes()].concat();
    let told = format!("{}\n{:?}", redact(&body), decode(&body).err());
    let given = String::from_utf8_lossy(beginning);
    for planted in PLANTED.iter().filter(|planted| !given.contains(**planted)) {
        assert!(!told.contains(planted), "{planted} is in {told}");
    }
}
