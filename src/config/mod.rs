//! The checked configuration.
//!
//! In: the YAML file (and the environment and secret files it names). Out: a [`Config`] in which every value is usable as it
//! stands, or one error that lists every problem of the file at once.
//!
//! [`schema`] says which keys there are, the toolkit's YAML reader reads them, `check` has the rules between them and makes the types in
//! `checked` of them. `load` does it all for a file; `show` writes what is in force.

mod check;
mod checked;
mod exposure;
mod load;
#[cfg(test)]
mod manual;
mod name_rules;
#[cfg(test)]
mod reference;
pub mod schema;
mod show;
mod url;

pub use exporter_toolkit::duration::{Interval, PrometheusDuration, parse_duration};
pub use exporter_toolkit::http_config::{BasicAuth, ClientTls, HttpConfig};
pub use exporter_toolkit::secret::{Secret, SecretError, SecretSource, SecretUse};
pub use exporter_toolkit::secret_reader::SecretReader;
pub use exporter_toolkit::yaml::{LoadError, Position, Problem};

pub use self::checked::{Account, Config, Discovery};
pub use self::exposure::open_files;
pub use self::load::{load, parse, read};
pub use self::name_rules::{Found, NameRules};
pub use self::schema::{HttpClient, TimeZone};
pub use self::show::{flows_block, show};
