//! Gathers the nodes of one flow over the pages that the vendor hands out.
//!
//! The documented request names no page, and some answers are pages all the same. So further pages are asked for as long as they bring
//! something, and what one poll counts is what all its pages handed out.

use std::collections::HashMap;

use crate::api::{FlowPage, Node, NodeKey};
use crate::model::{CountByStatus, FlowReport, Nodes, Status, UnreadableFields};

/// Pages asked for in one poll, the first included.
pub(super) const MAX_PAGES: u32 = 10;

/// The page size that further pages are asked for with.
const PAGE_SIZE: i64 = 100;

/// `recallNum` is at most 10 (vendor page), and a node is one recall.
const MOST_NODES_OF_A_FLOW: u64 = 10;

/// What one poll has gathered so far.
#[derive(Debug)]
pub(super) struct Gathered {
    /// The answer to the documented request, without its nodes.
    first: FlowPage,
    /// Whether any answer handed nodes out, be it none of them.
    any: bool,
    /// Nodes by their key: counted once, whatever page they stand on.
    keyed: HashMap<NodeKey, Status>,
    /// Nodes without a key, which can be told from a repetition only as a whole page.
    anonymous: CountByStatus,
    /// The nodes of the last page.
    last: Vec<Node>,
    /// What the vendor says of how much there is, as of the last answer that did.
    total: Option<i64>,
    pages_there_are: Option<i64>,
    unreadable: UnreadableFields,
    /// Answers so far.
    pages: u32,
    /// Of the further ones, how many brought something new.
    helpful: u32,
    /// The page to ask for next, by the vendor's counting.
    next: u32,
    /// Whether page 1 at [`PAGE_SIZE`] is still to be asked for.
    first_page_missing: bool,
    ended: bool,
}

impl Gathered {
    /// Starts with the answer to the documented request.
    pub(super) fn new(mut first: FlowPage) -> Self {
        let nodes = first.nodes.take();
        let mut gathered = Self {
            any: nodes.is_some(),
            keyed: HashMap::new(),
            anonymous: CountByStatus::default(),
            last: Vec::new(),
            total: first.total,
            pages_there_are: first.pages,
            unreadable: first.unreadable,
            pages: 1,
            helpful: 0,
            next: 2,
            first_page_missing: false,
            ended: nodes.is_none(),
            first,
        };
        gathered.count(nodes.unwrap_or_default(), false);
        gathered
    }

    /// The page to ask for next, if the vendor says that there are more nodes and more asking may help.
    pub(super) fn next_page(&self) -> Option<u32> {
        if self.ended || self.pages >= MAX_PAGES || !self.incomplete() {
            None
        } else if self.first_page_missing {
            Some(1)
        } else {
            Some(self.next)
        }
    }

    /// Takes the answer to [`Self::next_page`] in.
    pub(super) fn add(&mut self, mut page: FlowPage) {
        self.pages += 1;
        self.unreadable.extend(page.unreadable);
        self.total = page.total.filter(|total| *total > 0).or(self.total);
        self.pages_there_are = page.pages.or(self.pages_there_are);
        let nodes = page.nodes.take().unwrap_or_default();
        let asked = if self.first_page_missing { 1 } else { self.next };
        if self.first_page_missing {
            self.first_page_missing = false;
        } else {
            // The documented request names no page size. A vendor that now uses ours has numbered its pages anew, so that what stands
            // between its first page and our second is on our first.
            self.first_page_missing = self.pages == 2 && page.size == Some(PAGE_SIZE) && self.first.size != page.size;
            self.next += 1;
        }
        // A vendor that honours no page number gives the same page again, and may say which one that is.
        let is_repetition = page
            .current
            .map_or(nodes == self.last, |current| current != i64::from(asked));
        if self.count(nodes, is_repetition) {
            self.helpful += 1;
        } else {
            // Nothing, or nothing new: the end, unless our first page is still to be seen.
            self.ended = !self.first_page_missing;
        }
    }

    /// Counts the nodes of a page; whether any of them is new.
    fn count(&mut self, nodes: Vec<Node>, is_repetition: bool) -> bool {
        let before = self.have();
        for node in &nodes {
            match node.key {
                Some(key) => drop(self.keyed.insert(key, node.status)),
                None if !is_repetition => self.anonymous.add(node.status),
                None => {}
            }
        }
        self.last = nodes;
        self.have() > before
    }

    /// How many requests were needed.
    pub(super) fn pages(&self) -> u32 {
        self.pages
    }

    /// How many further pages brought nodes that were not known.
    pub(super) fn helpful_pages(&self) -> u32 {
        self.helpful
    }

    /// Whether asking ended because the vendor handed nothing new out, although it says that there is more.
    pub(super) fn in_vain(&self) -> bool {
        self.ended && self.pages > 1 && self.incomplete()
    }

    /// The whole, as far as it was handed out.
    pub(super) fn report(&self) -> FlowReport {
        // A page that names no flow may be of all flows.
        let names_its_flow = self.first.key_id.is_some() || self.first.status.is_some();
        let is_of_several = !names_its_flow && self.have() > MOST_NODES_OF_A_FLOW;
        let nodes = || {
            let mut by_status = self.anonymous;
            self.keyed.values().for_each(|status| by_status.add(*status));
            Nodes {
                by_status,
                reported: self.total,
                truncated: self.incomplete() || is_of_several,
            }
        };
        FlowReport {
            status: self.first.status,
            recall_type: self.first.recall_type,
            recall_attempts: self.first.recall_attempts,
            recall_interval_seconds: self.first.recall_interval_seconds,
            nodes: self.any.then(nodes),
            unreadable: self.unreadable,
        }
    }

    fn have(&self) -> u64 {
        self.keyed.len() as u64 + u64::from(self.anonymous.total())
    }

    /// Whether the vendor says that there are more nodes than it handed out. Where it says how many there are, that decides, unless it
    /// says none and hands some out; otherwise the number of pages does.
    fn incomplete(&self) -> bool {
        match (self.total.filter(|total| *total > 0), self.pages_there_are) {
            (Some(total), _) => total.unsigned_abs() > self.have(),
            (None, Some(pages)) => pages >= i64::from(self.next),
            (None, None) => false,
        }
    }
}
