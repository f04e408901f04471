use super::*;
use crate::model::{ApiCode, TaskId};

fn page(json: &str) -> FlowPage {
    decode(json.as_bytes()).unwrap()
}

fn node(key: i64, status: Status) -> Node {
    Node {
        key: Some(NodeKey::Number(key)),
        status,
        task: None,
    }
}

/// The same as the group call of this number.
fn ran_as(task: i64, node: Node) -> Node {
    Node {
        task: Some(TaskId::Number(task)),
        ..node
    }
}

fn complaint(body: &[u8]) -> String {
    decode(body).unwrap_err().to_string()
}

/// The documented shape: flow fields and `nodeList` (vendor page, response parameters).
#[test]
fn the_documented_shape() {
    let page = page(
        r#"{"code":"0","msg":"success","data":{"keyId":12,"recallInterval":30,"recallNum":3,"recallType":1,"status":1,
           "nodeList":[{"keyId":1,"taskId":9,"nodeStatus":2,"text":"hello"},{"keyId":2,"taskId":null,"nodeStatus":0}]}}"#,
    );
    assert_eq!(page.key_id, Some(12));
    assert_eq!(page.status, Some(Status::InProgress));
    assert_eq!(page.recall_type, Some(RecallType::Failed));
    assert_eq!(
        (page.recall_attempts, page.recall_interval_seconds),
        (Some(3), Some(1800))
    );
    assert_eq!(
        page.nodes,
        Some(vec![ran_as(9, node(1, Status::Completed)), node(2, Status::Pending)])
    );
    assert!(page.unreadable.is_empty());
}

/// The example at the foot of the vendor's page, word for word: a page of nodes and no flow fields at all.
#[test]
fn the_example_of_the_vendors_page() {
    let page = page(include_str!("../../../../tests/fixtures/api/vendor_example.json"));
    assert_eq!((page.key_id, page.status), (None, None));
    assert_eq!((page.total, page.pages), (Some(574), Some(574)));
    assert_eq!(page.nodes, Some(vec![ran_as(5_009_612, node(1427, Status::Completed))]));
}

#[test]
fn flow_fields_nodes_and_paging_in_one() {
    let page = page(
        r#"{"status":0,"reason":"ok","data":{"keyId":"12","status":"4","recallNum":"3","nodeList":[{"keyId":"5","nodeStatus":"7"}],
           "total":"1","size":10,"current":1,"pages":1}}"#,
    );
    assert_eq!(page.status, Some(Status::ExecutionException));
    assert_eq!(page.nodes, Some(vec![node(5, Status::Unknown(Some(7)))]));
    assert_eq!(page.total, Some(1));
}

