//! The client against real sockets: what a network does to an exchange, and which of the outcomes each of it is.
//!
//! Everything happens on loopback, against servers that the tests make themselves or against the played vendor. When something is
//! asked again, and how often, is proven without a network in `tests/polling`.

#[cfg(test)]
mod answers;
#[cfg(test)]
mod authority;
#[cfg(test)]
mod connections;
#[cfg(test)]
mod counting;
#[cfg(test)]
mod interruptions;
#[cfg(test)]
mod proxy;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod tls_server;
#[cfg(test)]
mod upstream;
