//! What an account has: the answers to getBalance.

use super::envelope::with_fields;
use super::fields::Reader;
use super::json::Object;
use crate::api::Error;
use crate::model::{Balance, ResponseField};

/// Decodes a whole response body. The vendor's page shows the amounts beside the code; with `data` around them, as in every other call, they
/// are read there.
///
/// # Errors
/// As [`super::decode`]; [`Error::NoData`] where none of the amounts is there.
pub fn decode_balance(body: &[u8]) -> Result<Balance, Error> {
    with_fields(body, read)
}

fn read(fields: &Object<'_>, mut reader: Reader) -> Result<Balance, Error> {
    let balance = Balance {
        balance: reader.decimal(fields, ResponseField::Balance),
        gift: reader.decimal(fields, ResponseField::Gift),
        credit: reader.decimal(fields, ResponseField::Credit),
        unreadable: reader.unreadable(),
    };
    match balance.iter().next().is_some() || !balance.unreadable.is_empty() {
        true => Ok(balance),
        false => Err(Error::NoData),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn balance(json: &str) -> Balance {
        decode_balance(json.as_bytes()).unwrap()
    }

    /// As on the vendor's page: decimal strings beside the code.
    #[test]
    fn the_documented_form() {
        let balance =
            balance(r#"{"status":"0","reason":"success","balance":"99.990000","gift":"50.00000","credit":"0"}"#);
        assert_eq!(
            (balance.balance, balance.gift, balance.credit),
            (Some(99.99), Some(50.0), Some(0.0))
        );
        assert!(balance.unreadable.is_empty());
    }

    #[test]
    fn every_other_form() {
        for json in [
            r#"{"code":0,"msg":"ok","balance":-12.5,"gift":null}"#,
            r#"{"code":0,"data":{"balance":"-12.5","gift":""}}"#,
            r#"{"code":"0","data":{"balance":" -12.50 "}}"#,
            r#"{"code":"0","data":null,"balance":"-12.5"}"#,
        ] {
            let balance = balance(json);
            assert_eq!(
                (balance.balance, balance.gift, balance.credit),
                (Some(-12.5), None, None),
                "{json}"
            );
        }
    }

    #[test]
    fn an_odd_amount_spoils_itself_alone() {
        let balance = balance(r#"{"code":0,"balance":"a lot","gift":"1e400","credit":"0x10"}"#);
        assert_eq!(balance.iter().count(), 0);
        let unreadable: Vec<_> = balance.unreadable.iter().collect();
        assert_eq!(
            unreadable,
            [ResponseField::Balance, ResponseField::Gift, ResponseField::Credit]
        );
    }

    #[test]
    fn failures() {
        for (body, complaint) in [
            (
                r#"{"status":-1,"reason":"x"}"#,
                "the API answered code -1 (authentication_error)",
            ),
            (r#"{"status":0,"reason":"x"}"#, "the API answered code 0 without data"),
            ("[]", "not the documented answer: not an object at line 1 column 0"),
        ] {
            assert_eq!(decode_balance(body.as_bytes()).unwrap_err().to_string(), complaint);
        }
    }
}
