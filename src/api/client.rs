//! One signed exchange with the vendor.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use flate2::write::MultiGzDecoder;
use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER,
};
use reqwest::{Method, Response, StatusCode, Url};
use tokio::time::Instant;

use super::calls_query::CallsQuery;
use super::credentials::CredentialPair;
use super::error::{Error, Interruption};
use super::list_query::ListQuery;
use super::sign::sign;
use super::transport::Transport;
use super::wire::{self, CallsPage, FlowPage, ListPage};
use crate::model::{Balance, Endpoint, KeyId};
use exporter_toolkit::clock::{SharedClock, unix_seconds};

/// No answer needs more than this, after decompression; a larger one is not read to its end.
pub const MAX_BODY_BYTES: usize = 4 * 1024 * 1024;

pub(super) const API_KEY: HeaderName = HeaderName::from_static("api-key");
const SIGN: HeaderName = HeaderName::from_static("sign");
const TIMESTAMP: HeaderName = HeaderName::from_static("timestamp");

/// The client of one account.
#[derive(Debug)]
pub struct Client {
    transport: Arc<dyn Transport>,
    query_detail: Url,
    query_page: Url,
    group_call_query: Url,
    get_balance: Url,
    timeout: Duration,
    clock: SharedClock,
}

/// One request and how it ended.
#[derive(Debug)]
pub struct Exchange<T = FlowPage> {
    /// The decoded answer, or why there is none.
    pub result: Result<T, Error>,
    /// From before connecting to the last byte.
    pub elapsed: Duration,
    /// The vendor's clock minus ours in seconds, where an answer of the API carried a `Date` (RFC 9110, section 6.6.1; whole seconds).
    pub clock_skew_seconds: Option<f64>,
    /// How long the vendor asks to be left alone.
    pub retry_after: Option<RetryAfter>,
}

/// Reads an answer's body.
type Decode<T> = fn(&[u8]) -> Result<T, Error>;

/// What a request goes out with, whatever it asks for.
#[derive(Debug, Clone, Copy)]
pub struct CallOptions<'s> {
    /// Whose request it is.
    pub credentials: &'s CredentialPair,
    /// Added to our own clock for the signed timestamp, for a host whose clock is off.
    pub clock_offset: ClockOffset,
    /// Within this the answer must be complete, or within the account's request timeout if that is shorter.
    pub timeout: Duration,
}

/// The vendor asks to be left alone (`Retry-After`; RFC 9110, section 10.2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryAfter {
    /// The HTTP status that says so: 429 or 503.
    pub status: u16,
    /// For how long.
    pub wait: Duration,
}

impl Client {
    /// A client for the account at `base_url`; every answer must be complete within `timeout`.
    pub fn new(base_url: &Url, transport: Arc<dyn Transport>, timeout: Duration, clock: SharedClock) -> Self {
        Self {
            transport,
            query_detail: endpoint_url(base_url, Endpoint::QueryDetail),
            query_page: endpoint_url(base_url, Endpoint::QueryPage),
            group_call_query: endpoint_url(base_url, Endpoint::GroupCallQuery),
            get_balance: endpoint_url(base_url, Endpoint::GetBalance),
            timeout,
            clock,
        }
    }

