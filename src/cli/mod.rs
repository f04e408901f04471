//! Arguments. The doc comments are the help text.
//!
//! Flags carry the ecosystem's dotted names; each is also an environment variable (`--web.listen-address` is
//! `LAAFFIC_EXPORTER_WEB_LISTEN_ADDRESS`), and the flag wins. A command has exactly the flags that have an effect with it; they may stand
//! before or behind its name.

#[cfg(test)]
mod completions;
#[cfg(test)]
mod manual;
#[cfg(test)]
mod reference;
mod usage;
mod value;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use exporter_toolkit::server::{HostPattern, ListenAddress};
use url::Url;

pub use self::usage::{Refusal, parse};
use crate::model::KeyId;
use crate::pages::telemetry::TelemetryPath;
use crate::rules::Word;
use crate::shard::{NoShard, Shard};

/// Prometheus exporter for LAAFFIC automatic redial (recallFlow) campaigns.
///
/// Without a command it polls the flows of the configuration file and serves their state to Prometheus.
#[derive(Debug, Parser)]
#[command(name = "laaffic-exporter", version = crate::build_info::VERSION_LINE)]
pub struct Cli {
    /// How to export, where there is no command.
    #[command(flatten)]
    pub export: ExportArgs,
    /// What to do instead of exporting.
    #[command(subcommand)]
    pub command: Option<Command>,
}

impl Cli {
    /// How to log, whatever is to be done.
    pub fn log(&self) -> LogArgs {
        match &self.command {
            None => self.export.log,
            Some(Command::Demo(arguments)) => arguments.log,
            Some(Command::Simulate(arguments)) => arguments.log,
            Some(Command::Query(arguments)) => arguments.log,
            Some(Command::Flows(arguments)) => arguments.log,
            Some(Command::Check(arguments)) => arguments.log,
            Some(Command::Healthcheck(arguments)) => arguments.log,
            Some(Command::Rules(_)) => LogArgs::NOTHING_TO_LOG,
        }
    }

    /// Where to listen, where that is said.
    fn listen(&self) -> Option<&ListenArgs> {
        match &self.command {
            None => Some(&self.export.serve.listen),
            Some(Command::Demo(arguments)) => Some(&arguments.serve.listen),
            Some(Command::Healthcheck(arguments)) => Some(&arguments.listen),
            Some(
                Command::Simulate(_) | Command::Query(_) | Command::Flows(_) | Command::Check(_) | Command::Rules(_),
            ) => None,
        }
    }
}

/// What to do instead of exporting.
#[derive(Debug, Clone, Subcommand)]
#[allow(clippy::large_enum_variant, reason = "there is one in a process")]
pub enum Command {
    /// Run the exporter together with a simulated vendor: 32 flows in 4 accounts, no configuration needed.
    Demo(DemoArgs),
    /// Run the simulated vendor alone, to point an exporter at.
    Simulate(SimulateArgs),
    /// Ask for one flow now and print what came.
    Query(QueryArgs),
    /// Print the list of an account's flows, as the vendor has it now.
    Flows(FlowsArgs),
    /// Check the configuration; with --live also one request per flow, and whether it works.
    Check(CheckArgs),
    /// Ask the exporter that listens there whether polling works, and exit with 0 or 1: for containers without curl.
    Healthcheck(HealthcheckArgs),
    /// Print the recording and alert rules of this version, for Prometheus.
    Rules(RulesArgs),
}

/// Flags of the exporter itself.
#[derive(Debug, Clone, Args)]
pub struct ExportArgs {
    /// Where the configuration is.
    #[command(flatten)]
    pub config: ConfigFileArg,

    /// Check the configuration and every secret file it names, and exit with 0 or 1.
    #[arg(long = "config.check", env = "LAAFFIC_EXPORTER_CONFIG_CHECK", value_parser = value::switch)]
    pub check: bool,

    /// Load the configuration again when the file's content changes.
    #[arg(
        long = "config.enable-auto-reload",
        env = "LAAFFIC_EXPORTER_CONFIG_ENABLE_AUTO_RELOAD",
        value_parser = value::switch
    )]
    pub enable_auto_reload: bool,

    /// Which accounts to poll.
    #[command(flatten)]
    pub shard: ShardArgs,

    /// How to serve.
    #[command(flatten)]
    pub serve: ServeArgs,

    /// Allow POST and PUT to /-/reload.
    #[arg(
        long = "web.enable-lifecycle",
        env = "LAAFFIC_EXPORTER_WEB_ENABLE_LIFECYCLE",
        value_parser = value::switch
    )]
    pub enable_lifecycle: bool,

    /// How to log.
    #[command(flatten)]
    pub log: LogArgs,
}

/// The configuration file.
#[derive(Debug, Clone, Args)]
pub struct ConfigFileArg {
    /// Configuration file.
    #[arg(
        long = "config.file",
        env = "LAAFFIC_EXPORTER_CONFIG_FILE",
        value_name = "PATH",
        default_value = "config.yaml"
    )]
    pub file: PathBuf,
}

