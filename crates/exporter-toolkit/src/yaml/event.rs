//! YAML as a stream of values with their positions.
//!
//! In: a text. Out: scalars as they are written, and where lists and mappings begin and end. Nothing is kept but what an anchor
//! names, so a file with very many flows costs no more memory than its text. Aliases are replaced by what they stand for.

use std::borrow::Cow;
use std::collections::HashMap;
use std::rc::Rc;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, StrInput, Tag};

use super::problem::{Position, Problem};

/// How many values aliases may stand for, all together. Far above what a person writes, and it stops aliases of aliases of aliases
/// from filling the memory.
const MOST_REPEATED: usize = 1_000_000;

/// Why reading does not go on.
#[derive(Debug, thiserror::Error)]
pub(super) enum Stop {
    /// The text is not YAML from here on: there is no point in going on.
    #[error("not valid YAML")]
    NotYaml(Box<Problem>),
    /// What is wrong with one value, on the way to where it is noted.
    #[error("{0}")]
    Mistake(String),
}

impl Stop {
    fn new(position: Position, message: impl Into<String>) -> Self {
        Self::NotYaml(Box::new(Problem::new(Some(position), "", message)))
    }

    /// As the one problem of the file: what was found before may only be a consequence of the same mistake.
    pub(super) fn into_problem(self) -> Problem {
        match self {
            Self::NotYaml(problem) => *problem,
            // No mistake gets here but for a struct that asks for what the deserializer does not give. Its words may quote a value.
            Self::Mistake(_) => Problem::new(None, "", "cannot be read; please report this as a bug"),
        }
    }
}

/// One step of the stream.
#[derive(Debug, Clone)]
pub(super) struct Token<'t> {
    pub(super) value: Value<'t>,
    pub(super) at: Position,
    /// Carries a tag like `!secret`, which means nothing here.
    pub(super) foreign_tag: bool,
}

#[derive(Debug, Clone)]
pub(super) enum Value<'t> {
    Scalar(Scalar<'t>),
    ListStart,
    ListEnd,
    MappingStart,
    MappingEnd,
}

/// A scalar as it is written: `1.10` stays `1.10`.
#[derive(Debug, Clone)]
pub(super) struct Scalar<'t> {
    pub(super) text: Cow<'t, str>,
    /// Neither quoted nor a block, so it may also be a number, a flag or nothing.
    pub(super) plain: bool,
}

impl Scalar<'_> {
    /// Whether it stands for "no value" (YAML 1.2, core schema).
    pub(super) fn is_null(&self) -> bool {
        self.plain && matches!(&*self.text, "" | "~" | "null" | "Null" | "NULL")
    }
}

