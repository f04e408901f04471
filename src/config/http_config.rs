//! `--http.config.file`: how an exporter that wants a password or a client certificate is asked, in the ecosystem's `http_config` schema.

use std::path::Path;

use super::credential::Credential;
use super::file::Surroundings;
use super::http_client;
use super::problem::{LoadError, Problem};
use super::secret::SecretUse;
use super::walk::{Located, Walk};
use super::yaml::{Reader, Stop};
use super::{ClientTls, SecretSource, read_file_of, text_of};

/// The flag that names the file.
const FLAG: &str = "--http.config.file";

const TOP_KEYS: [&str; 2] = ["basic_auth", "tls_config"];
const BASIC_AUTH_KEYS: [&str; 3] = ["username", "password", "password_file"];

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
    pub fn load(path: &Path) -> Result<Self, LoadError> {
        let content = read_file_of(FLAG, path)?;
        let text = text_of(&content, path)?;
        match try_read(text, &Surroundings::new(path, &|_| None)) {
            Ok((config, problems)) if problems.is_empty() => Ok(config),
            Ok((_, problems)) => Err(LoadError::new(path, problems)),
            Err(Stop(problem)) => Err(LoadError::new(path, vec![*problem])),
        }
    }
}

fn try_read(text: &str, around: &Surroundings<'_>) -> Result<(HttpConfig, Vec<Problem>), Stop> {
    let mut config = HttpConfig::default();
    let Some(reader) = Reader::open(text)? else {
        return Ok((config, Vec::new()));
    };
    let mut walk = Walk::new(reader);
    if !walk.absent()? {
        walk.mapping(&TOP_KEYS, |walk, key| {
            if walk.absent()? {
                return Ok(());
            }
            match key.value {
                "basic_auth" => config.basic_auth = basic_auth(walk, around)?,
                _ => config.tls = http_client::tls(walk, around, Some(&mut config.server_name))?,
            }
            Ok(())
        })?;
    }
    Ok((config, walk.finish()?))
}

fn basic_auth(walk: &mut Walk<'_>, around: &Surroundings<'_>) -> Result<Option<BasicAuth>, Stop> {
    let mut username = None;
    let mut username_given = false;
    let mut password = Credential::of_value_or_file(["password", "password_file"], SecretUse::Signature);
    let start = walk.mapping(&BASIC_AUTH_KEYS, |walk, key| {
        if walk.absent()? || password.read(walk, key, around)? {
            return Ok(());
        }
        username_given = true;
        username = read_username(walk)?;
        Ok(())
    })?;
    let Some(start) = start else {
        return Ok(None);
    };
    if !username_given {
        walk.problem(
            start,
            "username is missing; write the user that the password belongs to",
        );
    }
    let password = password.finish(walk, start);
    Ok(username
        .zip(password)
        .map(|(username, password)| BasicAuth { username, password }))
}

/// A colon ends the user name in what is sent (RFC 7617, section 2), so none can be in it. It is not repeated: what has a colon may
/// well be user and password together.
fn read_username(walk: &mut Walk<'_>) -> Result<Option<String>, Stop> {
    let Some(Located { value, at }) = walk.filled_text()? else {
        return Ok(None);
    };
    if value.contains(|letter: char| letter == ':' || letter.is_control()) {
        walk.problem(
            at,
            "has a colon or a control character, which no user name can have; write the password under password",
        );
        return Ok(None);
    }
    Ok(Some(value.into_owned()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::config::Secret;

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
        ] {
            let error = load(text).unwrap_err();
            assert!(error.starts_with(told) && !error.contains("hunter2"), "{error}");
        }
        let missing = HttpConfig::load(Path::new("none.yaml")).unwrap_err().to_string();
        assert!(
            missing.starts_with("none.yaml: cannot be read: ") && missing.contains(FLAG),
            "{missing}"
        );
    }
}
