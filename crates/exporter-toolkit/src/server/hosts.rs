//! The names by which a server may be asked for its pages.
//!
//! A page of somebody else's can make a browser take its name for our address (DNS rebinding), and would then read what we show as if it
//! were its own. The name is still in what the browser sends. Addresses and `localhost` are nobody's to give away.

use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use axum::http::header::{HOST, ORIGIN};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Version};
use url::Url;

/// What `Host` says (RFC 9110, section 7.2): a name or an address, and perhaps a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Host(Authority);

impl Host {
    /// The one of a request; `None` where HTTP/1.0 or HTTP/2 has none.
    ///
    /// # Errors
    /// In one sentence, where HTTP/1.1 has none (RFC 9112, section 3.2), or there are several, or what it says is none.
    pub(super) fn of(request: &Parts) -> Result<Option<Self>, &'static str> {
        let mut hosts = request.headers.get_all(HOST).iter();
        let (header, another) = (hosts.next(), hosts.next());
        if another.is_some() {
            return Err("The request has more than one Host header.\n");
        }
        if header.is_none() && request.version == Version::HTTP_11 {
            return Err("The request has no Host header.\n");
        }
        let in_header = header.map(Self::in_header).transpose()?;
        // What HTTP/2 says in `:authority` counts, as what is in a whole URL does in HTTP/1.1.
        Ok(request.uri.authority().cloned().map(Self).or(in_header))
    }

    fn in_header(value: &HeaderValue) -> Result<Self, &'static str> {
        let authority: Option<Authority> = value.to_str().ok().and_then(|value| value.parse().ok());
        let host = authority.filter(|authority| {
            // Without a user, and with a port that is one.
            let port = authority.as_str().strip_prefix(authority.host());
            port.is_some_and(|port| matches!(port, "" | ":") || authority.port_u16().is_some())
        });
        host.map(Self).ok_or("The Host header of the request names no host.\n")
    }

    /// The one of a page that made a browser send this: what `Origin` says, such as `https://exporter.example.org:10871` (RFC 6454,
    /// section 7). `None` where it says nothing or hides it.
    pub(super) fn of_origin(headers: &HeaderMap) -> Option<Self> {
        let (_, authority) = headers.get(ORIGIN)?.to_str().ok()?.split_once("://")?;
        authority.parse().ok().map(Self)
    }

    /// The name or address without the port, in small letters and without the dot that may end a name.
    pub(super) fn name(&self) -> String {
        plain(self.0.host())
    }
}

fn plain(name: &str) -> String {
    let unbracketed = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let name = unbracketed.unwrap_or(name);
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

/// Names of hosts: `exporter.example.org`, `.example.org` for it and all below it, or `*` for any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPattern(Kind);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Any,
    Name(String),
    Below(String),
}

impl HostPattern {
    /// This name and no other.
    pub fn name(name: &str) -> Self {
        Self(Kind::Name(plain(name)))
    }

    fn fits(&self, name: &str) -> bool {
        match &self.0 {
            Kind::Any => true,
            Kind::Name(allowed) => name == allowed,
            Kind::Below(domain) => {
                let below = name
                    .strip_suffix(domain.as_str())
                    .and_then(|rest| rest.strip_suffix('.'));
                name == domain || below.is_some_and(|below| !below.is_empty())
            }
        }
    }
}

impl FromStr for HostPattern {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        if text == "*" {
            return Ok(Self(Kind::Any));
        }
        let is_name = |name: &str| {
            let name = name.strip_suffix('.').unwrap_or(name);
            let byte = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
            name.split('.')
                .all(|label| !label.is_empty() && label.bytes().all(byte))
        };
        match text.strip_prefix('.') {
            Some(domain) if is_name(domain) => Ok(Self(Kind::Below(plain(domain)))),
            None if is_name(text) || plain(text).parse::<Ipv6Addr>().is_ok() => Ok(Self::name(text)),
            _ => Err(
                "must be a host's name like exporter.example.org, .example.org for all below it too, or * for any; without scheme and port",
            ),
        }
    }
}

/// The names by which pages may be asked for. Addresses and `localhost` always are among them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowedHosts {
    names: Vec<HostPattern>,
    /// Where our own pages are, as browsers see it.
    origin: Option<Host>,
}

