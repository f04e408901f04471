//! What can go wrong at the vendor, and how often.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::chance::fraction;

/// One thing that goes wrong with an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// A code of the vendor's instead of success, where the request is otherwise fine.
    Code {
        /// The code, such as -18.
        code: i64,
        /// The message that goes with it; the vendor's words where `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        msg: Option<String>,
    },
    /// The answer comes later.
    Delay {
        /// By this much, in milliseconds.
        milliseconds: u64,
    },
}

impl Fault {
    /// How the counts call it.
    pub fn name(&self) -> Cow<'static, str> {
        match self {
            Self::Code { code, .. } => code.to_string().into(),
            Self::Delay { .. } => "delay".into(),
        }
    }

    /// Whether the answer stays what it would have been, apart from this.
    pub(super) fn only_alters(&self) -> bool {
        matches!(self, Self::Delay { .. })
    }
}

/// Which faults strike, and how often.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Trouble {
    /// The faults with their probabilities, of which one at most strikes a request; what is missing to 1 is peace.
    pub mix: Vec<Chance>,
    /// For how many more requests it lasts; for good where `None`.
    pub times: Option<u64>,
}

/// A fault and how probable it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chance {
    /// From 0 to 1.
    pub probability: f64,
    /// What strikes.
    pub fault: Fault,
}

impl Trouble {
    /// Every request meets this fault.
    pub fn always(fault: Fault) -> Self {
        Self::mix([(1.0, fault)])
    }

    /// The next `times` requests meet this fault, then all is well.
    pub fn times(times: u64, fault: Fault) -> Self {
        Self {
            times: Some(times),
            ..Self::always(fault)
        }
    }

    /// A schedule by seed: each fault strikes with its probability. The n-th request for a flow meets the same fault in every run.
    pub fn mix(faults: impl IntoIterator<Item = (f64, Fault)>) -> Self {
        Self {
            mix: faults
                .into_iter()
                .map(|(probability, fault)| Chance { probability, fault })
                .collect(),
            times: None,
        }
    }

    /// What strikes a request whose chance is `hash`.
    pub(super) fn draw(&self, hash: u64) -> Option<&Fault> {
        let mut rest = fraction(hash);
        self.mix.iter().find_map(|chance| {
            rest -= chance.probability;
            (rest < 0.0).then_some(&chance.fault)
        })
    }
}

/// Takes a request's fault from the place where trouble may be set, counts it down there, and clears the place when it is used up.
pub(super) fn strike(place: &mut Option<Box<Trouble>>, hash: u64) -> Option<Fault> {
    let trouble = place.as_mut()?;
    let fault = trouble.draw(hash).cloned();
    if let Some(times) = &mut trouble.times {
        *times = times.saturating_sub(1);
        if *times == 0 {
            *place = None;
        }
    }
    fault
}

#[cfg(test)]
mod tests {
    use super::super::chance::chance;
    use super::*;

    fn code(code: i64) -> Fault {
        Fault::Code { code, msg: None }
    }

    #[test]
    fn a_mix_strikes_as_often_as_it_says() {
        let trouble = Trouble::mix([(0.1, code(-18)), (0.3, code(-2))]);
        let mut counts = std::collections::BTreeMap::<_, u32>::new();
        for n in 0..10_000 {
            let name = trouble.draw(chance(5, &[n])).map(|fault| fault.name().into_owned());
            *counts.entry(name).or_default() += 1;
        }
        assert!((900..1_100).contains(&counts[&Some("-18".into())]), "{counts:?}");
        assert!((2_850..3_150).contains(&counts[&Some("-2".into())]), "{counts:?}");
        assert!((5_850..6_150).contains(&counts[&None]), "{counts:?}");
    }

    #[test]
    fn always_is_always_and_times_run_out() {
        let mut place = Some(Box::new(Trouble::always(code(-1))));
        assert!((0..100).all(|n| strike(&mut place, chance(1, &[n])) == Some(code(-1))));
        place = Some(Box::new(Trouble::times(2, code(-1))));
        let struck: Vec<_> = (0..4).map(|n| strike(&mut place, n).is_some()).collect();
        assert_eq!(struck, [true, true, false, false]);
        assert_eq!(place, None);
    }
}
