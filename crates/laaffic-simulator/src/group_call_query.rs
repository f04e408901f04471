//! The list of an account's group calls.
//!
//! The authority is the vendor's page for `/voice/group/call/query`.

use axum::http::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::account::AccountState;
use crate::endpoint::{Endpoint, PARAMETER_EXCEPTION, fields};
use crate::group_call::{self, Calls, GroupCall};
use crate::page::{PageRequest, Window};
use crate::request::RequestContext;
use crate::times::LocalTime;
use crate::vendor::Vendor;

/// The highest `status` that the vendor's page knows.
const LAST_STATUS: i64 = 6;

/// Which group calls are asked for.
#[derive(Debug)]
pub(crate) struct GroupCallQuery {
    page: PageRequest,
    created: Window,
    /// All where it is empty.
    statuses: Vec<i64>,
    search: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Params {
    str_time: LocalTime,
    end_time: LocalTime,
    status_list: Option<Vec<i64>>,
    search_condition: Option<String>,
}

impl Endpoint for GroupCallQuery {
    const METHOD: Method = Method::POST;
    const PATH: &'static str = "/voice/group/call/query";

    fn parse(body: &[u8]) -> Option<Self> {
        let (page, params) = PageRequest::parse::<Params>(body)?;
        let statuses = params.status_list.unwrap_or_default();
        if !statuses.iter().all(|status| (0..=LAST_STATUS).contains(status)) {
            return None;
        }
        Some(Self {
            page,
            created: Window {
                from: params.str_time,
                to: params.end_time,
            },
            statuses,
            search: params.search_condition,
        })
    }

    fn page(&self) -> Option<u64> {
        Some(self.page.number())
    }

