//! The vendor's page in our words: what a request must look like, and the JSON of an answer.
//!
//! The authority is <https://api.laaffic.com/v3/voice/recallFlow/queryDetail> with its field table and its example, which do not
//! agree with each other. The JSON is built here field by field, without any type of the exporter's client: a misreading on one side
//! then shows as a failing test instead of cancelling out.

use axum::http::Method;
use serde_json::{Map, Value, json};

use crate::dialect::{Dialect, Shape};
use crate::endpoint::{Endpoint, PARAMETER_EXCEPTION, fields};
use crate::keys::node_key;
use crate::lifecycle::{FlowState, NodeState};
use crate::random::{hash, pick};
use crate::request::RequestContext;
use crate::vendor::Vendor;

/// The word that every invented customer text carries, so that a test can look for it where no customer's text belongs.
pub const CUSTOMER_TEXT_MARKER: &str = "CUSTOMER-TEXT-";

/// A request's body. `current` and `size` are not documented for this call, but the example's answer is paged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct QueryDetail {
    key_id: u64,
    current: Option<usize>,
    size: Option<usize>,
}

impl Endpoint for QueryDetail {
    const METHOD: Method = Method::POST;
    const PATH: &'static str = "/voice/recallFlow/queryDetail";

    fn parse(body: &[u8]) -> Option<Self> {
        let body: Map<String, Value> = serde_json::from_slice(body).ok()?;
        let number = |name: &str| body.get(name).and_then(Value::as_u64);
        Some(Self {
            // The page says Int: a string will not do.
            key_id: number("keyId")?,
            current: number("current").and_then(|current| current.try_into().ok()),
            size: number("size").and_then(|size| size.try_into().ok()),
        })
    }

    fn key_id(&self) -> Option<u64> {
        Some(self.key_id)
    }

    fn answer(&self, vendor: &Vendor, context: &RequestContext) -> Result<Value, i64> {
        let state = context.flow.as_ref().ok_or(PARAMETER_EXCEPTION)?;
        if context.dialect.refuses_paging && (self.current.is_some() || self.size.is_some()) {
            return Err(PARAMETER_EXCEPTION);
        }
        let data = self.data(&context.dialect, state, vendor.settings().seed);
        Ok(context.dialect.success(data))
    }
}

impl QueryDetail {
    fn data(&self, dialect: &Dialect, state: &FlowState, seed: u64) -> Value {
        let (mut data, list) = match dialect.shape {
            Shape::Records => (Map::new(), "records"),
            Shape::Documented | Shape::Merged => (flow_fields(dialect, self.key_id, state), "nodeList"),
        };
        let (mut skip, mut take) = (0, usize::MAX);
        if dialect.shape != Shape::Documented {
            let (current, size) = self.page(dialect);
            (skip, take) = ((current - 1).saturating_mul(size), size);
            let total = state.nodes.len() + usize::from(dialect.overstates_total);
            let pages = total.div_ceil(size);
            data.extend(fields(
                json!({ "total": total, "size": size, "current": current, "pages": pages, "searchCount": true }),
            ));
        }
        let nodes = (0..).zip(&state.nodes).skip(skip).take(take);
        let nodes = nodes.map(|(round, node)| node_fields(dialect, self.key_id, round, *node, seed));
        data.insert(list.into(), nodes.collect());
        Value::Object(data)
    }

    /// Which page is answered, from 1, and how many nodes are on it.
    fn page(&self, dialect: &Dialect) -> (usize, usize) {
        let own_size = usize::from(dialect.page_size.max(1));
        if dialect.ignores_current {
            return (1, own_size);
        }
        (
            self.current.unwrap_or(1).max(1),
            self.size.unwrap_or(own_size).clamp(1, 100),
        )
    }
}

