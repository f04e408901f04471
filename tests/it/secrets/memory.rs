//! What is not in use any more is in the memory of the running program no longer: a core dump would show it.

use std::io::{Read as _, Seek as _, SeekFrom};

use laaffic_simulator::Simulator;
use procfs::process::{MMPermissions, MMapPath, Process as Processes};
use testkit::folder::Folder;
use testkit::process::Process;
use testkit::vendor;
use testkit::wait::wait_for;

use crate::exporter_in;

const ACCOUNT: &str = "main";

/// A key and its secret, before and after. What an allocator writes into memory that is free hides their beginnings.
const PAIRS: [[&str; 2]; 2] = [
    [
        "planted-key-with-a-long-beginning-one-Kq7",
        "planted-secret-with-a-long-beginning-one-Zx4",
    ],
    [
        "planted-key-with-a-long-beginning-two-Wp2",
        "planted-secret-with-a-long-beginning-two-Rt9",
    ],
];

/// How much of their ends is looked for.
const END: usize = 8;

/// How often the end of a text is in the memory that a process can write to, which is what a core dump has.
fn found(process: &Process, text: &str) -> usize {
    let end = text.split_at(text.len() - END).1.as_bytes();
    let process = Processes::new(i32::try_from(process.id()).unwrap()).unwrap();
    let mut memory = process.mem().unwrap();
    let mut found = 0;
    for map in process.maps().unwrap() {
        let private = map.perms.contains(MMPermissions::READ | MMPermissions::WRITE);
        if !private || matches!(map.pathname, MMapPath::Vvar | MMapPath::Vsyscall) {
            continue;
        }
        let (from, to) = map.address;
        let mut bytes = vec![0; usize::try_from(to - from).unwrap()];
        memory.seek(SeekFrom::Start(from)).unwrap();
        // A mapping that has gone since has nothing in it.
        if memory.read_exact(&mut bytes).is_ok() {
            found += bytes.windows(END).filter(|window| *window == end).count();
        }
    }
    found
}

/// Waits until the vendor has taken so many requests with the credentials that it knows now.
async fn taken(simulator: &Simulator, requests: u64) {
    wait_for("the vendor to be asked with them", async || {
        let taken = simulator.vendor().counts().answered("success");
        (taken >= requests).then_some(()).ok_or(taken)
    })
    .await;
}

/// Starts with the first pair of these, goes on with the second, and looks for the first.
async fn rotate(lines: impl Fn([&str; 2]) -> String, write: impl Fn(&Folder, [&str; 2]), reload: bool) {
    let simulator = vendor::play([vendor::account(ACCOUNT, [vendor::still(1)])]).await;
    let set = |pair: [&str; 2]| simulator.vendor().set_credentials(ACCOUNT, pair[0], pair[1]).unwrap();
    let config = |pair: [&str; 2]| {
        format!(
            "global: {{poll_interval: 100ms}}\naccounts:\n  - name: {ACCOUNT}\n    base_url: {}\n    rate_limit: 100\n{}    flows: [key_id: 1]\n",
            simulator.url(),
            lines(pair)
        )
    };
    let folder = Folder::configured(&config(PAIRS[0]));
    write(&folder, PAIRS[0]);
    set(PAIRS[0]);
    let exporter = Process::start(exporter_in(&folder, ["--web.listen-address=127.0.0.1:0"]));
    taken(&simulator, 3).await;
    assert!(
        found(&exporter, PAIRS[0][1]) > 0,
        "what is in use is there: the search finds it"
    );

    folder.write("config.yaml", config(PAIRS[1]));
    write(&folder, PAIRS[1]);
    set(PAIRS[1]);
    simulator.vendor().reset_counts();
    if reload {
        exporter.signal("HUP");
    }
    taken(&simulator, 5).await;
    for (what, text) in [("key", PAIRS[0][0]), ("secret", PAIRS[0][1])] {
        // What is being dropped at this moment is gone a moment later.
        wait_for(&format!("the old {what} to be gone from memory"), async || {
            let found = found(&exporter, text);
            (found == 0).then_some(()).ok_or(found)
        })
        .await;
    }
    assert!(found(&exporter, PAIRS[1][1]) > 0);
}

#[tokio::test]
async fn what_was_rotated_in_its_files_is_gone() {
    let lines = |_: [&str; 2]| "    api_key_file: key\n    api_secret_file: secret\n".to_owned();
    let write = |folder: &Folder, [key, secret]: [&str; 2]| {
        folder.write("key", key);
        folder.write("secret", secret);
    };
    rotate(lines, write, false).await;
}

#[tokio::test]
async fn what_was_changed_in_the_configuration_is_gone() {
    let lines = |[key, secret]: [&str; 2]| format!("    api_key: {key}\n    api_secret: {secret}\n");
    rotate(lines, |_, _| {}, true).await;
}
