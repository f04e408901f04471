//! The program with a web-config file: the check and a refusal at the start.

use std::ffi::OsStr;
use std::process::Command;

use testkit::assertions::says_nothing_of;
use testkit::process::run;
use testkit::server::WebFolder;

use crate::exporter_in;

/// A configuration without anything to poll.
pub(super) const CONFIG: &str =
    "accounts:\n  - {name: main, base_url: 'http://127.0.0.1:1', api_key: k, api_secret: s, flows: []}\n";

/// The program in a folder with both configuration files.
pub(super) fn program<S: AsRef<OsStr>>(folder: &WebFolder, arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = exporter_in(folder, arguments);
    command.arg("--web.config.file=web.yaml");
    command
}

#[tokio::test]
async fn mistakes_are_told_by_the_check_and_at_the_start() {
    let folder = WebFolder::new(
        "tls_server_config: {cert_file: none.crt, min_version: TLS11}\nbasic_auth_users: {john: hunter2}\n",
    );
    folder.write("config.yaml", CONFIG);
    for arguments in [&["--config.check"][..], &["--web.listen-address=127.0.0.1:0"]] {
        let ended = run(program(&folder, arguments)).await;
        assert_eq!(ended.code, Some(1));
        let told = ended.stderr;
        let lines = told.lines().filter(|line| line.starts_with("web.yaml:"));
        let begins = [
            "web.yaml:1:20: tls_server_config.key_file: missing one of key or key_file",
            "web.yaml:1:32: tls_server_config.cert_file: none.crt cannot be read",
            "web.yaml:1:55: tls_server_config.min_version: \"TLS11\" is not supported",
            "web.yaml:2:26: basic_auth_users.john: this is not a bcrypt hash",
        ];
        let lines: Vec<_> = lines.collect();
        assert!(lines.len() == begins.len(), "{told}");
        let mut both = lines.iter().zip(begins);
        assert!(both.all(|(line, begin)| line.starts_with(begin)), "{told}");
        says_nothing_of(&told, &["hunter2"]);
    }
}
