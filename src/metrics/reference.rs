//! The list of metrics at the top of `docs/metrics.md`: what the catalogue says of each, in the order of the page.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use testkit::golden;

use super::catalogue::{self, Family};

const REFERENCE: &str = "docs/metrics.md";

#[test]
fn the_page_begins_with_every_metric_as_the_program_says_it() {
    let families = catalogue::all().chain(catalogue::PROBE);
    let mut families: BTreeMap<String, &Family> = families.map(|family| (family.query_name(), family)).collect();
    let mut table =
        "| metric | type | unit | labels | what `/metrics` says of it |\n|---|---|---|---|---|\n".to_owned();
    let page = fs::read_to_string(REFERENCE).unwrap();
    for name in page.lines().filter_map(|line| line.strip_prefix("### ")) {
        let family = families.remove(name);
        let family = family.unwrap_or_else(|| panic!("{REFERENCE} has a section on {name}, which there is not (once)"));
        let unit = family.unit.map_or("", |unit| unit.as_str());
        let labels: Vec<_> = family.labels.iter().map(|label| format!("`{label}`")).collect();
        let (kind, labels, help) = (family.kind.as_str(), labels.join(", "), family.help);
        writeln!(table, "| [`{name}`](#{name}) | {kind} | {unit} | {labels} | {help} |").unwrap();
    }
    assert!(
        families.is_empty(),
        "{REFERENCE} has no section on {:?}",
        families.keys()
    );
    golden::part_matches(REFERENCE, "metrics", &table);
}
