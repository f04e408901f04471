//! What somebody who only sees scrapes can know of a condition, and what follows for the alert on it.
//!
//! The condition may hold (*active*), may be over, or either, since a poll sees only moments. The oracle says of each scrape what it
//! may show and what it shows for sure; from there on it is the promise alone that says when the alert fires.

use super::expectation::State;
use super::life::Seconds;

/// What an alert promises.
#[derive(Debug, Clone, Copy)]
pub struct Promise {
    /// How long the condition must hold.
    pub threshold: Seconds,
    /// How long it is held after it was seen to be over: a condition that comes back meanwhile goes on.
    pub hold: Seconds,
    /// The same, where the condition keeps coming back.
    pub hold_flapping: Seconds,
    /// How long it goes on while nothing is seen; 0 is not at all.
    pub silence: Seconds,
}

/// What a scrape shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sight {
    /// The condition may be shown, and somebody may have seen it since.
    pub active: Option<Seconds>,
    /// The condition's end may be shown.
    pub over: bool,
    /// It is certain which of both.
    pub is_sure: bool,
    /// Something is shown, be it neither of both.
    pub shows: bool,
    /// Since when the exporters that show it have been running.
    pub same_process_since: Seconds,
}

/// What may be believed.
#[derive(Debug)]
pub struct Belief {
    promise: Promise,
    /// There is an evaluation within so long after any moment.
    slack: Seconds,
    active: Option<Active>,
    over: Option<Over>,
    last_shown: Seconds,
    last_sure: Option<Seconds>,
    /// When the condition was surely seen to come back.
    entries: Vec<Seconds>,
}

/// A condition keeps coming back that was seen to do so twice within this time.
const FLAPPING: Seconds = 3600;

#[derive(Debug, Clone, Copy)]
struct Active {
    /// Nobody can have seen it earlier.
    earliest: Seconds,
    /// By now somebody has; unknown while it is not sure at all.
    latest: Option<Seconds>,
    /// It came back when the alert may or may not have ended.
    may_have_ended: bool,
}

#[derive(Debug, Clone, Copy)]
struct Over {
    earliest: Seconds,
    latest: Option<Seconds>,
    /// What was before.
    before: Option<Active>,
    flapping: bool,
}

impl Belief {
    /// Nothing holds at the beginning. There is an evaluation within `slack` of any moment.
    pub fn new(promise: Promise, slack: Seconds) -> Self {
        Self {
            promise,
            slack,
            active: None,
            over: Some(Over {
                earliest: 0,
                latest: Some(0),
                before: None,
                flapping: false,
            }),
            last_shown: 0,
            last_sure: None,
            entries: Vec::new(),
        }
    }

    /// Takes a scrape in. The condition may keep coming back where `maybe_flapping`.
    pub fn see(&mut self, at: Seconds, sight: Sight, maybe_flapping: bool) {
        if sight.shows {
            self.last_shown = at;
        }
        if let Some(over) = &mut self.over {
            over.flapping |= maybe_flapping;
        }
        if sight.over && self.over.is_none() {
            self.over = Some(Over {
                earliest: at,
                latest: None,
                before: self.active,
                flapping: maybe_flapping,
            });
        }
        if let Some(seen) = sight.active {
            let earliest = self.continues_from(at).unwrap_or(seen);
            self.active.get_or_insert(Active {
                earliest,
                latest: None,
                may_have_ended: false,
            });
        }
        if !sight.is_sure {
            if self.promise.silence == 0 {
                // What promises nothing in silence begins anew after it.
                self.active = self.active.map(|active| Active {
                    latest: None,
                    may_have_ended: true,
                    ..active
                });
            }
            return;
        }
        self.last_sure = Some(at);
        if sight.over {
            if let (Some(active), Some(over)) = (self.active.take(), &mut self.over) {
                over.latest = Some(at);
                over.before = Some(active);
            }
        } else if let (Some(active), Some(over)) = (&mut self.active, self.over.take()) {
            if over.latest.is_some_and(|latest| sight.same_process_since < latest) {
                self.entries.push(at);
            }
            // This one has only just been seen, and its alert may have ended before.
            let recent = self
                .entries
                .iter()
                .filter(|entry| **entry < at && **entry + FLAPPING > at + self.slack);
            let hold = match recent.count() {
                2.. => self.promise.hold_flapping,
                _ => self.promise.hold,
            };
            let was_firing = over
                .before
                .and_then(|before| before.latest)
                .filter(|latest| latest + self.promise.threshold + self.slack <= over.earliest);
            let in_time = at + self.slack <= over.earliest + hold;
            active.latest = Some(was_firing.filter(|_| in_time).unwrap_or(at));
            active.may_have_ended = over.before.is_some() && !(was_firing.is_some() && in_time);
        } else if let Some(active) = &mut self.active {
            active.latest.get_or_insert(at);
        }
    }

    /// Since when the condition counts that comes back now, where the alert may not have ended yet.
    fn continues_from(&self, at: Seconds) -> Option<Seconds> {
        let over = self.over?;
        (at <= self.end_of_hold(&over)).then_some(over.before?.earliest)
    }

