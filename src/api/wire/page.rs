//! A page of a list: what all lists of the platform have in common.

use super::fields::Reader;
use super::json::Object;
use crate::model::{ResponseField, UnreadableFields};

/// One answer to a call that hands a list out in pages. `None` is "not reported".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// What this page has, in its order; records that nobody can say of what they are are left out. `None` where the answer has no list.
    pub items: Option<Vec<T>>,
    /// How many records the page had, those that could not be read included.
    pub records: usize,
    /// `total`: how many records there are over all pages; at least 0.
    pub total: Option<i64>,
    /// `pages`: how many pages there are at the answer's page size; at least 0.
    pub pages: Option<i64>,
    /// `size`: the answer's page size.
    pub size: Option<i64>,
    /// What was there and could not be read.
    pub unreadable: UnreadableFields,
}

impl<T> Default for Page<T> {
    fn default() -> Self {
        Self {
            items: None,
            records: 0,
            total: None,
            pages: None,
            size: None,
            unreadable: UnreadableFields::default(),
        }
    }
}

impl<T> Page<T> {
    /// Reads a page whose records are read by `read`; what that gives nothing for is left out.
    pub(super) fn read(
        data: &Object<'_>,
        mut reader: Reader,
        read: impl Fn(&Object<'_>, &mut Reader) -> Option<T>,
    ) -> Self {
        let mut page = Self {
            total: reader.amount(data, ResponseField::Total, 1),
            pages: reader.amount(data, ResponseField::Pages, 1),
            size: reader.int(data, ResponseField::Size),
            ..Self::default()
        };
        page.items = reader.list(data, ResponseField::Records).map(|records| {
            let item = |record| {
                page.records += 1;
                let record = Object::of(record);
                if record.is_none() {
                    reader.odd(ResponseField::Records);
                }
                read(&record?, &mut reader)
            };
            records.filter_map(item).collect()
        });
        page.unreadable = reader.unreadable();
        page
    }
}
