//! How far something has come.

use crate::lifecycle::{CANCELLED, COMPLETED, EXECUTION_EXCEPTION, PENDING};

/// How much of something is done: a part of a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Progress {
    done: u64,
    of: u64,
}

impl Progress {
    pub(crate) const DONE: Self = Self { done: 1, of: 1 };

    /// What is more than the whole is the whole; of nothing, all is done.
    pub(crate) fn new(done: u64, of: u64) -> Self {
        if done >= of {
            return Self::DONE;
        }
        Self { done, of }
    }

    /// What a node's status tells of its round's calls, where nothing else does.
    pub(crate) fn of_status(status: Option<i64>) -> Self {
        match status {
            Some(PENDING) => Self::new(0, 1),
            Some(COMPLETED) => Self::DONE,
            Some(CANCELLED | EXECUTION_EXCEPTION) => Self::new(1, 4),
            _ => Self::new(1, 2),
        }
    }

    pub(crate) fn is_done(self) -> bool {
        self == Self::DONE
    }

    /// So much of a number, rounded down.
    pub(crate) fn part_of(self, whole: u64) -> u64 {
        let part = u128::from(whole) * u128::from(self.done) / u128::from(self.of);
        u64::try_from(part).unwrap_or(whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_rounded_down_and_never_more_than_the_whole() {
        let of = |done, of| Progress::new(done, of).part_of(10);
        assert_eq!(
            [of(0, 3), of(1, 3), of(2, 3), of(3, 3), of(4, 3), of(0, 0)],
            [0, 3, 6, 10, 10, 10]
        );
        assert_eq!(Progress::new(u64::MAX - 1, u64::MAX).part_of(u64::MAX), u64::MAX - 1);
        assert!(Progress::new(2, 1).is_done() && !Progress::new(1, 2).is_done());
    }
}
