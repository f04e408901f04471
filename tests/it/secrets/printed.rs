//! What Rust prints of the types that hold a secret, in case one of them ever gets into a message.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use exporter_toolkit::clock::{SharedClock, SystemClock};
use exporter_toolkit::server::AllowedHosts;
use exporter_toolkit::web_config::{LiveWebConfig, PasswordHash};
use laaffic_exporter::api::{Client, Credentials, Network};
use laaffic_exporter::app::{App, Reloads, WebOptions};
use laaffic_exporter::config::{self, Config, HttpConfig, LoadError, SecretReader, SecretUse};
use laaffic_exporter::poll::{self, Plan};
use laaffic_exporter::reload::ConfigFile;

use super::broken::broken;
use super::fixture::{Fixture, credentials};
use super::marks::Outlets;

fn load(path: &Path) -> Result<Config, LoadError> {
    let (key, secret) = credentials("environment");
    config::load(path, &|name| match name {
        "PLANTED_KEY" => Some(key.clone()),
        "PLANTED_SECRET" => Some(secret.clone()),
        _ => None,
    })
}

#[tokio::test]
async fn no_type_prints_the_secret_it_holds() {
    let world = Fixture::start().await;
    let folder = world.folder();
    let path = folder.file("config.yaml");
    let clock: SharedClock = Arc::new(SystemClock);
    let mut outlets = Outlets::default();

    let config = load(&path).unwrap();
    for account in &config.accounts {
        outlets.print(account);
        outlets.print(&account.settings.http_client);
        for source in [&account.api_key, &account.api_secret] {
            outlets.print(source);
            outlets.print(&SecretReader::new(source.clone(), SecretUse::Signature).unwrap());
        }
        let credentials = Credentials::new(account.api_key.clone(), account.api_secret.clone()).unwrap();
        outlets.print(&credentials);
        let patience = Duration::from_secs(1);
        let network = Network::new(&account.base_url, &account.settings.http_client, patience, 1).unwrap();
        outlets.print(&network);
        let client = Client::new(&account.base_url, Arc::new(network), patience, Arc::clone(&clock));
        outlets.print(&client);
    }
    outlets.print(&config);
    let shown = config::show(&config, |_| Vec::new()).unwrap();
    outlets.add("the configuration for people", shown);
    outlets.print(&Plan::new(config, &clock, &poll::over_network).unwrap());

    let live = LiveWebConfig::open(&folder.file("web.yaml")).unwrap();
    outlets.print(&live);
    outlets.print(&live.current());
    outlets.print(&live.current().config.users);
    let web_config = world.web_config();
    let mut words = web_config.split_whitespace();
    let hash: PasswordHash = words.find(|word| word.starts_with("$2")).unwrap().parse().unwrap();
    outlets.print(&hash);
    outlets.print(&HttpConfig::load(&folder.file("http.yaml")).unwrap());
    outlets.print(&world.simulator);
    outlets.print(world.simulator.vendor());

    let reloads = Reloads {
        file: ConfigFile::new(&path),
        watch: true,
        on_request: true,
    };
    let options = WebOptions {
        telemetry_path: "/metrics".parse().unwrap(),
        max_requests: 1,
        allowed_hosts: AllowedHosts::default(),
        external_url: None,
        port: 0,
        grafana_url: None,
        config_file: Some(folder.file("web.yaml")),
    };
    outlets.print(&App::new(load(&path).unwrap(), Some(reloads), &options, clock).unwrap());

    for (_, content) in broken(&world.config()) {
        // Only what the network would find out is not refused here.
        if let Err(error) = config::parse(&content, &path, &|_| Some("x".to_owned())) {
            outlets.add("a refusal", error.to_string());
            outlets.print(&error);
        }
    }
    outlets.hold_none_of(&world.needles);
}
