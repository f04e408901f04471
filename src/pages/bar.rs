//! The bar of a flow's rounds.

use crate::model::{CountByStatus, Status};

/// A part of the bar: from where, how wide, for which status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Segment {
    /// Where it begins.
    pub(super) x: u64,
    /// How wide it is.
    pub(super) width: u64,
    /// What it stands for.
    pub(super) status: Status,
}

/// The bar's width in the units of its drawing.
pub(super) const BAR: u64 = 100;

/// The bar's parts, of a whole that is the plan: rounds that are planned and not there yet leave the end free. None that stands for
/// something is too narrow to be seen.
pub(super) fn segments(counts: &CountByStatus, planned: Option<i64>) -> Vec<Segment> {
    const LEAST: u64 = 3;
    let there: u64 = counts.iter().map(|(_, count)| u64::from(count)).sum();
    let planned = planned
        .and_then(|planned| u64::try_from(planned).ok())
        .unwrap_or_default();
    // Beyond what anybody plans the bar is empty anyway, and numbers stay small enough to be multiplied.
    let total = planned.min(1_000_000).max(there);
    let present: Vec<_> = counts.iter().filter(|(_, count)| *count > 0).collect();
    let least = LEAST * u64::try_from(present.len()).unwrap_or_default();
    let filled = (BAR * there).checked_div(total).unwrap_or_default().max(least);
    let shared = filled - least;
    let mut before = 0;
    let mut x = 0;
    let mut segments = Vec::with_capacity(present.len());
    for (status, count) in present {
        let start = shared * before / there;
        before += u64::from(count);
        let width = LEAST + shared * before / there - start;
        segments.push(Segment { x, width, status });
        x += width;
    }
    segments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bars_parts_fill_it_and_all_can_be_seen() {
        let mut nodes = CountByStatus::default();
        assert!(segments(&nodes, Some(6)).is_empty());
        for _ in 0..1000 {
            nodes.add(Status::Completed);
        }
        nodes.add(Status::Pending);
        nodes.add(Status::ExecutionException);
        let segments = segments(&nodes, Some(3));
        assert_eq!(segments.len(), 3);
        assert!(segments.iter().all(|segment| segment.width >= 3));
        let mut end = 0;
        for segment in segments {
            assert_eq!(segment.x, end);
            end += segment.width;
        }
        assert_eq!(end, BAR);
    }

    #[test]
    fn two_of_six_planned_are_a_third() {
        let mut nodes = CountByStatus::default();
        nodes.add(Status::Completed);
        nodes.add(Status::InProgress);
        let end = |planned| segments(&nodes, planned).last().map(|last| last.x + last.width);
        assert_eq!(end(Some(6)), Some(BAR / 3));
        for planned in [None, Some(0), Some(-3), Some(1), Some(2)] {
            assert_eq!(end(planned), Some(BAR), "{planned:?}");
        }
        assert_eq!(end(Some(i64::MAX)), Some(6), "what is there can be seen");
    }
}
