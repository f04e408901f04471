//! What a test's own thread logs.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use exporter_toolkit::clock::SharedClock;
use exporter_toolkit::logging::{Events, Format, LogLayer};
use serde_json::Value;
use tokio::time::Instant;
use tracing::subscriber::{DefaultGuard, set_default};
use tracing_subscriber::layer::SubscriberExt;

/// Everything that is logged at any level, from its beginning on until it is dropped. Of this thread alone: tests on a paused clock have no
/// other.
pub struct Log {
    paper: Paper,
    _guard: DefaultGuard,
}

/// Lines, each with its moment.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<(Instant, String)>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let line = String::from_utf8(bytes.to_vec()).unwrap();
        self.0.lock().unwrap().push((Instant::now(), line));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// Begins now.
    pub fn begin(clock: SharedClock) -> Self {
        let paper = Paper::default();
        let layer = LogLayer::new(Format::Json, clock, paper.clone());
        Self {
            paper,
            _guard: set_default(Events.with(layer)),
        }
    }

    /// How many events each line of an account stands for in all, by account and text. No two lines of the same are less than a minute apart.
    pub fn events(&self) -> BTreeMap<(String, String), u64> {
        let mut events = BTreeMap::new();
        let mut last = BTreeMap::<_, Instant>::new();
        for (at, line) in &*self.paper.0.lock().unwrap() {
            let line: Value = serde_json::from_str(line).unwrap();
            let Some(account) = line["account"].as_str() else {
                continue;
            };
            let mut text = line["msg"].as_str().unwrap().to_owned();
            // Numbers within a text do not make it another kind.
            text.retain(|character| !character.is_ascii_digit());
            let kind = (account.to_owned(), text);
            if let Some(before) = last.insert(kind.clone(), *at) {
                let gap = *at - before;
                assert!(gap >= Duration::from_secs(60), "{gap:?} between two lines of {kind:?}");
            }
            *events.entry(kind).or_default() += 1 + line["more"].as_u64().unwrap_or(0);
        }
        events
    }
}
