//! The vendor's page in our words: what a request must look like, and the JSON of an answer.
//!
//! The authority is <https://api.laaffic.com/v3/voice/recallFlow/queryDetail> with its field table and its example, which do not
//! agree with each other. The JSON is built here field by field, without any type of the exporter's client: a misreading on one side
//! then shows as a failing test instead of cancelling out.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::chance::{chance, pick};
use super::life::{FlowState, NodeState, node_key};

/// The word that every invented customer text carries, so that a test can look for it where no customer's text belongs.
pub const CUSTOMER_TEXT_MARKER: &str = "CUSTOMER-TEXT-";

/// Which of the vendor's forms the answers about a flow take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Manner {
    /// Where the fields are.
    pub shape: Shape,
    /// How the answer's outermost fields are called.
    pub envelope: Envelope,
    /// The answer's code as a string, as the table has it, not as a number, as the example has it.
    pub code_as_text: bool,
    /// Every number of the data as a string.
    pub numbers_as_text: bool,
    /// Fields that a flow or node can do without are null or absent.
    pub sparse: bool,
    /// Fields that no page of the vendor mentions.
    pub extras: bool,
    /// Nodes on a page where the request does not say, for the shapes that have pages.
    pub page_size: u16,
    /// The server takes no notice of `current` and `size`, which the vendor's page does not document.
    pub ignores_current: bool,
}

/// The three forms of `data` that the vendor's pages show.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// The field table: flow fields and `nodeList`.
    #[default]
    Documented,
    /// The page's own example: nodes in `records` with paging fields, and nothing about the flow.
    Records,
    /// A sister page: flow fields, `nodeList` and paging fields together.
    Merged,
}

/// The two names of the outermost fields.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Envelope {
    /// `code` and `msg`
    #[default]
    CodeMsg,
    /// `status` and `reason`
    StatusReason,
}

impl Default for Manner {
    /// The field table's form, with numbers as numbers.
    fn default() -> Self {
        Self {
            shape: Shape::Documented,
            envelope: Envelope::CodeMsg,
            code_as_text: false,
            numbers_as_text: false,
            sparse: false,
            extras: false,
            page_size: 10,
            ignores_current: false,
        }
    }
}

impl Manner {
    /// The manner of a flow for which none was chosen.
    pub(super) fn by_seed(seed: u64, key_id: u64) -> Self {
        let roll = |what: u64| chance(seed, &[key_id, what, 31]);
        Self {
            shape: match roll(1) % 5 {
                0 => Shape::Records,
                1 => Shape::Merged,
                _ => Shape::Documented,
            },
            envelope: if roll(2).is_multiple_of(3) {
                Envelope::StatusReason
            } else {
                Envelope::CodeMsg
            },
            code_as_text: roll(3).is_multiple_of(2),
            numbers_as_text: roll(4).is_multiple_of(4),
            sparse: roll(5).is_multiple_of(4),
            extras: roll(6).is_multiple_of(3),
            page_size: pick(roll(7), [10, 10, 2, 1]),
            ignores_current: roll(8).is_multiple_of(8),
        }
    }

    /// A whole answer with this code and message.
    fn envelope(&self, code: i64, message: &str, data: Value) -> Value {
        let code = if self.code_as_text {
            json!(code.to_string())
        } else {
            json!(code)
        };
        let mut answer = Map::new();
        let (code_name, message_name) = match self.envelope {
            Envelope::CodeMsg => ("code", "msg"),
            Envelope::StatusReason => ("status", "reason"),
        };
        answer.insert(code_name.into(), code);
        answer.insert(message_name.into(), json!(message));
        answer.insert("data".into(), data);
        if self.extras {
            answer.insert("traceId".into(), json!("5f0c6f6e-8d1f-4a51-9d5e-1f1f6d1c2b3a"));
        }
        Value::Object(answer)
    }

    fn number(&self, number: Option<i64>) -> Value {
        match number {
            None => Value::Null,
            Some(number) if self.numbers_as_text => json!(number.to_string()),
            Some(number) => json!(number),
        }
    }
}

/// What a request asks for. `current` and `size` are not documented for this call, but the example's answer is paged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) key_id: u64,
    pub(super) current: Option<u64>,
    pub(super) size: Option<u64>,
}

