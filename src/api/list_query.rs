//! What a list of flows is asked for (queryPage).

use jiff::SignedDuration;
use serde_json::json;

use super::wire::BEGINNING;

/// How the vendor writes a moment, without a zone.
const FORMAT: &str = "%Y-%m-%d %H:%M:%S";

/// Most records on a page that the vendor hands out.
pub const LIST_PAGE_SIZE: u32 = 100;

/// The flows that were created within this window, as the platform's own clock shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListQuery {
    /// From when on: seconds from 1970 on, as if the platform's zone were UTC.
    pub from: i64,
    /// Until when, the same way.
    pub until: i64,
    /// The vendor's own filter on the parent task: fuzzy on its name, or exact on its id.
    pub task_name: Option<String>,
}

impl ListQuery {
    /// The request for a page (from 1).
    pub(super) fn body(&self, page: u32) -> String {
        let mut params = json!({ "strTime": written(self.from), "endTime": written(self.until) });
        if let (Some(task_name), Some(params)) = (&self.task_name, params.as_object_mut()) {
            params.insert("taskName".to_owned(), task_name.as_str().into());
        }
        json!({ "current": page, "size": LIST_PAGE_SIZE, "params": params }).to_string()
    }
}

/// A moment in the vendor's form: seconds from 1970 on, as if its zone were UTC; the nearest that it can write.
pub fn written(seconds: i64) -> String {
    // Adding ends at the year 9999.
    let since = SignedDuration::from_secs(seconds.max(0));
    BEGINNING.saturating_add(since).strftime(FORMAT).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As on the vendor's page.
    #[test]
    fn bodies() {
        let query = ListQuery {
            from: 1_763_971_200,
            until: 1_763_974_799,
            task_name: None,
        };
        let body: serde_json::Value = serde_json::from_str(&query.body(3)).unwrap();
        let params = json!({ "strTime": "2025-11-24 08:00:00", "endTime": "2025-11-24 08:59:59" });
        assert_eq!(body, json!({ "current": 3, "size": 100, "params": params }));

        let task_name = Some("say \"hello\"".to_owned());
        let body: serde_json::Value = serde_json::from_str(&ListQuery { task_name, ..query }.body(1)).unwrap();
        assert_eq!(body["params"]["taskName"], "say \"hello\"");
    }

    #[test]
    fn moments_that_cannot_be_written_are_the_nearest_that_can() {
        assert_eq!(written(i64::MIN), "1970-01-01 00:00:00");
        assert_eq!(written(i64::MAX), "9999-12-31 23:59:59");
    }
}
