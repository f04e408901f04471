//! Values with a notation of their own: how serde's derived code reads them without ever failing.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::words::{flag_in_words, number_in_words};

/// The name by which the deserializer knows that a [`Leaf`] is asked for.
pub(super) const LEAF: &str = "$exporter_toolkit::yaml::Leaf";

/// A value that is written as one scalar. Its default stands in for it after a mistake, and then never gets out: a file with a mistake is
/// refused.
pub trait Leaf: Default {
    /// What it is, after "is not": `a duration`.
    const KIND: &'static str;
    /// How to write it.
    const HINT: &'static str;

    /// The value that `text` writes; `plain` is a text without quotes.
    ///
    /// # Errors
    /// What is wrong with it and what would be right. The text may be a secret that was put under the wrong key: it must be repeated
    /// only where it cannot be one.
    fn parse(text: &str, plain: bool) -> Result<Self, String>;
}

/// Reads a [`Leaf`]: the `Deserialize` of each.
///
/// With the deserializer of this crate, a mistake is noted there with its place, and the default is given. (It is asked for a tuple with
/// a name that no other has, whose one element is missing after a mistake.)
///
/// # Errors
/// Only where the text is not YAML any more, or with another deserializer.
pub fn lenient<'de, D: Deserializer<'de>, L: Leaf>(deserializer: D) -> Result<L, D::Error> {
    deserializer.deserialize_tuple_struct(LEAF, 1, Element(PhantomData))
}

struct Element<L>(PhantomData<L>);

impl<'de, L: Leaf> Visitor<'de> for Element<L> {
    type Value = L;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(L::KIND)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<L, A::Error> {
        Ok(seq.next_element_seed(Scalar(PhantomData))?.unwrap_or_default())
    }
}

/// Parses the scalar. Where it is quoted it comes as a text, where it is plain as a newtype of one.
struct Scalar<L>(PhantomData<L>);

impl<'de, L: Leaf> DeserializeSeed<'de> for Scalar<L> {
    type Value = L;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<L, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<L: Leaf> Scalar<L> {
    fn wrong<E: Error>(what: &str) -> E {
        E::custom(not_this(what, L::KIND, L::HINT))
    }
}

impl<'de, L: Leaf> Visitor<'de> for Scalar<L> {
    type Value = L;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(L::KIND)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<L, E> {
        L::parse(text, false).map_err(E::custom)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<L, D::Error> {
        let text = String::deserialize(deserializer)?;
        L::parse(&text, true).map_err(D::Error::custom)
    }

    fn visit_unit<E: Error>(self) -> Result<L, E> {
        Err(Self::wrong("there is nothing where there should be"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<L, A::Error> {
        Err(Self::wrong("a list is not"))
    }

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<L, A::Error> {
        Err(Self::wrong("a mapping is not"))
    }
}

/// Says that what was found, in words, is not of the kind that belongs there.
pub(super) fn not_this(what: &str, kind: &str, hint: &str) -> String {
    format!("{what} {kind}; {hint}")
}

/// A scalar as it is written. Numbers and flags count as text, as in Prometheus' own configuration.
impl Leaf for String {
    const KIND: &'static str = "a text";
    const HINT: &'static str = "write one value after the colon";

    fn parse(text: &str, _: bool) -> Result<Self, String> {
        Ok(text.to_owned())
    }
}

/// YAML 1.2, core schema: `yes` and `on` are texts.
impl Leaf for bool {
    const KIND: &'static str = "true or false";
    const HINT: &'static str = "write one of these two words, without quotes";

    fn parse(text: &str, plain: bool) -> Result<Self, String> {
        match (plain, text) {
            (true, "true" | "True" | "TRUE") => Ok(true),
            (true, "false" | "False" | "FALSE") => Ok(false),
            _ => Err(format!(
                "{} is not {}; {}",
                flag_in_words(text, plain),
                Self::KIND,
                Self::HINT
            )),
        }
    }
}

/// A text of at least one character.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline, extend("minLength" = 1)))]
#[serde(transparent)]
pub struct Filled(pub Box<str>);

impl Deref for Filled {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Leaf for Filled {
    const KIND: &'static str = String::KIND;
    const HINT: &'static str = String::HINT;

    fn parse(text: &str, _: bool) -> Result<Self, String> {
        if text.is_empty() {
            return Err(EMPTY.to_owned());
        }
        Ok(Self(text.into()))
    }
}

/// What to say of an empty text where one belongs.
pub(crate) const EMPTY: &str = "is empty; write at least one character, or leave the key out if it is optional";

impl<'de> Deserialize<'de> for Filled {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        lenient(deserializer)
    }
}

/// A whole number from `MIN` to `MAX`, and `DEFAULT` where none is given. In decimal digits and nothing else: `012`, `0x0c` and `1_2` are
/// read differently by different versions of YAML.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline, extend("minimum" = MIN, "maximum" = MAX)))]
#[serde(transparent)]
pub struct Whole<const MIN: u64, const MAX: u64, const DEFAULT: u64>(u64);

impl<const MIN: u64, const MAX: u64, const DEFAULT: u64> Whole<MIN, MAX, DEFAULT> {
    /// This number, if it is within the bounds.
    pub fn new(number: u64) -> Option<Self> {
        (MIN..=MAX).contains(&number).then_some(Self(number))
    }

    /// The number.
    pub fn get(self) -> u64 {
        self.0
    }
}

impl<const MIN: u64, const MAX: u64, const DEFAULT: u64> Default for Whole<MIN, MAX, DEFAULT> {
    fn default() -> Self {
        Self(DEFAULT)
    }
}

impl<const MIN: u64, const MAX: u64, const DEFAULT: u64> Leaf for Whole<MIN, MAX, DEFAULT> {
    const KIND: &'static str = "a whole number";
    const HINT: &'static str = "write it in digits, without quotes";

    fn parse(text: &str, plain: bool) -> Result<Self, String> {
        let decimal = text.bytes().all(|byte| byte.is_ascii_digit()) && (!text.starts_with('0') || text == "0");
        let number = text.parse().ok().filter(|_| plain && decimal).and_then(Self::new);
        number.ok_or_else(|| {
            let shown = number_in_words(text, plain);
            format!("{shown} is not {} from {MIN} to {MAX}; {}", Self::KIND, Self::HINT)
        })
    }
}

impl<'de, const MIN: u64, const MAX: u64, const DEFAULT: u64> Deserialize<'de> for Whole<MIN, MAX, DEFAULT> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        lenient(deserializer)
    }
}

/// A mapping with free keys, in the order of the file.
#[derive(Debug)]
pub struct Pairs<K, V>(pub Vec<(K, V)>);

impl<K, V> Default for Pairs<K, V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, K: Deserialize<'de>, V: Deserialize<'de>> Deserialize<'de> for Pairs<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Mapping(PhantomData))
    }
}

struct Mapping<K, V>(PhantomData<(K, V)>);

impl<'de, K: Deserialize<'de>, V: Deserialize<'de>> Visitor<'de> for Mapping<K, V> {
    type Value = Pairs<K, V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<K, V>, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(Pairs(pairs))
    }
}
