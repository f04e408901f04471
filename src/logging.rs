//! Log lines on stderr, as logfmt or JSON.

use std::io::stderr;

use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{Layer, Registry, fmt};

use crate::cli::{LogArgs, LogFormat, LogLevel};

/// The crates whose lines are this program's own.
const OWN: [&str; 3] = [env!("CARGO_CRATE_NAME"), "exporter_toolkit", "laaffic_simulator"];

/// Starts logging for the whole process, a caught bug's place included.
///
/// # Errors
/// If logging was started before.
pub fn init(arguments: LogArgs) -> Result<(), TryInitError> {
    let format: Box<dyn Layer<Registry> + Send + Sync> = match arguments.format {
        LogFormat::Logfmt => {
            let fields = tracing_logfmt::builder()
                .with_target(false)
                .with_span_name(false)
                .with_span_path(false);
            Box::new(fields.layer().with_writer(stderr))
        }
        LogFormat::Json => Box::new(
            fmt::layer()
                .json()
                .flatten_event(true)
                .with_target(false)
                .with_writer(stderr),
        ),
    };
    tracing_subscriber::registry()
        .with(format.with_filter(filter(arguments.level)))
        .try_init()?;
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        // The payload is left out: nobody can say what it quotes.
        tracing::error!(place, "a bug in this program; please report it");
    }));
    Ok(())
}

/// Our own lines from the level asked for. The libraries' own lines never below warnings: their details hold request headers.
fn filter(level: LogLevel) -> Targets {
    let level = match level {
        LogLevel::Debug => Level::DEBUG,
        LogLevel::Info => Level::INFO,
        LogLevel::Warn => Level::WARN,
        LogLevel::Error => Level::ERROR,
    };
    Targets::new()
        .with_default(level.min(Level::WARN))
        .with_targets(OWN.map(|name| (name, level)))
}
