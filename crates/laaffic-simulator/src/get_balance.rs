//! An account's balance.
//!
//! The authority is the vendor's page for `/getBalance`. Its answer is flat: what other calls put into `data` stands beside the code.

use axum::http::Method;
use serde_json::{Value, json};

use crate::balance::decimal;
use crate::endpoint::{Endpoint, PARAMETER_EXCEPTION, fields};
use crate::request::RequestContext;
use crate::vendor::Vendor;

/// A request without anything in it.
#[derive(Debug)]
pub(crate) struct GetBalance;

impl Endpoint for GetBalance {
    const METHOD: Method = Method::GET;
    const PATH: &'static str = "/getBalance";

    fn parse(_: &[u8]) -> Option<Self> {
        Some(Self)
    }

    fn answer(&self, vendor: &Vendor, context: &RequestContext) -> Result<Value, i64> {
        let state = vendor.state();
        let account = context.account(&state).ok_or(PARAMETER_EXCEPTION)?;
        let balance = account.balance(context.moment.elapsed);
        let mut answer = fields(json!({
            "balance": decimal(balance.cents),
            "gift": decimal(balance.gift_cents),
            "credit": decimal(balance.credit_cents),
        }));
        if context.dialect.sparse {
            // Once absent and once null: the two ways of not saying.
            answer.remove("gift");
            answer.insert("credit".into(), Value::Null);
        }
        Ok(context.dialect.flat_success(answer))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::asked::{ACME, asking};
    use crate::balance::Balance;
    use crate::dialect::{Dialect, Envelope};
    use crate::list_dialect::ListDialect;
    use crate::settings::Account;

    const BALANCE: Balance = Balance {
        cents: 12_345,
        gift_cents: 5,
        credit_cents: 100_000,
        cents_per_hour: 45,
    };

    fn account(answer: Dialect) -> Account {
        Account {
            balance: Some(BALANCE),
            list_dialect: Some(ListDialect {
                answer,
                ..ListDialect::default()
            }),
            ..Account::default()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_fields_of_the_table_beside_the_code() {
        let documented = Dialect {
            envelope: Envelope::StatusReason,
            code_as_text: true,
            ..Dialect::default()
        };
        let asked = asking(account(documented));
        let ask = || asked.ask::<GetBalance>(&Value::Null);
        assert_eq!(
            ask(),
            json!({ "status": "0", "reason": "success", "balance": "123.45", "gift": "0.05", "credit": "1000.00" })
        );
        tokio::time::advance(Duration::from_secs(2 * 3600)).await;
        assert_eq!(ask()["balance"], "122.55");
        let other = Balance { cents: -7, ..BALANCE };
        asked.vendor.set_balance(ACME, Some(other)).unwrap();
        assert_eq!(ask()["balance"], "-0.07");
        asked.vendor.set_balance(ACME, None).unwrap();
        assert_eq!(asked.vendor.balance(ACME).unwrap(), BALANCE);
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert_eq!(ask()["balance"], "123.00");
    }

    #[tokio::test]
    async fn forms() {
        let asked = asking(account(Dialect {
            sparse: true,
            extras: true,
            ..Dialect::default()
        }));
        let answer = asked.ask::<GetBalance>(&Value::Null);
        assert_eq!((&answer["code"], &answer["msg"]), (&json!(0), &json!("success")));
        assert!(answer.get("gift").is_none() && answer["credit"].is_null() && answer["traceId"].is_string());
    }

    #[test]
    fn it_is_no_flows_and_has_no_pages() {
        let query = GetBalance::parse(b"").unwrap();
        assert_eq!((query.key_id(), query.page()), (None, None));
    }
}
