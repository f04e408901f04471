//! `healthcheck` against an exporter with TLS, one that wants a password, and one that wants a client certificate.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Child;

use crate::pki::Authority;
use crate::program::{CONFIG, program};
use crate::world::{Folder, TLS};

/// A running exporter, and the folder with its files.
struct World {
    folder: Folder,
    address: String,
    _running: Child,
}

impl World {
    async fn start(folder: Folder) -> Self {
        folder.write("config.yaml", CONFIG);
        folder.write("ca.crt", &folder.authority.cert);
        let mut running = program(&folder)
            .args(["--web.listen-address=127.0.0.1:0"])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(running.stderr.take().unwrap()).lines();
        let address = loop {
            let line = log.next_line().await.unwrap().expect("the program ended");
            if let Some((_, address)) = line.split_once("address=") {
                break address.to_owned();
            }
        };
        Self {
            folder,
            address,
            _running: running,
        }
    }

    /// What a health check without a file of its own says, after success nothing.
    async fn check(&self) -> Result<(), String> {
        self.check_with(&[]).await
    }

    /// The same with this text as its file.
    async fn check_as(&self, http_config: &str) -> Result<(), String> {
        self.folder.write("http.yaml", http_config);
        self.check_with(&["--http.config.file=http.yaml"]).await
    }

    async fn check_with(&self, arguments: &[&str]) -> Result<(), String> {
        let mut check = program(&self.folder);
        check.args([
            "healthcheck",
            "--log.level=error",
            "--web.listen-address",
            &self.address,
        ]);
        let ended = check.args(arguments).output().await.unwrap();
        let told = String::from_utf8(ended.stderr).unwrap();
        assert!(!told.contains("hunter2"), "{told}");
        match ended.status.code() {
            Some(0) => {
                assert_eq!(told, "");
                Ok(())
            }
            code => {
                assert_eq!((code, told.lines().count()), (Some(1), 1), "{told}");
                Err(told)
            }
        }
    }
}

/// Whether it was refused with these words.
fn says(checked: &Result<(), String>, words: &str) {
    let told = checked.as_ref().unwrap_err();
    assert!(told.contains(words), "{words:?} is not in {told}");
}

#[tokio::test]
async fn a_password_is_taken_from_the_file() {
    let hash = bcrypt::hash("hunter2", 4).unwrap();
    let world = World::start(Folder::new(&format!("basic_auth_users: {{al: {hash}}}"))).await;
    says(&world.check().await, "wants a password; name a file");
    says(&world.check_as("").await, "wants a password; add basic_auth");
    assert_eq!(
        world.check_as("basic_auth: {username: al, password: hunter2}").await,
        Ok(())
    );
    world.folder.write("password", "hunter2\n");
    assert_eq!(
        world
            .check_as("basic_auth: {username: al, password_file: password}")
            .await,
        Ok(())
    );
    for wrong in [
        "basic_auth: {username: al, password: hunter22}",
        "basic_auth: {username: be, password: hunter2}",
    ] {
        says(&world.check_as(wrong).await, "refuses this user or password");
    }
    says(
        &world
            .check_as("basic_auth: {username: al, pasword: hunter2, password_file: password}")
            .await,
        "http.yaml:1:28: basic_auth.pasword: unknown key; did you mean password?",
    );
    says(
        &world.check_with(&["--http.config.file=none.yaml"]).await,
        "none.yaml: cannot be read",
    );
}

#[tokio::test]
async fn with_a_file_the_certificate_is_verified() {
    let world = World::start(Folder::new(TLS)).await;
    assert_eq!(world.check().await, Ok(()));
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
                says(&checked, words);
                says(&checked, "check tls_config in the file");
            }
        }
    }
}

#[tokio::test]
async fn a_client_certificate_is_taken_from_the_file() {
    let clients = Authority::new("client authority");
    let folder = Folder::new(&format!(
        "{TLS}  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: clients.crt\n"
    ));
    folder.write("clients.crt", &clients.cert);
    folder.write_pair("ours", &clients.client(&["ours"]));
    folder.write_pair("stranger", &Authority::new("stranger").client(&["ours"]));
    let world = World::start(folder).await;
    says(&world.check().await, "does not answer");
    let file = |name| {
        format!("tls_config: {{ca_file: ca.crt, server_name: localhost, cert_file: {name}.crt, key_file: {name}.key}}")
    };
    assert_eq!(world.check_as(&file("ours")).await, Ok(()));
    says(&world.check_as(&file("stranger")).await, "does not answer");
}
