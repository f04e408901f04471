//! Requests as both sides counted them, once nothing is under way.

use std::collections::BTreeMap;
use std::time::Duration;

use testkit::wait::wait_for;
use testkit::world::Samples;

use crate::scene::{ACCOUNTS, Scene};
use crate::{reloads, weather};

/// Longer than the scene's `request_timeout`, so that a request under way shows.
const REST: Duration = Duration::from_secs(6);

/// Requests of each account: what the exporter counted, and what the vendor saw.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Requests(pub(crate) BTreeMap<String, Sides>);

/// Both sides of an account's requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sides {
    pub(crate) counted: u64,
    pub(crate) seen: u64,
}

impl Requests {
    /// Ends all trouble and all polling, and counts when both sides have come to rest: the vendor has nothing in flight, and neither count
    /// has moved for as long as a request may take.
    pub(crate) async fn when_at_rest(scene: &Scene) -> Self {
        weather::clear(scene.simulator.vendor());
        reloads::end_polling(&scene.files()).await;
        let mut before = None;
        let still = wait_for("all requests to come to an end", async || {
            tokio::time::sleep(REST).await;
            let idle = scene.simulator.vendor().counts().in_flight == 0;
            let now = Self::count(scene).await;
            let rests = idle && before.as_ref() == Some(&now);
            before = Some(now.clone());
            if rests { Ok(now) } else { Err(now) }
        });
        still.await
    }

    async fn count(scene: &Scene) -> Self {
        let samples = scene.exporter.samples().await;
        let of_account = |account: &str| Sides {
            counted: counted(&samples, account),
            seen: scene.simulator.vendor().account_counts(account).unwrap().requests,
        };
        Self(ACCOUNTS.map(|account| (account.to_owned(), of_account(account))).into())
    }

    /// All accounts together.
    pub(crate) fn total(&self) -> Sides {
        self.0.values().fold(Sides::default(), |sum, account| Sides {
            counted: sum.counted + account.counted,
            seen: sum.seen + account.seen,
        })
    }

    /// Whether every account's requests were counted exactly.
    pub(crate) fn are_identical(&self) -> bool {
        self.0.values().all(|account| account.counted == account.seen)
    }
}

fn counted(samples: &Samples, account: &str) -> u64 {
    let label = format!("{{account=\"{account}\",");
    let requests = samples.of("laaffic_api_requests_total");
    requests
        .filter(|(series, _)| series.contains(&label))
        .map(|(_, count)| count as u64)
        .sum()
}

/// The requests of all accounts by how they ended, as the exporter counted them: where to look when the two sides differ.
pub(crate) fn outcomes(samples: &Samples) -> BTreeMap<String, u64> {
    let mut outcomes = BTreeMap::new();
    for (series, count) in samples.of("laaffic_api_requests_total") {
        let (_, outcome) = series.split_once("outcome=\"").unwrap();
        *outcomes.entry(outcome.trim_end_matches("\"}").to_owned()).or_default() += count as u64;
    }
    outcomes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_told_apart_by_account_and_by_outcome() {
        let samples = Samples::of_text(
            "laaffic_api_requests_total{account=\"first\",endpoint=\"query_detail\",outcome=\"other\"} 2\n\
             laaffic_api_requests_total{account=\"first\",endpoint=\"query_detail\",outcome=\"success\"} 3\n\
             laaffic_api_requests_total{account=\"second\",endpoint=\"query_detail\",outcome=\"success\"} 4\n\
             laaffic_api_retries_total{account=\"first\",endpoint=\"query_detail\"} 9\n",
        );
        assert_eq!(
            ["first", "second", "third"].map(|account| counted(&samples, account)),
            [5, 4, 0]
        );
        let expected = [("other".to_owned(), 2), ("success".to_owned(), 7)];
        assert_eq!(outcomes(&samples), expected.into());
    }
}
