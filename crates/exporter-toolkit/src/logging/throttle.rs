//! A bound on a log: one line a minute for each kind of event, which says how many more it stands for.

use std::collections::HashMap;
use std::mem::{Discriminant, discriminant};
use std::time::Duration;

use tokio::time::Instant;

/// The least time between two lines of the same kind.
const LINE_EVERY: Duration = Duration::from_secs(60);

/// Decides which events are written. `E` is an enum of events, and its variants are the kinds.
///
/// The first event of a kind is written at once. Those of the minute after it are counted, and the last of them is written when the minute
/// is over, with how many `more` it stands for: so every event is in a line, or in the number of one.
#[derive(Debug)]
pub struct Throttle<E>(HashMap<Discriminant<E>, Told<E>>);

#[derive(Debug)]
struct Told<E> {
    at: Instant,
    /// The last event since then, and how many came before it.
    left_out: Option<(E, u64)>,
}

impl<E> Told<E> {
    /// How many events were left out.
    fn stands_for(&self) -> u64 {
        self.left_out.as_ref().map_or(0, |(_, before)| before.saturating_add(1))
    }
}

/// A line to be written now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Throttled<E> {
    /// The event.
    pub event: E,
    /// How many more of its kind there were since the last line.
    pub more: u64,
}

impl<E> Throttled<E> {
    /// [`Self::more`], for a field that a line has only where it says something.
    pub fn more(&self) -> Option<u64> {
        (self.more > 0).then_some(self.more)
    }
}

impl<E> Default for Throttle<E> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<E> Throttle<E> {
    /// Takes an event in, and gives it back if it is to be written now.
    pub fn tell(&mut self, event: E) -> Option<Throttled<E>> {
        let now = Instant::now();
        match self.0.get_mut(&discriminant(&event)) {
            Some(told) if now < told.at + LINE_EVERY => {
                let more = told.stands_for();
                told.left_out = Some((event, more));
                None
            }
            _ => Some(self.tell_now(event)),
        }
    }

    /// The same for an event that cannot wait: it is written whatever was before.
    pub fn tell_now(&mut self, event: E) -> Throttled<E> {
        let at = Instant::now();
        let told = Told { at, left_out: None };
        let before = self.0.insert(discriminant(&event), told);
        let more = before.map_or(0, |before| before.stands_for());
        Throttled { event, more }
    }

    /// An event that was left out, and whose kind may be written again. To be called until there is none.
    pub fn take_due(&mut self) -> Option<Throttled<E>> {
        let now = Instant::now();
        let due = |told: &&mut Told<E>| told.left_out.is_some() && told.at + LINE_EVERY <= now;
        let told = self.0.values_mut().find(due)?;
        told.at = now;
        let (event, more) = told.left_out.take()?;
        Some(Throttled { event, more })
    }

    /// When [`Self::take_due`] is worth a call.
    pub fn next_due(&self) -> Option<Instant> {
        let left_out = self.0.values().filter(|told| told.left_out.is_some());
        left_out.map(|told| told.at + LINE_EVERY).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Eq)]
    enum Event {
        Comes(u32),
        Goes,
    }

    #[tokio::test(start_paused = true)]
    async fn one_line_a_minute_and_kind_and_every_event_is_counted() {
        let mut throttle = Throttle::default();
        let mut lines = Vec::new();
        let started = Instant::now();
        for number in 0..1000 {
            lines.extend(
                throttle
                    .tell(Event::Comes(number))
                    .map(|line| (started.elapsed(), line)),
            );
            tokio::time::advance(Duration::from_millis(700)).await;
            while let Some(line) = throttle.take_due() {
                lines.push((started.elapsed(), line));
            }
        }
        assert_eq!(
            throttle.tell(Event::Goes),
            Some(Throttled {
                event: Event::Goes,
                more: 0
            }),
            "another kind"
        );
        assert!(throttle.next_due().is_some_and(|due| due > Instant::now()));
        tokio::time::advance(LINE_EVERY).await;
        lines.extend(throttle.take_due().map(|line| (started.elapsed(), line)));
        assert_eq!((throttle.take_due(), throttle.next_due()), (None, None));
        for pair in lines.windows(2) {
            assert!(pair[1].0 - pair[0].0 >= LINE_EVERY);
        }
        let counted: u64 = lines.iter().map(|(_, line)| 1 + line.more).sum();
        assert_eq!((counted, lines.len()), (1000, 13));
        assert_eq!(lines[0].1.event, Event::Comes(0));
        assert_eq!(lines[12].1.event, Event::Comes(999), "the last one");
    }
}
