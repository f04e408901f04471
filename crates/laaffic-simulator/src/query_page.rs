//! The list of an account's flows.
//!
//! The authority is the vendor's page for `/voice/recallFlow/queryPage`. As in `query_detail`, the JSON is built here field by field.

use axum::http::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::account::{AccountState, FlowEntry};
use crate::endpoint::{Endpoint, PARAMETER_EXCEPTION, fields};
use crate::lifecycle::FlowState;
use crate::page::{PageRequest, Window};
use crate::request::RequestContext;
use crate::times::LocalTime;
use crate::vendor::Vendor;

/// Which flows are asked for.
#[derive(Debug)]
pub(crate) struct QueryPage {
    page: PageRequest,
    created: Window,
    task_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Params {
    str_time: LocalTime,
    end_time: LocalTime,
    task_name: Option<String>,
}

impl Endpoint for QueryPage {
    const METHOD: Method = Method::POST;
    const PATH: &'static str = "/voice/recallFlow/queryPage";

    fn parse(body: &[u8]) -> Option<Self> {
        let (page, params) = PageRequest::parse::<Params>(body)?;
        Some(Self {
            page,
            created: Window {
                from: params.str_time,
                to: params.end_time,
            },
            task_name: params.task_name,
        })
    }

    fn page(&self) -> Option<u64> {
        Some(self.page.number())
    }

