//! Asking a vendor of one account, "acme", in the tests of its calls: without a socket, and through all that a request goes through.

use std::time::{Duration, SystemTime};

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::Method;
use futures_util::FutureExt as _;
use md5::{Digest as _, Md5};
use serde_json::Value;

use crate::endpoint::Endpoint;
use crate::server::exchange;
use crate::settings::{Account, Settings};
use crate::vendor::Vendor;

/// When the vendor starts, a Unix second: the moment of its published example, at noon in +08:00. Its calendar goes with the runtime's time.
pub(crate) const START: i64 = 1_630_468_800;

pub(crate) const ACME: &str = "acme";

pub(crate) struct Asked {
    pub(crate) vendor: Vendor,
}

pub(crate) fn asking(account: Account) -> Asked {
    let settings = Settings {
        accounts: vec![Account {
            name: ACME.into(),
            api_key: "key".into(),
            api_secret: "secret".into(),
            ..account
        }],
        ..Settings::default()
    };
    let started = tokio::time::Instant::now();
    let start = SystemTime::UNIX_EPOCH + Duration::from_secs(START.unsigned_abs());
    Asked {
        vendor: Vendor::new(settings, move || start + started.elapsed()),
    }
}

impl Asked {
    /// The answer to a signed request; one that is got has no body and names no content type.
    pub(crate) fn ask<E: Endpoint>(&self, body: &Value) -> Value {
        let now = self.vendor.now(0).duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let timestamp = now.as_secs().to_string();
        let sign = u128::from_be_bytes(Md5::digest(format!("keysecret{timestamp}")).into());
        let mut request = Request::builder().method(E::METHOD).header("api-key", "key");
        request = request
            .header("timestamp", timestamp)
            .header("sign", format!("{sign:032x}"));
        let request = match E::METHOD {
            Method::GET => request.body(Body::empty()),
            _ => request
                .header("content-type", "application/json;charset=UTF-8")
                .body(Body::from(body.to_string())),
        };
        // Without latency nothing has to be waited for.
        let response = exchange::<E>(State(self.vendor.clone()), request.unwrap());
        let body = to_bytes(response.now_or_never().unwrap().into_body(), usize::MAX);
        serde_json::from_slice(&body.now_or_never().unwrap().unwrap()).unwrap()
    }
}
