//! Files with a secret that every user of the host may read draw a warning, each one: at the start, at a reload, from a check.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tempfile::TempDir;

use crate::common::{Process, exporter, run, wait_for};

/// A folder that everybody may enter, with these files, which only their owner may read.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    set_mode(folder.path(), 0o755);
    for (name, content) in files {
        fs::write(folder.path().join(name), content).unwrap();
        set_mode(&folder.path().join(name), 0o600);
    }
    folder
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Two accounts that share their files.
fn of_files() -> TempDir {
    let pair = rcgen::generate_simple_self_signed(["client".to_owned()]).unwrap();
    let account = |name| {
        format!(
            "  - name: {name}
    base_url: http://127.0.0.1:9/v3
    api_key_file: key
    api_secret_file: secret
    http_client: {{ tls_config: {{ cert_file: client.crt, key_file: client.key }} }}
"
        )
    };
    let config = format!("accounts:\n{}{}", account("one"), account("two"));
    folder(&[
        ("config.yaml", &config),
        ("key", "planted-key"),
        ("secret", "planted-secret"),
        ("client.crt", &pair.cert.pem()),
        ("client.key", &pair.signing_key.serialize_pem()),
    ])
}

fn of_lines(lines: &str) -> TempDir {
    let config = format!("accounts:\n  - name: one\n    base_url: http://127.0.0.1:9/v3\n{lines}");
    folder(&[("config.yaml", &config)])
}

/// The files that the log warns of, in its order.
fn warned_of(log: &str) -> Vec<&str> {
    log.lines()
        .filter(|line| line.contains("level=warn") && line.contains("every user of this host may read this file"))
        .inspect(|line| assert!(line.contains("chmod o-r"), "{line}"))
        .map(|line| line.split_once(" path=").unwrap().1)
        .collect()
}

async fn check(folder: &TempDir, arguments: &[&str]) -> String {
    let mut command = exporter(["--config.file=config.yaml"]);
    command.args(arguments).current_dir(folder.path());
    command.env("PLANTED", "planted-secret");
    let ended = run(command).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.starts_with("config.yaml: good"), "{ended:?}");
    ended.stderr
}

#[tokio::test]
async fn a_check_calls_it_good_and_warns_of_each_file_once() {
    let folder = of_files();
    assert_eq!(check(&folder, &["--config.check"]).await, "");
    for file in ["key", "secret", "client.key", "client.crt", "config.yaml"] {
        set_mode(&folder.path().join(file), 0o644);
    }
    for arguments in [["--config.check"], ["check"]] {
        let log = check(&folder, &arguments).await;
        assert_eq!(warned_of(&log), ["client.key", "key", "secret"], "{log}");
    }
}

#[tokio::test]
async fn only_a_file_that_others_can_reach_and_read_is_warned_of() {
    let folder = of_files();
    for (of_folder, of_file, warned) in [
        (0o755, 0o640, false),
        (0o755, 0o664, true),
        (0o711, 0o604, true),
        (0o750, 0o644, false),
        (0o700, 0o644, false),
    ] {
        set_mode(folder.path(), of_folder);
        set_mode(&folder.path().join("secret"), of_file);
        let log = check(&folder, &["--config.check"]).await;
        assert_eq!(!warned_of(&log).is_empty(), warned, "{of_folder:o} {of_file:o}: {log}");
    }
}

#[tokio::test]
async fn the_configuration_itself_is_warned_of_if_a_secret_is_in_it() {
    let other = "    api_key_env: PLANTED\n    api_secret_env: PLANTED\n";
    for (lines, warned) in [
        (other.to_owned(), false),
        (
            "    api_key: planted-key\n    api_secret_env: PLANTED\n".to_owned(),
            true,
        ),
        (
            "    api_key_env: PLANTED\n    api_secret: planted-secret\n".to_owned(),
            true,
        ),
        (
            format!("{other}    http_client: {{ proxy_url: 'http://proxy:3128' }}\n"),
            false,
        ),
        (
            format!("{other}    http_client: {{ proxy_url: 'http://al:hunter2@proxy' }}\n"),
            true,
        ),
    ] {
        let folder = of_lines(&lines);
        set_mode(&folder.path().join("config.yaml"), 0o644);
        let log = check(&folder, &["--config.check"]).await;
        assert_eq!(
            warned_of(&log),
            if warned { &["config.yaml"][..] } else { &[] },
            "{lines}{log}"
        );
        assert!(!log.contains("planted") && !log.contains("hunter2"), "{log}");
    }
}

#[tokio::test]
async fn a_start_and_each_reload_warn() {
    let folder = of_files();
    set_mode(&folder.path().join("secret"), 0o644);
    let mut command = exporter(["--config.file=config.yaml", "--web.listen-address=127.0.0.1:0"]);
    command.current_dir(folder.path());
    let exporter = Process::start(command);
    let [_] = exporter.listening().await;
    assert_eq!(warned_of(&exporter.stderr()), ["secret"]);

    set_mode(&folder.path().join("key"), 0o644);
    exporter.signal("HUP");
    wait_for("the reload", async || {
        let log = exporter.stderr();
        log.contains("configuration reloaded").then_some(()).ok_or(log)
    })
    .await;
    assert_eq!(warned_of(&exporter.stderr()), ["secret", "key", "secret"]);
}
