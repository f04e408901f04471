//! What Rust prints of the types that hold a secret, in case one of them ever gets into a message.

use std::fmt::Debug;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use exporter_toolkit::web_config::{LiveWebConfig, PasswordHash};
use laaffic_exporter::api::{Client, Credentials, Network};
use laaffic_exporter::app::{App, Reloads, WebOptions};
use laaffic_exporter::clock::{SharedClock, SystemClock};
use laaffic_exporter::config::{self, Config, HttpConfig, LoadError, SecretReader, SecretUse};
use laaffic_exporter::poll::{self, Plan};
use laaffic_exporter::reload::ConfigFile;

use super::broken::broken;
use super::fixture::{Fixture, credentials};
use super::marks::Outlets;

fn print(outlets: &mut Outlets, value: &impl Debug) {
    outlets.add("a value in one line", format!("{value:?}"));
    outlets.add("a value in many lines", format!("{value:#?}"));
}

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
    let path = folder.path().join("config.yaml");
    let clock: SharedClock = Arc::new(SystemClock);
    let mut outlets = Outlets::default();

    let config = load(&path).unwrap();
    for account in &config.accounts {
        print(&mut outlets, account);
        print(&mut outlets, &account.http_client);
        for source in [&account.api_key, &account.api_secret] {
            print(&mut outlets, source);
            print(
                &mut outlets,
                &SecretReader::new(source.clone(), SecretUse::Signature).unwrap(),
            );
        }
        let reader = |source: &config::SecretSource| SecretReader::new(source.clone(), SecretUse::Header).unwrap();
        let credentials = Credentials {
            api_key: reader(&account.api_key),
            api_secret: reader(&account.api_secret),
        };
        print(&mut outlets, &credentials);
        let patience = Duration::from_secs(1);
        let network = Network::new(&account.base_url, &account.http_client, patience, 1).unwrap();
        print(&mut outlets, &network);
        let client = Client::new(
            &account.base_url,
            credentials,
            Arc::new(network),
            patience,
            Arc::clone(&clock),
        );
        print(&mut outlets, &client);
    }
    print(&mut outlets, &config);
    outlets.add(
        "the configuration for people",
        config::show(&config, |_| Vec::new()).unwrap(),
    );
    print(&mut outlets, &Plan::new(config, &clock, &poll::over_network).unwrap());

    let live = LiveWebConfig::open(&folder.path().join("web.yaml")).unwrap();
    print(&mut outlets, &live);
    print(&mut outlets, &live.current());
    print(&mut outlets, &live.current().config.users);
    let web_config = world.web_config();
    let hash = web_config
        .split_whitespace()
        .find(|word| word.starts_with("$2"))
        .unwrap();
    print(&mut outlets, &hash.parse::<PasswordHash>().unwrap());
    print(
        &mut outlets,
        &HttpConfig::load(&folder.path().join("http.yaml")).unwrap(),
    );
    print(&mut outlets, &world.simulator);
    print(&mut outlets, world.simulator.vendor());

    let reloads = Reloads {
        file: ConfigFile::new(&path),
        watch: true,
        on_request: true,
    };
    let options = WebOptions {
        telemetry_path: "/metrics".parse().unwrap(),
        max_requests: 1,
        config_file: Some(folder.path().join("web.yaml")),
    };
    print(
        &mut outlets,
        &App::new(load(&path).unwrap(), Some(reloads), &options, clock).unwrap(),
    );

    for (_, content) in broken(&world.config()) {
        // Only what the network would find out is not refused here.
        if let Err(error) = config::parse_bytes(&content, &path, &|_| Some("x".to_owned())) {
            outlets.add("a refusal", error.to_string());
            print(&mut outlets, &error);
        }
    }
    outlets.hold_none_of(&world.needles);
}
