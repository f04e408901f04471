//! What is made from the schema for people and editors: `docs/config.schema.json` and `docs/configuration.md`. Each key's example is what
//! `config.example.yaml` has there. The manual page, which says the same, is made in `manual`.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;

use serde_json::{Value, json};
use serde_yaml::Value as Yaml;
use testkit::golden;

use super::schema::{File, TAKEN_LABELS};

const SCHEMA: &str = "docs/config.schema.json";
const REFERENCE: &str = "docs/configuration.md";
/// What a key takes that is off unless it is switched on.
const SWITCH: &str = "true or false";
const EXAMPLE: &str = "config.example.yaml";

const INTRODUCTION: &str = "\
# Configuration

Every key of the configuration file. This page is made from `src/config/schema.rs`, and its examples from
[config.example.yaml](../config.example.yaml), which shows the keys at work.

Durations are written as in Prometheus: `500ms`, `30s`, `5m`, `1m30s`, `12h`, `7d`. None may be zero. Relative paths start from the folder of
the file. A key without a value counts as not given; an unknown key, or one that is given twice, is a mistake. `--config.check` lists every
mistake at once, with line and column, and warns of what can be used but is hardly meant so.

[config.schema.json](config.schema.json) is the same as a JSON schema. Editors with a YAML language server complete and check a configuration
file that begins with this line, where the schema may also be named by a URL:

```yaml
# yaml-language-server: $schema=docs/config.schema.json
```
";

/// Where each block is in the file, and its struct, in the order of the file.
pub(super) const BLOCKS: [(&str, &str); 8] = [
    ("", "File"),
    ("global", "Global"),
    ("accounts[]", "Account"),
    ("accounts[].http_client", "HttpClient"),
    ("accounts[].http_client.tls_config", "ClientTls"),
    ("accounts[].discovery", "Discovery"),
    ("accounts[].discovery.rules[]", "NameRule"),
    ("accounts[].flows[]", "Flow"),
];

/// The JSON schema. Unknown keys are mistakes, and a key without a value counts as not given.
pub(super) fn schema() -> Value {
    let mut schema = schemars::schema_for!(File).to_value();
    visit(&mut schema);
    // What no type says.
    let definitions = &mut schema["$defs"];
    definitions["Account"]["allOf"] = json!([one_of("api_key"), one_of("api_secret")]);
    let label_names = |taken: &[&str]| json!({"pattern": "^(?!__)[a-zA-Z_][a-zA-Z0-9_]*$", "not": {"enum": taken}});
    definitions["Flow"]["properties"]["labels"]["propertyNames"] = label_names(&TAKEN_LABELS);
    definitions["NameRule"]["properties"]["labels"]["propertyNames"] =
        label_names(&[TAKEN_LABELS.as_slice(), &["task_id"]].concat());
    schema
}

/// Of the keys for one secret there must be exactly one.
fn one_of(secret: &str) -> Value {
    let given = |key: String| json!({"required": [key], "properties": {key: {"not": {"type": "null"}}}});
    let keys = ["", "_file", "_env"].map(|end| given(format!("{secret}{end}")));
    json!({"oneOf": keys})
}

fn visit(schema: &mut Value) {
    let Value::Object(object) = schema else {
        return;
    };
    if let Some(Value::Object(properties)) = object.get_mut("properties") {
        let mut required = Vec::new();
        for (key, property) in properties {
            let object = property.as_object_mut().unwrap();
            let is_required = object.remove("x-required").is_some();
            if is_required {
                required.push(Value::from(key.as_str()));
                object.remove("default");
            }
            widen(property, is_required);
        }
        object.insert("required".to_owned(), required.into());
        object.insert("additionalProperties".to_owned(), Value::Bool(false));
    }
    if let Some(Value::Object(definitions)) = object.get_mut("$defs") {
        definitions.values_mut().for_each(visit);
    }
}

/// Every scalar is taken as a text where one belongs, and nothing as not given.
fn widen(schema: &mut Value, is_required: bool) {
    let Value::Object(object) = schema else {
        return;
    };
    if let (Some(block), false) = (object.get("$ref").cloned(), is_required) {
        object.remove("$ref");
        object.insert("anyOf".to_owned(), json!([{"$ref": block}, {"type": "null"}]));
    }
    if let Some(kinds) = object.get("type").cloned() {
        let mut all = kinds.as_array().cloned().unwrap_or_else(|| vec![kinds]);
        if all.contains(&json!("string")) && !object.contains_key("title") {
            all.extend([json!("number"), json!("boolean")]);
        }
        if is_required {
            all.retain(|kind| kind != "null");
        } else if !all.contains(&json!("null")) {
            all.push("null".into());
        }
        object.insert("type".to_owned(), all.into());
    }
    if let Some(entries) = object.get_mut("additionalProperties") {
        widen(entries, false);
    }
}

