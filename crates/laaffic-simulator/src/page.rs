//! What the calls that answer with a list have in common: how a page is asked for, and how it is answered.

use std::ops::RangeInclusive;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::endpoint::{PARAMETER_EXCEPTION, fields};
use crate::list_dialect::TotalForm;
use crate::request::RequestContext;
use crate::times::{LocalTime, ZoneOffset};

/// How many records a page may have.
const SIZES: RangeInclusive<u64> = 1..=100;

/// The size of every page where the server takes no notice of `size`.
const OWN_SIZE: u64 = 10;

/// Which page is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PageRequest {
    /// From 1.
    current: u64,
    size: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body<P> {
    current: u64,
    size: u64,
    params: P,
}

/// When that was made which is asked for: both ends are among it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) from: LocalTime,
    pub(crate) to: LocalTime,
}

/// What goes wrong with lists alone.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ListFaults {
    /// By how many records the list has moved towards its end between two pages; negative is towards its beginning.
    pub(crate) moved: i64,
    /// Every second record of a page has no key.
    pub(crate) keyless: bool,
    /// There is nothing in it.
    pub(crate) empty: bool,
}

impl Window {
    /// The Unix seconds that are within.
    pub(crate) fn seconds(self, zone: ZoneOffset) -> RangeInclusive<i64> {
        self.from.unix(zone)..=self.to.unix(zone)
    }
}

impl PageRequest {
    /// The page that a request's body asks for, and what of it is peculiar to its call; `None` where anything is not as documented.
    pub(crate) fn parse<P: DeserializeOwned>(body: &[u8]) -> Option<(Self, P)> {
        let Body { current, size, params } = serde_json::from_slice(body).ok()?;
        let is_possible = current >= 1 && SIZES.contains(&size);
        is_possible.then_some((Self { current, size }, params))
    }

    pub(crate) fn number(self) -> u64 {
        self.current
    }

    /// The page of these rows, the newest first, or the code of a refusal. A record is made of those rows only that are on it; `key` is
    /// the name of the field that tells records apart.
    pub(crate) fn answer<Row>(
        self,
        context: &RequestContext,
        oldest_first: &[Row],
        key: &str,
        record: impl FnMut(&Row) -> Option<Map<String, Value>>,
    ) -> Result<Value, i64> {
        if context.dialect.refuses_paging {
            return Err(PARAMETER_EXCEPTION);
        }
        let rows = if context.list_faults.empty { &[] } else { oldest_first };
        let Self { current, size } = self.in_force(context);
        let (skip, take) = (Self { current, size }.skip(context.list_faults.moved), count(size));
        let mut records: Vec<_> = rows.iter().rev().skip(skip).take(take).filter_map(record).collect();
        if context.list_faults.keyless {
            take_keys(&mut records, key);
        }
        let total = total(context, rows.len() as u64, size);
        let paging = json!({ "records": records, "total": total, "size": size, "current": current });
        let mut data = fields(paging);
        if !context.lists.omits_pages {
            data.insert("pages".into(), json!(total.div_ceil(size)));
        }
        if context.dialect.extras {
            data.insert("searchCount".into(), json!(true));
            data.insert("orders".into(), json!([]));
        }
        Ok(Value::Object(data))
    }

    /// The page that is answered, whatever was asked for.
    fn in_force(self, context: &RequestContext) -> Self {
        if context.dialect.ignores_current {
            let size = u64::from(context.dialect.page_size.max(1));
            return Self { current: 1, size };
        }
        let size = if context.lists.ignores_size {
            OWN_SIZE
        } else {
            self.size
        };
        Self { size, ..self }
    }

    /// How many records come before it, if the list has moved by so many from each page to the next.
    fn skip(self, moved: i64) -> usize {
        let pages_before = self.current - 1;
        let moved = moved.saturating_mul(i64::try_from(pages_before).unwrap_or(i64::MAX));
        let before = pages_before.saturating_mul(self.size);
        count(before.saturating_add_signed(moved.saturating_neg()))
    }
}

fn total(context: &RequestContext, rows: u64, page: u64) -> u64 {
    let total = match context.lists.total {
        TotalForm::Right => rows,
        TotalForm::Overstated => rows + page,
        TotalForm::Understated => rows.saturating_sub(page),
    };
    total + u64::from(context.dialect.overstates_total)
}

/// Once absent and once null: the two ways of not saying.
fn take_keys(records: &mut [Map<String, Value>], key: &str) {
    for pair in records.chunks_mut(4) {
        let mut pair = pair.iter_mut().step_by(2);
        if let Some(record) = pair.next() {
            record.remove(key);
        }
        if let Some(record) = pair.next() {
            record.insert(key.to_owned(), Value::Null);
        }
    }
}

