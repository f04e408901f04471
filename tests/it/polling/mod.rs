//! Polling from outside: the poller against the played vendor, without sockets and on a paused clock.
//!
//! A request is handed to the vendor's router within the process, so nothing waits but timers, and an hour passes in an instant.
//! What the network alone can do wrong is in `tests/network`.

#[cfg(test)]
mod chaos;
#[cfg(test)]
mod clock;
#[cfg(test)]
mod credentials;
#[cfg(test)]
mod paging;
#[cfg(test)]
mod probe;
#[cfg(test)]
mod reload;
#[cfg(test)]
mod retries;
#[cfg(test)]
mod schedule;
#[cfg(test)]
mod staleness;
#[cfg(test)]
mod supervision;
#[cfg(test)]
mod world;
