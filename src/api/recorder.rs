//! The last answer as it came, for a bug report: a transport that takes notes. What it notes holds nothing of a customer's, and no secret
//! although a server may send back what it was told.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::BoxFuture;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, DATE, HeaderName, HeaderValue, RETRY_AFTER, SERVER};
use reqwest::{Request, Response};

use super::client::API_KEY;
use super::error::Error;
use super::transport::Transport;
use super::wire::redact;

/// Sends through another transport and notes what comes back.
#[derive(Debug)]
pub struct Recorder {
    transport: Arc<dyn Transport>,
    recording: Recording,
}

/// Where the notes are.
#[derive(Debug, Clone, Default)]
pub struct Recording(Arc<Mutex<Notes>>);

#[derive(Debug, Default)]
struct Notes {
    last: Option<Recorded>,
    /// What the request was sent with, and marked as sensitive.
    api_key: Option<HeaderValue>,
}

/// An answer that may be shown to anybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// The status line, and a line for each header that tells something.
    pub head: String,
    /// The body with every text of a customer replaced; `None` where it was not read to its end.
    pub body: Option<String>,
}

impl Recorder {
    /// Notes in `recording` what comes back through `transport`.
    pub fn new(transport: Arc<dyn Transport>, recording: Recording) -> Self {
        Self { transport, recording }
    }
}

impl Transport for Recorder {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, Error>> {
        Box::pin(async {
            self.recording.lock().api_key = request.headers().get(API_KEY).cloned();
            let response = self.transport.send(request).await?;
            let mut notes = self.recording.lock();
            let head = notes.without_key(head(&response));
            notes.last = Some(Recorded { head, body: None });
            drop(notes);
            Ok(response)
        })
    }

    fn received(&self, body: &[u8]) {
        let redacted = redact(body);
        let mut notes = self.recording.lock();
        let redacted = notes.without_key(redacted);
        if let Some(recorded) = &mut notes.last {
            recorded.body = Some(redacted);
        }
    }
}

impl Notes {
    /// A key that is a number passes for one where one is documented. Nines in its place leave JSON what it is.
    fn without_key(&self, text: String) -> String {
        let key = self
            .api_key
            .as_ref()
            .and_then(|key| key.to_str().ok())
            .unwrap_or_default();
        let is_number = key.parse::<f64>().is_ok() && key.bytes().any(|byte| byte.is_ascii_digit());
        // A shorter one would be found in any text, and is no secret.
        match is_number && key.len() >= SHORTEST_KEY {
            true => text.replace(key, &"9".repeat(key.len())),
            false => text,
        }
    }
}

/// No key is shorter.
const SHORTEST_KEY: usize = 4;

impl Recording {
    /// The answer that came last, if one came.
    pub fn last(&self) -> Option<Recorded> {
        self.lock().last.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Notes> {
        // Each note is written as a whole, so they are sound even after a panic elsewhere.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn head(response: &Response) -> String {
    let mut head = format!("{:?} {}", response.version(), response.status());
    for name in [CONTENT_TYPE, CONTENT_ENCODING, DATE, RETRY_AFTER, SERVER] {
        for value in response.headers().get_all(&name) {
            let value = String::from_utf8_lossy(value.as_bytes());
            let shown = match is_harmless(&name, &value) {
                true => value.into_owned(),
                false => format!("<text of {} characters>", value.chars().count()),
            };
            // Writing to a text cannot fail.
            let _ = write!(head, "\n{name}: {shown}");
        }
    }
    head
}

/// Values that say something of the server and nothing else.
const MEDIA_TYPES: [&str; 8] = [
    "application/json",
    "application/problem+json",
    "application/octet-stream",
    "application/xml",
    "text/html",
    "text/json",
    "text/plain",
    "text/xml",
];
const CHARACTER_SETS: [&str; 6] = ["utf-8", "utf8", "iso-8859-1", "us-ascii", "gbk", "gb2312"];
const ENCODINGS: [&str; 7] = ["gzip", "x-gzip", "identity", "deflate", "br", "zstd", "compress"];
const SERVERS: [&str; 12] = [
    "nginx",
    "openresty",
    "tengine",
    "apache",
    "cloudflare",
    "envoy",
    "istio-envoy",
    "caddy",
    "haproxy",
    "squid",
    "awselb",
    "microsoft-iis",
];

/// Whether a header has a value that any server might send.
fn is_harmless(name: &HeaderName, value: &str) -> bool {
    let is_date = httpdate::parse_http_date(value).is_ok();
    let value = value.to_ascii_lowercase();
    if *name == CONTENT_TYPE {
        let mut parts = value.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default();
        MEDIA_TYPES.contains(&media)
            && parts.all(|part| {
                let charset = part.strip_prefix("charset=").map(|charset| charset.trim_matches('"'));
                charset.is_some_and(|charset| CHARACTER_SETS.contains(&charset))
            })
    } else if *name == CONTENT_ENCODING {
        value.split(',').all(|part| ENCODINGS.contains(&part.trim()))
    } else if *name == SERVER {
        let (product, version) = value.split_once('/').unwrap_or((&value, ""));
        let is_version = |of: char| of.is_ascii_digit() || of == '.';
        SERVERS.contains(&product) && version.len() <= 8 && version.chars().all(is_version)
    } else {
        let is_seconds = value.len() <= 6 && value.bytes().all(|byte| byte.is_ascii_digit());
        is_seconds || is_date
    }
}
