//! No connection at all.

use laaffic_exporter::api::Error;

use super::upstream::{AMPLE, ask_once, closed_port};

#[tokio::test]
async fn a_refused_connection() {
    let (_socket, address) = closed_port();
    for scheme in ["http", "https"] {
        let error = ask_once(&format!("{scheme}://{address}/v3"), AMPLE).await.unwrap_err();
        assert!(matches!(&error, Error::Connect(_)), "{error:?}");
        assert!(error.to_string().starts_with("no connection: "), "{error}");
        assert!(error.to_string().to_lowercase().contains("refused"), "{error}");
    }
}

#[tokio::test]
async fn a_name_that_does_not_exist() {
    // No part of a name can be longer than 63 letters (RFC 1035, section 2.3.4), so the resolver fails here without asking anyone:
    // this needs no network, and waits for none.
    let name = format!("{}.invalid", "a".repeat(64));
    for scheme in ["http", "https"] {
        let error = ask_once(&format!("{scheme}://{name}/v3"), AMPLE).await.unwrap_err();
        assert!(matches!(&error, Error::Connect(_)), "{error:?}");
    }
}
