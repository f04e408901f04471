//! The program with a web-config file: the check, a refusal at the start, and the health check over TLS.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use crate::world::{Folder, TLS};

const CONFIG: &str =
    "accounts:\n  - {name: main, base_url: 'http://127.0.0.1:1', api_key: k, api_secret: s, flows: []}\n";

fn program(folder: &Folder) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_laaffic-exporter"));
    command
        .current_dir(folder.path())
        .args(["--config.file=config.yaml", "--web.config.file=web.yaml"])
        .kill_on_drop(true);
    command
}

#[tokio::test]
async fn mistakes_are_told_by_the_check_and_at_the_start() {
    let folder = Folder::new(
        "tls_server_config: {cert_file: none.crt, min_version: TLS11}\nbasic_auth_users: {john: hunter2}\n",
    );
    folder.write("config.yaml", CONFIG);
    for arguments in [&["--config.check"][..], &["--web.listen-address=127.0.0.1:0"]] {
        let ended = program(&folder).args(arguments).output().await.unwrap();
        assert_eq!(ended.status.code(), Some(1));
        let told = String::from_utf8(ended.stderr).unwrap();
        let lines: Vec<_> = told.lines().filter(|line| line.starts_with("web.yaml: ")).collect();
        assert_eq!(lines.len(), 4, "{told}");
        assert!(
            lines[0].starts_with("web.yaml: tls_server_config.cert_file: none.crt cannot be read"),
            "{told}"
        );
        assert!(!told.contains("hunter2"));
    }
}

#[tokio::test]
async fn the_health_check_speaks_tls_and_says_what_a_password_takes() {
    let hash = bcrypt::hash("x", 4).unwrap();
    for (text, code) in [
        (TLS.to_owned(), 0),
        (format!("{TLS}basic_auth_users: {{al: {hash}}}"), 1),
    ] {
        let folder = Folder::new(&text);
        folder.write("config.yaml", CONFIG);
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
        let mut check = program(&folder);
        check.args(["healthcheck", "--web.listen-address", &address]);
        let ended = check.output().await.unwrap();
        let told = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert_eq!(ended.status.code(), Some(code), "{told}");
        assert_eq!(told.contains("wants a password"), code == 1, "{told}");
        running.kill().await.unwrap();
    }
}
