//! Reads values of an expected kind, and notes what is not of that kind.
//!
//! In: the stream of a YAML text. Out: values, and every [`Problem`] on the way. A problem never ends the walk (only a text that is
//! not YAML does), so that one look at the file finds all of them. Values are told in problems only where the caller knows that
//! they are no secret; lists and mappings in the place of a value are never told.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::duration::parse_duration;
use super::problem::{Position, Problem};
use super::wording::{key_in_path, quote, shown, unknown_key};
use super::yaml::{Reader, Scalar, Stop, Value};

/// A value and where it stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Located<T> {
    pub(super) value: T,
    pub(super) at: Position,
}

/// What belongs in a place, and how to write it.
struct Kind {
    name: &'static str,
    hint: &'static str,
}

const TEXT: Kind = Kind {
    name: "a text",
    hint: "write one value after the colon",
};
const DURATION: Kind = Kind {
    name: "a duration",
    hint: "write it like 30s, 5m or 1m30s",
};
const NUMBER: Kind = Kind {
    name: "a number",
    hint: "write it like 5 or 0.5, without quotes",
};
const WHOLE_NUMBER: Kind = Kind {
    name: "a whole number",
    hint: "write it in digits, without quotes",
};
const FLAG: Kind = Kind {
    name: "true or false",
    hint: "write one of these two words, without quotes",
};
const LIST: Kind = Kind {
    name: "a list",
    hint: "begin each entry with a dash on a line of its own",
};
const MAPPING: Kind = Kind {
    name: "a mapping",
    hint: "write \"key: value\" lines here",
};

/// A walk through the values of one YAML document.
pub(super) struct Walk<'t> {
    reader: Reader<'t>,
    path: String,
    problems: Vec<Problem>,
}

impl<'t> Walk<'t> {
    pub(super) fn new(reader: Reader<'t>) -> Self {
        Self {
            reader,
            path: String::new(),
            problems: Vec::new(),
        }
    }

    /// Ends the walk behind the last value: every problem noted.
    pub(super) fn finish(mut self) -> Result<Vec<Problem>, Stop> {
        if let Some(at) = self.reader.close()? {
            self.problem(at, "a second YAML document begins here; keep one document per file");
        }
        Ok(self.problems)
    }

    /// Notes a problem with the value that is being read.
    pub(super) fn problem(&mut self, at: Position, message: impl Into<String>) {
        self.problems.push(Problem::new(Some(at), self.path.clone(), message));
    }

    /// Notes a problem with what stands under `key` in the mapping that is being read.
    pub(super) fn problem_at_key(&mut self, key: &str, at: Position, message: impl Into<String>) {
        let length = self.path.len();
        self.descend(key);
        self.problem(at, message);
        self.path.truncate(length);
    }

