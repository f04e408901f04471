//! The running exporter: every path, the log in both formats and at every level, and files that break while it runs.

use std::net::{SocketAddr, TcpListener};
use std::process::Command;

use reqwest::{Client, Method, RequestBuilder};
use testkit::answer;
use testkit::assertions::says;
use testkit::folder::Folder;

use super::broken::broken;
use super::echo::heard;
use super::fixture::{Fixture, GOOD, USER, password, with_secrets};
use super::marks::{MARK, Outlets, marked};
use crate::exporter;
use testkit::process::{Process, on_socket, run};
use testkit::wait::wait_for;

/// The levels of the log. All are run at once, in one format after the other.
const LEVELS: [&str; 4] = ["debug", "info", "warn", "error"];

/// One exporter, and what it let out so far.
struct Run<'w> {
    world: &'w Fixture,
    level: &'static str,
    folder: Folder,
    exporter: Process,
    address: SocketAddr,
    client: Client,
    outlets: Outlets,
}

impl<'w> Run<'w> {
    fn start(world: &'w Fixture, level: &'static str, format: &'static str) -> Self {
        let folder = world.folder();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut command = exporter([
            "--config.file=config.yaml",
            "--web.config.file=web.yaml",
            "--web.enable-lifecycle",
        ]);
        command.args(["--log.level", level, "--log.format", format]);
        Self {
            world,
            level,
            exporter: Process::spawn(on_socket(listener, &with_secrets(command, &folder))),
            folder,
            address,
            client: answer::client().tls_danger_accept_invalid_certs(true).build().unwrap(),
            outlets: Outlets::default(),
        }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("https://localhost:{}{path}", self.address.port());
        self.client.request(method, url)
    }

    /// The same of the user whom it knows.
    fn authorized(&self, method: Method, path: &str) -> RequestBuilder {
        self.request(method, path).basic_auth(USER, Some(password()))
    }

    /// Keeps everything that this request gets, which must be this status.
    async fn keep(&mut self, what: &str, request: RequestBuilder, status: u16) -> String {
        let answer = request.send().await.unwrap();
        let (got, headers) = (answer.status(), format!("{:?}", answer.headers()));
        let body = answer.text().await.unwrap();
        assert_eq!(got, status, "{what}: {body}");
        self.outlets.add(format!("the head of {what}"), headers);
        self.outlets.add(what, body.clone());
        body
    }

    async fn ask(&mut self, method: Method, path: &str, status: u16) -> String {
        let request = self.authorized(method.clone(), path);
        self.keep(&format!("{method} {path}"), request, status).await
    }

    async fn ready(&self) {
        wait_for("every flow to be tried", async || {
            let request = self.authorized(Method::GET, "/-/ready");
            match request.send().await {
                Ok(answer) if answer.status() == 200 => Ok(()),
                other => Err(other.map(|answer| answer.status())),
            }
        })
        .await;
    }

    /// Every path, asked as it should be.
    async fn every_path(&mut self) {
        let metrics = self.ask(Method::GET, "/metrics", 200).await;
        for account in GOOD {
            // The vendor took the signature: key and secret are really in use.
            let up = format!("laaffic_redial_flow_up{{account=\"{account}\",key_id=\"1\"}} 1\n");
            says(&metrics, &[&up]);
        }
        for account in ["echo", "through-echo", "mirror"] {
            let error = format!("laaffic_redial_flow_error{{account=\"{account}\",key_id=\"1\",");
            says(&metrics, &[&error]);
        }
        let accept = ("Accept", "application/openmetrics-text;version=1.0.0");
        let openmetrics = self.authorized(Method::GET, "/metrics").header(accept.0, accept.1);
        let openmetrics = self.keep("OpenMetrics", openmetrics, 200).await;
        assert!(openmetrics.ends_with("# EOF\n"));
        let page = self.ask(Method::GET, "/", 200).await;
        let (_, file) = page.split_once("static/").unwrap();
        let (file, _) = file.split_once(['"', '?']).unwrap();
        self.ask(Method::GET, &format!("/static/{file}"), 200).await;
        let config = self.ask(Method::GET, "/config", 200).await;
        assert!(config.matches("<secret>").count() > GOOD.len(), "{config}");
        for (path, status) in [
            ("/api/v1/flows", 200),
            ("/probe?account=inline&key_id=1", 200),
            ("/probe?account=inline&key_id=2", 200),
            ("/probe?account=inline&key_id=99", 200),
            ("/probe?account=echo&key_id=3", 200),
            ("/probe?account=through-echo&key_id=5", 200),
            ("/probe?account=mirror&key_id=1", 200),
            ("/-/healthy", 200),
            ("/-/ready", 200),
            ("/-/reload", 405),
        ] {
            self.ask(Method::GET, path, status).await;
        }
        self.ask(Method::POST, "/-/reload", 200).await;
    }

