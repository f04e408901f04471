//! One reading of an account's list of flows: all its pages, as far as they are wanted.
//!
//! The list may change while it is read: a flow that is born moves all others on, so that one stands on two pages; one that goes leaves
//! another out. Each key is taken once, and that a flow was not there once means nothing.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::limiter::Purpose;
use super::list_end::ListEnd;
use super::progress::Progress;
use super::requests::{Call, Requests, Seen, Session, Turn};
use crate::api::{CallOptions, Client, ClockOffset, Error, Exchange, LIST_PAGE_SIZE, ListPage, ListQuery, ListedFlow};
use crate::config::NameRules;
use crate::model::{Endpoint, KeyId, Status, UnreadableFields};

/// However many flows the rules leave out, so many further pages are read for the sake of others.
const MOST_PAGES_DROPPED: usize = 100;

/// What is to be read.
#[derive(Debug, Clone)]
pub(super) struct ListRequest {
    pub(super) query: Arc<ListQuery>,
    /// Which flows are left out.
    pub(super) rules: NameRules,
    /// When no further page is asked for.
    pub(super) enough: Enough,
    /// On whose behalf.
    pub(super) purpose: Purpose,
    /// How long a single page may take, its retries included.
    pub(super) patience: Duration,
    /// What to add to our clock for signing.
    pub(super) clock_offset: ClockOffset,
}

/// How many flows are enough.
#[derive(Debug, Clone, Copy)]
pub(super) enum Enough {
    /// So many.
    Flows(usize),
    /// So many that are not over, or twice as many in all.
    GoingOn(usize),
}

/// What a reading of the list brought.
#[derive(Debug)]
pub(super) struct ListOutcome {
    /// The list, or why there is none: without one of its pages it is none.
    pub(super) result: Result<Listing, Error>,
    /// What its requests saw.
    pub(super) seen: Seen,
}

/// A list as it was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// The flows, each key once, in the order of the list.
    pub flows: Vec<ListedFlow>,
    /// How many flows the vendor says there are, as of the last page that said so.
    pub total: Option<i64>,
    /// Whether it was read to its end, and not only as far as was wanted.
    pub whole: bool,
    /// The flows that the rules have left out.
    pub dropped: HashSet<KeyId>,
    /// How many requests it took where all went well.
    pub pages: u32,
}

/// Reads the list.
pub(super) async fn read_list(session: &Session, request: &ListRequest) -> ListOutcome {
    let progress = Progress::new(Instant::now() + request.patience);
    let mut sent = Requests::new(session, request.purpose, &progress, request.clock_offset);
    let mut reading = Reading::new(request.rules.clone());
    let result = loop {
        let call = QueryPage {
            query: &request.query,
            page: reading.next(),
        };
        // The vendor wants to be left alone since the page before, or refuses somebody else.
        if reading.listing.pages > 0 && session.halted.is_cancelled() {
            break Err(Error::NotSent);
        }
        progress.extend(Instant::now() + request.patience);
        sent.renew_retries();
        match sent.answer(&call, Turn::Further).await {
            Err(error) => break Err(error),
            Ok(page) => reading.add(page),
        }
        if reading.listing.whole || reading.has_enough(request.enough) {
            break Ok(reading.listing);
        }
    };
    ListOutcome {
        result,
        seen: sent.seen(),
    }
}

/// A list that is being read.
#[derive(Debug, Default)]
struct Reading {
    listing: Listing,
    rules: NameRules,
    /// Where each flow stands in it.
    places: HashMap<KeyId, usize>,
    /// How many of the flows are not over.
    going_on: usize,
    /// How many records were left out.
    records_dropped: usize,
    /// How far it has been read.
    end: ListEnd,
}

impl Reading {
    fn new(rules: NameRules) -> Self {
        Self {
            listing: Listing::default(),
            rules,
            places: HashMap::new(),
            going_on: 0,
            records_dropped: 0,
            end: ListEnd::default(),
        }
    }

