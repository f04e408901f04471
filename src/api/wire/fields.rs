//! What is read of an object's fields, and which of them could not be read.

use serde_json::value::RawValue;

use super::json::{Object, Read};
use super::moment::moment;
use crate::model::{RecallType, ResponseField, Status, TaskId, UnreadableFields, WrittenTime};

/// In characters; a label or a line of a page need not hold more.
const LONGEST_WORDS: usize = 200;

/// Reads fields, and notes which were there and could not be read.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Reader {
    unreadable: UnreadableFields,
}

impl Reader {
    /// What was there and could not be read.
    pub(super) fn unreadable(self) -> UnreadableFields {
        self.unreadable
    }

    /// This field is there and cannot be read.
    pub(super) fn odd(&mut self, field: ResponseField) {
        self.unreadable.add(field);
    }

    fn take<T>(&mut self, field: ResponseField, read: Read<T>) -> Option<T> {
        match read {
            Read::Is(value) => Some(value),
            Read::Absent => None,
            Read::Odd => {
                self.odd(field);
                None
            }
        }
    }

    /// A whole number.
    pub(super) fn int(&mut self, data: &Object<'_>, field: ResponseField) -> Option<i64> {
        self.take(field, data.get(field.label()).int())
    }

    /// How many of something there are, times what one of them is; less than none, or more than can be counted, is odd.
    pub(super) fn amount(&mut self, data: &Object<'_>, field: ResponseField, times: i64) -> Option<i64> {
        let number = self.int(data, field)?;
        let amount = (number >= 0).then(|| number.checked_mul(times)).flatten();
        if amount.is_none() {
            self.odd(field);
        }
        amount
    }

    /// Words that are shown to people, in one line, cut where they are longer than any name. They come from outside, and may end up on a
    /// terminal: what is no character is a blank.
    pub(super) fn words(&mut self, data: &Object<'_>, field: ResponseField) -> Option<Box<str>> {
        let words = self.take(field, data.get(field.label()).words())?;
        let is_none = |of: char| of.is_control() || matches!(of, '\u{2028}' | '\u{2029}');
        let line = words.chars().map(|of| if is_none(of) { ' ' } else { of });
        Some(line.take(LONGEST_WORDS).collect::<String>().into())
    }

    /// Which group call is meant.
    pub(super) fn task(&mut self, data: &Object<'_>, field: ResponseField) -> Option<TaskId> {
        let value = data.get(field.label());
        match value.int() {
            Read::Is(number) => TaskId::of_number(number),
            Read::Absent => None,
            Read::Odd => TaskId::of_words(&self.take(field, value.words())?),
        }
    }

    /// A moment.
    pub(super) fn moment(&mut self, data: &Object<'_>, field: ResponseField) -> Option<WrittenTime> {
        let words = self.take(field, data.get(field.label()).words())?;
        let moment = moment(&words);
        if moment.is_none() {
            self.odd(field);
        }
        moment
    }

    /// A decimal number, which may come as a text.
    pub(super) fn decimal(&mut self, data: &Object<'_>, field: ResponseField) -> Option<f64> {
        let words = self.take(field, data.get(field.label()).words())?;
        // Rust also reads words like "inf".
        let numeric = words
            .bytes()
            .all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
        let number = words.parse().ok().filter(|number: &f64| numeric && number.is_finite());
        if number.is_none() {
            self.odd(field);
        }
        number
    }

    /// A list; nothing in the place of an element is no element.
    pub(super) fn list<'t>(
        &mut self,
        data: &Object<'t>,
        field: ResponseField,
    ) -> Option<impl Iterator<Item = &'t RawValue> + use<'t>> {
        let elements = self.take(field, data.get(field.label()).list())?;
        Some(elements.into_iter().filter(|element| element.get() != "null"))
    }

    /// `status` of a flow.
    pub(super) fn status(&mut self, data: &Object<'_>) -> Option<Status> {
        let code = self.int(data, ResponseField::Status)?;
        Some(Status::from_code(Some(code)))
    }

    /// `recallType` of a flow.
    pub(super) fn recall_type(&mut self, data: &Object<'_>) -> Option<RecallType> {
        let code = self.int(data, ResponseField::RecallType)?;
        Some(RecallType::from_code(Some(code)))
    }
}
