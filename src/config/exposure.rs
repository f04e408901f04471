//! The files with a secret of a configuration, which should not be for everyone.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use exporter_toolkit::exposure::is_open;
use url::Url;

use super::checked::Config;
use super::schema::{Account, HttpClient};

/// The files with a secret of this configuration, `file` itself included, that every user of the host may read. Several accounts may share
/// a file, which is there once.
pub fn open_files(config: &Config, file: &Path) -> Vec<PathBuf> {
    let accounts = || config.accounts.iter().map(|account| &account.settings);
    let own = accounts().any(is_secret_inline).then_some(file);
    let files: BTreeSet<_> = accounts().flat_map(secret_files).chain(own).collect();
    let open = files.into_iter().filter(|file| is_open(file));
    open.map(Path::to_owned).collect()
}

fn secret_files(account: &Account) -> impl Iterator<Item = &Path> {
    let files = [
        &account.api_key_file,
        &account.api_secret_file,
        &account.http_client.tls.key_file,
    ];
    files.into_iter().filter_map(|file| file.as_deref())
}

fn is_secret_inline(account: &Account) -> bool {
    account.api_key.is_some() || account.api_secret.is_some() || has_proxy_password(&account.http_client)
}

fn has_proxy_password(client: &HttpClient) -> bool {
    let url = client.proxy_url.as_ref().map(|url| Url::parse(url.expose()));
    matches!(url, Some(Ok(url)) if url.password().is_some())
}