/// Which of the accounts this instance polls.
#[derive(Debug, Clone, Copy, Args)]
pub struct ShardArgs {
    /// Which share of the accounts to poll, counted from 0: each account is polled by one of --total-shards instances.
    #[arg(
        long,
        env = "LAAFFIC_EXPORTER_SHARD",
        value_name = "ORDINAL",
        default_value = "0",
        value_parser = value::whole_number::<u32>,
        allow_negative_numbers = true
    )]
    pub shard: u32,

    /// How many instances share the accounts; all are started with the same configuration and the same number.
    #[arg(
        long,
        env = "LAAFFIC_EXPORTER_TOTAL_SHARDS",
        value_name = "NUMBER",
        default_value = "1",
        value_parser = value::whole_number::<u32>,
        allow_negative_numbers = true
    )]
    pub total_shards: u32,
}

impl ShardArgs {
    /// The shard that they name.
    ///
    /// # Errors
    /// If there is none.
    pub fn named(self) -> Result<Shard, NoShard> {
        Shard::new(self.shard, self.total_shards)
    }
}

/// Flags of the web server.
#[derive(Debug, Clone, Args)]
pub struct ServeArgs {
    /// Where to listen.
    #[command(flatten)]
    pub listen: ListenArgs,

    /// Take the listening sockets from systemd instead of opening those of --web.listen-address.
    #[arg(
        long = "web.systemd-socket",
        env = "LAAFFIC_EXPORTER_WEB_SYSTEMD_SOCKET",
        value_parser = value::switch
    )]
    pub systemd_socket: bool,

    /// Path of the metrics.
    #[arg(
        long = "web.telemetry-path",
        env = "LAAFFIC_EXPORTER_WEB_TELEMETRY_PATH",
        value_name = "PATH",
        default_value = "/metrics"
    )]
    pub telemetry_path: TelemetryPath,

    /// TLS, passwords and headers.
    #[command(flatten)]
    pub web_config: WebConfigArg,

    /// Scrapes served at once; the next gets 503. 0 means no limit.
    #[arg(
        long = "web.max-requests",
        env = "LAAFFIC_EXPORTER_WEB_MAX_REQUESTS",
        value_name = "NUMBER",
        default_value = "40",
        value_parser = value::whole_number::<usize>,
        allow_negative_numbers = true
    )]
    pub max_requests: usize,

    /// Names by which the pages may be asked for, besides this host's, localhost and that of --web.external-url; a name, .example.org for
    /// all below it too, or * for any. Repeatable.
    #[arg(
        long = "web.allowed-hosts",
        env = "LAAFFIC_EXPORTER_WEB_ALLOWED_HOSTS",
        value_name = "HOST",
        value_delimiter = ',',
        value_parser = value::host
    )]
    pub allowed_hosts: Vec<HostPattern>,

    /// URL at which people reach this exporter, where it is not the host's name and port.
    #[arg(
        long = "web.external-url",
        env = "LAAFFIC_EXPORTER_WEB_EXTERNAL_URL",
        value_name = "URL",
        value_parser = value::url
    )]
    pub external_url: Option<Url>,

    /// URL of Grafana, for links to the dashboards.
    #[arg(
        long = "grafana.url",
        env = "LAAFFIC_EXPORTER_GRAFANA_URL",
        value_name = "URL",
        value_parser = value::url
    )]
    pub grafana_url: Option<Url>,
}

/// The addresses of the web server.
#[derive(Debug, Clone, Args)]
pub struct ListenArgs {
    #[allow(rustdoc::broken_intra_doc_links, reason = "this is help text first: [v6] is no link")]
    /// Address of the exporter: host:port, :port or [v6]:port. Repeatable; port 0 picks a free one, and the log says which.
    #[arg(
        long = "web.listen-address",
        env = "LAAFFIC_EXPORTER_WEB_LISTEN_ADDRESS",
        value_name = "ADDRESS",
        value_delimiter = ',',
        default_value = ":10871",
        value_parser = value::address
    )]
    pub addresses: Vec<ListenAddress>,
}

/// The web-config file.
#[derive(Debug, Clone, Args)]
pub struct WebConfigArg {
    /// File with TLS, client certificates, passwords and headers, as of the Prometheus exporter-toolkit.
    #[arg(
        id = "web_config_file",
        long = "web.config.file",
        env = "LAAFFIC_EXPORTER_WEB_CONFIG_FILE",
        value_name = "PATH"
    )]
    pub file: Option<PathBuf>,
}

/// Flags of the log, which goes to stderr.
#[derive(Debug, Clone, Copy, Args)]
pub struct LogArgs {
    /// Least important level to log.
    #[arg(
        long = "log.level",
        env = "LAAFFIC_EXPORTER_LOG_LEVEL",
        value_name = "LEVEL",
        default_value = "info"
    )]
    pub level: LogLevel,

    /// Format of a log line.
    #[arg(
        long = "log.format",
        env = "LAAFFIC_EXPORTER_LOG_FORMAT",
        value_name = "FORMAT",
        default_value = "logfmt"
    )]
    pub format: LogFormat,
}

