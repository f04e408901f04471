//! The families of a flow's rounds, written from what the snapshot shows of them.

use exporter_toolkit::clock::unix_seconds;
use exporter_toolkit::exposition::text::{put_float, put_integer};

use super::flows::Place;
use crate::store::{FlowRecord, RoundShown};

pub(super) fn calls(at: &mut Place<'_>, flow: &FlowRecord, out: &mut Vec<u8>) {
    for round in shown(at, flow) {
        let results = [
            ("reached", round.reached),
            ("failed", round.failed),
            ("open", round.open),
        ];
        for (result, calls) in results {
            let Some(calls) = calls else { continue };
            open(at, flow, round, out);
            out.extend_from_slice(b",result=\"");
            out.extend_from_slice(result.as_bytes());
            out.extend_from_slice(b"\"} ");
            put_integer(out, calls);
            out.push(b'\n');
        }
    }
}

pub(super) fn status_code(at: &mut Place<'_>, flow: &FlowRecord, out: &mut Vec<u8>) {
    for round in shown(at, flow) {
        let Some((code, _)) = round.status else { continue };
        open(at, flow, round, out);
        out.extend_from_slice(b"} ");
        put_integer(out, code);
        out.push(b'\n');
    }
}

pub(super) fn status_since(at: &mut Place<'_>, flow: &FlowRecord, out: &mut Vec<u8>) {
    for round in shown(at, flow) {
        let Some((_, since)) = round.status else { continue };
        open(at, flow, round, out);
        out.extend_from_slice(b"} ");
        put_float(out, unix_seconds(since));
        out.push(b'\n');
    }
}

fn shown<'f>(at: &Place<'_>, flow: &'f FlowRecord) -> impl Iterator<Item = RoundShown> + use<'f> {
    at.snapshot.rounds(at.account, flow)
}

/// `name{account="…",key_id="…",round="…"`
fn open(at: &Place<'_>, flow: &FlowRecord, round: RoundShown, out: &mut Vec<u8>) {
    at.open(flow, out);
    out.extend_from_slice(b",round=\"");
    put_integer(out, round.number);
    out.push(b'"');
}
