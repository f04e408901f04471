//! The forms that the vendor's answers take: its pages do not agree with each other, so every flow has a dialect of its own.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::random::{hash, pick};

/// Which of the vendor's forms the answers about a flow take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Dialect {
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
    /// The server refuses requests with `current` or `size`.
    pub refuses_paging: bool,
    /// `total` is one more than there are nodes.
    pub overstates_total: bool,
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

impl Default for Dialect {
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
            refuses_paging: false,
            overstates_total: false,
        }
    }
}

impl Dialect {
    /// That of a flow for which none was chosen.
    pub(crate) fn by_seed(seed: u64, key_id: u64) -> Self {
        use Envelope::{CodeMsg, StatusReason};
        use Shape::{Documented, Merged, Records};
        let roll = |what: u64| hash(seed, &[key_id, what, 31]);
        Self {
            shape: pick(roll(1), [Records, Merged, Documented, Documented, Documented]),
            envelope: pick(roll(2), [StatusReason, CodeMsg, CodeMsg]),
            code_as_text: roll(3).is_multiple_of(2),
            numbers_as_text: roll(4).is_multiple_of(4),
            sparse: roll(5).is_multiple_of(4),
            extras: roll(6).is_multiple_of(3),
            page_size: pick(roll(7), [10, 10, 2, 1]),
            ignores_current: roll(8).is_multiple_of(8),
            // Nobody has seen it, so it is no flow's own way.
            refuses_paging: false,
            overstates_total: false,
        }
    }

    /// An answer of success with this data.
    pub(crate) fn success(&self, mut data: Value) -> Value {
        if self.numbers_as_text {
            write_numbers_as_text(&mut data);
        }
        self.answer(0, words(0), data)
    }

    /// An answer of success whose fields stand beside the code instead of in `data`.
    pub(crate) fn flat_success(&self, fields: Map<String, Value>) -> Value {
        let mut answer = self.success(Value::Null);
        if let Value::Object(answer) = &mut answer {
            answer.remove("data");
            answer.extend(fields);
        }
        answer
    }

    /// An answer that is not success; with the vendor's words where there is no `message`.
    pub(crate) fn refusal(&self, code: i64, message: Option<&str>) -> Value {
        self.answer(code, message.unwrap_or(words(code)), Value::Null)
    }

    fn answer(&self, code: i64, message: &str, data: Value) -> Value {
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
}

fn write_numbers_as_text(data: &mut Value) {
    match data {
        Value::Number(number) => *data = json!(number.to_string()),
        Value::Array(values) => values.iter_mut().for_each(write_numbers_as_text),
        Value::Object(fields) => fields.values_mut().for_each(write_numbers_as_text),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

/// The vendor's words for a code.
fn words(code: i64) -> &'static str {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_envelopes_and_codes_as_text() {
        let dialect = Dialect {
            envelope: Envelope::StatusReason,
            code_as_text: true,
            ..Dialect::default()
        };
        assert_eq!(
            dialect.refusal(-16, None),
            json!({ "status": "-16", "reason": "Timestamp expires", "data": null })
        );
        assert_eq!(
            Dialect::default().refusal(-1, None),
            json!({ "code": -1, "msg": "Authentication error", "data": null })
        );
        assert_eq!(dialect.refusal(5, Some("odd"))["reason"], "odd");
        let extras = Dialect {
            extras: true,
            ..dialect
        };
        let success = extras.success(json!({}));
        assert_eq!(
            (&success["status"], &success["reason"]),
            (&json!("0"), &json!("success"))
        );
        assert!(success["traceId"].is_string());
    }

    #[test]
    fn every_form_occurs() {
        let dialects: Vec<_> = (1..=500).map(|key| Dialect::by_seed(1, key)).collect();
        let forms: [fn(&Dialect) -> bool; 9] = [
            |dialect| dialect.shape == Shape::Records,
            |dialect| dialect.shape == Shape::Merged,
            |dialect| dialect.envelope == Envelope::StatusReason,
            |dialect| dialect.code_as_text,
            |dialect| dialect.numbers_as_text,
            |dialect| dialect.sparse,
            |dialect| dialect.extras,
            |dialect| dialect.page_size == 1,
            |dialect| dialect.ignores_current,
        ];
        for (number, has_form) in forms.iter().enumerate() {
            let count = dialects.iter().filter(|dialect| has_form(dialect)).count();
            assert!((30..400).contains(&count), "{number}: {count}");
        }
        assert_eq!(Dialect::by_seed(1, 3), Dialect::by_seed(1, 3));
    }
}