impl Question {
    /// The question in a request's body; `None` is the vendor's "Parameter exception".
    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        let Ok(Value::Object(body)) = serde_json::from_slice::<Value>(body) else {
            return None;
        };
        let number = |name: &str| body.get(name).and_then(Value::as_u64);
        Some(Self {
            // The page says Int: a string will not do.
            key_id: number("keyId")?,
            current: number("current"),
            size: number("size"),
        })
    }
}

/// The vendor's words for a code.
pub(super) fn words(code: i64) -> &'static str {
    match code {
        0 => "success",
        -1 => "Authentication error",
        -2 => "Restricted IP access",
        -10 => "Insufficient balance",
        -13 => "User locked",
        -16 => "Timestamp expires",
        -18 => "Port program unusual",
        -22 => "Parameter exception",
        -24 => "Data does not exist",
        _ => "failure",
    }
}

/// An answer that is not success.
pub(super) fn refusal(manner: &Manner, code: i64, message: Option<&str>) -> Value {
    manner.envelope(code, message.unwrap_or(words(code)), Value::Null)
}

/// The answer about a flow.
pub(super) fn detail(manner: &Manner, question: Question, state: &FlowState, seed: u64) -> Value {
    let (current, size) = if manner.ignores_current {
        (1, u64::from(manner.page_size.max(1)))
    } else {
        (
            question.current.unwrap_or(1).max(1),
            question.size.unwrap_or(manner.page_size.into()).clamp(1, 100),
        )
    };
    let paged = manner.shape != Shape::Documented;
    let (skip, take) = if paged {
        ((current - 1).saturating_mul(size), size)
    } else {
        (0, u64::MAX)
    };
    let place = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let nodes: Vec<Value> = state
        .nodes
        .iter()
        .enumerate()
        .skip(place(skip))
        .take(place(take))
        .map(|(round, node)| node_fields(manner, question.key_id, round as u64, *node, seed))
        .collect();

    let mut data = Map::new();
    if manner.shape != Shape::Records {
        flow_fields(manner, question.key_id, state, &mut data);
    }
    if paged {
        let total = state.nodes.len() as u64;
        let number = |number: u64| manner.number(i64::try_from(number).ok());
        data.insert("total".into(), number(total));
        data.insert("size".into(), number(size));
        data.insert("current".into(), number(current));
        data.insert("pages".into(), number(total.div_ceil(size)));
        data.insert("searchCount".into(), json!(true));
    }
    let list = if manner.shape == Shape::Records {
        "records"
    } else {
        "nodeList"
    };
    data.insert(list.into(), Value::Array(nodes));
    manner.envelope(0, words(0), Value::Object(data))
}

fn flow_fields(manner: &Manner, key_id: u64, state: &FlowState, data: &mut Map<String, Value>) {
    data.insert("keyId".into(), manner.number(i64::try_from(key_id).ok()));
    data.insert("status".into(), manner.number(state.status));
    data.insert("recallNum".into(), manner.number(state.recall_num));
    if manner.sparse {
        // Once absent and once null: the two ways of not saying.
        data.insert("recallType".into(), Value::Null);
    } else {
        data.insert("recallInterval".into(), manner.number(state.recall_interval));
        data.insert("recallType".into(), manner.number(state.recall_type));
    }
    if manner.extras {
        data.insert("parentTaskName".into(), json!("imported"));
        data.insert(
            "ext".into(),
            json!({ "tenant": { "level": 3, "tags": ["a", "b"] }, "v": 1.5 }),
        );
    }
}

