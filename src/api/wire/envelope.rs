//! What is around the data of every answer: the code, under either of the names that the vendor's pages give it.

use super::super::error::Error;
use super::fields::Reader;
use super::json::{Object, Read, Value, put_right, text_of};
use crate::model::{ApiCode, ResponseField};

/// Reads the data of an answer whose code is 0.
///
/// # Errors
/// [`Error::Code`] where the vendor reports a failure, [`Error::NoData`] for a success without data, [`Error::Decode`] where the body is
/// not the documented JSON. Messages say where, never what stood there.
pub(super) fn with_data<T>(body: &[u8], read: impl FnOnce(&Object<'_>, Reader) -> T) -> Result<T, Error> {
    with_envelope(body, |envelope, reader| Ok(read(&data(envelope)?, reader)))
}

/// Reads what stands beside the code of an answer whose code is 0, or in its data where it has some.
///
/// # Errors
/// As [`with_data`], and what `read` says.
pub(super) fn with_fields<T>(
    body: &[u8],
    read: impl FnOnce(&Object<'_>, Reader) -> Result<T, Error>,
) -> Result<T, Error> {
    with_envelope(body, |envelope, reader| match data(envelope) {
        Ok(data) => read(&data, reader),
        Err(Error::NoData) => read(envelope, reader),
        Err(error) => Err(error),
    })
}

fn with_envelope<T>(body: &[u8], read: impl FnOnce(&Object<'_>, Reader) -> Result<T, Error>) -> Result<T, Error> {
    let text = text_of(body)?;
    let repaired;
    let envelope = match Object::parse(&text) {
        Ok(envelope) => envelope,
        // Nearly every answer is JSON as it comes, so it is not searched for what is none before.
        Err(_) => {
            repaired = put_right(&text);
            Object::parse(&repaired).map_err(|error| malformed(&error))?
        }
    };
    let reader = success(&envelope)?;
    read(&envelope, reader)
}

fn data<'t>(envelope: &Object<'t>) -> Result<Object<'t>, Error> {
    let data = envelope.get("data");
    match data {
        Value::Absent => Err(Error::NoData),
        // An empty list is how some languages write an empty object.
        Value::Is(_) if matches!(data.list(), Read::Is(list) if list.is_empty()) => Err(Error::NoData),
        Value::Is(data) => Object::of(data).ok_or_else(|| Error::Decode("data is not an object".to_owned())),
        Value::Odd => Err(Error::Decode("data is there twice".to_owned())),
    }
}

/// Whether the code is 0. `{"code", "msg", "data"}` on the vendor's page, `{"status", "reason", "data"}` on others. The words are not
/// read: the code says it, and the words may quote anything.
fn success(envelope: &Object<'_>) -> Result<Reader, Error> {
    let mut reader = Reader::default();
    let code = match (envelope.get("code").int(), envelope.get("status").int()) {
        (Read::Is(code), Read::Odd) => {
            reader.odd(ResponseField::Status);
            code
        }
        (Read::Is(code), _) | (Read::Absent, Read::Is(code)) => code,
        (Read::Odd, _) => return Err(Error::Decode("a code that is not a whole number".to_owned())),
        (Read::Absent, Read::Absent | Read::Odd) => return Err(Error::Decode("no code".to_owned())),
    };
    match code {
        0 => Ok(reader),
        code => Err(Error::Code(ApiCode(code))),
    }
}

/// A parser's complaint without the text it stumbled over: that text may be a customer's.
fn malformed(error: &serde_json::Error) -> Error {
    let kind = match error.classify() {
        serde_json::error::Category::Data => "not an object",
        serde_json::error::Category::Eof => "ends too early",
        serde_json::error::Category::Syntax | serde_json::error::Category::Io => "not JSON",
    };
    Error::Decode(format!("{kind} at line {} column {}", error.line(), error.column()))
}
