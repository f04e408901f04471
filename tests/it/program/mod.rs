//! The program from outside: arguments, exit codes, errors, signals, logs, and what it does with bad requests.

mod commands;
mod hosts;
mod log;
mod raw;
mod requests;
mod serving;
mod shards;
mod stop;
mod usage;

use testkit::folder::Folder;
use testkit::process::Process;
use testkit::watching::Exporter;

use crate::{exporter, exporter_in};

/// A good configuration, of which nothing answers: nobody listens on port 9 of this host.
const GOOD: &str = "\
accounts:
  - name: main
    base_url: http://127.0.0.1:9/v3
    api_key: planted-key
    api_secret: planted-secret
    flows:
      - key_id: 12
";

/// An exporter with this configuration on any free port, with further arguments.
async fn serving<const N: usize>(config: &str, arguments: [&str; N]) -> Exporter {
    Exporter::start(exporter(arguments), Folder::configured(config)).await
}

async fn demo<const N: usize>(arguments: [&str; N]) -> Exporter {
    let mut command = exporter(["demo"]);
    command.args(arguments);
    Exporter::start(command, Folder::new()).await
}

/// A simulated vendor, its base URL, and the configuration that it prints.
async fn simulated() -> (Process, String, String) {
    let simulator = Process::start(exporter(["simulate", "--address", "127.0.0.1:0"]));
    // The last key of it; the prose before it is comments.
    simulator.writes("terminal_poll_interval: ").await;
    let config = simulator.stdout();
    let (_, url) = config.split_once("listens on ").unwrap();
    let (url, _) = url.split_once(',').unwrap();
    (simulator, url.to_owned(), config.clone())
}
