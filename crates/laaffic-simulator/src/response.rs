//! Plain HTTP answers: the vendor's JSON, and the HTML of the web server in front of it.

use std::time::{Duration, SystemTime};

use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};

/// An answer as the vendor sends it.
pub(crate) fn json(body: impl Into<Body>) -> Response {
    let content_type = [(header::CONTENT_TYPE, "application/json;charset=UTF-8")];
    (content_type, body.into()).into_response()
}

/// What a web server in front of the vendor answers by itself.
pub(crate) fn html(status: StatusCode) -> Response {
    let page = format!(
        "<html>\r\n<head><title>{status}</title></head>\r\n<body>\r\n<center><h1>{status}</h1></center>\r\n</body>\r\n</html>\r\n"
    );
    (status, [(header::CONTENT_TYPE, "text/html")], page).into_response()
}

/// The moment as HTTP writes it, as far as HTTP can write it.
pub(crate) fn http_date(moment: SystemTime) -> String {
    const LAST_SECOND_OF_9999: u64 = 253_402_300_799;
    let since = moment.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let writable = Duration::from_secs(since.as_secs().min(LAST_SECOND_OF_9999));
    httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + writable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_beyond_the_calendar_are_its_end() {
        let date = |seconds| http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(date(1_630_468_800), "Wed, 01 Sep 2021 04:00:00 GMT");
        assert_eq!(date(1 << 40), "Fri, 31 Dec 9999 23:59:59 GMT");
    }
}
