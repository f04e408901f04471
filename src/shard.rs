//! Which accounts this instance polls, where several share a configuration.
//!
//! The vendor's limit is per account, so an account is never split: each falls to one shard, by its name alone, whatever else is in the
//! configuration and on whichever host.

use std::fmt;
use std::num::NonZeroU32;

use md5::{Digest, Md5};
use thiserror::Error;

/// More instances than this have no use, and with each the work of finding an account's shard grows.
const MOST: u32 = 1000;

/// One of several instances among which the accounts are divided. The default is the only one: it polls them all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    ordinal: u32,
    total: NonZeroU32,
}

/// There is no such [`Shard`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NoShard {
    /// No shards, or too many.
    #[error("--total-shards must be a number from 1 to {MOST}")]
    Total,
    /// It is none of so many.
    #[error("--shard {ordinal} is none of --total-shards {total}: shards are counted from 0, so the last one is {last}", last = .total.get() - 1)]
    Ordinal {
        /// Which one was asked for.
        ordinal: u32,
        /// Of how many.
        total: NonZeroU32,
    },
}

impl Shard {
    /// The shard of this ordinal, from 0 on, of so many.
    ///
    /// # Errors
    /// If there is none, or there are more than 1,000.
    pub fn new(ordinal: u32, total: u32) -> Result<Self, NoShard> {
        let total = NonZeroU32::new(total)
            .filter(|total| total.get() <= MOST)
            .ok_or(NoShard::Total)?;
        match ordinal < total.get() {
            true => Ok(Self { ordinal, total }),
            false => Err(NoShard::Ordinal { ordinal, total }),
        }
    }

    /// Which one it is, from 0 on.
    pub fn ordinal(self) -> u32 {
        self.ordinal
    }

    /// How many there are.
    pub fn total(self) -> u32 {
        self.total.get()
    }

    /// Whether it is the only one.
    pub fn is_whole(self) -> bool {
        self.total.get() == 1
    }

    /// Whether this one polls the account.
    pub fn polls(self, account: &str) -> bool {
        self.ordinal_of(account) == self.ordinal
    }

    /// The ordinal of the shard that polls the account: the one that draws the largest number for it (rendezvous hashing, Thaler and
    /// Ravishankar 1998). So with one shard more, accounts move to the new one only, and the others stay where they are.
    pub fn ordinal_of(self, account: &str) -> u32 {
        let draw = |ordinal: &u32| Md5::digest(format!("{ordinal}/{account}"));
        (0..self.total.get()).max_by_key(draw).unwrap_or_default()
    }

    /// Why there is nothing to tell of an account of this name, in one sentence.
    pub fn without(self, account: &str) -> String {
        match self.is_whole() {
            true => "there is no account of this name in the configuration".to_owned(),
            false => format!(
                "this is {self}, which polls no account of this name; if it is in the configuration, shard {} polls it",
                self.ordinal_of(account)
            ),
        }
    }
}

impl Default for Shard {
    fn default() -> Self {
        Self {
            ordinal: 0,
            total: NonZeroU32::MIN,
        }
    }
}

/// As `shard 0 of 3`.
impl fmt::Display for Shard {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "shard {} of {}", self.ordinal, self.total)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(total: u32) -> Vec<Shard> {
        (0..total).map(|ordinal| Shard::new(ordinal, total).unwrap()).collect()
    }

    #[test]
    fn an_account_keeps_its_shard_from_version_to_version() {
        let ordinals = |total| {
            let shard = Shard::new(0, total).unwrap();
            ["main", "retail", "finance", "überfällig", ""].map(|account| shard.ordinal_of(account))
        };
        assert_eq!(ordinals(1), [0; 5]);
        assert_eq!(ordinals(3), [1, 0, 0, 2, 0]);
        assert_eq!(ordinals(16), [6, 13, 0, 2, 5]);
    }

    #[test]
    fn each_shard_gets_about_as_many() {
        for total in [2, 3, 7, 16] {
            for shard in all(total) {
                let accounts = (0..1000 * total).filter(|number| shard.polls(&format!("account-{number}")));
                let accounts = accounts.count();
                assert!((900..1100).contains(&accounts), "{shard}: {accounts}");
            }
        }
    }

    #[test]
    fn what_is_no_shard_is_refused_in_words_for_people() {
        for (ordinal, total) in [(0, 1), (2, 3), (999, 1000)] {
            let shard = Shard::new(ordinal, total).unwrap();
            assert_eq!((shard.ordinal(), shard.total()), (ordinal, total));
        }
        for (ordinal, total) in [(0, 0), (0, 1001)] {
            assert_eq!(Shard::new(ordinal, total), Err(NoShard::Total));
        }
        assert_eq!(
            Shard::new(3, 3).unwrap_err().to_string(),
            "--shard 3 is none of --total-shards 3: shards are counted from 0, so the last one is 2"
        );
        assert_eq!(Shard::default(), Shard::new(0, 1).unwrap());
    }

    #[test]
    fn who_asks_for_another_ones_account_is_sent_to_it() {
        assert_eq!(
            Shard::default().without("main"),
            "there is no account of this name in the configuration"
        );
        let shard = Shard::new(0, 3).unwrap();
        let owner = shard.ordinal_of("elsewhere");
        assert!(shard.without("elsewhere").ends_with(&format!("shard {owner} polls it")));
    }

    proptest! {
        #[test]
        fn exactly_one_shard_polls_an_account(account in ".{0,40}", total in 1_u32..40) {
            let shards = all(total);
            prop_assert_eq!(shards.iter().filter(|shard| shard.polls(&account)).count(), 1);
        }

        #[test]
        fn with_one_shard_more_accounts_move_to_the_new_one_only(account in ".{0,40}", total in 1_u32..40) {
            let before = Shard::new(0, total).unwrap().ordinal_of(&account);
            let after = Shard::new(0, total + 1).unwrap().ordinal_of(&account);
            prop_assert!(after == before || after == total, "{before} {after}");
        }
    }
}
