use std::path::Path as FilePath;

use proptest::prelude::*;
use serde::Deserialize;

use super::*;
use crate::duration::Interval;
use crate::secret::Secret;

/// A file with every kind of value.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct File {
    text: Option<String>,
    flag: bool,
    secret: Option<Secret>,
    interval: Interval<60>,
    number: Whole<1, 10, 5>,
    names: Vec<Filled>,
    inner: Option<Inner>,
    list: Vec<Inner>,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Inner {
    name: Option<Filled>,
    number: Option<Whole<0, 3, 0>>,
}

fn read(text: &str) -> Result<File, String> {
    let check = |file: File, rules: &mut Rules| {
        for (index, inner) in file.list.iter().enumerate() {
            if inner.name.is_none() {
                rules.problem(&Path::Root.key("list").index(index), "name is missing");
            }
        }
        Some(file)
    };
    let read = load(FilePath::new("f"), text.as_bytes(), check);
    read.map(|(file, _)| file).map_err(|error| error.to_string())
}

#[test]
fn what_is_written_is_taken_and_the_rest_has_its_default() {
    let file =
        read("text: 1.10\nflag: true\nsecret: 0012\nnames: [on, 2]\ninner: {number: 3}\nlist: [{name: a}]").unwrap();
    assert_eq!(file.text.as_deref(), Some("1.10"));
    assert!(file.flag && file.secret == Some(Secret::new("0012")));
    assert_eq!((file.interval.get().as_secs(), file.number.get()), (60, 5));
    assert_eq!(file.names.iter().map(|name| &**name).collect::<Vec<_>>(), ["on", "2"]);
    assert_eq!(file.inner.unwrap().number.map(Whole::get), Some(3));
    for empty in ["", "# x", "~", "{}", "text:\nflag: ~\nlist:\ninner: null", "---\n..."] {
        assert_eq!(read(empty), Ok(File::default()), "{empty:?}");
    }
}

#[test]
fn every_mistake_is_told_at_once_and_in_place() {
    let text = "\
text: [a]
flag: maybe
secret: {a: b}
interval: 5 min
interval: 5m
number: 11
names: [a, '', ~, [b]]
innner: {}
inner: {name: x, name: y, number: -1, [a]: b, z:hunter2}
list:
  - {}
  - name: {}
  - [name]
  - !tag {name: x}
  - number: twelve
  - {name: \"a\\Lb\"}
";
    let told = [
        "f:1:7: text: a list is not a text; write one value after the colon",
        "f:2:7: flag: this is not true or false; write one of these two words, without quotes",
        "f:3:9: secret: a mapping is not a text; write one value after the colon",
        "f:4:11: interval: \"5 min\" is not a duration; write it like 30s, 5m or 1m30s",
        "f:5:1: interval: given twice, first in line 4; keep one of them",
        "f:6:9: number: \"11\" is not a whole number from 1 to 10; write it in digits, without quotes",
        "f:7:12: names[1]: is empty; write at least one character, or leave the key out if it is optional",
        "f:7:16: names[2]: there is nothing where there should be a text; write one value after the colon",
        "f:7:19: names[3]: a list is not a text; write one value after the colon",
        "f:8:1: innner: unknown key; did you mean inner?",
        "f:9:18: inner.name: given twice, first in line 9; keep one of them",
        "f:9:35: inner.number: \"-1\" is not a whole number from 0 to 3; write it in digits, without quotes",
        "f:9:39: inner: a list or mapping cannot be a key here; write a plain word before the colon",
        "f:9:47: inner.z…: unknown key; write a space after the colon that ends the key",
        "f:11:5: list[0]: name is missing",
        "f:12:11: list[1].name: a mapping is not a text; write one value after the colon",
        "f:13:5: list[2]: a list is not a mapping; write \"key: value\" lines here",
        "f:14:5: list[3]: a YAML tag (!…) has no meaning here; remove it, and quote a text that begins with an exclamation mark",
        "f:15:5: list[4]: name is missing",
        "f:15:13: list[4].number: this is not a whole number from 0 to 3; write it in digits, without quotes",
        "f:16:12: list[5].name: holds a line separator (U+0085, U+2028 or U+2029), which ends a line for some readers of YAML and not for \
         others; write a space, or \\n within double quotes",
    ];
    let refusal = read(text).unwrap_err();
    assert_eq!(refusal.lines().collect::<Vec<_>>(), told, "{refusal}");
}

#[test]
fn rules_are_told_where_the_values_are() {
    let text = "b: &b {x: 1}\na:\n  - k: *b\n  - {k: {y: 2, x: 3}, l: 4}\n";
    let mut rules = Rules::new(false);
    let a = Path::Root.key("a");
    let (first, second) = (a.index(0), a.index(1));
    rules.problem(&second.key("k").key("x"), "value");
    rules.problem_with_key(&second.key("k").key("x"), "key");
    rules.problem(&second.key("none").key("nor this"), "not there");
    rules.conflict(&second.key("l"), &first.key("k"), |line| format!("as in line {line}"));
    rules.too_many(&second.key("k"), &["x", "y"], |first, second| {
        format!("{first} and {second}")
    });
    rules.warning(&first, "careful");
    let (problems, warnings) = rules.located(text);
    let told = |problems: Vec<Problem>| -> Vec<String> {
        problems
            .iter()
            .map(|problem| problem.told_of(FilePath::new("f")))
            .collect()
    };
    assert_eq!(
        told(problems),
        [
            "f:4:19: a[1].k.x: value",
            "f:4:16: a[1].k.x: key",
            "f:4:5: a[1].none.nor…: not there",
            "f:4:26: a[1].l: as in line 1",
            "f:4:16: a[1].k: y and x",
        ]
    );
    assert_eq!(told(warnings), ["f:3:5: a[0]: careful"]);
}

/// A piece of a good file, or what is likely to upset a parser.
fn piece() -> impl Strategy<Value = String> {
    const WORDS: &[&str] = &[
        "  ",
        "\n",
        "- ",
        "text: ",
        "flag: ",
        "secret: ",
        "interval: ",
        "number: ",
        "names: ",
        "inner: ",
        "list: ",
        "name: ",
        "1",
        "true",
        "5m",
        "{",
        "}",
        "[",
        "]",
        ", ",
        "? ",
        ": ",
        "*a ",
        "&a ",
        "!!str ",
        "!x ",
        "<<: ",
        "---\n",
        "'",
        "\"",
        "|\n",
        "~",
    ];
    prop_oneof![
        4 => proptest::sample::select(WORDS).prop_map(str::to_owned),
        1 => "[\\[\\]{}:,&*!|>'\"%@`#?~<\t\r\u{0}\u{85}\u{feff}]{1,3}",
        1 => ".{0,5}",
    ]
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in any::<String>()) {
        let _ = read(&text);
    }

    #[test]
    fn no_pieces_of_yaml_make_it_panic_or_refuse_without_a_reason(pieces in prop::collection::vec(piece(), 0..40)) {
        let refusal = read(&pieces.concat()).err().unwrap_or_default();
        prop_assert!(!refusal.contains("please report"), "{refusal}");
        // The parser has reasons with these words in them, as of tabs; alone they are no reason.
        prop_assert!(!refusal.contains("f: cannot be used"), "{refusal}");
    }
}
