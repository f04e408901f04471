//! What is made from the schema for people and editors: `docs/config.schema.json` and `docs/configuration.md`.
//!
//! The tests here compare them; with `LAAFFIC_EXPORTER_WRITE_DOCS=1` they write them instead.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use exporter_toolkit::yaml;
use serde_json::{Value, json};

use super::schema::{File, TAKEN_LABELS};

const SCHEMA: &str = "docs/config.schema.json";
const REFERENCE: &str = "docs/configuration.md";

const INTRODUCTION: &str = "\
# Configuration

Every key of the configuration file. This page is made from `src/config/schema.rs`; [config.example.yaml](../config.example.yaml) shows the
keys at work.

Durations are written as in Prometheus: `500ms`, `30s`, `5m`, `1m30s`, `12h`, `7d`. None may be zero. Relative paths start from the folder of
the file. A key without a value counts as not given; an unknown key, or one that is given twice, is a mistake. `--config.check` lists every
mistake at once, with line and column, and warns of what can be used but is hardly meant so.

[config.schema.json](config.schema.json) is the same as a JSON schema. Editors with a YAML language server complete and check a configuration
file that begins with this line, where the schema may also be named by a URL:

```yaml
# yaml-language-server: $schema=docs/config.schema.json
```
";

/// The JSON schema. Unknown keys are mistakes, and a key without a value counts as not given.
fn schema() -> Value {
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
    let blocks = [
        ("", "File"),
        ("global", "Global"),
        ("accounts[]", "Account"),
        ("accounts[].http_client", "HttpClient"),
        ("accounts[].http_client.tls_config", "ClientTls"),
        ("accounts[].discovery", "Discovery"),
        ("accounts[].discovery.rules[]", "NameRule"),
        ("accounts[].flows[]", "Flow"),
    ];
    let definitions = &schema["$defs"];
    assert_eq!(blocks.len(), definitions.as_object().unwrap().len() + 1);
    let mut page = INTRODUCTION.to_owned();
    for (path, name) in blocks {
        let block = definitions.get(name).unwrap_or(schema);
        if !path.is_empty() {
            write!(page, "\n## {path}\n\n{}\n", description(block)).unwrap();
        }
        page.push_str("\n| key | kind | default | what it is |\n|---|---|---|---|\n");
        let required = block["required"].as_array().unwrap();
        for key in in_order(block, name) {
            let property = &block["properties"][key];
            let default = match &property["default"] {
                _ if required.iter().any(|required| required == key) => "must be given".to_owned(),
                Value::String(text) => format!("`{text}`"),
                // 5.0 is written 5.
                Value::Number(number) => format!("`{}`", number.as_f64().unwrap()),
                _ => String::new(),
            };
            let (kind, about) = (kind(property), description(property));
            writeln!(page, "| `{key}` | {kind} | {default} | {about} |").unwrap();
        }
    }
    page
}

/// What a key takes, in words.
fn kind(property: &Value) -> String {
    if let Some(title) = property["title"].as_str() {
        return title.to_owned();
    }
    let kinds = property["type"].as_array().into_iter().flatten();
    let kinds: Vec<_> = kinds.chain([&property["type"]]).filter_map(Value::as_str).collect();
    let words = HashMap::from([
        ("boolean", "true or false"),
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

fn description(schema: &Value) -> String {
    let text = schema["description"].as_str().unwrap();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The keys of a block in the order of its struct, which a schema does not keep.
fn in_order<'b>(block: &'b Value, name: &str) -> Vec<&'b str> {
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

fn compare(path: &str, made: &str) {
    if std::env::var_os("LAAFFIC_EXPORTER_WRITE_DOCS").is_some() {
        fs::write(path, made).unwrap();
    }
    let written = fs::read_to_string(path).unwrap_or_default();
    assert!(
        written == made,
        "{path} is not what the schema says; write it anew: LAAFFIC_EXPORTER_WRITE_DOCS=1 cargo test --lib config::reference"
    );
}

#[test]
fn the_schema_for_editors_is_that_of_the_program() {
    compare(SCHEMA, &format!("{:#}\n", schema()));
}

#[test]
fn the_reference_has_every_key() {
    compare(REFERENCE, &reference(&schema()));
}

#[test]
fn the_example_has_every_key() {
    let example = fs::read_to_string("config.example.yaml").unwrap();
    let schema = schema();
    for block in [&schema]
        .into_iter()
        .chain(schema["$defs"].as_object().unwrap().values())
    {
        for key in block["properties"].as_object().unwrap().keys() {
            assert!(example.contains(key), "config.example.yaml does not have {key}");
        }
    }
    let read = yaml::load(Path::new("example"), example.as_bytes(), |file: File, _| Some(file));
    assert_eq!(read.unwrap().0.accounts.unwrap().len(), 2);
}
