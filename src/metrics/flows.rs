//! Flow and account families, written from a snapshot.
//!
//! In: a [`Snapshot`]. Out: their text, family by family, each sorted by account and key, into a buffer that the caller empties
//! whenever it is full. A [`FlowWriter`] is a cursor: it stops after any flow and goes on there, so the whole text never exists.
//!
//! All samples of a flow come from the one record that the snapshot holds, however long the answer takes to send.

use std::hint::black_box;
use std::sync::Arc;

use exporter_toolkit::clock::unix_seconds;
use exporter_toolkit::exposition::Format;
use exporter_toolkit::exposition::text::{put_float, put_header, put_integer, put_label_value};

use super::catalogue::{self, Family};
use super::rounds;
use super::rows::Rows;
use crate::model::{Balance, CountByStatus, Nodes, RecallType, Status};
use crate::store::{AccountFlows, FlowRecord, Known, Reported, Snapshot};

/// How the samples of a family are got.
#[derive(Clone, Copy)]
enum Source {
    /// Writes one flow's samples, or nothing.
    Flow(fn(&mut Place<'_>, &FlowRecord, &mut Vec<u8>)),
    /// The same, where outcomes of rounds are read; of other accounts no flow is looked at.
    Rounds(fn(&mut Place<'_>, &FlowRecord, &mut Vec<u8>)),
    /// Writes one account's samples, or nothing.
    Account(fn(&Place<'_>, &mut Vec<u8>)),
}

/// The families of flows, in the order of the output. The functions are named after the families.
static OF_FLOWS: [(Family, Source); 19] = [
    (catalogue::FLOW_INFO, Source::Flow(info)),
    (catalogue::FLOW_UP, Source::Flow(up)),
    (catalogue::FLOW_ERROR, Source::Flow(error)),
    (catalogue::FLOW_LAST_SUCCESS, Source::Flow(last_success)),
    (catalogue::FLOW_POLL_INTERVAL, Source::Flow(poll_interval)),
    (catalogue::FLOW_STATUS, Source::Flow(status)),
    (catalogue::FLOW_STATUS_CODE, Source::Flow(status_code)),
    (catalogue::FLOW_STATUS_SINCE, Source::Flow(status_since)),
    (catalogue::FLOW_EXCEPTIONS, Source::Flow(exceptions)),
    (catalogue::FLOW_NODES, Source::Flow(nodes)),
    (catalogue::FLOW_NODES_TRUNCATED, Source::Flow(nodes_truncated)),
    (catalogue::FLOW_NODES_REPORTED, Source::Flow(nodes_reported)),
    (catalogue::FLOW_RECALL_ATTEMPTS, Source::Flow(recall_attempts)),
    (catalogue::FLOW_RECALL_INTERVAL, Source::Flow(recall_interval)),
    (
        catalogue::FLOW_RECALL_ATTEMPTS_COMPLETED,
        Source::Flow(recall_attempts_completed),
    ),
    (catalogue::FLOW_CREATED, Source::Flow(created)),
    (catalogue::FLOW_ROUND_CALLS, Source::Rounds(rounds::calls)),
    (catalogue::FLOW_ROUND_STATUS_CODE, Source::Rounds(rounds::status_code)),
    (catalogue::FLOW_ROUND_STATUS_SINCE, Source::Rounds(rounds::status_since)),
];

/// The families of accounts, which follow.
static OF_ACCOUNTS: [(Family, Source); 11] = [
    (catalogue::FLOWS, Source::Account(flows)),
    (catalogue::FLOW_STATUS_TRANSITIONS, Source::Account(status_transitions)),
    (catalogue::API_CLOCK_SKEW, Source::Account(clock_skew)),
    (catalogue::API_BLOCKED, Source::Account(blocked)),
    (catalogue::API_PAUSED, Source::Account(paused)),
    (catalogue::ACCOUNT_BALANCE, Source::Account(account_balance)),
    (catalogue::DISCOVERY_FLOWS, Source::Account(discovery_flows)),
    (
        catalogue::DISCOVERY_LAST_SUCCESS,
        Source::Account(discovery_last_success),
    ),
    (catalogue::DISCOVERY_COMPLETE, Source::Account(discovery_complete)),
    (catalogue::DISCOVERY_INTERVAL, Source::Account(discovery_interval)),
    (catalogue::POLL_BUDGET, Source::Account(poll_budget)),
];

/// Writes the flow and account families of one snapshot, a buffer at a time.
#[derive(Debug)]
pub struct FlowWriter {
    snapshot: Snapshot,
    format: Format,
    rows: Rows,
    /// Whether the families of accounts are wanted too.
    accounts_too: bool,
    /// The next sample: which family, of which account, of which flow.
    family: usize,
    account: usize,
    flow: usize,
    /// Whether the present family has shown a sample, and therefore its header.
    begun: bool,
    /// `name{account="…"` of the present family and account, with `,key_id="` where it is a flow's.
    head: Vec<u8>,
}

impl FlowWriter {
    /// A writer that stands before the first family.
    pub fn new(snapshot: Snapshot, format: Format) -> Self {
        Self {
            accounts_too: true,
            ..Self::of_flows(snapshot, format)
        }
    }

    /// A writer of the families of flows alone.
    pub fn of_flows(snapshot: Snapshot, format: Format) -> Self {
        Self {
            snapshot,
            format,
            accounts_too: false,
            rows: Rows::default(),
            family: 0,
            account: 0,
            flow: 0,
            begun: false,
            head: Vec::new(),
        }
    }

    /// Appends to `out` until it has at least `limit` bytes or there is nothing left to write. True while there may be more.
    ///
    /// `out` passes `limit` by less than one header and the samples of one flow in one family (or of one account).
    pub fn fill(&mut self, out: &mut Vec<u8>, limit: usize) -> bool {
        while out.len() < limit {
            let Some((family, source)) = self.source() else {
                return false;
            };
            let Some(account) = self.snapshot.accounts.get(self.account) else {
                self.family += 1;
                self.account = 0;
                self.begun = false;
                continue;
            };
            if self.flow == 0 {
                self.rows.clear();
                self.head.clear();
                self.head.extend_from_slice(family.name.as_bytes());
                self.head.extend_from_slice(family.kind.sample_suffix().as_bytes());
                self.head.extend_from_slice(b"{account=\"");
                put_label_value(&mut self.head, &account.name);
                self.head.extend_from_slice(match source {
                    Source::Flow(_) | Source::Rounds(_) => b"\",key_id=\"",
                    Source::Account(_) => b"\"",
                });
            }
            let mut place = Place {
                snapshot: &self.snapshot,
                account,
                head: &self.head,
                rows: &mut self.rows,
            };
            match source {
                Source::Rounds(_) if account.state.outcome_interval.is_none() => {}
                Source::Flow(put) | Source::Rounds(put) => {
                    let flows = account.flows.get(self.flow..).unwrap_or_default();
                    for (index, flow) in flows.iter().enumerate() {
                        if index % AHEAD == 0 {
                            look_ahead(flows.iter().skip(index + AHEAD).take(AHEAD));
                        }
                        if out.len() >= limit {
                            return true;
                        }
                        let start = out.len();
                        put(&mut place, flow, out);
                        begin(&mut self.begun, out, start, self.format, family);
                        self.flow += 1;
                    }
                }
                Source::Account(put) => {
                    let start = out.len();
                    put(&place, out);
                    begin(&mut self.begun, out, start, self.format, family);
                }
            }
            self.account += 1;
            self.flow = 0;
        }
        self.source().is_some()
    }

    /// The present family and where its samples come from; `None` after the last.
    fn source(&self) -> Option<&'static (Family, Source)> {
        let accounts = self.accounts_too.then_some(&OF_ACCOUNTS);
        OF_FLOWS.iter().chain(accounts.into_iter().flatten()).nth(self.family)
    }
}

/// How many records are fetched side by side.
const AHEAD: usize = 8;

/// Reads a little of each record before its turn comes. Polls scatter the records over memory; waited for one after the other they
/// make a flow cost twice as much once they outgrow the processor's caches (docs/performance.md).
#[inline]
fn look_ahead<'f>(flows: impl Iterator<Item = &'f Arc<FlowRecord>>) {
    let mut sum = 0_u64;
    for flow in flows {
        // One field from each of the record's cache lines, and its key.
        sum = sum.wrapping_add(flow.info.key_id.get());
        sum = sum.wrapping_add(flow.exceptions.into());
        sum = sum.wrapping_add(flow.failure.is_some().into());
        sum = sum.wrapping_add(flow.known.is_some_and(|known| known.at < known.status_since).into());
        sum = sum.wrapping_add(flow.status().map_or(0, |status| status.index() as u64));
    }
    black_box(sum);
}

/// Puts the header before the first sample of a family, which stands at `start`: only then is it known that there is one.
#[inline]
fn begin(begun: &mut bool, out: &mut Vec<u8>, start: usize, format: Format, family: &Family) {
    if !*begun && out.len() > start {
        let samples = out.split_off(start);
        put_header(out, format, family);
        out.extend_from_slice(&samples);
        *begun = true;
    }
}

/// Where in the snapshot the writer is.
pub(super) struct Place<'w> {
    pub(super) snapshot: &'w Snapshot,
    pub(super) account: &'w AccountFlows,
    head: &'w [u8],
    rows: &'w mut Rows,
}

impl Place<'_> {
    /// What is known of the flow, unless it is too old to be shown.
    fn fresh<'f>(&self, flow: &'f FlowRecord) -> Option<&'f Known> {
        self.snapshot.fresh(self.account, flow)
    }

