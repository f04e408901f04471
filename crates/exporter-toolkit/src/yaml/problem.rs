//! What is wrong with a configuration file, where, and what would be right.

use std::fmt;
use std::path::{Path, PathBuf};

/// A place in the file, as editors count: both from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The line, from 1.
    pub line: usize,
    /// The character within the line, from 1.
    pub column: usize,
}

impl Position {
    /// The first character of a file.
    pub(super) const START: Self = Self { line: 1, column: 1 };

    /// Where the text that follows `before` begins.
    pub(super) fn after(before: &str) -> Self {
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self {
            line: before.matches('\n').count() + 1,
            column: before.get(line_start..).map_or(0, |line| line.chars().count()) + 1,
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// One mistake in a configuration file. It never holds the value of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    position: Option<Position>,
    path: String,
    message: String,
}

impl Problem {
    pub(super) fn new(position: Option<Position>, path: impl Into<String>, message: impl Into<String>) -> Self {
        let (path, message) = (path.into(), message.into());
        Self {
            position,
            path,
            message,
        }
    }

    /// Where in the file; `None` where the file as a whole is the problem.
    pub fn position(&self) -> Option<Position> {
        self.position
    }

    /// Which value, like `accounts[0].flows[2].poll_interval`; empty where it is none in particular.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What is wrong and what would be right.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// All of it in one line, with the file that it is in.
    pub fn told_of(&self, file: &Path) -> String {
        let mut line = format!("{}:", file.display());
        if let Some(position) = self.position {
            line.push_str(&format!("{position}:"));
        }
        if !self.path.is_empty() {
            line.push_str(&format!(" {}:", self.path));
        }
        format!("{line} {}", self.message)
    }
}

/// Everything that is wrong with a configuration file, in the order of the file.
///
/// `Display` gives one line per problem: `config.yaml:12:7: accounts[0].name: …`.
#[derive(Debug)]
pub struct LoadError {
    file: PathBuf,
    problems: Vec<Problem>,
}

impl LoadError {
    pub(super) fn new(file: &Path, mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(Problem::position);
        Self {
            file: file.to_owned(),
            problems,
        }
    }

    /// The file as it was named to [`super::load`].
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The problems, sorted by position; never empty.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<_> = self
            .problems
            .iter()
            .map(|problem| problem.told_of(&self.file))
            .collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for LoadError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_characters_not_bytes() {
        assert_eq!(Position::after(""), Position { line: 1, column: 1 });
        assert_eq!(Position::after("a\nüü"), Position { line: 2, column: 3 });
        assert_eq!(Position::after("a\n"), Position { line: 2, column: 1 });
    }

    #[test]
    fn problems_are_told_in_the_order_of_the_file() {
        let at = |line, column| Some(Position { line, column });
        let error = LoadError::new(
            Path::new("config.yaml"),
            vec![
                Problem::new(at(12, 7), "accounts[0].name", "is empty"),
                Problem::new(at(3, 1), "", "odd"),
                Problem::new(None, "", "cannot be read"),
            ],
        );
        assert_eq!(
            error.to_string(),
            "config.yaml: cannot be read\nconfig.yaml:3:1: odd\nconfig.yaml:12:7: accounts[0].name: is empty"
        );
    }
}
