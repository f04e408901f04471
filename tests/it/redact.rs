//! What is left of an answer for a bug report: nothing of a customer's, and all that decides how it is read.

use laaffic_exporter::api::redact;
use laaffic_exporter::model::{ResponseField, Status};
use proptest::prelude::*;
use testkit::decoders::reading;

#[track_caller]
fn reads_alike(body: &[u8]) -> String {
    let redacted = redact(body);
    let shown = format!("{}\n{redacted}", String::from_utf8_lossy(body));
    assert_eq!(reading(redacted.as_bytes()), reading(body), "{shown}");
    redacted
}

#[track_caller]
fn becomes(body: &str, expected: &str) {
    assert_eq!(reads_alike(body.as_bytes()), expected);
}

#[test]
fn the_example_of_the_vendors_page() {
    let example = include_str!("../fixtures/api/vendor_example.json");
    let expected = example.replace("\"success\"", "\"<text of 7 characters>\"").replace(
        "\"120250811103439c1901f4c53b691b419ad8a143b.wav\"",
        "\"<text of 45 characters>\"",
    );
    becomes(example, &expected);
}

#[test]
fn texts_give_way_to_their_kind_and_length() {
    becomes(
        concat!(
            r#"{"code":"0","msg":"Dear Ann","data":{"text":"Pay \"now\" \u00e9","lan":"en","#,
            r#""senderId":"13800138000","toSeatKey":"7"}}"#,
        ),
        concat!(
            r#"{"code":"0","msg":"<text of 8 characters>","data":{"text":"<text of 11 characters>","#,
            r#""lan":"<text of 2 characters>","senderId":"<number of 11 characters>","#,
            r#""toSeatKey":"<number of 1 characters>"}}"#,
        ),
    );
    becomes(
        concat!(
            r#"{"code":0,"data":{"createTime":"2024-01-01 10:00:00","callTime":"2024-01-01 10:00:00","#,
            r#""keyId":"1008","recallNum":"3.0"}}"#,
        ),
        concat!(
            r#"{"code":0,"data":{"createTime":"2024-01-01 10:00:00","#,
            r#""<key of 8 characters>":"<time of 19 characters>","keyId":"1008","recallNum":"3.0"}}"#,
        ),
    );
    // How others write that there is nothing.
    becomes(
        r#"{"code":0,"data":{"text":"","lan":" ","msg":"null","status":"undefined","recallNum":null,"searchCount":true}}"#,
        r#"{"code":0,"data":{"text":"","lan":" ","msg":"null","status":"undefined","recallNum":null,"searchCount":true}}"#,
    );
}

#[test]
fn keys_that_are_not_documented_are_texts_too() {
    becomes(
        r#"{"code":0,"data":{"13800138000":1,"13900139000":2,"13800138000":3,"\u0073tatus":4}}"#,
        concat!(
            r#"{"code":0,"data":{"<key of 11 characters>":1,"<key no. 2 of 11 characters>":2,"#,
            r#""<key of 11 characters>":3,"\u0073tatus":4}}"#,
        ),
    );
}