    /// A part of it, unless that was reported too long ago.
    fn part<T: Copy>(&self, flow: &FlowRecord, part: impl FnOnce(&Known) -> Option<Reported<T>>) -> Option<T> {
        self.snapshot.fresh_part(self.account, flow, part)
    }

    /// The nodes; none where none were ever reported, unless nobody has looked at them yet.
    fn nodes(&self, flow: &FlowRecord) -> Option<Nodes> {
        match self.fresh(flow)?.nodes {
            None => (!flow.info.is_discovered()).then(Nodes::default),
            Some(_) => self.snapshot.nodes(self.account, flow),
        }
    }

    /// `name{account="…",key_id="…"`
    #[inline]
    pub(super) fn open(&self, flow: &FlowRecord, out: &mut Vec<u8>) {
        out.extend_from_slice(self.head);
        put_integer(out, flow.info.key_id.get());
        out.push(b'"');
    }

    /// One sample without further labels.
    #[inline]
    fn sample(&self, flow: &FlowRecord, out: &mut Vec<u8>, put: impl FnOnce(&mut Vec<u8>)) {
        self.open(flow, out);
        out.extend_from_slice(b"} ");
        put(out);
        out.push(b'\n');
    }

    /// One sample per status.
    #[inline]
    fn by_status(&mut self, flow: &FlowRecord, out: &mut Vec<u8>, counts: &CountByStatus) {
        self.rows.put(out, self.head, flow.info.key_id, counts);
    }
}

