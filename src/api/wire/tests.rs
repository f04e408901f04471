use super::*;

fn page(json: &str) -> FlowPage {
    decode(json.as_bytes()).unwrap()
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
    assert_eq!(page.status, Status::InProgress);
    assert_eq!(page.recall_type, RecallType::Failed);
    assert_eq!(
        (page.recall_attempts, page.recall_interval_minutes),
        (Some(3), Some(30))
    );
    let statuses: Vec<_> = page.nodes.iter().map(|node| node.status).collect();
    assert_eq!(statuses, [Status::Completed, Status::Pending]);
}

/// The example at the foot of the vendor's page, word for word: a page of nodes and no flow fields at all.
#[test]
fn the_example_of_the_vendors_page() {
    let page = page(include_str!("../../../tests/fixtures/api/vendor_example.json"));
    assert_eq!(page.status, Status::Unknown(None));
    assert_eq!((page.total, page.pages), (Some(574), Some(574)));
    assert_eq!(
        page.nodes,
        [Node {
            key_id: Some(1427),
            status: Status::Completed
        }]
    );
}

#[test]
fn flow_fields_nodes_and_paging_in_one() {
    let page = page(
        r#"{"status":0,"reason":"ok","data":{"keyId":"12","status":"4","recallNum":"3","nodeList":[{"keyId":"5","nodeStatus":"7"}],
           "total":"1","size":10,"current":1,"pages":1}}"#,
    );
    assert_eq!(page.status, Status::ExecutionException);
    assert_eq!(
        page.nodes.first().map(|node| node.status),
        Some(Status::Unknown(Some(7)))
    );
    assert_eq!(page.total, Some(1));
}

#[test]
fn nulls_absent_fields_and_unknown_fields_are_fine() {
    let bare = page(r#"{"code":0,"data":{}}"#);
    assert_eq!(bare.status, Status::Unknown(None));
    assert!(bare.nodes.is_empty());
    let nulls = page(
        r#"{"code":0,"data":{"status":null,"nodeList":null,"records":[null],"recallNum":"","brandNew":{"a":[1]}}}"#,
    );
    assert_eq!(nulls, bare);
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
        "not the documented answer: ends too early in the envelope at line 1 column 37"
    );
    assert_eq!(complaint(b""), "not the documented answer: empty body");
    assert_eq!(complaint(b" \n"), "not the documented answer: empty body");
    assert_eq!(
        complaint(b"<html>SECRET-TEXT</html>"),
        "not the documented answer: not JSON in the envelope at line 1 column 1"
    );
    assert_eq!(
        complaint(b"{\"code\":\xff}"),
        "not the documented answer: invalid UTF-8 at byte 8"
    );
    assert_eq!(complaint(br#"{"msg":"x"}"#), "not the documented answer: no code");
    assert_eq!(
        complaint(br#"{"code":0,"data":null}"#),
        "not the documented answer: code 0 without data"
    );
    for wrong in [
        r#"{"code":0,"data":[]}"#,
        r#"{"code":0,"data":"SECRET-TEXT"}"#,
        r#"{"code":0,"data":{"status":"SECRET-TEXT"}}"#,
        r#"{"code":0,"data":{"status":true}}"#,
        r#"{"code":0,"data":{"recallNum":2.5}}"#,
        r#"{"code":0,"data":{"recallNum":1e300}}"#,
        r#"{"code":0,"data":{"recallNum":99999999999999999999}}"#,
        r#"{"code":0,"data":{"nodeList":{}}}"#,
        r#"{"code":0,"data":{"nodeList":["SECRET-TEXT"]}}"#,
        r#"{"code":0,"data":{"nodeList":[[1,2]]}}"#,
        r#"[0,null,{"status":1}]"#,
        r#"{"code":0,"code":0,"data":{}}"#,
        r#"[]"#,
        "7",
    ] {
        let complaint = complaint(wrong.as_bytes());
        assert!(complaint.contains("wrong type or given twice"), "{wrong}: {complaint}");
        assert!(!complaint.contains("SECRET-TEXT"), "{wrong}: {complaint}");
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