#[test]
fn nulls_absent_fields_and_unknown_fields_are_fine() {
    let bare = page(r#"{"code":0,"data":{}}"#);
    assert_eq!(bare, FlowPage::default());
    for nothing in [
        r#"{"status":null,"nodeList":null,"recallNum":"","recallInterval":" ","brandNew":{"a":[1]}}"#,
        r#"{"nodeList":"","records":null}"#,
    ] {
        assert_eq!(page(&format!(r#"{{"code":0,"data":{nothing}}}"#)), bare, "{nothing}");
    }
    assert_eq!(page(r#"{"code":0,"data":{"records":[null]}}"#).nodes, Some(vec![]));
    assert_eq!(page(r#"{"code":null,"status":0,"data":{}}"#), bare);
    assert_eq!(page(r#"{"code":0,"data":{"recallNum":3.0}}"#).recall_attempts, Some(3));
}

#[test]
fn a_code_other_than_0_wins_over_whatever_data_is() {
    for body in [
        r#"{"code":-22,"msg":"Parameter exception"}"#,
        r#"{"code":"-22","data":null}"#,
        r#"{"status":"-22","reason":"x","data":"nothing"}"#,
        r#"{"data":[[]],"code":-22}"#,
    ] {
        match decode(body.as_bytes()) {
            Err(Error::Code(code)) => assert_eq!(code, ApiCode::PARAMETER_EXCEPTION, "{body}"),
            other => panic!("{body}: {other:?}"),
        }
    }
}

#[test]
fn anything_else_is_refused_without_quoting_it() {
    let cut = br#"{"code":0,"data":{"text":"SECRET-TEXT"#;
    assert_eq!(
        complaint(cut),
        "not the documented answer: ends too early at line 1 column 37"
    );
    assert_eq!(complaint(b""), "not the documented answer: empty body");
    assert_eq!(complaint(b" \n"), "not the documented answer: empty body");
    assert_eq!(
        complaint(b"<html>SECRET-TEXT</html>"),
        "not the documented answer: not JSON at line 1 column 1"
    );
    assert_eq!(complaint(br#"{"msg":"x"}"#), "not the documented answer: no code");
    for (wrong, why) in [
        (r#"{"code":0,"data":"SECRET-TEXT"}"#, "data is not an object"),
        (r#"{"code":0,"data":["SECRET-TEXT"]}"#, "data is not an object"),
        (r#"{"code":0,"data":{"a":1},"data":{"a":2}}"#, "data is there twice"),
        (r#"{"code":0,"code":-1,"data":{}}"#, "a code that is not a whole number"),
        (
            r#"{"code":"SECRET-TEXT","data":{}}"#,
            "a code that is not a whole number",
        ),
        (r#"{"code":0.5,"data":{}}"#, "a code that is not a whole number"),
        (r#"{"status":"SECRET-TEXT","data":{}}"#, "no code"),
        (r#"[0,null,{"status":1}]"#, "not an object at line 1 column 0"),
        ("7", "not an object at line 1 column 1"),
    ] {
        assert_eq!(
            complaint(wrong.as_bytes()),
            format!("not the documented answer: {why}"),
            "{wrong}"
        );
    }
}

/// Code 0, and nothing: the vendor knows no such flow.
#[test]
fn a_success_without_data_is_no_data() {
    for body in [
        r#"{"code":0,"data":null}"#,
        r#"{"code":"0"}"#,
        r#"{"code":0,"data":""}"#,
        r#"{"status":0,"reason":"ok","data":[ ]}"#,
    ] {
        assert!(matches!(decode(body.as_bytes()), Err(Error::NoData)), "{body}");
    }
}

/// Each odd field is told by its name and spoils nothing else.
#[test]
fn an_odd_field_spoils_itself_alone() {
    use ResponseField as Field;
    for (odd, field) in [
        (r#""recallInterval":7.5"#, Field::RecallInterval),
        (r#""recallInterval":-5"#, Field::RecallInterval),
        (r#""recallInterval":9223372036854775807"#, Field::RecallInterval),
        (r#""recallNum":"three""#, Field::RecallNum),
        (r#""recallNum":"3.0""#, Field::RecallNum),
        (r#""recallNum":-1"#, Field::RecallNum),
        (r#""recallNum":NaN"#, Field::RecallNum),
        (r#""recallNum":-Infinity"#, Field::RecallNum),
        (r#""recallNum":1e300"#, Field::RecallNum),
        (r#""recallNum":99999999999999999999"#, Field::RecallNum),
        (r#""recallNum":3,"recallNum":4"#, Field::RecallNum),
        (r#""recallType":true"#, Field::RecallType),
        (r#""keyId":"0b5c2a6e-uuid""#, Field::KeyId),
        (r#""total":-1"#, Field::Total),
        (r#""total":[1]"#, Field::Total),
        (r#""pages":{}"#, Field::Pages),
        (r#""size":"many""#, Field::Size),
        (r#""current":"first""#, Field::Current),
        (r#""records":{}"#, Field::Records),
        (r#""records":"none""#, Field::Records),
        (r#""records":["SECRET-TEXT"]"#, Field::Records),
    ] {
        let page = page(&format!(
            r#"{{"code":0,"data":{{"status":4,"nodeList":[{{"keyId":7,"nodeStatus":2}}],{odd}}}}}"#
        ));
        assert_eq!(page.unreadable.iter().collect::<Vec<_>>(), [field], "{odd}");
        assert_eq!(page.status, Some(Status::ExecutionException), "{odd}");
        assert_eq!(page.nodes, Some(vec![node(7, Status::Completed)]), "{odd}");
        let odd_one = [
            page.recall_attempts,
            page.recall_interval_seconds,
            page.total,
            page.pages,
        ];
        assert_eq!(odd_one, [None; 4], "{odd}");
    }
    let status = page(r#"{"code":0,"data":{"status":"four","recallNum":3}}"#);
    assert_eq!((status.status, status.recall_attempts), (None, Some(3)));
    let list = page(r#"{"code":0,"data":{"status":4,"nodeList":{}}}"#);
    assert_eq!((list.status, list.nodes), (Some(Status::ExecutionException), None));
    let words = page(r#"{"code":0,"status":"success","data":{"status":4}}"#);
    assert_eq!(words.unreadable.iter().collect::<Vec<_>>(), [Field::Status]);
}

/// What is written in another way and means the same is read.
#[test]
fn what_can_mean_one_number_only_is_that_number() {
    for three in ["3", "\"3\"", "\" 3 \"", "3.0", "3e0", "3,\"recallNum\":3"] {
        let page = page(&format!(r#"{{"code":0,"data":{{"recallNum":{three}}}}}"#));
        assert_eq!(
            (page.recall_attempts, page.unreadable.is_empty()),
            (Some(3), true),
            "{three}"
        );
    }
}

/// Keys of nodes are compared, and no more: whatever they look like, one tells its node from others.
#[test]
fn the_key_of_a_node_may_be_anything() {
    let page = page(
        r#"{"code":0,"data":{"records":[{"keyId":18446744073709551616,"nodeStatus":2},{"keyId":18446744073709551617},
           {"keyId":"18446744073709551616"},{"keyId":"0b5c2a6e"},{}]}}"#,
    );
    let keys: Vec<_> = page.nodes.unwrap().into_iter().map(|node| node.key).collect();
    assert_eq!(keys[0], keys[2], "as a number or as a text");
    assert!(keys[0] != keys[1] && keys[1] != keys[3] && keys[3].is_some());
    assert_eq!(keys[4], None);
}

/// Customers' texts hold what customers type, and what a database cut off.
#[test]
fn damage_within_a_text_harms_nothing() {
    for body in [
        &b"\xef\xbb\xbf{\"code\":0,\"data\":{\"status\":4}}"[..],
        b"{\"code\":0,\"msg\":\"cut off \xe4\xbd\",\"data\":{\"status\":4}}",
        b"{\"code\":0,\"msg\":\"two\nlines\t\x00 and NaN \\\" \",\"data\":{\"status\":4}}",
        b"{\"code\":0,\"data\":{\"status\":4,\"text\":\"\\ud800\"}}",
    ] {
        let page = decode(body).unwrap();
        assert_eq!(page.status, Some(Status::ExecutionException), "{}", body.escape_ascii());
        assert!(page.unreadable.is_empty(), "{}", body.escape_ascii());
    }
}

#[test]
fn absurd_nesting_is_refused_even_where_it_would_be_skipped() {
    let deep = format!(
        r#"{{"code":0,"data":{{"extra":{}{}}}}}"#,
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    assert_eq!(
        complaint(deep.as_bytes()),
        "not the documented answer: nested deeper than 64"
    );
    let brackets_in_text = format!(r#"{{"code":0,"data":{{"text":"{}\""}}}}"#, "[".repeat(1000));
    assert!(decode(brackets_in_text.as_bytes()).is_ok());
}
