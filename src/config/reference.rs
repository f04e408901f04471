//! What is made from the schema for people and editors: `docs/config.schema.json` and `docs/configuration.md`.
//!
//! The tests here compare them; with `LAAFFIC_EXPORTER_WRITE_DOCS=1` they write them instead.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use exporter_toolkit::yaml;
use serde::de::value::Error;
use serde::de::{Deserialize, Deserializer, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::{Value, json};

use super::schema::{Account, File, Flow, Global};
use super::{ClientTls, HttpClient};

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
    schema
}

fn visit(schema: &mut Value) {
    let Value::Object(object) = schema else {
        return;
    };
    if let Some(Value::Object(properties)) = object.get_mut("properties") {
        let mut required = Vec::new();
        for (key, property) in properties {
            match property
                .as_object_mut()
                .and_then(|property| property.remove("x-required"))
            {
                Some(_) => {
                    required.push(Value::from(key.as_str()));
                    property.as_object_mut().map(|property| property.remove("default"));
                }
                None => allow_nothing(property),
            }
        }
        object.insert("required".to_owned(), required.into());
        object.insert("additionalProperties".to_owned(), Value::Bool(false));
    }
    if let Some(Value::Object(definitions)) = object.get_mut("$defs") {
        definitions.values_mut().for_each(visit);
    }
}

/// As an optional text is in a schema already.
fn allow_nothing(property: &mut Value) {
    if let Some(block) = property.as_object_mut().and_then(|property| property.remove("$ref")) {
        property["anyOf"] = json!([{"$ref": block}, {"type": "null"}]);
    }
    let Some(kinds) = property.get_mut("type") else {
        return;
    };
    let mut all = match kinds.take() {
        Value::Array(all) => all,
        one => vec![one],
    };
    if !all.iter().any(|kind| kind == "null") {
        all.push("null".into());
    }
    *kinds = all.into();
}

/// The page: a table for each block, in the order of the file.
fn reference(schema: &Value) -> String {
    let blocks = [
        ("", "", fields::<File>()),
        ("global", "Global", fields::<Global>()),
        ("accounts[]", "Account", fields::<Account>()),
        ("accounts[].http_client", "HttpClient", fields::<HttpClient>()),
        ("accounts[].http_client.tls_config", "ClientTls", fields::<ClientTls>()),
        ("accounts[].flows[]", "Flow", fields::<Flow>()),
    ];
    let definitions = &schema["$defs"];
    assert_eq!(blocks.len(), definitions.as_object().unwrap().len() + 1);
    let mut page = INTRODUCTION.to_owned();
    for (path, name, fields) in blocks {
        let block = definitions.get(name).unwrap_or(schema);
        if !path.is_empty() {
            write!(page, "\n## {path}\n\n{}\n", description(block)).unwrap();
        }
        page.push_str("\n| key | kind | default | what it is |\n|---|---|---|---|\n");
        let required = block["required"].as_array().unwrap();
        for key in fields {
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
fn fields<'de, T: Deserialize<'de>>() -> &'static [&'static str] {
    struct Fields<'f>(&'f mut &'static [&'static str]);

    impl<'de> Deserializer<'de> for Fields<'_> {
        type Error = Error;

        fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
            Err(serde::de::Error::custom("only structs have fields"))
        }

        fn deserialize_struct<V: Visitor<'de>>(
            self,
            _: &'static str,
            fields: &'static [&'static str],
            visitor: V,
        ) -> Result<V::Value, Error> {
            *self.0 = fields;
            self.deserialize_any(visitor)
        }

        forward_to_deserialize_any! {
            bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct
            seq tuple tuple_struct map enum identifier ignored_any
        }
    }

    let mut fields = &[][..];
    assert!(T::deserialize(Fields(&mut fields)).is_err());
    fields
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
