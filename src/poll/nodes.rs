//! Gathers the nodes of one flow over the pages that the vendor hands out.
//!
//! The documented request names no page, and some answers are pages all the same. So further pages are asked for as long as they bring
//! something, and what one poll counts is what all its pages handed out.

use std::collections::HashMap;

use crate::api::{FlowPage, Node, NodeKey};
use crate::model::{CountByStatus, FlowReport, Nodes, Status, TaskId, UnreadableFields};

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
    /// The group calls that the nodes ran as, in the order in which the nodes came, with their keys; no more than a flow has.
    tasks: Vec<(Option<NodeKey>, Option<TaskId>)>,
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
            tasks: Vec::new(),
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
        // A page 2 that says how many pages there are at our size says nothing of what is on our first.
        let first_is_due = self.first_page_missing && self.said().is_none();
        if self.ended || self.pages >= MAX_PAGES || !(self.incomplete() || first_is_due) {
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
            if self.first_page_missing {
                // What has no key is on that page once more.
                self.anonymous = CountByStatus::default();
                self.tasks.retain(|(key, _)| key.is_some());
            }
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
                None => continue,
            }
            self.note_task(node);
        }
        self.last = nodes;
        self.have() > before
    }

    fn note_task(&mut self, node: &Node) {
        let is_full = self.tasks.len() as u64 >= MOST_NODES_OF_A_FLOW;
        let mut known = self.tasks.iter_mut();
        match known.find(|(key, _)| key.is_some() && *key == node.key) {
            Some((_, task)) => *task = node.task,
            None if is_full => {}
            None => self.tasks.push((node.key, node.task)),
        }
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

    /// The group calls that the rounds ran as, in their order; none where the nodes may be those of several flows. `None` where no nodes were
    /// handed out.
    pub(super) fn tasks(&self) -> Option<Vec<Option<TaskId>>> {
        let tasks = || match self.is_of_several() {
            true => Vec::new(),
            false => self.tasks.iter().map(|(_, task)| *task).collect(),
        };
        self.any.then(tasks)
    }

    /// A page that names no flow may be of all flows.
    fn is_of_several(&self) -> bool {
        let names_its_flow = self.first.key_id.is_some() || self.first.status.is_some();
        !names_its_flow && self.have() > MOST_NODES_OF_A_FLOW
    }

    /// The whole, as far as it was handed out.
    pub(super) fn report(&self) -> FlowReport {
        let nodes = || {
            let mut by_status = self.anonymous;
            self.keyed.values().for_each(|status| by_status.add(*status));
            Nodes {
                by_status,
                reported: self.total,
                truncated: self.incomplete() || self.is_of_several(),
            }
        };
        FlowReport {
            status: self.first.status,
            recall_type: self.first.recall_type,
            recall_attempts: self.first.recall_attempts,
            recall_interval_seconds: self.first.recall_interval_seconds,
            recall_attempts_completed: None,
            nodes: self.any.then(nodes),
            unreadable: self.unreadable,
        }
    }

    /// How many nodes the vendor says there are, where that can be so: some answers say 0 and hand some out.
    fn said(&self) -> Option<i64> {
        self.total.filter(|total| *total > 0)
    }

    fn have(&self) -> u64 {
        self.keyed.len() as u64 + u64::from(self.anonymous.total())
    }

    /// Whether the vendor says that there are more nodes than it handed out. Where it says how many there are, that decides, unless it
    /// says none and hands some out; otherwise the number of pages does.
    fn incomplete(&self) -> bool {
        match (self.said(), self.pages_there_are) {
            (Some(total), _) => total.unsigned_abs() > self.have(),
            (None, Some(pages)) => pages >= i64::from(self.next),
            (None, None) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How a vendor pages, where it does not do so as its answers say.
    #[derive(Clone, Copy, Default)]
    struct Pager {
        total: i64,
        /// What it says the total is, if not this.
        said: Option<Option<i64>>,
        says_pages: bool,
        says_current: bool,
        own_size: Option<i64>,
        ignores_size: bool,
        ignores_current: bool,
        keyless: bool,
        lost: i64,
    }

    impl Pager {
        fn page(self, number: Option<u32>) -> FlowPage {
            let own = self.own_size.unwrap_or(PAGE_SIZE);
            let size = if number.is_none() || self.ignores_size {
                own
            } else {
                PAGE_SIZE
            };
            let current = if self.ignores_current {
                1
            } else {
                i64::from(number.unwrap_or(1))
            };
            let there = self.total - self.lost;
            let keys = (current - 1) * size + 1..=(current * size).min(there);
            FlowPage {
                nodes: Some(
                    keys.map(|key| Node {
                        key: (!self.keyless).then_some(NodeKey::Number(key)),
                        status: Status::Completed,
                        task: TaskId::of_number(1000 + key),
                    })
                    .collect(),
                ),
                total: self.said.unwrap_or(Some(self.total)),
                pages: self.says_pages.then_some((self.total + size - 1) / size),
                size: Some(size),
                current: self.says_current.then_some(current),
                ..FlowPage::default()
            }
        }

        /// Asks until nothing more is to be asked: which pages, how many nodes came, whether that is less than all, and how many of the
        /// pages helped.
        fn gathered(self) -> (Vec<u32>, u32, bool, u32) {
            let mut gathered = Gathered::new(self.page(None));
            let mut asked = Vec::new();
            while let Some(number) = gathered.next_page() {
                asked.push(number);
                gathered.add(self.page(Some(number)));
            }
            let nodes = gathered.report().nodes.unwrap();
            (
                asked,
                nodes.by_status.total(),
                nodes.truncated,
                gathered.helpful_pages(),
            )
        }
    }

    fn of(total: i64) -> Pager {
        Pager {
            total,
            says_pages: true,
            ..Pager::default()
        }
    }

    #[test]
    fn what_is_handed_out_is_counted_whatever_the_pager() {
        let size = |own_size, pager: Pager| Pager {
            own_size: Some(own_size),
            ..pager
        };
        let keyless = |pager: Pager| Pager { keyless: true, ..pager };
        let says_current = |pager: Pager| Pager {
            says_current: true,
            ..pager
        };
        let said = |said, pager: Pager| Pager {
            said: Some(said),
            ..pager
        };
        for (what, pager, asked, nodes, helpful) in [
            ("everything at once", of(3), vec![], 3, 0),
            ("pages of our size", of(250), vec![2, 3], 250, 2),
            (
                "the vendor's example: one node a page, and our size when asked",
                size(1, of(574)),
                vec![2, 1, 3, 4, 5, 6],
                574,
                6,
            ),
            (
                "all of them on our first page, so that page 2 is empty",
                size(4, of(10)),
                vec![2, 1],
                10,
                1,
            ),
            (
                "pages of its own size",
                Pager {
                    ignores_size: true,
                    ..size(2, of(5))
                },
                vec![2, 3],
                5,
                2,
            ),
            (
                "the same page whatever is asked for",
                Pager {
                    ignores_current: true,
                    ..of(240)
                },
                vec![2],
                100,
                0,
            ),
            (
                "our size, but always page 1",
                Pager {
                    ignores_current: true,
                    ..size(1, of(574))
                },
                vec![2, 1],
                100,
                1,
            ),
            (
                "one node short of the total",
                Pager { lost: 1, ..of(240) },
                vec![2, 3, 4],
                239,
                2,
            ),
            ("no total, but pages", said(None, of(250)), vec![2, 3], 250, 2),
            (
                "no total, our size, and all on its first page",
                said(None, size(1, of(10))),
                vec![2, 1],
                10,
                1,
            ),
            (
                "a total of 0, and pages",
                said(Some(0), size(1, of(574))),
                vec![2, 1, 3, 4, 5, 6],
                574,
                6,
            ),
            ("nodes without keys on two pages", keyless(of(150)), vec![2], 150, 1),
            (
                "the same, page numbers said",
                says_current(keyless(of(200))),
                vec![2],
                200,
                1,
            ),
            (
                "without keys, always page 1",
                keyless(Pager {
                    ignores_current: true,
                    ..of(240)
                }),
                vec![2],
                100,
                0,
            ),
            (
                "without keys, at our size when asked",
                keyless(size(1, says_current(of(150)))),
                vec![2, 1],
                150,
                2,
            ),
            ("more than ten pages", of(5000), (2..=10).collect(), 1000, 9),
        ] {
            let (asked_for, came, truncated, helped) = pager.gathered();
            assert_eq!((asked_for, came, helped), (asked, nodes, helpful), "{what}");
            assert_eq!(truncated, came > 10 || i64::from(came) < pager.total, "{what}");
        }
    }

    /// The tasks that a flow of so many nodes has, numbered by the nodes.
    fn tasks(pager: Pager) -> Vec<Option<i64>> {
        let mut gathered = Gathered::new(pager.page(None));
        while let Some(number) = gathered.next_page() {
            gathered.add(pager.page(Some(number)));
        }
        let number = |task| match task {
            Some(TaskId::Number(number)) => Some(number - 1000),
            _ => None,
        };
        gathered.tasks().unwrap().into_iter().map(number).collect()
    }

    #[test]
    fn rounds_have_their_tasks_in_the_order_of_the_nodes_whatever_the_pager() {
        let ten: Vec<_> = (1..=10).map(Some).collect();
        let one_a_page = Pager {
            own_size: Some(1),
            says_current: true,
            ..of(10)
        };
        for pager in [of(10), one_a_page] {
            for keyless in [false, true] {
                assert_eq!(tasks(Pager { keyless, ..pager }), ten, "{keyless}");
            }
        }
        assert_eq!(tasks(of(3)), [Some(1), Some(2), Some(3)]);
        assert_eq!(tasks(of(11)), [], "nobody knows whose they are");
        let mut gathered = Gathered::new(of(1).page(None));
        let mut page = of(1).page(None);
        page.nodes.as_mut().unwrap()[0].task = None;
        gathered.count(page.nodes.unwrap(), true);
        assert_eq!(gathered.tasks(), Some(vec![None]), "the newer of the two");
    }

    #[test]
    fn a_page_that_names_its_flow_may_hold_many_nodes_and_one_that_does_not_hardly() {
        let page = of(12).page(None);
        assert!(Gathered::new(page.clone()).report().nodes.unwrap().truncated);
        let named = FlowPage {
            status: Some(Status::InProgress),
            ..page
        };
        let nodes = Gathered::new(named).report().nodes.unwrap();
        assert_eq!((nodes.truncated, nodes.reported), (false, Some(12)));
    }

    #[test]
    fn an_answer_without_nodes_reports_none_and_asks_for_none() {
        let bare = FlowPage {
            total: Some(574),
            ..FlowPage::default()
        };
        let gathered = Gathered::new(bare);
        assert_eq!((gathered.next_page(), gathered.report().nodes), (None, None));
    }
}
