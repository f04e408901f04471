//! Requests that a page of somebody else's makes a browser send. They may look, since the browser keeps what comes from that page, but
//! change nothing. It is judged as Go's `http.CrossOriginProtection` does.

use axum::http::Method;
use axum::http::header::{HeaderName, ORIGIN};
use axum::http::request::Parts;

use super::hosts::{AllowedHosts, Host};

/// What a browser says of who sends a request (Fetch Metadata, section 2.4); no page can change it.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whether this request, sent to this host, would change something and comes from a page that is not ours.
pub(super) fn is_cross_site(request: &Parts, host: Option<&Host>, hosts: &AllowedHosts) -> bool {
    if [Method::GET, Method::HEAD, Method::OPTIONS].contains(&request.method) {
        return false;
    }
    let headers = &request.headers;
    let origin = Host::of_origin(headers);
    if origin.as_ref().is_some_and(|origin| hosts.is_ours(origin)) {
        return false;
    }
    match headers.get(SEC_FETCH_SITE).map(|site| site.as_bytes()) {
        Some(site) => site != b"same-origin" && site != b"none",
        // A browser that says only this, or no browser at all, which says nothing.
        None => headers.contains_key(ORIGIN) && origin.as_ref() != host,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    #[test]
    fn pages_of_others_change_nothing() {
        let hosts = AllowedHosts::new([], Some(&"https://public.example/laaffic/".parse().unwrap()));
        let foreign = |method: &str, headers: &[(&str, &str)]| {
            let mut request = Request::builder()
                .method(method)
                .uri("/-/reload")
                .header("host", "exporter:1");
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let (request, ()) = request.body(()).unwrap().into_parts();
            is_cross_site(&request, Host::of(&request).unwrap().as_ref(), &hosts)
        };
        for headers in [
            &[("sec-fetch-site", "cross-site")][..],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "")],
            &[("sec-fetch-site", "cross-site"), ("origin", "http://exporter:1")],
            &[("origin", "http://evil.example")],
            &[("origin", "http://exporter:2")],
            &[("origin", "http://exporter")],
            &[("origin", "null")],
            &[("origin", "")],
        ] {
            assert!(foreign("POST", headers) && foreign("PUT", headers), "{headers:?}");
            assert!(!foreign("GET", headers) && !foreign("HEAD", headers), "{headers:?}");
        }
        for headers in [
            &[][..],
            &[("sec-fetch-site", "same-origin")],
            &[("sec-fetch-site", "none")],
            &[("sec-fetch-site", "same-origin"), ("origin", "https://by.a.proxy")],
            &[("origin", "http://exporter:1")],
            &[("origin", "http://EXPORTER:1")],
            &[("origin", "https://public.example")],
            &[("sec-fetch-site", "same-site"), ("origin", "https://public.example")],
        ] {
            assert!(!foreign("POST", headers), "{headers:?}");
        }
    }
}
