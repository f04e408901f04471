//! Where the values are that something is to be said of: a second pass over the text, made only where there is something to say.
//!
//! The structs that a file is read into have no room for positions, so that a file with very many entries stays small.

use std::collections::BTreeMap;

use super::event::{Reader, Stop, Value};
use super::problem::Position;

/// Where a value is, and the key that it stands under (for one without a key, the value again).
#[derive(Debug, Clone, Copy)]
pub(super) struct Spot {
    pub(super) key: Position,
    pub(super) value: Position,
}

/// A tree of the paths that are looked for.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    below: BTreeMap<String, Wanted>,
    spot: Option<Spot>,
}

impl Wanted {
    pub(super) fn add(&mut self, steps: &[String]) {
        if let Some((step, rest)) = steps.split_first() {
            self.below.entry(step.clone()).or_default().add(rest);
        }
    }

    /// Finds the spots. The text was read once already, so it is YAML.
    pub(super) fn look_up(&mut self, text: &str) {
        if let Ok(Some(mut reader)) = Reader::open(text) {
            let _ = self.fill(&mut reader, None);
        }
    }

    /// Where this path is, or else what is nearest above it.
    pub(super) fn spot(&self, steps: &[String]) -> Spot {
        let (key, value) = (Position::START, Position::START);
        let mut nearest = self.spot.unwrap_or(Spot { key, value });
        let mut node = self;
        for step in steps {
            match node.below.get(step) {
                Some(below) => node = below,
                None => break,
            }
            nearest = node.spot.unwrap_or(nearest);
        }
        nearest
    }

    fn fill(&mut self, reader: &mut Reader<'_>, key: Option<Position>) -> Result<(), Stop> {
        let token = reader.peek()?;
        let value = token.at;
        let key = key.unwrap_or(value);
        self.spot = Some(Spot { key, value });
        let is_mapping = matches!(token.value, Value::MappingStart);
        let is_list = matches!(token.value, Value::ListStart);
        if self.below.is_empty() || !(is_mapping || is_list) {
            return reader.skip();
        }
        reader.next()?;
        for index in 0.. {
            let (step, key) = match &reader.peek()?.value {
                Value::ListEnd | Value::MappingEnd => {
                    reader.next()?;
                    break;
                }
                _ if is_list => (index.to_string(), None),
                Value::Scalar(scalar) => {
                    let step = scalar.text.to_string();
                    (step, Some(reader.next()?.at))
                }
                Value::ListStart | Value::MappingStart => {
                    reader.skip()?;
                    reader.skip()?;
                    continue;
                }
            };
            match self.below.get_mut(&step) {
                // A key that is given again is refused; it is the first that counts.
                Some(below) if below.spot.is_none() => below.fill(reader, key)?,
                Some(_) | None => reader.skip()?,
            }
        }
        Ok(())
    }
}
