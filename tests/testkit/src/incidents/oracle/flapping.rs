//! The ticket for a flow that goes into an execution exception again and again: three times within the hour.

use super::super::expectation::State;
use super::super::knowledge::{Knowledge, Lesson};
use super::super::life::{Face, Flow, Life, Seconds};
use super::super::surroundings::Surroundings;

const HOUR: Seconds = 3600;

/// So often within the hour.
const TIMES: usize = 3;

/// What each exporter that watches a flow may have seen of its entries into an execution exception.
#[derive(Debug)]
pub(super) struct Flapping {
    exporters: Vec<Seen>,
    slack: Seconds,
    /// A poll brings what is new within this time, with the scrape and the evaluation after it.
    news: Seconds,
    must_since: Option<Seconds>,
}

/// What one exporter has seen.
#[derive(Debug, Default)]
struct Seen {
    /// Each true entry, and by when it was seen for sure if it was at all.
    perhaps: Vec<Option<Seconds>>,
    /// When each entry was surely not there yet that surely was seen.
    surely: Vec<Seconds>,
    /// When it last surely knew the flow in another status.
    well: Option<Seconds>,
    /// Since when it is scraped, and it has been the same process with the flow in its configuration.
    scraped_since: Option<Seconds>,
    started: Option<Seconds>,
}

impl Flapping {
    /// Nothing has been seen yet by so many exporters.
    pub(super) fn new(life: &Life, flow: &Flow, exporters: usize) -> Self {
        Self {
            exporters: (0..exporters).map(|_| Seen::default()).collect(),
            slack: life.slack(),
            news: 3 * flow.interval + 2 * life.slack(),
            must_since: None,
        }
    }

    /// Takes in what holds at this tick.
    pub(super) fn tick(&mut self, at: Seconds, flow: &Flow, exporters: &[(usize, Knowledge)]) {
        let enters = flow
            .faces
            .windows(2)
            .any(|pair| pair[1].0 == at && !pair[0].1.is_exception() && pair[1].1.is_exception());
        for (seen, (_, knowledge)) in self.exporters.iter_mut().zip(exporters) {
            seen.tick(at, enters, knowledge);
        }
    }

    /// What the alert has to do now, and since when.
    pub(super) fn step(
        &mut self,
        at: Seconds,
        exporters: &[(usize, Knowledge)],
        surroundings: &Surroundings,
    ) -> (State, Seconds) {
        let mut may = false;
        let mut must = false;
        for (seen, (target, _)) in self.exporters.iter_mut().zip(exporters) {
            let is_scraped = surroundings.sees(*target, at);
            seen.scraped_since = is_scraped.then(|| seen.scraped_since.unwrap_or(at));
            let is_recent = |by: &&Option<Seconds>| by.is_none_or(|by| by + HOUR + self.news >= at);
            may |= seen.perhaps.iter().filter(is_recent).count() >= TIMES;
            let is_watched = seen.scraped_since.is_some_and(|since| since + HOUR <= at);
            let surely = seen.surely.iter().filter(|before| **before + HOUR > at + self.slack);
            must |= is_watched && surely.count() >= TIMES;
        }
        if !must {
            self.must_since = None;
            return (if may { State::May } else { State::Never }, at);
        }
        let since = *self.must_since.get_or_insert(at);
        match at >= since + self.slack {
            true => (State::Must, since),
            false => (State::May, since),
        }
    }
}

impl Seen {
    fn tick(&mut self, at: Seconds, enters: bool, knowledge: &Knowledge) {
        let sure = knowledge.sure().map(|learnt| learnt.lesson);
        if knowledge.started != self.started || sure == Some(Lesson::NotConfigured) {
            self.started = knowledge.started;
            self.surely.clear();
            self.well = None;
            self.scraped_since = None;
        }
        if enters {
            self.perhaps.push(None);
        }
        if knowledge.is_settled(at) {
            for by in self.perhaps.iter_mut().filter(|by| by.is_none()) {
                *by = Some(at);
            }
        }
        match sure {
            Some(Lesson::Face(face)) if face.is_exception() => self.surely.extend(self.well.take()),
            Some(Lesson::Face(Face::Says { .. })) => self.well = Some(at),
            _ => {}
        }
    }
}
