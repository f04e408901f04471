//! `--http.config.file`: how an exporter that wants a password or a client certificate is asked, in the ecosystem's `http_config` schema.
//!
//! The structs with keys are the schema of the file; [`HttpConfig`] is what a check makes of them.

use std::path::{Path as FilePath, PathBuf};

use serde::{Deserialize, Serialize};
use url::Host;

use crate::credential::Credential;
use crate::secret::{Secret, SecretSource, SecretUse};
use crate::surroundings::Surroundings;
use crate::yaml::{self, Filled, LoadError, Path, Rules};

/// The flag that names the file.
const FLAG: &str = "--http.config.file";

/// The whole file.
#[derive(Default, Deserialize)]
#[serde(default)]
struct File {
    basic_auth: Option<BasicAuthKeys>,
    tls_config: TlsKeys,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct BasicAuthKeys {
    username: Option<Filled>,
    password: Option<Secret>,
    password_file: Option<PathBuf>,
}

/// As [`ClientTls`], and a name.
#[derive(Default, Deserialize)]
#[serde(default)]
struct TlsKeys {
    server_name: Option<Filled>,
    ca_file: Option<PathBuf>,
    cert_file: Option<PathBuf>,
    key_file: Option<PathBuf>,
    insecure_skip_verify: bool,
}

/// TLS towards a server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct ClientTls {
    /// PEM file of the authorities to trust instead of the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// PEM file of our certificate chain; only together with `key_file`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cert_file: Option<PathBuf>,
    /// PEM file of our private key; only together with `cert_file`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
    /// Trust any certificate, and so anybody. Only for tests and accidents.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub insecure_skip_verify: bool,
}

/// How to ask over HTTP, checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HttpConfig {
    /// User and password.
    pub basic_auth: Option<BasicAuth>,
    /// TLS towards the server.
    pub tls: ClientTls,
    /// Whose name the server's certificate must have, where it is not the one that is asked.
    pub server_name: Option<String>,
}

/// User and password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BasicAuth {
    /// The user, without a colon.
    pub username: String,
    /// The password.
    pub password: SecretSource,
}

impl HttpConfig {
    /// Reads and checks the file at `path`, and the files it names.
    ///
    /// # Errors
    /// Everything that is wrong, at once; no password is in a message.
    pub fn load(path: &FilePath) -> Result<Self, LoadError> {
        let content = yaml::read_file(FLAG, path)?;
        let around = Surroundings::new(path, &|_| None);
        let (config, _) = yaml::load(path, &content, |file: File, rules| check(file, &around, rules))?;
        Ok(config)
    }
}

impl ClientTls {
    /// Checks the block at `at`. Its paths become what they lead to: absolute, or relative to the working directory.
    pub fn check(&mut self, at: &Path<'_>, around: &Surroundings<'_>, rules: &mut Rules) {
        around.readable(&mut self.ca_file, &at.key("ca_file"), rules);
        around.readable(&mut self.cert_file, &at.key("cert_file"), rules);
        around.readable(&mut self.key_file, &at.key("key_file"), rules);
        let lonely = match (&self.cert_file, &self.key_file) {
            (Some(_), None) => Some(("cert_file", "key_file")),
            (None, Some(_)) => Some(("key_file", "cert_file")),
            (None, None) | (Some(_), Some(_)) => None,
        };
        if let Some((given, missing)) = lonely {
            let message = format!("given without {missing}; a client certificate needs both cert_file and key_file");
            rules.problem_with_key(&at.key(given), message);
        }
    }
}

fn check(file: File, around: &Surroundings<'_>, rules: &mut Rules) -> Option<HttpConfig> {
    let keys = file.tls_config;
    let at = Path::Root.key("tls_config");
    let server_name = keys.server_name.map(|name| server_name(&name, &at, rules));
    let mut tls = ClientTls {
        ca_file: keys.ca_file,
        cert_file: keys.cert_file,
        key_file: keys.key_file,
        insecure_skip_verify: keys.insecure_skip_verify,
    };
    tls.check(&at, around, rules);
    Some(HttpConfig {
        basic_auth: match file.basic_auth {
            Some(keys) => Some(basic_auth(keys, around, rules)?),
            None => None,
        },
        tls,
        server_name: server_name.flatten(),
    })
}

