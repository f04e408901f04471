//! What must hold between the values of a file: collected at paths, and put in place afterwards.

use std::fmt;

use super::locate::{Spot, Wanted};
use super::problem::{Position, Problem};
use super::words::key_in_path;

/// The way to a value, step by step from the top of the file. Lives on the stack: it costs nothing until something is told.
#[derive(Debug, Clone, Copy)]
pub enum Path<'p> {
    /// The whole file.
    Root,
    /// What stands under a key.
    Key(&'p Path<'p>, &'p str),
    /// An entry of a list, from 0.
    Index(&'p Path<'p>, usize),
}

impl<'p> Path<'p> {
    /// On to what stands under this key.
    pub fn key(&'p self, key: &'p str) -> Path<'p> {
        Path::Key(self, key)
    }

    /// On to this entry of a list.
    pub fn index(&'p self, index: usize) -> Path<'p> {
        Path::Index(self, index)
    }

    /// The keys and indices, to the letter.
    fn steps(&self) -> Vec<String> {
        let (before, step) = match self {
            Path::Root => return Vec::new(),
            Path::Key(before, key) => (before, (*key).to_owned()),
            Path::Index(before, index) => (before, index.to_string()),
        };
        let mut steps = before.steps();
        steps.push(step);
        steps
    }
}

/// For people, as the deserializer notes it.
impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Path::Root => Ok(()),
            Path::Key(Path::Root, key) => f.write_str(&key_in_path(key)),
            Path::Key(before, key) => write!(f, "{before}.{}", key_in_path(key)),
            Path::Index(before, index) => write!(f, "{before}[{index}]"),
        }
    }
}

/// Collects what a check finds.
#[derive(Debug)]
pub struct Rules {
    empty: bool,
    findings: Vec<Finding>,
}

struct Finding {
    warning: bool,
    path: String,
    /// The places that it speaks of.
    places: Vec<Vec<String>>,
    /// What is to be told once these are known.
    tell: Box<Tell>,
}

type Tell = dyn FnOnce(&[Spot]) -> Option<(Position, String)>;

impl fmt::Debug for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Finding")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Rules {
    pub(super) fn new(empty: bool) -> Self {
        let findings = Vec::new();
        Self { empty, findings }
    }

    /// Whether nothing is written in the file at all.
    pub fn file_is_empty(&self) -> bool {
        self.empty
    }

    /// A problem with the value at `path`. Where there is none, it is told at the nearest value around it.
    pub fn problem(&mut self, path: &Path<'_>, message: impl Into<String>) {
        let message = message.into();
        self.add(false, path, &[*path], |spots| Some((spots.first()?.value, message)));
    }

    /// As [`Rules::problem`], for what can be used nevertheless.
    pub fn warning(&mut self, path: &Path<'_>, message: impl Into<String>) {
        let message = message.into();
        self.add(true, path, &[*path], |spots| Some((spots.first()?.value, message)));
    }

    /// A problem with the key that `path` ends in.
    pub fn problem_with_key(&mut self, path: &Path<'_>, message: impl Into<String>) {
        let message = message.into();
        self.add(false, path, &[*path], |spots| Some((spots.first()?.key, message)));
    }

    /// A problem with the value at `path` because of the one at `other`, whose line the message is given.
    pub fn conflict(&mut self, path: &Path<'_>, other: &Path<'_>, message: impl FnOnce(usize) -> String + 'static) {
        self.add(false, path, &[*path, *other], |spots| match spots {
            [here, there, ..] => Some((here.value, message(there.value.line))),
            _ => None,
        });
    }

    /// A problem with the mapping at `path` because more than one of these keys are given: the message is told the first two in the
    /// order of the file, at the second.
    pub fn too_many(
        &mut self,
        path: &Path<'_>,
        keys: &[&'static str],
        message: impl FnOnce(&str, &str) -> String + 'static,
    ) {
        let keys = keys.to_vec();
        let places: Vec<_> = keys.iter().map(|key| path.key(key)).collect();
        self.add(false, path, &places, move |spots| {
            let mut given: Vec<_> = spots.iter().map(|spot| spot.key).zip(keys).collect();
            given.sort_unstable();
            match given.as_slice() {
                [(_, first), (at, second), ..] => Some((*at, message(first, second))),
                _ => None,
            }
        });
    }

    fn add(
        &mut self,
        warning: bool,
        path: &Path<'_>,
        places: &[Path<'_>],
        tell: impl FnOnce(&[Spot]) -> Option<(Position, String)> + 'static,
    ) {
        self.findings.push(Finding {
            warning,
            path: path.to_string(),
            places: places.iter().map(Path::steps).collect(),
            tell: Box::new(tell),
        });
    }

    /// The problems and the warnings, each where it is in this text.
    pub(super) fn located(self, text: &str) -> (Vec<Problem>, Vec<Problem>) {
        let mut wanted = Wanted::default();
        let places = self.findings.iter().flat_map(|finding| &finding.places);
        places.for_each(|steps| wanted.add(steps));
        if !self.findings.is_empty() {
            wanted.look_up(text);
        }
        let (mut problems, mut warnings) = (Vec::new(), Vec::new());
        for finding in self.findings {
            let spots: Vec<_> = finding.places.iter().map(|steps| wanted.spot(steps)).collect();
            if let Some((at, message)) = (finding.tell)(&spots) {
                let told = Problem::new(Some(at), finding.path, message);
                if finding.warning { &mut warnings } else { &mut problems }.push(told);
            }
        }
        (problems, warnings)
    }
}