impl LogArgs {
    /// Of a command that has no log.
    const NOTHING_TO_LOG: Self = Self {
        level: LogLevel::Info,
        format: LogFormat::Logfmt,
    };
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

/// Flags of `demo`.
#[derive(Debug, Clone, Args)]
pub struct DemoArgs {
    /// The simulated vendor.
    #[command(flatten)]
    pub seed: SeedArg,
    /// How to serve.
    #[command(flatten)]
    pub serve: ServeArgs,
    /// How to log.
    #[command(flatten)]
    pub log: LogArgs,
}

/// Flags of `simulate`.
#[derive(Debug, Clone, Args)]
pub struct SimulateArgs {
    /// Address that the simulated vendor listens on.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:10872", value_parser = value::address)]
    pub address: ListenAddress,
    /// The simulated vendor.
    #[command(flatten)]
    pub seed: SeedArg,
    /// How to log.
    #[command(flatten)]
    pub log: LogArgs,
}

/// The lives of the simulated flows.
#[derive(Debug, Clone, Copy, Args)]
pub struct SeedArg {
    /// Seed of the simulated flows' lives: the same seed gives the same lives.
    #[arg(
        long,
        value_name = "NUMBER",
        default_value = "1",
        value_parser = value::whole_number::<u64>,
        allow_negative_numbers = true
    )]
    pub seed: u64,
}

/// Arguments of `query`.
#[derive(Debug, Clone, Args)]
pub struct QueryArgs {
    /// keyId of the flow; it need not be in the configuration.
    #[arg(value_name = "KEY_ID", value_parser = value::key_id, allow_negative_numbers = true)]
    pub key_id: KeyId,

    /// Account to ask with; needed only where the configuration leaves a choice.
    #[arg(long, value_name = "NAME")]
    pub account: Option<String>,

    /// A table for people or JSON for jq.
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub output: OutputFormat,

    /// Print the vendor's answer as it came, every text replaced by its kind and length: for a bug report.
    #[arg(long, conflicts_with = "output")]
    pub raw: bool,

    /// Where the configuration is.
    #[command(flatten)]
    pub config: ConfigFileArg,
    /// How to log.
    #[command(flatten)]
    pub log: LogArgs,
}

/// What to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs, reason = "the names say it, and a comment would become help text")]
pub enum OutputFormat {
    Table,
    Json,
}

/// Flags of `flows`.
#[derive(Debug, Clone, Args)]
pub struct FlowsArgs {
    /// Account to list; all of them where it is not given.
    #[arg(long, value_name = "NAME")]
    pub account: Option<String>,

    /// A table for people, JSON for jq, or a block for the configuration.
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub output: ListFormat,

    /// Where the configuration is.
    #[command(flatten)]
    pub config: ConfigFileArg,
    /// How to log.
    #[command(flatten)]
    pub log: LogArgs,
}

/// What to print of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs, reason = "the names say it, and a comment would become help text")]
pub enum ListFormat {
    Table,
    Json,
    Yaml,
}

/// Flags of `check`.
#[derive(Debug, Clone, Args)]
pub struct CheckArgs {
    /// Also send one signed request per flow.
    #[arg(long)]
    pub live: bool,

    /// Where the configuration is.
    #[command(flatten)]
    pub config: ConfigFileArg,
    /// Checked too, where it is given.
    #[command(flatten)]
    pub web_config: WebConfigArg,
    /// How to log.
    #[command(flatten)]
    pub log: LogArgs,
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
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = value::waiting_time)]
    pub timeout: Duration,

    /// Where the exporter listens.
    #[command(flatten)]
    pub listen: ListenArgs,
    /// Tells whether the exporter serves HTTPS.
    #[command(flatten)]
    pub web_config: WebConfigArg,
    /// How to log.
    #[command(flatten)]
    pub log: LogArgs,
}

/// Flags of `rules`.
#[derive(Debug, Clone, Args)]
pub struct RulesArgs {
    /// Name of the scrape job in Prometheus.
    #[arg(long, value_name = "NAME", default_value = "laaffic-exporter", value_parser = value::word)]
    pub job: Word,

    /// Label `severity` of alerts that are to wake somebody.
    #[arg(long, value_name = "SEVERITY", default_value = "critical", value_parser = value::word)]
    pub severity: Word,

    /// Label `severity` of alerts that can wait for the working day.
    #[arg(long, value_name = "SEVERITY", default_value = "warning", value_parser = value::word)]
    pub ticket_severity: Word,

    /// How long a flow may be in an execution exception before somebody is woken.
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = value::threshold)]
    pub exception_for: Duration,

    /// How long an exporter may be down before somebody is woken.
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = value::threshold)]
    pub down_for: Duration,

    /// How long an account, or a flow, may go without a good poll, where that is longer than three of a flow's intervals.
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = value::threshold)]
    pub not_refreshed_for: Duration,

    /// URL at which people reach the exporter, for links while no exporter has told its own, where it is not http://localhost:10871/.
    #[arg(long, value_name = "URL", value_parser = value::url)]
    pub external_url: Option<Url>,
}
