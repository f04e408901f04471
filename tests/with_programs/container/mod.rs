//! The image, built by its own recipe from stand-ins for its bases, and run by runc with its own files only.
//!
//! The recipe's every line is run; only LTO is left out, which takes most of the time and changes no file but the program. What the real
//! bases bring cannot be seen from here: what the recipe adds to them can.

mod image;
mod running;

use std::env;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::LazyLock;

use serde_json::json;
use testkit::answer::{get, ready};
use testkit::assertions::says;
use testkit::process::{in_a_network_of_its_own, is_in_a_process_of_its_own};

use self::image::{Image, REVISION, VERSION};
use self::running::Container;

/// More than this nobody wants to pull for an exporter, in bytes: of all files, the base's too, as they lie unpacked.
const LARGEST: u64 = 40_000_000;

/// Where the program listens by itself, and its health check asks.
const ADDRESS: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 10871));

/// Tells a process of its own where the image is.
const UNPACKED: &str = "UNPACKED_IMAGE";

/// One build for all tests of this module.
static IMAGE: LazyLock<Image> = LazyLock::new(Image::build);

#[test]
fn nothing_is_added_to_the_base_but_the_program_and_its_licences() {
    let added = IMAGE.added();
    const LICENSES_OF_CRATES: &str = "usr/share/doc/laaffic-exporter/LICENSES-of-crates";
    assert_eq!(
        added,
        [
            "bin/laaffic-exporter",
            "usr/share/doc/laaffic-exporter/LICENSE",
            LICENSES_OF_CRATES
        ]
    );
    let licenses = fs::read_to_string(IMAGE.root().join(LICENSES_OF_CRATES)).unwrap();
    // One of ISC, whose text has to come along, and one that may be used as we may.
    says(
        &licenses,
        &["\nring 0.", "\naxum 0.", "Permission to use, copy, modify"],
    );
    assert!(IMAGE.root().join("bin/laaffic-exporter").is_file());
    assert!(!IMAGE.root().join("bin/sh").exists());
    let size = IMAGE.size();
    assert!((10_000_000..LARGEST).contains(&size), "{size} bytes");
}

#[test]
fn it_says_what_it_is_made_of_and_how_it_wants_to_be_started() {
    let config = IMAGE.config();
    assert_eq!(config["User"], "65532:65532");
    assert_eq!(config["Entrypoint"], json!(["/bin/laaffic-exporter"]));
    assert_eq!(
        config["Cmd"],
        json!(["--config.file=/etc/laaffic-exporter/config.yaml"])
    );
    assert_eq!(config["ExposedPorts"], json!({"10871/tcp": {}}));
    let label = |name: &str| &config["Labels"][format!("org.opencontainers.image.{name}")];
    assert_eq!(label("title"), "laaffic-exporter");
    assert_eq!(label("description"), env!("CARGO_PKG_DESCRIPTION"));
    assert_eq!(label("licenses"), env!("CARGO_PKG_LICENSE"));
    assert_eq!(label("version"), VERSION);
    assert_eq!(label("revision"), REVISION);
    assert_eq!(label("created"), "2001-09-09T01:46:40Z");
}

#[tokio::test]
async fn the_demo_runs_without_a_right_and_without_a_place_to_write() {
    if !is_in_a_process_of_its_own() {
        let name = "container::the_demo_runs_without_a_right_and_without_a_place_to_write";
        in_a_network_of_its_own(name, [(UNPACKED, IMAGE.folder().to_str().unwrap())]);
        return;
    }
    let image = Image::unpacked(env::var(UNPACKED).unwrap());
    let check = image.health_check();
    // Nobody listens yet.
    let (program, arguments) = check.split_at(1);
    assert_eq!(program, image.entry_point());
    assert_eq!(Container::start(&image, arguments).ended().await.code, Some(1));

    let demo = Container::start(&image, &["demo".to_owned()]);
    ready(ADDRESS).await;
    let metrics = get(ADDRESS, "/metrics").await;
    let build = format!("laaffic_exporter_build_info{{version=\"{VERSION}\",revision=\"{REVISION}\"");
    says(metrics.text(), &[&build, "\nlaaffic_redial_flow_up{"]);
    assert_eq!(demo.execute(&check), Some(0));

    let status = fs::read_to_string(format!("/proc/{}/status", demo.id())).unwrap();
    let field = |name: &str| {
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(&*format!("{name}:\t")));
        line.unwrap().to_owned()
    };
    assert_eq!(field("Uid"), "65532\t65532\t65532\t65532");
    assert_eq!(field("Gid"), "65532\t65532\t65532\t65532");
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(field(set), "0000000000000000", "{set}");
    }
    assert_eq!(field("NoNewPrivs"), "1");
    let mounts = fs::read_to_string(format!("/proc/{}/mounts", demo.id())).unwrap();
    let root = mounts.lines().find(|line| line.split(' ').nth(1) == Some("/")).unwrap();
    assert!(root.split(' ').nth(3).unwrap().starts_with("ro,"), "{root}");

    demo.stopped().await;
}
