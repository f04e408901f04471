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

/// The bar's parts; together they fill it, and none that stands for something is too narrow to be seen.
pub(super) fn segments(counts: &CountByStatus) -> Vec<Segment> {
    const LEAST: u64 = 3;
    let total: u64 = counts.iter().map(|(_, count)| u64::from(count)).sum();
    let present: Vec<_> = counts.iter().filter(|(_, count)| *count > 0).collect();
    let shared = BAR.saturating_sub(LEAST * u64::try_from(present.len()).unwrap_or_default());
    let mut before = 0;
    let mut x = 0;
    let mut segments = Vec::with_capacity(present.len());
    for (status, count) in present {
        let start = shared * before / total;
        before += u64::from(count);
        let width = LEAST + shared * before / total - start;
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
        assert!(segments(&nodes).is_empty());
        for _ in 0..1000 {
            nodes.add(Status::Completed);
        }
        nodes.add(Status::Pending);
        nodes.add(Status::ExecutionException);
        let segments = segments(&nodes);
        assert_eq!(segments.len(), 3);
        assert!(segments.iter().all(|segment| segment.width >= 3));
        let mut end = 0;
        for segment in segments {
            assert_eq!(segment.x, end);
            end += segment.width;
        }
        assert_eq!(end, BAR);
    }
}
