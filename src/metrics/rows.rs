//! A flow's samples in a family that has one for each status.
//!
//! In: the family's head, and for each flow its key and six numbers. Out: six lines. From one flow to the next only digits of them differ,
//! so they are kept as one text in which those are replaced.

use std::ops::Range;

use exporter_toolkit::exposition::text::put_integer;

use crate::model::{CountByStatus, KeyId, Status};

/// The lines of the flow that was written last.
#[derive(Debug, Default)]
pub(super) struct Rows {
    text: Vec<u8>,
    /// How many digits a key may have, and must, for this text.
    width: usize,
    /// Where the key stands in each line.
    keys: [Range<usize>; Status::COUNT],
    /// Where the value stands in each line: one digit.
    values: [usize; Status::COUNT],
}

impl Rows {
    /// Forgets the last flow's: another family or account begins.
    pub(super) fn clear(&mut self) {
        self.width = 0;
    }

    /// Appends a flow's lines to `out`. `head` is what each of them begins with, up to the key.
    #[inline]
    pub(super) fn put(&mut self, out: &mut Vec<u8>, head: &[u8], key_id: KeyId, counts: &CountByStatus) {
        let mut digits = itoa::Buffer::new();
        let key = digits.format(key_id.get()).as_bytes();
        if key.len() != self.width {
            self.lay_out(head, key.len());
        }
        for key_at in &self.keys {
            if let Some(place) = self.text.get_mut(key_at.clone()) {
                place.copy_from_slice(key);
            }
        }
        let values = &self.values;
        let counts = || values.iter().zip(counts.iter().map(|(_, count)| count));
        if counts().all(|(_, count)| count < 10) {
            for (value_at, count) in counts() {
                if let Some(place) = self.text.get_mut(*value_at) {
                    *place = b'0' + count as u8;
                }
            }
            out.extend_from_slice(&self.text);
            return;
        }
        let mut written = 0;
        for (value_at, count) in counts() {
            out.extend_from_slice(self.text.get(written..*value_at).unwrap_or_default());
            put_integer(out, count);
            written = value_at + 1;
        }
        out.extend_from_slice(self.text.get(written..).unwrap_or_default());
    }

    fn lay_out(&mut self, head: &[u8], width: usize) {
        self.text.clear();
        self.width = width;
        let places = self.keys.iter_mut().zip(&mut self.values);
        for (status, (key_at, value_at)) in Status::ALL.into_iter().zip(places) {
            self.text.extend_from_slice(head);
            let begin = self.text.len();
            self.text.resize(begin + width, b'0');
            *key_at = begin..self.text.len();
            self.text.extend_from_slice(b"\",status=\"");
            self.text.extend_from_slice(status.label().as_bytes());
            self.text.extend_from_slice(b"\"} ");
            *value_at = self.text.len();
            self.text.extend_from_slice(b"0\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn counts(of: [u8; Status::COUNT]) -> CountByStatus {
        let mut counts = CountByStatus::NONE;
        for (status, count) in Status::ALL.into_iter().zip(of) {
            (0..count).for_each(|_| counts.add(status));
        }
        counts
    }

    proptest! {
        #[test]
        fn lines_are_as_if_written_anew(flows in prop::collection::vec((1..=1200_u64, prop::array::uniform6(0..12_u8)), 1..8)) {
            let mut rows = Rows::default();
            for (number, of) in flows {
                let counts = counts(of);
                let mut out = b"before ".to_vec();
                rows.put(&mut out, b"f{k=\"", KeyId::new(number).unwrap(), &counts);
                let line = |(status, count): (Status, u32)| format!("f{{k=\"{number}\",status=\"{}\"}} {count}\n", status.label());
                let lines: String = counts.iter().map(line).collect();
                prop_assert_eq!(String::from_utf8(out).unwrap(), format!("before {lines}"));
            }
        }
    }
}
