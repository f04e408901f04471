//! The dashboards in `grafana/`, as far as the files alone tell. What their queries find is asked of a real Prometheus in
//! `tests/with_programs/dashboards`.

use std::collections::{BTreeMap, BTreeSet};

use laaffic_exporter::model::Status;
use laaffic_exporter::words::failure::{every_reason, explain};
use serde_json::{Value, json};
use testkit::assertions::{says, says_nothing_of};

use testkit::dashboard::{Dashboard, all, array, expressions};

/// The width of a dashboard, in Grafana's columns.
const COLUMNS: u64 = 24;

#[test]
fn there_are_four_with_stable_names_and_a_way_from_each_to_the_others() {
    let names: Vec<_> = all().into_iter().map(|dashboard| dashboard.name).collect();
    let four = ["exporter-health", "redial-flow", "redial-outcomes", "redial-overview"];
    assert_eq!(names, four.map(|name| format!("laaffic-{name}")));
    let mut titles = BTreeSet::new();
    for dashboard in all() {
        assert_eq!(dashboard.json["uid"], *dashboard.name);
        assert!(titles.insert(dashboard.json["title"].as_str().unwrap().to_owned()));
        assert_eq!(dashboard.json["editable"], false, "{}", dashboard.name);
        let tags = array(&dashboard.json["tags"]);
        let by_tag =
            |link: &&Value| link["type"] == "dashboards" && array(&link["tags"]).iter().all(|tag| tags.contains(tag));
        let link = array(&dashboard.json["links"]).iter().find(by_tag);
        assert!(link.is_some(), "{} has no link by its own tag", dashboard.name);
        // A link to a dashboard that does not exist is a dead end.
        for rest in dashboard.text.split("/d/").skip(1) {
            let uid = rest.split(['?', '"', '/', '\\']).next().unwrap();
            assert!(
                names.iter().any(|name| name == uid),
                "{} leads to {uid}",
                dashboard.name
            );
        }
    }
}

#[test]
fn exporting_them_again_changes_nothing() {
    for dashboard in all() {
        let mut again = String::new();
        export(&dashboard.json, 0, &mut again);
        again.push('\n');
        let mut lines = again.lines().zip(dashboard.text.lines());
        let first = lines.find(|(one, other)| one != other);
        assert_eq!(first, None, "{}: first line that differs", dashboard.name);
        assert_eq!(again.len(), dashboard.text.len(), "{}", dashboard.name);
    }
}

/// Writes JSON as Grafana exports it: keys sorted, but those that are whole numbers first, by their size, as JavaScript has them.
fn export(value: &Value, depth: usize, out: &mut String) {
    let line = |depth: usize, out: &mut String| {
        out.push('\n');
        out.push_str(&"  ".repeat(depth));
    };
    match value {
        Value::Object(map) if !map.is_empty() => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| (key.parse().unwrap_or(u32::MAX), *key));
            for (place, (key, inner)) in entries.into_iter().enumerate() {
                out.push(if place == 0 { '{' } else { ',' });
                line(depth + 1, out);
                out.push_str(&format!("{}: ", Value::from(key.as_str())));
                export(inner, depth + 1, out);
            }
            line(depth, out);
            out.push('}');
        }
        Value::Array(elements) if !elements.is_empty() => {
            for (place, inner) in elements.iter().enumerate() {
                out.push(if place == 0 { '[' } else { ',' });
                line(depth + 1, out);
                export(inner, depth + 1, out);
            }
            line(depth, out);
            out.push(']');
        }
        plain => out.push_str(&plain.to_string()),
    }
}

