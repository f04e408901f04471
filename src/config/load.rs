//! From a configuration file to a [`Config`].

use std::path::Path;

use exporter_toolkit::surroundings::Surroundings;
use exporter_toolkit::yaml::{self, LoadError};

use super::check::check;
use super::checked::Config;

/// Reads and checks a configuration file. `env` gives the value of an environment variable, where it is set.
///
/// # Errors
/// Where the file cannot be read, and otherwise as [`parse`].
pub fn load(path: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<Config, LoadError> {
    parse(&read(path)?, path, env)
}

/// Reads a configuration file, for [`parse`].
///
/// # Errors
/// Where the file cannot be read.
pub fn read(path: &Path) -> Result<Vec<u8>, LoadError> {
    yaml::read_file("--config.file", path)
}

/// Checks the content of a configuration file, and the files and environment variables it names. `path` is where it comes from: relative
/// paths start from its folder, and problems begin with it.
///
/// # Errors
/// Everything that is wrong, at once; what is not UTF-8, or not YAML, has the one problem that it is not.
pub fn parse(
    content: impl AsRef<[u8]>,
    path: &Path,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Config, LoadError> {
    let around = Surroundings::new(path, env);
    let checked = |file, rules: &mut yaml::Rules| check(file, &around, rules);
    let (mut config, warnings) = yaml::load(path, content.as_ref(), checked)?;
    config.warnings = warnings;
    Ok(config)
}
