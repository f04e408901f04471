//! Why a request did not end in a readable answer with code 0.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use crate::model::{ApiCode, FailureReason, Outcome};

/// One request's failure. A kind per thing that a caller may do differently; messages carry no secret and no part of a body.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The vendor answered, with a code other than 0.
    #[error("the API answered code {code} ({reason})", code = .0, reason = .0.reason())]
    Code(ApiCode),
    /// No complete answer in time.
    #[error("no complete answer in time")]
    Timeout,
    /// No connection: refused, unreachable, name not found.
    #[error("no connection: {0}")]
    Connect(String),
    /// TLS failed: handshake, version, certificate.
    #[error("TLS failed: {0}")]
    Tls(String),
    /// An HTTP status other than 200, redirects included: signed headers do not travel to another host.
    #[error("HTTP status {0}")]
    HttpStatus(u16),
    /// Code 0, and no data.
    #[error("the API answered code 0 without data")]
    NoData,
    /// The answer names another flow than the one that was asked for.
    #[error("the answer is about flow {0}")]
    OtherFlow(i64),
    /// It was not sent: our own limits left no room for it in time.
    #[error("not sent: rate_limit and max_concurrent_requests left no room for it in time")]
    NotSent,
    /// It was given up before its time was over: the poll's own was.
    #[error("given up after {0:?}, when the poll's own time was over")]
    GivenUp(Duration),
    /// The body is not the documented JSON.
    #[error("not the documented answer: {0}")]
    Decode(String),
    /// The body is larger than the limit, after decompression.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
    /// The exchange was broken off after the connection stood.
    #[error("{what}: {cause}", what = .0.label(), cause = .1)]
    Other(Interruption, String),
}

/// How an exchange was broken off: all are outcome `other`, each has its own word in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interruption {
    /// The connection was reset, or ended before or within the answer's head.
    Reset,
    /// The answer's body ended too early, or could not be decompressed.
    Truncated,
}

impl Interruption {
    /// The word for logs.
    pub fn label(self) -> &'static str {
        match self {
            Self::Reset => "connection reset",
            Self::Truncated => "answer cut off",
        }
    }
}

impl Error {
    /// The `outcome` label.
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Code(_) => Outcome::ApiError,
            Self::Timeout => Outcome::Timeout,
            Self::Connect(_) => Outcome::Connect,
            Self::Tls(_) => Outcome::Tls,
            Self::HttpStatus(_) => Outcome::HttpStatus,
            Self::Decode(_) | Self::NoData => Outcome::Decode,
            Self::TooLarge(_) => Outcome::TooLarge,
            // It ended well; it is the poll that does not.
            Self::OtherFlow(_) => Outcome::Success,
            Self::Other(..) | Self::NotSent | Self::GivenUp(_) => Outcome::Other,
        }
    }

    /// The reason that a poll ending in this error failed for.
    pub fn reason(&self) -> FailureReason {
        match self {
            Self::Code(code) => FailureReason::Api(*code),
            Self::OtherFlow(_) => FailureReason::OtherFlow,
            Self::NoData => FailureReason::NoData,
            Self::HttpStatus(status) => FailureReason::HttpStatus(*status),
            other => FailureReason::Transport(other.outcome()),
        }
    }

    /// Whether the same request may succeed in a moment: the network's and the server's passing troubles, and code -18.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Code(code) => *code == ApiCode::SYSTEM_EXCEPTION,
            Self::HttpStatus(status) => *status == 429 || *status >= 500,
            Self::Timeout | Self::Connect(_) | Self::Other(..) => true,
            Self::Tls(_)
            | Self::Decode(_)
            | Self::TooLarge(_)
            | Self::NoData
            | Self::OtherFlow(_)
            | Self::NotSent
            | Self::GivenUp(_) => false,
        }
    }

    /// Whether the vendor refuses what was asked for, rather than us or for now: asking the same again will not help.
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Code(code) => {
                let passing = [ApiCode::SYSTEM_EXCEPTION, ApiCode::TIMESTAMP_EXPIRED];
                !code.refuses_us() && !passing.contains(code)
            }
            Self::HttpStatus(status) => !matches!(status, 429 | 503),
            Self::Decode(_) | Self::NoData | Self::TooLarge(_) => true,
            _ => false,
        }
    }

    /// Sorts a failure of the HTTP library; `broken_off` is what a failure on a standing connection means at this point.
    pub fn from_transport(error: reqwest::Error, broken_off: Interruption) -> Self {
        // The URL adds nothing that the account's name does not say.
        let error = error.without_url();
        if error.is_timeout() {
            Self::Timeout
        } else if let Some(words) = tls_failure(&error) {
            Self::Tls(words)
        } else if error.is_connect() {
            Self::Connect(root_cause(&error))
        } else if has_io_kind(&error, io::ErrorKind::ConnectionReset) {
            Self::Other(Interruption::Reset, root_cause(&error))
        } else {
            Self::Other(broken_off, root_cause(&error))
        }
    }
}

/// The TLS failure that this error is, in words.
fn tls_failure(error: &reqwest::Error) -> Option<String> {
    if let Some(tls) = causes(error).find_map(|cause| cause.downcast_ref::<rustls::Error>()) {
        return Some(tls.to_string());
    }
    // A peer that ends or resets the connection in the handshake leaves a bare I/O error as what connecting failed with. Whatever fails
    // before the handshake has a type of its own round it: the connector's, the tunnel's, that of SOCKS.
    let in_handshake = error.is_connect() && causes(error).nth(2).is_some_and(|cause| cause.is::<io::Error>());
    // HTTP/2 passes on the kind and the words of an I/O error only. Before the answer's head it is TLS alone that finds data invalid.
    let refused_late = error.is_request() && has_io_kind(error, io::ErrorKind::InvalidData);
    (in_handshake || refused_late).then(|| root_cause(error))
}

fn has_io_kind(error: &reqwest::Error, kind: io::ErrorKind) -> bool {
    causes(error).any(|cause| cause.downcast_ref::<io::Error>().is_some_and(|io| io.kind() == kind))
}

/// The innermost cause in words: what the operating system or the protocol said.
pub(super) fn root_cause(error: &(dyn StdError + 'static)) -> String {
    causes(error).last().map(ToString::to_string).unwrap_or_default()
}

/// The error and its causes, outermost first.
fn causes<'e>(error: &'e (dyn StdError + 'static)) -> impl Iterator<Item = &'e (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| cause(*error))
}

/// The next cause. An `io::Error` hides the error that it wraps from `source()`, which goes on with that error's own cause.
fn cause<'e>(error: &'e (dyn StdError + 'static)) -> Option<&'e (dyn StdError + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}
