//! Proper answers made odd: what no page of the vendor shows, and what it may answer all the same.

use serde_json::{Value, json};

/// The answer with another flow's `keyId`: that of a cache that takes no notice of the body of a request.
pub(crate) fn about_another_flow(answer: &str) -> String {
    let mut answer = parsed(answer);
    // What is refused has no data, and stays what it is.
    if let Some(data) = answer.get_mut("data").and_then(Value::as_object_mut) {
        let key_id = data.get("keyId").and_then(number);
        data.insert("keyId".into(), json!(key_id.map_or(1, |key_id| key_id + 1)));
    }
    answer.to_string()
}

/// Success, and nothing that it is about.
pub(crate) fn without_data(answer: &str) -> String {
    let mut answer = parsed(answer);
    if let Some(fields) = answer.as_object_mut() {
        match fields.get_mut("data") {
            Some(data) => *data = Value::Null,
            None => fields.retain(|name, _| BALANCE.iter().all(|(field, _)| field != name)),
        }
    }
    answer.to_string()
}

// Optional fields, each in a form that nobody expects.
type Oddities = &'static [(&'static str, &'static str)];
const DETAIL: Oddities = &[
    ("recallNum", r#""three""#),
    ("recallNum", "-1"),
    ("recallInterval", "7.5"),
    ("recallType", r#"{"kind":1}"#),
    ("total", r#""many""#),
    ("pages", "[]"),
];
const FLOW_OF_LIST: Oddities = &[
    ("createTime", r#""yesterday""#),
    ("finishNum", "-1"),
    ("recallInterval", "7.5"),
    ("recallType", r#"{"kind":1}"#),
    ("taskName", "412"),
];
const GROUP_CALL: Oddities = &[
    ("createdTime", r#""yesterday""#),
    ("rate", "0.5"),
    ("numCnt", r#""many""#),
    ("success", "-1"),
    ("fail", "[]"),
];
const BALANCE: Oddities = &[("balance", r#""1,234.50""#), ("gift", "[]"), ("credit", r#""none""#)];

/// The answer with one optional field in a form that nobody expects; which one, by chance. All of them also have what is not quite JSON
/// in a field of no meaning: a raw line break in a text, and a number that is none. In a list it is a field of the first record.
pub(crate) fn with_odd_fields(answer: &str, hash: u64) -> String {
    let mut answer = parsed(answer);
    let has = |pointer| answer.pointer(pointer).is_some();
    let (place, oddities) = if has("/balance") {
        ("", BALANCE)
    } else if has("/data/records/0/createTime") {
        ("/data/records/0", FLOW_OF_LIST)
    } else if has("/data/records/0/createdTime") {
        ("/data/records/0", GROUP_CALL)
    } else {
        ("/data", DETAIL)
    };
    // What is refused has no data, and stays what it is.
    let fields = answer.pointer_mut(place).and_then(Value::as_object_mut);
    let chosen = oddities.get((hash % oddities.len() as u64) as usize);
    if let Some((fields, (field, value))) = fields.zip(chosen) {
        fields.insert((*field).into(), parsed(value));
    }
    let answer = answer.to_string();
    // After the opening brace, so that all the rest is as it should be.
    let rest = answer.strip_prefix('{').unwrap_or_default();
    format!("{{\"note\":\"two\nlines\",\"ratio\":NaN,{rest}")
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

    #[test]
    fn lists_and_balances_have_oddities_of_their_own() {
        let forms = |answer: &str| {
            let odd = (0..100).map(|hash| {
                let odd = with_odd_fields(answer, hash);
                let (_, rest) = odd.split_once("NaN,").unwrap();
                serde_json::from_str::<Value>(&format!("{{{rest}")).unwrap()
            });
            let odd: Vec<_> = odd.filter(|odd| *odd != parsed(answer)).collect();
            assert_eq!(odd.len(), 100);
            odd.iter()
                .map(Value::to_string)
                .collect::<std::collections::BTreeSet<_>>()
                .len()
        };
        let list =
            |time: &str| format!(r#"{{"code":0,"msg":"success","data":{{"records":[{{"{time}":"2021-09-01"}}]}}}}"#);
        assert_eq!(forms(&list("createTime")), FLOW_OF_LIST.len());
        assert_eq!(forms(&list("createdTime")), GROUP_CALL.len());
        let balance = r#"{"status":0,"reason":"success","balance":"1.00","gift":"0.00","credit":"0.00"}"#;
        assert_eq!(forms(balance), BALANCE.len());
        assert_eq!(
            parsed(&without_data(balance)),
            json!({ "status": 0, "reason": "success" })
        );
    }
}