    fn answer(&self, vendor: &Vendor, context: &RequestContext) -> Result<Value, i64> {
        let state = vendor.state();
        let account = context.account(&state).ok_or(PARAMETER_EXCEPTION)?;
        let key = if context.lists.old_names { "jobId" } else { "taskId" };
        let record = |task: &GroupCall| Some(record(account, task, key, context));
        let data = self.page.answer(context, &self.tasks(account, context), key, record)?;
        Ok(context.dialect.success(data))
    }
}

impl GroupCallQuery {
    /// The group calls that are asked for, the oldest first. None is made JSON of yet: that is the dear part.
    fn tasks(&self, account: &AccountState, context: &RequestContext) -> Vec<GroupCall> {
        let created = self.created.seconds(account.settings.time_zone);
        // No group call is older than its flow.
        let flows = account.created_within(&(i64::MIN..=*created.end()));
        let flows = flows.iter().filter_map(|(_, key_id)| account.flows.get(key_id));
        let mut tasks: Vec<_> = flows
            .flat_map(|flow| group_call::of_flow(flow, context.moment))
            .filter(|task| created.contains(&task.created))
            .filter(|task| self.statuses.is_empty() || self.statuses.contains(&task.status))
            .filter(|task| {
                self.search
                    .as_ref()
                    .is_none_or(|wanted| is_found(account, task, wanted, context))
            })
            .collect();
        tasks.sort_unstable_by_key(|task| (task.created, task.task_id));
        tasks
    }
}

/// Whether the task's name or key contains this.
fn is_found(account: &AccountState, task: &GroupCall, wanted: &str, context: &RequestContext) -> bool {
    name(account, task, context).contains(wanted) || task.task_id.to_string().contains(wanted)
}

fn name(account: &AccountState, task: &GroupCall, context: &RequestContext) -> String {
    let flow = account.flows.get(&task.flow);
    let name = flow.map(|flow| flow.task_name(context.moment.seed)).unwrap_or_default();
    match task.round {
        None => name,
        Some(round) => format!("{name}-recall-{}", round + 1),
    }
}

/// A group call with every field of the page's table.
fn record(account: &AccountState, task: &GroupCall, key: &str, context: &RequestContext) -> Map<String, Value> {
    let Calls {
        numbers,
        called,
        success,
        fail,
    } = task.calls;
    let mut record = fields(json!({
        "taskName": name(account, task, context),
        "status": task.status,
        "rate": rate(task.calls),
        "numCnt": numbers,
        "callNum": called,
        "success": success,
        "fail": fail,
        "createdTime": context.lists.times.write(task.created, account.settings.time_zone),
    }));
    record.insert(key.to_owned(), json!(task.task_id));
    if context.dialect.sparse {
        // Once absent and once null: the two ways of not saying.
        record.remove("rate");
        record.insert("fail".into(), Value::Null);
    }
    if context.dialect.extras {
        record.insert("callerIds".into(), json!(["100", null]));
    }
    record
}

/// The progress of a task, in percent.
fn rate(calls: Calls) -> String {
    let hundredths = (calls.called * 10_000).checked_div(calls.numbers).unwrap_or(10_000);
    format!("{}.{:02}%", hundredths / 100, hundredths % 100)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::asked::{Asked, asking};
    use crate::dialect::Dialect;
    use crate::lifecycle::Lifecycle;
    use crate::list_dialect::ListDialect;
    use crate::query_detail::QueryDetail;
    use crate::query_page::QueryPage;
    use crate::script::{Outcome, Script};
    use crate::settings::{Account, Flow};

    fn flow(key_id: u64, outcome: Outcome) -> Flow {
        Flow {
            task_name: Some(format!("risk-survey-{key_id}")),
            lifecycle: Lifecycle::Scripted(Script {
                outcome,
                ..Script::default()
            }),
            dialect: Some(Dialect::default()),
            ..Flow::seeded(key_id)
        }
    }

    fn account(flows: impl IntoIterator<Item = Flow>) -> Account {
        Account {
            flows: flows.into_iter().collect(),
            list_dialect: Some(ListDialect::default()),
            ..Account::default()
        }
    }

    fn body(more: &Value) -> Value {
        let mut params = fields(json!({ "strTime": "2021-09-01 12:00:00", "endTime": "2021-09-01 23:59:59" }));
        params.extend(fields(more.clone()));
        json!({ "current": 1, "size": 100, "params": params })
    }

    fn records(asked: &Asked, more: &Value) -> Vec<Value> {
        let mut answer = asked.ask::<GroupCallQuery>(&body(more));
        assert_eq!(answer["code"], 0, "{answer}");
        serde_json::from_value(answer["data"]["records"].take()).unwrap()
    }

    async fn after(minutes: u64) {
        tokio::time::advance(Duration::from_secs(60 * minutes)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_record_has_the_fields_of_the_table() {
        let asked = asking(account([flow(12, Outcome::Completes)]));
        after(13).await;
        let [round, own] = &records(&asked, &json!({}))[..] else {
            panic!("not two group calls");
        };
        let numbers = own["numCnt"].as_u64().unwrap();
        assert_eq!(
            *own,
            json!({
                "taskId": own["taskId"], "taskName": "risk-survey-12", "status": 2, "rate": "100.00%", "numCnt": numbers,
                "callNum": numbers, "success": own["success"], "fail": numbers - own["success"].as_u64().unwrap(),
                "createdTime": "2021-09-01 12:00:00",
            })
        );
        // Three of six minutes of calls have passed.
        let half = round["numCnt"].as_u64().unwrap() / 2;
        assert_eq!((&round["callNum"], &round["numCnt"]), (&json!(half), &own["fail"]));
        assert!(
            ["50.00%", "49.99%", "49.98%", "49.97%"].contains(&round["rate"].as_str().unwrap()),
            "{round}"
        );
        assert_eq!(
            (&round["taskName"], &round["status"]),
            (&json!("risk-survey-12-recall-1"), &json!(1))
        );
        assert_eq!(round["createdTime"], "2021-09-01 12:10:00");
    }

    #[tokio::test(start_paused = true)]
    async fn tasks_are_those_that_flows_and_nodes_name() {
        let asked = asking(account((1..=5).map(|key_id| flow(key_id, Outcome::Completes))));
        after(25).await;
        let listed = records(&asked, &json!({}));
        let mut named = Vec::new();
        for key_id in 1..=5 {
            let detail = asked.ask::<QueryDetail>(&json!({ "keyId": key_id }));
            named.extend(
                detail["data"]["nodeList"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|node| node["taskId"].clone()),
            );
        }
        let flows = asked.ask::<QueryPage>(&body(&json!({})));
        named.extend(
            flows["data"]["records"]
                .as_array()
                .unwrap()
                .iter()
                .map(|flow| flow["taskId"].clone()),
        );
        let sorted = |tasks: Vec<Value>| {
            let tasks = tasks.iter().filter_map(Value::as_i64);
            tasks.collect::<std::collections::BTreeSet<_>>()
        };
        assert_eq!(listed.len(), 15);
        assert_eq!(
            sorted(listed.iter().map(|task| task["taskId"].clone()).collect()),
            sorted(named)
        );
        let times: Vec<_> = listed
            .iter()
            .map(|task| task["createdTime"].as_str().unwrap())
            .collect();
        assert!(times.is_sorted_by(|newer, older| newer >= older), "{times:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn windows_statuses_and_searches() {
        let flows = [flow(1, Outcome::Completes), flow(2, Outcome::Cancelled { round: 0 })];
        let asked = asking(account(flows));
        after(25).await;
        let found = |more: Value| {
            let records = records(&asked, &more);
            let names = records.iter().map(|task| task["taskName"].as_str().unwrap().to_owned());
            names.collect::<Vec<_>>()
        };
        assert_eq!(found(json!({})).len(), 5);
        assert_eq!(found(json!({ "statusList": [1] })), ["risk-survey-1-recall-2"]);
        assert_eq!(
            found(json!({ "statusList": [4, 1] })),
            ["risk-survey-1-recall-2", "risk-survey-2-recall-1"]
        );
        assert_eq!(found(json!({ "statusList": [] })).len(), 5);
        assert_eq!(
            found(json!({ "searchCondition": "survey-2" })),
            ["risk-survey-2-recall-1", "risk-survey-2"]
        );
        assert_eq!(
            found(json!({ "strTime": "2021-09-01 12:10:01" })),
            ["risk-survey-1-recall-2"]
        );
        assert_eq!(
            found(json!({ "endTime": "2021-09-01 12:00:00" })),
            ["risk-survey-2", "risk-survey-1"]
        );
        let task_id = records(&asked, &json!({ "statusList": [1] }))[0]["taskId"].to_string();
        assert_eq!(found(json!({ "searchCondition": task_id })), ["risk-survey-1-recall-2"]);
        for wrong in [
            json!({ "statusList": [7] }),
            json!({ "statusList": ["1"] }),
            json!({ "statusList": 1 }),
            json!({ "searchCondition": 1 }),
            json!({ "taskName": "a" }),
        ] {
            assert_eq!(asked.ask::<GroupCallQuery>(&body(&wrong))["code"], -22, "{wrong}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn forms() {
        let list_dialect = ListDialect {
            answer: Dialect {
                sparse: true,
                numbers_as_text: true,
                extras: true,
                ..Dialect::default()
            },
            old_names: true,
            ..ListDialect::default()
        };
        let asked = asking(Account {
            list_dialect: Some(list_dialect),
            ..account([flow(12, Outcome::Completes)])
        });
        after(1).await;
        let task = &records_as_text(&asked)[0];
        assert!(task["jobId"].is_string() && task.get("taskId").is_none(), "{task}");
        assert!(task["fail"].is_null() && task.get("rate").is_none(), "{task}");
        assert!(task["callerIds"].is_array());
    }

    fn records_as_text(asked: &Asked) -> Vec<Value> {
        let mut answer = asked.ask::<GroupCallQuery>(&body(&json!({})));
        serde_json::from_value(answer["data"]["records"].take()).unwrap()
    }
}
