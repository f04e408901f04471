//! The client against real sockets: what a network does to an exchange, and which of the outcomes each of it is.
//!
//! Everything happens on loopback, against servers that the tests make themselves or against the played vendor. When something is
//! asked again, and how often, is proven without a network in [`polling`](crate::polling).

mod answers;
mod connections;
mod counting;
mod interruptions;
mod proxy;
mod refusals;
mod tls;
mod tls_server;
mod upstream;