impl AllowedHosts {
    /// These names, and that of the URL at which people reach the server, if it is known.
    pub fn new(names: impl IntoIterator<Item = HostPattern>, url: Option<&Url>) -> Self {
        let origin: Option<Authority> = url.and_then(|url| url.authority().parse().ok());
        let origin = origin.map(Host);
        let of_url = origin.as_ref().map(|host| HostPattern::name(&host.name()));
        Self {
            names: names.into_iter().chain(of_url).collect(),
            origin,
        }
    }

    /// Whether this name is one of them.
    pub(super) fn allow(&self, host: &Host) -> bool {
        let name = host.name();
        let local = HostPattern(Kind::Below("localhost".to_owned()));
        name.parse::<IpAddr>().is_ok() || local.fits(&name) || self.names.iter().any(|allowed| allowed.fits(&name))
    }

    /// Whether a page from there is one of ours, whatever a proxy before us makes of `Host`.
    pub(super) fn is_ours(&self, origin: &Host) -> bool {
        self.origin.as_ref() == Some(origin)
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn request(version: Version, uri: &str, hosts: &[&str]) -> Parts {
        let mut request = Request::builder().version(version).uri(uri);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn a_request_of_http_1_1_has_one_host() {
        let name = |version, uri, hosts: &[&str]| {
            let host = Host::of(&request(version, uri, hosts));
            host.map(|host| host.map(|host| host.name()))
        };
        let is = |name: &str| Ok(Some(name.to_owned()));
        for (host, wanted) in [
            ("a", "a"),
            ("A.b.:1", "a.b"),
            ("[::1]:80", "::1"),
            ("192.0.2.1", "192.0.2.1"),
        ] {
            assert_eq!(name(Version::HTTP_11, "/", &[host]), is(wanted), "{host}");
        }
        assert_eq!(name(Version::HTTP_11, "http://a/", &["b"]), is("a"));
        assert_eq!(name(Version::HTTP_2, "https://a:1/", &[]), is("a"));
        for version in [Version::HTTP_10, Version::HTTP_2] {
            assert_eq!(name(version, "/", &[]), Ok(None));
        }
        assert!(name(Version::HTTP_11, "/", &[]).is_err_and(|told| told.contains("no Host")));
        for version in [Version::HTTP_10, Version::HTTP_11, Version::HTTP_2] {
            assert!(name(version, "/", &["a", "a"]).is_err_and(|told| told.contains("more than one")));
        }
        for host in ["", " ", "a b", "a/b", "al@a", "a:x", "\u{e4}"] {
            assert!(name(Version::HTTP_11, "/", &[host]).is_err(), "{host:?}");
        }
    }

    #[test]
    fn addresses_and_localhost_are_allowed_and_names_only_if_they_are_named() {
        let allow = |names: &[&str], host: &str| {
            let allowed = AllowedHosts::new(names.iter().map(|name| name.parse().unwrap()), None);
            let request = request(Version::HTTP_11, "/", &[host]);
            allowed.allow(&Host::of(&request).unwrap().unwrap())
        };
        for host in [
            "127.0.0.1:1",
            "192.0.2.7",
            "[::1]:1",
            "localhost:10871",
            "LOCALHOST.",
            "a.localhost",
        ] {
            assert!(allow(&[], host), "{host}");
        }
        for host in [
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "notlocalhost",
            "1.2.3",
        ] {
            assert!(!allow(&[], host), "{host}");
            assert!(allow(&["*"], host), "{host}");
        }
        let names = ["exporter", ".example.org", "Box.example.net."];
        for host in ["exporter:1", "example.org", "a.b.EXAMPLE.org.", "box.example.net"] {
            assert!(allow(&names, host), "{host}");
        }
        for host in ["exporters", "a.exporter", "badexample.org", "a.box.example.net", "org"] {
            assert!(!allow(&names, host), "{host}");
        }
        for text in [
            "",
            ".",
            "..",
            "a..b",
            "*.example.org",
            "http://a",
            "a:1",
            "a/b",
            "a b",
            "[::1]:1",
            "\u{e4}",
        ] {
            assert!(text.parse::<HostPattern>().is_err(), "{text:?}");
        }
    }
}