    /// Reads a mapping with these keys; `entry` reads the value of the key it is given. A key without a value is as good as absent.
    /// Gives where the mapping begins, `None` where there is no mapping.
    pub(super) fn mapping(
        &mut self,
        keys: &[&'static str],
        mut entry: impl FnMut(&mut Self, Located<&'static str>) -> Result<(), Stop>,
    ) -> Result<Option<Position>, Stop> {
        self.free_mapping(|walk, key| match keys.iter().find(|known| **known == key.value) {
            Some(known) => entry(
                walk,
                Located {
                    value: known,
                    at: key.at,
                },
            ),
            None => {
                walk.problem(key.at, unknown_key(&key.value, keys));
                walk.reader.skip()
            }
        })
    }

    /// Reads a mapping with any keys, otherwise like [`Walk::mapping`].
    pub(super) fn free_mapping(
        &mut self,
        mut entry: impl FnMut(&mut Self, Located<Cow<'t, str>>) -> Result<(), Stop>,
    ) -> Result<Option<Position>, Stop> {
        let Some(start) = self.start(&MAPPING, |value| matches!(value, Value::MappingStart))? else {
            return Ok(None);
        };
        let length = self.path.len();
        let mut seen: BTreeMap<Cow<'t, str>, usize> = BTreeMap::new();
        loop {
            let token = self.reader.peek()?;
            let at = token.at;
            let key = match &token.value {
                Value::MappingEnd => {
                    self.reader.next()?;
                    return Ok(Some(start));
                }
                Value::Scalar(scalar) => scalar.text.clone(),
                Value::ListStart | Value::MappingStart | Value::ListEnd => {
                    self.problem(
                        at,
                        "a list or mapping cannot be a key here; write a plain word before the colon",
                    );
                    self.reader.skip()?;
                    self.reader.skip()?;
                    continue;
                }
            };
            self.reader.next()?;
            self.descend(&key);
            if let Some(line) = seen.get(&key) {
                let message = format!("given twice, first in line {line}; keep one of them");
                self.problem(at, message);
                self.reader.skip()?;
            } else {
                seen.insert(key.clone(), at.line);
                entry(self, Located { value: key, at })?;
            }
            self.path.truncate(length);
        }
    }

    /// Reads a list; `entry` reads one entry. Gives where the list begins, `None` where there is no list.
    pub(super) fn list(
        &mut self,
        mut entry: impl FnMut(&mut Self) -> Result<(), Stop>,
    ) -> Result<Option<Position>, Stop> {
        let Some(start) = self.start(&LIST, |value| matches!(value, Value::ListStart))? else {
            return Ok(None);
        };
        let length = self.path.len();
        let mut index = 0_usize;
        while !matches!(self.reader.peek()?.value, Value::ListEnd) {
            // Writing to a String cannot fail.
            let _ = write!(self.path, "[{index}]");
            entry(self)?;
            self.path.truncate(length);
            index += 1;
        }
        self.reader.next()?;
        Ok(Some(start))
    }

    /// Passes over a value that says nothing (`key:` or `key: ~`); whether there was one.
    pub(super) fn absent(&mut self) -> Result<bool, Stop> {
        let absent = matches!(&self.reader.peek()?.value, Value::Scalar(scalar) if scalar.is_null());
        if absent {
            self.reader.next()?;
        }
        Ok(absent)
    }

    /// A scalar as it is written. Numbers and flags count as text, as in Prometheus' own configuration.
    pub(super) fn text(&mut self) -> Result<Option<Located<Cow<'t, str>>>, Stop> {
        Ok(self.scalar(&TEXT)?.map(|found| Located {
            value: found.value.text,
            at: found.at,
        }))
    }

    /// A text of at least one character.
    pub(super) fn filled_text(&mut self) -> Result<Option<Located<Cow<'t, str>>>, Stop> {
        let found = self.text()?;
        if let Some(text) = &found
            && text.value.is_empty()
        {
            self.problem(
                text.at,
                "is empty; write at least one character, or leave the key out if it is optional",
            );
            return Ok(None);
        }
        Ok(found)
    }

    /// A duration longer than zero.
    pub(super) fn duration(&mut self) -> Result<Option<Duration>, Stop> {
        let Some(found) = self.scalar(&DURATION)? else {
            return Ok(None);
        };
        let text = &found.value.text;
        match parse_duration(text) {
            Ok(duration) if duration.is_zero() => {
                self.problem(found.at, format!("{} is zero; write at least 1ms", quote(text)));
                Ok(None)
            }
            Ok(duration) => Ok(Some(duration)),
            Err(error) => {
                self.problem(found.at, format!("{} {error}", quote(text)));
                Ok(None)
            }
        }
    }

    /// A whole number within bounds, in decimal digits and nothing else: `012`, `0x0c` and `1_2` are read differently by different
    /// versions of YAML.
    pub(super) fn whole_number(&mut self, bounds: RangeInclusive<u64>) -> Result<Option<Located<u64>>, Stop> {
        let Some(found) = self.scalar(&WHOLE_NUMBER)? else {
            return Ok(None);
        };
        let Scalar { text, plain } = &found.value;
        let decimal = text.bytes().all(|byte| byte.is_ascii_digit()) && (!text.starts_with('0') || text == "0");
        let number = text.parse().ok().filter(|number| bounds.contains(number));
        match number {
            Some(value) if decimal && *plain => Ok(Some(Located { value, at: found.at })),
            _ => {
                let message = format!(
                    "{} is not {} from {} to {}; {}",
                    shown(&found.value),
                    WHOLE_NUMBER.name,
                    bounds.start(),
                    bounds.end(),
                    WHOLE_NUMBER.hint
                );
                self.problem(found.at, message);
                Ok(None)
            }
        }
    }

    /// A finite number within bounds.
    pub(super) fn number(&mut self, bounds: RangeInclusive<f64>) -> Result<Option<f64>, Stop> {
        let Some(found) = self.scalar(&NUMBER)? else {
            return Ok(None);
        };
        let Scalar { text, plain } = &found.value;
        let shown = shown(&found.value);
        // Rust also reads words like "inf", which YAML spells differently.
        let numeric = text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
        let message = match text.parse::<f64>() {
            Ok(number) if numeric && *plain && bounds.contains(&number) => return Ok(Some(number)),
            Ok(_) if numeric && *plain => format!(
                "{shown} is not {} from {} to {}; {}",
                NUMBER.name,
                bounds.start(),
                bounds.end(),
                NUMBER.hint
            ),
            _ => format!("{shown} is not {}; {}", NUMBER.name, NUMBER.hint),
        };
        self.problem(found.at, message);
        Ok(None)
    }

    /// `true` or `false` (YAML 1.2, core schema: `yes` and `on` are texts).
    pub(super) fn flag(&mut self) -> Result<Option<bool>, Stop> {
        let Some(found) = self.scalar(&FLAG)? else {
            return Ok(None);
        };
        match (found.value.plain, &*found.value.text) {
            (true, "true" | "True" | "TRUE") => Ok(Some(true)),
            (true, "false" | "False" | "FALSE") => Ok(Some(false)),
            _ => {
                let message = format!("{} is not {}; {}", shown(&found.value), FLAG.name, FLAG.hint);
                self.problem(found.at, message);
                Ok(None)
            }
        }
    }

    fn scalar(&mut self, kind: &Kind) -> Result<Option<Located<Scalar<'t>>>, Stop> {
        if self.start_is_other(kind, |value| matches!(value, Value::Scalar(_)))? {
            return Ok(None);
        }
        let token = self.reader.next()?;
        Ok(match token.value {
            Value::Scalar(value) => Some(Located { value, at: token.at }),
            Value::ListStart | Value::ListEnd | Value::MappingStart | Value::MappingEnd => None,
        })
    }

