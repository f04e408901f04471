//! Proper answers made odd: what no page of the vendor shows, and what it may answer all the same.

use serde_json::{Map, Value, json};

use crate::random::pick;

/// The answer with another flow's `keyId`: that of a cache that takes no notice of the body of a request.
pub(crate) fn about_another_flow(answer: &str) -> String {
    altered(answer, |data| {
        let key_id = data.get("keyId").and_then(number);
        data.insert("keyId".into(), json!(key_id.map_or(1, |key_id| key_id + 1)));
    })
}

/// Success, and nothing that it is about.
pub(crate) fn without_data(answer: &str) -> String {
    let mut answer = parsed(answer);
    if let Some(data) = answer.get_mut("data") {
        *data = Value::Null;
    }
    answer.to_string()
}

/// The answer with one optional field in a form that nobody expects; which one, by chance. All of them also have what is not quite JSON
/// in a field of no meaning: a raw line break in a text, and a number that is none.
pub(crate) fn with_odd_fields(answer: &str, hash: u64) -> String {
    let (field, value) = pick(
        hash,
        [
            ("recallNum", r#""three""#),
            ("recallNum", "-1"),
            ("recallInterval", "7.5"),
            ("recallType", r#"{"kind":1}"#),
            ("total", r#""many""#),
            ("pages", "[]"),
        ],
    );
    let answer = altered(answer, |data| {
        data.insert(field.into(), parsed(value));
    });
    // After the opening brace, so that all the rest is as it should be.
    let rest = answer.strip_prefix('{').unwrap_or_default();
    format!("{{\"note\":\"two\nlines\",\"ratio\":NaN,{rest}")
}

fn altered(answer: &str, alter: impl FnOnce(&mut Map<String, Value>)) -> String {
    let mut answer = parsed(answer);
    // What is refused has no data, and stays what it is.
    if let Some(data) = answer.get_mut("data").and_then(Value::as_object_mut) {
        alter(data);
    }
    answer.to_string()
}

/// Our own answers are JSON.
fn parsed(answer: &str) -> Value {
    serde_json::from_str(answer).unwrap_or_default()
}

/// In both forms that a dialect may give it.
fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = r#"{"code":0,"msg":"success","data":{"keyId":"12","recallNum":3}}"#;
    const RECORDS: &str = r#"{"code":0,"msg":"success","data":{"records":[]}}"#;
    const REFUSED: &str = r#"{"code":-22,"msg":"Parameter exception","data":null}"#;

    #[test]
    fn another_flows_answer_says_whose_it_is() {
        assert_eq!(parsed(&about_another_flow(ANSWER))["data"]["keyId"], 13);
        assert_eq!(parsed(&about_another_flow(RECORDS))["data"]["keyId"], 1);
        assert_eq!(parsed(&about_another_flow(REFUSED)), parsed(REFUSED));
        let empty = parsed(&without_data(ANSWER));
        assert_eq!((&empty["code"], &empty["data"]), (&json!(0), &Value::Null));
    }

    #[test]
    fn one_field_is_odd_and_the_rest_as_it_was() {
        let mut forms = std::collections::BTreeSet::new();
        for hash in 0..100 {
            let odd = with_odd_fields(ANSWER, hash);
            assert!(serde_json::from_str::<Value>(&odd).is_err(), "{odd}");
            let (_, rest) = odd.split_once("NaN,").unwrap();
            let rest: Value = serde_json::from_str(&format!("{{{rest}")).unwrap();
            assert_eq!((&rest["code"], &rest["data"]["keyId"]), (&json!(0), &json!("12")));
            forms.insert(rest["data"].to_string());
        }
        assert_eq!(forms.len(), 6, "{forms:?}");
    }
}
