//! An answer without anything of a customer's in it, for a bug report and for a test.
//!
//! In: a response body. Out: the same JSON, token by token as it came, in which every text and every number that is not documented has
//! given way to another of its kind and length. It decodes as the answer did: equal texts stay equal, different ones different.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::de::IgnoredAny;
use serde_json::error::Category;

use super::documented::Field;
use super::json::{NOT_A_NUMBER, Strings, put_right, text_in, text_of, trimmed};
use crate::api::Error;

/// So many digits tell an enumeration and no person: they stay in any field.
const HARMLESS_DIGITS: usize = 3;

/// No number that is meant as one is longer. A text of more digits is none.
const LONGEST_NUMBER: usize = 24;

/// What a text may be in any field: how some languages write that there is nothing.
const WORDS: [&str; 4] = ["null", "true", "false", "None"];

/// The body with every text of a customer replaced. A body that is not JSON is replaced as a whole, by what it is and its length.
pub fn redact(body: &[u8]) -> String {
    match kind_of(body) {
        Some(kind) => format!("<{kind} of {} bytes>", body.len()),
        None => {
            let text = String::from_utf8_lossy(body);
            let damaged = matches!(text, Cow::Owned(_));
            Redaction::new(damaged).run(&text)
        }
    }
}

/// What a body is that is not JSON.
fn kind_of(body: &[u8]) -> Option<&'static str> {
    let text = match text_of(body) {
        Ok(text) => text,
        Err(Error::Decode(_)) if body.iter().any(|byte| matches!(byte, b'{' | b'[')) => {
            return Some("JSON that is nested absurdly");
        }
        Err(_) => return Some("nothing"),
    };
    let text = put_right(&text);
    let error = serde_json::from_str::<IgnoredAny>(&text).err()?;
    let beginning: String = text.trim_ascii_start().chars().take(16).collect();
    let beginning = beginning.to_ascii_lowercase();
    Some(match error.classify() {
        _ if beginning.starts_with("<!doctype html") || beginning.starts_with("<html") => "HTML",
        _ if beginning.starts_with('<') => "markup",
        Category::Eof => "JSON that ends too early",
        _ if beginning.starts_with(['{', '[']) => "what begins like JSON",
        _ if str::from_utf8(body).is_err() => "binary data",
        _ => "text",
    })
}

/// Goes through a text that is JSON, apart from what the decoder puts right.
struct Redaction {
    out: String,
    /// Whether there were bytes that are not UTF-8.
    damaged: bool,
    /// What is open: an object, or else a list.
    open: Vec<bool>,
    /// Whether the next text is a key.
    at_key: bool,
    /// The field that the next value stands in; of a list's elements nothing is documented but objects.
    field: Field,
    /// What each text was replaced with, as it is spelt. Keys and values count apart.
    replaced: HashMap<(bool, String), String>,
    /// What each text was replaced with, whatever its spelling, and how many spellings it had so far.
    texts: HashMap<(bool, Vec<u8>), (String, u32)>,
    /// How many different ones of a form there were.
    forms: HashMap<String, u64>,
}

impl Redaction {
    fn new(damaged: bool) -> Self {
        Self {
            out: String::new(),
            damaged,
            open: Vec::new(),
            at_key: false,
            field: Field::Other,
            replaced: HashMap::new(),
            texts: HashMap::new(),
            forms: HashMap::new(),
        }
    }

    fn run(mut self, text: &str) -> String {
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let length = match (first, NOT_A_NUMBER.iter().find(|word| rest.starts_with(**word))) {
                (_, Some(word)) => word.len(),
                ('"', _) => length_of_string(rest),
                ('-' | '0'..='9', _) => rest.find(|of: char| !is_of_number(of)).unwrap_or(rest.len()),
                _ => first.len_utf8(),
            };
            let (token, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
            self.token(first, token);
            rest = after;
        }
        self.out
    }

    fn token(&mut self, first: char, token: &str) {
        match first {
            '"' if self.at_key => self.key(token),
            '"' => self.text(token),
            '-' | '0'..='9' if !NOT_A_NUMBER.contains(&token) => self.number(token),
            _ => {
                self.structure(first);
                self.out.push_str(token);
            }
        }
    }

    fn structure(&mut self, first: char) {
        match first {
            '{' | '[' => self.open.push(first == '{'),
            '}' | ']' => drop(self.open.pop()),
            ',' => {}
            ':' => {
                self.at_key = false;
                return;
            }
            _ => return,
        }
        self.field = Field::Other;
        self.at_key = matches!(first, '{' | ',') && self.open.last() == Some(&true);
    }

    fn key(&mut self, token: &str) {
        let documented = serde_json::from_str::<String>(&repaired(token))
            .ok()
            .and_then(|name| Field::named(&name));
        match documented {
            Some(_) => self.keep(token),
            None => self.replace("key", token),
        }
        self.field = documented.unwrap_or(Field::Other);
    }

    fn text(&mut self, token: &str) {
        let seen = repaired(token);
        // By what it says: the decoder reads a number in escaped digits as well.
        let said = text_in(&seen).unwrap_or_default();
        let said = String::from_utf8_lossy(&said);
        let inner = trimmed(&said);
        let kind = if inner.is_empty() || WORDS.contains(&inner) || NOT_A_NUMBER.contains(&inner) {
            return self.keep(token);
        } else if is_number(inner) {
            "number"
        } else if is_time(inner) {
            "time"
        } else {
            "text"
        };
        match (self.field, kind) {
            (Field::Number | Field::Time, "number") | (Field::Time, "time") => self.keep(token),
            _ => self.replace(kind, token),
        }
    }

