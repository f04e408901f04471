//! A serde deserializer over the events of a YAML text that no mistake ends.
//!
//! Each mistake is noted with its path and place, and derived code gets something empty instead. Of a mapping it sees only the keys that it
//! knows, each once and with a value: a key without one is as good as absent. Only a text that is not YAML any more ends it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::iter;

use serde::de::value::{MapDeserializer, SeqDeserializer, StrDeserializer};
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::event::{Reader, Stop, Token, Value};
use super::leaf::{LEAF, Leaf, not_this};
use super::problem::{Position, Problem};
use super::words::{key_in_path, unknown_key};

/// What was read, and every mistake on the way.
#[derive(Debug)]
pub(super) struct Read<T> {
    pub(super) value: T,
    pub(super) problems: Vec<Problem>,
    /// Nothing is written there at all.
    pub(super) empty: bool,
}

/// Reads the one document of a text. Nothing, and nothing but comments, is an empty mapping.
pub(super) fn read<T: DeserializeOwned>(text: &str) -> Result<Read<T>, Stop> {
    let nothing = || T::deserialize(MapDeserializer::<_, Stop>::new(iter::empty::<(&str, &str)>()));
    let Some(reader) = Reader::open(text)? else {
        return Ok(Read {
            value: nothing()?,
            problems: Vec::new(),
            empty: true,
        });
    };
    let mut walk = Walk {
        reader,
        path: String::new(),
        problems: Vec::new(),
    };
    let empty = walk.absent()?;
    let value = if empty {
        nothing()?
    } else {
        T::deserialize(Place(&mut walk))?
    };
    if let Some(at) = walk.reader.close()? {
        walk.note(at, "a second YAML document begins here; keep one document per file");
    }
    Ok(Read {
        value,
        problems: walk.problems,
        empty,
    })
}

/// What belongs in a place that is not for a scalar, and how to write it.
struct Kind {
    name: &'static str,
    hint: &'static str,
}

const LIST: Kind = Kind {
    name: "a list",
    hint: "begin each entry with a dash on a line of its own",
};
const MAPPING: Kind = Kind {
    name: "a mapping",
    hint: "write \"key: value\" lines here",
};

const FOREIGN_TAG: &str =
    "a YAML tag (!…) has no meaning here; remove it, and quote a text that begins with an exclamation mark";

const LINE_SEPARATOR: &str = "holds a line separator (U+0085, U+2028 or U+2029), which ends a line for some readers of YAML and not for \
     others; write a space, or \\n within double quotes";

/// What is wrong with a value, whatever belongs there. Those separators were line breaks in YAML 1.1 (5.4), so that not even a writer can
/// be trusted with them.
fn mistake_of_any(token: &Token<'_>) -> Option<&'static str> {
    let separator = |character| matches!(character, '\u{85}' | '\u{2028}' | '\u{2029}');
    match &token.value {
        _ if token.foreign_tag => Some(FOREIGN_TAG),
        Value::Scalar(scalar) if scalar.text.contains(separator) => Some(LINE_SEPARATOR),
        _ => None,
    }
}

/// The way through the text, and what was noted on it.
struct Walk<'t> {
    reader: Reader<'t>,
    path: String,
    problems: Vec<Problem>,
}

impl<'t> Walk<'t> {
    fn note(&mut self, at: Position, message: impl Into<String>) {
        self.problems.push(Problem::new(Some(at), self.path.clone(), message));
    }

    /// Passes over a value that says nothing (`key:` or `key: ~`); whether there was one.
    fn absent(&mut self) -> Result<bool, Stop> {
        let absent = matches!(&self.reader.peek()?.value, Value::Scalar(scalar) if scalar.is_null());
        if absent {
            self.reader.next()?;
        }
        Ok(absent)
    }

