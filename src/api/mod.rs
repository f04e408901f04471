//! The vendor's API, called and understood.
//!
//! In: credentials, a key, the moment to sign with. Out: a [`FlowPage`] or an [`Error`] that says what kind of failure it was, in an
//! [`Exchange`] with how long it took and what the server's clock said. Knows nothing of intervals, retries or metrics.
//!
//! The vendor's page (queryDetail) is the authority; where the vendor's other pages show other forms, all forms are accepted.

mod calls_query;
mod client;
mod credentials;
mod error;
mod list_query;
mod recorder;
mod sign;
mod transport;
mod wire;

pub use self::calls_query::CallsQuery;
pub use self::client::{CallOptions, Client, ClockOffset, Exchange, MAX_BODY_BYTES, RetryAfter};
pub use self::credentials::{CredentialPair, Credentials};
pub use self::error::{Error, Interruption};
pub use self::list_query::{LIST_PAGE_SIZE, ListQuery, written};
pub use self::recorder::{Recorded, Recorder, Recording};
pub use self::sign::sign;
pub(crate) use self::transport::with_tls;
pub use self::transport::{ClientError, Connection, Network, Transport, use_ring};
pub use self::wire::{
    CallsPage, FlowPage, ListPage, ListedFlow, Node, NodeKey, Page, decode, decode_balance, decode_calls, decode_list,
    redact,
};
