//! A thousand incidents: see [`testkit::incidents`]. `scripts/incidents` builds and runs it.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test program prints its findings"
)]

use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;

use testkit::incidents::promtool::Rules;
use testkit::incidents::{Plan, run};

const USAGE: &str =
    "usage: incidents [--seed N] [--count N] [--only N] [--jobs N] [--stories N] [--keep] [RULES.yml...]";

/// What was asked for.
struct Asked {
    plan: Plan,
    stories: usize,
    keep: bool,
    rules: Vec<PathBuf>,
}

fn main() -> ExitCode {
    let Some(asked) = asked(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let mut rules = Rules::read(&asked.rules, |text| text);
    if asked.keep {
        println!("what promtool is given is in {}", rules.keep().display());
    }
    let outcome = run(&asked.plan, &rules);
    for story in outcome.stories.iter().take(asked.stories) {
        println!("{story}");
    }
    let more = outcome.stories.len().saturating_sub(asked.stories);
    if more > 0 {
        println!(
            "… and {more} more stories; --stories {} tells them all\n",
            outcome.stories.len()
        );
    }
    println!(
        "seed {}: {} flows lived {} hours, with {} incidents",
        asked.plan.seed,
        outcome.flows,
        outcome.lived / 3600,
        outcome.table.incidents()
    );
    print!("{}", outcome.table.text());
    match outcome.table.is_clean() {
        true => ExitCode::SUCCESS,
        false => {
            eprintln!("incidents: the alerts have not kept their promises");
            ExitCode::FAILURE
        }
    }
}

/// Reads the arguments; `None` where they cannot be understood.
fn asked(mut arguments: impl Iterator<Item = String>) -> Option<Asked> {
    let mut asked = Asked {
        plan: Plan {
            seed: 1,
            count: 1000,
            only: None,
            side_by_side: thread::available_parallelism().map_or(1, Into::into),
        },
        stories: 5,
        keep: false,
        rules: Vec::new(),
    };
    while let Some(argument) = arguments.next() {
        let mut number = || arguments.next()?.parse::<u64>().ok();
        match argument.as_str() {
            "--seed" => asked.plan.seed = number()?,
            "--count" => asked.plan.count = number()? as usize,
            "--only" => asked.plan.only = Some(number()? as usize),
            "--jobs" => asked.plan.side_by_side = number()? as usize,
            "--stories" => asked.stories = number()? as usize,
            "--keep" => asked.keep = true,
            option if option.starts_with('-') => return None,
            path => asked.rules.push(path.into()),
        }
    }
    if asked.rules.is_empty() {
        asked.rules = shipped_rules().ok()?;
    }
    (!asked.rules.is_empty()).then_some(asked)
}

/// The rules that the project ships.
fn shipped_rules() -> std::io::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir("deploy/prometheus/rules")?;
    let mut rules = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<Vec<_>>>()?;
    rules.sort();
    Ok(rules)
}
