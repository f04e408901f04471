//! Log lines as Prometheus writes them: those of Go's `slog`, as logfmt or as JSON, with the same keys in both.
//!
//! `time`, `level`, `source` and `msg`, then the fields of the event. Spans have no part in a line.

mod events;
mod line;
#[cfg(test)]
mod tests;
mod throttle;
mod unwritten;

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::io::{Write, stderr};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use jiff::SignedDuration;
use jiff::civil::DateTime;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

pub use self::events::Events;
pub use self::line::Format;
use self::line::{Line, Value};
pub use self::throttle::{Throttle, Throttled};
pub use self::unwritten::Unwritten;
use crate::clock::SharedClock;

/// What a field is called that carries the event's text.
const MESSAGE: &str = "message";

/// Logging was started before.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("logging was started before")]
pub struct AlreadyStarted;

/// Starts logging to stderr for the whole process, a caught bug's place included.
///
/// Lines of this crate and of those in `own` are logged from `level` on; other crates' never below warnings: their details hold request
/// headers.
///
/// # Errors
/// If logging was started before.
pub fn init(level: Level, format: Format, own: &[&str], clock: SharedClock) -> Result<(), AlreadyStarted> {
    let own = own.iter().chain(&[env!("CARGO_CRATE_NAME")]);
    let filter = Targets::new()
        .with_default(level.min(Level::WARN))
        .with_targets(own.map(|name| (*name, level)));
    let log = Events.with(LogLayer::new(format, clock, stderr())).with(filter);
    log.try_init().map_err(|_| AlreadyStarted)?;
    let bugs = Mutex::new(BTreeMap::<_, Throttle<Bug>>::new());
    std::panic::set_hook(Box::new(move |panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        // One that comes back at every turn must not fill the disk; there are only so many places.
        let mut bugs = bugs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(line) = bugs.entry(place.clone()).or_default().tell(Bug) {
            let more = line.more();
            // The payload is left out: nobody can say what it quotes.
            tracing::error!(place, more, "a bug in this program; please report it");
        }
    }));
    Ok(())
}

/// A panic.
struct Bug;

/// Writes each event as one line.
#[derive(Debug)]
pub struct LogLayer<W> {
    format: Format,
    clock: SharedClock,
    out: Mutex<W>,
}

impl<W: Write> LogLayer<W> {
    /// Writes to `out`, with the time that `clock` tells.
    pub fn new(format: Format, clock: SharedClock, out: W) -> Self {
        Self {
            format,
            clock,
            out: Mutex::new(out),
        }
    }
}

impl<S: Subscriber, W: Write + Send + 'static> Layer<S> for LogLayer<W> {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        let mut fields = Fields::default();
        event.record(&mut fields);
        let mut line = Line::new(self.format);
        line.add("time", Value::Text(rfc3339(self.clock.now())));
        line.add("level", Value::Text(metadata.level().to_string()));
        line.add("source", Value::Text(source(metadata)));
        line.add("msg", Value::Text(fields.message.unwrap_or_default()));
        for (name, value) in fields.others {
            line.add(name, value);
        }
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        // Nothing can be done where even that fails.
        let _ = out.write_all(line.end().as_bytes());
    }
}

/// What an event says.
#[derive(Default)]
struct Fields {
    message: Option<String>,
    others: Vec<(&'static str, Value)>,
}

impl Fields {
    fn add(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            (MESSAGE, Value::Text(text) | Value::Bare(text)) if self.message.is_none() => self.message = Some(text),
            (name, value) => self.others.push((name, value)),
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, Value::Text(text(format_args!("{value:?}"))));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, Value::Text(value.to_owned()));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.add(field, Value::Text(text(format_args!("{value}"))));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, Value::Bare(value.to_string()));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, Value::Bare(value.to_string()));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, Value::Bare(value.to_string()));
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.add(field, Value::Bare(value.to_string()));
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.add(field, Value::Bare(value.to_string()));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        let text = format!("{value:?}");
        // JSON has no infinity, and nothing that is no number.
        self.add(
            field,
            if value.is_finite() {
                Value::Bare(text)
            } else {
                Value::Text(text)
            },
        );
    }
}

/// What a value says of itself, up to where it fails to.
fn text(arguments: fmt::Arguments<'_>) -> String {
    let mut text = String::new();
    let _ = fmt::write(&mut text, arguments);
    text
}

/// The file and line that an event comes from, without the folder: that is the build host's.
fn source(metadata: &Metadata<'_>) -> String {
    let name = |file| Path::new(file).file_name()?.to_str();
    match (metadata.file().and_then(name), metadata.line()) {
        (Some(file), Some(line)) => format!("{file}:{line}"),
        _ => metadata.target().to_owned(),
    }
}

/// In UTC, to the millisecond. A moment before 1970 or beyond the year 9999 becomes the beginning of 1970.
fn rfc3339(moment: SystemTime) -> String {
    const BEGINNING: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);
    let since = moment.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let since = SignedDuration::try_from(since).unwrap_or_default();
    let utc = BEGINNING.checked_add(since).unwrap_or(BEGINNING);
    format!("{utc:.3}Z")
}
