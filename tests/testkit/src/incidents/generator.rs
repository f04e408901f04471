//! Makes lives from a seed.

use std::ops::Range;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};

use super::life::{EXCEPTION, Face, Flow, IN_PROGRESS, Life, Seconds, TICK, Target, Trouble, VendorTrouble, What};

const MINUTE: Seconds = 60;
const HOUR: Seconds = 60 * MINUTE;

/// Accounts of every life.
const ACCOUNTS: [&str; 2] = ["retail", "bank"];

/// Nothing happens before everything has been seen well.
const QUIET: Seconds = 20 * MINUTE;

/// The life of this number, with so many flows.
pub fn life(seed: u64, number: usize, flows: usize) -> Life {
    let mut rng = StdRng::seed_from_u64(seed.wrapping_mul(1_000_003).wrapping_add(number as u64));
    // promtool's time grows with it, and most that can happen does within some hours; a silence of a day needs more.
    // Half as often is half as dear, and Prometheus need not look every 30 seconds.
    let (hours, step) = *[
        (4, 30),
        (4, 30),
        (4, 30),
        (5, 60),
        (5, 60),
        (6, 60),
        (6, 60),
        (8, 60),
        (8, 60),
        (28, 60),
    ]
    .choose(&mut rng)
    .unwrap();
    let end = hours * HOUR;
    let mut life = Life {
        seed,
        number,
        end,
        step,
        accounts: ACCOUNTS.to_vec(),
        targets: targets(&mut rng, end),
        flows: Vec::new(),
        troubles: Vec::new(),
    };
    surround(&mut rng, &mut life);
    life.flows = (0..flows.max(ACCOUNTS.len()))
        .map(|index| flow(&mut rng, index, end))
        .collect();
    life
}

/// One exporter for all, two that watch the same, or one for each account.
fn targets(rng: &mut StdRng, end: Seconds) -> Vec<Target> {
    let target = |instance: &str, accounts: &[&'static str]| Target {
        instance: instance.to_owned(),
        accounts: accounts.to_vec(),
        span: 0..end + TICK,
    };
    match rng.random_range(0..3) {
        0 => vec![target("a:10871", &ACCOUNTS)],
        1 => vec![target("a:10871", &ACCOUNTS), target("b:10871", &ACCOUNTS)],
        _ => vec![target("a:10871", &ACCOUNTS[..1]), target("b:10871", &ACCOUNTS[1..])],
    }
}

/// A time of any order of magnitude between these.
fn any_length(rng: &mut StdRng, from: Seconds, until: Seconds) -> Seconds {
    let exponent = rng.random_range((from as f64).ln()..(until as f64).ln());
    (exponent.exp() as Seconds).next_multiple_of(TICK)
}

/// A moment at which nobody scrapes, so that what begins then has begun when somebody does.
fn between_steps(rng: &mut StdRng, step: Seconds, at: Seconds) -> Seconds {
    at / step * step + TICK * rng.random_range(1..step / TICK - 1)
}

/// When something is over that begins now and lasts about so long.
fn end_of(rng: &mut StdRng, step: Seconds, from: Seconds, length: Seconds) -> Seconds {
    between_steps(rng, step, from + length).max(from + TICK)
}

/// What goes wrong around the flows, one after the other and sometimes two at once.
fn surround(rng: &mut StdRng, life: &mut Life) {
    let mut at = QUIET + any_length(rng, 5 * MINUTE, HOUR);
    while at + HOUR < life.end {
        let at_once = rng.random_bool(0.15);
        let from = between_steps(rng, life.step, at);
        let until = trouble(rng, life, from).min(life.end);
        at = match at_once {
            true => from + any_length(rng, MINUTE, 20 * MINUTE),
            false => until + any_length(rng, 5 * MINUTE, 2 * HOUR),
        };
    }
}

