//! Every command, good and refused, and every kind of file that can be broken, as one sees it in a terminal.

use super::broken::broken;
use testkit::folder::Folder;
use testkit::process::run;

use super::fixture::{Fixture, USER, with_secrets};
use super::marks::{MARK, Outlets, marked};
use crate::exporter;

/// Every how manyth broken configuration is also checked: a reload has seen them all.
const SOME: usize = 6;

/// A terminal in a folder with all files, and what was seen in it so far.
struct Terminal {
    world: Fixture,
    folder: Folder,
    outlets: Outlets,
}

impl Terminal {
    async fn open() -> Self {
        let world = Fixture::start().await;
        Self {
            folder: world.folder(),
            world,
            outlets: Outlets::default(),
        }
    }

    /// Runs a command, which must end with this code.
    async fn run(&mut self, arguments: &[&str], code: i32) {
        let mut command = exporter(["--log.level=debug"]);
        command.args(arguments);
        let ended = run(with_secrets(command, &self.folder)).await;
        let what = arguments.join(" ");
        assert_eq!(ended.code, Some(code), "{what}: {ended:?}");
        self.outlets.add(what, format!("{}{}", ended.stdout, ended.stderr));
    }

    /// Nothing that was seen holds a secret.
    fn close(self) {
        self.outlets.hold_none_of(&self.world.needles);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_command_tells_a_secret() {
    let mut terminal = Terminal::open().await;
    let echo = terminal.world.echo.to_string();
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
        (&["query", "6", "--account=echo"], 0),
        (&["query", "8", "--account=through-echo"], 1),
        (&["query", "1", "--account=mirror"], 1),
        (&["query", "1", "--account=inline", "--raw"], 0),
        (&["query", "2", "--account=inline", "--raw"], 1),
        (&["query", "3", "--account=inline", "--raw"], 1),
        (&["query", "2", "--account=echo", "--raw"], 1),
        (&["query", "3", "--account=echo", "--raw"], 1),
        (&["query", "4", "--account=echo", "--raw"], 1),
        (&["query", "5", "--account=echo", "--raw"], 1),
        (&["query", "6", "--account=echo", "--raw"], 0),
        (&["query", "8", "--account=echo", "--raw"], 1),
        (&["query", "9", "--account=echo", "--raw"], 1),
        (&["query", "11", "--account=through-echo", "--raw"], 1),
        (&["query", "1", "--account=mirror", "--raw"], 1),
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
        terminal.run(arguments, code).await;
    }
    for words in ["inline", "good; accounts: ", "-22", "407"] {
        assert!(terminal.outlets.say(words), "{words}");
    }
    terminal.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_broken_file_is_told_with_a_secret() {
    let mut terminal = Terminal::open().await;
    // The key file that holds another secret is none that a check without a network looks into.
    let good = terminal.world.config();
    let forms = broken(&good).into_iter().step_by(SOME);
    for (what, content) in forms.filter(|(what, _)| !what.contains("another secret")) {
        terminal.folder.write("config.yaml", content);
        let check = ["--config.check", "--web.telemetry-path", "/metrics"];
        terminal.run(&check, 1).await;
        terminal.outlets.add("the kind of mistake", what.replace(MARK, ""));
    }
    terminal.folder.write("config.yaml", good);

    let [one, two] = ["one", "two"].map(marked);
    let good = terminal.world.web_config();
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
        format!("basic_auth_users: {{ al: '{one}', be: !x {two} }}"),
        format!("basic_auth_users: {{ al: *{MARK}x }}"),
        format!("rate_limit: {{ burst: {} }}", marked("burst")),
        format!("tls_server_config: {}", marked("key")),
        format!("tls_server_config: {{ cert: {one}, key: {two} }}"),
        "tls_server_config: { cert_file: server.crt, key_file: secret }".to_owned(),
    ] {
        terminal.folder.write("broken.yaml", wrong);
        let check = ["--config.check", "--web.config.file=broken.yaml"];
        terminal.run(&check, 1).await;
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
        terminal.folder.write("broken.yaml", wrong);
        let files = ["--web.config.file=web.yaml", "--http.config.file=broken.yaml"];
        terminal.run(&["healthcheck", files[0], files[1]], 1).await;
    }
    terminal.close();
}

#[tokio::test]
async fn a_secret_that_cannot_be_used_is_not_told() {
    let mut terminal = Terminal::open().await;
    let [one, two] = ["one", "two"].map(marked);
    let (spaced, broken) = (format!("{one} {two}"), format!("{one}\n{two}"));
    for (name, value) in [("PLANTED_KEY", &spaced), ("PLANTED_SECRET", &broken)] {
        let check = exporter(["--config.check", "--config.file=config.yaml"]);
        let mut command = with_secrets(check, &terminal.folder);
        command.env(name, value);
        let ended = run(command).await;
        assert_eq!(ended.code, Some(1), "{ended:?}");
        terminal.outlets.add(name, ended.stderr);
    }
    for (name, content) in [("key", &spaced), ("secret", &broken)] {
        terminal.folder.write(name, content);
        terminal.run(&["check"], 1).await;
    }
    terminal.close();
}