    /// Whether what comes next fits; if not, it is noted and passed over.
    fn is(&mut self, kind: &Kind, fits: impl Fn(&Value<'t>) -> bool) -> Result<bool, Stop> {
        let token = self.reader.peek()?;
        let at = token.at;
        let message = if token.foreign_tag {
            FOREIGN_TAG.to_owned()
        } else if fits(&token.value) {
            return Ok(true);
        } else {
            not_this(in_words(&token.value), kind.name, kind.hint)
        };
        self.note(at, message);
        self.reader.skip()?;
        Ok(false)
    }

    /// Reads a leaf without derived code in between; after a mistake its default.
    fn leaf<L: Leaf>(&mut self) -> Result<L, Stop> {
        let token = self.reader.take()?;
        let parsed = match (mistake_of_any(&token), &token.value) {
            (Some(mistake), _) => Err(mistake.to_owned()),
            (None, Value::Scalar(scalar)) if !scalar.is_null() => L::parse(&scalar.text, scalar.plain),
            (None, other) => Err(not_this(in_words(other), L::KIND, L::HINT)),
        };
        Ok(parsed.unwrap_or_else(|message| {
            self.note(token.at, message);
            L::default()
        }))
    }
}

/// What was found, before "a list" or whatever belongs there.
fn in_words(found: &Value<'_>) -> &'static str {
    match found {
        Value::Scalar(scalar) if scalar.is_null() => "there is nothing where there should be",
        Value::Scalar(_) => "a single value is not",
        Value::ListStart | Value::ListEnd => "a list is not",
        Value::MappingStart | Value::MappingEnd => "a mapping is not",
    }
}

/// The place of one value.
struct Place<'w, 't>(&'w mut Walk<'t>);

impl<'t> Place<'_, 't> {
    fn mapping<'de, V: Visitor<'de>>(
        self,
        fields: Option<&'static [&'static str]>,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        let walk = self.0;
        if !walk.is(&MAPPING, |value| matches!(value, Value::MappingStart))? {
            return visitor.visit_map(MapDeserializer::new(iter::empty::<(&str, &str)>()));
        }
        walk.reader.next()?;
        visitor.visit_map(Entries {
            length: walk.path.len(),
            walk,
            fields,
            seen: BTreeMap::new(),
        })
    }
}

impl<'de> Deserializer<'de> for Place<'_, '_> {
    type Error = Stop;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Stop> {
        Err(Stop::custom("this kind of value is not read from configuration files"))
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_bool(self.0.leaf()?)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_string(self.0.leaf()?)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        if self.0.absent()? {
            return visitor.visit_none();
        }
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        if name != LEAF {
            return self.deserialize_any(visitor);
        }
        let Self(walk) = self;
        let token = walk.reader.take()?;
        visitor.visit_seq(One { walk, token })
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        let walk = self.0;
        if !walk.is(&LIST, |value| matches!(value, Value::ListStart))? {
            return visitor.visit_seq(SeqDeserializer::new(iter::empty::<()>()));
        }
        walk.reader.next()?;
        visitor.visit_seq(Items { walk, index: 0 })
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.mapping(None, visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        self.mapping(Some(fields), visitor)
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct tuple enum identifier ignored_any
    }
}

/// The entries of a list.
struct Items<'w, 't> {
    walk: &'w mut Walk<'t>,
    index: usize,
}

impl<'de> SeqAccess<'de> for Items<'_, '_> {
    type Error = Stop;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Stop> {
        if matches!(self.walk.reader.peek()?.value, Value::ListEnd) {
            self.walk.reader.next()?;
            return Ok(None);
        }
        let length = self.walk.path.len();
        self.walk.path.push_str(&format!("[{}]", self.index));
        self.index += 1;
        let entry = seed.deserialize(Place(self.walk))?;
        self.walk.path.truncate(length);
        Ok(Some(entry))
    }
}

/// The entries of a mapping: with keys of its own, or those of a struct.
struct Entries<'w, 't> {
    walk: &'w mut Walk<'t>,
    /// As long as the path to the mapping is.
    length: usize,
    fields: Option<&'static [&'static str]>,
    /// The lines of the keys so far.
    seen: BTreeMap<Cow<'t, str>, usize>,
}

