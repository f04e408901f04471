//! The Helm chart, as far as its files alone tell: its versions, its table of values and its schema are those of the project. What Helm and
//! Kubernetes make of it is tested in `tests/with_programs/chart`.

use std::fmt::Write as _;
use std::fs;

use serde_json::Value as Json;
use serde_yaml::{Mapping, Value};
use testkit::golden;

const CHART: &str = "deploy/helm/laaffic-exporter";

fn read(name: &str) -> String {
    fs::read_to_string(format!("{CHART}/{name}")).unwrap()
}

fn schema() -> Json {
    serde_json::from_str(&read("values.schema.json")).unwrap()
}

/// A value of the chart, with its name from the top.
struct Row {
    name: String,
    /// None where it is a group of values, which come after it.
    default: Option<Value>,
    schema: Json,
}

/// The values below one, in the order of `values.yaml`.
fn rows(values: &Mapping, schema: &Json, above: &str, rows: &mut Vec<Row>) {
    for (key, default) in values {
        let key = key.as_str().unwrap();
        let name = format!("{above}{key}");
        let schema = &schema["properties"][key];
        assert!(schema.is_object(), "values.schema.json does not have {name}");
        // The exporter's own configuration has a page of its own.
        let is_group = schema["properties"].is_object() && name != "config";
        rows.push(Row {
            name: name.clone(),
            default: (!is_group).then(|| default.clone()),
            schema: schema.clone(),
        });
        if is_group {
            self::rows(default.as_mapping().unwrap(), schema, &format!("{name}."), rows);
        }
    }
}

fn all_rows() -> Vec<Row> {
    let values: Mapping = serde_yaml::from_str(&read("values.yaml")).unwrap();
    let mut found = Vec::new();
    rows(&values, &schema(), "", &mut found);
    found
}

/// The names of all values that the schema knows, as rows have them.
fn names_in_schema(schema: &Json, above: &str, names: &mut Vec<String>) {
    for (key, schema) in schema["properties"].as_object().unwrap() {
        let name = format!("{above}{key}");
        names.push(name.clone());
        if schema["properties"].is_object() && name != "config" {
            names_in_schema(schema, &format!("{name}."), names);
        }
    }
}

/// A default as one cell of a table.
fn cell(row: &Row) -> String {
    if row.name == "config" {
        return "one account, `main`".to_owned();
    }
    let Some(default) = &row.default else {
        return String::new();
    };
    let text = serde_json::to_string(default).unwrap();
    // Longer ones are read in values.yaml.
    match text.len() {
        0..=60 => format!("`{text}`"),
        _ => "see values.yaml".to_owned(),
    }
}

/// The table of values.
fn table() -> String {
    let mut text = String::from("| value | default | what it is |\n|---|---|---|\n");
    for row in all_rows() {
        let words = row.schema["description"]
            .as_str()
            .unwrap()
            .replace('\n', " ")
            .replace('|', "\\|");
        writeln!(text, "| `{}` | {} | {words} |", row.name, cell(&row)).unwrap();
    }
    text
}

#[test]
fn the_version_of_the_program_is_that_of_the_crate() {
    let chart: Value = serde_yaml::from_str(&read("Chart.yaml")).unwrap();
    assert_eq!(chart["appVersion"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn the_readme_has_the_table_of_values() {
    const BEGIN: &str = "<!-- The table is made from values.schema.json and values.yaml. -->\n";
    let readme = read("README.md");
    let (before, _) = readme.split_once(BEGIN).unwrap();
    golden::matches(&format!("{CHART}/README.md"), &format!("{before}{BEGIN}\n{}", table()));
}

#[test]
fn the_schema_has_every_value_and_no_other_and_says_what_it_is() {
    let rows = all_rows();
    let mut listed: Vec<_> = rows.iter().map(|row| row.name.clone()).collect();
    listed.sort();
    let mut known = Vec::new();
    names_in_schema(&schema(), "", &mut known);
    known.sort();
    assert_eq!(listed, known);
    for row in &rows {
        let words = row.schema["description"].as_str().unwrap_or_default();
        assert!(words.ends_with('.') && words.len() > 8, "{}: {words:?}", row.name);
    }
}

#[test]
fn the_schema_is_closed_where_it_knows_the_values() {
    fn check(schema: &Json, name: &str) {
        if schema["properties"].is_object() {
            // A parent chart's `global` is for all of its charts.
            assert!(
                schema["additionalProperties"] == false || name == ".global",
                "{name} is open"
            );
            for (key, schema) in schema["properties"].as_object().unwrap() {
                check(schema, &format!("{name}.{key}"));
            }
        }
    }
    check(&schema(), "");
}

/// The exporter's schema as Helm can read it: Go's regular expressions have no look-ahead.
fn for_helm(schema: &mut Json) {
    match schema {
        Json::Object(object) => {
            let pattern = object
                .get("pattern")
                .and_then(Json::as_str)
                .unwrap_or_default()
                .to_owned();
            if let Some(rest) = pattern.strip_prefix("^(?!$)") {
                object.insert("pattern".to_owned(), format!("^{rest}").into());
                object.insert("minLength".to_owned(), 1.into());
            } else if pattern == "^(?!__)[a-zA-Z_][a-zA-Z0-9_]*$" {
                let same = "^(_|_?[a-zA-Z][a-zA-Z0-9_]*|_[0-9][a-zA-Z0-9_]*)$";
                object.insert("pattern".to_owned(), same.into());
            } else {
                assert!(!pattern.contains("(?"), "{pattern}");
            }
            object.values_mut().for_each(for_helm);
        }
        Json::Array(elements) => elements.iter_mut().for_each(for_helm),
        _ => {}
    }
}

#[test]
fn the_schema_knows_the_configuration_as_the_exporter_does() {
    let mut config: Json = serde_json::from_str(&fs::read_to_string("docs/config.schema.json").unwrap()).unwrap();
    for_helm(&mut config);
    let object = config.as_object_mut().unwrap();
    object.remove("$schema");
    object.remove("title");
    let definitions = object.remove("$defs").unwrap();
    object.insert(
        "description".to_owned(),
        "What the exporter watches, and how: its configuration file (docs/configuration.md of the project).".into(),
    );
    let mut ours = schema();
    ours["properties"]["config"] = config;
    ours["$defs"] = definitions;
    let text = serde_json::to_string_pretty(&ours).unwrap() + "\n";
    golden::matches(&format!("{CHART}/values.schema.json"), &text);
}
