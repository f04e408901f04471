//! URLs of the configuration: the API's, and that of a proxy.

use exporter_toolkit::yaml::quote;
use url::Url;

const PROXY_SCHEMES: [&str; 4] = ["http", "https", "socks5", "socks5h"];

/// An account's `base_url`. It is repeated in no problem: before it is known to be one, it may hold a password.
pub(super) fn check_base_url(text: &str) -> Result<Url, String> {
    const EXAMPLE: &str = "write it like https://api.laaffic.com/v3";
    let url = parse_url(text).map_err(|why| format!("{why}; {EXAMPLE}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!(
            "the scheme is {}, not http or https; {EXAMPLE}",
            quote(url.scheme())
        ));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(
            "a user or password in the URL is not used by the API; remove it, and give api_key and api_secret".into(),
        );
    }
    if url.query().is_some() {
        return Err("a query (?…) cannot be part of it; the API's paths are added at its end".into());
    }
    if url.fragment().is_some() {
        return Err("a fragment (#…) cannot be part of it; the API's paths are added at its end".into());
    }
    Ok(url)
}

/// A URL with a host, written as one. The URL standard repairs much on its own (`https:///v3` becomes the host `v3`, line breaks
/// vanish), but in a configuration that is a mistake to be told.
fn parse_url(text: &str) -> Result<Url, &'static str> {
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err("a URL cannot have spaces or line breaks");
    }
    let Some((_, after_scheme)) = text.split_once("://") else {
        return Err("this is not a URL with a scheme and a host");
    };
    if after_scheme.is_empty() || after_scheme.starts_with(['/', '\\', '?', '#', ':']) {
        return Err("the URL has no host");
    }
    let url = Url::parse(text).map_err(|error| match error {
        url::ParseError::EmptyHost => "the URL has no host",
        url::ParseError::InvalidPort => "the URL's port is not a number up to 65535",
        url::ParseError::InvalidIpv4Address | url::ParseError::InvalidIpv6Address => {
            "the URL's IP address is not valid"
        }
        url::ParseError::IdnaError | url::ParseError::InvalidDomainCharacter => "the URL's host is not valid",
        _ => "this is not a URL",
    })?;
    if url.host_str().is_none_or(str::is_empty) {
        return Err("the URL has no host");
    }
    Ok(url)
}

/// A proxy's URL. It may hold a password, so no problem repeats any part of it.
pub(super) fn check_proxy_url(text: &str) -> Result<Url, String> {
    const EXAMPLE: &str = "write it like http://proxy:3128, with http, https, socks5 or socks5h";
    let problem = match parse_url(text) {
        Ok(url) if PROXY_SCHEMES.contains(&url.scheme()) => return Ok(url),
        Ok(_) => "this is not a kind of proxy that can be used",
        Err(why) => why,
    };
    Err(format!("{problem}; {EXAMPLE}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_is_taken_as_it_is_meant() {
        for text in [
            "https://api.laaffic.com/v3",
            "http://127.0.0.1:8080",
            "HTTPS://[::1]:1/",
            "http://localhost/a/b/",
        ] {
            assert!(check_base_url(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn a_host_may_be_written_in_any_script() {
        for (text, host) in [
            ("https://bücher.example/v3", "xn--bcher-kva.example"),
            ("https://例子.测试/v3", "xn--fsqu00a.xn--0zwm56d"),
        ] {
            assert_eq!(check_base_url(text).unwrap().host_str(), Some(host));
        }
    }

    #[test]
    fn a_base_url_that_would_have_to_be_repaired_is_refused() {
        for text in [
            "",
            "api.laaffic.com",
            "https:api.laaffic.com",
            "https:///v3",
            "https://",
            "https://?x",
            "https://:80/",
            "https://api.laaffic.com/v3?x=1",
            "https://api.laaffic.com/#",
            "https://hunter2@host",
            "https://:hunter2@host/",
            "ftp://host/",
            "file:///etc",
            "https://host:99999/",
            "https://ho st/",
            "https://host/\n",
            "https://[::1",
            "//host",
            "mailto:hunter2",
            "https://1.2.3.4.5/",
        ] {
            let message = check_base_url(text).unwrap_err();
            assert!(!message.contains("hunter2"), "{message}");
        }
    }
}
