//! A reader of both text formats, written from their descriptions and from nothing in this crate, so that writer and reader cannot
//! be wrong together. It refuses whatever Prometheus refuses.

use std::collections::{BTreeMap, HashSet};

/// One family as it was read.
#[derive(Debug, Default)]
pub(super) struct Family {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) unit: Option<String>,
    pub(super) help: String,
    pub(super) samples: Vec<Sample>,
}

/// One line of numbers.
#[derive(Debug)]
pub(super) struct Sample {
    pub(super) name: String,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) value: f64,
}

impl Sample {
    pub(super) fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }
}

/// Reads a whole answer.
pub(super) fn read(text: &str, openmetrics: bool) -> Vec<Family> {
    let text = if openmetrics {
        text.strip_suffix("# EOF\n").expect("OpenMetrics ends with # EOF")
    } else {
        text
    };
    assert!(text.is_empty() || text.ends_with('\n'), "the last line is whole");
    let mut families: Vec<Family> = Vec::new();
    let mut names = HashSet::new();
    let mut series = HashSet::new();
    for line in text.split_terminator('\n') {
        if let Some(comment) = line.strip_prefix("# ") {
            let (word, rest) = comment.split_once(' ').expect("a word after #");
            let (name, rest) = rest.split_once(' ').expect("a name after the word");
            if word == "HELP" {
                assert!(names.insert(name.to_owned()), "{name} begins twice");
                families.push(Family {
                    name: name.to_owned(),
                    help: unescape(rest, openmetrics),
                    ..Family::default()
                });
                continue;
            }
            let family = families.last_mut().expect("HELP comes first");
            assert_eq!(family.name, name, "{line}");
            assert!(family.samples.is_empty(), "{line} comes after samples");
            match word {
                "TYPE" => family.kind = rest.to_owned(),
                "UNIT" => {
                    assert!(openmetrics, "classic text has no UNIT");
                    assert!(name.ends_with(&format!("_{rest}")), "{line}");
                    family.unit = Some(rest.to_owned());
                }
                _ => panic!("unexpected comment: {line}"),
            }
            continue;
        }
        let sample = read_sample(line);
        let family = families.last_mut().expect("a sample belongs to a family");
        let base = match (family.kind.as_str(), openmetrics) {
            ("counter", true) => sample
                .name
                .strip_suffix("_total")
                .expect("a counter's sample ends in _total"),
            ("counter", false) => {
                assert!(sample.name.ends_with("_total"), "{line}");
                &sample.name
            }
            ("histogram", _) => ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|suffix| sample.name.strip_suffix(suffix))
                .expect("a histogram's sample has a suffix"),
            ("gauge", _) => &sample.name,
            (kind, _) => panic!("unexpected type {kind}"),
        };
        assert_eq!(base, family.name, "{line} is outside its family");
        assert!(
            series.insert(line.rsplit_once(' ').unwrap().0.to_owned()),
            "{line} is there twice"
        );
        family.samples.push(sample);
    }
    for family in &families {
        assert!(!family.samples.is_empty(), "{} has a header but no sample", family.name);
    }
    families
}

fn read_sample(line: &str) -> Sample {
    let name_end = line.find(['{', ' ']).expect("a name, then labels or a value");
    let (name, mut rest) = line.split_at(name_end);
    assert!(is_name(name), "{line}");
    let mut labels = BTreeMap::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            let (label, after) = rest.split_once("=\"").expect("a label and its value");
            assert!(is_name(label), "{label} in {line}");
            let mut end = None;
            let mut escaped = false;
            for (index, character) in after.char_indices() {
                match character {
                    _ if escaped => escaped = false,
                    '\\' => escaped = true,
                    '"' => {
                        end = Some(index);
                        break;
                    }
                    _ => {}
                }
            }
            let end = end.expect("the value's closing quote");
            let value = unescape(&after[..end], true);
            assert!(
                labels.insert(label.to_owned(), value).is_none(),
                "{label} twice in {line}"
            );
            rest = &after[end + 1..];
            match rest.strip_prefix(',') {
                Some(more) => rest = more,
                None => break,
            }
        }
        rest = rest.strip_prefix('}').expect("the closing brace");
    }
    let value = rest.strip_prefix(' ').expect("one space before the value");
    assert!(!value.contains(' '), "no timestamp: {line}");
    Sample {
        name: name.to_owned(),
        labels,
        value: value.parse().expect("a number"),
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && name
            .chars()
            .all(|character| character.is_ascii_alphanumeric() || character == '_')
}

fn unescape(text: &str, quotes: bool) -> String {
    let mut plain = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        plain.push(match character {
            '\\' => match characters.next() {
                Some('n') => '\n',
                Some('\\') => '\\',
                Some('"') if quotes => '"',
                other => panic!("escape \\{other:?} in {text}"),
            },
            '"' if quotes => panic!("a bare quote in {text}"),
            other => other,
        });
    }
    plain
}
