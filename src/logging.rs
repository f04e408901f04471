//! What is logged, and how it looks: as the flags say.

use exporter_toolkit::logging::{AlreadyStarted, Format};
use tracing::Level;

use crate::cli::{LogArgs, LogFormat, LogLevel};
use exporter_toolkit::clock::SharedClock;

/// The crates whose lines are this program's own, beside the toolkit.
const OWN: [&str; 2] = [env!("CARGO_CRATE_NAME"), "laaffic_simulator"];

/// Starts logging for the whole process, with the time of `clock`, a caught bug's place included.
///
/// # Errors
/// If logging was started before.
pub fn init(arguments: LogArgs, clock: SharedClock) -> Result<(), AlreadyStarted> {
    let level = match arguments.level {
        LogLevel::Debug => Level::DEBUG,
        LogLevel::Info => Level::INFO,
        LogLevel::Warn => Level::WARN,
        LogLevel::Error => Level::ERROR,
    };
    let format = match arguments.format {
        LogFormat::Logfmt => Format::Logfmt,
        LogFormat::Json => Format::Json,
    };
    exporter_toolkit::logging::init(level, format, &OWN, clock)
}
