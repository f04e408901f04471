//! The forms that lists take beyond those of every answer; each account has one for its lists, and for its balance as far as it applies.

use serde::{Deserialize, Serialize};

use crate::dialect::{Dialect, Envelope, Shape};
use crate::random::{hash, hash_text, pick};
use crate::times::TimeForm;

/// Which of the vendor's forms the answers take that are about an account, not about one flow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ListDialect {
    /// What every answer has a form of. A list has but one `shape`, and `page_size` is its size only where `current` and `size` are ignored.
    pub answer: Dialect,
    /// Whether `total` is right.
    pub total: TotalForm,
    /// `pages` is absent.
    pub omits_pages: bool,
    /// The server takes no notice of `size` and always puts ten records on a page.
    pub ignores_size: bool,
    /// How times are written.
    pub times: TimeForm,
    /// The names of older pages: a group call's `taskId` is its `jobId`.
    pub old_names: bool,
}

/// What a list says of how many records there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TotalForm {
    /// As many as there are.
    #[default]
    Right,
    /// A page more, so that the last page is empty.
    Overstated,
    /// A page less.
    Understated,
}

impl ListDialect {
    /// That of an account for which none was chosen.
    pub(crate) fn by_seed(seed: u64, account: &str) -> Self {
        use TimeForm::{Documented, EpochMilliseconds, Fractions, T};
        use TotalForm::{Overstated, Right, Understated};
        let roll = |what: u64| hash(seed, &[hash_text(account), what, 91]);
        Self {
            answer: Dialect {
                shape: Shape::Documented,
                envelope: pick(roll(1), [Envelope::StatusReason, Envelope::CodeMsg]),
                code_as_text: roll(2).is_multiple_of(2),
                numbers_as_text: roll(3).is_multiple_of(4),
                sparse: roll(4).is_multiple_of(4),
                extras: roll(5).is_multiple_of(3),
                ..Dialect::default()
            },
            total: pick(roll(6), [Overstated, Understated, Right, Right, Right, Right]),
            omits_pages: roll(7).is_multiple_of(4),
            ignores_size: roll(8).is_multiple_of(6),
            times: pick(
                roll(9),
                [T, Fractions, EpochMilliseconds, Documented, Documented, Documented],
            ),
            old_names: roll(10).is_multiple_of(3),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_occurs() {
        let dialects: Vec<_> = (0..500)
            .map(|account| ListDialect::by_seed(1, &account.to_string()))
            .collect();
        let forms: [fn(&ListDialect) -> bool; 13] = [
            |dialect| dialect.answer.envelope == Envelope::StatusReason,
            |dialect| dialect.answer.code_as_text,
            |dialect| dialect.answer.numbers_as_text,
            |dialect| dialect.answer.sparse,
            |dialect| dialect.answer.extras,
            |dialect| dialect.total == TotalForm::Overstated,
            |dialect| dialect.total == TotalForm::Understated,
            |dialect| dialect.omits_pages,
            |dialect| dialect.ignores_size,
            |dialect| dialect.times == TimeForm::T,
            |dialect| dialect.times == TimeForm::Fractions,
            |dialect| dialect.times == TimeForm::EpochMilliseconds,
            |dialect| dialect.old_names,
        ];
        for (number, has_form) in forms.iter().enumerate() {
            let count = dialects.iter().filter(|dialect| has_form(dialect)).count();
            assert!((30..400).contains(&count), "{number}: {count}");
        }
        assert_eq!(ListDialect::by_seed(1, "acme"), ListDialect::by_seed(1, "acme"));
    }
}
