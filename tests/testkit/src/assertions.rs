//! Assertions about texts and numbers, which show them when they fail.

use std::fmt::Debug;
use std::ops::RangeBounds;

/// A number or a time in this range.
#[track_caller]
pub fn within<T: PartialOrd + Debug>(what: &str, value: T, range: impl RangeBounds<T> + Debug) {
    assert!(range.contains(&value), "{what}: {value:?} is not in {range:?}");
}

/// Each of these words is in the text.
#[track_caller]
pub fn says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word:?} is not in\n{text}");
    }
}

/// None of these words is in the text.
#[track_caller]
pub fn says_nothing_of(text: &str, words: &[&str]) {
    for word in words {
        assert!(!text.contains(word), "{word:?} is in\n{text}");
    }
}

/// Each of these is a whole line of the text.
#[track_caller]
pub fn has_lines(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(
            text.lines().any(|found| found == *line),
            "{line:?} is no line of\n{text}"
        );
    }
}

/// A single line, with each of these words in it.
#[track_caller]
pub fn is_one_line(text: &str, words: &[&str]) {
    assert_eq!(text.lines().count(), 1, "not one line:\n{text}");
    says(text, words);
}