fn put_bool(out: &mut Vec<u8>, value: bool) {
    out.push(if value { b'1' } else { b'0' });
}

fn info(at: &mut Place<'_>, flow: &FlowRecord, out: &mut Vec<u8>) {
    at.open(flow, out);
    out.extend_from_slice(b",name=\"");
    match flow.info.name() {
        Some(name) => put_label_value(out, name),
        None => put_integer(out, flow.info.key_id.get()),
    }
    out.extend_from_slice(b"\",recall_type=\"");
    let recall_type = flow.known.and_then(|known| known.recall_type);
    let recall_type = recall_type.map_or(RecallType::Unknown, |reported| reported.value);
    out.extend_from_slice(recall_type.label().as_bytes());
    let labels = &flow.info.labels;
    if let Some(task_id) = flow.info.task.as_ref().and_then(|task| task.task_id.as_ref())
        && labels.iter().all(|(name, _)| &**name != "task_id")
    {
        out.extend_from_slice(b"\",task_id=\"");
        put_label_value(out, task_id);
    }
    for (name, value) in labels {
        out.extend_from_slice(b"\",");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"=\"");
        put_label_value(out, value);
    }
    out.extend_from_slice(b"\"} 1\n");
}

fn up(at: &mut Place<'_>, flow: &FlowRecord, out: &mut Vec<u8>) {
    at.sample(flow, out, |out| put_bool(out, flow.up()));
}