    /// As it came, but for characters that would do something to a terminal.
    fn keep(&mut self, token: &str) {
        let harmless = |of: char| {
            if of.is_control() && !of.is_whitespace() {
                ' '
            } else {
                of
            }
        };
        self.out.extend(token.chars().map(harmless));
    }

    fn replace(&mut self, kind: &str, token: &str) {
        let seen = repaired(token);
        let known = (kind == "key", seen.clone().into_owned());
        if let Some(replacement) = self.replaced.get(&known) {
            self.out.push_str(replacement);
            return;
        }
        let said = text_in(&seen).unwrap_or_default().into_owned();
        let (words, spellings) = match self.texts.remove(&(known.0, said.clone())) {
            Some(replaced) => replaced,
            None => (self.words(kind, token, &said), 0),
        };
        let replacement = format!("\"{}\"", spelt(&words, spellings));
        self.out.push_str(&replacement);
        self.texts.insert((known.0, said), (words, spellings + 1));
        self.replaced.insert(known, replacement);
    }

    /// What to say in place of a text that says this.
    fn words(&mut self, kind: &str, token: &str, said: &[u8]) -> String {
        let whole = str::from_utf8(said);
        let length = whole.map_or(token.len().saturating_sub(2), |text| text.chars().count());
        let mut odd = String::new();
        if self.damaged && token.contains('\u{fffd}') {
            odd.push_str(", not UTF-8");
        }
        if token.contains(|of: char| of.is_ascii_control()) {
            odd.push_str(", with raw control characters");
        }
        if whole.is_err() {
            // The escape stays, since with it no text can be read, and a key that cannot be read spoils the answer.
            odd.push_str(r", with half a character: \ud800");
        }
        let form = format!("{kind} of {length} characters{odd}");
        match self.number_of(&form) {
            1 => format!("<{form}>"),
            number => format!("<{kind} no. {number} of {length} characters{odd}>"),
        }
    }

    /// A number that is not documented may be anybody's telephone number.
    fn number(&mut self, token: &str) {
        let digits = token.bytes().filter(u8::is_ascii_digit).count();
        if self.field != Field::Other || digits <= HARMLESS_DIGITS {
            return self.out.push_str(token);
        }
        let known = (false, token.to_owned());
        if let Some(replacement) = self.replaced.get(&known) {
            self.out.push_str(replacement);
            return;
        }
        let form: String = token
            .chars()
            .map(|of| if of.is_ascii_digit() { '9' } else { of })
            .collect();
        let other = counted_down(digits, self.number_of(&form));
        let mut other = other.chars();
        let replacement: String = form
            .chars()
            .map(|of| if of == '9' { other.next().unwrap_or(of) } else { of })
            .collect();
        self.out.push_str(&replacement);
        self.replaced.insert(known, replacement);
    }

    /// The how manyth different one of this form this is, from 1.
    fn number_of(&mut self, form: &str) -> u64 {
        let number = self.forms.entry(form.to_owned()).or_default();
        *number += 1;
        *number
    }
}

/// The same words in the how manyth spelling, from 0: with other letters of them escaped. A field that is repeated in two spellings is
/// told twice; a node's key that is, once.
fn spelt(words: &str, spelling: u32) -> Cow<'_, str> {
    if spelling == 0 {
        return words.into();
    }
    let letters = words.chars().enumerate().map(|(place, letter)| {
        let escaped = place < 32 && spelling >> place & 1 == 1;
        match escaped {
            true => format!("\\u{:04x}", u32::from(letter)),
            false => letter.to_string(),
        }
    });
    letters.collect::<String>().into()
}

/// Nines, but for the last digits of all but the first of them: 9999, 9998, 9997.
fn counted_down(digits: usize, number: u64) -> String {
    let counted = digits.min(18);
    let highest = 10_u64.saturating_pow(u32::try_from(counted).unwrap_or(18));
    let nines = "9".repeat(digits.saturating_sub(counted));
    format!("{nines}{:0counted$}", highest.saturating_sub(number))
}

/// A text as the decoder sees it.
fn repaired(token: &str) -> Cow<'_, str> {
    match token.contains(|of: char| of.is_ascii_control()) {
        true => token.replace(|of: char| of.is_ascii_control(), " ").into(),
        false => token.into(),
    }
}

fn length_of_string(text: &str) -> usize {
    let mut strings = Strings::default();
    let end = text.bytes().position(|byte| {
        strings.pass(byte);
        !strings.inside()
    });
    end.map_or(text.len(), |end| end + 1)
}

fn is_of_number(of: char) -> bool {
    matches!(of, '0'..='9' | '+' | '-' | '.' | 'e' | 'E')
}

/// Whether a text is a number: one that the decoder reads, or one that it finds odd.
fn is_number(text: &str) -> bool {
    let is_decimal = text.starts_with(|of: char| of.is_ascii_digit() || of == '-')
        && text.ends_with(|of: char| of.is_ascii_digit())
        && text.len() <= LONGEST_NUMBER
        && text.parse::<f64>().is_ok();
    is_decimal || text.parse::<i64>().is_ok()
}

/// Whether a text is a moment: a date, or a date and a time of day.
fn is_time(text: &str) -> bool {
    let form: String = text
        .chars()
        .map(|of| if of.is_ascii_digit() { '0' } else { of })
        .collect();
    let form = form.trim_end_matches('Z').replace(['T', '/'], " ").replace(' ', "-");
    let without_fraction = form.split('.').next().unwrap_or_default();
    let fraction = form.len() - without_fraction.len();
    fraction <= 10
        && matches!(
            without_fraction,
            "0000-00-00" | "0000-00-00-00:00" | "0000-00-00-00:00:00"
        )
}
