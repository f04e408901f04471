//! Loading the configuration again: check whole, then swap whole; a refused one leaves the old one running.
//!
//! One task owns reloads, whatever asks for them: SIGHUP, `/-/reload`, or a file whose content has changed.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use exporter_toolkit::exposure;
use exporter_toolkit::logging::{Throttle, Throttled};
use exporter_toolkit::server::systemd;
use exporter_toolkit::watched::Digest;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::config::{self, Config, LoadError};
use crate::metrics::Activity;
use crate::poll::{self, Plan, PollError, PollerHandle};
use crate::shard::Shard;
use exporter_toolkit::clock::SharedClock;

/// How often a file that is watched is looked at.
const WATCH_INTERVAL: Duration = Duration::from_secs(5);

/// How often the same warnings are written, at most.
const WARN_EVERY: Duration = Duration::from_secs(60);

/// The configuration file, and what was loaded from it last.
#[derive(Debug, Clone)]
pub struct ConfigFile {
    path: PathBuf,
    shard: Shard,
    /// Of the content that was tried last, refused or not: a content is tried once.
    tried: Option<Digest>,
    /// What was warned of last, and when.
    warned: Option<(Warnings, Instant)>,
}

/// What a configuration is warned of.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Warnings {
    problems: Vec<String>,
    open_files: Vec<PathBuf>,
}

/// Why a configuration was refused.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// The file has mistakes; one line for each.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// What it names cannot be used.
    #[error("{0}: {cause}", cause = source_of(.0))]
    Poll(PollError),
    /// The exporter is stopping.
    #[error("the exporter is stopping")]
    Stopping,
}

fn source_of(error: &PollError) -> String {
    std::error::Error::source(error)
        .map(ToString::to_string)
        .unwrap_or_default()
}

impl ConfigFile {
    /// The file at `path`; nothing is read yet.
    pub fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            shard: Shard::default(),
            tried: None,
            warned: None,
        }
    }

    /// The same file, of whose accounts only those of this shard are loaded.
    #[must_use]
    pub fn of_shard(mut self, shard: Shard) -> Self {
        self.shard = shard;
        self
    }

    /// Reads and checks the whole file, whichever shard its accounts are of, and the files and environment variables it names.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn load(&mut self) -> Result<Config, LoadError> {
        let content = config::read(&self.path)?;
        self.tried = Some(Digest::of(&content));
        let config = config::parse(&content, &self.path, &|name| std::env::var(name).ok())?;
        Ok(config.of_shard(self.shard))
    }

    /// Warns of what is hardly meant so in `config`, which was loaded from this file, and of each file with a secret of it that every user
    /// of the host may read. The same warnings once a minute at most: whoever may ask for reloads may do so without end.
    pub fn warn(&mut self, config: &Config) {
        let now = Instant::now();
        let problems = config
            .warnings
            .iter()
            .map(|warning| warning.told_of(&self.path).to_string());
        let warnings = Warnings {
            problems: problems.collect(),
            open_files: config::open_files(config, &self.path),
        };
        if let Some((told, at)) = &self.warned
            && *told == warnings
            && now < *at + WARN_EVERY
        {
            return;
        }
        for problem in &warnings.problems {
            tracing::warn!(problem, "the configuration can be used, but is hardly meant so");
        }
        warnings.open_files.iter().for_each(|file| exposure::warn(file));
        self.warned = Some((warnings, now));
    }

    /// Whether the file's content is not the one that was tried last. A file that cannot be read is none: it may be in the middle of
    /// being replaced.
    fn changed(&self) -> bool {
        config::read(&self.path).is_ok_and(|content| Some(Digest::of(&content)) != self.tried)
    }
}

/// Asks for a reload and hears what became of it.
#[derive(Debug, Clone)]
pub struct ReloadHandle(mpsc::Sender<oneshot::Sender<Result<(), ReloadError>>>);

impl ReloadHandle {
    /// Loads the configuration again; returns when it is in force.
    ///
    /// # Errors
    /// If the new configuration is refused; the old one goes on.
    pub async fn reload(&self) -> Result<(), ReloadError> {
        let (done, result) = oneshot::channel();
        self.0.send(done).await.map_err(|_| ReloadError::Stopping)?;
        result.await.map_err(|_| ReloadError::Stopping)?
    }
}

/// The task that reloads.
#[derive(Debug)]
pub struct Reloader {
    file: ConfigFile,
    poller: PollerHandle,
    activity: Arc<Activity>,
    clock: SharedClock,
    hangup: Signal,
    watch: Option<Interval>,
    log: ReloadLog,
    requests: mpsc::Receiver<oneshot::Sender<Result<(), ReloadError>>>,
    handle: ReloadHandle,
}