    fn answer(&self, vendor: &Vendor, context: &RequestContext) -> Result<Value, i64> {
        let state = vendor.state();
        let account = context.account(&state).ok_or(PARAMETER_EXCEPTION)?;
        let created = account.created_within(&self.created.seconds(account.settings.time_zone));
        let record = |(_, key_id): &(i64, u64)| {
            let flow = account.flows.get(key_id)?;
            record(account, flow, context)
        };
        let data = match &self.task_name {
            None => self.page.answer(context, created, "keyId", record),
            Some(wanted) => {
                let named = created.iter().copied().filter(|(_, key_id)| {
                    let flow = account.flows.get(key_id);
                    flow.is_some_and(|flow| is_named(flow, wanted, context))
                });
                let named: Vec<_> = named.collect();
                self.page.answer(context, &named, "keyId", record)
            }
        };
        Ok(context.dialect.success(data?))
    }
}

/// Whether the name of the flow's task contains this, or its key is this.
fn is_named(flow: &FlowEntry, wanted: &str, context: &RequestContext) -> bool {
    flow.task_name(context.moment.seed).contains(wanted) || flow.task_id().to_string() == wanted
}

/// A flow with every field of the page's table.
fn record(account: &AccountState, flow: &FlowEntry, context: &RequestContext) -> Option<Map<String, Value>> {
    let FlowState {
        status,
        recall_type,
        recall_num,
        recall_interval,
        nodes,
    } = flow.state_at(context.moment.seed, context.moment.elapsed)?;
    let finished = nodes.iter().filter(|node| node.is_completed()).count();
    let mut record = fields(json!({
        "keyId": flow.settings.key_id,
        "taskId": flow.task_id(),
        "taskName": flow.task_name(context.moment.seed),
        "createTime": context.lists.times.write(flow.created, account.settings.time_zone),
        "recallType": recall_type,
        "recallInterval": recall_interval,
        "recallNum": recall_num,
        "finishNum": finished,
        "status": status,
    }));
    if context.dialect.sparse {
        // Once absent and once null: the two ways of not saying.
        record.remove("recallInterval");
        record.remove("finishNum");
        record.insert("recallType".into(), Value::Null);
        record.insert("taskId".into(), Value::Null);
    }
    if context.dialect.extras {
        record.insert("creator".into(), json!({ "id": 3, "roles": ["admin", null] }));
        record.insert("remark".into(), Value::Null);
    }
    Some(record)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asked::{ACME, Asked, START, asking};
    use crate::births::Births;
    use crate::dialect::Dialect;
    use crate::fault::{Fault, FaultPlan};
    use crate::lifecycle::Lifecycle;
    use crate::list_dialect::ListDialect;
    use crate::script::Script;
    use crate::settings::{Account, Flow};
    use crate::times::{TimeForm, ZoneOffset};
    use crate::vendor::Scope;

    fn minutes(minutes: u64) -> Option<std::time::Duration> {
        Some(std::time::Duration::from_secs(60 * minutes))
    }

    /// A flow with two of three rounds behind it, created so many minutes before the start.
    fn flow(key_id: u64, age: u64) -> Flow {
        Flow {
            age: minutes(age),
            ..Flow::fixed(key_id, FlowState::with_nodes(1, &[2, 2, 0]))
        }
    }

    fn account(flows: impl IntoIterator<Item = Flow>) -> Account {
        Account {
            flows: flows.into_iter().collect(),
            list_dialect: Some(ListDialect::default()),
            ..Account::default()
        }
    }

    fn body(current: u64, size: u64, task_name: Option<&str>) -> Value {
        let params =
            json!({ "strTime": "2021-01-01 00:00:00", "endTime": "2021-12-31 23:59:59", "taskName": task_name });
        json!({ "current": current, "size": size, "params": params })
    }

    fn keys(answer: &Value) -> Vec<u64> {
        let records = answer["data"]["records"].as_array().unwrap();
        records.iter().map(|record| record["keyId"].as_u64().unwrap()).collect()
    }

    fn page(asked: &Asked, current: u64, size: u64) -> Vec<u64> {
        keys(&asked.ask::<QueryPage>(&body(current, size, None)))
    }

    #[tokio::test]
    async fn a_record_has_the_fields_of_the_table() {
        let flow = Flow {
            task_name: Some("growth-welcome-0007".into()),
            task_id: Some(77),
            ..flow(12, 60)
        };
        let asked = asking(account([flow]));
        let answer = asked.ask::<QueryPage>(&body(1, 10, None));
        assert_eq!(
            answer,
            json!({ "code": 0, "msg": "success", "data": {
                "total": 1, "size": 10, "current": 1, "pages": 1,
                "records": [{
                    "keyId": 12, "taskId": 77, "taskName": "growth-welcome-0007", "createTime": "2021-09-01 11:00:00",
                    "recallType": 1, "recallInterval": 10, "recallNum": 3, "finishNum": 2, "status": 1,
                }],
            } })
        );
    }

    #[tokio::test]
    async fn requests_that_are_not_as_documented() {
        let asked = asking(account([flow(12, 60)]));
        let times = r#""strTime":"2021-01-01 00:00:00","endTime":"2021-12-31 23:59:59""#;
        let ask = |params: &str| {
            let body = format!(r#"{{"current":1,"size":10,"params":{{{params}}}}}"#);
            asked.ask::<QueryPage>(&serde_json::from_str(&body).unwrap())["code"].clone()
        };
        assert_eq!(ask(times), 0);
        assert_eq!(ask(&format!(r#"{times},"taskName":null"#)), 0);
        for wrong in [
            "",
            r#""strTime":"2021-01-01 00:00:00""#,
            r#""strTime":"2021-01-01","endTime":"2021-12-31""#,
            r#""strTime":"2021-01-01T00:00:00","endTime":"2021-12-31T23:59:59""#,
            r#""strTime":1609459200000,"endTime":1640995199000"#,
            &format!(r#"{times},"taskName":5"#),
            &format!(r#"{times},"taskname":"a""#),
        ] {
            assert_eq!(ask(wrong), -22, "{wrong}");
        }
    }

    #[tokio::test]
    async fn windows_are_in_the_accounts_zone_and_both_ends_are_in_them() {
        let mut account = account([flow(1, 60), flow(2, 30), flow(3, 30), flow(4, 0)]);
        account.time_zone = ZoneOffset { minutes: -180 };
        let asked = asking(account);
        let within = |from: &str, to: &str| {
            let params = json!({ "strTime": format!("2021-09-01 {from}"), "endTime": format!("2021-09-01 {to}") });
            keys(&asked.ask::<QueryPage>(&json!({ "current": 1, "size": 10, "params": params })))
        };
        assert_eq!(within("00:00:00", "00:30:00"), [3, 2, 1]);
        assert_eq!(within("00:30:00", "00:30:00"), [3, 2]);
        assert_eq!(within("00:30:01", "01:00:00"), [4]);
        assert!(within("01:00:00", "00:00:00").is_empty());
    }

    #[tokio::test]
    async fn names_are_fuzzy_and_keys_of_tasks_exact() {
        let named = |key_id, name: &str| Flow {
            task_name: Some(name.into()),
            ..flow(key_id, key_id)
        };
        let asked = asking(account([
            named(1, "growth-welcome-1"),
            named(2, "risk-welcome-2"),
            named(3, "growth-survey-3"),
        ]));
        let find = |wanted: &str| keys(&asked.ask::<QueryPage>(&body(1, 10, Some(wanted))));
        assert_eq!(find("-welcome-"), [1, 2]);
        assert_eq!(find("risk"), [2]);
        assert_eq!(find(""), [1, 2, 3]);
        let second = asked.ask::<QueryPage>(&body(2, 1, Some("welcome")));
        assert_eq!((keys(&second), &second["data"]["total"]), (vec![2], &json!(2)));
        let task_id = asked.ask::<QueryPage>(&body(1, 10, None))["data"]["records"][2]["taskId"].to_string();
        assert_eq!(find(&task_id), [3]);
        assert!(find(&task_id[1..]).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_list_says_of_a_flow_what_its_detail_says() {
        let mut account = account((1..=60).map(Flow::seeded));
        account
            .flows
            .iter_mut()
            .for_each(|flow| flow.dialect = Some(Dialect::default()));
        let asked = asking(account);
        for _ in 0..20 {
            let list = asked.ask::<QueryPage>(&body(1, 100, None));
            let records = list["data"]["records"].as_array().unwrap();
            assert_eq!(records.len(), 60);
            for record in records {
                let detail = asked.ask::<crate::query_detail::QueryDetail>(&json!({ "keyId": record["keyId"] }));
                for field in ["status", "recallNum", "recallInterval", "recallType"] {
                    assert_eq!(record[field], detail["data"][field], "{field}");
                }
                let nodes = detail["data"]["nodeList"].as_array().unwrap();
                let completed = nodes.iter().filter(|node| node["nodeStatus"] == 2).count();
                assert_eq!(record["finishNum"], completed);
            }
            tokio::time::advance(std::time::Duration::from_secs(17 * 60)).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn births_push_records_to_the_next_page() {
        let mut account = account([flow(1, 30), flow(2, 20), flow(3, 10)]);
        account.births = Some(Births {
            every_minutes: 10,
            most: 1,
        });
        let asked = asking(account);
        assert_eq!(page(&asked, 1, 2), [3, 2]);
        tokio::time::advance(std::time::Duration::from_secs(10 * 60)).await;
        // Flow 2 comes again, and the newborn is on the first page, which has been read.
        assert_eq!(page(&asked, 2, 2), [2, 1]);
        let answer = asked.ask::<QueryPage>(&body(1, 2, None));
        let newborn = &answer["data"]["records"][0];
        assert_eq!(
            (&newborn["keyId"], &newborn["createTime"]),
            (&json!(4), &json!("2021-09-01 12:10:00"))
        );
        assert_eq!((&newborn["status"], &answer["data"]["total"]), (&json!(0), &json!(4)));
        assert_eq!(asked.vendor.key_ids(ACME).unwrap(), [1, 2, 3, 4]);
        let detail = asked.ask::<crate::query_detail::QueryDetail>(&json!({ "keyId": 4 }));
        assert!(
            ["code", "status"]
                .iter()
                .any(|name| detail[name] == 0 || detail[name] == "0"),
            "{detail}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_added_is_listed_from_then_on_and_what_is_taken_away_no_more() {
        let asked = asking(account([flow(1, 30)]));
        tokio::time::advance(std::time::Duration::from_secs(60)).await;
        asked
            .vendor
            .set_lifecycle(ACME, 9, Lifecycle::Scripted(Script::default()))
            .unwrap();
        let answer = asked.ask::<QueryPage>(&body(1, 10, None));
        assert_eq!(keys(&answer), [9, 1]);
        assert_eq!(answer["data"]["records"][0]["createTime"], "2021-09-01 12:01:00");
        asked.vendor.set_lifecycle(ACME, 1, Lifecycle::Missing).unwrap();
        assert_eq!(page(&asked, 1, 10), [9]);
    }

    #[tokio::test]
    async fn a_hundred_thousand_flows_are_in_order_and_each_on_one_page() {
        let asked = asking(account((1..=100_000).map(Flow::seeded)));
        let mut seen = std::collections::BTreeSet::new();
        let mut last = None;
        for current in (1..=1_000).step_by(37) {
            let answer = asked.ask::<QueryPage>(&body(current, 100, None));
            assert_eq!(answer["data"]["total"], 100_000);
            let records = answer["data"]["records"].as_array().unwrap();
            assert_eq!(records.len(), 100);
            for record in records {
                let place = (record["createTime"].to_string(), record["keyId"].as_u64().unwrap());
                assert!(last.as_ref().is_none_or(|last| *last > place), "{last:?} {place:?}");
                seen.insert(place.1);
                last = Some(place);
            }
        }
        assert_eq!(seen.len(), 2_800);
    }

    #[tokio::test]
    async fn forms() {
        let ask = |list_dialect| {
            let asked = asking(Account {
                list_dialect: Some(list_dialect),
                ..account([flow(12, 60)])
            });
            asked.ask::<QueryPage>(&body(1, 10, None))["data"]["records"][0].clone()
        };
        let plain = ListDialect::default();
        let answer = |answer| ask(ListDialect { answer, ..plain });
        let sparse = answer(Dialect {
            sparse: true,
            extras: true,
            numbers_as_text: true,
            ..Dialect::default()
        });
        assert!(sparse.get("finishNum").is_none() && sparse["taskId"].is_null());
        assert_eq!((&sparse["keyId"], &sparse["status"]), (&json!("12"), &json!("1")));
        assert!(sparse["creator"].is_object());
        let times = ask(ListDialect {
            times: TimeForm::EpochMilliseconds,
            ..plain
        });
        assert_eq!(times["createTime"], (START - 3_600) * 1000);
    }

    #[tokio::test]
    async fn faults_of_lists_and_of_single_pages() {
        let asked = asking(account((1..=6).map(|key_id| flow(key_id, 10 - key_id))));
        let set = |scope: &Scope, fault| asked.vendor.set_faults(scope, fault).unwrap();
        let account = Scope::Account(ACME.into());
        set(&account, Some(FaultPlan::always(Fault::Torn { records: 1 })));
        assert_eq!((page(&asked, 1, 2), page(&asked, 2, 2)), (vec![6, 5], vec![5, 4]));
        set(&account, Some(FaultPlan::always(Fault::EmptyList)));
        assert!(page(&asked, 1, 2).is_empty());
        set(&account, Some(FaultPlan::times(1, Fault::KeylessRecords)));
        let answer = asked.ask::<QueryPage>(&body(1, 2, None));
        assert!(answer["data"]["records"][0].get("keyId").is_none());
        let counts = asked.vendor.counts();
        assert_eq!(
            [2, 1, 1],
            ["torn", "empty_list", "keyless_records"].map(|name| counts.altered[name])
        );

        let second = Scope::Page(ACME.into(), 2);
        set(&second, Some(FaultPlan::times(1, Fault::code(-18))));
        let code = |current| asked.ask::<QueryPage>(&body(current, 2, None))["code"].clone();
        assert_eq!([1, 3, 2, 2].map(code), [0, 0, -18, 0]);
        assert_eq!(asked.vendor.faults(&second).unwrap(), None);
        assert_eq!(asked.vendor.counts().answered("-18"), 1);
        let nobody = Scope::Page("nobody".into(), 1);
        assert!(asked.vendor.set_faults(&nobody, None).is_err());
    }

    #[test]
    fn a_list_is_no_flows() {
        let body = body(3, 10, None).to_string();
        let query = QueryPage::parse(body.as_bytes()).unwrap();
        assert_eq!((query.key_id(), query.page()), (None, Some(3)));
    }
}
