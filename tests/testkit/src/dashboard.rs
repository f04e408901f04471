//! A dashboard as the tests look at it: its panels, their queries, its variables.

use std::fs;

use serde_json::Value;

/// One dashboard.
pub struct Dashboard {
    /// The file's name without its end.
    pub name: String,
    /// The file as it is.
    pub text: String,
    /// The same, read.
    pub json: Value,
}

/// All of them, by name.
pub fn all() -> Vec<Dashboard> {
    let mut all: Vec<_> = fs::read_dir("grafana/dashboards")
        .unwrap()
        .map(|file| {
            let path = file.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            Dashboard {
                name: path.file_stem().unwrap().to_str().unwrap().to_owned(),
                json: serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display())),
                text,
            }
        })
        .collect();
    all.sort_by(|one, other| one.name.cmp(&other.name));
    all
}

impl Dashboard {
    /// Every panel, rows and those inside of rows too.
    pub fn panels(&self) -> Vec<&Value> {
        let outer = array(&self.json["panels"]);
        outer
            .iter()
            .flat_map(|panel| [panel].into_iter().chain(array(&panel["panels"])))
            .collect()
    }

    /// The panels that show something: no rows.
    pub fn shown(&self) -> Vec<&Value> {
        let shows = |panel: &&Value| panel["type"] != "row";
        self.panels().into_iter().filter(shows).collect()
    }

    /// What can be chosen on it.
    pub fn variables(&self) -> &[Value] {
        array(&self.json["templating"]["list"])
    }

    /// What is marked on its panels; without the marks that people set by hand.
    pub fn annotations(&self) -> impl Iterator<Item = &Value> {
        let all = array(&self.json["annotations"]["list"]).iter();
        all.filter(|annotation| annotation["builtIn"] != 1)
    }

    /// The panel with this title.
    pub fn panel(&self, title: &str) -> &Value {
        let found = self.shown().into_iter().find(|panel| panel["title"] == title);
        found.unwrap_or_else(|| panic!("{} has no panel {title}", self.name))
    }

    /// What messages call a panel of this dashboard.
    pub fn place(&self, panel: &Value) -> String {
        format!("{}: {}", self.name, panel["title"].as_str().unwrap_or("(no title)"))
    }
}

/// The elements of an array; none where there is none.
pub fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// The panel's queries.
pub fn expressions(panel: &Value) -> Vec<&str> {
    let targets = array(&panel["targets"]).iter();
    targets.map(|target| target["expr"].as_str().unwrap()).collect()
}
