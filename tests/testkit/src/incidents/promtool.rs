//! Asks promtool what the rules make of a life's series.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_yaml::Value;

use super::life::{Life, Seconds};
use super::oracle::ALERTS;
use super::series::Series;

/// What is asked at every evaluation. Of the labels only those that tell one alert from another; the value says how many there are.
const FIRING: &str = "count by (alertname, instance, account, key_id) (ALERTS{alertstate=\"firing\"})";

/// Rules as they are tested: those that are judged and what they read, without their texts, which cost most of the time and are tested
/// elsewhere.
#[derive(Debug)]
pub struct Rules {
    folder: tempfile::TempDir,
    kept: Option<PathBuf>,
    files: Vec<PathBuf>,
    groups: Vec<String>,
    text: String,
}

/// The alerts that fire at an evaluation, by their labels, and how many each stands for.
pub type Firing = BTreeMap<Labels, usize>;

/// The labels of an alert that are asked for.
pub type Labels = BTreeMap<String, String>;

impl Rules {
    /// Reads these files; `change` may alter their text first.
    pub fn read(paths: &[PathBuf], change: impl Fn(String) -> String) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut rules = Self {
            files: Vec::new(),
            groups: Vec::new(),
            text: String::new(),
            folder,
            kept: None,
        };
        let read = |path: &PathBuf| {
            let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            serde_yaml::from_str(&change(text)).unwrap()
        };
        let mut files: Vec<Value> = paths.iter().map(read).collect();
        let needed = needed(&files);
        for (number, yaml) in files.iter_mut().enumerate() {
            for group in yaml["groups"].as_sequence_mut().into_iter().flatten() {
                rules.groups.extend(group["name"].as_str().map(str::to_owned));
                let Some(of_group) = group["rules"].as_sequence_mut() else {
                    continue;
                };
                of_group.retain(|rule| needed.contains(name(rule)));
                for rule in of_group {
                    rule.as_mapping_mut().unwrap().remove("annotations");
                }
            }
            let text = serde_yaml::to_string(&yaml).unwrap();
            let file = rules.folder.path().join(format!("rules-{number}.yml"));
            fs::write(&file, &text).unwrap();
            rules.text.push_str(&text);
            rules.files.push(file);
        }
        rules
    }

    /// Leaves everything that promtool is given in a folder, which it names.
    pub fn keep(&mut self) -> &Path {
        self.folder.disable_cleanup(true);
        self.kept.insert(self.folder.path().to_owned())
    }

    /// The exporter's families that they look at, and perhaps some words more.
    pub fn families(&self) -> BTreeSet<String> {
        let is_of_a_name = |character: char| character.is_ascii_alphanumeric() || character == '_';
        let words = self.text.split(|character: char| !is_of_a_name(character));
        words
            .filter(|word| word.starts_with("laaffic_") || word.starts_with("process_"))
            .map(str::to_owned)
            .collect()
    }

    /// What fires at each evaluation of this life.
    pub fn evaluate(&self, life: &Life, series: Series) -> Vec<Firing> {
        let file = self.folder.path().join(format!("life-{}.yml", life.number));
        self.write(&file, life, series).unwrap();
        // A life needs little memory and makes much garbage.
        let output = Command::new("promtool")
            .args(["test", "rules"])
            .arg(&file)
            .env("GOGC", "400")
            .output();
        let output = output.expect("promtool runs");
        if self.kept.is_none() {
            let _ = fs::remove_file(&file);
        }
        let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        read(&text, life.step, (life.end / life.step) as usize).unwrap_or_else(|problem| {
            let end: Vec<_> = text.lines().take(20).collect();
            panic!("promtool says {problem}:\n{}", end.join("\n"))
        })
    }

    fn write(&self, file: &Path, life: &Life, series: Series) -> std::io::Result<()> {
        let step = life.step;
        let mut out = std::io::BufWriter::new(fs::File::create(file)?);
        writeln!(out, "rule_files:")?;
        for file in &self.files {
            writeln!(out, "  - {}", file.display())?;
        }
        // In the order of the files, which is also that of the rules that use each other.
        writeln!(out, "group_eval_order: {:?}", self.groups)?;
        writeln!(
            out,
            "evaluation_interval: {step}s\ntests:\n  - interval: {step}s\n    input_series:"
        )?;
        for (series, values) in series.lines() {
            writeln!(
                out,
                "      - series: '{}'\n        values: '{values}'",
                series.replace('\'', "''")
            )?;
        }
        // Nothing is expected, so promtool tells what it got wherever anything fires.
        writeln!(out, "    promql_expr_test:")?;
        for number in 0..=life.end / step {
            writeln!(out, "      - expr: '{FIRING}'\n        eval_time: {}s", number * step)?;
        }
        out.flush()
    }
}

/// The rules without which those that are judged would not be what they are, by their names: the others cost as much and say nothing here.
fn needed(files: &[Value]) -> BTreeSet<String> {
    let groups = files.iter().flat_map(|yaml| yaml["groups"].as_sequence()).flatten();
    let rules: Vec<_> = groups
        .flat_map(|group| group["rules"].as_sequence())
        .flatten()
        .map(|rule| (name(rule), rule["expr"].as_str().unwrap_or_default()))
        .collect();
    let mut needed: BTreeSet<String> = ALERTS.iter().map(|&alert| alert.to_owned()).collect();
    loop {
        let is_read = |of: &str| rules.iter().any(|(by, expr)| needed.contains(*by) && expr.contains(of));
        let more: Vec<_> = rules
            .iter()
            .map(|(name, _)| *name)
            .filter(|name| !needed.contains(*name) && is_read(name))
            .collect();
        if more.is_empty() {
            return needed;
        }
        needed.extend(more.into_iter().map(str::to_owned));
    }
}

