//! The vendor's JSON, as liberally as its pages disagree, reduced to what the metrics need.
//!
//! One odd field spoils that field, not the answer: it counts as not reported, and its name is told. Field names and numbers are those of
//! the vendor's page (queryDetail) and of its sister pages.

mod documented;
mod json;
mod redact;

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use serde_json::value::RawValue;

use self::json::{Object, Read, Value, identity, put_right, text_of};
pub use self::redact::redact;
use super::error::Error;
use crate::model::{ApiCode, RecallType, ResponseField, Status, UnreadableFields};

/// One answer to queryDetail: what it reports of the flow, and the nodes it handed out. `None` is "not reported".
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FlowPage {
    /// `keyId` of the flow that the answer says it is about.
    pub key_id: Option<i64>,
    /// `status` of the flow.
    pub status: Option<Status>,
    /// `recallType` of the flow.
    pub recall_type: Option<RecallType>,
    /// `recallNum`: planned recall attempts; at least 0.
    pub recall_attempts: Option<i64>,
    /// `recallInterval` in seconds (there in minutes); at least 0.
    pub recall_interval_seconds: Option<i64>,
    /// The nodes of this answer, from `nodeList` and `records`; `None` where it has neither.
    pub nodes: Option<Vec<Node>>,
    /// `total`: how many nodes there are over all pages; at least 0.
    pub total: Option<i64>,
    /// `pages`: how many pages there are at the answer's page size.
    pub pages: Option<i64>,
    /// `size`: the answer's page size.
    pub size: Option<i64>,
    /// `current`: which page this is, from 1.
    pub current: Option<i64>,
    /// What was there and could not be read.
    pub unreadable: UnreadableFields,
}

/// One node: a recall round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node {
    /// The node's own `keyId`.
    pub key: Option<NodeKey>,
    /// `nodeStatus`.
    pub status: Status,
}

/// A node's `keyId`, only ever compared. It is documented as a number; a text, or a number that is too large, tells
/// one node from another just as well. Nothing else does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NodeKey {
    /// As documented.
    Number(i64),
    /// Something else, as its hash.
    Other(u64),
}

/// Decodes a whole response body.
///
/// # Errors
/// [`Error::Code`] where the vendor reports a failure, [`Error::NoData`] for a success without data, [`Error::Decode`] where the body is
/// not the documented JSON: no object, nested absurdly, or without a code. Messages say where, never what stood there.
pub fn decode(body: &[u8]) -> Result<FlowPage, Error> {
    let text = text_of(body)?;
    let repaired;
    let envelope = match Object::parse(&text) {
        Ok(envelope) => envelope,
        // Nearly every answer is JSON as it comes, so it is not searched for what is none before.
        Err(_) => {
            repaired = put_right(&text);
            Object::parse(&repaired).map_err(|error| malformed(&error))?
        }
    };
    let mut page = FlowPage::default();
    // `{"code", "msg", "data"}` on the vendor's page, `{"status", "reason", "data"}` on others. The words are not read: the code says it,
    // and the words may quote anything.
    let code = match (envelope.get("code").int(), envelope.get("status").int()) {
        (Read::Is(code), Read::Odd) => {
            page.unreadable.add(ResponseField::Status);
            code
        }
        (Read::Is(code), _) | (Read::Absent, Read::Is(code)) => code,
        (Read::Odd, _) => return Err(Error::Decode("a code that is not a whole number".to_owned())),
        (Read::Absent, Read::Absent | Read::Odd) => return Err(Error::Decode("no code".to_owned())),
    };
    if code != 0 {
        return Err(Error::Code(ApiCode(code)));
    }
    let data = envelope.get("data");
    match data {
        Value::Absent => Err(Error::NoData),
        // An empty list is how some languages write an empty object.
        Value::Is(_) if matches!(data.list(), Read::Is(list) if list.is_empty()) => Err(Error::NoData),
        Value::Is(data) => match Object::of(data) {
            Some(data) => {
                page.read(&data);
                Ok(page)
            }
            None => Err(Error::Decode("data is not an object".to_owned())),
        },
        Value::Odd => Err(Error::Decode("data is there twice".to_owned())),
    }
}

