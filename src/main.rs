//! The `laaffic-exporter` program: arguments, logging, exit codes. Everything else is the library's.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Write as _, stderr, stdout};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use exporter_toolkit::clock::{SharedClock, SystemClock};
use exporter_toolkit::server::{AllowedHosts, HostPattern, listen, shutdown, systemd};
use exporter_toolkit::web_config;
use laaffic_exporter::app::{App, AppError, Reloads, WebOptions};
use laaffic_exporter::cli::{
    self, Cli, Command, ConfigFileArg, ExportArgs, HealthcheckArgs, Refusal, ServeArgs, WebConfigArg,
};

use laaffic_exporter::commands::healthcheck::healthcheck;
use laaffic_exporter::commands::{
    check::check_live, demo::demo, flows::flows, query::query, raw::query_raw, rules::print_rules, simulate::simulate,
};
use laaffic_exporter::config::HttpConfig;
use laaffic_exporter::pages::links::own_name;
use laaffic_exporter::reload::ConfigFile;
use laaffic_exporter::shard::Shard;
use laaffic_exporter::{build_info, config, logging};
use tikv_jemallocator::Jemalloc;
use tokio::net::TcpListener;
use zeroizing_alloc::ZeroAlloc;

/// Wipes what is freed: key and secret pass through buffers that are not ours (the YAML parser's, the HTTP client's), and a core dump, or
/// the host's swap, is to show none that is not in use. What that costs is in docs/performance.md.
///
/// Beneath is jemalloc: what reloads, pages and scrapes took goes back to the host, which the C library's allocator keeps.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<Jemalloc> = ZeroAlloc(Jemalloc);

/// Exit code for bad usage.
const USAGE: u8 = 2;

/// Scrapes and polls together seldom need more, however many cores the host has.
const MAX_THREADS: usize = 4;

fn main() -> ExitCode {
    let cli = match cli::parse(std::env::args_os()) {
        Ok(cli) => cli,
        Err(Refusal::Usage(line)) => {
            say(&line);
            return ExitCode::from(USAGE);
        }
        Err(Refusal::Help(help)) => {
            return match help.print() {
                Ok(()) => ExitCode::SUCCESS,
                Err(_) => ExitCode::FAILURE,
            };
        }
    };
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            match problems(&error) {
                // One line for each problem, and each says itself in which file it is.
                Some(problems) => drop(writeln!(stderr(), "{problems}")),
                None => say(&format!("{error:#}")),
            }
            ExitCode::FAILURE
        }
    }
}

/// The mistakes in a file, where that is what ended it.
fn problems(error: &anyhow::Error) -> Option<&config::LoadError> {
    match error.downcast_ref::<AppError>() {
        Some(AppError::WebConfig(problems)) => Some(problems),
        _ => error.downcast_ref(),
    }
}

/// One error on stderr. Nothing can be done where even that fails.
fn say(line: &str) {
    let _ = writeln!(stderr(), "laaffic-exporter: {line}");
}

fn run(cli: Cli) -> Result<()> {
    let clock: SharedClock = Arc::new(SystemClock);
    logging::init(cli.log(), clock.clone()).context("logging cannot be started")?;
    let Cli { export, command } = cli;
    if command.is_none() && export.check {
        let config = check(&export.config, &export.serve.web_config)?;
        return tell_shards(&config, export.shard.named()?);
    }
    let threads = std::thread::available_parallelism().map_or(1, |cores| cores.get().min(MAX_THREADS));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()
        .context("the runtime cannot be started")?;
    let result = runtime.block_on(async {
        match command {
            None => run_exporter(&export, clock).await,
            Some(Command::Demo(arguments)) => {
                let listeners = listeners(&arguments.serve)?;
                let options = options(&arguments.serve, &listeners)?;
                demo(&arguments, listeners, &options, clock, stdout()).await
            }
            Some(Command::Query(arguments)) => {
                let config = config_file(&arguments.config)?.load()?;
                match arguments.raw {
                    true => query_raw(config, &arguments, &clock, stdout(), stderr()).await,
                    false => query(config, &arguments, &clock, stdout()).await,
                }
            }
            Some(Command::Flows(arguments)) => {
                let config = config_file(&arguments.config)?.load()?;
                flows(config, &arguments, &clock, stdout(), stderr()).await
            }
            Some(Command::Check(arguments)) => {
                let config = check(&arguments.config, &arguments.web_config)?;
                match arguments.live {
                    true => check_live(config, &clock, stdout()).await,
                    false => Ok(()),
                }
            }
            Some(Command::Healthcheck(arguments)) => check_health(&arguments).await,
            Some(Command::Simulate(arguments)) => simulate(&arguments, clock, stdout()).await,
            Some(Command::Rules(arguments)) => print_rules(arguments, stdout()),
        }
    });
    // A password that is still being checked may take longer than a stop does, and nobody waits for it any more.
    runtime.shutdown_background();
    result
}

