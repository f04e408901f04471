//! Gathers the nodes of one flow over the pages that the vendor hands out.

use std::collections::HashMap;

use crate::api::FlowPage;
use crate::model::{CountByStatus, FlowReport, Status};

/// Pages asked for in one poll, the first included.
const MAX_PAGES: u32 = 10;

/// The page size that further pages are asked for with.
const PAGE_SIZE: i64 = 100;

/// What one poll has gathered so far.
#[derive(Debug)]
pub(super) struct Gathered {
    first: FlowPage,
    /// Nodes by their `keyId`: counted once, whatever page they stand on.
    keyed: HashMap<i64, Status>,
    /// Nodes without a key, of the first answer only: on a later page they could not be told from a repetition.
    anonymous: CountByStatus,
    pages: u32,
    /// The next page at [`PAGE_SIZE`] to ask for.
    next: u32,
    /// Whether page 1 at [`PAGE_SIZE`] is still to be asked for.
    first_page_missing: bool,
    repeats: bool,
}

impl Gathered {
    /// Starts with the answer to the documented request, which names no page.
    pub(super) fn new(first: FlowPage) -> Self {
        let mut anonymous = CountByStatus::default();
        let mut keyed = HashMap::with_capacity(first.nodes.len());
        for node in &first.nodes {
            match node.key_id {
                Some(key) => {
                    keyed.insert(key, node.status);
                }
                None => anonymous.add(node.status),
            }
        }
        Self {
            first,
            keyed,
            anonymous,
            pages: 1,
            next: 2,
            first_page_missing: false,
            repeats: false,
        }
    }

    /// The page to ask for next, if the vendor says that there are more nodes and more asking may help.
    pub(super) fn next_page(&self) -> Option<u32> {
        if self.repeats || self.pages >= MAX_PAGES || !self.incomplete() {
            None
        } else if self.first_page_missing {
            Some(1)
        } else {
            Some(self.next)
        }
    }

    /// Takes the answer to [`Self::next_page`] in.
    pub(super) fn add(&mut self, page: &FlowPage) {
        self.pages += 1;
        if self.first_page_missing {
            self.first_page_missing = false;
        } else {
            // The documented request names no page size. A vendor that now uses ours has renumbered its pages, so that what
            // stands between its first page and our second is on our first.
            self.first_page_missing = self.pages == 2 && page.size == Some(PAGE_SIZE) && self.first.size != page.size;
            self.next += 1;
        }
        let before = self.keyed.len();
        self.keyed
            .extend(page.nodes.iter().filter_map(|node| Some((node.key_id?, node.status))));
        self.repeats = self.keyed.len() == before && !self.first_page_missing;
    }

    /// Whether the vendor gave the same nodes again when asked for another page.
    pub(super) fn repeats(&self) -> bool {
        self.repeats
    }

    /// How many requests were needed.
    pub(super) fn pages(&self) -> u32 {
        self.pages
    }

    /// The whole, as far as it was handed out.
    pub(super) fn report(&self) -> FlowReport {
        let mut nodes = self.anonymous;
        for status in self.keyed.values() {
            nodes.add(*status);
        }
        FlowReport {
            status: self.first.status,
            recall_type: self.first.recall_type,
            recall_attempts: self.first.recall_attempts,
            recall_interval_minutes: self.first.recall_interval_minutes,
            nodes,
            nodes_truncated: self.incomplete(),
        }
    }

    /// Whether the vendor says that there are more nodes than it handed out.
    fn incomplete(&self) -> bool {
        let have = self.keyed.len() as u64 + u64::from(self.anonymous.total());
        match (self.first.total, self.first.pages) {
            (Some(total), _) => u64::try_from(total).is_ok_and(|total| total > have),
            (None, Some(pages)) => pages > i64::from(self.pages),
            (None, None) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Node;
    use crate::model::RecallType;

    fn page(keys: std::ops::RangeInclusive<i64>, size: i64, total: i64) -> FlowPage {
        FlowPage {
            key_id: None,
            status: Status::InProgress,
            recall_type: RecallType::Unknown,
            recall_attempts: None,
            recall_interval_minutes: None,
            nodes: keys
                .map(|key| Node {
                    key_id: Some(key),
                    status: Status::Completed,
                })
                .collect(),
            total: Some(total),
            pages: Some((total + size - 1) / size),
            size: Some(size),
        }
    }

    /// Asks until nothing more is to be asked; returns the pages asked for and how many nodes came.
    fn gather(first: FlowPage, answer: impl Fn(i64) -> FlowPage) -> (Vec<u32>, u32, bool) {
        let mut gathered = Gathered::new(first);
        let mut asked = Vec::new();
        while let Some(number) = gathered.next_page() {
            asked.push(number);
            gathered.add(&answer(i64::from(number)));
        }
        let report = gathered.report();
        (asked, report.nodes.total(), report.nodes_truncated)
    }

    fn slice(number: i64, size: i64, total: i64) -> FlowPage {
        page((number - 1) * size + 1..=(number * size).min(total), size, total)
    }

    #[test]
    fn one_answer_with_everything_asks_nothing_more() {
        assert_eq!(gather(page(1..=3, 10, 3), |_| unreachable!()), (vec![], 3, false));
    }

    #[test]
    fn further_pages_are_asked_for_until_all_nodes_are_there() {
        let (asked, nodes, truncated) = gather(slice(1, 100, 250), |number| slice(number, 100, 250));
        assert_eq!((asked, nodes, truncated), (vec![2, 3], 250, false));
    }

    /// The vendor's example: one node a page by default, so our pages of 100 are numbered anew.
    #[test]
    fn a_vendor_that_takes_our_page_size_is_asked_for_its_first_page_too() {
        let (asked, nodes, truncated) = gather(slice(1, 1, 574), |number| slice(number, 100, 574));
        assert_eq!((asked, nodes, truncated), (vec![2, 1, 3, 4, 5, 6], 574, false));
    }

    /// All nodes fit on our first page, so our second one is empty.
    #[test]
    fn a_vendor_that_takes_our_page_size_may_have_nothing_on_page_two() {
        let (asked, nodes, truncated) = gather(slice(1, 4, 10), |number| slice(number, 100, 10));
        assert_eq!((asked, nodes, truncated), (vec![2, 1], 10, false));
    }

    #[test]
    fn a_vendor_with_pages_of_its_own_size_is_followed() {
        let (asked, nodes, truncated) = gather(slice(1, 2, 5), |number| slice(number, 2, 5));
        assert_eq!((asked, nodes, truncated), (vec![2, 3], 5, false));
    }

    #[test]
    fn a_vendor_that_repeats_itself_is_asked_once() {
        let (asked, nodes, truncated) = gather(slice(1, 10, 50), |_| slice(1, 10, 50));
        assert_eq!((asked, nodes, truncated), (vec![2], 10, true));
    }

    #[test]
    fn ten_pages_are_enough() {
        let (asked, nodes, truncated) = gather(slice(1, 100, 5000), |number| slice(number, 100, 5000));
        assert_eq!((asked, nodes, truncated), ((2..=10).collect(), 1000, true));
    }

    #[test]
    fn pages_alone_say_that_there_is_more() {
        let mut first = page(1..=2, 2, 6);
        first.total = None;
        assert!(Gathered::new(first).report().nodes_truncated);
    }
}
