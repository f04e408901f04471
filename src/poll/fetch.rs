//! One fetch of one flow: the request, and the further pages of nodes.

use std::future::Future;
use std::sync::Arc;

use super::limiter::{Permit, Purpose};
use super::nodes::Gathered;
use super::progress::Progress;
use super::requests::{Call, Requests, Seen, Session, Turn, permit_in_time};
use crate::api::{CallOptions, Client, ClockOffset, Error, Exchange, FlowPage};
use crate::model::{Endpoint, FlowReport, KeyId, TaskId, UnreadableFields};

/// How one flow is to be fetched.
#[derive(Debug, Clone)]
pub(super) struct FetchRequest {
    pub(super) key_id: KeyId,
    /// On whose behalf all its requests go out.
    pub(super) purpose: Purpose,
    /// Who waits for it, and until when: no retry begins or ends later.
    pub(super) progress: Arc<Progress>,
    /// How many further pages of nodes may be asked for.
    pub(super) further_pages: u32,
    /// What to add to our clock for signing.
    pub(super) clock_offset: ClockOffset,
}

/// What a fetch brought.
#[derive(Debug)]
pub(super) struct FetchOutcome {
    /// The flow's state, or why there is none.
    pub(super) result: Result<FlowReport, Error>,
    /// The group calls that its rounds ran as, in their order; `None` where the answers have no nodes.
    pub(super) tasks: Option<Vec<Option<TaskId>>>,
    /// What its requests saw.
    pub(super) seen: Seen,
    /// How many requests the fetch takes where all goes well.
    pub(super) requests: u32,
    /// What became of the further pages.
    pub(super) paging: Paging,
}

/// How the vendor hands out further pages of nodes.
#[derive(Debug)]
pub(super) enum Paging {
    /// As its answers say, as far as was asked for.
    AsSaid,
    /// No more than so many further pages brought anything, although there should be more.
    InVain {
        /// How many did.
        helpful: u32,
    },
    /// It refuses to be asked for one.
    Refused(Error),
}

/// Fetches one flow. `permit` is the leave to send the first request.
pub(super) async fn fetch(session: &Session, request: &FetchRequest, permit: Permit) -> FetchOutcome {
    let mut sent = Requests::new(session, request.purpose, &request.progress, request.clock_offset);
    let mut requests = 1;
    let mut paging = Paging::AsSaid;
    let mut tasks = None;
    let first = QueryDetail {
        key_id: request.key_id,
        page: None,
    };
    let result = match sent.answer(&first, Turn::First(permit)).await {
        Err(error) => Err(error),
        Ok(first) => {
            let mut gathered = Gathered::new(first);
            paging = further_pages(&mut sent, request, &mut gathered).await;
            requests = gathered.pages();
            tasks = gathered.tasks();
            Ok(gathered.report())
        }
    };
    FetchOutcome {
        result,
        tasks,
        seen: sent.seen(),
        requests,
        paging,
    }
}

/// Asks for the pages that the vendor says there are. Asking so is documented nowhere, so a page that does not come costs no more than
/// the nodes on it.
async fn further_pages(sent: &mut Requests<'_>, request: &FetchRequest, gathered: &mut Gathered) -> Paging {
    for _ in 0..request.further_pages {
        let Some(number) = gathered.next_page() else { break };
        let further = QueryDetail {
            key_id: request.key_id,
            page: Some(number),
        };
        match sent.answer(&further, Turn::Further).await {
            Ok(page) => gathered.add(page),
            Err(error) if error.is_refusal() => return Paging::Refused(error),
            Err(_) => return Paging::AsSaid,
        }
    }
    match gathered.in_vain() {
        true => Paging::InVain {
            helpful: gathered.helpful_pages(),
        },
        false => Paging::AsSaid,
    }
}

/// One flow, or one page (from 1) of its nodes.
struct QueryDetail {
    key_id: KeyId,
    page: Option<u32>,
}

impl Call for QueryDetail {
    type Answer = FlowPage;
    const ENDPOINT: Endpoint = Endpoint::QueryDetail;

    async fn send(&self, client: &Client, options: CallOptions<'_>) -> Exchange {
        client.query_detail(self.key_id, self.page, options).await
    }

    fn accept(&self, page: FlowPage) -> Result<FlowPage, Error> {
        match page.key_id {
            Some(answered) if u64::try_from(answered) != Ok(self.key_id.get()) => Err(Error::OtherFlow(answered)),
            _ => Ok(page),
        }
    }

    fn unreadable(page: &FlowPage) -> UnreadableFields {
        page.unreadable
    }
}

/// The account has stopped asking before the request was sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Halted;

/// Fetches one flow for somebody who waits, in the order of all requests. Once it is sent it is not given up, so that it is counted and
/// learnt from although who asked may have `gone`.
///
/// # Errors
/// If the account is halted before it is sent.
pub(super) async fn fetch_in_turn(
    session: &Session,
    request: &FetchRequest,
    gone: impl Future<Output = ()>,
) -> Result<FetchOutcome, Halted> {
    let permit = tokio::select! {
        biased;
        () = session.halted.cancelled() => return Err(Halted),
        () = gone => None,
        permit = permit_in_time(session, request.purpose, &request.progress) => permit,
    };
    Ok(match permit {
        Some(permit) => fetch(session, request, permit).await,
        None => FetchOutcome {
            result: Err(Error::NotSent),
            tasks: None,
            seen: Seen::nothing(session),
            requests: 0,
            paging: Paging::AsSaid,
        },
    })
}