/// A parser's complaint without the text it stumbled over: that text may be a customer's.
fn malformed(error: &serde_json::Error) -> Error {
    let kind = match error.classify() {
        serde_json::error::Category::Data => "not an object",
        serde_json::error::Category::Eof => "ends too early",
        serde_json::error::Category::Syntax | serde_json::error::Category::Io => "not JSON",
    };
    Error::Decode(format!("{kind} at line {} column {}", error.line(), error.column()))
}

impl FlowPage {
    /// All three documented shapes at once: flow fields, `nodeList`, and the paged `records`.
    fn read(&mut self, data: &Object<'_>) {
        self.key_id = self.int(data, ResponseField::KeyId);
        self.status = self
            .int(data, ResponseField::Status)
            .map(|code| Status::from_code(Some(code)));
        self.recall_type = self
            .int(data, ResponseField::RecallType)
            .map(|code| RecallType::from_code(Some(code)));
        self.recall_attempts = self.amount(data, ResponseField::RecallNum, 1);
        self.recall_interval_seconds = self.amount(data, ResponseField::RecallInterval, 60);
        self.total = self.amount(data, ResponseField::Total, 1);
        self.pages = self.int(data, ResponseField::Pages);
        self.size = self.int(data, ResponseField::Size);
        self.current = self.int(data, ResponseField::Current);
        for list in [ResponseField::NodeList, ResponseField::Records] {
            self.read_nodes(data, list);
        }
    }

    fn int(&mut self, data: &Object<'_>, field: ResponseField) -> Option<i64> {
        match data.get(field.label()).int() {
            Read::Is(number) => Some(number),
            Read::Absent => None,
            Read::Odd => {
                self.unreadable.add(field);
                None
            }
        }
    }

    /// How many of something there are, times what one of them is; less than none, or more than can be counted, is odd.
    fn amount(&mut self, data: &Object<'_>, field: ResponseField, times: i64) -> Option<i64> {
        let number = self.int(data, field)?;
        let amount = (number >= 0).then(|| number.checked_mul(times)).flatten();
        if amount.is_none() {
            self.unreadable.add(field);
        }
        amount
    }

    fn read_nodes(&mut self, data: &Object<'_>, list: ResponseField) {
        match data.get(list.label()).list() {
            Read::Absent => {}
            Read::Odd => self.unreadable.add(list),
            Read::Is(elements) => {
                let mut nodes = self.nodes.take().unwrap_or_default();
                // Nothing in the place of a node is no node.
                for element in elements.into_iter().filter(|element| element.get() != "null") {
                    match Object::of(element) {
                        Some(node) => nodes.push(self.node(&node)),
                        None => self.unreadable.add(list),
                    }
                }
                self.nodes = Some(nodes);
            }
        }
    }

    fn node(&mut self, node: &Object<'_>) -> Node {
        let key = match node.get(ResponseField::KeyId.label()) {
            Value::Absent => None,
            value => match (value.int(), value) {
                (Read::Is(number), _) => Some(NodeKey::Number(number)),
                (Read::Absent, _) => None,
                (Read::Odd, value) => {
                    self.unreadable.add(ResponseField::KeyId);
                    match value {
                        Value::Is(raw) => NodeKey::other(raw),
                        Value::Absent | Value::Odd => None,
                    }
                }
            },
        };
        Node {
            key,
            status: Status::from_code(self.int(node, ResponseField::NodeStatus)),
        }
    }
}

impl NodeKey {
    fn other(raw: &RawValue) -> Option<Self> {
        let mut hasher = DefaultHasher::new();
        identity(raw)?.hash(&mut hasher);
        Some(Self::Other(hasher.finish()))
    }
}

#[cfg(test)]
mod tests;