    /// When the alert has ended for sure, unless the condition comes back.
    fn end_of_hold(&self, over: &Over) -> Seconds {
        let hold = match over.flapping {
            true => self.promise.hold_flapping,
            false => self.promise.hold,
        };
        over.latest
            .map_or(Seconds::MAX, |latest| latest + hold + 2 * self.slack)
    }

    /// Whether the condition holds for sure, by what was seen.
    pub fn is_surely_active(&self) -> bool {
        self.over.is_none()
    }

    /// Whether it is over for sure.
    pub fn is_surely_over(&self) -> bool {
        self.active.is_none()
    }

    /// What the alert has to do now, and when it may have fired at the earliest.
    pub fn state(&self, at: Seconds) -> (State, Seconds) {
        let threshold = self.promise.threshold;
        let earliest = self.active.map_or(at, |active| active.earliest + threshold);
        let state = match (self.active, self.over) {
            (Some(active), None) => {
                let latest = active.latest.unwrap_or(at);
                if at >= latest + threshold + self.slack {
                    State::Must
                } else if at < earliest {
                    State::Never
                } else if active.may_have_ended && at < latest + threshold {
                    State::May
                } else {
                    State::Keep
                }
            }
            (Some(_), Some(_)) if at >= earliest => State::May,
            (_, Some(over)) => {
                let fired = |before: Active| before.earliest + threshold <= over.latest.unwrap_or(at);
                match over.before.is_some_and(fired) && at <= self.end_of_hold(&over) {
                    true => State::May,
                    false => State::Never,
                }
            }
            (None, None) => State::Never,
        };
        (self.in_silence(at, state), earliest)
    }

    fn in_silence(&self, at: Seconds, state: State) -> State {
        if self.promise.silence == 0 {
            return match self.last_sure == Some(at) {
                true => state,
                false => state.min(State::May),
            };
        }
        // What is remembered of a moment is remembered to the evaluation.
        let silent = at.saturating_sub(self.last_shown);
        if silent > self.promise.silence + 10 * self.slack {
            State::Never
        } else if silent + 10 * self.slack > self.promise.silence {
            state.min(State::May)
        } else {
            state
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROMISE: Promise = Promise {
        threshold: 300,
        hold: 120,
        hold_flapping: 600,
        silence: 86_400,
    };

    const ON: Sight = Sight {
        active: Some(0),
        over: false,
        is_sure: true,
        shows: true,
        same_process_since: 0,
    };
    const OFF: Sight = Sight {
        active: None,
        over: true,
        is_sure: true,
        shows: true,
        same_process_since: 0,
    };

    /// Shows the same from one moment to the other.
    fn show(belief: &mut Belief, span: std::ops::Range<Seconds>, sight: Sight) {
        let since = span.start;
        for at in span.step_by(30) {
            let active = sight.active.map(|_| since);
            belief.see(at, Sight { active, ..sight }, false);
        }
    }

    #[test]
    fn it_fires_after_the_threshold_and_ends_after_the_hold() {
        let mut belief = Belief::new(PROMISE, 35);
        show(&mut belief, 0..600, OFF);
        show(&mut belief, 600..1200, ON);
        assert_eq!(belief.state(870).0, State::Never);
        assert_eq!(belief.state(900).0, State::Keep);
        assert_eq!(belief.state(960), (State::Must, 900));
        show(&mut belief, 1200..1230, OFF);
        assert_eq!(belief.state(1200).0, State::May);
        assert_eq!(belief.state(1380).0, State::May);
        assert_eq!(belief.state(1410).0, State::Never);
    }

    #[test]
    fn silence_changes_nothing_for_a_day() {
        let mut belief = Belief::new(PROMISE, 35);
        show(&mut belief, 600..690, ON);
        assert_eq!(belief.state(1000).0, State::Must);
        assert_eq!(belief.state(80_000).0, State::Must);
        assert_eq!(belief.state(87_060).0, State::May);
        assert_eq!(belief.state(90_000).0, State::Never);
    }

    #[test]
    fn one_that_comes_back_in_time_goes_on_and_one_that_does_not_begins_anew() {
        for (gap, state) in [(60, State::Must), (90, State::May), (150, State::May)] {
            let mut belief = Belief::new(PROMISE, 35);
            show(&mut belief, 0..3000, ON);
            show(&mut belief, 3000..3000 + gap, OFF);
            show(&mut belief, 3000 + gap..3030 + gap, ON);
            assert_eq!(belief.state(3000 + gap).0, state, "after {gap} s");
            show(&mut belief, 3030 + gap..3360 + gap, ON);
            assert_eq!(belief.state(3350 + gap).0, State::Must, "after {gap} s");
        }
        let mut belief = Belief::new(PROMISE, 35);
        show(&mut belief, 0..3000, ON);
        show(&mut belief, 3000..3300, OFF);
        show(&mut belief, 3300..3600, ON);
        assert_eq!(belief.state(3570).0, State::Never);
    }

    #[test]
    fn what_is_not_sure_is_neither_a_must_nor_a_must_not() {
        let mut belief = Belief::new(PROMISE, 35);
        let either = Sight {
            active: Some(0),
            over: true,
            is_sure: false,
            shows: true,
            same_process_since: 0,
        };
        belief.see(0, either, false);
        assert_eq!(belief.state(299).0, State::Never);
        assert_eq!(belief.state(5000).0, State::May);
    }
}