    /// Requests that are refused, with a secret in them.
    async fn every_refusal(&mut self) {
        let secret = marked("wrong");
        for (path, status) in [
            ("/nothing", 404),
            ("/static/nothing", 404),
            ("/probe", 400),
            ("/probe?account=inline", 400),
        ] {
            let separator = if path.contains('?') { '&' } else { '?' };
            let key_id = format!("{path}{separator}key_id={MARK}&token={MARK}");
            let account = format!("{path}{separator}account={MARK}&key_id=1");
            for path in [path, &key_id, &account] {
                self.ask(Method::GET, path, status).await;
            }
        }
        let nobody = self.request(Method::GET, "/");
        let wrong = self.request(Method::GET, "/").basic_auth(USER, Some(&secret));
        let stranger = self.request(Method::GET, "/").basic_auth(&secret, Some(password()));
        let bearer = self.request(Method::GET, "/").bearer_auth(&secret);
        let garbled = self.request(Method::GET, "/");
        let garbled = garbled.header("Authorization", format!("Basic {secret}"));
        for (what, request) in [
            ("no password", nobody),
            ("a wrong password", wrong),
            ("a wrong user", stranger),
            ("another way", bearer),
            ("a garbled password", garbled),
        ] {
            self.keep(what, request, 401).await;
        }
    }

    /// Reloads of configurations that are broken at a secret; this run's share of them. None is taken over.
    async fn every_refused_reload(&mut self) {
        let share = LEVELS.iter().position(|level| *level == self.level).unwrap();
        let forms = broken(&self.world.config()).into_iter();
        for (what, content) in forms.skip(share).step_by(LEVELS.len()) {
            self.folder.write("config.yaml", &content);
            let request = self.authorized(Method::POST, "/-/reload");
            let told = self.keep(&format!("a reload of {what:?}"), request, 500).await;
            assert!(told.starts_with("failed to reload config"), "{what}: {told}");
        }
        self.folder.write("config.yaml", self.world.config());
        self.ask(Method::POST, "/-/reload", 200).await;
    }

    /// The files that are looked at by themselves break too.
    async fn every_file_that_is_watched(&mut self) {
        self.folder
            .write("secret", format!("{}\n{}\n", marked("line"), marked("line")));
        self.folder.write("key", format!("{} \n", marked("space")));
        if matches!(self.level, "debug" | "info" | "warn") {
            self.exporter.logs("secret file changed and cannot be used").await;
        }
        for broken in [
            format!("basic_auth_users: {{ {USER}: [{}] }}\n", marked("list")),
            format!("basic_auth_users: {{ {USER}: '{} }}\n", marked("quote")),
        ] {
            self.folder.write("web.yaml", &broken);
            wait_for("the web configuration to be refused", async || {
                let request = self.authorized(Method::GET, "/");
                match request.send().await.unwrap().status().as_u16() {
                    500 => Ok(()),
                    other => Err(other),
                }
            })
            .await;
            let request = self.authorized(Method::GET, "/");
            self.keep("a broken web configuration", request, 500).await;
        }
        self.exporter.logs("web configuration changed and cannot be used").await;
    }

    async fn healthchecks(&mut self) {
        let address = format!("localhost:{}", self.address.port());
        for (file, code) in [("http.yaml", 0), ("wrong.yaml", 1)] {
            let mut command: Command = exporter(["healthcheck", "--log.level=debug", "--web.config.file=web.yaml"]);
            command.args(["--http.config.file", file, "--web.listen-address", &address]);
            let ended = run(with_secrets(command, &self.folder)).await;
            assert_eq!(ended.code, Some(code), "{ended:?}");
            self.outlets
                .add(format!("healthcheck with {file}"), format!("{ended:?}"));
        }
    }

    /// Stops it; its log is the last thing it lets out.
    async fn end(mut self) -> Outlets {
        let ended = self.exporter.stopped().await;
        assert_eq!(ended.stdout, "");
        self.outlets.add(format!("the log at {}", self.level), ended.stderr);
        self.outlets
    }
}

async fn everything(world: &Fixture, level: &'static str, format: &'static str) -> Outlets {
    let mut run = Run::start(world, level, format);
    run.ready().await;
    run.every_path().await;
    run.every_refusal().await;
    run.healthchecks().await;
    run.every_refused_reload().await;
    run.every_file_that_is_watched().await;
    run.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_exporter_tells_no_secret_anywhere() {
    let world = Fixture::start().await;
    let mut outlets = Outlets::default();
    for (even, odd) in [("logfmt", "json"), ("json", "logfmt")] {
        let [debug, info, warn, error] = LEVELS;
        let (debug, info, warn, error) = tokio::join!(
            everything(&world, debug, even),
            everything(&world, info, odd),
            everything(&world, warn, even),
            everything(&world, error, odd),
        );
        [debug, info, warn, error]
            .into_iter()
            .for_each(|more| outlets.take(more));
    }
    for words in [
        "level=DEBUG",
        "\"DEBUG\"",
        "configuration refused",
        "flow cannot be fetched",
    ] {
        assert!(outlets.say(words), "{words}");
    }
    // The signatures are secrets of a kind, too: for half an hour each is as good as the secret.
    let signatures = heard(&world.heard, "sign");
    let proxy = heard(&world.heard, "proxy-authorization");
    assert!(!signatures.is_empty() && !proxy.is_empty());
    signatures
        .iter()
        .for_each(|signature| world.needles.add_as_it_is(signature));
    proxy.iter().for_each(|password| world.needles.add(password));
    outlets.hold_none_of(&world.needles);
}