    /// Enters a list or mapping; otherwise notes what stands there instead and passes over it.
    fn start(&mut self, kind: &Kind, fits: impl Fn(&Value<'t>) -> bool) -> Result<Option<Position>, Stop> {
        if self.start_is_other(kind, fits)? {
            return Ok(None);
        }
        Ok(Some(self.reader.next()?.at))
    }

    fn start_is_other(&mut self, kind: &Kind, fits: impl Fn(&Value<'t>) -> bool) -> Result<bool, Stop> {
        let token = self.reader.peek()?;
        let at = token.at;
        let message = if token.foreign_tag {
            "a YAML tag (!…) has no meaning here; remove it, and quote a text that begins with an exclamation mark"
                .to_owned()
        } else if fits(&token.value) {
            return Ok(false);
        } else {
            let wrong = match &token.value {
                Value::Scalar(scalar) if scalar.is_null() => "there is nothing where there should be",
                Value::Scalar(_) => "a single value is not",
                Value::ListStart | Value::ListEnd => "a list is not",
                Value::MappingStart | Value::MappingEnd => "a mapping is not",
            };
            format!("{wrong} {}; {}", kind.name, kind.hint)
        };
        self.problem(at, message);
        self.reader.skip()?;
        Ok(true)
    }

    /// Goes on to what stands under a key.
    fn descend(&mut self, key: &str) {
        if !self.path.is_empty() {
            self.path.push('.');
        }
        self.path.push_str(&key_in_path(key));
    }
}
