//! JSON as it comes: read as far as it can be read, and never a reason to give more up than what is odd.
//!
//! In: a response body. Out: objects whose fields are slices of the text. What nobody asks for is never copied: customers' texts are in it.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::super::error::Error;

/// Nesting beyond this is nobody's answer. The documented answer is 4 deep.
const MAX_DEPTH: usize = 64;

/// 2^53: from there on a float may be another number than was written, so it is not a whole number that anybody meant.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// The text of a body, without a byte order mark, and with a character that was cut off put right.
///
/// # Errors
/// [`Error::Decode`] for an empty body and for absurd nesting: the parser limits the depth of what it builds, not of what it skips.
pub(super) fn text_of(body: &[u8]) -> Result<Cow<'_, str>, Error> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    // Several times as fast as the search for what is no text, of which there nearly always is nothing.
    let text = str::from_utf8(body).map_or_else(|_| String::from_utf8_lossy(body), Cow::Borrowed);
    if text.trim_ascii().is_empty() {
        return Err(Error::Decode("empty body".to_owned()));
    }
    if is_nested_absurdly(&text) {
        return Err(Error::Decode(format!("nested deeper than {MAX_DEPTH}")));
    }
    Ok(text)
}

/// A text that is no JSON, with what makes it none put right where that costs no truth: a raw line break within a text, and the words for
/// numbers that are none. What is JSON stays as it is.
pub(super) fn put_right(text: &str) -> Cow<'_, str> {
    if !needs_repair(text) {
        return Cow::Borrowed(text);
    }
    let mut repaired = String::with_capacity(text.len() + 16);
    let mut strings = Strings::default();
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let (taken, after) = match NOT_A_NUMBER
            .iter()
            .find(|word| !strings.inside && rest.starts_with(**word))
        {
            Some(word) => {
                // Neither number nor text, list nor object: a field that cannot be read, which is what it is.
                repaired.push_str("false");
                rest.split_at_checked(word.len()).unwrap_or_default()
            }
            None => {
                let (taken, after) = rest.split_at_checked(character.len_utf8()).unwrap_or_default();
                repaired.push_str(if strings.inside && character.is_ascii_control() {
                    " "
                } else {
                    taken
                });
                (taken, after)
            }
        };
        taken.bytes().for_each(|byte| strings.pass(byte));
        rest = after;
    }
    Cow::Owned(repaired)
}

/// What JavaScript's and Python's writers put where a number is none.
pub(super) const NOT_A_NUMBER: [&str; 4] = ["-Infinity", "Infinity", "NaN", "undefined"];

/// Where texts begin and end.
#[derive(Default)]
pub(super) struct Strings {
    inside: bool,
    escaped: bool,
}

impl Strings {
    /// Whether a text has begun and not ended.
    pub(super) fn inside(&self) -> bool {
        self.inside
    }

    /// Goes one byte on.
    pub(super) fn pass(&mut self, byte: u8) {
        match byte {
            _ if self.escaped => self.escaped = false,
            b'\\' if self.inside => self.escaped = true,
            b'"' => self.inside = !self.inside,
            _ => {}
        }
    }
}

fn is_nested_absurdly(text: &str) -> bool {
    let opens = |byte: &u8| matches!(byte, b'[' | b'{');
    // So few need no closer look.
    if text.as_bytes().iter().filter(|byte| opens(byte)).count() <= MAX_DEPTH {
        return false;
    }
    let mut strings = Strings::default();
    let mut depth = 0_usize;
    for byte in text.bytes() {
        match byte {
            _ if strings.inside => {}
            _ if opens(&byte) && depth == MAX_DEPTH => return true,
            _ if opens(&byte) => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        strings.pass(byte);
    }
    false
}

fn needs_repair(text: &str) -> bool {
    let mut strings = Strings::default();
    text.bytes().any(|byte| {
        let odd = match strings.inside {
            true => byte.is_ascii_control(),
            false => matches!(byte, b'N' | b'I' | b'd'),
        };
        strings.pass(byte);
        odd
    })
}

/// A JSON object: its fields in their order, a repeated one as often as it stands there.
pub(super) struct Object<'t>(Vec<(Text<'t>, &'t RawValue)>);

impl<'t> Object<'t> {
    /// The object that this text is.
    pub(super) fn parse(text: &'t str) -> serde_json::Result<Self> {
        serde_json::from_str(text)
    }

    /// The object that this value is, if it is one.
    pub(super) fn of(value: &'t RawValue) -> Option<Self> {
        parsed(value, b'{')
    }

    /// The value of a field. One that is repeated with another value has none.
    pub(super) fn get(&self, name: &str) -> Value<'t> {
        let mut found = self
            .0
            .iter()
            .filter(|(key, _)| *key.0 == *name.as_bytes())
            .map(|(_, value)| *value);
        match found.next() {
            None => Value::Absent,
            Some(first) if found.any(|other| !is_same(first, other)) => Value::Odd,
            Some(first) if is_nothing(first) => Value::Absent,
            Some(first) => Value::Is(first),
        }
    }
}

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;

        impl<'de> Visitor<'de> for Entries {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
                let mut entries = Vec::new();
                while let Some(key) = map.next_key()? {
                    entries.push((key, map.next_value()?));
                }
                Ok(Object(entries))
            }
        }

        deserializer.deserialize_map(Entries)
    }
}