fn count(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::Dialect;
    use crate::list_dialect::ListDialect;

    fn page(current: u64, size: u64) -> PageRequest {
        PageRequest { current, size }
    }

    fn record(row: &u64) -> Option<Map<String, Value>> {
        Some(Map::from_iter([("keyId".to_owned(), json!(row))]))
    }

    /// The page of the rows from 1 to so many.
    fn answer(context: &RequestContext, rows: u64, page: PageRequest) -> Value {
        let rows: Vec<_> = (1..=rows).collect();
        page.answer(context, &rows, "keyId", record).unwrap()
    }

    fn keys(answer: &Value) -> Vec<&Value> {
        let records = answer["records"].as_array().unwrap();
        records.iter().map(|record| &record["keyId"]).collect()
    }

    fn lists(lists: ListDialect) -> RequestContext {
        RequestContext {
            lists,
            ..RequestContext::default()
        }
    }

    fn faults(list_faults: ListFaults) -> RequestContext {
        RequestContext {
            list_faults,
            ..RequestContext::default()
        }
    }

    #[test]
    fn bodies() {
        let parsed = PageRequest::parse::<Vec<u8>>(br#"{"current":2,"size":100,"params":[7]}"#);
        assert_eq!(parsed, Some((page(2, 100), vec![7])));
        for wrong in [
            r#"{"current":0,"size":10,"params":[]}"#,
            r#"{"current":-1,"size":10,"params":[]}"#,
            r#"{"current":"1","size":10,"params":[]}"#,
            r#"{"current":1,"size":0,"params":[]}"#,
            r#"{"current":1,"size":101,"params":[]}"#,
            r#"{"current":1,"size":10.0,"params":[]}"#,
            r#"{"current":1,"size":10}"#,
            r#"{"size":10,"params":[]}"#,
            r#"{"current":1,"params":[]}"#,
            r#"{"current":1,"size":10,"params":[],"more":1}"#,
            r#"{"current":1,"size":10,"params":{}}"#,
            "[]",
            "",
            "{",
        ] {
            assert_eq!(PageRequest::parse::<Vec<u8>>(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn pages_have_the_newest_first_and_the_documented_fields() {
        let context = RequestContext::default();
        assert_eq!(
            answer(&context, 5, page(2, 2)),
            json!({ "records": [{ "keyId": 3 }, { "keyId": 2 }], "total": 5, "size": 2, "current": 2, "pages": 3 })
        );
        assert_eq!(keys(&answer(&context, 5, page(3, 2))), [1]);
        assert!(keys(&answer(&context, 5, page(4, 2))).is_empty());
        assert!(keys(&answer(&context, 5, page(u64::MAX, 100))).is_empty());
        let none = answer(&context, 0, page(1, 2));
        assert_eq!((&none["total"], &none["pages"]), (&json!(0), &json!(0)));
    }

    #[test]
    fn records_are_made_for_the_page_alone() {
        let rows: Vec<u64> = (1..=100_000).collect();
        for (current, expected) in [(1, 100), (500, 100), (1_000, 100), (1_001, 0)] {
            let mut made = 0;
            let count = |row: &u64| {
                made += 1;
                record(row)
            };
            let answer = page(current, 100).answer(&RequestContext::default(), &rows, "keyId", count);
            assert_eq!(answer.unwrap()["total"], 100_000);
            assert_eq!(made, expected, "{current}");
        }
    }

    #[test]
    fn what_a_dialect_does_to_pages() {
        let totals = |total| {
            let answer = answer(
                &lists(ListDialect {
                    total,
                    ..ListDialect::default()
                }),
                5,
                page(2, 2),
            );
            let numbers = [&answer["total"], &answer["pages"]].map(|number| number.as_u64().unwrap());
            (numbers, keys(&answer).len())
        };
        assert_eq!(totals(TotalForm::Overstated), ([7, 4], 2));
        assert_eq!(totals(TotalForm::Understated), ([3, 2], 2));

        let omits_pages = lists(ListDialect {
            omits_pages: true,
            ..ListDialect::default()
        });
        assert_eq!(answer(&omits_pages, 5, page(1, 2)).get("pages"), None);
        let ignores_size = lists(ListDialect {
            ignores_size: true,
            ..ListDialect::default()
        });
        let second = answer(&ignores_size, 25, page(2, 100));
        assert_eq!((keys(&second)[0], keys(&second).len()), (&json!(15), 10));
        assert_eq!((&second["size"], &second["pages"]), (&json!(10), &json!(3)));

        let dialect = |dialect| RequestContext {
            dialect,
            ..RequestContext::default()
        };
        let ignores_current = dialect(Dialect {
            ignores_current: true,
            page_size: 3,
            overstates_total: true,
            extras: true,
            ..Dialect::default()
        });
        let first = answer(&ignores_current, 5, page(2, 2));
        assert_eq!(keys(&first), [5, 4, 3]);
        assert_eq!((&first["current"], &first["total"]), (&json!(1), &json!(6)));
        assert!(first["searchCount"].is_boolean());
        let refuses = dialect(Dialect {
            refuses_paging: true,
            ..Dialect::default()
        });
        assert_eq!(page(1, 2).answer(&refuses, &[1], "keyId", record), Err(-22));
    }

    #[test]
    fn what_faults_do_to_lists() {
        let moved = |moved| {
            let context = faults(ListFaults {
                moved,
                ..ListFaults::default()
            });
            let pages = [1, 2, 3].map(|current| answer(&context, 9, page(current, 3)));
            pages.each_ref().map(|page| {
                let keys = keys(page).into_iter();
                keys.map(ToString::to_string).collect::<String>()
            })
        };
        assert_eq!(moved(0), ["987", "654", "321"]);
        // The last of each page comes again on the next.
        assert_eq!(moved(1), ["987", "765", "543"]);
        // The first of each further page is on none.
        assert_eq!(moved(-1), ["987", "543", "1"]);
        assert_eq!(moved(i64::MAX), ["987", "987", "987"]);
        assert_eq!(moved(i64::MIN), ["987", "", ""]);

        let keyless = faults(ListFaults {
            keyless: true,
            ..ListFaults::default()
        });
        let answer_without = answer(&keyless, 6, page(1, 6));
        assert_eq!(
            answer_without["records"],
            json!([{}, { "keyId": 5 }, { "keyId": null }, { "keyId": 3 }, {}, { "keyId": 1 }])
        );
        let empty = faults(ListFaults {
            empty: true,
            ..ListFaults::default()
        });
        let nothing = answer(&empty, 6, page(1, 6));
        assert_eq!((&nothing["records"], &nothing["total"]), (&json!([]), &json!(0)));
    }
}
