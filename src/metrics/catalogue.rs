//! Every family the exporter can emit: one table, for the writers and for the documentation.

use exporter_toolkit::exposition::process;
pub use exporter_toolkit::exposition::{Family, Kind, Unit};

macro_rules! families {
    ($($constant:ident: $name:literal, $kind:ident, $unit:expr, [$($label:literal),*], $help:literal;)*) => {
        $(
            #[doc = concat!("`", $name, "`: ", $help)]
            pub const $constant: Family = Family {
                name: $name,
                kind: Kind::$kind,
                unit: $unit,
                labels: &[$($label),*],
                help: $help,
            };
        )*

        /// The exporter's own families, in the order of the output.
        const OWN: &[Family] = &[$($constant),*];
    };
}

/// Every family of `/metrics`.
pub fn all() -> impl Iterator<Item = &'static Family> {
    OWN.iter().chain(process::FAMILIES)
}

/// The families that `/probe` shows beside the flow's own.
pub const PROBE: &[Family] = &[PROBE_SUCCESS, PROBE_DURATION];

/// `laaffic_probe_success`
pub const PROBE_SUCCESS: Family = Family {
    name: "laaffic_probe_success",
    kind: Kind::Gauge,
    unit: NO_UNIT,
    labels: &[],
    help: "Whether the flow could be fetched just now.",
};

/// `laaffic_probe_duration_seconds`
pub const PROBE_DURATION: Family = Family {
    name: "laaffic_probe_duration_seconds",
    kind: Kind::Gauge,
    unit: SECONDS,
    labels: &[],
    help: "How long fetching the flow took, retries and waiting for the rate limit included.",
};

const NO_UNIT: Option<Unit> = None;
const SECONDS: Option<Unit> = Some(Unit::Seconds);
const RATIO: Option<Unit> = Some(Unit::Ratio);