/// What a rule records, or the alert's name.
/// What a rule is called: the alert, or the series that is recorded.
pub(crate) fn name(rule: &Value) -> &str {
    rule["record"].as_str().or(rule["alert"].as_str()).unwrap_or_default()
}

/// What promtool has found at each of the evaluations 0 to `last`, which come every `every` seconds.
fn read(output: &str, every: Seconds, last: usize) -> Result<Vec<Firing>, String> {
    let mut firing = vec![Firing::new(); last + 1];
    let mut step = None;
    let mut lines = output.lines().map(str::trim);
    let mut is_understood = false;
    for line in &mut lines {
        if line == "SUCCESS" || line == "FAILED:" {
            is_understood = true;
        } else if let Some((_, time)) = line.rsplit_once(", time: ") {
            let time = duration(time.trim_end_matches(','))?;
            step = Some((time / every) as usize);
        } else if let Some(got) = line.strip_prefix("got:") {
            let step: usize = step.take().ok_or("samples of no time")?;
            *firing.get_mut(step).ok_or("a time that was not asked for")? = samples(got.trim())?;
        } else if !(line.is_empty() || line.starts_with("Unit Testing:") || line.starts_with("exp:")) {
            return Err(format!("{line:?}"));
        }
    }
    match is_understood {
        true => Ok(firing),
        false => Err("neither SUCCESS nor FAILED".to_owned()),
    }
}

/// `1h2m3s` in seconds.
fn duration(text: &str) -> Result<Seconds, String> {
    let mut seconds = 0;
    let mut number = 0;
    for character in text.chars() {
        let unit = match character {
            '0'..='9' => {
                number = number * 10 + u64::from(character as u8 - b'0');
                continue;
            }
            'd' => 86_400,
            'h' => 3600,
            'm' => 60,
            's' => 1,
            _ => return Err(format!("the time {text:?}")),
        };
        seconds += number * unit;
        number = 0;
    }
    Ok(seconds)
}

/// `{a="b", c="d"} 1E+00, {…} 2E+00`
fn samples(text: &str) -> Result<Firing, String> {
    let problem = || format!("the samples {text:?}");
    let mut firing = Firing::new();
    let mut rest = text;
    while !rest.is_empty() && rest != "nil" {
        rest = rest.strip_prefix('{').ok_or_else(problem)?;
        let mut labels = Labels::new();
        while let Some(after) = rest
            .strip_prefix(", ")
            .or(Some(rest))
            .filter(|rest| !rest.starts_with('}'))
        {
            let (name, after) = after.split_once("=\"").ok_or_else(problem)?;
            let (value, after) = after.split_once('"').ok_or_else(problem)?;
            labels.insert(name.to_owned(), value.to_owned());
            rest = after;
        }
        rest = rest.strip_prefix("} ").ok_or_else(problem)?;
        let (value, after) = rest.split_once(", ").unwrap_or((rest, ""));
        let value: f64 = value.parse().map_err(|_| problem())?;
        firing.insert(labels, value as usize);
        rest = after;
    }
    Ok(firing)
}

/// A firing alert in words.
pub fn words(labels: &Labels) -> String {
    let mut words = labels.get("alertname").cloned().unwrap_or_default();
    for (name, value) in labels.iter().filter(|(name, _)| *name != "alertname") {
        let _ = write!(words, " {name}={value}");
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = r#"Unit Testing:  t.yml
  FAILED:
    expr: "count by (alertname) (ALERTS{alertstate=\"firing\"})", time: 2m30s,
        exp: nil
        got: {alertname="LaafficX", instance="y:1"} 1E+00
    expr: "count by (alertname) (ALERTS{alertstate=\"firing\"})", time: 1h,
        exp: nil
        got: {alertname="LaafficX", instance="x:1"} 2E+00, {alertname="LaafficY"} 1E+00
"#;

    #[test]
    fn what_promtool_got_is_read() {
        let firing = read(OUTPUT, 30, 120).unwrap();
        let told = |step: usize| {
            let alerts = firing[step].iter();
            alerts
                .map(|(labels, count)| format!("{} {count}", words(labels)))
                .collect::<Vec<_>>()
        };
        assert_eq!(told(5), ["LaafficX instance=y:1 1"]);
        assert_eq!(told(120), ["LaafficX instance=x:1 2", "LaafficY 1"]);
        assert!(told(4).is_empty());
        assert!(
            read("Unit Testing:  t.yml\n  SUCCESS\n", 30, 3)
                .unwrap()
                .iter()
                .all(Firing::is_empty)
        );
    }

    #[test]
    fn whatever_else_promtool_says_is_no_result() {
        for output in ["", "Unit Testing:  t.yml\n", "  FAILED:\n  parse error\n"] {
            assert!(read(output, 30, 3).is_err(), "{output:?}");
        }
    }
}
