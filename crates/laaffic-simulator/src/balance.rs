//! An account's money.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::random::{hash, hash_text};

const HOUR_MS: u128 = 60 * 60 * 1000;

/// What an account has, in hundredths of its currency.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Balance {
    /// `balance`
    pub cents: i64,
    /// `gift`
    pub gift_cents: i64,
    /// `credit`
    pub credit_cents: i64,
    /// How much of `balance` is spent in an hour of simulated time, for as long as there is some.
    pub cents_per_hour: u32,
}

impl Balance {
    /// That of an account for which none was chosen. Nothing is spent.
    pub(crate) fn by_seed(seed: u64, account: &str) -> Self {
        let roll = |what: u64| (hash(seed, &[hash_text(account), what, 81]) % 1_000_000) as i64;
        Self {
            cents: 10_000 + roll(1),
            gift_cents: roll(2) % 5_000,
            credit_cents: roll(3) % 3 * 10_000,
            cents_per_hour: 0,
        }
    }

    /// What is left after so much simulated time.
    pub(crate) fn after(self, elapsed: Duration) -> Self {
        let spent = elapsed.as_millis().saturating_mul(self.cents_per_hour.into()) / HOUR_MS;
        let spendable = self.cents.max(0);
        let spent = i64::try_from(spent).unwrap_or(i64::MAX).min(spendable);
        Self {
            cents: self.cents - spent,
            ..self
        }
    }
}

/// Hundredths as a decimal text: `-12.05`.
pub(crate) fn decimal(cents: i64) -> String {
    let sign = if cents < 0 { "-" } else { "" };
    let cents = cents.unsigned_abs();
    format!("{sign}{}.{:02}", cents / 100, cents % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals() {
        let texts = [0, 5, 1_205, -5, -1_205, i64::MIN].map(decimal);
        let expected = ["0.00", "0.05", "12.05", "-0.05", "-12.05", "-92233720368547758.08"];
        assert_eq!(texts, expected);
    }

    #[test]
    fn money_is_spent_by_the_hour_until_there_is_none() {
        let balance = Balance {
            cents: 1_000,
            gift_cents: 7,
            cents_per_hour: 600,
            ..Balance::default()
        };
        let left = |minutes: u64| balance.after(Duration::from_secs(60 * minutes));
        let cents = [0, 1, 60, 99, 100, 101, 1 << 40].map(|minutes| left(minutes).cents);
        assert_eq!(cents, [1_000, 990, 400, 10, 0, 0, 0]);
        assert_eq!(left(60).gift_cents, 7);
        let owing = Balance { cents: -50, ..balance };
        assert_eq!(owing.after(Duration::MAX), owing);
        assert_ne!(Balance::by_seed(1, "acme"), Balance::by_seed(1, "other"));
    }
}
