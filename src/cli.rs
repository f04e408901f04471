//! Arguments. The doc comments are the help text.
//!
//! Flags carry the ecosystem's dotted names; each is also an environment variable (`--web.listen-address` is
//! `LAAFFIC_EXPORTER_WEB_LISTEN_ADDRESS`), and the flag wins.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::config::parse_duration;
use crate::listen::ListenAddress;
use crate::model::KeyId;
use crate::web::metrics::TelemetryPath;

/// Prometheus exporter for LAAFFIC automatic redial (recallFlow) campaigns.
///
/// Without a command it polls the flows of the configuration file and serves their state to Prometheus.
#[derive(Debug, Parser)]
#[command(name = "laaffic-exporter", version = crate::build_info::VERSION_LINE, args_conflicts_with_subcommands = false)]
pub struct Cli {
    /// Where the configuration is and whether only to check it.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// How to serve.
    #[command(flatten)]
    pub web: WebArgs,
    /// How to log.
    #[command(flatten)]
    pub log: LogArgs,
    /// What to do instead of exporting.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Flags of the configuration.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// Configuration file.
    #[arg(
        long = "config.file",
        env = "LAAFFIC_EXPORTER_CONFIG_FILE",
        value_name = "PATH",
        default_value = "config.yaml",
        global = true
    )]
    pub file: PathBuf,

    /// Check the configuration and every secret file it names, print the verdict and exit with 0 or 1.
    #[arg(long = "config.check", env = "LAAFFIC_EXPORTER_CONFIG_CHECK")]
    pub check: bool,

    /// Load the configuration again when the file's content changes.
    #[arg(
        long = "config.enable-auto-reload",
        env = "LAAFFIC_EXPORTER_CONFIG_ENABLE_AUTO_RELOAD"
    )]
    pub enable_auto_reload: bool,
}

/// Flags of the web server.
#[derive(Debug, Args)]
pub struct WebArgs {
    #[allow(rustdoc::broken_intra_doc_links, reason = "this is help text first: [v6] is no link")]
    /// Address to serve on: host:port, :port or [v6]:port. Repeatable; port 0 picks a free one, and the log says which.
    #[arg(
        long = "web.listen-address",
        env = "LAAFFIC_EXPORTER_WEB_LISTEN_ADDRESS",
        value_name = "ADDRESS",
        value_delimiter = ',',
        default_value = ":10871",
        global = true
    )]
    pub listen_address: Vec<ListenAddress>,

    /// Take the listening sockets from systemd instead of opening those of --web.listen-address.
    #[arg(
        long = "web.systemd-socket",
        env = "LAAFFIC_EXPORTER_WEB_SYSTEMD_SOCKET",
        global = true
    )]
    pub systemd_socket: bool,

    /// Path of the metrics.
    #[arg(
        long = "web.telemetry-path",
        env = "LAAFFIC_EXPORTER_WEB_TELEMETRY_PATH",
        value_name = "PATH",
        default_value = "/metrics",
        global = true
    )]
    pub telemetry_path: TelemetryPath,

    /// File with TLS, client certificates, passwords and headers, as of the Prometheus exporter-toolkit.
    #[arg(
        long = "web.config.file",
        env = "LAAFFIC_EXPORTER_WEB_CONFIG_FILE",
        value_name = "PATH",
        global = true
    )]
    pub config_file: Option<PathBuf>,

    /// Allow POST and PUT to /-/reload.
    #[arg(
        long = "web.enable-lifecycle",
        env = "LAAFFIC_EXPORTER_WEB_ENABLE_LIFECYCLE",
        global = true
    )]
    pub enable_lifecycle: bool,

    /// Scrapes served at once; the next gets 503. 0 means no limit.
    #[arg(
        long = "web.max-requests",
        env = "LAAFFIC_EXPORTER_WEB_MAX_REQUESTS",
        value_name = "NUMBER",
        default_value_t = 40,
        global = true
    )]
    pub max_requests: usize,
}

/// Flags of the log, which goes to stderr.
#[derive(Debug, Clone, Copy, Args)]
pub struct LogArgs {
    /// Least important level to log.
    #[arg(
        long = "log.level",
        env = "LAAFFIC_EXPORTER_LOG_LEVEL",
        value_name = "LEVEL",
        default_value = "info",
        global = true
    )]
    pub level: LogLevel,

    /// Format of a log line.
    #[arg(
        long = "log.format",
        env = "LAAFFIC_EXPORTER_LOG_FORMAT",
        value_name = "FORMAT",
        default_value = "logfmt",
        global = true
    )]
    pub format: LogFormat,
}

/// How important a line must be to be logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs, reason = "the names say it, and a comment would become help text")]
pub enum LogLevel {
    Debug,
    Info,
    Warn,
    Error,
}

/// What a log line looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs, reason = "the names say it, and a comment would become help text")]
pub enum LogFormat {
    Logfmt,
    Json,
}

