//! What a failure means and what to do about it, in words: one place for the status page, `query` and `check`.

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
        FailureReason::Blocked => (
            "not asked: the vendor refuses this account, so it is asked only once a minute",
            "see the account's own trouble",
        ),
        FailureReason::Api(code) => explain_code(code),
        FailureReason::Transport(outcome) => explain_outcome(outcome),
    };
    Explanation { meaning, cure }
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
            "repair time synchronisation (NTP) on this host",
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
            "a code that the vendor does not document for this call",
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
        Outcome::HttpStatus => (
            "an HTTP status other than 200",
            "check base_url; wait if it is 5xx; ask less if it is 429",
        ),
        Outcome::Decode => (
            "the answer is not the documented JSON",
            "check base_url; look for a proxy or a login page in between",
        ),
        Outcome::TooLarge => ("the answer is larger than 4 MiB", "check base_url; call the vendor"),
        Outcome::Other | Outcome::Success | Outcome::ApiError => (
            "the exchange was broken off",
            "nothing if it is rare; otherwise look at the network and proxies",
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_reason_has_words_of_its_own() {
        let codes = ApiCode::DOCUMENTED
            .into_iter()
            .chain([ApiCode(-99)])
            .map(FailureReason::Api);
        let outcomes = Outcome::ALL
            .into_iter()
            .filter(|outcome| !matches!(outcome, Outcome::Success | Outcome::ApiError));
        let reasons: Vec<_> = codes
            .chain(outcomes.map(FailureReason::Transport))
            .chain([FailureReason::Blocked])
            .collect();
        let meanings: HashSet<_> = reasons.iter().map(|reason| explain(*reason).meaning).collect();
        assert_eq!(meanings.len(), reasons.len());
    }
}
