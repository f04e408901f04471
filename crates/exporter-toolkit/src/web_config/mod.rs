//! `--web.config.file`: TLS, client certificates, passwords, headers and a rate limit, in the schema of the ecosystem's exporter-toolkit.
//!
//! `schema` is the file as written, `load` reads and checks it, with `tls`, `names` and `client_cert` for what the TLS library is told, and
//! `users` for the password hashes; [`LiveWebConfig`] picks changes up.

mod check;
mod client_cert;
mod go_duration;
mod live;
mod load;
mod names;
mod schema;
mod tls;
mod users;

pub use self::live::{Current, LiveWebConfig};
pub use self::load::{RateLimit, WebConfig, load};
pub use self::users::{NotAHash, ORDINARY_COST, PasswordHash, Users};

#[cfg(test)]
mod tests;
