//! Names of tasks, made by seed where the settings give none.

use crate::random::{hash, pick};

const TEAMS: [&str; 6] = ["collections", "growth", "logistics", "loyalty", "risk", "support"];
const CAMPAIGNS: [&str; 6] = ["overdue", "reminder", "welcome", "winback", "survey", "renewal"];

/// What somebody will type, and what must be escaped wherever it is shown.
const ODD_CAMPAIGNS: [&str; 4] = [r#""gold""#, r"north\south", "<b>urgent</b>", "rückruf"];

/// The name of the task that a flow was made for, such as `collections-overdue-0412`: a team, a campaign, a number.
pub(crate) fn task_name(seed: u64, key_id: u64) -> String {
    let roll = |what: u64| hash(seed, &[key_id, what, 71]);
    let team = pick(roll(1), TEAMS);
    let campaign = if roll(2).is_multiple_of(8) {
        pick(roll(3), ODD_CAMPAIGNS)
    } else {
        pick(roll(3), CAMPAIGNS)
    };
    format!("{team}-{campaign}-{:04}", roll(4) % 10_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_team_and_everything_that_must_be_escaped() {
        let names: Vec<_> = (1..=1000).map(|key| task_name(1, key)).collect();
        for team in TEAMS {
            let count = names
                .iter()
                .filter(|name| name.starts_with(&format!("{team}-")))
                .count();
            assert!(count > 100, "{team}: {count}");
        }
        for odd in ['"', '\\', '<', 'ü'] {
            let count = names.iter().filter(|name| name.contains(odd)).count();
            assert!((10..100).contains(&count), "{odd}: {count}");
        }
        for name in names {
            let (_, number) = name.rsplit_once('-').unwrap();
            assert!(number.len() == 4 && number.parse::<u16>().is_ok(), "{name}");
        }
        assert_eq!(task_name(1, 5), task_name(1, 5));
    }
}
