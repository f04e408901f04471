//! One line of `key=value` pairs or one JSON object, which nothing in a key or a value can break.

use std::fmt::Write as _;

/// What a log line looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `time=… level=INFO source=… msg=…`, values in quotes where `slog` quotes them.
    Logfmt,
    /// `{"time":"…","level":"INFO","source":"…","msg":"…"}`.
    Json,
}

/// What stands behind a key.
#[derive(Debug)]
pub(super) enum Value {
    /// Any text.
    Text(String),
    /// A number or a truth value, which JSON writes without quotes.
    Bare(String),
}

/// A line that is being written.
#[derive(Debug)]
pub(super) struct Line {
    format: Format,
    keys: Vec<String>,
    text: String,
}

impl Line {
    pub(super) fn new(format: Format) -> Self {
        Self {
            format,
            keys: Vec::new(),
            text: String::new(),
        }
    }

    /// Adds a pair. A key that the line has already gets underscores behind it: a reader would take one value and drop the other.
    pub(super) fn add(&mut self, name: &str, value: Value) {
        let key = self.free_key(name);
        match self.format {
            Format::Logfmt => {
                self.text.push_str(if self.keys.is_empty() { "" } else { " " });
                self.text.push_str(&key);
                self.text.push('=');
            }
            Format::Json => {
                self.text.push(if self.keys.is_empty() { '{' } else { ',' });
                quote(&mut self.text, &key);
                self.text.push(':');
            }
        }
        match value {
            Value::Text(text) if self.format == Format::Json || needs_quotes(&text) => quote(&mut self.text, &text),
            Value::Text(text) | Value::Bare(text) => self.text.push_str(&text),
        }
        self.keys.push(key);
    }

    /// The line with its end.
    pub(super) fn end(mut self) -> String {
        if self.format == Format::Json {
            self.text.push('}');
        }
        self.text.push('\n');
        self.text
    }

    fn free_key(&self, name: &str) -> String {
        let name = name.strip_prefix("r#").unwrap_or(name);
        let plain = |letter| {
            if is_plain(letter) && letter != '\\' {
                letter
            } else {
                '_'
            }
        };
        let mut key: String = name.chars().map(plain).collect();
        while key.is_empty() || self.keys.contains(&key) {
            key.push('_');
        }
        key
    }
}

/// As in `slog`: a value with a space, an equals sign, a quote or something that cannot be seen, and an empty one.
fn needs_quotes(text: &str) -> bool {
    text.is_empty() || !text.chars().all(is_plain)
}

fn is_plain(letter: char) -> bool {
    is_visible(letter) && !matches!(letter, ' ' | '=' | '"')
}

/// Whether a letter shows and leaves the others where they are. Besides control characters these do not: line and paragraph separators and
/// other spaces, and the marks that join, break or turn text around.
fn is_visible(letter: char) -> bool {
    let mark = matches!(
        letter,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffd}'
    );
    letter == ' ' || !letter.is_control() && !letter.is_whitespace() && !mark
}

/// In quotes, with escapes that JSON, Go and every reader of logfmt know.
fn quote(line: &mut String, text: &str) {
    line.push('"');
    for letter in text.chars() {
        match letter {
            '"' => line.push_str("\\\""),
            '\\' => line.push_str("\\\\"),
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            letter if is_visible(letter) => line.push(letter),
            // None of these is beyond U+FFFF, where four digits end.
            letter => drop(write!(line, "\\u{:04x}", u32::from(letter))),
        }
    }
    line.push('"');
}
