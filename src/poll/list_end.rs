//! Where a list ends that comes in pages.

use crate::api::{LIST_PAGE_SIZE, Page};

/// How far a list has been read, page after page.
#[derive(Debug)]
pub(super) struct ListEnd {
    /// Pages so far.
    pages: u32,
    /// How many records there were so far, those that were there twice included.
    records: usize,
    /// How many records a full page has.
    page_size: usize,
}

impl Default for ListEnd {
    fn default() -> Self {
        Self {
            pages: 0,
            records: 0,
            page_size: LIST_PAGE_SIZE as usize,
        }
    }
}

impl ListEnd {
    /// How many pages were read.
    pub(super) fn pages(&self) -> u32 {
        self.pages
    }

    /// How many records were on them.
    pub(super) fn records(&self) -> usize {
        self.records
    }

    /// Takes the next page in; whether it is the last. What the vendor says of how much there is may be wrong, so it is believed only where
    /// the page itself does not say otherwise: one that is full is followed by another, unless the records and the pages so far are exactly
    /// those that there are.
    pub(super) fn takes<T>(&mut self, page: &Page<T>) -> bool {
        self.pages += 1;
        self.records += page.records;
        if self.pages == 1 {
            // A server that hands out fewer than it was asked for may say so, or else it shows.
            let said = page.size.and_then(|size| size.try_into().ok()).filter(|size| *size > 0);
            self.page_size = said.unwrap_or(page.records).clamp(1, LIST_PAGE_SIZE as usize);
        }
        let total = page.total.map(|total| usize::try_from(total).unwrap_or(usize::MAX));
        let says_more = total.is_some_and(|total| total > self.records)
            || page.pages.is_some_and(|pages| pages > i64::from(self.pages));
        match (page.records, page.records >= self.page_size) {
            (0, _) => true,
            (_, false) => !says_more,
            (_, true) => !says_more && total == Some(self.records) && page.pages.is_some(),
        }
    }
}
