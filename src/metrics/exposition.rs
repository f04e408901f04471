//! One answer: the registry's text, then the flows', then the end mark.

use std::fmt;

use prometheus_client::registry::Registry;

use exporter_toolkit::exposition::body::{FRAME, Frames};
use exporter_toolkit::exposition::{Format, text};

use super::flows::FlowWriter;
use crate::store::Snapshot;

/// A frame is full this far before its capacity, so that its last samples rarely make it grow.
const SLACK: usize = 2 * 1024;

/// An answer under way.
#[derive(Debug)]
pub struct Exposition {
    format: Format,
    /// The registry's part; it is small, and an error in it must be known before the answer begins.
    registry: String,
    flows: FlowWriter,
    progress: Progress,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    Registry,
    Flows,
    End,
}

impl Exposition {
    /// An answer that shows this registry and this snapshot.
    ///
    /// # Errors
    ///
    /// The registry cannot be encoded; then there is no answer, since half of one would look like vanished series.
    pub fn new(registry: &Registry, snapshot: Snapshot, format: Format) -> Result<Self, fmt::Error> {
        Ok(Self {
            format,
            registry: text::encode(registry, format)?,
            flows: FlowWriter::new(snapshot, format),
            progress: Progress::Registry,
        })
    }

    /// An answer that shows this registry and the flows of this snapshot, without what concerns whole accounts.
    ///
    /// # Errors
    ///
    /// As for [`Self::new`].
    pub fn of_flows(registry: &Registry, snapshot: Snapshot, format: Format) -> Result<Self, fmt::Error> {
        Ok(Self {
            format,
            registry: text::encode(registry, format)?,
            flows: FlowWriter::of_flows(snapshot, format),
            progress: Progress::Registry,
        })
    }

    pub(super) fn fill_to(&mut self, out: &mut Vec<u8>, limit: usize) -> bool {
        if self.progress == Progress::Registry {
            out.append(&mut std::mem::take(&mut self.registry).into_bytes());
            self.progress = Progress::Flows;
        }
        if self.progress == Progress::Flows && !self.flows.fill(out, limit) {
            out.extend_from_slice(self.format.end().as_bytes());
            self.progress = Progress::End;
        }
        self.progress != Progress::End
    }
}

impl Frames for Exposition {
    fn fill(&mut self, out: &mut Vec<u8>) -> bool {
        self.fill_to(out, out.len() + FRAME - SLACK)
    }
}
