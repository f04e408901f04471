//! Every command, good and refused, and every kind of file that can be broken, as one sees it in a terminal.

use super::broken::broken;
use testkit::folder::Folder;
use testkit::process::run;

use super::fixture::{Fixture, USER, with_secrets};
use super::marks::{MARK, Outlets, marked};
use crate::exporter;

/// Every how manyth broken configuration is also checked: a reload has seen them all.
const SOME: usize = 6;

/// Runs a command, which must end with this code.
async fn keep(outlets: &mut Outlets, folder: &Folder, arguments: &[&str], code: i32) {
    let mut command = exporter(["--log.level=debug", "--config.file=config.yaml"]);
    command.args(arguments);
    let ended = run(with_secrets(command, folder)).await;
    let what = arguments.join(" ");
    assert_eq!(ended.code, Some(code), "{what}: {ended:?}");
    outlets.add(what, format!("{}{}", ended.stdout, ended.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_command_tells_a_secret() {
    let world = Fixture::start().await;
    let folder = world.folder();
    let echo = world.echo.to_string();
    let mut outlets = Outlets::default();
    for (arguments, code) in [
        (&["--version"][..], 0),
        (&["--help"], 0),
        (&["demo", "--help"], 0),
        (&["simulate", "--help"], 0),
        (&["query", "--help"], 0),
        (&["--no.such.flag"], 2),
        (&["query", "x"], 2),
        (&["--config.check", "--web.config.file=web.yaml"], 0),
        (&["check", "--log.format=json"], 0),
        (&["check", "--live"], 1),
        (&["query", "1", "--account=inline"], 0),
        (&["query", "1", "--account=files", "--output=json"], 0),
        (&["query", "1", "--account=environment", "--log.format=json"], 0),
        (&["query", "1", "--account=proxied"], 0),
        (&["query", "2", "--account=inline"], 1),
        (&["query", "3", "--account=inline", "--output=json"], 1),
        (&["query", "3", "--account=echo"], 1),
        (&["query", "5", "--account=echo", "--output=json"], 1),
        (&["query", "6", "--account=echo"], 1),
        (&["query", "8", "--account=through-echo"], 1),
        (&["query", "1", "--account=mirror"], 1),
        (&["query", "1", "--account=nobody"], 1),
        (&["query", "1"], 1),
        // Whoever listens there is no exporter, and sends back what it is told.
        (
            &[
                "healthcheck",
                "--http.config.file=http.yaml",
                "--web.listen-address",
                &echo,
            ],
            1,
        ),
        (&["healthcheck", "--http.config.file=none.yaml"], 1),
    ] {
        keep(&mut outlets, &folder, arguments, code).await;
    }
    for words in ["inline", "good; accounts: ", "-22", "407"] {
        assert!(outlets.say(words), "{words}");
    }
    outlets.hold_none_of(&world.needles);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_broken_file_is_told_with_a_secret() {
    let world = Fixture::start().await;
    let folder = world.folder();
    let mut outlets = Outlets::default();
    // The key file that holds another secret is none that a check without a network looks into.
    for (what, content) in broken(&world.config())
        .into_iter()
        .step_by(SOME)
        .filter(|(what, _)| !what.contains("another secret"))
    {
        folder.write("config.yaml", content);
        keep(
            &mut outlets,
            &folder,
            &["--config.check", "--web.telemetry-path", "/metrics"],
            1,
        )
        .await;
        outlets.add("the kind of mistake", what.replace(MARK, ""));
    }
    folder.write("config.yaml", world.config());

    let good = world.web_config();
    let (_, hash) = good.split_once(&format!("{USER}: ")).unwrap();
    let hash = hash.trim_end().trim_end_matches('}').trim_end();
    for wrong in [
        format!("basic_auth_users: {hash}"),
        format!("basic_auth_users: [{hash}]"),
        format!("basic_auth_users: {{ al: [{hash}] }}"),
        format!("basic_auth_users: {{ al: {{ a: {hash} }} }}"),
        format!("basic_auth_users: {{ al: '{hash} }}"),
        format!("basic_auth_users: {{ al: {hash}x }}"),
        format!("basic_auth_users:\n\tal: {hash}"),
        format!("basic_auth_users:\n  al: {hash}\n  al: {hash}"),
        format!("basic_auth_users: {{ al: {} }}", marked("password")),
        format!(
            "basic_auth_users: {{ al: '{}', be: !x {} }}",
            marked("one"),
            marked("two")
        ),
        format!("basic_auth_users: {{ al: *{MARK}x }}"),
        format!("rate_limit: {{ burst: {} }}", marked("burst")),
        format!("tls_server_config: {}", marked("key")),
        format!(
            "tls_server_config: {{ cert: {}, key: {} }}",
            marked("cert"),
            marked("key")
        ),
        "tls_server_config: { cert_file: server.crt, key_file: secret }".to_owned(),
    ] {
        folder.write("broken.yaml", wrong);
        keep(
            &mut outlets,
            &folder,
            &["--config.check", "--web.config.file=broken.yaml"],
            1,
        )
        .await;
    }

    let secret = marked("password");
    for wrong in [
        format!("basic_auth: {secret}"),
        format!("basic_auth: {{ username: al, password: [{secret}] }}"),
        format!("basic_auth: {{ username: 'al:{secret}', password: x }}"),
        format!("basic_auth: {{ username: al, password_file: {secret} }}"),
        format!("basic_auth: {{ username: al, password: '{secret} }}"),
        format!("basic_auth: {{ username: al, password: *{MARK}x }}"),
        format!("bearer_token: {secret}"),
        format!("tls_config: {{ key_file: {secret}, cert_file: client.crt }}"),
        "tls_config: { ca_file: secret }".to_owned(),
        "tls_config: { key_file: secret, cert_file: client.crt }".to_owned(),
    ] {
        folder.write("broken.yaml", wrong);
        keep(
            &mut outlets,
            &folder,
            &[
                "healthcheck",
                "--web.config.file=web.yaml",
                "--http.config.file=broken.yaml",
            ],
            1,
        )
        .await;
    }
    outlets.hold_none_of(&world.needles);
}

#[tokio::test]
async fn a_secret_that_cannot_be_used_is_not_told() {
    let world = Fixture::start().await;
    let folder = world.folder();
    let mut outlets = Outlets::default();
    for (name, value) in [
        ("PLANTED_KEY", format!("{} {}", marked("one"), marked("two"))),
        ("PLANTED_SECRET", format!("{}\n{}", marked("one"), marked("two"))),
    ] {
        let mut command = with_secrets(exporter(["--config.check", "--config.file=config.yaml"]), &folder);
        command.env(name, value);
        let ended = run(command).await;
        assert_eq!(ended.code, Some(1), "{ended:?}");
        outlets.add(name, ended.stderr);
    }
    for (name, content) in [
        ("key", format!("{} {}", marked("one"), marked("two"))),
        ("secret", format!("{}\n{}", marked("one"), marked("two"))),
    ] {
        folder.write(name, content);
        keep(&mut outlets, &folder, &["check"], 1).await;
    }
    outlets.hold_none_of(&world.needles);
}
