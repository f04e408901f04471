//! `rules`: the recording and alert rules of this version.

use std::io::Write;

use anyhow::Result;

use crate::cli::RulesArgs;
use crate::rules::{Choices, rules};

/// Prints the rules on `out`, as a rule file of Prometheus.
///
/// # Errors
/// If `out` cannot be written to.
pub fn print_rules(arguments: RulesArgs, mut out: impl Write) -> Result<()> {
    let choices = Choices {
        job: arguments.job,
        page: arguments.severity,
        ticket: arguments.ticket_severity,
        exception_for: arguments.exception_for,
        down_for: arguments.down_for,
        not_refreshed_for: arguments.not_refreshed_for,
        external_url: arguments.external_url,
    };
    out.write_all(rules(&choices)?.as_bytes())?;
    Ok(out.flush()?)
}
