//! One flow with its nodes: the answers to queryDetail, in all three forms that the vendor's pages show.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use serde_json::value::RawValue;

use super::envelope::with_data;
use super::fields::Reader;
use super::json::{Object, Read, Value, identity};
use crate::api::Error;
use crate::model::{RecallType, ResponseField, Status, TaskId, UnreadableFields};

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
    /// `taskId` of the group call that the round ran as; `None` until it has run.
    pub task: Option<TaskId>,
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
    with_data(body, FlowPage::read)
}

impl FlowPage {
    /// All three documented shapes at once: flow fields, `nodeList`, and the paged `records`.
    fn read(data: &Object<'_>, mut reader: Reader) -> Self {
        let mut page = Self {
            key_id: reader.int(data, ResponseField::KeyId),
            status: reader.status(data),
            recall_type: reader.recall_type(data),
            recall_attempts: reader.amount(data, ResponseField::RecallNum, 1),
            recall_interval_seconds: reader.amount(data, ResponseField::RecallInterval, 60),
            total: reader.amount(data, ResponseField::Total, 1),
            pages: reader.int(data, ResponseField::Pages),
            size: reader.int(data, ResponseField::Size),
            current: reader.int(data, ResponseField::Current),
            nodes: None,
            unreadable: UnreadableFields::default(),
        };
        for list in [ResponseField::NodeList, ResponseField::Records] {
            page.read_nodes(data, list, &mut reader);
        }
        page.unreadable = reader.unreadable();
        page
    }

    fn read_nodes(&mut self, data: &Object<'_>, list: ResponseField, reader: &mut Reader) {
        let Some(elements) = reader.list(data, list) else {
            return;
        };
        let mut nodes = self.nodes.take().unwrap_or_default();
        for element in elements {
            match Object::of(element) {
                Some(node) => nodes.push(Node::read(&node, reader)),
                None => reader.odd(list),
            }
        }
        self.nodes = Some(nodes);
    }
}

impl Node {
    fn read(node: &Object<'_>, reader: &mut Reader) -> Self {
        let key = match node.get(ResponseField::KeyId.label()) {
            Value::Absent => None,
            value => match (value.int(), value) {
                (Read::Is(number), _) => Some(NodeKey::Number(number)),
                (Read::Absent, _) => None,
                (Read::Odd, value) => {
                    reader.odd(ResponseField::KeyId);
                    match value {
                        Value::Is(raw) => NodeKey::other(raw),
                        Value::Absent | Value::Odd => None,
                    }
                }
            },
        };
        Self {
            key,
            status: Status::from_code(reader.int(node, ResponseField::NodeStatus)),
            task: reader.task(node, ResponseField::TaskId),
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
