//! Leaves out each clause of the alerts' rules in turn, and tells which no test misses: see [`testkit::mutations`]. `scripts/mutations` builds
//! and runs it.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test program prints its findings"
)]

use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use testkit::mutations::{Tests, mutants};

const RULES: &str = "deploy/prometheus/rules/laaffic.yml";
const TESTS: &str = "tests/rules";

fn main() -> ExitCode {
    let only: Vec<_> = std::env::args().skip(1).collect();
    let tests = || Tests::copy(Path::new(RULES), Path::new(TESTS));
    let unchanged = tests();
    unchanged.pass();
    let mut mutants = mutants(unchanged.rules());
    mutants.retain(|mutant| only.is_empty() || only.contains(&mutant.rule));
    if mutants.is_empty() {
        eprintln!("no rule of these names has a clause: {}", only.join(", "));
        return ExitCode::FAILURE;
    }
    let next = AtomicUsize::new(0);
    let [noticed, unnoticed, kept, invalid] = [const { AtomicUsize::new(0) }; 4];
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, Into::into) {
            scope.spawn(|| {
                let mut tests = tests();
                while let Some(mutant) = mutants.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let of_its_kind = match tests.notice(mutant) {
                        Some(true) => &noticed,
                        Some(false) if mutant.kept().is_some() => &kept,
                        Some(false) => {
                            println!("nothing misses in {}: {}", mutant.rule, mutant.without);
                            &unnoticed
                        }
                        None => &invalid,
                    };
                    of_its_kind.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    let [noticed, unnoticed, kept, invalid] = [noticed, unnoticed, kept, invalid].map(AtomicUsize::into_inner);
    println!(
        "{noticed} clauses are missed by some test, {unnoticed} by none; {kept} are kept for a reason, {invalid} cannot be left out alone"
    );
    if unnoticed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