    /// Within what every answer must be complete.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Asks for one flow, and for one page of its nodes where `page` says which (from 1, 100 nodes each).
    pub async fn query_detail(&self, key_id: KeyId, page: Option<u32>, options: CallOptions<'_>) -> Exchange {
        let body = match page {
            None => format!(r#"{{"keyId":{key_id}}}"#),
            Some(page) => format!(r#"{{"keyId":{key_id},"current":{page},"size":100}}"#),
        };
        self.call(&self.query_detail, Some(body), wire::decode, options).await
    }

    /// Asks for one page (from 1) of the list of flows.
    pub async fn query_page(&self, query: &ListQuery, page: u32, options: CallOptions<'_>) -> Exchange<ListPage> {
        let body = query.body(page);
        self.call(&self.query_page, Some(body), wire::decode_list, options)
            .await
    }

    /// Asks for one page (from 1) of the list of group calls.
    pub async fn group_calls(&self, query: CallsQuery, page: u32, options: CallOptions<'_>) -> Exchange<CallsPage> {
        let body = query.body(page);
        self.call(&self.group_call_query, Some(body), wire::decode_calls, options)
            .await
    }

    /// Asks what the account has.
    pub async fn get_balance(&self, options: CallOptions<'_>) -> Exchange<Balance> {
        self.call(&self.get_balance, None, wire::decode_balance, options).await
    }

    /// Sends a POST with this body, or a GET without one.
    async fn call<T>(
        &self,
        url: &Url,
        body: Option<String>,
        decode: Decode<T>,
        options: CallOptions<'_>,
    ) -> Exchange<T> {
        let whole = self.timeout;
        let timeout = options.timeout;
        let started = Instant::now();
        let mut told = Told::default();
        let exchange = self.exchange(url, body, decode, options, &mut told);
        let result = match tokio::time::timeout(timeout.min(whole), exchange).await {
            Ok(result) => result,
            Err(_) if timeout < whole => Err(Error::GivenUp(timeout)),
            Err(_) => Err(Error::Timeout),
        };
        Exchange {
            result,
            elapsed: started.elapsed(),
            clock_skew_seconds: told.clock_skew_seconds,
            retry_after: told.retry_after,
        }
    }

    async fn exchange<T>(
        &self,
        url: &Url,
        body: Option<String>,
        decode: Decode<T>,
        options: CallOptions<'_>,
        told: &mut Told,
    ) -> Result<T, Error> {
        let method = if body.is_some() { Method::POST } else { Method::GET };
        let mut request = reqwest::Request::new(method, url.clone());
        *request.headers_mut() = self.headers(options)?;
        *request.body_mut() = body.map(Into::into);
        let response = self.transport.send(request).await?;
        let now = self.clock.now();
        let server_time = http_date(&response, DATE);
        let status = response.status();
        if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            let wait = retry_after(&response, server_time.unwrap_or(now));
            told.retry_after = wait.map(|wait| RetryAfter {
                status: status.as_u16(),
                wait,
            });
        }
        let result = match status {
            StatusCode::OK => decode(&self.body(response).await?),
            _ if status.is_client_error() || status.is_server_error() => Err(self.refusal(response, decode).await),
            _ => Err(Error::HttpStatus(status.as_u16())),
        };
        // Only the API itself tells the API's time: a proxy in between has a clock of its own.
        if matches!(result, Ok(_) | Err(Error::Code(_) | Error::NoData)) {
            told.clock_skew_seconds = server_time.map(|time| unix_seconds(time) - unix_seconds(now));
        }
        result
    }

    /// What an answer with an HTTP status of 400 or above says. With an envelope of the API in it, it is the API's own.
    async fn refusal<T>(&self, response: Response, decode: Decode<T>) -> Error {
        let status = response.status().as_u16();
        match self.body(response).await.and_then(|body| decode(&body)) {
            Err(Error::Code(code)) => Error::Code(code),
            Ok(_) | Err(_) => Error::HttpStatus(status),
        }
    }

    async fn body(&self, response: Response) -> Result<Vec<u8>, Error> {
        let body = read_body(response).await?;
        self.transport.received(&body);
        Ok(body)
    }

    /// The headers of a signed request (vendor page, API guide).
    fn headers(&self, options: CallOptions<'_>) -> Result<HeaderMap, Error> {
        let CredentialPair { api_key, api_secret } = options.credentials;
        let timestamp = options.clock_offset.apply(self.clock.now());
        let signature = sign(api_key.expose(), api_secret.expose(), timestamp);
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json;charset=UTF-8"));
        headers.insert(API_KEY, secret_value(api_key.expose())?);
        headers.insert(SIGN, secret_value(&signature)?);
        headers.insert(TIMESTAMP, HeaderValue::from(timestamp));
        Ok(headers)
    }
}

/// What an answer told beside its body.
#[derive(Default)]
struct Told {
    clock_skew_seconds: Option<f64>,
    retry_after: Option<RetryAfter>,
}

async fn read_body(mut response: Response) -> Result<Vec<u8>, Error> {
    // A length announced is not a length sent, so it only serves to refuse early; what counts is what arrives.
    let announced = response.content_length();
    if announced.is_some_and(|length| length > MAX_BODY_BYTES as u64) {
        return Err(Error::TooLarge(MAX_BODY_BYTES));
    }
    let encoding = response.headers().get(CONTENT_ENCODING);
    let is_gzip = encoding.is_some_and(|encoding| matches!(encoding.as_bytes(), b"gzip" | b"x-gzip"));
    let mut body = if is_gzip {
        Body::Gzip(Box::new(MultiGzDecoder::new(Limited::default())))
    } else {
        Body::Plain(Limited::default())
    };
    loop {
        let chunk = response.chunk().await;
        match chunk.map_err(|error| Error::from_transport(error, Interruption::Truncated))? {
            None => return body.end().map_err(unreadable),
            Some(chunk) => body.take(&chunk).map_err(unreadable)?,
        }
    }
}

/// A body as it arrives, so that nothing is waited for once it is too much.
enum Body {
    Plain(Limited),
    /// In one member or several: a proxy that joins what it has cached sends several (RFC 1952, section 2.2).
    Gzip(Box<MultiGzDecoder<Limited>>),
}

impl Body {
    fn take(&mut self, chunk: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(body) => body.write_all(chunk),
            Self::Gzip(decoder) => {
                decoder.write_all(chunk)?;
                decoder.flush()
            }
        }
    }

