//! Texts that are compared with a file of the project, for tests. `UPDATE_GOLDEN=1` writes the file instead, for a look at what changed.

use std::fs;
use std::path::{Path, PathBuf};

/// Where a file of the project is.
fn in_the_project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// Whether a text is what the file has; the path begins at the project's folder.
pub fn matches(path: &str, text: &str) {
    let file = in_the_project(path);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&file, text).unwrap();
    }
    let golden = fs::read_to_string(&file).unwrap();
    for (number, (line, expected)) in text.lines().zip(golden.lines()).enumerate() {
        let place = number + 1;
        assert_eq!(
            line, expected,
            "{path}:{place}; run with UPDATE_GOLDEN=1 where the new line is right"
        );
    }
    assert_eq!(text, golden, "{path} has another length");
}

/// The same for a part of a file that others write by hand: what stands between the two comments that name it.
pub fn part_matches(path: &str, name: &str, text: &str) {
    let file = fs::read_to_string(in_the_project(path)).unwrap();
    let (begin, end) = (
        format!("<!-- made by a test: {name} -->\n"),
        format!("<!-- end: {name} -->\n"),
    );
    let (before, rest) = file.split_once(&begin).unwrap();
    let (_, after) = rest.split_once(&end).unwrap();
    matches(path, &format!("{before}{begin}\n{text}\n{end}{after}"));
}
