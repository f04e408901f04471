//! The manual pages as those who keep mandoc see them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use testkit::assertions::says;
use testkit::folder::Folder;

/// A date would be that of the last change, which what makes the pages cannot know; the field is optional.
const NOT_SO: &str = "WARNING: missing date, using \"\": TH";

fn pages() -> Vec<PathBuf> {
    let mut pages: Vec<_> = fs::read_dir("deploy/man")
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    pages.sort();
    pages
}

/// What mandoc has to say against a page.
fn complaints(page: &Path) -> Vec<String> {
    let judged = Command::new("mandoc")
        .args(["-T", "lint", "-W", "warning"])
        .arg(page)
        .output()
        .unwrap();
    let told = String::from_utf8(judged.stdout).unwrap();
    assert_eq!(String::from_utf8_lossy(&judged.stderr), "");
    told.lines()
        .filter(|line| !line.ends_with(NOT_SO))
        .map(str::to_owned)
        .collect()
}

/// A page as it is read, without its emphasis.
fn read(page: &Path) -> String {
    let shown = Command::new("mandoc")
        .args(["-T", "utf8", "-O", "width=200"])
        .arg(page)
        .output()
        .unwrap();
    assert!(shown.status.success(), "{shown:?}");
    // A terminal's bold is a letter, a backspace and the letter once more.
    let mut letters = Vec::new();
    for letter in String::from_utf8(shown.stdout).unwrap().chars() {
        match letter {
            '\u{8}' => drop(letters.pop()),
            _ => letters.push(letter),
        }
    }
    letters.into_iter().collect()
}

#[test]
fn mandoc_has_nothing_to_say_against_the_pages() {
    let pages = pages();
    assert_eq!(pages.len(), 9, "{pages:?}");
    for page in &pages {
        assert_eq!(complaints(page), Vec::<String>::new(), "{}", page.display());
    }
    // A page with a mistake is told from one without.
    let folder = Folder::new();
    let page = fs::read_to_string(&pages[0]).unwrap();
    let broken = folder.write(
        "laaffic-exporter.1",
        page.replace(".SH OPTIONS\n", ".SH\n.SH OPTIONS\n"),
    );
    says(&complaints(&broken).join("\n"), &["WARNING"]);
}

#[test]
fn the_pages_say_what_they_are_read_for() {
    let of_the_program = read(Path::new("deploy/man/laaffic-exporter.1"));
    says(
        &of_the_program,
        &[
            "--web.listen-address <ADDRESS> [default: :10871]",
            "LAAFFIC_EXPORTER_WEB_LISTEN_ADDRESS",
            "laaffic-exporter-query(1)",
            "EXIT STATUS",
            "SIGHUP",
            "/etc/laaffic-exporter/config.yaml",
        ],
    );
    let of_the_file = read(Path::new("deploy/man/laaffic-exporter.yaml.5"));
    says(
        &of_the_file,
        &[
            "poll_interval (duration; default 1m)",
            "key_id (whole number from 1 to 9223372036854775807; must be given)",
            "    base_url: https://api.laaffic.com/v3",
            // A backslash, a dash or a dot at the start of a line could get lost.
            "(?P<team>[a-z]+)-.*",
            "500ms, 30s, 5m, 1m30s, 12h, 7d",
        ],
    );
}