#[test]
fn they_can_be_imported_anywhere() {
    for dashboard in all() {
        let name = &dashboard.name;
        assert_eq!(dashboard.json["id"], Value::Null, "{name}");
        says_nothing_of(&dashboard.text, &["__inputs", "DS_PROMETHEUS"]);
        let variables = dashboard.variables().iter();
        let variables = variables.map(|variable| (variable["name"].as_str().unwrap(), variable));
        let variables: BTreeMap<_, _> = variables.collect();
        assert_eq!(variables["datasource"]["type"], "datasource", "{name}");
        assert_eq!(variables["datasource"]["query"], "prometheus", "{name}");
        for target in ["job", "instance"] {
            let choice = ["multi", "includeAll", "allValue"].map(|key| &variables[target][key]);
            assert_eq!(json!(choice), json!([true, true, ".+"]), "{name}: {target}");
        }
        for (variable, definition) in &variables {
            if definition["type"] == "query" {
                assert_eq!(definition["datasource"]["uid"], "${datasource}", "{name}: {variable}");
                // Asked again when the time range changes.
                assert_eq!(definition["refresh"], 2, "{name}: {variable}");
            }
            assert!(definition["label"].is_string(), "{name}: {variable} has no label");
        }
        for panel in dashboard.shown() {
            let place = dashboard.place(panel);
            for target in array(&panel["targets"]) {
                assert_eq!(target["datasource"]["uid"], "${datasource}", "{place}");
            }
        }
        for annotation in dashboard.annotations() {
            assert_eq!(annotation["datasource"]["uid"], "${datasource}", "{name}: {annotation}");
        }
    }
}

#[test]
fn every_panel_says_what_it_shows_in_what_unit_and_what_emptiness_means() {
    for dashboard in all() {
        for panel in dashboard.shown() {
            let place = dashboard.place(panel);
            let said = |text: &Value| text.as_str().is_some_and(|text| !text.trim().is_empty());
            assert!(said(&panel["title"]), "{place}");
            assert!(said(&panel["description"]), "{place} has no description");
            let defaults = &panel["fieldConfig"]["defaults"];
            assert!(said(&defaults["unit"]), "{place} has no unit");
            let nothing = defaults["noValue"].as_str().unwrap_or_default();
            assert!(
                nothing.len() > 8,
                "{place} does not say what it means to be empty: {nothing:?}"
            );
            assert!(!expressions(panel).is_empty(), "{place} asks for nothing");
        }
    }
}

#[test]
fn panels_have_ids_of_their_own_and_lie_beside_each_other_within_the_width() {
    for dashboard in all() {
        let mut ids = BTreeSet::new();
        for panel in dashboard.panels() {
            assert!(ids.insert(panel["id"].as_u64().unwrap()), "{}", dashboard.place(panel));
        }
        let mut taken = BTreeMap::new();
        // Of a collapsed row's panels the places count from where the row is opened.
        for panel in array(&dashboard.json["panels"]) {
            let place = dashboard.place(panel);
            let side = |name: &str| panel["gridPos"][name].as_u64().unwrap();
            let (x, y, w, h) = (side("x"), side("y"), side("w"), side("h"));
            assert!(x + w <= COLUMNS && w > 0 && h > 0, "{place}");
            for (column, row) in (x..x + w).flat_map(|column| (y..y + h).map(move |row| (column, row))) {
                let other = taken.insert((column, row), place.clone());
                assert_eq!(other, None, "{place} lies on it");
            }
        }
    }
}

#[test]
fn queries_choose_their_targets_and_counters_are_shown_as_rates() {
    for dashboard in all() {
        for panel in dashboard.shown() {
            let place = dashboard.place(panel);
            for expression in expressions(panel) {
                for target in ["job=~\"$job\"", "instance=~\"$instance"] {
                    assert!(
                        expression.contains(target) || !expression.contains("instance") && remembered(expression),
                        "{place} does not choose by {target}: {expression}"
                    );
                }
                let of_counters = ["rate(", "increase(", "resets(", "max_over_time("];
                let shown_well = of_counters.iter().any(|function| expression.contains(function));
                let counter = expression.contains("_total");
                assert!(!counter || shown_well, "{place} shows a counter as it is: {expression}");
                // A fixed range is too short for some scrape interval.
                for range in expression.split("rate(").skip(1) {
                    let range = range.split(['[', ']']).nth(1).unwrap();
                    assert!(
                        ["$__rate_interval", "$__range"].contains(&range),
                        "{place}: rate over {range}"
                    );
                }
            }
        }
    }
}

