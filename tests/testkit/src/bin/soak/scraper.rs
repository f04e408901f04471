//! The honest scraper: as Prometheus does it, every second, and every answer must be there in time and whole.

use std::net::SocketAddr;
use std::time::Duration;

use reqwest::Client;
use testkit::answer;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::scene::{FEWEST_FLOWS, FLOWS};

const INTERVAL: Duration = Duration::from_secs(1);

/// Prometheus' own `scrape_timeout` where none is set.
const TIMEOUT: Duration = Duration::from_secs(10);

const CLASSIC: &str = "text/plain;version=0.0.4";
const OPEN_METRICS: &str = "application/openmetrics-text;version=1.0.0";
const VARIANTS: [(&str, &str); 6] = [
    (CLASSIC, "gzip"),
    (OPEN_METRICS, "gzip"),
    (CLASSIC, "identity"),
    (OPEN_METRICS, "zstd"),
    (CLASSIC, "zstd"),
    (OPEN_METRICS, "identity"),
];

/// What became of them.
#[derive(Debug, Default)]
pub(crate) struct Scrapes {
    /// How long the good ones took, from the request to the last byte.
    pub(crate) durations: Vec<Duration>,
    /// Why the others are none.
    pub(crate) failed: Vec<String>,
}

impl Scrapes {
    /// Scrapes until told to stop; the last one is taken to its end.
    pub(crate) async fn take(exporter: SocketAddr, stop: CancellationToken) -> Self {
        let client = answer::client().timeout(TIMEOUT).build().unwrap();
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut scrapes = Self::default();
        for (accept, encoding) in VARIANTS.into_iter().cycle() {
            if stop.run_until_cancelled(ticks.tick()).await.is_none() {
                break;
            }
            match scrape(&client, exporter, accept, encoding).await {
                Ok(duration) => scrapes.durations.push(duration),
                Err(why) => {
                    eprintln!("soak: a scrape failed ({accept}, {encoding}): {why}");
                    scrapes.failed.push(why);
                }
            }
        }
        scrapes.durations.sort_unstable();
        scrapes
    }

    /// So much of them took no longer than this: the nearest rank, and none where there are no scrapes.
    pub(crate) fn quantile(&self, share: f64) -> Option<Duration> {
        let rank = (share * self.durations.len() as f64).ceil() as usize;
        self.durations.get(rank.saturating_sub(1)).copied()
    }
}

async fn scrape(client: &Client, exporter: SocketAddr, accept: &str, encoding: &str) -> Result<Duration, String> {
    let begin = Instant::now();
    let request = client.get(format!("http://{exporter}/metrics"));
    let request = request.header("accept", accept).header("accept-encoding", encoding);
    let answer = request.send().await.map_err(|error| format!("{error:?}"))?;
    let status = answer.status();
    if !status.is_success() {
        return Err(format!("status {status}"));
    }
    // An answer that ends too early is an error here.
    let body = answer.bytes().await.map_err(|error| format!("{error:?}"))?;
    let duration = begin.elapsed();
    match encoding {
        "identity" => check(&body, accept).map(|()| duration),
        _ if body.is_empty() => Err("an empty body".to_owned()),
        _ => Ok(duration),
    }
}

/// Whether it has an end, and every flow.
fn check(body: &[u8], accept: &str) -> Result<(), String> {
    let text = str::from_utf8(body).map_err(|error| error.to_string())?;
    let flows = text.matches("\nlaaffic_redial_flow_up{").count() as u64;
    let end = if accept == OPEN_METRICS { "\n# EOF\n" } else { "\n" };
    match flows {
        FEWEST_FLOWS..=FLOWS if text.ends_with(end) => Ok(()),
        _ => Err(format!("{flows} flows in {} bytes", body.len())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_the_nearest_rank() {
        let scrapes = |number| Scrapes {
            durations: (1..=number).map(Duration::from_millis).collect(),
            failed: Vec::new(),
        };
        for (number, share, milliseconds) in [
            (1, 0.5, 1),
            (4, 0.5, 2),
            (100, 0.99, 99),
            (1_000, 0.99, 990),
            (3, 0.99, 3),
        ] {
            let quantile = scrapes(number).quantile(share);
            assert_eq!(quantile, Some(Duration::from_millis(milliseconds)), "{number}, {share}");
        }
        assert_eq!(scrapes(0).quantile(0.5), None);
    }

    #[test]
    fn an_answer_without_its_end_or_its_flows_is_none() {
        let body = |flows: u64, end: &str| {
            let mut text = "# HELP\n".to_owned();
            (0..flows).for_each(|_| text.push_str("laaffic_redial_flow_up{} 1\n"));
            (text + end).into_bytes()
        };
        assert_eq!(check(&body(FLOWS, ""), CLASSIC), Ok(()));
        assert_eq!(check(&body(FEWEST_FLOWS, "# EOF\n"), OPEN_METRICS), Ok(()));
        assert!(check(&body(FLOWS, ""), OPEN_METRICS).is_err());
        assert!(check(&body(FLOWS, "laaffic"), CLASSIC).is_err());
        assert!(check(&body(FEWEST_FLOWS - 1, ""), CLASSIC).is_err());
    }
}
