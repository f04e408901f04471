//! A headless Chromium, driven by chromedriver over WebDriver (W3C): just what the tests say.
//!
//! Needs the programs `chromium` and `chromedriver`. Each [`Browser`] has an empty profile of its own, and is gone with it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use reqwest::Client;
use serde_json::{Value, json};

use crate::answer;
use crate::folder::Folder;
use crate::process::Process;
use crate::wait::wait_for;

/// A browser with an empty profile. Dropping it closes it.
pub struct Browser {
    client: Client,
    port: u16,
    session: String,
    _driver: Process,
    _profile: Folder,
}

impl Browser {
    /// Starts it through its driver.
    pub async fn start() -> Self {
        let mut command = Command::new("chromedriver");
        command.arg("--port=0");
        let driver = Process::start(command);
        let port = driver.writes("successfully on port ").await;
        let profile = Folder::new();
        let user_data = format!("--user-data-dir={}", profile.path().display());
        let mut browser = Self {
            client: answer::client().build().unwrap(),
            port: port.trim_end_matches('.').parse().unwrap(),
            session: String::new(),
            _driver: driver,
            _profile: profile,
        };
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--window-size=1280,900",
            &user_data,
        ];
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": {"args": arguments},
            "goog:loggingPrefs": {"browser": "ALL"},
        }}});
        let answer = browser.command("", wanted).await;
        browser.session = answer["sessionId"].as_str().unwrap().to_owned();
        browser
    }

    /// One command of the session; before there is one, the command that begins it.
    async fn command(&self, path: &str, body: Value) -> Value {
        let slash = if self.session.is_empty() { "" } else { "/" };
        let url = format!("http://127.0.0.1:{}/session{slash}{}{path}", self.port, self.session);
        let request = self.client.post(&url).header("content-type", "application/json");
        let answer = request.body(body.to_string()).send().await.unwrap();
        let status = answer.status();
        let mut answer: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        assert!(status.is_success(), "{url} {body}: {answer}");
        answer["value"].take()
    }

    /// Goes to this address.
    pub async fn open(&self, url: &str) {
        self.command("/url", json!({"url": url})).await;
    }

    /// What a script returns.
    pub async fn run(&self, script: &str) -> Value {
        self.command("/execute/sync", json!({"script": script, "args": []}))
            .await
    }

    /// Waits until a script returns this.
    pub async fn becomes(&self, script: &str, expected: Value) {
        wait_for(&format!("{script} to be {expected}"), async || {
            let value = self.run(script).await;
            if value == expected { Ok(()) } else { Err(value) }
        })
        .await;
    }

    /// The text that a person sees there.
    pub async fn text(&self, selector: &str) -> String {
        let found = self
            .run(&format!("return document.querySelector({}).innerText", json!(selector)))
            .await;
        found.as_str().unwrap().to_owned()
    }

    /// Types into the element, as a person does.
    pub async fn type_into(&self, selector: &str, keys: &str) {
        let element = self
            .command("/element", json!({"using": "css selector", "value": selector}))
            .await;
        let id = element.as_object().unwrap().values().next().unwrap().as_str().unwrap();
        self.command(&format!("/element/{id}/value"), json!({"text": keys}))
            .await;
    }

    /// A command of the browser's own protocol.
    pub async fn devtools(&self, command: &str, parameters: Value) {
        self.command("/goog/cdp/execute", json!({"cmd": command, "params": parameters}))
            .await;
    }

    /// Everything that the console has said since this was asked last: errors, and what the Content-Security-Policy forbade.
    pub async fn console(&self) -> Vec<String> {
        let log = self.command("/se/log", json!({"type": "browser"})).await;
        log.as_array().unwrap().iter().map(Value::to_string).collect()
    }
}

impl Drop for Browser {
    /// Also where the test has failed: chromedriver, when killed, leaves its browser behind.
    fn drop(&mut self) {
        if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) {
            let request = format!(
                "DELETE /session/{} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n\r\n",
                self.session, self.port
            );
            let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
            let _ = stream.write_all(request.as_bytes());
            let _ = stream.read(&mut [0; 64]);
        }
    }
}