fn flow_fields(dialect: &Dialect, key_id: u64, state: &FlowState) -> Map<String, Value> {
    let mut data = fields(json!({
        "keyId": key_id,
        "status": state.status,
        "recallNum": state.recall_num,
        "recallInterval": state.recall_interval,
        "recallType": state.recall_type,
    }));
    if dialect.sparse {
        // Once absent and once null: the two ways of not saying.
        data.remove("recallInterval");
        data.insert("recallType".into(), Value::Null);
    }
    if dialect.extras {
        data.extend(fields(json!({
            "parentTaskName": "imported",
            "ext": { "tenant": { "level": 3, "tags": ["a", "b"] }, "v": 1.5 },
        })));
    }
    data
}

/// A node with every field of the page's table and of its example.
fn node_fields(dialect: &Dialect, flow: u64, round: u64, node: NodeState, seed: u64) -> Map<String, Value> {
    let roll = |what: u64| hash(seed, &[flow, round, what, 41]);
    let yes = |what: u64, one_in: u64| roll(what).is_multiple_of(one_in);
    let key_id = node.key_id.unwrap_or_else(|| node_key(flow, 0, round));
    // 1 uploaded file, 2 re-uploaded file, 3 text-to-speech
    let source = pick(roll(1), [1, 2, 3]);
    let spoken = source == 3;
    let texts = yes(2, 2);
    let seats = yes(3, 4);

    let mut data = fields(json!({
        "keyId": key_id,
        "taskId": node.task_id,
        "nodeStatus": node.status,
        "source": source,
        "voiceFileId": (!spoken).then(|| format!("1202508111034{:020x}.wav", roll(4))),
        "voiceFileName": null,
        "uploadName": (!spoken).then(|| format!("greeting-{}.wav", roll(5) % 90 + 10)),
        "text": spoken.then(|| format!("{CUSTOMER_TEXT_MARKER}{key_id}: dear customer, your \"order\" is waiting \u{2014} press 1.\n")),
        "lan": spoken.then_some("en"),
        "speakingRate": spoken.then_some(1.25),
        "ssmlGender": spoken.then_some(2),
        "accent": spoken.then_some("en-IN"),
        "hangUpSms": u8::from(texts),
        "idxSmsAppId": null,
        "smsContent": texts.then(|| format!("{CUSTOMER_TEXT_MARKER}{key_id}: hello ${{text1}}, we could not reach you. Reply STOP to end.")),
        "senderId": texts.then_some("ACME"),
        "feedbackPush": u8::from(texts && yes(6, 2)),
        "feedbackValue": texts.then_some("1"),
        "successPush": 0,
        "successPushTime": texts.then_some(30),
        "failedPush": u8::from(texts),
        "ringPush": 0,
        "toSeat": u8::from(seats),
        "sipGroupId": seats.then_some(77),
        "outboundControl": seats.then_some(1),
        "calloutRate": seats.then_some(3),
        "toSeatType": seats.then_some(2),
        "toSeatKey": seats.then_some("9"),
        "delayTransfer": 0,
    }));
    if dialect.sparse {
        for absent in ["successPush", "ringPush", "voiceFileName", "accent"] {
            data.remove(absent);
        }
        for null in ["feedbackPush", "failedPush", "toSeat", "delayTransfer", "hangUpSms"] {
            data.insert(null.into(), Value::Null);
        }
    }
    if dialect.extras {
        data.insert("retryPolicy".into(), json!({ "kind": "linear", "steps": [1, 2, null] }));
    }
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUERY: QueryDetail = QueryDetail {
        key_id: 12,
        current: None,
        size: None,
    };

    /// The data about a flow with three nodes.
    fn data(dialect: Dialect, query: QueryDetail) -> Value {
        let data = query.data(&dialect, &FlowState::with_nodes(1, &[2, 1, 0]), 1);
        dialect.success(data)["data"].take()
    }

    fn nodes(data: &Value) -> &[Value] {
        let list = data.get("nodeList").or(data.get("records"));
        list.unwrap().as_array().unwrap()
    }

    #[test]
    fn bodies() {
        let full = br#"{"keyId":12,"current":2,"size":100,"more":[]}"#;
        let parsed = QueryDetail::parse(full).unwrap();
        assert_eq!((parsed.key_id, parsed.current, parsed.size), (12, Some(2), Some(100)));
        assert_eq!(QueryDetail::parse(br#"{"keyId":12}"#), Some(QUERY));
        for wrong in [
            r#"{"keyId":"12"}"#,
            r#"{"keyId":-1}"#,
            r#"{"keyId":1.5}"#,
            "{}",
            "[12]",
            "",
            "{",
            "null",
        ] {
            assert_eq!(QueryDetail::parse(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn the_documented_shape_has_the_fields_of_the_table() {
        let data = data(Dialect::default(), QUERY);
        let statuses: Vec<_> = nodes(&data).iter().map(|node| &node["nodeStatus"]).collect();
        assert_eq!(statuses, [2, 1, 0]);
        // Table and example of the vendor's page, in its order.
        let names = "keyId taskId nodeStatus source voiceFileId uploadName text lan speakingRate ssmlGender accent hangUpSms \
                     smsContent senderId feedbackPush feedbackValue successPush successPushTime failedPush ringPush toSeat \
                     sipGroupId outboundControl calloutRate toSeatType toSeatKey delayTransfer voiceFileName idxSmsAppId";
        let node = nodes(&data)[0].as_object().unwrap();
        for name in names.split_whitespace() {
            assert!(node.contains_key(name), "{name}");
        }
        assert_eq!(node.len(), names.split_whitespace().count());
        let mut flow = data;
        flow["nodeList"] = json!(null);
        assert_eq!(
            flow,
            json!({ "keyId": 12, "recallInterval": 10, "recallNum": 3, "recallType": 1, "status": 1, "nodeList": null })
        );
    }

    #[test]
    fn the_records_shape_has_pages_and_no_flow() {
        let mut data = data(
            Dialect {
                shape: Shape::Records,
                page_size: 1,
                ..Dialect::default()
            },
            QUERY,
        );
        assert_eq!(nodes(&data).len(), 1);
        data["records"] = json!(null);
        assert_eq!(
            data,
            json!({ "total": 3, "size": 1, "current": 1, "searchCount": true, "pages": 3, "records": null })
        );
    }

    #[test]
    fn pages_are_handed_out_as_asked_unless_the_server_ignores_it() {
        let mut dialect = Dialect {
            shape: Shape::Merged,
            page_size: 2,
            ..Dialect::default()
        };
        let query = |current, size| QueryDetail {
            key_id: 12,
            current: Some(current),
            size,
        };
        let second = data(dialect, query(2, None));
        assert_eq!(nodes(&second).len(), 1);
        assert_eq!(
            (&second["nodeList"][0]["nodeStatus"], &second["status"]),
            (&json!(0), &json!(1))
        );
        let all = data(dialect, query(1, Some(100)));
        assert_eq!((nodes(&all).len(), &all["pages"]), (3, &json!(1)));
        assert!(nodes(&data(dialect, query(usize::MAX, Some(usize::MAX)))).is_empty());

        dialect.ignores_current = true;
        assert_eq!(data(dialect, query(2, Some(100))), data(dialect, QUERY));
    }

    #[test]
    fn numbers_as_text_nulls_and_extras() {
        let data = data(
            Dialect {
                numbers_as_text: true,
                sparse: true,
                extras: true,
                ..Dialect::default()
            },
            QUERY,
        );
        assert_eq!((&data["status"], &data["recallNum"]), (&json!("1"), &json!("3")));
        assert!(data.get("recallInterval").is_none() && data["recallType"].is_null());
        assert_eq!(nodes(&data)[0]["nodeStatus"], "2");
        assert!(nodes(&data)[0].get("successPush").is_none());
        assert!(data["ext"].is_object());
    }

    #[test]
    fn every_customer_text_carries_the_marker() {
        let data = QUERY.data(&Dialect::default(), &FlowState::with_nodes(1, &[1; 40]), 1);
        for field in ["text", "smsContent"] {
            let texts: Vec<_> = nodes(&data).iter().filter_map(|node| node[field].as_str()).collect();
            assert!(texts.len() > 5, "{field}: {}", texts.len());
            assert!(
                texts.iter().all(|text| text.contains(CUSTOMER_TEXT_MARKER)),
                "{texts:?}"
            );
        }
    }
}
