//! A page of an account's group calls: the answers to the group call query.

use super::envelope::with_data;
use super::fields::Reader;
use super::json::Object;
use super::page::Page;
use crate::api::Error;
use crate::model::{GroupCall, ResponseField};

/// One answer to the group call query.
pub type CallsPage = Page<GroupCall>;

/// Decodes a whole response body.
///
/// # Errors
/// As [`super::decode`].
pub fn decode_calls(body: &[u8]) -> Result<CallsPage, Error> {
    with_data(body, |data, reader| Page::read(data, reader, read))
}

fn read(record: &Object<'_>, reader: &mut Reader) -> Option<GroupCall> {
    let task = reader.task(record, ResponseField::TaskId);
    let task = task.or_else(|| reader.task(record, ResponseField::JobId));
    if task.is_none() {
        // Not there, or no key: either way nobody can say whose numbers these are.
        reader.odd(ResponseField::TaskId);
    }
    Some(GroupCall {
        task: task?,
        status: reader.int(record, ResponseField::Status),
        numbers: reader.amount(record, ResponseField::NumCnt, 1),
        success: reader.amount(record, ResponseField::Success, 1),
        fail: reader.amount(record, ResponseField::Fail, 1),
        created: reader.moment(record, ResponseField::CreatedTime),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{TaskId, WrittenTime};

    fn page(json: &str) -> CallsPage {
        decode_calls(json.as_bytes()).unwrap()
    }

    fn unreadable(page: &CallsPage) -> Vec<ResponseField> {
        page.unreadable.iter().collect()
    }

    fn call(task: i64) -> GroupCall {
        GroupCall {
            task: TaskId::Number(task),
            status: None,
            numbers: None,
            success: None,
            fail: None,
            created: None,
        }
    }

    /// The fields of the vendor's page, in its order.
    #[test]
    fn the_documented_form() {
        let page = page(
            r#"{"code":"0","msg":"success","data":{"total":574,"size":100,"current":1,"pages":6,"records":[
               {"taskId":900123,"taskName":"collections-overdue","status":1,"rate":"50.00%","numCnt":1000,"callNum":500,
                "success":320,"fail":175,"createdTime":"2025-11-24 08:00:00"},
               {"taskId":900124,"taskName":null,"status":null,"rate":null,"numCnt":null,"callNum":null,"success":null,"fail":null,
                "createdTime":null}]}}"#,
        );
        assert_eq!((page.total, page.pages, page.size), (Some(574), Some(6), Some(100)));
        let expected = GroupCall {
            status: Some(1),
            numbers: Some(1000),
            success: Some(320),
            fail: Some(175),
            created: Some(WrittenTime::Local(1_763_971_200)),
            ..call(900_123)
        };
        assert_eq!(page.items, Some(vec![expected, call(900_124)]));
        assert!(page.unreadable.is_empty());
    }

    #[test]
    fn the_other_envelope_the_older_name_and_numbers_as_texts() {
        let page = page(
            r#"{"status":0,"reason":"ok","data":{"total":"1","pages":"1","records":[
               {"jobId":"900123","status":"9","numCnt":"10","success":"3","fail":"0","createdTime":1763971200000},
               {"taskId":"","jobId":"T-9"}]}}"#,
        );
        let calls = page.items.unwrap();
        assert_eq!(
            calls[0],
            GroupCall {
                status: Some(9),
                numbers: Some(10),
                success: Some(3),
                fail: Some(0),
                created: Some(WrittenTime::Unix(1_763_971_200)),
                ..call(900_123)
            }
        );
        assert_eq!(Some(calls[1].task), TaskId::of_words("T-9"));
        assert!(page.unreadable.is_empty());
    }

    #[test]
    fn a_record_without_a_key_is_unreadable_and_the_rest_is_used() {
        let page = page(
            r#"{"code":0,"data":{"records":[{"taskName":"nobody"},{"taskId":0},{"taskId":[]},{"taskId":null},7,null,{"taskId":5}]}}"#,
        );
        assert_eq!(page.items, Some(vec![call(5)]));
        assert_eq!(page.records, 6, "nothing in the place of a record is none");
        assert_eq!(unreadable(&page), [ResponseField::Records, ResponseField::TaskId]);
    }

    #[test]
    fn an_odd_field_spoils_itself_alone() {
        let page = page(
            r#"{"code":0,"data":{"pages":-1,"records":[{"taskId":5,"status":"done","numCnt":-1,"success":1.5,"fail":"many",
               "createdTime":"soon"},{"taskId":6,"status":2,"numCnt":7}]}}"#,
        );
        let second = GroupCall {
            status: Some(2),
            numbers: Some(7),
            ..call(6)
        };
        assert_eq!(page.items, Some(vec![call(5), second]));
        assert_eq!(
            unreadable(&page),
            [
                ResponseField::Status,
                ResponseField::Pages,
                ResponseField::CreatedTime,
                ResponseField::NumCnt,
                ResponseField::Success,
                ResponseField::Fail
            ]
        );
    }

    #[test]
    fn an_empty_list_is_a_list_and_none_is_none() {
        assert_eq!(page(r#"{"code":0,"data":{"records":[]}}"#).items, Some(Vec::new()));
        assert_eq!(page(r#"{"code":0,"data":{"total":0}}"#).items, None);
    }

    #[test]
    fn failures_are_those_of_every_answer() {
        for (body, complaint) in [
            (
                r#"{"code":-22,"msg":"x","data":null}"#,
                "the API answered code -22 (parameter_exception)",
            ),
            (r#"{"code":0,"data":null}"#, "the API answered code 0 without data"),
            ("<html>", "not the documented answer: not JSON at line 1 column 1"),
        ] {
            assert_eq!(decode_calls(body.as_bytes()).unwrap_err().to_string(), complaint);
        }
    }
}
