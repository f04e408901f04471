//! What is above the flows on `/`: numbers that filter, and a card for each account.

use std::time::SystemTime;

use askama::Template;

use super::links;
use super::overview::{AccountOverview, Overview};
use super::view::{Failed, Since, Tally};
use crate::model::{KeyId, Status};
use crate::words;
use crate::words::trouble::AccountTrouble;

/// A number at the top, which filters.
pub(super) struct Pill {
    pub(super) class: &'static str,
    pub(super) sign: &'static str,
    pub(super) count: Option<usize>,
    pub(super) word: String,
    filter: &'static str,
    pub(super) active: bool,
}

impl Pill {
    pub(super) fn link(&self) -> String {
        match self.filter {
            "" => "?".to_owned(),
            filter => links::filter(filter),
        }
    }
}

/// The numbers at the top: execution exceptions first, then other trouble, then the flows by status.
pub(super) fn pills(overview: &Overview<'_>, wanted: &[String]) -> Vec<Pill> {
    let by_status = overview.by_status();
    let (total, in_trouble, unfetchable) = (overview.flows.len(), overview.in_trouble(), overview.unfetchable());
    let accounts_in_trouble = overview.accounts.iter().any(|account| !account.troubles.is_empty());
    let pill = |class, sign, count, word: String, filter: &'static str| Pill {
        class,
        sign,
        count,
        word,
        filter,
        active: filter.split_whitespace().eq(wanted.iter().map(String::as_str)),
    };
    let stopped = Status::ExecutionException;
    let tallies = Tally::all(&by_status).into_iter().map(|tally| {
        let count = usize::try_from(tally.count).ok();
        pill(tally.class(), tally.sign(), count, tally.word(), tally.status.label())
    });
    let (mut first, rest): (Vec<_>, Vec<_>) = tallies.partition(|pill| pill.filter == stopped.label());
    let flows = if total == 1 { "flow" } else { "flows" };
    first.insert(0, pill("total", "", Some(total), flows.to_owned(), ""));
    if in_trouble > 0 {
        first.push(pill("warn", "!", Some(in_trouble), "in trouble".to_owned(), "trouble"));
    }
    if unfetchable > 0 {
        let word = "cannot be fetched".to_owned();
        first.push(pill("warn", "!", Some(unfetchable), word, "cannot be fetched"));
    }
    if total > 0 && in_trouble == 0 && !accounts_in_trouble {
        first.push(pill("good", "✓", None, "no trouble".to_owned(), "trouble"));
    }
    first.extend(rest);
    first
}

/// An account.
#[derive(Template)]
#[template(path = "card.html")]
pub(super) struct Card<'s> {
    pub(super) account: &'s AccountOverview<'s>,
    pub(super) now: SystemTime,
}

impl<'s> Card<'s> {
    /// Whether its name has all these words, in lower case.
    pub(super) fn matches(&self, wanted: &[String]) -> bool {
        let name = self.account.name.to_lowercase();
        wanted.iter().all(|word| name.contains(&**word))
    }

    fn link(&self) -> String {
        links::filter(self.account.name)
    }

    /// In a few words how it is, and whether that is good, bad or neither.
    fn verdict(&self) -> (String, &'static str, &'static str) {
        let account = self.account;
        let mut said: Vec<_> = account
            .troubles
            .iter()
            .map(|trouble| trouble.word().to_owned())
            .collect();
        let alone = said.is_empty() && account.in_trouble == account.otherwise;
        let stopped = usize::try_from(account.by_status.get(Status::ExecutionException)).unwrap_or_default();
        for (count, word) in [
            (stopped, "in execution exception"),
            (account.otherwise, if alone { "in trouble" } else { "in other trouble" }),
            (account.unfetchable, "cannot be fetched"),
        ] {
            if count > 0 {
                said.push(format!("{count} {word}"));
            }
        }
        match said.as_slice() {
            [] if account.by_status.total() == 0 => ("no flows".to_owned(), "none", ""),
            [] if account.untried > 0 => (format!("{} not asked yet", account.untried), "none", "…"),
            [] => ("no trouble".to_owned(), "good", "✓"),
            _ if account.troubles.contains(&AccountTrouble::Blocked) || stopped > 0 => (said.join(", "), "bad", "✕"),
            _ => (said.join(", "), "warn", "!"),
        }
    }

    fn flows(&self) -> String {
        match self.account.by_status.total() {
            0 => "no flows".to_owned(),
            _ => words::counts(&self.account.by_status),
        }
    }

    /// How finding flows goes, and whether something is wrong with that.
    fn discovery(&self) -> Option<(Option<Since>, String, bool)> {
        let discovery = self.account.state.discovery?;
        let read = discovery.last_success.map(|then| Since { now: self.now, then });
        let mut said = vec![format!("{} found", discovery.tracked)];
        for (count, word) in [
            (discovery.dropped, "left out by rules"),
            (discovery.over_limit, "too many (max_flows)"),
        ] {
            if count > 0 {
                said.push(format!("{count} {word}"));
            }
        }
        let troubles = &self.account.troubles;
        let bad = [AccountTrouble::ListNotRead, AccountTrouble::TooManyFlows];
        Some((
            read,
            said.join(", "),
            bad.iter().any(|trouble| troubles.contains(trouble)),
        ))
    }

    fn skew(&self) -> Option<(String, bool)> {
        self.account.state.clock_skew_seconds.map(words::skew)
    }

    fn budget(&self) -> (String, bool) {
        words::budget(self.account.state.budget_ratio)
    }

    /// The last error, with its flow: where more than one flow has one now, the rows tell of each.
    fn error(&self) -> Option<LastError<'s>> {
        let account = self.account;
        let error = account.state.last_error.as_ref()?;
        if account.unfetchable > 1 && !account.state.blocked {
            return None;
        }
        Some(LastError {
            since: Since {
                now: self.now,
                then: error.at,
            },
            failed: Failed::new(error.reason, error.detail.as_deref()),
            flow: error.key_id.map(|key_id| (key_id, links::flow(account.name, key_id))),
            lasts: account.state.blocked || account.unfetchable > 0,
        })
    }
}

/// What went wrong last with an account.
struct LastError<'s> {
    since: Since,
    failed: Failed<'s>,
    /// Of which flow, and where its page is; `None` for the list.
    flow: Option<(KeyId, String)>,
    /// Whether it still is so.
    lasts: bool,
}
