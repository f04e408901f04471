//! `healthcheck`: asks the exporter that runs beside it whether polling works, for containers without curl.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use reqwest::StatusCode;

use crate::api::use_ring;
use crate::listen::ListenAddress;

/// Asks the exporter that listens on `address`, as one on the same host reaches it; `tls` where it serves HTTPS.
///
/// # Errors
/// If it does not answer in time, or says that it is not healthy; the message has its words.
pub async fn healthcheck(address: &ListenAddress, tls: bool, timeout: Duration) -> Result<()> {
    let scheme = if tls { "https" } else { "http" };
    let url = format!("{scheme}://{}/-/healthy", address.reached_from_here());
    use_ring();
    let client = reqwest::Client::builder()
        .no_proxy()
        // A minimal container without authorities must do. Nothing secret is sent, and nobody but this host is asked: whose name the
        // certificate has does not matter.
        .tls_certs_only([])
        .tls_danger_accept_invalid_certs(true)
        .timeout(timeout)
        .build()
        .context("the HTTP client cannot be built")?;
    let answer = client
        .get(&url)
        .send()
        .await
        .with_context(|| format!("{url} does not answer"))?;
    let status = answer.status();
    if status == StatusCode::UNAUTHORIZED {
        bail!("{url} wants a password, and only its hash is in the web configuration; probe with a client that has it");
    }
    let words = answer.text().await.unwrap_or_default();
    if !status.is_success() {
        bail!("{url} answers {status}: {}", words.trim());
    }
    Ok(())
}

impl ListenAddress {
    /// The address in a URL on the same host; one for every address is reached by the loopback one.
    fn reached_from_here(&self) -> String {
        let host = match self.host().map(|host| (host, host.parse::<IpAddr>())) {
            None => Ipv4Addr::LOCALHOST.to_string(),
            Some((_, Ok(IpAddr::V4(ip)))) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.to_string(),
            Some((_, Ok(IpAddr::V6(ip)))) if ip.is_unspecified() => format!("[{}]", Ipv6Addr::LOCALHOST),
            Some((_, Ok(IpAddr::V6(ip)))) => format!("[{ip}]"),
            Some((host, _)) => host.to_owned(),
        };
        format!("{host}:{}", self.port())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listen_address_is_reached() {
        for (address, reached) in [
            (":10871", "127.0.0.1:10871"),
            ("0.0.0.0:1", "127.0.0.1:1"),
            ("[::]:2", "[::1]:2"),
            ("[fe80::1]:3", "[fe80::1]:3"),
            ("exporter.example:4", "exporter.example:4"),
        ] {
            assert_eq!(address.parse::<ListenAddress>().unwrap().reached_from_here(), reached);
        }
    }
}
