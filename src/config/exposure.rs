//! Files that hold a secret and that every user of the host may read: each draws a warning in the log.

use std::collections::BTreeSet;
use std::path::Path;

use url::Url;

use super::identity::readable_by_everyone;
use super::{Account, Config, HttpClient, SecretSource};

/// Warns of each file with a secret of this configuration, `file` itself included, that every user of the host may read.
pub fn warn_of_open_files(config: &Config, file: &Path) {
    for path in files_with_secrets(config, file) {
        // One that is gone by now is told where it is used.
        if std::fs::metadata(path).is_ok_and(|metadata| readable_by_everyone(path, &metadata)) {
            warn_of_open_file(path);
        }
    }
}

/// Warns of one such file.
pub(crate) fn warn_of_open_file(path: &Path) {
    let path = path.display();
    tracing::warn!(%path, "every user of this host may read this file, which holds a secret; take that right away: chmod o-r");
}

/// Several accounts may share a file, which is told once.
fn files_with_secrets<'c>(config: &'c Config, file: &'c Path) -> BTreeSet<&'c Path> {
    let own = config.accounts.iter().any(is_secret_inline).then_some(file);
    config.accounts.iter().flat_map(secret_files).chain(own).collect()
}

fn secret_files(account: &Account) -> impl Iterator<Item = &Path> {
    let named = [&account.api_key, &account.api_secret]
        .into_iter()
        .filter_map(|source| match source {
            SecretSource::File(path) => Some(path.as_path()),
            SecretSource::Value(_) | SecretSource::Environment(_) => None,
        });
    named.chain(account.http_client.tls.key_file.as_deref())
}

fn is_secret_inline(account: &Account) -> bool {
    [&account.api_key, &account.api_secret]
        .into_iter()
        .any(|source| matches!(source, SecretSource::Value(_)))
        || has_proxy_password(&account.http_client)
}

fn has_proxy_password(client: &HttpClient) -> bool {
    let url = client.proxy_url.as_ref().map(|url| Url::parse(url.expose()));
    matches!(url, Some(Ok(url)) if url.password().is_some())
}
