//! `--web.config.file` over real sockets: TLS, client certificates, passwords, headers, limits, and what a crowd can do.

mod clients;
mod conformance;
mod files;
mod healthcheck;
mod passwords;
mod pressure;
mod program;
mod readers;
mod reload;
mod systemd;
mod tls;
