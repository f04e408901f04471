//! The program under test takes the configuration and the flags that its pod gets, and takes over a change of them without a restart.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use reqwest::Method;
use serde_json::{Value, json};
use testkit::answer::ask;
use testkit::certificates::Authority;
use testkit::folder::Folder;
use testkit::process::Process;

use super::render::{NAMESPACE, Rendered, render};
use super::values::{WEB_SECRET, matrix};
use super::{list, probes};
use crate::exporter;

/// Where the pod has its files.
const IN_THE_POD: &str = "/etc/laaffic-exporter";

/// The files of a pod in a folder of their own, its Secrets filled with what they should hold.
struct Pod<'r> {
    rendered: &'r Rendered,
    folder: Folder,
}

impl<'r> Pod<'r> {
    fn new(rendered: &'r Rendered) -> Self {
        let pod = Self {
            rendered,
            folder: Folder::new(),
        };
        for volume in list(&rendered.pod()["volumes"]) {
            let name = volume["name"].as_str().unwrap();
            fs::create_dir(pod.folder.file(name)).unwrap();
        }
        pod
    }

    fn write(&self, name: &str, text: &str) {
        self.folder.write(name, self.here(text));
    }

    /// A text of the manifests as it is here: paths lead into the folder, and variables are what Kubernetes makes of them.
    fn here(&self, text: &str) -> String {
        text.replace(IN_THE_POD, self.folder.path().to_str().unwrap())
            .replace("$(POD_NAMESPACE)", NAMESPACE)
            .replace("$(POD_NAME)", "laaffic-exporter-0")
    }

    /// The program in the pod's place with these arguments, and with those of `further`.
    fn command<'a>(&self, arguments: impl IntoIterator<Item = &'a str>, further: &[&str]) -> Command {
        let arguments = arguments.into_iter().map(|argument| self.here(argument));
        let mut command = exporter(arguments);
        command.args(further);
        for variable in list(&self.rendered.pod()["containers"][0]["env"]) {
            let field = variable["valueFrom"]["fieldRef"]["fieldPath"].as_str();
            let value = match field {
                Some(path) if path.contains("pod-index") => "0",
                _ => variable["value"].as_str().unwrap_or("from elsewhere"),
            };
            command.env(variable["name"].as_str().unwrap(), value);
        }
        command
    }

    /// The same with its container's arguments.
    fn container(&self, further: &[&str]) -> Command {
        let arguments = list(&self.rendered.pod()["containers"][0]["args"]);
        self.command(arguments.iter().map(|argument| argument.as_str().unwrap()), further)
    }

    /// Brings a configuration as the kubelet does: the file is a link through one to a folder of its own, which is exchanged at once.
    fn bring(&self, folder: &str, text: &str) {
        let config = self.folder.file("config");
        fs::create_dir(config.join(folder)).unwrap();
        self.write(&format!("config/{folder}/config.yaml"), text);
        symlink(folder, config.join("..new")).unwrap();
        fs::rename(config.join("..new"), config.join("..data")).unwrap();
        let file = config.join("config.yaml");
        if !file.is_symlink() {
            symlink("..data/config.yaml", file).unwrap();
        }
    }

    /// The keys and secrets that the configuration of the set names.
    fn write_credentials(&self) {
        let inline = self
            .rendered
            .of_kind("Secret")
            .first()
            .map(|secret| secret["stringData"].clone());
        let inline = inline.unwrap_or(json!({"api_key": "k", "api_secret": "s"}));
        for (name, value) in inline.as_object().unwrap() {
            self.write(&format!("credentials/{name}"), value.as_str().unwrap());
        }
    }

    /// The Secret with the web-config file, as the document on it describes one.
    fn write_web_config(&self, key: &str) {
        let pair = Authority::new("chart").server("laaffic-exporter");
        self.write("web/tls.crt", &pair.cert);
        self.write("web/tls.key", &pair.key);
        self.write(
            &format!("web/{key}"),
            "tls_server_config:\n  cert_file: tls.crt\n  key_file: tls.key\n",
        );
        self.write("web/probe.yml", "basic_auth:\n  username: probe\n  password: p\n");
    }
}

