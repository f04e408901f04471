//! Where things are: the exporter as people reach it, its pages, Grafana.

use std::fmt::Write as _;

use url::Url;

/// Where people reach this exporter: as it was said, else by the host's name and this port. It ends in a slash, so that a path can follow.
pub fn external_url(given: Option<&Url>, port: u16, tls: bool) -> String {
    let url = given.map_or_else(
        || {
            let scheme = if tls { "https" } else { "http" };
            format!("{scheme}://{}:{port}/", own_name())
        },
        Url::to_string,
    );
    format!("{}/", url.trim_end_matches('/'))
}

/// This host's name, as it says itself.
pub fn own_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// A flow's page, relative to the root.
pub(super) fn flow(account: &str, key_id: impl std::fmt::Display) -> String {
    format!("flows/{}/{key_id}", encoded(account))
}

/// The flows that a filter leaves, relative to the root.
pub(super) fn filter(words: &str) -> String {
    format!("?filter={}", encoded(words))
}

/// Text as one segment of a path or as a value in a query (RFC 3986, section 2).
pub(super) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(byte.into());
        } else {
            // Writing to a String cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// Grafana with the dashboards of `grafana/dashboards`.
#[derive(Debug, Clone)]
pub struct Grafana(String);

impl Grafana {
    /// Grafana at this address.
    pub fn new(url: &Url) -> Self {
        Self(url.as_str().trim_end_matches('/').to_owned())
    }

    /// The dashboard of all flows.
    pub(super) fn overview(&self) -> String {
        format!("{}/d/laaffic-redial-overview", self.0)
    }

    /// The dashboard of one flow.
    pub(super) fn flow(&self, account: &str, key_id: impl std::fmt::Display) -> String {
        let account = encoded(account);
        format!(
            "{}/d/laaffic-redial-flow?var-account={account}&var-key_id={key_id}",
            self.0
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_external_url_ends_in_one_slash() {
        for (given, shown) in [
            ("https://x.example", "https://x.example/"),
            ("https://x.example/a", "https://x.example/a/"),
            ("https://x.example/a/", "https://x.example/a/"),
        ] {
            assert_eq!(external_url(Some(&given.parse().unwrap()), 1, false), shown);
        }
        let own = external_url(None, 10871, true);
        assert!(own.starts_with("https://") && own.ends_with(":10871/"), "{own}");
        assert!(external_url(None, 80, false).parse::<Url>().is_ok());
    }

    #[test]
    fn names_become_one_segment() {
        assert_eq!(flow("a/b c+ü", 7), "flows/a%2Fb%20c%2B%C3%BC/7");
        let grafana = Grafana::new(&"https://g.example/grafana/".parse().unwrap());
        assert_eq!(
            grafana.flow("a&b", 7),
            "https://g.example/grafana/d/laaffic-redial-flow?var-account=a%26b&var-key_id=7"
        );
    }
}
