//! `healthcheck` against an exporter with TLS, one that wants a password, and one that wants a client certificate.

use super::program::{CONFIG, program};
use testkit::assertions::{says, says_nothing_of};
use testkit::certificates::Authority;
use testkit::process::{Process, run};
use testkit::server::{TLS, WebFolder};

/// A running exporter, and the folder with its files.
struct Checked {
    folder: WebFolder,
    address: String,
    _running: Process,
}

impl Checked {
    async fn start(folder: WebFolder) -> Self {
        folder.write("config.yaml", CONFIG);
        let running = Process::start(program(&folder, ["--web.listen-address=127.0.0.1:0"]));
        let [address] = running.listening().await;
        Self {
            folder,
            address: address.to_string(),
            _running: running,
        }
    }

    /// The same for one with this text as its file.
    async fn check_as(&self, http_config: &str) -> Result<(), String> {
        self.folder.write("http.yaml", http_config);
        self.check(&["--http.config.file=http.yaml"]).await
    }

    /// What a health check with these arguments says, after success nothing.
    async fn check(&self, arguments: &[&str]) -> Result<(), String> {
        let address = &*self.address;
        let mut check = program(&self.folder, ["healthcheck", "--log.level=error"]);
        check.args(["--web.listen-address", address]).args(arguments);
        let ended = run(check).await;
        let told = ended.stderr;
        says_nothing_of(&told, &["hunter2"]);
        let lines = told.lines().count();
        assert!(matches!((ended.code, lines), (Some(0), 0) | (Some(1), 1)), "{told}");
        if lines == 0 { Ok(()) } else { Err(told) }
    }
}

/// Whether it was refused with these words.
#[track_caller]
fn is_refused(checked: &Result<(), String>, words: &str) {
    says(checked.as_ref().unwrap_err(), &[words]);
}

#[tokio::test]
async fn a_password_is_taken_from_the_file() {
    let hash = bcrypt::hash("hunter2", 4).unwrap();
    let world = Checked::start(WebFolder::new(&format!("basic_auth_users: {{al: {hash}}}"))).await;
    is_refused(&world.check(&[]).await, "wants a password; name a file");
    is_refused(&world.check_as("").await, "wants a password; add basic_auth");
    world.folder.write("password", "hunter2\n");
    let user = async |text: &str| world.check_as(&format!("basic_auth: {{username: {text}}}")).await;
    for right in ["al, password: hunter2", "al, password_file: password"] {
        assert_eq!(user(right).await, Ok(()));
    }
    for wrong in ["al, password: hunter22", "be, password: hunter2"] {
        is_refused(&user(wrong).await, "refuses this user or password");
    }
    let misspelt = user("al, pasword: hunter2, password_file: password").await;
    let told = "http.yaml:1:28: basic_auth.pasword: unknown key; did you mean password?";
    is_refused(&misspelt, told);
    let missing = world.check(&["--http.config.file=none.yaml"]).await;
    is_refused(&missing, "none.yaml: cannot be read");
}

#[tokio::test]
async fn with_a_file_the_certificate_is_verified() {
    let world = Checked::start(WebFolder::new(TLS)).await;
    assert_eq!(world.check(&[]).await, Ok(()));
    for (tls_config, words) in [
        ("ca_file: ca.crt, server_name: localhost", None),
        ("insecure_skip_verify: true", None),
        ("ca_file: ca.crt", Some("TLS failed: ")),
        ("ca_file: ca.crt, server_name: other", Some("TLS failed: ")),
        ("ca_file: server.crt, server_name: localhost", Some("TLS failed: ")),
    ] {
        let checked = world.check_as(&format!("tls_config: {{{tls_config}}}")).await;
        match words {
            None => assert_eq!(checked, Ok(()), "{tls_config}"),
            Some(words) => {
                is_refused(&checked, words);
                is_refused(&checked, "check tls_config in the file");
            }
        }
    }
}

#[tokio::test]
async fn a_client_certificate_is_taken_from_the_file() {
    let clients = Authority::new("client authority");
    let folder = WebFolder::new(&format!(
        "{TLS}  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: clients.crt\n"
    ));
    folder.write("clients.crt", &clients.cert);
    folder.write_pair("ours", &clients.client(&["ours"]));
    folder.write_pair("stranger", &Authority::new("stranger").client(&["ours"]));
    let world = Checked::start(folder).await;
    is_refused(&world.check(&[]).await, "does not answer");
    let file = |name| {
        format!("tls_config: {{ca_file: ca.crt, server_name: localhost, cert_file: {name}.crt, key_file: {name}.key}}")
    };
    assert_eq!(world.check_as(&file("ours")).await, Ok(()));
    is_refused(&world.check_as(&file("stranger")).await, "does not answer");
}
