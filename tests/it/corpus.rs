//! What the fuzzer found worth keeping, decoded once more.

use std::collections::BTreeSet;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use testkit::decoders::DECODERS;

const FUZZ: &str = "fuzz";

/// More than this has not been minimised.
const MOST_FILES: usize = 600;
const MOST_BYTES: u64 = 1_000_000;

/// What is in this folder of the fuzzer's, sorted.
fn paths(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(FUZZ).join(folder);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn names(folder: &str) -> BTreeSet<String> {
    let name = |path: PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
    paths(folder).into_iter().map(name).collect()
}

#[test]
fn every_decoder_is_fuzzed() {
    let decoders: BTreeSet<_> = DECODERS.iter().map(|(name, _)| (*name).to_owned()).collect();
    for folder in ["src/bin", "corpus", "dictionaries"] {
        assert_eq!(names(folder), decoders, "{FUZZ}/{folder}");
    }
}

#[test]
fn what_was_found_decodes_as_it_should() {
    let mut sizes = Vec::new();
    for (name, decoder) in DECODERS {
        let files = paths(&format!("corpus/{name}"));
        assert!(!files.is_empty(), "no file in {FUZZ}/corpus/{name}");
        for file in files {
            let input = fs::read(&file).unwrap();
            sizes.push(input.len() as u64);
            assert!(catch_unwind(|| decoder(&input)).is_ok(), "{}", file.display());
        }
    }
    assert!(sizes.len() <= MOST_FILES, "{} files", sizes.len());
    let bytes: u64 = sizes.iter().sum();
    assert!(bytes <= MOST_BYTES, "{bytes} bytes");
}