/// The page: a table for each block, in the order of the file.
fn reference(schema: &Value) -> String {
    let example: Yaml = serde_yaml::from_str(&fs::read_to_string(EXAMPLE).unwrap()).unwrap();
    assert_eq!(BLOCKS.len(), schema["$defs"].as_object().unwrap().len() + 1);
    let mut page = INTRODUCTION.to_owned();
    for (path, name) in BLOCKS {
        let block = block(schema, name);
        if !path.is_empty() {
            write!(page, "\n## {path}\n\n{}\n", description(block)).unwrap();
        }
        page.push_str("\n| key | kind | default | example | what it is |\n|---|---|---|---|---|\n");
        let examples = at(&example, path);
        for key in in_order(block, name) {
            let property = &block["properties"][key];
            let default = match default(property) {
                _ if is_required(block, key) => "must be given".to_owned(),
                Some(value) => format!("`{value}`"),
                None => String::new(),
            };
            let (kind, about) = (kind(property), description(property));
            let full = format!("{path}.{key}");
            let table = BLOCKS
                .iter()
                .find(|(path, _)| path.trim_end_matches("[]") == full.trim_start_matches('.'));
            let example = match table {
                Some((path, _)) => format!("[{path}](#{})", path.replace(['.', '[', ']'], "")),
                None => format!("`{}`", in_one_line(first(&examples, &full))),
            };
            writeln!(page, "| `{key}` | {kind} | {default} | {example} | {about} |").unwrap();
        }
    }
    page
}

/// The blocks that the example has at a path.
fn at<'y>(example: &'y Yaml, path: &str) -> Vec<&'y Yaml> {
    let mut found = vec![example];
    for name in path.split_terminator('.') {
        let values = found
            .into_iter()
            .filter_map(|block| block.get(name.trim_end_matches("[]")));
        found = values
            .flat_map(|value| value.as_sequence().map_or(vec![value], |list| list.iter().collect()))
            .collect();
    }
    found
}

/// The value that the first of these blocks gives to the key at the end of the path.
fn first<'y>(blocks: &[&'y Yaml], path: &str) -> &'y Yaml {
    let key = path.rsplit('.').next().unwrap();
    let value = blocks.iter().find_map(|block| block.get(key));
    value.unwrap_or_else(|| panic!("{EXAMPLE} does not show {path}"))
}

/// A value as it may be written behind its key.
fn in_one_line(value: &Yaml) -> String {
    match value.as_mapping() {
        Some(pairs) => {
            let pairs: Vec<_> = pairs
                .iter()
                .map(|(key, value)| format!("{}: {}", in_one_line(key), in_one_line(value)))
                .collect();
            format!("{{ {} }}", pairs.join(", "))
        }
        None => serde_yaml::to_string(value).unwrap().trim_end().to_owned(),
    }
}

/// What the schema says of a block.
pub(super) fn block<'s>(schema: &'s Value, name: &str) -> &'s Value {
    schema["$defs"].get(name).unwrap_or(schema)
}

/// Whether a block cannot be without this key.
pub(super) fn is_required(block: &Value, key: &str) -> bool {
    block["required"]
        .as_array()
        .unwrap()
        .iter()
        .any(|required| required == key)
}

/// What holds where a key is not given, if that is one value.
pub(super) fn default(property: &Value) -> Option<String> {
    match &property["default"] {
        Value::String(text) => Some(text.clone()),
        // 5.0 is written 5.
        Value::Number(number) => Some(number.as_f64().unwrap().to_string()),
        // What is off is not written, so the schema does not say it.
        _ if kind(property) == SWITCH => Some("false".to_owned()),
        _ => None,
    }
}

/// What a key takes, in words.
pub(super) fn kind(property: &Value) -> String {
    if let Some(title) = property["title"].as_str() {
        return title.to_owned();
    }
    let kinds = property["type"].as_array().into_iter().flatten();
    let kinds: Vec<_> = kinds.chain([&property["type"]]).filter_map(Value::as_str).collect();
    let words = HashMap::from([
        ("boolean", SWITCH),
        ("integer", "whole number"),
        ("number", "number"),
        ("object", "mapping of texts"),
        ("array", "list"),
    ]);
    let word = match kinds.contains(&"string") {
        true => "text",
        false => kinds.iter().find_map(|kind| words.get(kind)).unwrap_or(&"mapping"),
    };
    let range = match (&property["minimum"], &property["maximum"]) {
        (Value::Number(least), Value::Number(most)) => format!(" from {} to {}", plain(least), plain(most)),
        _ => String::new(),
    };
    format!("{word}{range}")
}

fn plain(number: &serde_json::Number) -> String {
    number
        .as_u64()
        .map_or_else(|| number.as_f64().unwrap().to_string(), |whole| whole.to_string())
}

pub(super) fn description(schema: &Value) -> String {
    let text = schema["description"].as_str().unwrap();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The keys of a block in the order of its struct, which a schema does not keep.
pub(super) fn in_order<'b>(block: &'b Value, name: &str) -> Vec<&'b str> {
    let sources = ["src/config/schema.rs", "crates/exporter-toolkit/src/http_config.rs"];
    let sources = sources.map(|path| fs::read_to_string(path).unwrap()).concat();
    let (_, source) = sources.split_once(&format!("pub struct {name} {{")).unwrap();
    let place = |key: &str| {
        let written = [format!("pub {key}:"), format!("rename = \"{key}\"")];
        written.iter().filter_map(|written| source.find(written)).min()
    };
    let mut keys: Vec<_> = block["properties"]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    keys.sort_by_key(|key| place(key));
    keys
}

#[test]
fn the_schema_for_editors_is_that_of_the_program() {
    golden::matches(SCHEMA, &format!("{:#}\n", schema()));
}

#[test]
fn the_reference_has_every_key_with_an_example() {
    golden::matches(REFERENCE, &reference(&schema()));
}
