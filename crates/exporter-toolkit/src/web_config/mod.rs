//! `--web.config.file`: TLS, client certificates, passwords, headers and a rate limit, in the schema of the ecosystem's exporter-toolkit.
//!
//! `schema` is the file as written, `tls` with `names` and `client_cert` makes it what the TLS library is told, `users` checks the password
//! hashes; [`LiveWebConfig`] picks changes up.

mod check;
mod client_cert;
mod go_duration;
mod live;
mod names;
mod schema;
mod tls;
mod users;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use rustls::ServerConfig;

use self::check::{Check, Seen};
pub use self::live::{Current, LiveWebConfig};
use self::schema::{File, Http, Pairs, Rate, given};
pub use self::users::ORDINARY_COST;
pub use self::users::{NotAHash, PasswordHash, Users};
use crate::tmp::{LoadError, Position, Problem, key_in_path, warn_of_open_file};

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
pub fn load(path: &Path) -> Result<WebConfig, LoadError> {
    load_and_see(path).map(|(config, _)| config)
}

fn load_and_see(path: &Path) -> Result<(WebConfig, Vec<Seen>), LoadError> {
    let one = |problem| LoadError::new(path, vec![problem]);
    let content = check::read(path).map_err(|error| {
        let message = format!("cannot be read: {error}; name a readable file with --web.config.file");
        one(Problem::new(None, "", message))
    })?;
    let text =
        std::str::from_utf8(&content.bytes).map_err(|_| one(Problem::new(None, "", "this is not UTF-8 text")))?;
    let file = parse(text).map_err(one)?;
    let mut check = Check::new(path);
    let config = checked(&file, &mut check);
    if !check.problems.is_empty() {
        return Err(LoadError::new(path, check.problems));
    }
    let mut seen = check.seen;
    seen.push((path.to_owned(), content.identity));
    let holds_secrets = !config.users.is_empty() || file.tls_server_config.is_some_and(|tls| given(&tls.key).is_some());
    let own = (content.open_to_all && holds_secrets).then(|| path.to_owned());
    for path in check.open_to_all.iter().chain(&own) {
        warn_of_open_file(path);
    }
    Ok((config, seen))
}

fn parse(text: &str) -> Result<File, Problem> {
    let no_content = text
        .lines()
        .map(str::trim)
        .all(|line| line.is_empty() || line.starts_with('#'));
    if no_content {
        return Ok(File::default());
    }
    match serde_yaml::from_str::<Option<File>>(text) {
        Ok(file) => Ok(file.unwrap_or_default()),
        Err(error) => {
            // The library's own words are left out: they name what was found, and that may be a password or a key.
            let position = error.location().map(|place| Position {
                line: place.line(),
                column: place.column(),
            });
            let message = "this does not fit the web-config schema; check the key's name, the space after each colon, and what belongs here \
                           (docs/web-config.md)";
            Err(Problem::new(position, "", message))
        }
    }
}

fn checked(file: &File, check: &mut Check<'_>) -> WebConfig {
    let http = file.http_server_config.as_ref();
    let http2 = http.and_then(|http| http.http2).unwrap_or(true);
    let tls = file.tls_server_config.as_ref();
    WebConfig {
        tls: tls.and_then(|tls| tls::server_config(tls, http2, check)),
        http2,
        headers: http.map_or_else(HeaderMap::new, |http| headers(http, check)),
        users: file
            .basic_auth_users
            .as_ref()
            .map_or_else(Users::default, |pairs| users(pairs, check)),
        rate_limit: file.rate_limit.as_ref().and_then(|rate| rate_limit(rate, check)),
    }
}

fn headers(http: &Http, check: &mut Check<'_>) -> HeaderMap {
    const AT: &str = "http_server_config";
    let mut headers = HeaderMap::new();
    let empty = Pairs(Vec::new());
    for (name, value) in &http.headers.as_ref().unwrap_or(&empty).0 {
        let at = format!("headers.{}", key_in_path(name));
        let Some((known, values)) = HEADERS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) else {
            let known = HEADERS.map(|(known, _)| known).join(", ");
            check.problem(
                AT,
                &at,
                format!("this header cannot be set here; those that can are {known}"),
            );
            continue;
        };
        // As in the toolkit, a blank value sets nothing.
        if value.is_empty() {
            continue;
        }
        if !values.is_empty() && !values.contains(&&**value) {
            check.problem(
                AT,
                &at,
                format!("{value:?} is not a value of it; choose {}", values.join(" or ")),
            );
            continue;
        }
        match (HeaderName::try_from(*known), HeaderValue::try_from(value)) {
            (Ok(name), Ok(value)) => {
                headers.insert(name, value);
            }
            (Err(_), _) | (_, Err(_)) => check.problem(AT, &at, "has a character that a header cannot carry"),
        }
    }
    headers
}

fn users(pairs: &Pairs, check: &mut Check<'_>) -> Users {
    let mut hashes = BTreeMap::new();
    for (user, hash) in &pairs.0 {
        match hash.parse::<PasswordHash>() {
            Ok(hash) => {
                hashes.insert(user.clone(), hash);
            }
            Err(error) => check.problem("basic_auth_users", &key_in_path(user), error.to_string()),
        }
    }
    Users::new(hashes)
}

fn rate_limit(rate: &Rate, check: &mut Check<'_>) -> Option<RateLimit> {
    let interval = match given(&rate.interval) {
        None => Duration::ZERO,
        Some(text) => match go_duration::parse(text) {
            Some(interval) => interval,
            None => {
                let message = format!("{text:?} is not a duration; write it like 1s, 250ms or 1m30s");
                check.problem("rate_limit", "interval", message);
                return None;
            }
        },
    };
    // A bucket for no request at all would refuse every one.
    let burst = NonZeroU32::new(rate.burst.unwrap_or_default()).unwrap_or(NonZeroU32::MIN);
    (!interval.is_zero()).then_some(RateLimit { interval, burst })
}

#[cfg(test)]
mod tests;