fn basic_auth(mut keys: BasicAuthKeys, around: &Surroundings<'_>, rules: &mut Rules) -> Option<BasicAuth> {
    let at = Path::Root.key("basic_auth");
    let username = match keys.username {
        // A colon ends the user name in what is sent (RFC 7617, section 2), so none can be in it. It is not repeated: what has a colon may
        // well be user and password together.
        Some(name) if name.contains(|letter: char| letter == ':' || letter.is_control()) => {
            let message =
                "has a colon or a control character, which no user name can have; write the password under password";
            rules.problem(&at.key("username"), message);
            None
        }
        Some(name) => Some(name.to_string()),
        None => {
            rules.problem(&at, "username is missing; write the user that the password belongs to");
            None
        }
    };
    let password = Credential {
        value: ("password", &keys.password),
        file: ("password_file", &mut keys.password_file),
        variable: None,
        usage: SecretUse::Signature,
    };
    let password = password.source(&at, around, rules)?;
    username.map(|username| BasicAuth { username, password })
}

fn server_name(name: &str, at: &Path<'_>, rules: &mut Rules) -> Option<String> {
    match Host::parse(name) {
        Ok(Host::Domain(name)) => Some(name),
        Ok(Host::Ipv4(_) | Host::Ipv6(_)) | Err(_) => {
            let message = "this is not a host name; write a DNS name that the server's certificate has";
            rules.problem(&at.key("server_name"), message);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn load(text: &str) -> Result<HttpConfig, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("http.yaml");
        fs::write(&path, text).unwrap();
        fs::write(folder.path().join("password"), "hunter2\n").unwrap();
        HttpConfig::load(&path).map_err(|error| error.to_string().replace(path.to_str().unwrap(), "http.yaml"))
    }

    #[test]
    fn the_ecosystems_keys_are_taken() {
        let config = load(
            "basic_auth: {username: al, password: hunter2}\ntls_config: {ca_file: password, server_name: Exporter.example}\n",
        )
        .unwrap();
        let auth = config.basic_auth.as_ref().unwrap();
        assert_eq!(
            (auth.username.as_str(), &auth.password),
            ("al", &SecretSource::Value(Secret::new("hunter2")))
        );
        assert_eq!(config.server_name.as_deref(), Some("exporter.example"));
        assert!(
            config
                .tls
                .ca_file
                .as_ref()
                .is_some_and(|path| path.ends_with("password"))
        );
        assert!(!format!("{config:?}{config:#?}").contains("hunter2"));
        let of_file = load("basic_auth: {username: al, password_file: password}")
            .unwrap()
            .basic_auth;
        assert!(matches!(of_file.unwrap().password, SecretSource::File(_)));
        for empty in ["", "# nothing\n", "~", "{}", "basic_auth:\ntls_config: {}\n"] {
            assert_eq!(load(empty).unwrap(), HttpConfig::default(), "{empty:?}");
        }
    }

    #[test]
    fn every_mistake_is_told_with_its_place_and_no_password() {
        for (text, told) in [
            (
                "bearer_token: hunter2",
                "http.yaml:1:1: bearer_token: unknown key; the keys here are basic_auth, tls_config",
            ),
            (
                "basic_auth: {password: hunter2}",
                "http.yaml:1:13: basic_auth: username is missing; write the user that the password belongs to",
            ),
            (
                "basic_auth: {username: al}",
                "http.yaml:1:13: basic_auth: no password; give one of password and password_file",
            ),
            (
                "basic_auth: {username: al, password: hunter2, password_file: password}",
                "http.yaml:1:47: basic_auth: password and password_file are both given; keep exactly one of password and password_file",
            ),
            (
                "basic_auth: {username: 'al:hunter2', password: x}",
                "http.yaml:1:24: basic_auth.username: has a colon or a control character, which no user name can have; write the password under password",
            ),
            (
                "basic_auth: {username: al, password: [hunter2]}",
                "http.yaml:1:38: basic_auth.password: a list is not a text; write one value after the colon",
            ),
            (
                "tls_config: {server_name: 10.0.0.1}",
                "http.yaml:1:27: tls_config.server_name: this is not a host name; write a DNS name that the server's certificate has",
            ),
            ("basic_auth: {username: al, password: 'hunter2}", "http.yaml:"),
            (
                "bearer_token: hunter2\ntls_config: {insecure: true, ca_file: none.pem}",
                "http.yaml:1:1: bearer_token: unknown key; the keys here are basic_auth, tls_config\n\
                 http.yaml:2:14: tls_config.insecure: unknown key; the keys here are server_name, ca_file, cert_file, key_file, \
                 insecure_skip_verify\n\
                 http.yaml:2:39: tls_config.ca_file: ",
            ),
        ] {
            let error = load(text).unwrap_err();
            assert!(error.starts_with(told) && !error.contains("hunter2"), "{error}");
        }
        let missing = HttpConfig::load(FilePath::new("none.yaml")).unwrap_err().to_string();
        assert!(
            missing.starts_with("none.yaml: cannot be read: ") && missing.contains(FLAG),
            "{missing}"
        );
    }
}