/// Adds one trouble, and says when it is over.
fn trouble(rng: &mut StdRng, life: &mut Life, from: Seconds) -> Seconds {
    let alive = |target: &usize| life.targets[*target].span.contains(&from);
    let alive: Vec<_> = (0..life.targets.len()).filter(alive).collect();
    // Between two pods there may be none for a moment.
    let Some(target) = alive.choose(rng).copied() else {
        return from + MINUTE;
    };
    let step = life.step;
    let account = *ACCOUNTS.choose(rng).unwrap();
    let whose = match rng.random_bool(0.5) {
        true => vec![account],
        false => ACCOUNTS.to_vec(),
    };
    let mut add = |span: Range<Seconds>, what: What| {
        let until = span.end;
        life.troubles.push(Trouble {
            span,
            pulse: None,
            what,
        });
        until
    };
    match rng.random_range(0..100) {
        // A restart, and a crash that somebody has to look after.
        0..15 => add(from..between_steps(rng, step, from + step), What::Stopped(target)),
        15..25 => {
            let length = any_length(rng, MINUTE, 3 * HOUR);
            add(from..end_of(rng, step, from, length), What::Stopped(target))
        }
        // It starts again and again.
        25..31 => {
            let every = any_length(rng, MINUTE, 15 * MINUTE).next_multiple_of(step) + step;
            let until = from + every * rng.random_range(3..10);
            life.troubles.push(Trouble {
                span: from..until,
                pulse: Some((step, every)),
                what: What::Stopped(target),
            });
            until
        }
        31..39 => {
            let length = any_length(rng, MINUTE, 2 * HOUR);
            add(from..end_of(rng, step, from, length), What::Frozen(target))
        }
        39..47 => {
            let length = any_length(rng, 2 * TICK, HOUR);
            add(from..end_of(rng, step, from, length), What::Unscraped(target))
        }
        // Every second scrape is lost, or it is down four of every five minutes.
        47..52 => {
            let pulse = *[(step, 2 * step), (4 * MINUTE, 5 * MINUTE)].choose(rng).unwrap();
            let until = from + any_length(rng, 20 * MINUTE, 3 * HOUR);
            life.troubles.push(Trouble {
                span: from..until,
                pulse: Some(pulse),
                what: What::Unscraped(target),
            });
            until
        }
        52..68 => {
            let silent = [
                VendorTrouble::Unreachable,
                VendorTrouble::Silent,
                VendorTrouble::BadGateway,
            ];
            let how = *silent.choose(rng).unwrap();
            let until = from + any_length(rng, MINUTE, 4 * HOUR);
            whose
                .into_iter()
                .map(|whose| add(from..until, What::Vendor(whose, how)))
                .max()
                .unwrap()
        }
        68..72 => {
            let until = from + any_length(rng, 5 * MINUTE, 2 * HOUR);
            add(from..until, What::Vendor(account, VendorTrouble::Slow))
        }
        72..80 => {
            let code = *[-1, -2].choose(rng).unwrap();
            let until = from + any_length(rng, MINUTE, 3 * HOUR);
            add(from..until, What::Vendor(account, VendorTrouble::Refuses(code)))
        }
        80..84 => {
            let by = rng.random_range(-HOUR.cast_signed() / 3..HOUR.cast_signed());
            let until = from + any_length(rng, 10 * MINUTE, 4 * HOUR);
            add(from..until, What::ClockOff(target, by))
        }
        84..91 => {
            let length = any_length(rng, MINUTE, 2 * HOUR);
            add(from..end_of(rng, step, from, length), What::Vanished(target))
        }
        // Another pod takes over.
        91..96 => {
            let gap = step + any_length(rng, TICK, 3 * MINUTE);
            let begin = between_steps(rng, step, from + gap);
            let old = &mut life.targets[target];
            let end = std::mem::replace(&mut old.span.end, from);
            let accounts = old.accounts.clone();
            let number = life.targets.len();
            life.targets.push(Target {
                instance: format!("pod-{number}:10871"),
                accounts,
                span: begin..end,
            });
            begin
        }
        _ => {
            let length = any_length(rng, MINUTE, 40 * MINUTE);
            add(from..end_of(rng, step, from, length), What::PrometheusStopped)
        }
    }
}

/// A flow. The first of each account stays well and is polled every minute, so that its account is never without news.
fn flow(rng: &mut StdRng, index: usize, end: Seconds) -> Flow {
    let account = ACCOUNTS[index % ACCOUNTS.len()];
    let is_steady = index < ACCOUNTS.len();
    let interval = match is_steady {
        true => MINUTE,
        false => *[30, 60, 60, 60, 60, 60, 120, 120, 300].choose(rng).unwrap(),
    };
    let key_id = 100 + index as u64;
    let name = |name: &str| Some(format!("{name} {key_id}"));
    let mut flow = Flow {
        account,
        key_id,
        interval,
        faces: vec![(0, IN_PROGRESS)],
        configured: vec![(0, name("reminder"))],
    };
    if is_steady {
        return flow;
    }
    let mut at = QUIET + TICK * rng.random_range(0..(end - 2 * HOUR) / TICK);
    while at + HOUR < end {
        at = incident(rng, &mut flow, at, end);
        // Whatever it was, it is over and done with for a while: most flows have one, few have three.
        at += any_length(rng, 30 * MINUTE, 20 * HOUR);
    }
    flow.faces.retain(|(from, _)| *from < end);
    flow.configured.retain(|(from, _)| *from < end);
    flow
}

