//! What the program does instead of exporting, one file a command.

mod ask;
pub mod check;
pub mod demo;
pub mod flows;
pub mod healthcheck;
pub mod query;
pub mod raw;
pub mod rules;
pub mod simulate;

pub use self::ask::Failed;
