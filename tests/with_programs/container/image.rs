//! The image as it is shipped, unpacked.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// What the build is told that the image is made of.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");
pub(super) const REVISION: &str = "0123456789abcdef0123456789abcdef01234567";
const MOMENT: &str = "1000000000";

/// An image with its layers one over the other, as a container sees them, in a folder.
pub(super) struct Image {
    folder: PathBuf,
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

impl Image {
    /// Built by its recipe.
    pub(super) fn build() -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("image");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join("root")).unwrap();
        let file = folder.join("image.tar");
        let mut build = Command::new("scripts/image");
        build.arg(VERSION).arg(&file).arg("--stand-in-bases");
        for setting in ["LTO=off", "CODEGEN_UNITS=16"] {
            build.arg(format!("--build-arg=CARGO_PROFILE_RELEASE_{setting}"));
        }
        build.env("LAAFFIC_EXPORTER_REVISION", REVISION);
        build.env("SOURCE_DATE_EPOCH", MOMENT);
        run(&mut build);
        run(Command::new("tar").arg("-xf").arg(&file).arg("-C").arg(&folder));
        fs::remove_file(file).unwrap();
        let image = Self { folder };
        for layer in image.layers() {
            let mut tar = Command::new("tar");
            run(tar.arg("-xpf").arg(layer).arg("-C").arg(image.root()));
        }
        image
    }

    /// One that was built before, in this folder.
    pub(super) fn unpacked(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Its files.
    pub(super) fn root(&self) -> PathBuf {
        self.folder.join("root")
    }

    fn json(&self, name: &str) -> Value {
        serde_json::from_slice(&fs::read(self.folder.join(name)).unwrap()).unwrap()
    }

    /// The layers, the base's first.
    fn layers(&self) -> Vec<PathBuf> {
        let manifest = self.json("manifest.json");
        let layers = manifest[0]["Layers"].as_array().unwrap();
        layers
            .iter()
            .map(|name| self.folder.join(name.as_str().unwrap()))
            .collect()
    }

    /// How it wants to be started.
    pub(super) fn config(&self) -> Value {
        let manifest = self.json("manifest.json");
        self.json(manifest[0]["Config"].as_str().unwrap())["config"].take()
    }

    /// What comes before any argument.
    pub(super) fn entry_point(&self) -> Vec<String> {
        serde_json::from_value(self.config()["Entrypoint"].take()).unwrap()
    }

    /// The command that tells whether it is well.
    pub(super) fn health_check(&self) -> Vec<String> {
        let test = serde_json::from_value::<Vec<String>>(self.config()["Healthcheck"]["Test"].take()).unwrap();
        let [kind, command @ ..] = &*test else {
            panic!("{test:?}")
        };
        // Not by a shell: it has none.
        assert_eq!(kind, "CMD");
        command.to_vec()
    }

    /// The files of all layers but the base's.
    pub(super) fn added(&self) -> Vec<String> {
        let mut files = Vec::new();
        for layer in self.layers().into_iter().skip(1) {
            let list = run(Command::new("tar").arg("-tf").arg(layer));
            files.extend(list.lines().filter(|name| !name.ends_with('/')).map(str::to_owned));
        }
        files.sort();
        files
    }

    /// The bytes of its files.
    pub(super) fn size(&self) -> u64 {
        let list = run(Command::new("find")
            .arg(self.root())
            .args(["-type", "f", "-printf", "%s\\n"]));
        list.lines().map(|size| size.parse::<u64>().unwrap()).sum()
    }
}
