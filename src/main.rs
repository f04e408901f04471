//! The `laaffic-exporter` program: arguments, logging, exit codes. Everything else is the library's.

use std::io::{Write as _, stderr, stdout};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use clap::Parser as _;
use exporter_toolkit::clock::{SharedClock, SystemClock};
use exporter_toolkit::server::{listen, shutdown, systemd};
use exporter_toolkit::web_config;
use laaffic_exporter::app::{App, AppError, Reloads, WebOptions};
use laaffic_exporter::cli::{self, Cli, Command, ConfigArgs, WebArgs};
use laaffic_exporter::commands::healthcheck::healthcheck;
use laaffic_exporter::commands::{check::check_live, demo::demo, query::query, simulate::simulate};
use laaffic_exporter::config::HttpConfig;
use laaffic_exporter::reload::ConfigFile;
use laaffic_exporter::{build_info, config, logging};
use tokio::net::TcpListener;

/// Exit code for bad usage.
const USAGE: u8 = 2;

/// Scrapes and polls together seldom need more, however many cores the host has.
const MAX_THREADS: usize = 4;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
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

fn usage(error: &clap::Error) -> ExitCode {
    match cli::one_line(error) {
        Some(line) => {
            say(&line);
            ExitCode::from(USAGE)
        }
        None => match error.print() {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        },
    }
}

/// One error on stderr. Nothing can be done where even that fails.
fn say(line: &str) {
    let _ = writeln!(stderr(), "laaffic-exporter: {line}");
}

fn run(cli: Cli) -> Result<()> {
    let Cli {
        config,
        web,
        log,
        command,
    } = cli;
    logging::init(log).context("logging cannot be started")?;
    if config.check {
        return check(&config, &web);
    }
    let threads = std::thread::available_parallelism().map_or(1, |cores| cores.get().min(MAX_THREADS));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()
        .context("the runtime cannot be started")?;
    let clock: SharedClock = Arc::new(SystemClock);
    let result = runtime.block_on(async {
        match command {
            None => export(&config, &web, clock).await,
            Some(Command::Demo(arguments)) => demo(arguments, listeners(&web)?, &options(&web), clock, stdout()).await,
            Some(Command::Query(arguments)) => query(load(&config)?, &arguments, &clock, stdout()).await,
            Some(Command::Check(arguments)) => {
                check(&config, &web)?;
                match arguments.live {
                    true => check_live(load(&config)?, &clock, stdout()).await,
                    false => Ok(()),
                }
            }
            Some(Command::Healthcheck(arguments)) => {
                let address = web.listen_address.first().context("no listen address is given")?;
                let tls = match &web.config_file {
                    Some(file) => web_config::load(file)?.tls.is_some(),
                    None => false,
                };
                let http = arguments.http_config_file.as_deref().map(HttpConfig::load);
                healthcheck(address, tls, http.transpose()?.as_ref(), arguments.timeout).await
            }
            Some(Command::Simulate(arguments)) => simulate(&arguments, clock, stdout()).await,
        }
    });
    // A password that is still being checked may take longer than a stop does, and nobody waits for it any more.
    runtime.shutdown_background();
    result
}

fn load(arguments: &ConfigArgs) -> Result<config::Config> {
    Ok(ConfigFile::new(&arguments.file).load()?)
}

fn check(arguments: &ConfigArgs, web: &WebArgs) -> Result<()> {
    let mut file = ConfigFile::new(&arguments.file);
    let config = file.load()?;
    file.warn(&config);
    if let Some(file) = &web.config_file {
        web_config::load(file)?;
    }
    let flows: usize = config.accounts.iter().map(|account| account.flows.len()).sum();
    let accounts = config.accounts.len();
    writeln!(
        stdout(),
        "{}: good; accounts: {accounts}, flows: {flows}",
        arguments.file.display()
    )?;
    Ok(())
}

async fn export(arguments: &ConfigArgs, web: &WebArgs, clock: SharedClock) -> Result<()> {
    tracing::info!(
        version = build_info::VERSION,
        revision = build_info::REVISION,
        "Starting laaffic-exporter"
    );
    let mut file = ConfigFile::new(&arguments.file);
    let config = file.load()?;
    file.warn(&config);
    let listeners = listeners(web)?;
    let reloads = Reloads {
        file,
        watch: arguments.enable_auto_reload,
        on_request: web.enable_lifecycle,
    };
    let app = App::new(config, Some(reloads), &options(web), clock)?;
    Ok(app.run(listeners, shutdown::on_signal()?).await?)
}

fn options(web: &WebArgs) -> WebOptions {
    WebOptions {
        telemetry_path: web.telemetry_path.clone(),
        max_requests: web.max_requests,
        config_file: web.config_file.clone(),
    }
}

fn listeners(web: &WebArgs) -> Result<Vec<TcpListener>> {
    if web.systemd_socket {
        return Ok(systemd::listeners()?);
    }
    Ok(web.listen_address.iter().map(listen).collect::<Result<_, _>>()?)
}
