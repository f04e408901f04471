//! What one call of the vendor's API adds to the checks that all calls share.

use axum::http::Method;
use serde_json::{Map, Value};

use crate::request::RequestContext;
use crate::vendor::Vendor;

/// The vendor's code for a request that cannot be understood, or that asks for what is not there.
pub(crate) const PARAMETER_EXCEPTION: i64 = -22;

/// A call of the vendor's API. A further one is a file with an implementation of this, and a line in [`Vendor::router`].
pub(crate) trait Endpoint: Sized + Send + 'static {
    /// The only method that it takes.
    const METHOD: Method;
    /// Its path under the base URL.
    const PATH: &'static str;

    /// The request in this body, or `None` where that is a parameter exception.
    fn parse(body: &[u8]) -> Option<Self>;

    /// The flow that is asked for, where it is one: its faults, dialect and counts then apply.
    fn key_id(&self) -> Option<u64> {
        None
    }

    /// The page that is asked for, from 1, where it is a list: that page's faults then apply.
    fn page(&self) -> Option<u64> {
        None
    }

    /// The whole answer, or the code of a refusal.
    fn answer(&self, vendor: &Vendor, context: &RequestContext) -> Result<Value, i64>;
}

/// The fields of an object.
pub(crate) fn fields(object: Value) -> Map<String, Value> {
    match object {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}