/// The configuration file. Where it is not there, perhaps there is none yet: then a first one is needed, or the demo.
fn config_file(argument: &ConfigFileArg) -> Result<ConfigFile> {
    let file = &argument.file;
    if let Err(error) = file.metadata()
        && error.kind() == ErrorKind::NotFound
    {
        bail!(
            "{}: there is no such file; name yours with --config.file, begin one from config.example.yaml, \
             or see laaffic-exporter demo, which needs none",
            file.display()
        );
    }
    Ok(ConfigFile::new(file))
}

/// Says that the files are good, and gives the configuration.
fn check(config: &ConfigFileArg, web_config: &WebConfigArg) -> Result<config::Config> {
    let mut file = config_file(config)?;
    let loaded = file.load()?;
    file.warn(&loaded);
    if let Some(file) = &web_config.file {
        web_config::load(file)?;
    }
    let flows: usize = loaded.accounts.iter().map(|account| account.flows.len()).sum();
    let accounts = loaded.accounts.len();
    let found = match loaded
        .accounts
        .iter()
        .filter(|account| account.discovery.is_some())
        .count()
    {
        0 => String::new(),
        1 => ", and those that 1 account finds".to_owned(),
        finding => format!(", and those that {finding} accounts find"),
    };
    writeln!(
        stdout(),
        "{}: good; accounts: {accounts}, flows: {flows}{found}",
        config.file.display()
    )?;
    Ok(loaded)
}

/// Which accounts fall to which shard, where there are several.
fn tell_shards(config: &config::Config, shard: Shard) -> Result<()> {
    if shard.is_whole() {
        return Ok(());
    }
    let mut accounts: BTreeMap<u32, Vec<&str>> = BTreeMap::new();
    for account in &config.accounts {
        let ordinal = shard.ordinal_of(&account.name);
        accounts.entry(ordinal).or_default().push(&account.name);
    }
    for ordinal in 0..shard.total() {
        let names = accounts.get(&ordinal).map(|names| names.join(", "));
        let names = names.as_deref().unwrap_or("none");
        writeln!(stdout(), "{}: {names}", Shard::new(ordinal, shard.total())?)?;
    }
    Ok(())
}

async fn check_health(arguments: &HealthcheckArgs) -> Result<()> {
    let address = arguments
        .listen
        .addresses
        .first()
        .context("no listen address is given")?;
    let tls = match &arguments.web_config.file {
        Some(file) => web_config::load(file)?.tls.is_some(),
        None => false,
    };
    let http = arguments.http_config_file.as_deref().map(HttpConfig::load);
    healthcheck(address, tls, http.transpose()?.as_ref(), arguments.timeout).await
}

async fn run_exporter(arguments: &ExportArgs, clock: SharedClock) -> Result<()> {
    tracing::info!(
        version = build_info::VERSION,
        revision = build_info::REVISION,
        "Starting laaffic-exporter"
    );
    let shard = arguments.shard.named()?;
    let mut file = config_file(&arguments.config)?.of_shard(shard);
    let config = file.load()?;
    file.warn(&config);
    if !shard.is_whole() {
        tracing::info!(
            shard = shard.ordinal(),
            total_shards = shard.total(),
            accounts = config.accounts.len(),
            "Polling a share of the accounts"
        );
    }
    let listeners = listeners(&arguments.serve)?;
    let reloads = Reloads {
        file,
        watch: arguments.enable_auto_reload,
        on_request: arguments.enable_lifecycle,
    };
    let options = options(&arguments.serve, &listeners)?;
    let app = App::new(config, Some(reloads), &options, clock)?;
    Ok(app.run(listeners, shutdown::on_signal()?).await?)
}

fn options(arguments: &ServeArgs, listeners: &[TcpListener]) -> Result<WebOptions> {
    let first = listeners.first().map(TcpListener::local_addr).transpose()?;
    Ok(WebOptions {
        telemetry_path: arguments.telemetry_path.clone(),
        max_requests: arguments.max_requests,
        allowed_hosts: allowed_hosts(arguments),
        external_url: arguments.external_url.clone(),
        port: first.map_or(0, |address| address.port()),
        grafana_url: arguments.grafana_url.clone(),
        config_file: arguments.web_config.file.clone(),
    })
}

/// The names by which people may ask for pages: those they were told of, and this host's own.
fn allowed_hosts(arguments: &ServeArgs) -> AllowedHosts {
    let own = own_name();
    // A resolver's search list completes the short name, and nobody else has one without dots.
    let short = own.split('.').next().unwrap_or_default();
    let listened_on = arguments.listen.addresses.iter().filter_map(|address| address.host());
    let own = listened_on.chain([own.as_str(), short]).map(HostPattern::name);
    let names = arguments.allowed_hosts.iter().cloned().chain(own);
    AllowedHosts::new(names, arguments.external_url.as_ref())
}

fn listeners(arguments: &ServeArgs) -> Result<Vec<TcpListener>> {
    if arguments.systemd_socket {
        return Ok(systemd::listeners()?);
    }
    let addresses = arguments.listen.addresses.iter();
    Ok(addresses.map(listen).collect::<Result<_, _>>()?)
}