/// Reads the one document of a text.
pub(super) struct Reader<'t> {
    parser: Parser<'t, StrInput<'t>>,
    peeked: Option<Token<'t>>,
    recordings: Vec<Recording<'t>>,
    anchors: HashMap<usize, Rc<[Token<'t>]>>,
    /// What the last alias stands for, and how much of it is told already.
    replay: Option<(Rc<[Token<'t>]>, usize)>,
    repeated: usize,
}

/// What an anchor will stand for, while it is read.
struct Recording<'t> {
    anchor: usize,
    depth: usize,
    tokens: Vec<Token<'t>>,
}

impl<'t> Reader<'t> {
    /// Opens the first document; `None` where there is none.
    pub(super) fn open(text: &'t str) -> Result<Option<Self>, Stop> {
        refuse_control_characters(text)?;
        // Some editors begin a file with a byte order mark, which is not part of the text.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut reader = Self {
            parser: Parser::new_from_str(text),
            peeked: None,
            recordings: Vec::new(),
            anchors: HashMap::new(),
            replay: None,
            repeated: 0,
        };
        loop {
            match reader.event()? {
                None => return Ok(None),
                Some((Event::DocumentStart(_), _)) => return Ok(Some(reader)),
                Some(_) => {}
            }
        }
    }

    /// Ends the document; tells where another one begins.
    pub(super) fn close(&mut self) -> Result<Option<Position>, Stop> {
        while let Some((event, at)) = self.event()? {
            if matches!(event, Event::DocumentStart(_)) {
                return Ok(Some(at));
            }
        }
        Ok(None)
    }

    /// The next token, which stays the next one.
    pub(super) fn peek(&mut self) -> Result<&Token<'t>, Stop> {
        let token = match self.peeked.take() {
            Some(token) => token,
            None => self.pull()?,
        };
        Ok(self.peeked.insert(token))
    }

    /// The next token.
    pub(super) fn next(&mut self) -> Result<Token<'t>, Stop> {
        match self.peeked.take() {
            Some(token) => Ok(token),
            None => self.pull(),
        }
    }

    /// Passes over the next value, however much it holds.
    pub(super) fn skip(&mut self) -> Result<(), Stop> {
        self.take().map(drop)
    }

    /// How the next value begins; passes over all of it.
    pub(super) fn take(&mut self) -> Result<Token<'t>, Stop> {
        let first = self.next()?;
        let mut depth = usize::from(matches!(first.value, Value::ListStart | Value::MappingStart));
        while depth > 0 {
            match self.next()?.value {
                Value::ListStart | Value::MappingStart => depth += 1,
                Value::ListEnd | Value::MappingEnd => depth -= 1,
                Value::Scalar(_) => {}
            }
        }
        Ok(first)
    }

    fn event(&mut self) -> Result<Option<(Event<'t>, Position)>, Stop> {
        match self.parser.next_event() {
            None | Some(Ok((Event::StreamEnd, _))) => Ok(None),
            Some(Ok((event, span))) => Ok(Some((event, position(&span.start)))),
            Some(Err(error)) => Err(Stop::new(
                position(error.marker()),
                format!(
                    "not valid YAML: {}; check the indentation, colons and quotes here and just above",
                    error.info()
                ),
            )),
        }
    }

    fn pull(&mut self) -> Result<Token<'t>, Stop> {
        loop {
            if let Some(token) = self.replayed()? {
                self.record(&token);
                return Ok(token);
            }
            let Some((event, at)) = self.event()? else {
                return Err(Stop::new(Position::START, "not valid YAML: it ends too early"));
            };
            let (value, anchor, tag) = match event {
                Event::Alias(id) => {
                    let Some(tokens) = self.anchors.get(&id) else {
                        return Err(Stop::new(
                            at,
                            "this alias stands for a value that holds the alias itself",
                        ));
                    };
                    self.replay = Some((Rc::clone(tokens), 0));
                    continue;
                }
                Event::Scalar(text, style, anchor, tag) => {
                    let plain = style == ScalarStyle::Plain && !tag.as_deref().is_some_and(says_text);
                    (Value::Scalar(Scalar { text, plain }), anchor, tag)
                }
                Event::SequenceStart(anchor, tag) => (Value::ListStart, anchor, tag),
                Event::MappingStart(anchor, tag) => (Value::MappingStart, anchor, tag),
                Event::SequenceEnd => (Value::ListEnd, 0, None),
                Event::MappingEnd => (Value::MappingEnd, 0, None),
                Event::Nothing
                | Event::StreamStart
                | Event::StreamEnd
                | Event::DocumentStart(_)
                | Event::DocumentEnd => continue,
            };
            let token = Token {
                value,
                at,
                foreign_tag: tag.is_some_and(|tag| !tag.is_yaml_core_schema()),
            };
            // The parser numbers anchors from 1; 0 is "none".
            if anchor != 0 {
                self.recordings.push(Recording {
                    anchor,
                    depth: 0,
                    tokens: Vec::new(),
                });
            }
            self.record(&token);
            return Ok(token);
        }
    }

    fn replayed(&mut self) -> Result<Option<Token<'t>>, Stop> {
        let Some((tokens, told)) = &mut self.replay else {
            return Ok(None);
        };
        let Some(token) = tokens.get(*told).cloned() else {
            self.replay = None;
            return Ok(None);
        };
        *told += 1;
        self.repeated += 1;
        if self.repeated > MOST_REPEATED {
            return Err(Stop::new(
                token.at,
                format!("aliases repeat more than {MOST_REPEATED} values; write them out or use fewer"),
            ));
        }
        Ok(Some(token))
    }

    fn record(&mut self, token: &Token<'t>) {
        for recording in &mut self.recordings {
            recording.tokens.push(token.clone());
            match token.value {
                Value::ListStart | Value::MappingStart => recording.depth += 1,
                Value::ListEnd | Value::MappingEnd => recording.depth = recording.depth.saturating_sub(1),
                Value::Scalar(_) => {}
            }
        }
        // Anchors nest: the innermost, which was begun last, is complete first.
        while let Some(recording) = self.recordings.pop_if(|recording| recording.depth == 0) {
            self.anchors.insert(recording.anchor, recording.tokens.into());
        }
    }
}

fn position(marker: &Marker) -> Position {
    Position {
        line: marker.line(),
        column: marker.col() + 1,
    }
}

/// `!!str 12` is a text.
fn says_text(tag: &Tag) -> bool {
    tag.is_yaml_core_schema() && tag.suffix == "str"
}

/// YAML has no place for them (YAML 1.2.2, 5.1), and the parser would take U+0000 for the end of the file.
fn refuse_control_characters(text: &str) -> Result<(), Stop> {
    let control = |byte: u8| byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r') || byte == 0x7f;
    let Some((before, after)) = text
        .bytes()
        .position(control)
        .and_then(|index| text.split_at_checked(index))
    else {
        return Ok(());
    };
    let code = after.bytes().next().unwrap_or_default();
    Err(Stop::new(
        Position::after(before),
        format!("not valid YAML: the control character U+{code:04X} cannot stand in it; remove it"),
    ))
}
