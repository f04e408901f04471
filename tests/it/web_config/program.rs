//! The program with a web-config file: the check and a refusal at the start.

use tokio::process::Command;

use crate::world::Folder;

/// A configuration without anything to poll.
pub(crate) const CONFIG: &str =
    "accounts:\n  - {name: main, base_url: 'http://127.0.0.1:1', api_key: k, api_secret: s, flows: []}\n";

/// The program in a folder with both configuration files.
pub(crate) fn program(folder: &Folder) -> Command {
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
