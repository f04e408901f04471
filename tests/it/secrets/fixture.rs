//! The vendor, the servers that tell on their clients, and a folder with a secret in every place that can hold one.

use std::net::SocketAddr;
use std::process::Command;
use std::time::SystemTime;

use exporter_toolkit::clock::{Clock as _, SystemClock};
use laaffic_simulator::{Account, Dialect, Fault, FaultPlan, Flow, FlowState, Scope, Simulator};
use serde_json::json;
use testkit::answer;
use testkit::assertions::says;
use testkit::certificates::{Pair, self_signed};
use testkit::folder::Folder;
use testkit::vendor;

use super::echo::{Heard, KINDS, echo, mirror};
use super::marks::{CUSTOMER_TEXT, Needles, marked};

/// The accounts that get proper answers, which need the right key and secret.
pub(crate) const GOOD: [&str; 4] = ["inline", "files", "environment", "proxied"];

/// Flows 1 to 3 of each: in peace, in trouble.
const FLOWS: u64 = 3;

/// The one who may ask the exporter.
pub(crate) const USER: &str = "prometheus";

/// Everything that outlives one run of the program.
pub(crate) struct Fixture {
    pub(crate) simulator: Simulator,
    pub(crate) heard: Heard,
    pub(crate) needles: Needles,
    pub(crate) echo: SocketAddr,
    mirror: SocketAddr,
    server: Pair,
    client: Pair,
    hash: String,
}

/// Half of the key, which no other key has.
fn mark(pair: &Pair) -> &str {
    pair.key.lines().nth(2).unwrap()
}

/// The key and the secret of an account.
pub(crate) fn credentials(account: &str) -> (String, String) {
    (marked(&format!("key-{account}")), marked(&format!("secret-{account}")))
}

/// The password of the exporter's user.
pub(crate) fn password() -> String {
    marked("password")
}

impl Fixture {
    pub(crate) async fn start() -> Self {
        let simulator = vendor::play(GOOD.map(played)).await;
        let vendor = simulator.vendor();
        let unknown = Fault::Code {
            code: -22,
            msg: Some(format!("{CUSTOMER_TEXT}: no such flow")),
            status: None,
        };
        for (key_id, fault) in [(2, Fault::TruncatedJson), (3, unknown)] {
            let scope = Scope::Flow("inline".to_owned(), key_id);
            vendor.set_faults(&scope, Some(FaultPlan::always(fault))).unwrap();
        }
        // Enough of them that some are spoken, and some followed by a message.
        vendor.pin("inline", 1, FlowState::with_nodes(1, &[1; 40])).unwrap();
        vendor.set_dialect("inline", 1, Some(Dialect::default())).unwrap();
        sends_texts_of_customers(&simulator).await;
        let (echo, heard) = echo().await;
        let (server, client) = (self_signed(&["localhost"], false), self_signed(&["localhost"], false));
        let hash = bcrypt::hash(password(), 4).unwrap();
        // Salt and hash: what comes before is the same in every hash.
        let needles = Needles::new([mark(&server), mark(&client), &hash[7..]]);
        for account in GOOD.iter().chain(&["echo", "through-echo", "mirror"]) {
            let (key, secret) = credentials(account);
            needles.add(&format!("{key}{secret}"));
            needles.add(&key);
            needles.add(&secret);
        }
        for name in ["password", "proxy", "through-proxy"] {
            needles.add(&marked(name));
        }
        Self {
            simulator,
            heard,
            needles,
            echo,
            mirror: mirror().await,
            server,
            client,
            hash,
        }
    }