#[test]
fn a_long_number_stays_where_a_number_is_documented() {
    becomes(
        concat!(
            r#"{"code":-2200,"data":{"keyId":5009612,"#,
            r#""numbers":[13800138000,13900139000,13800138000,-0.12345E+7,12,250],"senderId":4912345,"#,
            r#""recallNum":[1234]}}"#,
        ),
        concat!(
            r#"{"code":-2200,"data":{"keyId":5009612,"#,
            r#""<key of 7 characters>":[99999999999,99999999998,99999999999,-9.99999E+9,12,250],"#,
            r#""senderId":9999999,"recallNum":[9999]}}"#,
        ),
    );
    let digits = "1".repeat(40);
    let body = format!(r#"{{"code":0,"data":{{"x":{digits}}}}}"#);
    becomes(
        &body,
        &format!(r#"{{"code":0,"data":{{"<key of 1 characters>":{}}}}}"#, "9".repeat(40)),
    );
}

/// A field that is repeated with another value has none; with the same it has it.
#[test]
fn what_is_the_same_stays_the_same() {
    becomes(
        r#"{"code":0,"data":{"text":"one"},"data":{"text":"two"}}"#,
        r#"{"code":0,"data":{"text":"<text of 3 characters>"},"data":{"text":"<text no. 2 of 3 characters>"}}"#,
    );
    becomes(
        r#"{"code":0,"data":{"text":"one"},"data":{"text":"one"}}"#,
        r#"{"code":0,"data":{"text":"<text of 3 characters>"},"data":{"text":"<text of 3 characters>"}}"#,
    );
    becomes(
        r#"{"code":0,"data":{"nodeList":[{"keyId":"a"},{"keyId":"b"},{"keyId":"a"}]}}"#,
        concat!(
            r#"{"code":0,"#,
            r#""data":{"nodeList":[{"keyId":"<text of 1 characters>"},{"keyId":"<text no. 2 of 1 characters>"},"#,
            r#"{"keyId":"<text of 1 characters>"}]}}"#,
        ),
    );
}

/// What a text says decides, and not how it is spelt; only a field that is repeated is told by its spelling.
#[test]
fn escapes_are_read_as_the_decoder_reads_them() {
    becomes(
        r#"{"code":0,"data":{"recallNum":"\u0035","total":"\f0","size":"\b","text":"\u0041nn"}}"#,
        r#"{"code":0,"data":{"recallNum":"\u0035","total":"\f0","size":"\b","text":"<text of 3 characters>"}}"#,
    );
    becomes(
        r#"{"code":0,"data":{"nodeList":[{"keyId":"ab"},{"keyId":"\u0061b"},{"keyId":"a\u0062"},{"keyId":"\u0061b"}]}}"#,
        concat!(
            r#"{"code":0,"data":{"nodeList":[{"keyId":"<text of 2 characters>"},{"keyId":"\u003ctext of 2 characters>"},"#,
            r#"{"keyId":"<\u0074ext of 2 characters>"},{"keyId":"\u003ctext of 2 characters>"}]}}"#,
        ),
    );
    becomes(
        r#"{"code":0,"data":{"keyId":"a","keyId":"\u0061"}}"#,
        r#"{"code":0,"data":{"keyId":"<text of 1 characters>","keyId":"\u003ctext of 1 characters>"}}"#,
    );
}

#[test]
fn what_is_odd_about_an_answer_stays() {
    let body = b"\xef\xbb\xbf{ \"code\" : 0,\r\n\"data\":{\"recallNum\":NaN,\"total\":-Infinity,\
        \"text\":\"one\ntwo\",\"smsContent\":\"cut \xe4\xbd\",\"keyId\":\"\t5\"}}";
    assert_eq!(
        reads_alike(body),
        "\u{feff}{ \"code\" : 0,\r\n\"data\":{\"recallNum\":NaN,\"total\":-Infinity,\
         \"text\":\"<text of 7 characters, with raw control characters>\",\
         \"smsContent\":\"<text of 5 characters, not UTF-8>\",\"keyId\":\"\t5\"}}"
    );
    // A key that no reader can read spoils the answer, a text that none can read does not.
    for body in [
        r#"{"code":0,"data":{"text":"\ud83d"}}"#,
        r#"{"code":0,"data":{"\ud83d":1}}"#,
    ] {
        assert!(
            reads_alike(body.as_bytes()).contains(r"half a character: \ud800"),
            "{body}"
        );
    }
    let bare = redact(b"{\"code\":0,\"data\":{\"status\":\"\x1b[2J\"}}");
    assert!(!bare.contains('\x1b'), "{bare:?}");
}

#[test]
fn what_is_not_json_is_told_by_what_it_is() {
    let nested = format!("{}1{}", "[".repeat(100), "]".repeat(100));
    for (body, told) in [
        (&b""[..], "<nothing of 0 bytes>"),
        (b" \n", "<nothing of 2 bytes>"),
        (b"<!DOCTYPE html><p>Ann", "<HTML of 21 bytes>"),
        (b"<?xml version='1.0'?>", "<markup of 21 bytes>"),
        (
            b"{\"code\":0,\"data\":{\"text\":\"An",
            "<JSON that ends too early of 28 bytes>",
        ),
        (b"{\"code\":0,}", "<what begins like JSON of 11 bytes>"),
        (b"Ann", "<text of 3 bytes>"),
        (b"\x00\xff\xfe", "<binary data of 3 bytes>"),
        (nested.as_bytes(), "<JSON that is nested absurdly of 201 bytes>"),
    ] {
        assert_eq!(reads_alike(body), told);
    }
}

/// A text of a customer, in letters that no name and no sentence of ours has.
fn customers_text() -> impl Strategy<Value = String> {
    "[ÄÖÜQXZ字📞]{4,12}|[1-8]{4,15}"
}

/// A value as it stands in an answer: what a field should hold, and what it should not.
fn value() -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        (-3_i64..12).prop_map(|number| number.to_string()),
        (-3_i64..12).prop_map(|number| format!("\"{number}\"")),
        prop::sample::select(vec![
            "null", "\"\"", "\" \"", "true", "2.0", "\"3.0\"", "1e2", "NaN", "\"+5\"", "[]", "{}", "1e300"
        ])
        .prop_map(str::to_owned),
        customers_text().prop_map(|text| format!("\"{text}\"")),
        "[A-F]{1,3}".prop_map(|text| format!("\"{text}\"")),
    ];
    scalar.prop_recursive(3, 24, 4, |value| {
        prop_oneof![
            prop::collection::vec(value.clone(), 0..4).prop_map(|values| format!("[{}]", values.join(" , "))),
            prop::collection::vec((name(), value), 0..6).prop_map(object),
        ]
    })
}