/// A text, without its quotes and escapes. As bytes: half of a surrogate pair can be escaped, and is no character.
#[derive(serde::Deserialize)]
struct Text<'t>(#[serde(borrow)] Cow<'t, [u8]>);

impl<'t> Text<'t> {
    /// The text that this value is, if it is one.
    fn of(value: &'t RawValue) -> Option<Self> {
        parsed(value, b'"')
    }

    /// Without the blanks around it, what is no character among them.
    fn trimmed(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok().map(trimmed)
    }
}

/// A text without the blanks around it, what is no character among them.
pub(super) fn trimmed(text: &str) -> &str {
    text.trim_matches(|character: char| character.is_whitespace() || character.is_control())
}

/// What a text in its quotes says; as bytes, because half of a surrogate pair can be escaped, and is no character.
pub(super) fn text_in(quoted: &str) -> Option<Cow<'_, [u8]>> {
    serde_json::from_str(quoted).ok().map(|Text(text)| text)
}

/// What this value is, if it begins as such a thing does. The first byte says what a value is; to let the parser find that out costs more
/// than all that is read, as it words an error that nobody reads.
fn parsed<'t, T: Deserialize<'t>>(value: &'t RawValue, first: u8) -> Option<T> {
    let text = value.get();
    (text.as_bytes().first() == Some(&first)).then(|| serde_json::from_str(text).ok())?
}

/// What tells a value from another: the text that it is, or the number as it is written.
pub(super) fn identity(value: &RawValue) -> Option<Cow<'_, [u8]>> {
    let is_number = value
        .get()
        .starts_with(|first: char| first == '-' || first.is_ascii_digit());
    match Text::of(value) {
        Some(text) => Some(text.0),
        None => is_number.then(|| Cow::Borrowed(value.get().as_bytes())),
    }
}

/// Whether two values are the same but for the blanks between their parts.
fn is_same(one: &RawValue, other: &RawValue) -> bool {
    fn without_blanks(value: &RawValue) -> impl Iterator<Item = u8> {
        let mut strings = Strings::default();
        value.get().bytes().filter(move |byte| {
            strings.pass(*byte);
            strings.inside || !byte.is_ascii_whitespace()
        })
    }
    without_blanks(one).eq(without_blanks(other))
}

fn is_nothing(value: &RawValue) -> bool {
    value.get() == "null" || Text::of(value).is_some_and(|text| text.trimmed() == Some(""))
}

/// What stands in a field.
#[derive(Clone, Copy)]
pub(super) enum Value<'t> {
    /// Nothing: no such field, `null`, or a text of nothing but blanks.
    Absent,
    /// This.
    Is(&'t RawValue),
    /// Two different things.
    Odd,
}

/// What was read of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Read<T> {
    /// There is nothing.
    Absent,
    /// This is there.
    Is(T),
    /// Something is there that cannot be this.
    Odd,
}

impl<'t> Value<'t> {
    /// A whole number, which may come as a number or as a text.
    pub(super) fn int(self) -> Read<i64> {
        self.read(int)
    }

    /// Words, without the blanks around them; a number may stand in for them.
    pub(super) fn words(self) -> Read<Cow<'t, str>> {
        self.read(words)
    }

    /// A list.
    pub(super) fn list(self) -> Read<Vec<&'t RawValue>> {
        self.read(|value| parsed(value, b'['))
    }

    fn read<T>(self, read: impl FnOnce(&'t RawValue) -> Option<T>) -> Read<T> {
        match self {
            Self::Absent => Read::Absent,
            Self::Odd => Read::Odd,
            Self::Is(value) => read(value).map_or(Read::Odd, Read::Is),
        }
    }
}

fn words(value: &RawValue) -> Option<Cow<'_, str>> {
    Some(match identity(value)? {
        Cow::Borrowed(bytes) => Cow::Borrowed(trimmed(std::str::from_utf8(bytes).ok()?)),
        Cow::Owned(bytes) => Cow::Owned(trimmed(&String::from_utf8_lossy(&bytes)).to_owned()),
    })
}

/// Of a text only its digits: `"3.0"` is what a number with a fraction was written as, and not the text of a whole one.
fn int(value: &RawValue) -> Option<i64> {
    if let Some(text) = Text::of(value) {
        return text.trimmed()?.parse().ok();
    }
    let raw = value.get();
    if let Ok(number) = raw.parse() {
        return Some(number);
    }
    let number: f64 = raw
        .parse()
        .ok()
        .filter(|_| raw.starts_with(|first: char| first == '-' || first.is_ascii_digit()))?;
    #[allow(
        clippy::cast_possible_truncation,
        reason = "whole and within the exact range, checked here"
    )]
    (number.fract() == 0.0 && number.abs() < EXACT).then_some(number as i64)
}