/// The recording rules outlive an instance and have no such label.
fn remembered(expression: &str) -> bool {
    expression.contains("laaffic:") && expression.contains("job=~\"$job\"")
}

/// Grafana puts gaps into each frame by its own steps, so a gap that some series have must be one in the frame of all.
#[test]
fn lines_end_where_nothing_is_known() {
    for dashboard in all() {
        for panel in dashboard.shown() {
            let place = dashboard.place(panel);
            let drawn = panel["type"] == "timeseries";
            if drawn || panel["type"] == "state-timeline" {
                let spans = &panel["fieldConfig"]["defaults"]["custom"]["spanNulls"];
                assert_eq!(*spans, false, "{place} draws over gaps");
            }
            if drawn {
                let joins = |step: &Value| step["id"] == "joinByField" && step["options"]["mode"] == "outer";
                assert!(
                    array(&panel["transformations"]).iter().any(joins),
                    "{place} is not one frame"
                );
            }
        }
    }
}

/// The first two columns are what a phone has room for.
#[test]
fn what_is_wrong_stands_beside_the_name_and_the_worst_comes_first() {
    let overview = named("laaffic-redial-overview");
    for title in ["What needs attention now", "Flows, in order of trouble"] {
        let panel = overview.panel(title);
        let columns = &transformation(panel, "organize")["indexByName"];
        assert_eq!(
            (&columns["name"], &columns["problem"]),
            (&json!(0), &json!(1)),
            "{title}"
        );
        let order = &transformation(panel, "sortBy")["sort"];
        assert_eq!(*order, json!([{"desc": false, "field": "rank"}]), "{title}");
    }
    let health = named("laaffic-exporter-health");
    let latency = health.panel("Latency by account, the worst first");
    let order = &transformation(latency, "sortBy")["sort"];
    assert_eq!(*order, json!([{"desc": true, "field": "Value #A"}]));
    assert!(expressions(latency)[0].contains("histogram_quantile(0.99, sum by (account, le)"));
}

fn named(name: &str) -> Dashboard {
    let found = all().into_iter().find(|dashboard| dashboard.name == name);
    found.unwrap_or_else(|| panic!("no dashboard {name}"))
}

/// The options of what a panel does with the answers, by its name.
fn transformation<'p>(panel: &'p Value, id: &str) -> &'p Value {
    let found = array(&panel["transformations"]).iter().find(|one| one["id"] == id);
    &found.unwrap_or_else(|| panic!("{} has no {id}", panel["title"]))["options"]
}

#[test]
fn alerts_restarts_and_reloads_are_marked_and_what_fires_leads_to_its_runbook_and_to_alertmanager() {
    for dashboard in all() {
        let name = &dashboard.name;
        let marked: BTreeSet<_> = dashboard
            .annotations()
            .map(|one| one["name"].as_str().unwrap())
            .collect();
        for mark in ["Alerts", "Restarts", "Reloads", "Refused reloads"] {
            assert!(marked.contains(mark), "{name} does not mark {mark}");
        }
        let of_flows = name != "laaffic-exporter-health";
        assert_eq!(marked.contains("Execution exceptions"), of_flows, "{name}");
        let alerts = dashboard.panel("Firing alerts").to_string();
        let links = [
            "${__data.fields.url}/runbooks/${__data.fields.alertname}",
            "${alertmanager}/#/alerts",
        ];
        says(&alerts, &links);
        let variable = dashboard
            .variables()
            .iter()
            .find(|variable| variable["name"] == "alertmanager");
        assert_eq!(
            variable.map(|variable| &variable["type"]),
            Some(&json!("textbox")),
            "{name}"
        );
    }
}