    fn end(self) -> io::Result<Vec<u8>> {
        match self {
            Self::Plain(body) => Ok(body.0),
            Self::Gzip(decoder) => Ok(decoder.finish()?.0),
        }
    }
}

/// Takes what an answer may have, and no more.
#[derive(Default)]
struct Limited(Vec<u8>);

impl Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_BODY_BYTES {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn unreadable(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::FileTooLarge => Error::TooLarge(MAX_BODY_BYTES),
        _ => Error::Other(Interruption::Truncated, error.to_string()),
    }
}

/// Seconds to add to our own clock so that the vendor accepts our timestamps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClockOffset(i64);

impl ClockOffset {
    /// An offset of so many whole seconds.
    pub fn from_seconds(seconds: i64) -> Self {
        Self(seconds)
    }

    /// The offset in seconds.
    pub fn seconds(self) -> i64 {
        self.0
    }

    fn apply(self, now: SystemTime) -> u64 {
        let seconds = now
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        seconds.saturating_add_signed(self.0)
    }
}

/// The API's paths hang off the base URL, whether or not that ends with a slash.
fn endpoint_url(base_url: &Url, endpoint: Endpoint) -> Url {
    let mut url = base_url.clone();
    url.set_path(&format!(
        "{}/{}",
        base_url.path().trim_end_matches('/'),
        endpoint.path()
    ));
    url
}

fn secret_value(text: &str) -> Result<HeaderValue, Error> {
    // The reader of the secret lets no such key through, so this is for the type's sake.
    let mut value = HeaderValue::from_str(text).map_err(|_| {
        Error::Other(
            Interruption::Reset,
            "the API key holds characters that no header can carry".to_owned(),
        )
    })?;
    value.set_sensitive(true);
    Ok(value)
}

fn http_date(response: &Response, name: HeaderName) -> Option<SystemTime> {
    httpdate::parse_http_date(response.headers().get(name)?.to_str().ok()?).ok()
}

/// `Retry-After` in both its forms (RFC 9110, section 10.2.3): seconds, or a date, which the server means by its own clock.
fn retry_after(response: &Response, server_now: SystemTime) -> Option<Duration> {
    let value = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(server_now).unwrap_or_default())
}
