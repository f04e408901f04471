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
    out.write_all(rules(&arguments.into())?.as_bytes())?;
    Ok(out.flush()?)
}

impl From<RulesArgs> for Choices {
    fn from(arguments: RulesArgs) -> Self {
        Self {
            job: arguments.job,
            page: arguments.severity,
            ticket: arguments.ticket_severity,
            exception_for: arguments.exception_for,
            down_for: arguments.down_for,
            not_refreshed_for: arguments.not_refreshed_for,
            external_url: arguments.external_url,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Command, parse};

    #[test]
    fn without_flags_it_prints_what_is_under_deploy() {
        let Ok(cli) = parse(["laaffic-exporter", "rules"]) else {
            panic!("refused")
        };
        let Some(Command::Rules(arguments)) = cli.command else {
            panic!("{:?}", cli.command)
        };
        assert_eq!(Choices::from(arguments), Choices::default());
    }
}
