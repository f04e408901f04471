//! The web configuration as it is now: a changed file, certificates included, is picked up without a restart.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::ServerConfig;
use tracing::{error, info, warn};

use super::load::{RateLimit, WebConfig, load_and_see};
use crate::logging::{Throttle, Throttled};
use crate::watched::{Files, News, Watched};
use crate::yaml::LoadError;

/// Gives the web configuration as it is now. To be shared: asked for every connection and every request.
#[derive(Debug)]
pub struct LiveWebConfig {
    /// `None` where there is no file, so that nothing changes.
    path: Option<PathBuf>,
    /// What the file said at the start. Some of it holds until the end.
    start: Arc<WebConfig>,
    // The lock is held for reading a few files, once a second at most; never across an await.
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    watched: Watched<Arc<WebConfig>>,
    log: Throttle<News>,
}

/// The web configuration at one moment.
#[derive(Debug, Clone)]
pub struct Current {
    /// The last configuration that could be used.
    pub config: Arc<WebConfig>,
    /// Whether the files still are what it says. If not, nothing may be shown: what they would say now is not known.
    pub usable: bool,
}

impl LiveWebConfig {
    /// Plain HTTP for everybody.
    pub fn none() -> Self {
        Self::with(None, WebConfig::default(), Files::default())
    }

    /// Reads and checks the file at this path, and looks after it from then on.
    ///
    /// # Errors
    /// As [`super::load`].
    pub fn open(path: &Path) -> Result<Self, LoadError> {
        let (config, files) = load_and_see(path)?;
        Ok(Self::with(Some(path.to_owned()), config, files))
    }

    fn with(path: Option<PathBuf>, config: WebConfig, files: Files) -> Self {
        let start = Arc::new(config);
        Self {
            path,
            state: Mutex::new(State {
                watched: Watched::new(Arc::clone(&start), files),
                log: Throttle::default(),
            }),
            start,
        }
    }

    /// The configuration as it is now; at most a second old.
    pub fn current(&self) -> Current {
        // What the lock guards is replaced as a whole, so it is sound even after a panic.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(path) = &self.path {
            self.look(&mut state, path);
        }
        Current {
            config: Arc::clone(state.watched.good()),
            usable: state.watched.is_current(),
        }
    }

    /// TLS for a connection that begins now. Whether there is TLS at all does not change: that is decided at the start.
    pub fn tls(&self) -> Option<Arc<ServerConfig>> {
        self.start.tls.as_ref()?;
        self.current().config.tls.clone()
    }

    /// The rate limit; it is that of the start.
    pub fn rate_limit(&self) -> Option<RateLimit> {
        self.start.rate_limit
    }

    fn look(&self, state: &mut State, path: &Path) {
        let start = &self.start;
        let load = || {
            let (config, files) = load_and_see(path).map_err(|error| one_line(&error))?;
            Ok((Arc::new(fitting(config, start)?), files))
        };
        let State { watched, log } = state;
        let news = watched.look(load);
        let line = news.and_then(|news| log.tell(news)).or_else(|| log.take_due());
        if let Some(line) = line {
            write(path, &line, watched.good(), start);
        }
    }
}

fn write(path: &Path, line: &Throttled<News>, now: &WebConfig, start: &WebConfig) {
    let (path, more) = (path.display(), line.more());
    match &line.event {
        News::Renewed => {
            if now.http2 != start.http2 || now.rate_limit != start.rate_limit {
                warn!(%path, "http2 and rate_limit of the web configuration changed; that takes a restart");
            }
            info!(%path, more, "web configuration changed, using its new content");
        }
        News::Failed(reason) => error!(
            reason,
            more, "web configuration changed and cannot be used, answering 500 until it can"
        ),
    }
}

fn one_line(error: &LoadError) -> String {
    error.to_string().replace('\n', "; ")
}

/// A listener cannot change between TLS and plain HTTP: whoever turned TLS on would go on being served without.
fn fitting(config: WebConfig, start: &WebConfig) -> Result<WebConfig, String> {
    match (&start.tls, &config.tls) {
        (Some(_), None) => Err("tls_server_config was removed; turning TLS off takes a restart".to_owned()),
        (None, Some(_)) => Err("tls_server_config was added; turning TLS on takes a restart".to_owned()),
        // What is agreed upon in a handshake must be what the server was started with.
        (Some(_), Some(_)) | (None, None) => Ok(with_alpn_of(config, start)),
    }
}

fn with_alpn_of(mut config: WebConfig, start: &WebConfig) -> WebConfig {
    if let (Some(new), Some(old)) = (&config.tls, &start.tls)
        && new.alpn_protocols != old.alpn_protocols
    {
        let mut tls = ServerConfig::clone(new);
        tls.alpn_protocols.clone_from(&old.alpn_protocols);
        config.tls = Some(Arc::new(tls));
    }
    config
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt as _;
    use std::time::Duration;

    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;
    use crate::clock::SystemClock;
    use crate::logging::{Events, Format, LogLayer};

    const HASH: &str = "$2y$10$mrmxv/VH03QcaiSkF4cd8uh4ZZ4y5cNg.rz6kkUvM8RzlDoSSMrPO";

    /// Keeps what is logged.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_bad_change_is_one_error_line_and_a_good_one_heals_it() {
        let log = Log::default();
        let layer = LogLayer::new(Format::Logfmt, Arc::new(SystemClock), log.clone());
        let _guard = tracing::subscriber::set_default(Events.with(layer));
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let path = folder.path().join("web.yaml");
        let write = |text: &str| {
            fs::write(folder.path().join("new"), text).unwrap();
            // Each good content with a hash draws a warning.
            fs::set_permissions(folder.path().join("new"), fs::Permissions::from_mode(0o644)).unwrap();
            fs::rename(folder.path().join("new"), &path).unwrap();
        };
        write(&format!("basic_auth_users: {{al: {HASH}}}"));
        let live = LiveWebConfig::open(&path).unwrap();
        let later = || tokio::time::advance(Duration::from_secs(61));

        write("basic_auth_users: {al: hunter2, be: hunter3}");
        assert!(live.current().usable);
        for _ in 0..5 {
            later().await;
            assert!(!live.current().usable);
        }
        write(&format!("basic_auth_users: {{be: {HASH}}}"));
        assert!(!live.current().usable);
        later().await;
        let now = live.current();
        assert!(now.usable && now.config.users.hash("be").unwrap().1);
        write("tls_server_config: {cert: x}\nrate_limit: {interval: 1s}");
        later().await;
        assert!(!live.current().usable);
        write("rate_limit: {interval: 1s}");
        later().await;
        assert!(live.current().usable && live.rate_limit().is_none());
        fs::remove_file(&path).unwrap();
        later().await;
        assert!(!live.current().usable);

        let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        let lines = |level| log.lines().filter(|line| line.contains(level)).count();
        assert_eq!((lines("ERROR"), lines("WARN"), lines("INFO")), (3, 3, 2), "{log}");
        assert!(!log.contains("hunter") && !log.contains(HASH), "{log}");
    }
}