fn error(at: &mut Place<'_>, flow: &FlowRecord, out: &mut Vec<u8>) {
    let Some(failure) = &flow.failure else { return };
    at.open(flow, out);
    out.extend_from_slice(b",reason=\"");
    out.extend_from_slice(failure.reason.label().as_bytes());
    out.extend_from_slice(b"\"} 1\n");
}

fn last_success(at: &mut Place<'_>, flow: &FlowRecord, out: &mut Vec<u8>) {
    let Some(known) = &flow.known else { return };
    at.sample(flow, out, |out| put_float(out, unix_seconds(known.at)));
}

fn poll_interval(at: &mut Place<'_>, flow: &FlowRecord, out: &mut Vec<u8>) {
    let interval = at.snapshot.poll_interval(at.account, flow);
    at.sample(flow, out, |out| put_float(out, interval.as_secs_f64()));
}

fn status(at: &mut Place<'_>, flow: &FlowRecord, out: &mut Vec<u8>) {
    let Some(status) = at.snapshot.status(at.account, flow) else {
        return;
    };
    let mut counts = CountByStatus::NONE;
    counts.add(status);
    at.by_status(flow, out, &counts);
}

fn status_code(at: &mut Place<'_>, flow: &FlowRecord, out: &mut Vec<u8>) {
    let Some(code) = at.snapshot.status(at.account, flow).and_then(Status::code) else {
        return;
    };
    at.sample(flow, out, |out| put_integer(out, code));
}

fn status_since(at: &mut Place<'_>, flow: &FlowRecord, out: &mut Vec<u8>) {
    let (Some(known), Some(_)) = (&flow.known, at.snapshot.status(at.account, flow)) else {
        return;
    };
    at.sample(flow, out, |out| put_float(out, unix_seconds(known.status_since)));
}

fn exceptions(at: &mut Place<'_>, flow: &FlowRecord, out: &mut Vec<u8>) {
    at.sample(flow, out, |out| put_integer(out, flow.exceptions));
}

fn nodes(at: &mut Place<'_>, flow: &FlowRecord, out: &mut Vec<u8>) {
    let Some(nodes) = at.nodes(flow) else { return };
    at.by_status(flow, out, &nodes.by_status);
}

fn nodes_truncated(at: &mut Place<'_>, flow: &FlowRecord, out: &mut Vec<u8>) {
    let Some(nodes) = at.nodes(flow) else { return };
    at.sample(flow, out, |out| put_bool(out, nodes.truncated));
}

fn nodes_reported(at: &mut Place<'_>, flow: &FlowRecord, out: &mut Vec<u8>) {
    let Some(reported) = at.nodes(flow).and_then(|nodes| nodes.reported) else {
        return;
    };
    at.sample(flow, out, |out| put_integer(out, reported));
}

fn recall_attempts(at: &mut Place<'_>, flow: &FlowRecord, out: &mut Vec<u8>) {
    let Some(attempts) = at.part(flow, |known| known.recall_attempts) else {
        return;
    };
    at.sample(flow, out, |out| put_integer(out, attempts));
}

fn recall_interval(at: &mut Place<'_>, flow: &FlowRecord, out: &mut Vec<u8>) {
    let Some(seconds) = at.part(flow, |known| known.recall_interval_seconds) else {
        return;
    };
    at.sample(flow, out, |out| put_integer(out, seconds));
}