#[test]
fn a_status_has_the_same_colour_and_words_everywhere() {
    let mut colours = BTreeMap::<String, BTreeSet<(String, String)>>::new();
    for dashboard in all() {
        collect(&dashboard.json, &dashboard.name, &mut colours);
    }
    let statuses: BTreeSet<_> = Status::ALL.map(Status::label).into();
    assert_eq!(colours.keys().map(String::as_str).collect::<BTreeSet<_>>(), statuses);
    let mut used = BTreeSet::new();
    for (status, looks) in &colours {
        let (first, _) = looks.first().unwrap();
        assert!(
            looks.iter().all(|(look, _)| look == first),
            "{status} looks different: {looks:?}"
        );
        assert!(used.insert(first), "{status} looks like another one");
    }
}

/// How statuses look in value mappings and in overrides by name: `(colour, where)` by status.
fn collect(value: &Value, place: &str, found: &mut BTreeMap<String, BTreeSet<(String, String)>>) {
    let mut note = |word: &str, colour: &Value| {
        if let (Some(status), Some(colour)) = (status_of(word), colour.as_str()) {
            let look = (colour.to_lowercase(), format!("{place}: {word}"));
            found.entry(status.to_owned()).or_default().insert(look);
        }
    };
    if value["type"] == "value" {
        for (word, shown) in value["options"].as_object().into_iter().flatten() {
            note(word, &shown["color"]);
            note(shown["text"].as_str().unwrap_or_default(), &shown["color"]);
        }
    }
    if let Some(name) = value["matcher"]["options"].as_str() {
        for property in array(&value["properties"]) {
            if property["id"] == "color" {
                note(name, &property["value"]["fixedColor"]);
            }
        }
    }
    let place = value["title"]
        .as_str()
        .map_or(place.to_owned(), |title| format!("{place}: {title}"));
    for inner in children(value) {
        collect(inner, &place, found);
    }
}

/// What an array or an object holds.
fn children(value: &Value) -> impl Iterator<Item = &Value> {
    let of_object = value.as_object().into_iter().flat_map(|map| map.values());
    array(value).iter().chain(of_object)
}

/// The status that a label's value or the words for people name.
fn status_of(word: &str) -> Option<&'static str> {
    let word = word.to_lowercase().replace(' ', "_");
    Status::ALL.map(Status::label).into_iter().find(|label| *label == word)
}

#[test]
fn troubles_are_explained_in_the_programs_own_words() {
    let says_what_is_wrong =
        |dashboard: &Dashboard| ["laaffic-redial-flow", "laaffic-redial-overview"].contains(&&*dashboard.name);
    for dashboard in all().into_iter().filter(says_what_is_wrong) {
        let mut said = BTreeSet::new();
        texts(&dashboard.json, &mut said);
        let short = words_for(&dashboard, "problem");
        for reason in every_reason() {
            assert!(
                short.contains(reason.label()),
                "{} has no short word for {reason:?}",
                dashboard.name
            );
            let explanation = explain(reason);
            for words in [explanation.meaning, explanation.cure] {
                // A cell begins with a capital.
                let (first, rest) = words.split_at(1);
                let cell = first.to_uppercase() + rest;
                assert!(said.contains(&*cell), "{} does not say {cell:?}", dashboard.name);
            }
        }
    }
}

/// What value mappings show instead of a value.
fn texts<'j>(value: &'j Value, found: &mut BTreeSet<&'j str>) {
    found.extend(value["text"].as_str());
    children(value).for_each(|inner| texts(inner, found));
}

/// The values that every table with a column of this name has words for.
fn words_for(dashboard: &Dashboard, column: &str) -> BTreeSet<String> {
    let overrides = dashboard
        .shown()
        .into_iter()
        .flat_map(|panel| array(&panel["fieldConfig"]["overrides"]));
    let of_column = overrides.filter(|one| one["matcher"]["options"] == column);
    let words = of_column.map(|one| {
        let mappings = array(&one["properties"])
            .iter()
            .filter(|property| property["id"] == "mappings");
        let options = mappings
            .flat_map(|property| array(&property["value"]))
            .filter_map(|mapping| mapping["options"].as_object());
        options
            .flat_map(|options| options.keys().cloned())
            .collect::<BTreeSet<_>>()
    });
    words.reduce(|one, other| &one & &other).unwrap_or_default()
}
