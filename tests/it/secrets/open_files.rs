//! Files with a secret that every user of the host may read draw a warning, each one: at the start, at a reload, from a check.

use testkit::assertions::says_nothing_of;
use testkit::certificates::self_signed;
use testkit::folder::Folder;
use testkit::process::run;
use testkit::watching::Exporter;

use crate::{exporter, exporter_in};

/// A folder that everybody may enter, with these files, which only their owner may read.
fn folder<const N: usize>(files: [(&str, &str); N]) -> Folder {
    let folder = Folder::with(files);
    folder.set_mode(".", 0o755);
    folder
}

/// Two accounts that share their files.
fn of_files() -> Folder {
    let pair = self_signed(&["client"], false);
    let account = |name| {
        format!(
            "  - name: {name}
    base_url: http://127.0.0.1:9/v3
    api_key_file: key
    api_secret_file: secret
    http_client: {{ tls_config: {{ cert_file: client.crt, key_file: client.key }} }}
    flows: [key_id: 1]
"
        )
    };
    let config = format!("accounts:\n{}{}", account("one"), account("two"));
    folder([
        ("config.yaml", &config),
        ("key", "planted-key"),
        ("secret", "planted-secret"),
        ("client.crt", &pair.cert),
        ("client.key", &pair.key),
    ])
}

fn of_lines(lines: &str) -> Folder {
    let config = format!("accounts:\n  - name: one\n    base_url: http://127.0.0.1:9/v3\n{lines}");
    folder([("config.yaml", &config)])
}

/// The files that the log warns of, in its order.
fn warned_of(log: &str) -> Vec<&str> {
    log.lines()
        .filter(|line| line.contains("level=WARN") && line.contains("every user of this host may read this file"))
        .inspect(|line| assert!(line.contains("chmod o-r"), "{line}"))
        .map(|line| line.split_once(" path=").unwrap().1)
        .collect()
}

async fn check(folder: &Folder, arguments: &[&str]) -> String {
    let mut command = exporter_in(folder, arguments);
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
        folder.set_mode(file, 0o644);
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
        folder.set_mode(".", of_folder);
        folder.set_mode("secret", of_file);
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
        folder.set_mode("config.yaml", 0o644);
        let log = check(&folder, &["--config.check"]).await;
        assert_eq!(
            warned_of(&log),
            if warned { &["config.yaml"][..] } else { &[] },
            "{lines}{log}"
        );
        says_nothing_of(&log, &["planted", "hunter2"]);
    }
}

#[tokio::test]
async fn a_start_and_each_reload_warn() {
    let folder = of_files();
    folder.set_mode("secret", 0o644);
    let Exporter { folder, process, .. } = Exporter::start(exporter::<&str>([]), folder).await;
    assert_eq!(warned_of(&process.stderr()), ["secret"]);

    folder.set_mode("key", 0o644);
    process.signal("HUP");
    process.logs("configuration reloaded").await;
    assert_eq!(warned_of(&process.stderr()), ["secret", "key", "secret"]);
}
