//! From a web-config file to what is served by it.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::Path as FilePath;
use std::sync::Arc;
use std::time::Duration;

use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use rustls::ServerConfig;

use super::check::Check;
use super::schema::{File, Rate};
use super::tls;
use super::users::{PasswordHash, Users};
use crate::exposure::warn_if_open;
use crate::secret::Secret;
use crate::watched::Files;
use crate::yaml::{self, LoadError, Pairs, Path};

/// The flag that names the file.
const FLAG: &str = "--web.config.file";

/// More than any chain of certificates.
const LONGEST_FILE: u64 = 1024 * 1024;

/// The headers that may be configured, and the values of those that do not take any.
const HEADERS: [(&str, &[&str]); 5] = [
    ("Content-Security-Policy", &[]),
    ("Strict-Transport-Security", &[]),
    ("X-Content-Type-Options", &["nosniff"]),
    ("X-Frame-Options", &["deny", "sameorigin"]),
    ("X-XSS-Protection", &[]),
];

/// How to serve, checked.
#[derive(Debug, Default)]
pub struct WebConfig {
    /// TLS; `None` means plain HTTP.
    pub tls: Option<Arc<ServerConfig>>,
    /// Whether HTTP/2 is offered, where there is TLS.
    pub http2: bool,
    /// Headers for every answer.
    pub headers: HeaderMap,
    /// Who may ask.
    pub users: Users,
    /// How often may be asked, by all clients together.
    pub rate_limit: Option<RateLimit>,
}

/// A token bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// One request more after this long.
    pub interval: Duration,
    /// Requests that may come at once.
    pub burst: NonZeroU32,
}

/// Reads and checks a web-config file with everything it names.
///
/// # Errors
/// Everything that is wrong, at once; no password hash and no key is in a message.
pub fn load(path: &FilePath) -> Result<WebConfig, LoadError> {
    load_and_see(path).map(|(config, _)| config)
}

/// Also gives the files that were read, this one first.
pub(super) fn load_and_see(path: &FilePath) -> Result<(WebConfig, Files), LoadError> {
    let mut files = Files::of_at_most(LONGEST_FILE);
    let content = files.read(path).map_err(|error| yaml::unreadable(FLAG, path, &error))?;
    let check = |file: File, rules: &mut yaml::Rules| {
        let mut check = Check::new(path, rules, &mut files);
        let config = checked(&file, &mut check);
        let holds_secrets = !config.users.is_empty() || file.tls_server_config.key.is_some();
        let own = holds_secrets.then(|| path.to_owned());
        let secret = check.keys.into_iter().chain(own).collect::<Vec<_>>();
        Some((config, secret))
    };
    let ((config, secret), _) = yaml::load(path, &content, check)?;
    secret.iter().for_each(|path| warn_if_open(path));
    Ok((config, files))
}

fn checked(file: &File, check: &mut Check<'_>) -> WebConfig {
    let http2 = file.http_server_config.http2.unwrap_or(true);
    WebConfig {
        tls: tls::server_config(&file.tls_server_config, http2, check),
        http2,
        headers: headers(&file.http_server_config.headers, check),
        users: users(&file.basic_auth_users, check),
        rate_limit: rate_limit(&file.rate_limit),
    }
}

fn headers(pairs: &Pairs<String, Option<String>>, check: &mut Check<'_>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let block = Path::Root.key("http_server_config");
    let block = block.key("headers");
    for (name, value) in &pairs.0 {
        let at = block.key(name);
        let Some((known, values)) = HEADERS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) else {
            let known = HEADERS.map(|(known, _)| known).join(", ");
            let message = format!("this header cannot be set here; those that can are {known}");
            check.rules.problem_with_key(&at, message);
            continue;
        };
        // As in the toolkit, a blank value sets nothing.
        let Some(value) = value.as_deref().filter(|value| !value.is_empty()) else {
            continue;
        };
        if !values.is_empty() && !values.contains(&value) {
            let message = format!("this is not a value of it; choose {}", values.join(" or "));
            check.rules.problem(&at, message);
            continue;
        }
        match (HeaderName::try_from(*known), HeaderValue::try_from(value)) {
            (Ok(name), Ok(value)) => {
                headers.insert(name, value);
            }
            (Err(_), _) | (_, Err(_)) => {
                let message = "has a character that a header cannot carry; write it in visible ASCII";
                check.rules.problem(&at, message);
            }
        }
    }
    headers
}

fn users(pairs: &Pairs<String, Secret>, check: &mut Check<'_>) -> Users {
    let mut hashes = BTreeMap::new();
    for (user, hash) in &pairs.0 {
        match hash.expose().parse::<PasswordHash>() {
            Ok(hash) => {
                hashes.insert(user.clone(), hash);
            }
            Err(error) => check.problem("basic_auth_users", user, error.to_string()),
        }
    }
    Users::new(hashes)
}

fn rate_limit(rate: &Rate) -> Option<RateLimit> {
    let interval = rate.interval.0;
    // A bucket for no request at all would refuse every one.
    let burst = u32::try_from(rate.burst.get()).ok().and_then(NonZeroU32::new);
    let burst = burst.unwrap_or(NonZeroU32::MIN);
    (!interval.is_zero()).then_some(RateLimit { interval, burst })
}