fn recall_attempts_completed(at: &mut Place<'_>, flow: &FlowRecord, out: &mut Vec<u8>) {
    let Some(completed) = at.snapshot.recall_attempts_completed(at.account, flow) else {
        return;
    };
    at.sample(flow, out, |out| put_integer(out, completed));
}

fn created(at: &mut Place<'_>, flow: &FlowRecord, out: &mut Vec<u8>) {
    let Some(created) = flow.info.task.as_ref().and_then(|task| task.created) else {
        return;
    };
    at.sample(flow, out, |out| put_integer(out, created));
}

fn flows(at: &Place<'_>, out: &mut Vec<u8>) {
    account_by_status(at, out, at.snapshot.count_by_status(at.account));
}

fn status_transitions(at: &Place<'_>, out: &mut Vec<u8>) {
    account_by_status(at, out, at.account.state.transitions);
}

fn clock_skew(at: &Place<'_>, out: &mut Vec<u8>) {
    if let Some(skew) = at.account.state.clock_skew_seconds {
        account_sample(at, out, |out| put_float(out, skew));
    }
}

fn blocked(at: &Place<'_>, out: &mut Vec<u8>) {
    account_sample(at, out, |out| put_bool(out, at.account.state.blocked));
}

fn paused(at: &Place<'_>, out: &mut Vec<u8>) {
    account_sample(at, out, |out| put_bool(out, at.account.state.paused));
}

fn account_balance(at: &Place<'_>, out: &mut Vec<u8>) {
    for (kind, amount) in at.account.state.balance.iter().flat_map(Balance::iter) {
        out.extend_from_slice(at.head);
        out.extend_from_slice(b",kind=\"");
        out.extend_from_slice(kind.as_bytes());
        out.extend_from_slice(b"\"} ");
        put_float(out, amount);
        out.push(b'\n');
    }
}

fn discovery_flows(at: &Place<'_>, out: &mut Vec<u8>) {
    let Some(discovery) = &at.account.state.discovery else {
        return;
    };
    for (state, count) in [
        ("tracked", discovery.tracked),
        ("dropped", discovery.dropped),
        ("over_limit", discovery.over_limit),
    ] {
        out.extend_from_slice(at.head);
        out.extend_from_slice(b",state=\"");
        out.extend_from_slice(state.as_bytes());
        out.extend_from_slice(b"\"} ");
        put_integer(out, count);
        out.push(b'\n');
    }
}

fn discovery_last_success(at: &Place<'_>, out: &mut Vec<u8>) {
    let last_success = at.account.state.discovery.and_then(|discovery| discovery.last_success);
    if let Some(last_success) = last_success {
        account_sample(at, out, |out| put_float(out, unix_seconds(last_success)));
    }
}

fn discovery_complete(at: &Place<'_>, out: &mut Vec<u8>) {
    if let Some(discovery) = &at.account.state.discovery {
        account_sample(at, out, |out| put_bool(out, discovery.complete));
    }
}

fn discovery_interval(at: &Place<'_>, out: &mut Vec<u8>) {
    let state = &at.account.state;
    if let Some(discovery) = &state.discovery {
        let interval = state.stretched(discovery.interval);
        account_sample(at, out, |out| put_float(out, interval.as_secs_f64()));
    }
}

fn poll_budget(at: &Place<'_>, out: &mut Vec<u8>) {
    account_sample(at, out, |out| put_float(out, at.account.state.budget_ratio));
}

fn account_by_status(at: &Place<'_>, out: &mut Vec<u8>, counts: CountByStatus) {
    for (status, count) in counts.iter() {
        out.extend_from_slice(at.head);
        out.extend_from_slice(b",status=\"");
        out.extend_from_slice(status.label().as_bytes());
        out.extend_from_slice(b"\"} ");
        put_integer(out, count);
        out.push(b'\n');
    }
}

fn account_sample(at: &Place<'_>, out: &mut Vec<u8>, put: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(at.head);
    out.extend_from_slice(b"} ");
    put(out);
    out.push(b'\n');
}