    /// The configuration, with secrets in it.
    pub(crate) fn config(&self) -> String {
        let inline = |account| {
            let (key, secret) = credentials(account);
            format!("    api_key: {key}\n    api_secret: {secret}\n")
        };
        let by_proxy = |account, name, address| {
            // As every byte of a password but these few must be written in a URL.
            let password = marked(name).replace('%', "%25").replace('/', "%2F");
            let proxy = format!("http://user:{password}@{address}");
            format!("{}    http_client: {{ proxy_url: '{proxy}' }}\n", inline(account))
        };
        let of_files = "    api_key_file: key\n    api_secret_file: secret\n    \
                        http_client: { tls_config: { cert_file: client.crt, key_file: client.key } }\n";
        let of_environment = "    api_key_env: PLANTED_KEY\n    api_secret_env: PLANTED_SECRET\n";
        let (vendor, echo) = (self.simulator.address(), self.echo);
        let nowhere = "vendor.invalid".to_owned();
        let mut text = "global: { poll_interval: 1s, request_timeout: 20s }\naccounts:\n".to_owned();
        for (name, host, lines, flows) in [
            ("inline", vendor.to_string(), inline("inline"), FLOWS),
            ("files", vendor.to_string(), of_files.to_owned(), FLOWS),
            ("environment", vendor.to_string(), of_environment.to_owned(), FLOWS),
            ("proxied", nowhere.clone(), by_proxy("proxied", "proxy", vendor), FLOWS),
            ("echo", echo.to_string(), inline("echo"), KINDS),
            (
                "through-echo",
                nowhere,
                by_proxy("through-echo", "through-proxy", echo),
                KINDS,
            ),
            ("mirror", self.mirror.to_string(), inline("mirror"), 1),
        ] {
            let flows: Vec<_> = (1..=flows).map(|key_id| format!("{{ key_id: {key_id} }}")).collect();
            text.push_str(&format!(
                "  - name: {name}\n    base_url: http://{host}/v3\n    rate_limit: 1000\n    max_concurrent_requests: 20\n\
                 {lines}    flows: [{}]\n",
                flows.join(", ")
            ));
        }
        text
    }

    /// The web-config file, with a hash in it.
    pub(crate) fn web_config(&self) -> String {
        format!(
            "tls_server_config: {{ cert_file: server.crt, key_file: server.key }}\nbasic_auth_users: {{ {USER}: {} }}\n",
            self.hash
        )
    }

    /// A folder with all files.
    pub(crate) fn folder(&self) -> Folder {
        let (key, secret) = credentials("files");
        let http = |password: &str| {
            format!(
                "basic_auth: {{ username: {USER}, password: '{password}' }}\n\
                 tls_config: {{ ca_file: server.crt, server_name: localhost }}\n"
            )
        };
        Folder::with([
            ("config.yaml", self.config()),
            ("web.yaml", self.web_config()),
            ("http.yaml", http(&password())),
            ("wrong.yaml", http(&marked("wrong"))),
            ("key", format!("{key}\n")),
            ("secret", format!("{secret}\n")),
            ("server.crt", self.server.cert.clone()),
            ("server.key", self.server.key.clone()),
            ("client.crt", self.client.cert.clone()),
            ("client.key", self.client.key.clone()),
        ])
    }
}

/// The vendor really sends what must not be told; asked without anything of the exporter's client.
async fn sends_texts_of_customers(simulator: &Simulator) {
    let (key, secret) = credentials("inline");
    let now = SystemClock
        .now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let client = answer::client().build().unwrap();
    let request = vendor::signed(&client, simulator, (&key, &secret), now, &json!({"keyId": 1}));
    let answer = request.send().await.unwrap();
    let text = answer.text().await.unwrap();
    says(&text, &[CUSTOMER_TEXT]);
}

fn played(name: &str) -> Account {
    let (api_key, api_secret) = credentials(name);
    Account {
        api_key,
        api_secret,
        ..vendor::account(name, (1..=FLOWS).map(Flow::seeded))
    }
}

/// The command in this folder, with the secrets that come from the environment.
pub(crate) fn with_secrets(mut command: Command, folder: &Folder) -> Command {
    let (key, secret) = credentials("environment");
    command
        .current_dir(folder.path())
        .env("PLANTED_KEY", key)
        .env("PLANTED_SECRET", secret);
    command
}
