//! `healthcheck`: asks the exporter that runs beside it whether polling works, for containers without curl.

use std::fmt;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use reqwest::{Client, RequestBuilder, StatusCode, redirect};

use crate::api::{Error, Interruption, with_tls};
use crate::config::{BasicAuth, ClientTls, HttpConfig, SecretReader, SecretUse};
use exporter_toolkit::server::ListenAddress;

/// Asks the exporter that listens on `address`, as one on the same host reaches it; `tls` where it serves HTTPS. `config` is for one that
/// wants a password or a client certificate.
///
/// # Errors
/// If it does not answer in time, or says that it is not healthy; the message has its words.
pub async fn healthcheck(
    address: &ListenAddress,
    tls: bool,
    config: Option<&HttpConfig>,
    timeout: Duration,
) -> Result<()> {
    let target = Target::new(address, tls);
    let client = client(&target, config, timeout).await?;
    let url = target.url(config);
    let request = match config.and_then(|config| config.basic_auth.as_ref()) {
        Some(auth) => with_password(client.get(url), auth)?,
        None => client.get(url),
    };
    let answer = request.send().await.map_err(|error| {
        let error = Error::from_transport(error, Interruption::Reset);
        let cure = cure(&error, config.is_some());
        anyhow!("{target} does not answer: {error}{cure}")
    })?;
    let status = answer.status();
    if status == StatusCode::UNAUTHORIZED {
        bail!("{target} {}", unauthorized(config));
    }
    if status.is_success() {
        return Ok(());
    }
    // Whoever was told a password may be somebody else, who sends it back.
    if config.is_some_and(|config| config.basic_auth.is_some()) {
        bail!("{target} answers {status}");
    }
    let words = answer.text().await.unwrap_or_default();
    bail!("{target} answers {status}: {}", words.trim())
}

/// What is asked.
struct Target {
    scheme: &'static str,
    host: String,
    port: u16,
}

impl Target {
    fn new(address: &ListenAddress, tls: bool) -> Self {
        Self {
            scheme: if tls { "https" } else { "http" },
            host: address.host_from_here(),
            port: address.port(),
        }
    }

    /// The URL to ask for: with the name that the certificate must have, where one is given.
    fn url(&self, config: Option<&HttpConfig>) -> String {
        let host = self.server_name(config).unwrap_or(&self.host);
        format!("{}://{host}:{}/-/healthy", self.scheme, self.port)
    }

    fn server_name<'c>(&self, config: Option<&'c HttpConfig>) -> Option<&'c str> {
        config?.server_name.as_deref().filter(|_| self.scheme == "https")
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url(None))
    }
}

async fn client(target: &Target, config: Option<&HttpConfig>, timeout: Duration) -> Result<Client> {
    // Without a configuration nothing secret is sent, and nobody but this host is asked: whose name the certificate has does not matter.
    let anyone = ClientTls {
        insecure_skip_verify: true,
        ..ClientTls::default()
    };
    let tls = config.map_or(&anyone, |config| &config.tls);
    let builder = Client::builder()
        .no_proxy()
        // A password is for the exporter alone.
        .redirect(redirect::Policy::none())
        .timeout(timeout);
    let mut builder = with_tls(builder, tls, target.scheme == "https")?;
    if let Some(name) = target.server_name(config) {
        let host = target.host.trim_matches(['[', ']']);
        let addresses = tokio::net::lookup_host((host, target.port)).await;
        let addresses: Vec<_> = addresses
            .with_context(|| format!("{target} does not answer"))?
            .collect();
        builder = builder.resolve_to_addrs(name, &addresses);
    }
    builder.build().map_err(|error| {
        let error = Error::from_transport(error, Interruption::Reset);
        anyhow!(
            "the HTTP client cannot be built: {error}; set tls_config.ca_file in the file that --http.config.file names"
        )
    })
}

fn with_password(request: RequestBuilder, auth: &BasicAuth) -> Result<RequestBuilder> {
    let password = SecretReader::new(auth.password.clone(), SecretUse::Signature)
        .context("the password of --http.config.file cannot be used")?;
    Ok(request.basic_auth(&auth.username, Some(password.current().expose())))
}

fn unauthorized(config: Option<&HttpConfig>) -> &'static str {
    match config.map(|config| &config.basic_auth) {
        Some(Some(_)) => "refuses this user or password; correct basic_auth in the file that --http.config.file names",
        Some(None) => "wants a password; add basic_auth to the file that --http.config.file names",
        None => "wants a password; name a file with user and password by --http.config.file",
    }
}

/// What to do about a failure, where it can be known.
fn cure(error: &Error, configured: bool) -> &'static str {
    match error {
        Error::Tls(_) if configured => "; check tls_config in the file that --http.config.file names",
        Error::Tls(_) => "; if it wants a client certificate, name a file with one by --http.config.file",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listen_address_is_reached() {
        for (address, tls, reached) in [
            (":10871", false, "http://127.0.0.1:10871/-/healthy"),
            ("0.0.0.0:1", true, "https://127.0.0.1:1/-/healthy"),
            ("[::]:2", false, "http://[::1]:2/-/healthy"),
            ("[fe80::1]:3", false, "http://[fe80::1]:3/-/healthy"),
            ("exporter.example:4", true, "https://exporter.example:4/-/healthy"),
        ] {
            assert_eq!(Target::new(&address.parse().unwrap(), tls).to_string(), reached);
        }
    }
}