families! {
    BUILD_INFO: "laaffic_exporter_build_info", Gauge, NO_UNIT, ["version", "revision", "rustc"],
        "What this exporter was built from; the value is always 1.";
    EXTERNAL_URL_INFO: "laaffic_exporter_external_url_info", Gauge, NO_UNIT, ["url"],
        "Where people reach this exporter (--web.external-url), with a slash at the end; the value is always 1.";
    SHARD_INFO: "laaffic_exporter_shard_info", Gauge, NO_UNIT, ["shard", "total_shards"],
        "Which share of the accounts this exporter polls, counted from 0, and of how many; the value is always 1.";
    TOTAL_SHARDS: "laaffic_exporter_total_shards", Gauge, NO_UNIT, [],
        "Among how many exporters the accounts are divided (--total-shards).";
    CONFIG_LAST_RELOAD_SUCCESSFUL: "laaffic_exporter_config_last_reload_successful", Gauge, NO_UNIT, [],
        "Whether the last attempt to load the configuration succeeded; after a refused one the previous configuration stays in force.";
    CONFIG_LAST_RELOAD_SUCCESS: "laaffic_exporter_config_last_reload_success_timestamp_seconds", Gauge, SECONDS, [],
        "When the configuration in force was loaded.";
    POLL_PANICS: "laaffic_exporter_poll_panics", Counter, NO_UNIT, [],
        "Polls that ended in a bug of this exporter; please report it.";
    API_REQUESTS: "laaffic_api_requests", Counter, NO_UNIT, ["account", "endpoint", "outcome"],
        "HTTP requests sent to the vendor, retries included, by how they ended.";
    API_ERRORS: "laaffic_api_errors", Counter, NO_UNIT, ["account", "endpoint", "code", "reason"],
        "Answers of the vendor with a code other than 0; codes beyond the 32nd distinct one of an account count as code other.";
    API_RETRIES: "laaffic_api_retries", Counter, NO_UNIT, ["account", "endpoint"],
        "Requests to the vendor that were sent again after a failure.";
    API_REQUEST_DURATION: "laaffic_api_request_duration_seconds", Histogram, SECONDS, ["account", "endpoint"],
        "How long requests to the vendor took, from sending to the last byte of the answer, whatever the outcome.";
    API_UNREADABLE_FIELDS: "laaffic_api_unreadable_fields", Counter, NO_UNIT, ["account", "endpoint", "field"],
        "Optional fields of the vendor's answers that could not be read and were left out, by the vendor's own name.";
    FLOW_INFO: "laaffic_redial_flow_info", Gauge, NO_UNIT, ["account", "key_id", "name", "recall_type"],
        "What the redial flow is, with its labels, and its task_id where the vendor's list told it; recall_type is recallType as of the last good poll. Join on (account, key_id).";
    FLOW_UP: "laaffic_redial_flow_up", Gauge, NO_UNIT, ["account", "key_id"],
        "Whether the last poll of the flow succeeded; 0 before the first.";
    FLOW_ERROR: "laaffic_redial_flow_error", Gauge, NO_UNIT, ["account", "key_id", "reason"],
        "Why the last poll of the flow failed; absent while it is up.";
    FLOW_LAST_SUCCESS: "laaffic_redial_flow_last_success_timestamp_seconds", Gauge, SECONDS, ["account", "key_id"],
        "When the last good poll of the flow ended; absent before the first.";
    FLOW_POLL_INTERVAL: "laaffic_redial_flow_poll_interval_seconds", Gauge, SECONDS, ["account", "key_id"],
        "The interval now in force between two polls of the flow.";
    FLOW_STATUS: "laaffic_redial_flow_status", Gauge, NO_UNIT, ["account", "key_id", "status"],
        "The flow's status as of the last good poll: 1 for the present one, 0 for the others; unknown stands for none and for any number that is not documented.";
    FLOW_STATUS_CODE: "laaffic_redial_flow_status_code", Gauge, NO_UNIT, ["account", "key_id"],
        "The flow's status as the vendor's own number, as of the last good poll; absent where none was reported.";
    FLOW_STATUS_SINCE: "laaffic_redial_flow_status_since_timestamp_seconds", Gauge, SECONDS, ["account", "key_id"],
        "When a poll first saw the flow's present status.";
    FLOW_EXCEPTIONS: "laaffic_redial_flow_exceptions", Counter, NO_UNIT, ["account", "key_id"],
        "How often polls saw the flow enter an execution exception; the status of the first poll is not counted.";
    FLOW_NODES: "laaffic_redial_flow_nodes", Gauge, NO_UNIT, ["account", "key_id", "status"],
        "The flow's nodes (recall rounds) by nodeStatus, as of the last good poll.";
    FLOW_NODES_TRUNCATED: "laaffic_redial_flow_nodes_truncated", Gauge, NO_UNIT, ["account", "key_id"],
        "Whether the vendor has more nodes than it handed out as of the last good poll, so that the counts are too low, or they are hardly those of this flow alone.";
    FLOW_NODES_REPORTED: "laaffic_redial_flow_nodes_reported", Gauge, NO_UNIT, ["account", "key_id"],
        "How many nodes (recall rounds) the vendor says there are (total), as of the last good poll that said so; absent where not said.";
    FLOW_RECALL_ATTEMPTS: "laaffic_redial_flow_recall_attempts", Gauge, NO_UNIT, ["account", "key_id"],
        "How many recall attempts are planned (recallNum), as of the last good poll; absent where not reported.";
    FLOW_RECALL_INTERVAL: "laaffic_redial_flow_recall_interval_seconds", Gauge, SECONDS, ["account", "key_id"],
        "The time between two recall rounds (recallInterval, there in minutes), as of the last good poll; absent where not reported.";
    FLOW_RECALL_ATTEMPTS_COMPLETED: "laaffic_redial_flow_recall_attempts_completed", Gauge, NO_UNIT, ["account", "key_id"],
        "How many recall attempts are over (finishNum), as of the last list of flows that said so; absent where not reported.";
    FLOW_CREATED: "laaffic_redial_flow_created_timestamp_seconds", Gauge, SECONDS, ["account", "key_id"],
        "When the flow was created (createTime), according to the list of flows; absent where that was not told, or in an unknown zone.";
    FLOW_ROUND_CALLS: "laaffic_redial_flow_round_calls", Gauge, NO_UNIT, ["account", "key_id", "round", "result"],
        "What became of the calls of a round's group call: customers reached, failed and still open, as of the last reading of the list of group calls; round 0 is the one that the flow was made for.";
    FLOW_ROUND_STATUS_CODE: "laaffic_redial_flow_round_status_code", Gauge, NO_UNIT, ["account", "key_id", "round"],
        "The status of a round's group call as the vendor's own number, as of the last reading of the list of group calls.";
    FLOW_ROUND_STATUS_SINCE: "laaffic_redial_flow_round_status_since_timestamp_seconds", Gauge, SECONDS, ["account", "key_id", "round"],
        "When a reading of the list of group calls first saw the present status of the round's group call.";
    FLOWS: "laaffic_redial_flows", Gauge, NO_UNIT, ["account", "status"],
        "Tracked flows by present status as of their last good polls; never polled and stale ones count as unknown.";
    FLOW_STATUS_TRANSITIONS: "laaffic_redial_flow_status_transitions", Counter, NO_UNIT, ["account", "status"],
        "How often polls saw flows of the account enter a status; the status of a flow's first poll is not counted.";
    API_CLOCK_SKEW: "laaffic_api_clock_skew_seconds", Gauge, SECONDS, ["account"],
        "The vendor's clock minus ours, from the Date header of its last answer; absent before the first.";
    API_BLOCKED: "laaffic_api_blocked", Gauge, NO_UNIT, ["account"],
        "Whether the vendor refuses the account's credentials or this host's address, so that it is asked only once a minute.";
    API_PAUSED: "laaffic_api_paused", Gauge, NO_UNIT, ["account"],
        "Whether nothing is asked for a while, because the vendor wants to be left alone (Retry-After).";
    ACCOUNT_BALANCE: "laaffic_account_balance", Gauge, NO_UNIT, ["account", "kind"],
        "What the account has: its balance, its gift and its credit, in the unit that the vendor counts in; absent where not reported of late.";
    DISCOVERY_FLOWS: "laaffic_discovery_flows", Gauge, NO_UNIT, ["account", "state"],
        "Flows found in the vendor's list: tracked ones, those that the rules dropped from the last list, and those over the limit (max_flows).";
    DISCOVERY_LAST_SUCCESS: "laaffic_discovery_last_success_timestamp_seconds", Gauge, SECONDS, ["account"],
        "When the vendor's list of flows was last read; absent before the first time.";
    DISCOVERY_COMPLETE: "laaffic_discovery_complete", Gauge, NO_UNIT, ["account"],
        "Whether the last list of flows was read to its end and no flow of it is over the limit; 0 before the first, and where it could not be read.";
    DISCOVERY_INTERVAL: "laaffic_discovery_interval_seconds", Gauge, SECONDS, ["account"],
        "The interval now in force between two readings of the vendor's list of flows.";
    POLL_BUDGET: "laaffic_exporter_poll_budget_ratio", Gauge, RATIO, ["account"],
        "Requests per second that the flows ask for, divided by the account's rate_limit; above 1 all intervals are stretched.";
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique_and_end_in_their_unit() {
        let mut seen = HashSet::new();
        for family in all() {
            assert!(seen.insert(family.name), "{} is there twice", family.name);
            assert!(!family.name.ends_with("_total"), "{}: _total is added", family.name);
            match family.unit {
                Some(unit) => assert!(family.name.ends_with(&format!("_{}", unit.as_str())), "{}", family.name),
                None => assert_eq!(family.stem(), family.name),
            }
        }
    }

    #[test]
    fn every_unit_in_a_name_is_declared() {
        for family in all() {
            let ends_in_unit = ["_seconds", "_bytes", "_ratio"]
                .iter()
                .any(|unit| family.name.ends_with(unit));
            assert_eq!(family.unit.is_some(), ends_in_unit, "{}", family.name);
        }
    }

    #[test]
    fn help_is_one_sentence_that_needs_no_escaping() {
        for family in all() {
            assert!(family.help.ends_with('.'), "{}", family.name);
            assert!(!family.help.contains(['\\', '\n', '"']), "{}", family.name);
        }
    }
}