impl Reloader {
    /// Reloads `file` into this poller; by itself, too, where `watch`. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// If SIGHUP cannot be listened to.
    pub fn new(
        file: ConfigFile,
        watch: bool,
        poller: PollerHandle,
        activity: Arc<Activity>,
        clock: SharedClock,
    ) -> io::Result<Self> {
        let (sender, requests) = mpsc::channel(1);
        let file_path = file.path.clone();
        let watch = watch.then(|| {
            let mut interval = tokio::time::interval(WATCH_INTERVAL);
            interval.set_missed_tick_behavior(MissedTickBehavior::Skip);
            interval
        });
        Ok(Self {
            file,
            poller,
            activity,
            clock,
            hangup: signal(SignalKind::hangup())?,
            watch,
            log: ReloadLog::new(file_path),
            requests,
            handle: ReloadHandle(sender),
        })
    }

    /// Where reloads are asked for.
    pub fn handle(&self) -> ReloadHandle {
        self.handle.clone()
    }

    /// Serves reloads one after the other until told to stop.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            let asked = tokio::select! {
                () = stop.cancelled() => return,
                Some(()) = self.hangup.recv() => None,
                Some(asked) = self.requests.recv() => Some(asked),
                () = sleep_until(self.log.lines.next_due()) => {
                    self.log.catch_up();
                    continue;
                }
                () = tick(&mut self.watch) => {
                    if !self.changed().await {
                        continue;
                    }
                    None
                }
            };
            let result = self.reload().await;
            if let Some(asked) = asked {
                // Whoever asked may have gone; the outcome is in the log and in the metrics.
                let _ = asked.send(result);
            }
        }
    }

    async fn changed(&self) -> bool {
        let file = self.file.clone();
        tokio::task::spawn_blocking(move || file.changed())
            .await
            .unwrap_or(false)
    }

    async fn reload(&mut self) -> Result<(), ReloadError> {
        systemd::reloading();
        let result = self.load_and_apply().await;
        // A refused one ends as well: the old configuration is as ready as it was.
        systemd::ready();
        match &result {
            Ok(()) => self.activity.reload_succeeded(self.clock.now()),
            Err(_) => self.activity.reload_failed(),
        }
        self.log.tell(result.as_ref().err().map(ToString::to_string));
        result
    }

    async fn load_and_apply(&mut self) -> Result<(), ReloadError> {
        let mut file = self.file.clone();
        let clock = Arc::clone(&self.clock);
        let prepare = move || {
            let plan = file.load().map_err(ReloadError::Load).and_then(|config| {
                file.warn(&config);
                Plan::new(config, &clock, &poll::over_network).map_err(ReloadError::Poll)
            });
            (file, plan)
        };
        // Checking reads files, and a large configuration takes its time.
        let (file, plan) = tokio::task::spawn_blocking(prepare)
            .await
            .map_err(|_| ReloadError::Stopping)?;
        self.file = file;
        self.poller.apply(plan?).await.map_err(ReloadError::Poll)
    }
}

/// What becomes of reloads, in the log. Of equal outcomes there is one a minute: whoever may ask for reloads may do so without end.
#[derive(Debug)]
struct ReloadLog {
    file: PathBuf,
    refused: Option<String>,
    lines: Throttle<Outcome>,
}

#[derive(Debug)]
enum Outcome {
    Reloaded,
    /// Why, in one line or more.
    Refused(String),
}

impl ReloadLog {
    fn new(file: PathBuf) -> Self {
        Self {
            file,
            refused: None,
            lines: Throttle::default(),
        }
    }

    /// A reload has ended, perhaps refused.
    fn tell(&mut self, refused: Option<String>) {
        let Some(why) = refused else {
            let line = self.lines.tell(Outcome::Reloaded);
            return line.iter().for_each(|line| self.write(line));
        };
        // Whoever corrects one mistake after the other sees at once what is left.
        let is_news = self.refused.replace(why.clone()).as_ref() != Some(&why);
        let event = Outcome::Refused(why);
        let line = match is_news {
            true => Some(self.lines.tell_now(event)),
            false => self.lines.tell(event),
        };
        line.iter().for_each(|line| self.write(line));
    }

    fn catch_up(&mut self) {
        while let Some(line) = self.lines.take_due() {
            self.write(&line);
        }
    }

    fn write(&self, line: &Throttled<Outcome>) {
        let more = line.more();
        match &line.event {
            Outcome::Reloaded => tracing::info!(file = %self.file.display(), more, "configuration reloaded"),
            Outcome::Refused(why) => {
                for problem in why.lines() {
                    tracing::error!(problem, more, "configuration refused; the old one stays");
                }
            }
        }
    }
}

/// Until then; for ever where that is never.
async fn sleep_until(when: Option<Instant>) {
    match when {
        Some(when) => tokio::time::sleep_until(when).await,
        None => std::future::pending().await,
    }
}

/// The next time to look at the file; never where it is not watched.
async fn tick(watch: &mut Option<Interval>) {
    match watch {
        Some(interval) => {
            interval.tick().await;
        }
        None => std::future::pending().await,
    }
}
