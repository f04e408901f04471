//! What a dashboard asks Prometheus, in the words in which Grafana would send it.

use serde_json::Value;

use testkit::dashboard::{Dashboard, array};

/// The range over which Grafana would look, and what follows from it.
const OF_GRAFANA: [(&str, &str); 3] = [("__rate_interval", "20s"), ("__range", "60s"), ("__interval", "5s")];

/// One query of a dashboard.
pub(super) struct Question {
    /// Where it stands: the dashboard, then the panel, the variable or the annotation.
    pub(super) place: String,
    /// The query's letter in a panel; empty elsewhere.
    pub(super) letter: String,
    /// What is asked, with variables.
    query: String,
    /// Whether its answer is drawn over time.
    pub(super) over_time: bool,
}

/// All that a dashboard asks: for its panels, to fill its variables, and for what it marks in them.
pub(super) fn questions(dashboard: &Dashboard) -> Vec<Question> {
    let mut all = Vec::new();
    for panel in dashboard.shown() {
        for target in array(&panel["targets"]) {
            all.push(Question {
                place: dashboard.place(panel),
                letter: target["refId"].as_str().unwrap().to_owned(),
                query: target["expr"].as_str().unwrap().to_owned(),
                over_time: target["instant"] == false,
            });
        }
    }
    for variable in dashboard.variables() {
        if variable["type"] == "query" {
            all.push(Question {
                place: format!("{}: variable {}", dashboard.name, variable["name"]),
                letter: String::new(),
                query: selected(variable),
                over_time: false,
            });
        }
    }
    for annotation in dashboard.annotations() {
        all.push(Question {
            place: format!("{}: annotation {}", dashboard.name, annotation["name"]),
            letter: String::new(),
            query: annotation["expr"].as_str().unwrap().to_owned(),
            over_time: true,
        });
    }
    all
}

impl Question {
    /// The query with everything chosen that can be, and this flow where only one can.
    pub(super) fn about(&self, dashboard: &Dashboard, flow: [(&str, &str); 2]) -> String {
        let chosen = |variable: &Value| {
            let name = variable["name"].as_str().unwrap();
            let only = flow
                .iter()
                .find(|(one, _)| *one == name && variable["includeAll"] != true);
            let value = only
                .map(|(_, value)| *value)
                .or(variable["allValue"].as_str())
                .unwrap_or(".*");
            (name.to_owned(), value.to_owned())
        };
        let mut values: Vec<_> = dashboard.variables().iter().map(chosen).collect();
        values.extend(OF_GRAFANA.map(|(name, value)| (name.to_owned(), value.to_owned())));
        // The longest name first: one may begin like another.
        values.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
        let mut query = self.query.clone();
        for (name, value) in values {
            for form in [format!("${{{name}}}"), format!("${{{name}:regex}}"), format!("${name}")] {
                query = query.replace(&form, &value);
            }
        }
        // `$1` is a group of a regular expression.
        let variable = |text: &str| text.starts_with(|letter: char| letter == '{' || letter.is_ascii_alphabetic());
        assert!(!query.split('$').skip(1).any(variable), "{}: {query}", self.place);
        query
    }
}

/// The query behind a variable: what `label_values(QUERY, LABEL)` looks through, or what `query_result(QUERY)` asks.
fn selected(variable: &Value) -> String {
    let query = &variable["query"];
    let text = query["query"].as_str().or(query.as_str()).unwrap();
    let inner = |function: &str| text.strip_prefix(function)?.strip_prefix('(')?.strip_suffix(')');
    if let Some(inner) = inner("label_values") {
        let (query, label) = inner.rsplit_once(',').unwrap();
        assert!(
            variable["definition"]
                .as_str()
                .is_none_or(|definition| definition.contains(label.trim()))
        );
        return format!("count by ({}) ({query})", label.trim());
    }
    inner("query_result").unwrap_or(text).to_owned()
}