/// The configuration in the ConfigMap of a set of values; none where it is somebody else's.
fn configuration(rendered: &Rendered) -> Option<&str> {
    let maps = rendered.of_kind("ConfigMap");
    let map = maps
        .into_iter()
        .find(|map| map["metadata"]["name"] == rendered.workload()["metadata"]["name"])?;
    map["data"]["config.yaml"].as_str()
}

#[test]
fn the_program_takes_its_flags_and_its_configuration() {
    let mut checked = 0;
    for (name, rendered) in matrix() {
        let Some(text) = configuration(rendered) else {
            continue;
        };
        let pod = Pod::new(rendered);
        pod.write("config/config.yaml", text);
        if pod.folder.file("credentials").exists() {
            pod.write_credentials();
        }
        let web = list(&rendered.pod()["volumes"])
            .iter()
            .find(|volume| volume["name"] == "web");
        if let Some(web) = web {
            assert_eq!(web["secret"]["secretName"], WEB_SECRET);
            let key = if name == "TLS" { "web-config.yaml" } else { "web.yml" };
            pod.write_web_config(key);
        }
        let output = pod.container(&["--config.check"]).output().unwrap();
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && told.contains("good; accounts: "),
            "{name}: {output:?}"
        );
        // What it warns of is probably a mistake.
        assert!(output.stderr.is_empty(), "{name}: {output:?}");
        checked += 1;

        pod.write("config/config.yaml", &format!("{text}\nunknown: 1\n"));
        let status = pod.container(&["--config.check"]).output().unwrap().status;
        assert_eq!(status.code(), Some(1), "{name}");
    }
    assert!(checked >= 12, "{checked}");
}

#[test]
fn a_probe_that_runs_the_health_check_is_understood() {
    let rendered = &matrix()["TLS and a password"];
    let pod = Pod::new(rendered);
    pod.write_web_config("web.yml");
    for probe in probes(rendered) {
        let command = list(&probe["exec"]["command"])
            .iter()
            .map(|word| word.as_str().unwrap());
        // Nothing listens at port 1: it says so, and has understood all else.
        let output = pod
            .command(command.skip(1), &["--web.listen-address=127.0.0.1:1"])
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(
            told.contains("127.0.0.1:1") && told.contains("does not answer"),
            "{told}"
        );
    }
}

/// A configuration with one account of this name, whose vendor nobody is.
fn account(name: &str) -> Value {
    json!({"config": {"accounts": [{
        "name": name,
        "base_url": "http://127.0.0.1:1",
        "api_key_file": "/etc/laaffic-exporter/credentials/api_key",
        "api_secret_file": "/etc/laaffic-exporter/credentials/api_secret",
        "flows": [{"key_id": 1}],
    }]}})
}

#[tokio::test]
async fn a_changed_configuration_restarts_nothing_and_is_taken_over() {
    let both = render([("before", account("one")), ("after", account("two"))]);
    let [before, after] = ["before", "after"].map(|name| &both[name]);
    assert_eq!(before.workload(), after.workload());
    // The kubelet leaves a file as it was that is mounted by subPath.
    let mounts = list(&before.pod()["containers"][0]["volumeMounts"]);
    assert!(mounts.iter().all(|mount| mount["subPath"] == Value::Null));

    let pod = Pod::new(before);
    pod.write_credentials();
    pod.bring("..1", configuration(before).unwrap());
    let process = Process::start(pod.container(&["--web.listen-address=127.0.0.1:0"]));
    let [address] = process.listening().await;
    pod.bring("..2", configuration(after).unwrap());
    process.logs("msg=\"configuration reloaded\"").await;
    let running = ask(Method::GET, address, "/config", &[]).await.unwrap();
    assert!(running.text().contains("name: two"), "{}", running.text());
    process.stopped().await;
}