/// Something that happens to a flow; says when it is over.
fn incident(rng: &mut StdRng, flow: &mut Flow, at: Seconds, end: Seconds) -> Seconds {
    let failed = |status| Face::Says {
        status,
        failed_round: true,
    };
    let undocumented = Face::status(*[5, 7, -1].choose(rng).unwrap());
    let after = *[IN_PROGRESS, IN_PROGRESS, Face::status(2), Face::status(3)]
        .choose(rng)
        .unwrap();
    let length = any_length(rng, 2 * TICK, 48 * HOUR);
    let until = at + length;
    let (faces, configured) = (&mut flow.faces, &mut flow.configured);
    match rng.random_range(0..100) {
        0..50 => {
            faces.extend([(at, EXCEPTION), (until, after)]);
            until
        }
        // It comes and goes.
        50..62 => {
            let (broken, period) = *[
                (MINUTE, 2 * MINUTE),
                (4 * MINUTE, 5 * MINUTE),
                (12 * MINUTE, 15 * MINUTE),
                (20 * MINUTE, 21 * MINUTE),
                (15 * MINUTE, 40 * MINUTE),
            ]
            .choose(rng)
            .unwrap();
            let mut at = at;
            for _ in 0..rng.random_range(2..12) {
                faces.extend([(at, EXCEPTION), (at + broken, IN_PROGRESS)]);
                at += period;
            }
            at
        }
        62..68 => {
            faces.extend([(at, undocumented), (until, after)]);
            until
        }
        // An exception that becomes something nobody knows, and is repaired later.
        68..74 => {
            let later = until + any_length(rng, MINUTE, 5 * HOUR);
            faces.extend([(at, EXCEPTION), (until, undocumented), (later, after)]);
            later
        }
        74..80 => {
            let back = until + any_length(rng, 10 * MINUTE, 5 * HOUR);
            faces.push((at, EXCEPTION));
            configured.push((until, None));
            if rng.random_bool(0.5) && back < end {
                faces.push((back - TICK, after));
                configured.push((back, Some(format!("again {}", flow.key_id))));
            } else {
                // Nothing more is known of it.
                return end;
            }
            back
        }
        80..84 => {
            faces.extend([(at, EXCEPTION), (until + HOUR, after)]);
            configured.push((until, Some(format!("renamed {}", flow.key_id))));
            until + HOUR
        }
        84..88 => {
            faces.extend([(at, Face::Unknown), (until, IN_PROGRESS)]);
            until
        }
        88..94 => {
            faces.extend([(at, failed(1)), (until, IN_PROGRESS)]);
            until
        }
        94..97 => {
            faces.extend([(at, failed(1)), (until, failed(2))]);
            end
        }
        _ => {
            faces.extend([(at, Face::status(0)), (until, IN_PROGRESS)]);
            until
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_and_no_two_lives_are_alike() {
        let text = |seed, number| format!("{:?}", life(seed, number, 40));
        assert_eq!(text(1, 3), text(1, 3));
        assert_ne!(text(1, 3), text(1, 4));
        assert_ne!(text(1, 3), text(2, 3));
    }

    #[test]
    fn time_goes_forward_and_falls_on_ticks() {
        for number in 0..50 {
            let life = life(7, number, 40);
            for flow in &life.flows {
                assert!(flow.faces.is_sorted_by(|a, b| a.0 < b.0), "{flow:?}");
                assert!(flow.faces.iter().all(|(at, _)| at % TICK == 0), "{flow:?}");
                assert!(flow.configured.is_sorted_by(|a, b| a.0 < b.0), "{flow:?}");
            }
            for trouble in &life.troubles {
                assert!(trouble.span.start < trouble.span.end, "{trouble:?}");
                assert_eq!(
                    (trouble.span.start % TICK, trouble.span.end % TICK),
                    (0, 0),
                    "{trouble:?}"
                );
            }
        }
    }

    #[test]
    fn every_trouble_comes_up() {
        let lives: Vec<_> = (0..25).map(|number| life(1, number, 40)).collect();
        let troubles: String = lives.iter().map(|life| format!("{:?}", life.troubles)).collect();
        for kind in [
            "Stopped",
            "Frozen",
            "Unscraped",
            "Vanished",
            "ClockOff",
            "Unreachable",
            "Silent",
            "BadGateway",
            "Slow",
            "Refuses(-1)",
            "Refuses(-2)",
            "PrometheusStopped",
        ] {
            assert!(troubles.contains(kind), "{kind}");
        }
        assert!(lives.iter().any(|life| life.targets.len() > 2), "no pod was replaced");
        let removed = |flow: &Flow| flow.configured.iter().any(|(_, name)| name.is_none());
        assert!(lives.iter().flat_map(|life| &life.flows).any(removed));
    }
}