    /// The page to ask for.
    fn next(&self) -> u32 {
        self.end.pages() + 1
    }

    /// Takes the page in that was asked for.
    fn add(&mut self, page: ListPage) {
        let before = self.different();
        self.listing.total = page.total.or(self.listing.total);
        let is_end = self.end.takes(&page);
        self.listing.pages = self.end.pages();
        for flow in page.items.unwrap_or_default() {
            self.take(flow);
        }
        // A page without anything new is what a server gives that takes no notice of the page's number.
        self.listing.whole = is_end || self.different() == before;
    }

    /// How many flows there were so far.
    fn different(&self) -> usize {
        self.places.len() + self.listing.dropped.len()
    }

    fn take(&mut self, flow: ListedFlow) {
        if self.rules.drops(flow.name.as_deref().unwrap_or_default()) {
            self.records_dropped += 1;
            self.listing.dropped.insert(flow.key_id);
            return;
        }
        let place = self.places.get(&flow.key_id);
        match place.and_then(|place| self.listing.flows.get_mut(*place)) {
            // It has moved on, and this is the newer of the two.
            Some(before) => *before = flow,
            None => {
                self.going_on += usize::from(!flow.status.is_some_and(Status::is_terminal));
                self.places.insert(flow.key_id, self.listing.flows.len());
                self.listing.flows.push(flow);
            }
        }
    }

    /// Whether there are as many flows as are wanted, or so many pages have been read that there should be.
    fn has_enough(&self, enough: Enough) -> bool {
        let (flows, most_flows) = match enough {
            Enough::Flows(most) => (self.listing.flows.len(), most),
            Enough::GoingOn(most) => (self.going_on, most),
        };
        let records = self.end.records() - self.records_dropped;
        let most_dropped = most_flows.saturating_add(MOST_PAGES_DROPPED * LIST_PAGE_SIZE as usize);
        flows >= most_flows || records >= most_flows.saturating_mul(2) || self.records_dropped >= most_dropped
    }
}

/// One page (from 1) of the list.
struct QueryPage<'q> {
    query: &'q ListQuery,
    page: u32,
}

