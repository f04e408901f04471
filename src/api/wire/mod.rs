//! The vendor's JSON, as liberally as its pages disagree, reduced to what the metrics need.
//!
//! One odd field spoils that field, not the answer: it counts as not reported, and its name is told. Field names and numbers are those of
//! the vendor's page (queryDetail) and of its sister pages. One file for each call; what they share is `envelope` (the code and the data),
//! `fields` (what is read of an object), `json` (what a value is) and `moment` (times).

mod balance;
mod calls;
mod documented;
mod envelope;
mod fields;
mod flow;
mod json;
mod list;
mod moment;
mod page;
mod redact;

pub use self::balance::decode_balance;
pub use self::calls::{CallsPage, decode_calls};
pub use self::flow::{FlowPage, Node, NodeKey, decode};
pub use self::list::{ListPage, ListedFlow, decode_list};
pub(super) use self::moment::BEGINNING;
pub use self::page::Page;
pub use self::redact::redact;