/// A node with every field of the page's table and of its example.
fn node_fields(manner: &Manner, flow: u64, round: u64, node: NodeState, seed: u64) -> Value {
    let roll = |what: u64| chance(seed, &[flow, round, what, 41]);
    let int = |number: i64| manner.number(Some(number));
    let yes = |what: u64, one_in: u64| roll(what).is_multiple_of(one_in);
    let key_id = node.key_id.unwrap_or_else(|| node_key(flow, 0, round));
    // 1 uploaded file, 2 re-uploaded file, 3 text-to-speech
    let source = pick(roll(1), [1, 2, 3]);
    let spoken = source == 3;
    let texts = yes(2, 2);
    let seats = yes(3, 4);

    let Value::Object(mut fields) = json!({
        "keyId": int(key_id),
        "taskId": manner.number(node.task_id),
        "nodeStatus": manner.number(node.status),
        "source": int(source),
        "voiceFileId": (!spoken).then(|| format!("1202508111034{:020x}.wav", roll(4))),
        "voiceFileName": Value::Null,
        "uploadName": (!spoken).then(|| format!("greeting-{}.wav", roll(5) % 90 + 10)),
        "text": spoken.then(|| format!("{CUSTOMER_TEXT_MARKER}{key_id}: dear customer, your \"order\" is waiting \u{2014} press 1.\n")),
        "lan": spoken.then_some("en"),
        "speakingRate": spoken.then_some(if manner.numbers_as_text { json!("1.25") } else { json!(1.25) }),
        "ssmlGender": if spoken { int(2) } else { Value::Null },
        "accent": spoken.then_some("en-IN"),
        "hangUpSms": int(i64::from(texts)),
        "idxSmsAppId": Value::Null,
        "smsContent": texts.then(|| format!("{CUSTOMER_TEXT_MARKER}{key_id}: hello ${{text1}}, we could not reach you. Reply STOP to end.")),
        "senderId": texts.then_some("ACME"),
        "feedbackPush": int(i64::from(texts && yes(6, 2))),
        "feedbackValue": texts.then_some("1"),
        "successPush": int(0),
        "successPushTime": if texts { int(30) } else { Value::Null },
        "failedPush": int(i64::from(texts)),
        "ringPush": int(0),
        "toSeat": int(i64::from(seats)),
        "sipGroupId": if seats { int(77) } else { Value::Null },
        "outboundControl": if seats { int(1) } else { Value::Null },
        "calloutRate": if seats { int(3) } else { Value::Null },
        "toSeatType": if seats { int(2) } else { Value::Null },
        "toSeatKey": seats.then_some("9"),
        "delayTransfer": int(0),
    }) else {
        return Value::Null;
    };
    if manner.sparse {
        for absent in ["successPush", "ringPush", "voiceFileName", "accent"] {
            fields.remove(absent);
        }
        for null in ["feedbackPush", "failedPush", "toSeat", "delayTransfer", "hangUpSms"] {
            fields.insert(null.into(), Value::Null);
        }
    }
    if manner.extras {
        fields.insert("retryPolicy".into(), json!({ "kind": "linear", "steps": [1, 2, null] }));
    }
    Value::Object(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUESTION: Question = Question {
        key_id: 12,
        current: None,
        size: None,
    };

    fn state() -> FlowState {
        FlowState::with_nodes(1, &[2, 1, 0])
    }

    #[test]
    fn questions() {
        let full = br#"{"keyId":12,"current":2,"size":100,"more":[]}"#;
        assert_eq!(
            Question::parse(full),
            Some(Question {
                key_id: 12,
                current: Some(2),
                size: Some(100)
            })
        );
        assert_eq!(Question::parse(br#"{"keyId":12}"#), Some(QUESTION));
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
            assert_eq!(Question::parse(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn the_documented_shape_has_the_fields_of_the_table() {
        let answer = detail(&Manner::default(), QUESTION, &state(), 1);
        assert_eq!(answer["code"], json!(0));
        assert_eq!(answer["msg"], json!("success"));
        let mut data = answer["data"].as_object().unwrap().clone();
        let nodes = data.remove("nodeList").unwrap();
        assert_eq!(
            Value::Object(data),
            json!({ "keyId": 12, "recallInterval": 10, "recallNum": 3, "recallType": 1, "status": 1 })
        );
        let statuses: Vec<_> = nodes
            .as_array()
            .unwrap()
            .iter()
            .map(|node| &node["nodeStatus"])
            .collect();
        assert_eq!(statuses, [2, 1, 0]);
        // Table and example of the vendor's page, in its order.
        let names = "keyId taskId nodeStatus source voiceFileId uploadName text lan speakingRate ssmlGender accent hangUpSms \
                     smsContent senderId feedbackPush feedbackValue successPush successPushTime failedPush ringPush toSeat \
                     sipGroupId outboundControl calloutRate toSeatType toSeatKey delayTransfer voiceFileName idxSmsAppId";
        let node = nodes[0].as_object().unwrap();
        for name in names.split_whitespace() {
            assert!(node.contains_key(name), "{name}");
        }
        assert_eq!(node.len(), names.split_whitespace().count());
    }

    #[test]
    fn the_records_shape_has_pages_and_no_flow() {
        let manner = Manner {
            shape: Shape::Records,
            page_size: 1,
            ..Manner::default()
        };
        let answer = detail(&manner, QUESTION, &state(), 1);
        let mut data = answer["data"].as_object().unwrap().clone();
        assert_eq!(data.remove("records").unwrap().as_array().unwrap().len(), 1);
        assert_eq!(
            Value::Object(data),
            json!({ "total": 3, "size": 1, "current": 1, "searchCount": true, "pages": 3 })
        );
    }

    #[test]
    fn pages_are_handed_out_as_asked_unless_the_server_ignores_it() {
        let mut manner = Manner {
            shape: Shape::Merged,
            page_size: 2,
            ..Manner::default()
        };
        let question = |current, size| Question {
            key_id: 12,
            current: Some(current),
            size,
        };
        let second = detail(&manner, question(2, None), &state(), 1);
        assert_eq!(second["data"]["nodeList"].as_array().unwrap().len(), 1);
        assert_eq!(second["data"]["nodeList"][0]["nodeStatus"], 0);
        assert_eq!(second["data"]["status"], 1);
        let all = detail(&manner, question(1, Some(100)), &state(), 1);
        assert_eq!(all["data"]["nodeList"].as_array().unwrap().len(), 3);
        assert_eq!(all["data"]["pages"], 1);
        let beyond = detail(&manner, question(u64::MAX, Some(u64::MAX)), &state(), 1);
        assert_eq!(beyond["data"]["nodeList"], json!([]));

        manner.ignores_current = true;
        let same = detail(&manner, question(2, Some(100)), &state(), 1);
        assert_eq!(same, detail(&manner, QUESTION, &state(), 1));
    }

    #[test]
    fn both_envelopes_and_codes_as_text() {
        let manner = Manner {
            envelope: Envelope::StatusReason,
            code_as_text: true,
            ..Manner::default()
        };
        assert_eq!(
            refusal(&manner, -16, None),
            json!({ "status": "-16", "reason": "Timestamp expires", "data": null })
        );
        assert_eq!(
            refusal(&Manner::default(), -1, None),
            json!({ "code": -1, "msg": "Authentication error", "data": null })
        );
        assert_eq!(refusal(&manner, 5, Some("odd"))["reason"], "odd");
    }

    #[test]
    fn numbers_as_text_nulls_and_extras() {
        let manner = Manner {
            numbers_as_text: true,
            sparse: true,
            extras: true,
            ..Manner::default()
        };
        let answer = detail(&manner, QUESTION, &state(), 1);
        let data = &answer["data"];
        assert_eq!((&data["status"], &data["recallNum"]), (&json!("1"), &json!("3")));
        assert!(data.get("recallInterval").is_none() && data["recallType"].is_null());
        assert_eq!(data["nodeList"][0]["nodeStatus"], "2");
        assert!(data["nodeList"][0].get("successPush").is_none());
        assert!(data["ext"].is_object() && answer["traceId"].is_string());
    }

    #[test]
    fn every_customer_text_carries_the_marker() {
        let state = FlowState::with_nodes(1, &[1; 40]);
        let answer = detail(&Manner::default(), QUESTION, &state, 1);
        let nodes = answer["data"]["nodeList"].as_array().unwrap();
        for field in ["text", "smsContent"] {
            let texts: Vec<_> = nodes.iter().filter_map(|node| node[field].as_str()).collect();
            assert!(texts.len() > 5, "{field}: {}", texts.len());
            assert!(
                texts.iter().all(|text| text.contains(CUSTOMER_TEXT_MARKER)),
                "{texts:?}"
            );
        }
    }

    #[test]
    fn every_manner_occurs() {
        let manners: Vec<_> = (1..=500).map(|key| Manner::by_seed(1, key)).collect();
        let share = |is: fn(&Manner) -> bool| manners.iter().filter(|manner| is(manner)).count();
        for count in [
            share(|m| m.shape == Shape::Records),
            share(|m| m.shape == Shape::Merged),
            share(|m| m.envelope == Envelope::StatusReason),
            share(|m| m.code_as_text),
            share(|m| m.numbers_as_text),
            share(|m| m.sparse),
            share(|m| m.extras),
            share(|m| m.page_size == 1),
            share(|m| m.ignores_current),
        ] {
            assert!((30..400).contains(&count), "{count}");
        }
        assert_eq!(Manner::by_seed(1, 3), Manner::by_seed(1, 3));
    }
}
