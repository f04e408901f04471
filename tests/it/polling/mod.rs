//! Polling from outside: the poller against the played vendor, without sockets and on a paused clock.
//!
//! A request is handed to the vendor's router within the process, so nothing waits but timers, and an hour passes in an instant.
//! What the network alone can do wrong is in [`network`](crate::network).

mod balance;
mod chaos;
mod clock;
mod credentials;
mod discovery;
mod list;
mod log;
mod odd_answers;
mod outcomes;
mod paging;
mod probe;
mod probe_load;
mod reload;
mod retries;
mod schedule;
mod series;
mod staleness;
mod supervision;
