//! The vendor's JSON, as liberally as its pages disagree, reduced to what the metrics need.
//!
//! What is not named here is skipped while parsing: customers' texts are never stored, not even for a moment longer than the body.
//! Field names and numbers are those of the vendor's page (queryDetail) and of its sister pages.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::error::Error;
use crate::model::{ApiCode, RecallType, Status};

/// Nesting beyond this is nobody's answer. The documented answer is 4 deep.
const MAX_DEPTH: usize = 64;

/// One answer to queryDetail: the flow's own fields where the answer has them, and the nodes it handed out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowPage {
    /// `keyId` of the flow that the answer says it is about.
    pub key_id: Option<i64>,
    /// `status` of the flow.
    pub status: Status,
    /// `recallType` of the flow.
    pub recall_type: RecallType,
    /// `recallNum`: planned recall attempts.
    pub recall_attempts: Option<i64>,
    /// `recallInterval` in minutes.
    pub recall_interval_minutes: Option<i64>,
    /// The nodes of this answer, from `nodeList` and `records`.
    pub nodes: Vec<Node>,
    /// `total`: how many nodes there are over all pages.
    pub total: Option<i64>,
    /// `pages`: how many pages there are at the answer's page size.
    pub pages: Option<i64>,
    /// `size`: the answer's page size.
    pub size: Option<i64>,
}

/// One node: a recall round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node {
    /// The node's own `keyId`.
    pub key_id: Option<i64>,
    /// `nodeStatus`.
    pub status: Status,
}

/// Decodes a whole response body.
///
/// # Errors
/// [`Error::Code`] where the vendor reports a failure, [`Error::Decode`] where the body is not the documented JSON: not UTF-8, not
/// JSON, nested absurdly, of the wrong types, without a code, or a success without data. Messages say where, never what stood there.
pub fn decode(body: &[u8]) -> Result<FlowPage, Error> {
    let text = std::str::from_utf8(body)
        .map_err(|error| Error::Decode(format!("invalid UTF-8 at byte {}", error.valid_up_to())))?;
    if text.trim_ascii().is_empty() {
        return Err(Error::Decode("empty body".to_owned()));
    }
    check_depth(body)?;
    let Object(envelope): Object<Envelope<'_>> =
        serde_json::from_str(text).map_err(|error| malformed("the envelope", &error))?;
    match envelope.code.0.or(envelope.status.0) {
        None => Err(Error::Decode("no code".to_owned())),
        Some(0) => {
            let data = envelope
                .data
                .ok_or_else(|| Error::Decode("code 0 without data".to_owned()))?;
            let Object(data): Object<Data> =
                serde_json::from_str(data.get()).map_err(|error| malformed("data", &error))?;
            Ok(data.into())
        }
        Some(code) => Err(Error::Code(ApiCode(code))),
    }
}

/// A parser's complaint without the text it stumbled over: that text may be a customer's.
fn malformed(part: &str, error: &serde_json::Error) -> Error {
    let kind = match error.classify() {
        serde_json::error::Category::Data => "a field of the wrong type or given twice",
        serde_json::error::Category::Eof => "ends too early",
        serde_json::error::Category::Syntax | serde_json::error::Category::Io => "not JSON",
    };
    Error::Decode(format!(
        "{kind} in {part} at line {} column {}",
        error.line(),
        error.column()
    ))
}

/// Refuses absurd nesting before the parser sees it: the parser limits the depth of what it builds, not of what it skips.
fn check_depth(body: &[u8]) -> Result<(), Error> {
    let mut depth = 0_usize;
    let mut in_string = false;
    let mut escaped = false;
    for byte in body {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Err(Error::Decode(format!("nested deeper than {MAX_DEPTH}")));
                }
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

/// `{"code", "msg", "data"}` on the vendor's page, `{"status", "reason", "data"}` on others. The words are not read: the code says
/// it, and the words may quote anything.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(default)]
    code: Int,
    #[serde(default)]
    status: Int,
    // Not decoded until the code is known: on failure it can be anything.
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}

/// All three documented shapes at once: flow fields, `nodeList`, and the paged `records`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    #[serde(default)]
    key_id: Int,
    #[serde(default)]
    status: Int,
    #[serde(default)]
    recall_type: Int,
    #[serde(default)]
    recall_num: Int,
    #[serde(default)]
    recall_interval: Int,
    #[serde(default)]
    node_list: Option<Vec<Option<Object<WireNode>>>>,
    #[serde(default)]
    records: Option<Vec<Option<Object<WireNode>>>>,
    #[serde(default)]
    total: Int,
    #[serde(default)]
    pages: Int,
    #[serde(default)]
    size: Int,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireNode {
    #[serde(default)]
    key_id: Int,
    #[serde(default)]
    node_status: Int,
}

impl From<Data> for FlowPage {
    fn from(data: Data) -> Self {
        let lists = [data.node_list, data.records];
        let nodes = lists
            .into_iter()
            .flatten()
            .flatten()
            .flatten()
            .map(|Object(node)| Node {
                key_id: node.key_id.0,
                status: Status::from_code(node.node_status.0),
            });
        Self {
            key_id: data.key_id.0,
            status: Status::from_code(data.status.0),
            recall_type: RecallType::from_code(data.recall_type.0),
            recall_attempts: data.recall_num.0,
            recall_interval_minutes: data.recall_interval.0,
            nodes: nodes.collect(),
            total: data.total.0,
            pages: data.pages.0,
            size: data.size.0,
        }
    }
}

/// A JSON object. Derived decoding would take an array as well, its elements for the fields in their order here.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }

        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

/// A whole number that may arrive as a number, as a string, or as null.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Int(Option<i64>);

impl<'de> Deserialize<'de> for Int {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(IntVisitor)
    }
}

struct IntVisitor;

impl Visitor<'_> for IntVisitor {
    type Value = Int;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number, as a number or a string, or null")
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Int, E> {
        Ok(Int(Some(number)))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Int, E> {
        i64::try_from(number)
            .map(|number| Int(Some(number)))
            .map_err(|_| E::custom("too large"))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Int, E> {
        // 2^53: beyond it a float is not exact, so it is not a whole number that anybody meant.
        if number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0 {
            #[allow(
                clippy::cast_possible_truncation,
                reason = "whole and within the exact range, checked above"
            )]
            let number = number as i64;
            Ok(Int(Some(number)))
        } else {
            Err(E::custom("not a whole number"))
        }
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Int, E> {
        match text.trim() {
            "" => Ok(Int(None)),
            digits => digits
                .parse()
                .map(|number| Int(Some(number)))
                .map_err(|_| E::custom("not a whole number")),
        }
    }

    fn visit_unit<E: de::Error>(self) -> Result<Int, E> {
        Ok(Int(None))
    }
}

#[cfg(test)]
mod tests;
