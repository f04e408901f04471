//! Decoding, for any input: no body can end the program, and what is written in a documented shape is read back.

use laaffic_exporter::api::{Error, FlowPage, Node, NodeKey, decode};
use laaffic_exporter::model::{RecallType, ResponseField, Status, TaskId, UnreadableFields};
use proptest::array::{uniform2, uniform3, uniform5};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// The three shapes that the vendor's pages show.
#[derive(Debug, Clone, Copy)]
enum Shape {
    /// Flow fields and `nodeList`.
    Documented,
    /// Nodes alone, paged.
    Records,
    /// All in one.
    Merged,
}

/// The fields of a flow, and those of a page, as an answer has them.
const FLOW: [&str; 5] = ["keyId", "status", "recallType", "recallNum", "recallInterval"];
const PAGING: [&str; 3] = ["total", "pages", "size"];

/// What an answer says; every field may be missing.
#[derive(Debug, Clone)]
struct Said {
    shape: Shape,
    flow: [Option<i64>; 5],
    nodes: Vec<[Option<i64>; 2]>,
    paging: [Option<i64>; 3],
}

/// How it is said.
#[derive(Debug, Clone, Copy)]
struct Dialect {
    numbers_as_text: bool,
    nulls: bool,
    status_reason: bool,
    extras: bool,
}

fn small() -> impl Strategy<Value = Option<i64>> {
    prop_oneof![Just(None), (-3_i64..12).prop_map(Some), any::<i64>().prop_map(Some)]
}

fn said() -> impl Strategy<Value = Said> {
    let shape = prop_oneof![Just(Shape::Documented), Just(Shape::Records), Just(Shape::Merged)];
    let nodes = prop::collection::vec(uniform2(small()), 0..8);
    (shape, uniform5(small()), nodes, uniform3(small())).prop_map(|(shape, flow, nodes, paging)| Said {
        shape,
        flow,
        nodes,
        paging,
    })
}

fn dialect() -> impl Strategy<Value = Dialect> {
    any::<[bool; 4]>().prop_map(|[numbers_as_text, nulls, status_reason, extras]| Dialect {
        numbers_as_text,
        nulls,
        status_reason,
        extras,
    })
}

impl Dialect {
    fn number(self, number: i64) -> Value {
        if self.numbers_as_text {
            json!(number.to_string())
        } else {
            json!(number)
        }
    }

    fn put(self, object: &mut Map<String, Value>, name: &str, number: Option<i64>) {
        match number {
            Some(number) => drop(object.insert(name.to_owned(), self.number(number))),
            None if self.nulls => drop(object.insert(name.to_owned(), Value::Null)),
            None => {}
        }
    }

    fn object<'n>(self, fields: impl IntoIterator<Item = (&'n str, Option<i64>)>) -> Map<String, Value> {
        let mut object = Map::new();
        for (name, number) in fields {
            self.put(&mut object, name, number);
        }
        if self.extras {
            object.insert("text".to_owned(), json!("a customer's text with \" and { and [ in it"));
            object.insert("brandNew".to_owned(), json!({"deep": [1, [2, {"three": null}]]}));
        }
        object
    }
}

fn encode(said: &Said, dialect: Dialect) -> Vec<u8> {
    let flow = FLOW.into_iter().zip(said.flow);
    let paging = PAGING.into_iter().zip(said.paging);
    let node = |[key_id, status]: &[Option<i64>; 2]| {
        Value::Object(dialect.object([("keyId", *key_id), ("nodeStatus", *status), ("taskId", Some(5))]))
    };
    let nodes: Vec<_> = said.nodes.iter().map(node).collect();
    let mut data = match said.shape {
        Shape::Documented => dialect.object(flow),
        Shape::Records => dialect.object(paging),
        Shape::Merged => dialect.object(flow.chain(paging)),
    };
    let list = if matches!(said.shape, Shape::Records) {
        "records"
    } else {
        "nodeList"
    };
    data.insert(list.to_owned(), Value::Array(nodes));
    let (code, words) = if dialect.status_reason {
        ("status", "reason")
    } else {
        ("code", "msg")
    };
    let mut envelope = Map::new();
    envelope.insert(code.to_owned(), dialect.number(0));
    envelope.insert(words.to_owned(), json!("success"));
    envelope.insert("data".to_owned(), Value::Object(data));
    serde_json::to_vec(&envelope).unwrap_or_default()
}

/// What should be read of it.
fn expected(said: &Said) -> FlowPage {
    let has_flow = !matches!(said.shape, Shape::Records);
    let has_paging = !matches!(said.shape, Shape::Documented);
    let [key_id, status, recall_type, attempts, interval] = said.flow.map(|number| number.filter(|_| has_flow));
    let [total, pages, size] = said.paging.map(|number| number.filter(|_| has_paging));
    let node = |[key_id, status]: &[Option<i64>; 2]| Node {
        key: key_id.map(NodeKey::Number),
        status: Status::from_code(*status),
        task: TaskId::of_number(5),
    };
    let mut unreadable = UnreadableFields::default();
    let mut amount = |field, number: Option<i64>, times| {
        let amount = number.and_then(|number: i64| number.checked_mul(times).filter(|amount| *amount >= 0));
        if number.is_some() && amount.is_none() {
            unreadable.add(field);
        }
        amount
    };
    FlowPage {
        key_id,
        status: status.map(|code| Status::from_code(Some(code))),
        recall_type: recall_type.map(|code| RecallType::from_code(Some(code))),
        recall_attempts: amount(ResponseField::RecallNum, attempts, 1),
        recall_interval_seconds: amount(ResponseField::RecallInterval, interval, 60),
        nodes: Some(said.nodes.iter().map(node).collect()),
        total: amount(ResponseField::Total, total, 1),
        pages,
        size,
        current: None,
        unreadable,
    }
}

proptest! {
    #[test]
    fn what_is_written_in_a_documented_shape_is_read_back(said in said(), dialect in dialect()) {
        let decoded = decode(&encode(&said, dialect));
        prop_assert_eq!(decoded.ok(), Some(expected(&said)));
    }

    #[test]
    fn a_code_other_than_0_is_read_in_both_envelopes(code in any::<i64>().prop_filter("0 is success", |code| *code != 0), dialect in dialect()) {
        let name = if dialect.status_reason { "status" } else { "code" };
        let body = json!({ name: dialect.number(code), "data": null }).to_string();
        let read = match decode(body.as_bytes()) {
            Err(Error::Code(read)) => Some(read.0),
            _ => None,
        };
        prop_assert_eq!(read, Some(code));
    }

    #[test]
    fn no_bytes_can_panic(body in prop::collection::vec(any::<u8>(), 0..2000)) {
        let _ = decode(&body);
    }

    #[test]
    fn no_damage_to_a_good_answer_can_panic_or_be_quoted(
        said in said(),
        dialect in dialect(),
        place in any::<prop::sample::Index>(),
        damage in prop::collection::vec(any::<u8>(), 0..8),
        removed in 0_usize..40,
    ) {
        let mut body = encode(&said, dialect);
        let start = place.index(body.len());
        let end = (start + removed).min(body.len());
        body.splice(start..end, damage);
        if let Err(error) = decode(&body) {
            prop_assert!(!error.to_string().contains("customer"), "{}", error);
        }
    }
}