fn name() -> impl Strategy<Value = String> {
    let documented: Vec<_> = ResponseField::ALL
        .iter()
        .map(|field| field.label().to_owned())
        .collect();
    prop_oneof![8 => prop::sample::select(documented), 1 => customers_text()]
}

fn object(fields: Vec<(String, String)>) -> String {
    let fields: Vec<_> = fields
        .iter()
        .map(|(name, value)| format!("\"{name}\": {value}"))
        .collect();
    format!("{{{}}}", fields.join(","))
}

fn answer() -> impl Strategy<Value = String> {
    let node = prop::collection::vec((name(), value()), 0..4).prop_map(object);
    let nodes = prop::collection::vec(node, 0..5).prop_map(|nodes| format!("[{}]", nodes.join(",")));
    let list = prop::sample::select(vec!["nodeList", "records"]).prop_map(str::to_owned);
    let data = prop::collection::vec(prop_oneof![4 => (name(), value()), 1 => (list, nodes)], 0..8).prop_map(object);
    let code = prop_oneof![4 => Just("0".to_owned()), 1 => value()];
    (code, customers_text(), data, prop::option::of((name(), value()))).prop_map(|(code, words, data, more)| {
        let mut fields = vec![
            ("code".to_owned(), code),
            ("msg".to_owned(), format!("\"{words}\"")),
            ("data".to_owned(), data),
        ];
        fields.extend(more);
        object(fields)
    })
}

/// Every run of four characters of a customer's in this body: all but names, numbers and punctuation are theirs.
fn runs(texts: &[String]) -> impl Iterator<Item = String> {
    texts.iter().flat_map(|text| {
        let characters: Vec<_> = text.chars().collect();
        let runs: Vec<String> = characters.windows(4).map(|run| run.iter().collect()).collect();
        runs
    })
}

proptest! {
    #[test]
    fn an_answer_reads_as_before(answer in answer()) {
        let redacted = redact(answer.as_bytes());
        prop_assert_eq!(reading(redacted.as_bytes()), reading(answer.as_bytes()), "{}\n{}", answer, redacted);
    }

    #[test]
    fn no_letters_of_a_customer_survive(answer in answer()) {
        let redacted = redact(answer.as_bytes());
        prop_assert!(!redacted.contains(['Ä', 'Ö', 'Ü', 'Q', 'X', 'Z', '字', '📞']), "{}\n{}", answer, redacted);
    }

    #[test]
    fn nothing_of_a_text_survives_where_none_is_documented_to_be_a_number(
        texts in prop::array::uniform5(customers_text()),
        number in 1_000_u64..8_000_000_000,
    ) {
        let [msg, text, sender, key, deep] = &texts;
        let body = format!(
            r#"{{"code":0,"msg":"{msg}","data":{{
               "text":"{text}","senderId":"{sender}","{key}":["{deep}",{{"x":"{deep}{msg}"}},{number}]}}}}"#
        );
        let redacted = redact(body.as_bytes());
        for run in runs(&texts) {
            prop_assert!(!redacted.contains(&run), "{} of {} in {}", run, body, redacted);
        }
        let nines = "9".repeat(number.to_string().len());
        prop_assert!(redacted.contains(&format!(",{nines}]")), "{}", redacted);
    }

    #[test]
    fn whatever_comes_it_ends_and_reads_as_before(body in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert_eq!(reading(redact(&body).as_bytes()), reading(&body));
    }

    #[test]
    fn damage_to_an_answer_changes_no_reading(
        answer in answer(),
        place in any::<prop::sample::Index>(),
        damage in prop::collection::vec(any::<u8>(), 0..4),
        removed in 0_usize..6,
    ) {
        let mut body = answer.into_bytes();
        let start = place.index(body.len());
        let end = (start + removed).min(body.len());
        body.splice(start..end, damage);
        let redacted = redact(&body);
        prop_assert_eq!(reading(redacted.as_bytes()), reading(&body), "{}\n{}", String::from_utf8_lossy(&body), redacted);
    }
}

/// Equal readings prove something only where there is something to read.
#[test]
fn a_reading_tells() {
    let read =
        reading(br#"{"code":0,"data":{"status":4,"nodeList":[{"keyId":"a","nodeStatus":2},{"keyId":"a"}]}}"#).unwrap();
    assert_eq!(read.page.status, Some(Status::ExecutionException));
    assert_eq!(read.same, [0, 0]);
}
