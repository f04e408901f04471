//! What is to be expected of one alert at every evaluation.

use std::collections::BTreeMap;

use super::life::Seconds;

/// What an alert has to do at a moment. Each also holds for all that come before it in strictness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// It must not fire.
    Never,
    /// It may or may not.
    May,
    /// It need not begin, but must not end.
    Keep,
    /// It must fire.
    Must,
}

/// An alert that somebody may get, by its name and the labels that tell it from others of the name.
#[derive(Debug, Clone)]
pub struct Expected {
    /// Its name.
    pub alert: &'static str,
    /// How long it is from one evaluation to the next.
    pub step: Seconds,
    /// The labels.
    pub labels: BTreeMap<&'static str, String>,
    /// What it has to do at each evaluation; `None` where nobody evaluates.
    pub states: Vec<Option<State>>,
    /// When it may fire at the earliest, for each evaluation at which it begins to be a must.
    pub earliest: BTreeMap<usize, Seconds>,
    /// What happened to whom it is about, in words, for whoever must find out why this failed.
    pub story: Vec<(Seconds, String)>,
}

impl Expected {
    /// Nothing is expected yet.
    pub fn new(alert: &'static str, step: Seconds, labels: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        Self {
            alert,
            step,
            labels: labels.into_iter().collect(),
            states: Vec::new(),
            earliest: BTreeMap::new(),
            story: Vec::new(),
        }
    }

    /// What holds at the next evaluation; `earliest` is the first moment at which it may fire, if it must now.
    pub fn push(&mut self, state: Option<State>, earliest: Seconds) {
        let before = self.states.iter().rev().flatten().next();
        if state == Some(State::Must) && before != Some(&State::Must) {
            self.earliest.insert(self.states.len(), earliest);
        }
        self.states.push(state);
    }

    /// Whether somebody has to be told at some time.
    pub fn is_incident(&self) -> bool {
        self.states.contains(&Some(State::Must))
    }
}
