//! What a failure means and what to do about it. The table in `docs/metrics.md` has the same words, and a test compares them.

use crate::model::{ApiCode, FailureReason, Outcome};

/// A failure for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Explanation {
    /// What has happened.
    pub meaning: &'static str,
    /// What to do first.
    pub cure: &'static str,
}

/// Explains why a flow cannot be fetched. The meanings of codes are the vendor's (vendor page, status codes).
pub fn explain(reason: FailureReason) -> Explanation {
    let (meaning, cure) = match reason {
        FailureReason::Blocked { .. } => (
            "not asked: the vendor refuses this account, so it is asked only once a minute",
            "cure the account's own last error; asking resumes by itself within about a minute",
        ),
        FailureReason::OtherFlow => (
            "the answer is about another flow",
            "look for a cache between here and the vendor that takes one request for another; call the vendor if there is none",
        ),
        FailureReason::NoData => (
            "the vendor reports success but sends no data: it knows no such flow any more",
            "remove the flow if it was deleted, or correct key_id",
        ),
        FailureReason::Api(code) => explain_code(code),
        FailureReason::Transport(outcome) => explain_outcome(outcome),
        FailureReason::HttpStatus(status) => ("an HTTP status other than 200", cure_of_status(status)),
    };
    Explanation { meaning, cure }
}

/// Stands for whichever HTTP status it was, where the number is not known.
pub const ANY_HTTP_STATUS: u16 = 0;

/// Every failure that has words of its own; of the codes that the vendor does not document one stands for all, of the HTTP statuses
/// [`ANY_HTTP_STATUS`].
pub fn every_reason() -> impl Iterator<Item = FailureReason> {
    let codes = ApiCode::DOCUMENTED.into_iter().chain([ApiCode(-99)]);
    let outcomes = Outcome::ALL.into_iter();
    let elsewhere = [Outcome::Success, Outcome::ApiError, Outcome::HttpStatus];
    let failures = outcomes.filter(move |outcome| !elsewhere.contains(outcome));
    codes
        .map(FailureReason::Api)
        .chain(failures.map(FailureReason::Transport))
        .chain([FailureReason::HttpStatus(ANY_HTTP_STATUS)])
        .chain([
            FailureReason::OtherFlow,
            FailureReason::NoData,
            FailureReason::Blocked { tried: true },
        ])
}

fn explain_code(code: ApiCode) -> (&'static str, &'static str) {
    match code {
        ApiCode::AUTHENTICATION_ERROR => (
            "authentication error: the vendor does not accept key and secret",
            "correct api_key and api_secret",
        ),
        ApiCode::RESTRICTED_IP_ACCESS => (
            "restricted IP access: this host's public address is not on the vendor's allow list",
            "have the vendor allow this host's public address",
        ),
        ApiCode::TIMESTAMP_EXPIRED => (
            "timestamp expired: the vendor's clock and this host's differ",
            "repair time synchronisation (NTP) on this host; if it stays, the vendor's answers carry no usable Date",
        ),
        ApiCode::SYSTEM_EXCEPTION => (
            "system exception: trouble on the vendor's side",
            "wait; call the vendor if it lasts",
        ),
        ApiCode::PARAMETER_EXCEPTION => (
            "parameter exception: the vendor does not know this key_id",
            "correct key_id, or remove the flow if it was deleted",
        ),
        _ => (
            "a code that the vendor does not document for this call; laaffic_api_errors_total has its number",
            "look the code up in the vendor's documents, or ask the vendor",
        ),
    }
}

fn explain_outcome(outcome: Outcome) -> (&'static str, &'static str) {
    match outcome {
        Outcome::Timeout => (
            "no complete answer in time",
            "look at the API's latency; raise request_timeout or call the vendor",
        ),
        Outcome::Connect => ("no connection", "check base_url, DNS, firewall and proxy"),
        Outcome::Tls => ("TLS failed", "check base_url, tls_config and this host's clock"),
        Outcome::Decode => (
            "the answer is not the documented JSON",
            "check base_url; look for a proxy or a login page in between",
        ),
        Outcome::TooLarge => ("the answer is larger than 4 MiB", "check base_url; call the vendor"),
        Outcome::Other | Outcome::HttpStatus | Outcome::Success | Outcome::ApiError => (
            "the exchange was broken off, or a bug of the exporter",
            "nothing if it is rare; otherwise look at the network and proxies, and into the log",
        ),
    }
}

/// What to do about an HTTP status; the vendor itself answers with 200 and a code, so most others come from something in between.
fn cure_of_status(status: u16) -> &'static str {
    match status {
        ANY_HTTP_STATUS => {
            "the flow's page has the number; 401 and 403: look at the proxy or firewall in between; 429: lower rate_limit; 5xx: wait; any other: check base_url"
        }
        401 | 403 | 407 => "look at the proxy or firewall in between: the vendor itself refuses with a code",
        429 => "lower rate_limit",
        500.. => "wait; call the vendor if it lasts",
        _ => "check base_url",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_reason_has_words_of_its_own() {
        let reasons: Vec<_> = every_reason().collect();
        let meanings: HashSet<_> = reasons.iter().map(|reason| explain(*reason).meaning).collect();
        assert_eq!(meanings.len(), reasons.len());
    }

    #[test]
    fn the_cure_of_an_http_status_is_chosen_by_its_number() {
        for (statuses, cure) in [
            (&[301, 302, 400, 404, 405][..], "check base_url"),
            (&[401, 403], "look at the proxy or firewall in between"),
            (&[429], "lower rate_limit"),
            (&[500, 502, 503], "wait; call the vendor if it lasts"),
        ] {
            for status in statuses {
                let said = explain(FailureReason::HttpStatus(*status)).cure;
                assert!(said.starts_with(cure), "{status}: {said}");
            }
        }
    }
}
