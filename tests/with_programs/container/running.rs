//! An image run by runc: as its own user, in the test's network, with a root that nobody can write and without any capability.

use std::process::Command;

use serde_json::{Value, json};
use testkit::folder::Folder;
use testkit::process::{Ended, Process};

use super::image::Image;

/// Its name for runc, whose state is the folder's own.
const NAME: &str = "laaffic-exporter";

/// A running one. Dropping it ends it.
pub(super) struct Container {
    folder: Folder,
    process: Option<Process>,
}

impl Container {
    /// Starts it with these arguments.
    pub(super) fn start(image: &Image, arguments: &[String]) -> Self {
        let folder = Folder::new();
        let made = Command::new("runc").arg("spec").current_dir(folder.path()).status();
        assert!(made.unwrap().success());
        let spec = serde_json::from_slice(&std::fs::read(folder.file("config.json")).unwrap()).unwrap();
        folder.write("config.json", restricted(spec, image, arguments).to_string());
        let mut container = Self { folder, process: None };
        let mut run = container.runc("run");
        run.arg("--bundle").arg(container.folder.path()).arg(NAME);
        container.process = Some(Process::start(run));
        container
    }

    fn runc(&self, command: &str) -> Command {
        let mut runc = Command::new("runc");
        runc.arg("--root").arg(self.folder.file("state")).arg(command);
        runc
    }

    /// The number by which the system knows its process.
    pub(super) fn id(&self) -> u64 {
        let output = self.runc("state").arg(NAME).output().unwrap();
        serde_json::from_slice::<Value>(&output.stdout).unwrap()["pid"]
            .as_u64()
            .unwrap()
    }

    /// Runs something else in it; gives its exit code.
    pub(super) fn execute(&self, command: &[String]) -> Option<i32> {
        self.runc("exec").arg(NAME).args(command).status().unwrap().code()
    }

    /// Waits until it has ended by itself.
    pub(super) async fn ended(mut self) -> Ended {
        self.process.take().unwrap().ended().await
    }

    /// Asks it to end, and waits until it has, well.
    pub(super) async fn stopped(mut self) {
        self.process.take().unwrap().stopped().await;
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // What runc has started would outlive it.
        let _ = self.runc("delete").args(["--force", NAME]).output();
    }
}

/// What runc would do by itself, as the image says, and as the most careful of those who run it would have it.
fn restricted(mut spec: Value, image: &Image, arguments: &[String]) -> Value {
    let config = image.config();
    let command = [&image.entry_point(), arguments].concat();
    let user: Vec<u32> = config["User"]
        .as_str()
        .unwrap()
        .split(':')
        .map(|id| id.parse().unwrap())
        .collect();
    spec["root"] = json!({"path": image.root(), "readonly": true});
    spec["process"] = json!({
        "args": command,
        "user": {"uid": user[0], "gid": user[1]},
        "env": config["Env"],
        "cwd": "/",
        "terminal": false,
        "noNewPrivileges": true,
        "capabilities": {"bounding": [], "effective": [], "inheritable": [], "permitted": [], "ambient": []},
    });
    // The test asks over its own network.
    let namespaces = spec["linux"]["namespaces"].as_array_mut().unwrap();
    namespaces.retain(|namespace| namespace["type"] != "network");
    spec
}