impl Call for QueryPage<'_> {
    type Answer = ListPage;
    const ENDPOINT: Endpoint = Endpoint::QueryPage;

    async fn send(&self, client: &Client, options: CallOptions<'_>) -> Exchange<ListPage> {
        client.query_page(self.query, self.page, options).await
    }

    fn accept(&self, page: ListPage) -> Result<ListPage, Error> {
        match page.items {
            // Without a list nobody can say that it has come to its end.
            None => Err(Error::NoData),
            Some(_) => Ok(page),
        }
    }

    fn unreadable(page: &ListPage) -> UnreadableFields {
        page.unreadable
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a server is like that has these flows.
    #[derive(Clone, Copy)]
    struct Server {
        flows: u64,
        size: u64,
        says_size: bool,
        says_pages: bool,
        /// How much `total` is off; `None` where it is not said.
        total_off_by: Option<i64>,
        ignores_page: bool,
    }

    const PROPER: Server = Server {
        flows: 250,
        size: 100,
        says_size: true,
        says_pages: true,
        total_off_by: Some(0),
        ignores_page: false,
    };

    fn flow(key: u64) -> ListedFlow {
        ListedFlow::new(KeyId::new(key).unwrap())
    }

    fn page(keys: impl Iterator<Item = u64>) -> ListPage {
        let flows: Vec<_> = keys.map(flow).collect();
        ListPage {
            records: flows.len(),
            items: Some(flows),
            ..ListPage::default()
        }
    }

    impl Server {
        fn page(self, number: u32) -> ListPage {
            let skipped = if self.ignores_page {
                0
            } else {
                u64::from(number - 1) * self.size
            };
            let last = (skipped + self.size).min(self.flows);
            ListPage {
                total: self.total_off_by.map(|off| self.flows as i64 + off),
                pages: self.says_pages.then(|| self.flows.div_ceil(self.size) as i64),
                size: self.says_size.then_some(self.size as i64),
                ..page(skipped + 1..=last)
            }
        }

        fn read(self) -> Listing {
            let mut reading = Reading::new(NameRules::default());
            while !reading.listing.whole {
                reading.add(self.page(reading.next()));
            }
            reading.listing
        }
    }

    #[test]
    fn every_server_is_read_to_its_end() {
        let servers = [250, 200, 101, 100, 99, 1, 0].into_iter().flat_map(|flows| {
            [100, 10].into_iter().flat_map(move |size| {
                [None, Some(0), Some(-1), Some(1), Some(-150)]
                    .into_iter()
                    .flat_map(move |total_off_by| {
                        [(true, true), (true, false), (false, true), (false, false)].map(|(says_size, says_pages)| {
                            Server {
                                flows,
                                size,
                                says_size,
                                says_pages,
                                total_off_by: total_off_by.map(|off: i64| off.max(-(flows as i64))),
                                ignores_page: false,
                            }
                        })
                    })
            })
        });
        for server in servers {
            let listing = server.read();
            let Server { flows, size, .. } = server;
            let told = format!(
                "{flows} flows, {size} a page, {:?}, {} {}",
                server.total_off_by, server.says_size, server.says_pages
            );
            assert_eq!(listing.flows.len() as u64, flows, "{told}");
            let pages = flows.div_ceil(size).max(1);
            assert!(
                (pages..=pages + 1).contains(&u64::from(listing.pages)),
                "{} pages; {told}",
                listing.pages
            );
        }
    }

    #[test]
    fn where_the_vendor_says_how_much_there_is_no_page_is_asked_for_in_vain() {
        for (flows, pages) in [(250, 3), (200, 2), (100, 1), (1, 1), (0, 1)] {
            assert_eq!(Server { flows, ..PROPER }.read().pages, pages, "{flows} flows");
        }
    }

    #[test]
    fn a_server_that_takes_no_notice_of_the_page_is_asked_once_more() {
        let listing = Server {
            ignores_page: true,
            ..PROPER
        }
        .read();
        assert_eq!((listing.flows.len(), listing.pages), (100, 2));
    }

    #[test]
    fn a_flow_that_moves_to_the_next_page_is_taken_once_and_as_it_was_last() {
        let mut reading = Reading::new(NameRules::default());
        let mut moved = page(1..=100);
        moved.total = Some(150);
        reading.add(moved);
        let mut rest = page(100..=150);
        rest.items.as_mut().unwrap()[0].recall_attempts_completed = Some(7);
        reading.add(rest);
        assert!(reading.listing.whole);
        let keys: Vec<_> = reading.listing.flows.iter().map(|flow| flow.key_id.get()).collect();
        assert_eq!(keys, (1..=150).collect::<Vec<_>>());
        assert_eq!(reading.listing.flows[99].recall_attempts_completed, Some(7));
    }

    #[test]
    fn a_list_without_end_ends_where_there_is_enough() {
        let mut reading = Reading::new(NameRules::default());
        let endless = Server {
            flows: 200_000,
            ..PROPER
        };
        while !reading.has_enough(Enough::Flows(2_000)) {
            reading.add(endless.page(reading.next()));
        }
        assert_eq!((reading.listing.flows.len(), reading.listing.pages), (2_000, 20));
        assert!(!reading.listing.whole);
        assert_eq!(reading.listing.total, Some(200_000));

        // The same flow on every page, and a new one to keep it going.
        let mut reading = Reading::new(NameRules::default());
        while !reading.has_enough(Enough::Flows(2_000)) {
            let number = u64::from(reading.next());
            reading.add(page((1..=99).chain([number + 1_000])));
        }
        assert!(reading.listing.pages <= 40, "{} pages", reading.listing.pages);
    }
}
