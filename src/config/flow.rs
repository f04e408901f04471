//! The `flows` of an account and their labels.

use std::collections::HashMap;
use std::time::Duration;

use super::problem::Position;
use super::walk::Walk;
use super::wording::quote;
use super::yaml::Stop;
use crate::model::{FlowInfo, KeyId};

const FLOW_KEYS: [&str; 4] = ["key_id", "name", "poll_interval", "labels"];

/// Labels that the metrics carry already, that Prometheus adds to every target, or that mean something in its text format.
const TAKEN_LABELS: [&str; 9] = [
    "account",
    "key_id",
    "name",
    "status",
    "recall_type",
    "job",
    "instance",
    "le",
    "quantile",
];

type Labels = Box<[(Box<str>, Box<str>)]>;

/// Reads a list of flows. One without an interval of its own gets [`Duration::ZERO`], which none can be given, because the default
/// may stand further down in the file.
pub(super) fn flows(walk: &mut Walk<'_>) -> Result<Vec<FlowInfo>, Stop> {
    let mut flows = Vec::new();
    let mut listed: HashMap<KeyId, usize> = HashMap::new();
    walk.list(|walk| {
        flows.extend(flow(walk, &mut listed)?);
        Ok(())
    })?;
    // They stay for as long as the program runs.
    flows.shrink_to_fit();
    Ok(flows)
}

fn flow(walk: &mut Walk<'_>, listed: &mut HashMap<KeyId, usize>) -> Result<Option<FlowInfo>, Stop> {
    let mut given = false;
    let mut key_id = None;
    let mut name = None;
    let mut poll_interval = Duration::ZERO;
    let mut labels = Labels::default();
    let start = walk.mapping(&FLOW_KEYS, |walk, key| {
        if walk.absent()? {
            return Ok(());
        }
        match key.value {
            "key_id" => {
                given = true;
                key_id = read_key_id(walk, listed)?;
            }
            "name" => name = walk.filled_text()?.map(|text| text.value.into()),
            "poll_interval" => poll_interval = walk.duration()?.unwrap_or_default(),
            _ => labels = read_labels(walk)?,
        }
        Ok(())
    })?;
    if let Some(start) = start
        && !given
    {
        walk.problem(start, "key_id is missing; write the flow's keyId, like key_id: 12");
    }
    Ok(key_id.map(|key_id| FlowInfo {
        key_id,
        name,
        labels,
        poll_interval,
    }))
}

fn read_key_id(walk: &mut Walk<'_>, listed: &mut HashMap<KeyId, usize>) -> Result<Option<KeyId>, Stop> {
    let Some(number) = walk.whole_number(1..=i64::MAX.unsigned_abs())? else {
        return Ok(None);
    };
    let Some(key_id) = KeyId::new(number.value) else {
        return Ok(None);
    };
    if let Some(line) = listed.get(&key_id) {
        let message = format!("{key_id} is already listed for this account in line {line}; remove one of the two");
        walk.problem(number.at, message);
    } else {
        listed.insert(key_id, number.at.line);
    }
    Ok(Some(key_id))
}

fn read_labels(walk: &mut Walk<'_>) -> Result<Labels, Stop> {
    let mut labels: Vec<(Box<str>, Box<str>)> = Vec::new();
    walk.free_mapping(|walk, name| {
        check_label_name(walk, &name.value, name.at);
        // As in Prometheus, a label without a value is no label.
        if walk.absent()? {
            return Ok(());
        }
        if let Some(value) = walk.text()? {
            labels.push((name.value.into(), value.value.into()));
        }
        Ok(())
    })?;
    labels.sort_unstable();
    // Into memory of just their size: a shrunken vector leaves a gap behind that nothing else fits, and there is one a flow.
    Ok(labels.drain(..).collect())
}

/// Prometheus' classic rule for label names, <https://prometheus.io/docs/concepts/data_model/>, so that every version takes them.
fn check_label_name(walk: &mut Walk<'_>, name: &str, at: Position) {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if name.is_empty() || !name.bytes().all(word) || name.starts_with(|first: char| first.is_ascii_digit()) {
        let message = format!(
            "{} is not a label name; use letters, digits and underscores, and no digit first",
            quote(name)
        );
        walk.problem(at, message);
    } else if name.starts_with("__") {
        walk.problem(
            at,
            "label names that begin with __ belong to Prometheus; choose another name",
        );
    } else if TAKEN_LABELS.contains(&name) {
        walk.problem(
            at,
            "this label is already taken by the metrics or by Prometheus; choose another name",
        );
    }
}
