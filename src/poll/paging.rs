//! What is remembered of how the vendor pages nodes, so that nothing is asked for over and over that brings nothing.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::fetch::Paging;
use super::nodes::MAX_PAGES;
use crate::model::KeyId;

/// How long it is remembered.
const REMEMBERED: Duration = Duration::from_secs(3600);

/// The memory of one account.
#[derive(Debug, Default)]
pub(super) struct PagingMemory {
    /// Until when no page is asked for, because the vendor refuses such requests.
    refused: Option<Instant>,
    /// Flows of which no more further pages are asked for than brought something, and until when.
    flows: HashMap<KeyId, (u32, Instant)>,
}

impl PagingMemory {
    /// How many further pages of a flow's nodes may be asked for.
    pub(super) fn further_pages(&self, key_id: KeyId, now: Instant) -> u32 {
        let remembered = self.flows.get(&key_id).filter(|(_, until)| *until > now);
        match self.refused {
            Some(until) if until > now => 0,
            _ => remembered.map_or(MAX_PAGES, |(pages, _)| *pages),
        }
    }

    /// Takes in what a fetch met; whether that is news.
    pub(super) fn learn(&mut self, key_id: KeyId, paging: &Paging, now: Instant) -> bool {
        let until = now + REMEMBERED;
        match paging {
            Paging::AsSaid => false,
            Paging::Refused(_) => self.refused.replace(until).is_none_or(|before| before <= now),
            Paging::InVain { helpful } => {
                let before = self.flows.insert(key_id, (*helpful, until));
                before.is_none_or(|(_, before)| before <= now)
            }
        }
    }

    /// A flow is not polled any more.
    pub(super) fn forget(&mut self, key_id: KeyId) {
        self.flows.remove(&key_id);
    }
}