/// What to do instead of exporting.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Run the exporter together with a simulated vendor: 32 flows in 4 accounts, no configuration needed.
    Demo(DemoArgs),
    /// Run the simulated vendor alone, to point an exporter at.
    Simulate(SimulateArgs),
    /// Ask for one flow now and print what came.
    Query(QueryArgs),
    /// Check the configuration; with --live also one request per flow, a verdict for each.
    Check(CheckArgs),
    /// Ask the exporter that runs with the same flags whether polling works, and exit with 0 or 1: for containers without curl.
    Healthcheck(HealthcheckArgs),
}

/// Flags of `demo`.
#[derive(Debug, Clone, Copy, Args)]
pub struct DemoArgs {
    /// Seed of the simulated flows' lives: the same seed gives the same lives.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub seed: u64,
}

/// Arguments of `query`.
#[derive(Debug, Clone, Args)]
pub struct QueryArgs {
    /// keyId of the flow; it need not be in the configuration.
    #[arg(value_name = "KEY_ID", value_parser = key_id)]
    pub key_id: KeyId,

    /// Account to ask with; needed only where the configuration leaves a choice.
    #[arg(long, value_name = "NAME")]
    pub account: Option<String>,

    /// A table for people or JSON for jq.
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub output: OutputFormat,
}

/// What to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs, reason = "the names say it, and a comment would become help text")]
pub enum OutputFormat {
    Table,
    Json,
}

/// Flags of `check`.
#[derive(Debug, Clone, Copy, Args)]
pub struct CheckArgs {
    /// Also send one signed request per flow.
    #[arg(long)]
    pub live: bool,
}

/// Flags of `healthcheck`.
#[derive(Debug, Clone, Args)]
pub struct HealthcheckArgs {
    /// File with the password or the client certificate that the exporter wants, as of Prometheus' http_config.
    #[arg(
        long = "http.config.file",
        env = "LAAFFIC_EXPORTER_HTTP_CONFIG_FILE",
        value_name = "PATH"
    )]
    pub http_config_file: Option<PathBuf>,

    /// How long to wait for the answer.
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = parse_duration)]
    pub timeout: Duration,
}

/// Flags of `simulate`.
#[derive(Debug, Clone, Args)]
pub struct SimulateArgs {
    /// Address that the simulated vendor listens on.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:10872")]
    pub address: ListenAddress,

    /// Seed of the simulated flows' lives: the same seed gives the same lives.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub seed: u64,
}

fn key_id(text: &str) -> Result<KeyId, String> {
    let key_id = text.parse().ok().and_then(KeyId::new);
    key_id.ok_or_else(|| "a keyId is a whole number from 1 on".to_owned())
}

/// A usage error as one line; `None` where it is no error but help or the version, which go out as they are.
pub fn one_line(error: &clap::Error) -> Option<String> {
    if !error.use_stderr() {
        return None;
    }
    let text = error.to_string();
    let mut lines = text
        .lines()
        .map(str::trim)
        .take_while(|line| !line.starts_with("Usage:"));
    let first = lines.next().unwrap_or_default();
    let rest: Vec<_> = lines
        .filter(|line| !line.is_empty() && !line.starts_with("For more information"))
        .collect();
    let first = first.strip_prefix("error: ").unwrap_or(first);
    let joined = if rest.is_empty() {
        first.to_owned()
    } else {
        format!("{first} {}", rest.join(" "))
    };
    Some(format!("{joined}; see laaffic-exporter --help"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn refusal(arguments: &[&str]) -> String {
        let arguments = ["laaffic-exporter"].iter().chain(arguments);
        one_line(&Cli::try_parse_from(arguments).unwrap_err()).unwrap()
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_flag_is_also_an_environment_variable_of_its_name() {
        let command = Cli::command();
        let mut flags = 0;
        for argument in command
            .get_arguments()
            .filter(|argument| argument.get_long().is_some_and(|long| long.contains('.')))
        {
            let long = argument.get_long().unwrap();
            let wanted = format!("LAAFFIC_EXPORTER_{}", long.replace(['.', '-'], "_").to_uppercase());
            assert_eq!(argument.get_env().and_then(|env| env.to_str()), Some(&*wanted));
            flags += 1;
        }
        assert!(flags >= 8);
    }

    #[test]
    fn bad_usage_is_one_line_that_says_what_to_do() {
        assert_eq!(
            refusal(&["--no.such"]),
            "unexpected argument '--no.such' found; see laaffic-exporter --help"
        );
        for arguments in [
            &["--log.level", "loud"][..],
            &["--web.listen-address", "nonsense"],
            &["--web.telemetry-path", "x"],
            &["fly"],
        ] {
            let line = refusal(arguments);
            assert!(
                !line.contains('\n') && line.contains(arguments[0]) || line.contains("fly"),
                "{line}"
            );
        }
    }

    #[test]
    fn several_addresses_are_taken_before_and_after_the_command() {
        let cli = Cli::try_parse_from([
            "x",
            "demo",
            "--web.listen-address",
            ":0",
            "--web.listen-address=[::1]:9",
        ])
        .unwrap();
        let addresses: Vec<_> = cli.web.listen_address.iter().map(ToString::to_string).collect();
        assert_eq!(addresses, [":0", "[::1]:9"]);
    }
}
