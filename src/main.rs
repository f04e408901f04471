//! The `laaffic-exporter` program: arguments, logging, exit codes. Everything else is the library's.

use std::io::{Write as _, stderr, stdout};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use clap::Parser as _;
use laaffic_exporter::app::{App, Reloads, WebOptions};
use laaffic_exporter::cli::{self, Cli, Command, ConfigArgs, WebArgs};
use laaffic_exporter::clock::{SharedClock, SystemClock};
use laaffic_exporter::healthcheck::healthcheck;
use laaffic_exporter::listen::listen;
use laaffic_exporter::reload::ConfigFile;
use laaffic_exporter::{build_info, config, demo, logging, query, shutdown};
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
            match error.downcast_ref::<config::LoadError>() {
                // One line for each problem, and each says itself in which file it is.
                Some(problems) => drop(writeln!(stderr(), "{problems}")),
                None => say(&format!("{error:#}")),
            }
            ExitCode::FAILURE
        }
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
    if config.check {
        return check(&config);
    }
    logging::init(log).context("logging cannot be started")?;
    let threads = std::thread::available_parallelism().map_or(1, |cores| cores.get().min(MAX_THREADS));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()
        .context("the runtime cannot be started")?;
    let clock: SharedClock = Arc::new(SystemClock);
    runtime.block_on(async {
        match command {
            None => export(&config, &web, clock).await,
            Some(Command::Demo(arguments)) => {
                demo::demo(arguments, listeners(&web)?, &options(&web), clock, stdout()).await
            }
            Some(Command::Query(arguments)) => query::query(load(&config)?, &arguments, &clock, stdout()).await,
            Some(Command::Check(arguments)) => {
                check(&config)?;
                match arguments.live {
                    true => query::check_live(load(&config)?, &clock, stdout()).await,
                    false => Ok(()),
                }
            }
            Some(Command::Healthcheck(arguments)) => {
                let address = web.listen_address.first().context("no listen address is given")?;
                healthcheck(address, arguments.timeout).await
            }
            Some(Command::Simulate(arguments)) => demo::simulate(&arguments, clock, stdout()).await,
        }
    })
}

fn load(arguments: &ConfigArgs) -> Result<config::Config> {
    Ok(ConfigFile::new(&arguments.file).load()?)
}

fn check(arguments: &ConfigArgs) -> Result<()> {
    let config = load(arguments)?;
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
    }
}

fn listeners(web: &WebArgs) -> Result<Vec<TcpListener>> {
    Ok(web.listen_address.iter().map(listen).collect::<Result<_, _>>()?)
}
