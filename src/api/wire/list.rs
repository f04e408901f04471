//! A page of an account's flows: the answers to queryPage.

use super::envelope::with_data;
use super::fields::Reader;
use super::json::Object;
use super::page::Page;
use crate::api::Error;
use crate::model::{KeyId, RecallType, ResponseField, Status, WrittenTime};

/// One answer to queryPage.
pub type ListPage = Page<ListedFlow>;

/// What a list says of one flow. `None` is "not reported".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedFlow {
    /// `keyId`
    pub key_id: KeyId,
    /// `taskId` of the group call that the flow belongs to: a name, only ever compared and shown.
    pub task_id: Option<Box<str>>,
    /// `taskName` of the same, for people; data from outside.
    pub name: Option<Box<str>>,
    /// `createTime`
    pub created: Option<WrittenTime>,
    /// `recallType`
    pub recall_type: Option<RecallType>,
    /// `recallNum`: planned recall attempts; at least 0.
    pub recall_attempts: Option<i64>,
    /// `recallInterval` in seconds (there in minutes); at least 0.
    pub recall_interval_seconds: Option<i64>,
    /// `finishNum`: recalls completed so far; at least 0.
    pub recall_attempts_completed: Option<i64>,
    /// `status`
    pub status: Option<Status>,
}

/// Decodes a whole response body.
///
/// # Errors
/// As [`super::decode`].
pub fn decode_list(body: &[u8]) -> Result<ListPage, Error> {
    with_data(body, |data, reader| Page::read(data, reader, ListedFlow::read))
}

impl ListedFlow {
    /// A flow of which nothing else is said.
    pub fn new(key_id: KeyId) -> Self {
        Self {
            key_id,
            task_id: None,
            name: None,
            created: None,
            recall_type: None,
            recall_attempts: None,
            recall_interval_seconds: None,
            recall_attempts_completed: None,
            status: None,
        }
    }

    fn read(record: &Object<'_>, reader: &mut Reader) -> Option<Self> {
        let key_id = reader.int(record, ResponseField::KeyId);
        let key_id = key_id.and_then(|number| KeyId::new(number.try_into().ok()?));
        if key_id.is_none() {
            // Not there, or no key: either way nobody can say which flow it is.
            reader.odd(ResponseField::KeyId);
        }
        Some(Self {
            key_id: key_id?,
            task_id: reader.words(record, ResponseField::TaskId),
            name: reader.words(record, ResponseField::TaskName),
            created: reader.moment(record, ResponseField::CreateTime),
            recall_type: reader.recall_type(record),
            recall_attempts: reader.amount(record, ResponseField::RecallNum, 1),
            recall_interval_seconds: reader.amount(record, ResponseField::RecallInterval, 60),
            recall_attempts_completed: reader.amount(record, ResponseField::FinishNum, 1),
            status: reader.status(record),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(json: &str) -> ListPage {
        decode_list(json.as_bytes()).unwrap()
    }

    fn unreadable(page: &ListPage) -> Vec<ResponseField> {
        page.unreadable.iter().collect()
    }

    /// The fields of the vendor's page, in its order.
    #[test]
    fn the_documented_form() {
        let page = page(
            r#"{"code":"0","msg":"success","data":{"total":574,"size":100,"current":1,"pages":6,"records":[
               {"keyId":12,"taskId":900123,"taskName":"collections-overdue","createTime":"2025-11-24 08:00:00","recallType":1,
                "recallInterval":30,"recallNum":3,"finishNum":2,"status":1},
               {"keyId":13,"taskId":null,"taskName":null,"createTime":null,"recallType":null,"recallInterval":null,"recallNum":null,
                "finishNum":null,"status":null}]}}"#,
        );
        assert_eq!((page.total, page.pages, page.size), (Some(574), Some(6), Some(100)));
        let expected = ListedFlow {
            key_id: KeyId::new(12).unwrap(),
            task_id: Some("900123".into()),
            name: Some("collections-overdue".into()),
            created: Some(WrittenTime::Local(1_763_971_200)),
            recall_type: Some(RecallType::Failed),
            recall_attempts: Some(3),
            recall_interval_seconds: Some(1800),
            recall_attempts_completed: Some(2),
            status: Some(Status::InProgress),
        };
        let said_nothing = ListedFlow::new(KeyId::new(13).unwrap());
        assert_eq!(page.items, Some(vec![expected, said_nothing]));
        assert!(page.unreadable.is_empty());
    }

    #[test]
    fn the_other_envelope_and_numbers_as_texts() {
        let page = page(
            r#"{"status":0,"reason":"ok","data":{"total":"1","pages":"1","records":[
               {"keyId":"12","taskId":"T-9","taskName":42,"createTime":1763971200000,"finishNum":"0","status":"7"}]}}"#,
        );
        let flows = page.items.unwrap();
        assert_eq!(flows[0].task_id.as_deref(), Some("T-9"));
        assert_eq!(flows[0].name.as_deref(), Some("42"));
        assert_eq!(flows[0].created, Some(WrittenTime::Unix(1_763_971_200)));
        assert_eq!(flows[0].status, Some(Status::Unknown(Some(7))));
        assert_eq!(flows[0].recall_attempts_completed, Some(0));
    }

    #[test]
    fn a_record_without_a_key_is_unreadable_and_the_rest_is_used() {
        let page = page(
            r#"{"code":0,"data":{"records":[{"taskName":"nobody"},{"keyId":0},{"keyId":"x"},{"keyId":-3},7,null,{"keyId":5}]}}"#,
        );
        assert_eq!(page.items.as_ref().unwrap().len(), 1);
        assert_eq!(page.records, 6, "nothing in the place of a record is none");
        assert_eq!(unreadable(&page), [ResponseField::KeyId, ResponseField::Records]);
    }

    #[test]
    fn an_odd_field_spoils_itself_alone() {
        let page = page(
            r#"{"code":0,"data":{"total":-1,"records":[{"keyId":5,"taskName":["a"],"createTime":"soon","finishNum":-1,"status":2}]}}"#,
        );
        let flow = &page.items.as_ref().unwrap()[0];
        assert_eq!(
            (flow.status, &flow.name, flow.created),
            (Some(Status::Completed), &None, None)
        );
        assert_eq!(
            unreadable(&page),
            [
                ResponseField::Total,
                ResponseField::TaskName,
                ResponseField::CreateTime,
                ResponseField::FinishNum
            ]
        );
    }

    #[test]
    fn a_name_is_one_line_without_control_characters() {
        let page = page(r#"{"code":0,"data":{"records":[{"keyId":5,"taskName":"a\u001b[31mb\nc\u2028d"}]}}"#);
        assert_eq!(page.items.unwrap()[0].name.as_deref(), Some("a [31mb c d"));
    }

    #[test]
    fn a_name_is_cut_and_one_of_blanks_is_none() {
        let page = page(&format!(
            r#"{{"code":0,"data":{{"records":[{{"keyId":5,"taskName":" {} "}},{{"keyId":6,"taskName":"  "}}]}}}}"#,
            r"\u00fc".repeat(500)
        ));
        let flows = page.items.unwrap();
        assert_eq!(flows[0].name.as_deref(), Some(&*"ü".repeat(200)));
        assert_eq!(flows[1].name, None);
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
            assert_eq!(decode_list(body.as_bytes()).unwrap_err().to_string(), complaint);
        }
    }
}