impl<'t> Entries<'_, 't> {
    /// What is wrong with this key, if anything.
    fn mistake(&self, key: &str, token: &Token<'t>) -> Option<String> {
        if token.foreign_tag {
            return Some(FOREIGN_TAG.to_owned());
        }
        if let Some(line) = self.seen.get(key) {
            return Some(format!("given twice, first in line {line}; keep one of them"));
        }
        let known = match self.fields {
            Some(fields) => fields.contains(&key),
            // A mapping with free keys: of a user, a header, a label. None of them has a colon.
            None => key != "<<" && !key.contains(':'),
        };
        (!known).then(|| unknown_key(key, self.fields.unwrap_or_default()))
    }
}

impl<'de> MapAccess<'de> for Entries<'_, '_> {
    type Error = Stop;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Stop> {
        loop {
            self.walk.path.truncate(self.length);
            let token = self.walk.reader.take()?;
            let Value::Scalar(scalar) = &token.value else {
                if matches!(token.value, Value::MappingEnd) {
                    return Ok(None);
                }
                let message = "a list or mapping cannot be a key here; write a plain word before the colon";
                self.walk.note(token.at, message);
                self.walk.reader.skip()?;
                continue;
            };
            let dot = if self.length == 0 { "" } else { "." };
            self.walk.path.push_str(&format!("{dot}{}", key_in_path(&scalar.text)));
            if let Some(mistake) = self.mistake(&scalar.text, &token) {
                self.walk.note(token.at, mistake);
                self.walk.reader.skip()?;
                continue;
            }
            self.seen.insert(scalar.text.clone(), token.at.line);
            if self.fields.is_none() || !self.walk.absent()? {
                return seed.deserialize(Key(self.walk, token)).map(Some);
            }
        }
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Stop> {
        seed.deserialize(Place(self.walk))
    }
}

/// The key of an entry, which may be a leaf as well.
struct Key<'w, 't>(&'w mut Walk<'t>, Token<'t>);

impl<'de> Deserializer<'de> for Key<'_, '_> {
    type Error = Stop;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        match &self.1.value {
            Value::Scalar(scalar) => visitor.visit_str(&scalar.text),
            Value::ListStart | Value::ListEnd | Value::MappingStart | Value::MappingEnd => visitor.visit_str(""),
        }
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        let Self(walk, token) = self;
        visitor.visit_seq(One { walk, token })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct seq
        tuple map struct enum identifier ignored_any
    }
}

/// The one element that a [`super::Leaf`] asks for; after a mistake there is none.
struct One<'w, 't> {
    walk: &'w mut Walk<'t>,
    token: Token<'t>,
}

impl<'de> SeqAccess<'de> for One<'_, '_> {
    type Error = Stop;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Stop> {
        let read = match mistake_of_any(&self.token) {
            Some(mistake) => Err(Stop::custom(mistake)),
            None => seed.deserialize(Found(&self.token.value)),
        };
        match read {
            Err(Stop::Mistake(message)) => {
                self.walk.note(self.token.at, message);
                Ok(None)
            }
            other => other.map(Some),
        }
    }
}

/// What was found in the place of a leaf.
struct Found<'f, 't>(&'f Value<'t>);

impl<'de> Deserializer<'de> for Found<'_, '_> {
    type Error = Stop;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        match self.0 {
            Value::Scalar(scalar) if scalar.is_null() => visitor.visit_unit(),
            Value::Scalar(scalar) if scalar.plain => {
                visitor.visit_newtype_struct(StrDeserializer::<Stop>::new(&scalar.text))
            }
            Value::Scalar(scalar) => visitor.visit_str(&scalar.text),
            Value::ListStart | Value::ListEnd => visitor.visit_seq(SeqDeserializer::new(iter::empty::<()>())),
            Value::MappingStart | Value::MappingEnd => {
                visitor.visit_map(MapDeserializer::new(iter::empty::<(&str, &str)>()))
            }
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct seq
        tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl Error for Stop {
    fn custom<M: fmt::Display>(message: M) -> Self {
        Self::Mistake(message.to_string())
    }
}
