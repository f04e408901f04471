//! What the list of group calls is asked for (group call query).

use serde_json::json;

use super::list_query::{LIST_PAGE_SIZE, written};

/// The group calls that were created within this window, as the platform's own clock shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallsQuery {
    /// From when on: seconds from 1970 on, as if the platform's zone were UTC.
    pub from: i64,
    /// Until when, the same way.
    pub until: i64,
}

impl CallsQuery {
    /// The request for a page (from 1). The filters that the vendor's page has are left out: a round matters whatever its status.
    pub(super) fn body(self, page: u32) -> String {
        let params = json!({ "strTime": written(self.from), "endTime": written(self.until) });
        json!({ "current": page, "size": LIST_PAGE_SIZE, "params": params }).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As on the vendor's page.
    #[test]
    fn bodies() {
        let query = CallsQuery {
            from: 1_763_971_200,
            until: 1_763_974_799,
        };
        let body: serde_json::Value = serde_json::from_str(&query.body(3)).unwrap();
        let params = json!({ "strTime": "2025-11-24 08:00:00", "endTime": "2025-11-24 08:59:59" });
        assert_eq!(body, json!({ "current": 3, "size": 100, "params": params }));
    }
}
