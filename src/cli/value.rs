//! Values of flags. What is wrong with one is said as the rest of a sentence that begins with the flag and the value.

use std::num::{IntErrorKind, ParseIntError};
use std::str::FromStr;
use std::time::Duration;

use exporter_toolkit::server::{HostPattern, ListenAddress};
use url::Url;

use crate::config::parse_duration;
use crate::model::KeyId;
use crate::rules::{NoWord, Word};

/// On or off; `true` is also what a flag without a value means.
pub(super) fn switch(text: &str) -> Result<bool, &'static str> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" => Ok(true),
        "0" | "false" | "no" => Ok(false),
        _ => Err("must be true or false, yes or no, 1 or 0"),
    }
}

/// A number from 0 on.
pub(super) fn whole_number<N: FromStr<Err = ParseIntError>>(text: &str) -> Result<N, &'static str> {
    text.parse().map_err(|error: ParseIntError| match error.kind() {
        IntErrorKind::PosOverflow => "must be a smaller whole number",
        _ => "must be a whole number, 0 or more",
    })
}

/// Where to listen.
pub(super) fn address(text: &str) -> Result<ListenAddress, &'static str> {
    let refusal = "is not an address to listen on; write it like :10871, 127.0.0.1:10871 or [::1]:10871";
    text.parse().map_err(|_| refusal)
}

/// A name that pages may be asked for by.
pub(super) fn host(text: &str) -> Result<HostPattern, &'static str> {
    text.parse()
}

/// The number of a flow.
pub(super) fn key_id(text: &str) -> Result<KeyId, &'static str> {
    text.parse()
        .map_err(|_| "must be a whole number, 1 or more, in digits alone: the flow's keyId")
}

/// A time that something can happen in.
pub(super) fn waiting_time(text: &str) -> Result<Duration, String> {
    match parse_duration(text).map_err(|error| error.to_string())? {
        Duration::ZERO => Err("must be longer than 0s".to_owned()),
        time => Ok(time),
    }
}

/// A time after which an alert begins. PromQL's comparisons are made in seconds, whole ones here.
pub(super) fn threshold(text: &str) -> Result<Duration, String> {
    let time = waiting_time(text)?;
    match time.subsec_nanos() {
        0 => Ok(time),
        _ => Err("must be whole seconds".to_owned()),
    }
}

/// A word that can stand in a rule file as it is.
pub(super) fn word(text: &str) -> Result<Word, String> {
    text.parse().map_err(|error: NoWord| error.to_string())
}

/// Where a link can begin.
pub(super) fn url(text: &str) -> Result<Url, &'static str> {
    let complete = |url: &Url| {
        let alone = url.username().is_empty() && url.password().is_none();
        matches!(url.scheme(), "http" | "https") && alone && url.query().is_none() && url.fragment().is_none()
    };
    let url = Url::parse(text).ok().filter(complete);
    url.ok_or("must be a URL like https://grafana.example.org/path, without user, password, ? and #")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_switch_takes_the_usual_words() {
        for (text, value) in [
            ("1", Ok(true)),
            ("true", Ok(true)),
            ("YES", Ok(true)),
            ("0", Ok(false)),
            ("False", Ok(false)),
            ("no", Ok(false)),
        ] {
            assert_eq!(switch(text), value, "{text}");
        }
        for text in ["", "2", "on", "maybe", " true"] {
            assert!(switch(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_number_is_refused_in_words_for_people() {
        assert_eq!(whole_number("18446744073709551615"), Ok(u64::MAX));
        for text in ["", "-1", "1.5", "ten", "0x10", "١"] {
            assert_eq!(
                whole_number::<u64>(text),
                Err("must be a whole number, 0 or more"),
                "{text}"
            );
        }
        assert!(whole_number::<u64>("18446744073709551616").is_err_and(|words| words.contains("smaller")));
        assert!(key_id("12").is_ok() && key_id("0").is_err() && key_id("-1").is_err() && key_id("x").is_err());
        assert!(key_id("012").is_err() && key_id("+12").is_err() && key_id(" 12").is_err());
    }

    #[test]
    fn a_waiting_time_is_a_duration_but_not_none() {
        assert_eq!(waiting_time("1m30s"), Ok(Duration::from_secs(90)));
        assert!(waiting_time("0").is_err_and(|words| words.contains("longer")));
        assert!(waiting_time("90").is_err_and(|words| words.contains("write it like 30s")));
        assert_eq!(threshold("5m"), Ok(Duration::from_secs(300)));
        assert!(threshold("1500ms").is_err() && threshold("0s").is_err());
    }

    #[test]
    fn a_url_can_be_the_beginning_of_a_link() {
        for text in [
            "http://localhost:3000",
            "https://example.org/grafana/",
            "http://[::1]:1/a",
        ] {
            assert!(url(text).is_ok(), "{text}");
        }
        for text in [
            "",
            "localhost:3000",
            "grafana",
            "/grafana",
            "ftp://example.org",
            "https://",
            "https://al:hunter2@example.org",
            "https://al@example.org",
            "https://example.org/?a=b",
            "https://example.org/#a",
        ] {
            assert!(url(text).is_err(), "{text}");
        }
    }
}
