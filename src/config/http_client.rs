//! The `http_client` block and the base URL: how and where connections are made.

use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;

use url::{Host, Url};

use super::file::Surroundings;
use super::walk::{Located, Walk};
use super::wording::{file, quote};
use super::yaml::Stop;
use super::{ClientTls, HttpClient, Secret};

const HTTP_CLIENT_KEYS: [&str; 2] = ["proxy_url", "tls_config"];
const TLS_KEYS: [&str; 5] = [
    "server_name",
    "ca_file",
    "cert_file",
    "key_file",
    "insecure_skip_verify",
];
const PROXY_SCHEMES: [&str; 4] = ["http", "https", "socks5", "socks5h"];

/// Reads an account's `base_url`. It is repeated in no problem: before it is known to be one, it may hold a password.
pub(super) fn base_url(walk: &mut Walk<'_>) -> Result<Option<Url>, Stop> {
    let Some(text) = walk.text()? else {
        return Ok(None);
    };
    match check_base_url(&text.value) {
        Ok(url) => Ok(Some(url)),
        Err(message) => {
            walk.problem(text.at, message);
            Ok(None)
        }
    }
}

fn check_base_url(text: &str) -> Result<Url, String> {
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

/// Reads an `http_client` block.
pub(super) fn http_client(walk: &mut Walk<'_>, around: &Surroundings<'_>) -> Result<HttpClient, Stop> {
    let mut client = HttpClient::default();
    walk.mapping(&HTTP_CLIENT_KEYS, |walk, key| {
        if walk.absent()? {
            return Ok(());
        }
        match key.value {
            "proxy_url" => client.proxy_url = proxy_url(walk)?,
            _ => client.tls = tls(walk, around, None)?,
        }
        Ok(())
    })?;
    Ok(client)
}

/// A proxy's URL may hold a password, so no problem repeats any part of it.
fn proxy_url(walk: &mut Walk<'_>) -> Result<Option<Secret>, Stop> {
    const EXAMPLE: &str = "write it like http://proxy:3128, with http, https, socks5 or socks5h";
    let Some(text) = walk.text()? else {
        return Ok(None);
    };
    let problem = match parse_url(&text.value) {
        Ok(url) if PROXY_SCHEMES.contains(&url.scheme()) => return Ok(Some(Secret::new(url.as_str()))),
        Ok(_) => "this is not a kind of proxy that can be used",
        Err(why) => why,
    };
    walk.problem(text.at, format!("{problem}; {EXAMPLE}"));
    Ok(None)
}

/// Reads a `tls_config` block, with a `server_name` where there is a place for it.
pub(super) fn tls(
    walk: &mut Walk<'_>,
    around: &Surroundings<'_>,
    mut server_name: Option<&mut Option<String>>,
) -> Result<ClientTls, Stop> {
    let keys = match server_name {
        Some(_) => &TLS_KEYS[..],
        None => TLS_KEYS.get(1..).unwrap_or_default(),
    };
    let mut tls = ClientTls::default();
    let mut cert: Option<Located<&str>> = None;
    let mut key_of_cert: Option<Located<&str>> = None;
    walk.mapping(keys, |walk, key| {
        if walk.absent()? {
            return Ok(());
        }
        match key.value {
            "server_name" => {
                if let Some(place) = &mut server_name {
                    **place = read_server_name(walk)?;
                }
            }
            "ca_file" => tls.ca_file = readable_file(walk, around)?,
            "cert_file" => {
                cert = Some(key);
                tls.cert_file = readable_file(walk, around)?;
            }
            "key_file" => {
                key_of_cert = Some(key);
                tls.key_file = readable_file(walk, around)?;
            }
            _ => tls.insecure_skip_verify = walk.flag()?.unwrap_or_default(),
        }
        Ok(())
    })?;
    let lonely = match (cert, key_of_cert) {
        (Some(given), None) => Some((given, "key_file")),
        (None, Some(given)) => Some((given, "cert_file")),
        (None, None) | (Some(_), Some(_)) => None,
    };
    if let Some((given, missing)) = lonely {
        let message = format!("given without {missing}; a client certificate needs both cert_file and key_file");
        walk.problem_at_key(given.value, given.at, message);
    }
    Ok(tls)
}

fn read_server_name(walk: &mut Walk<'_>) -> Result<Option<String>, Stop> {
    let Some(Located { value, at }) = walk.filled_text()? else {
        return Ok(None);
    };
    match Host::parse(&value) {
        Ok(Host::Domain(name)) => Ok(Some(name)),
        Ok(Host::Ipv4(_) | Host::Ipv6(_)) | Err(_) => {
            walk.problem(
                at,
                "this is not a host name; write a DNS name that the server's certificate has",
            );
            Ok(None)
        }
    }
}

/// Reads a path and tries the file, so that a wrong path is known at load and not at the first request.
fn readable_file(walk: &mut Walk<'_>, around: &Surroundings<'_>) -> Result<Option<PathBuf>, Stop> {
    let Some(text) = walk.filled_text()? else {
        return Ok(None);
    };
    let path = around.path(&text.value);
    // A folder can be opened, but not read.
    match File::open(&path).and_then(|mut opened| opened.read(&mut [0])) {
        Ok(_) => Ok(Some(path)),
        Err(error) => {
            let message = format!(
                "{} cannot be read: {error}; check the path and the permissions",
                file(&text.value, &path)
            );
            walk.problem(text.at, message);
            Ok(None)
        }
    }
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
