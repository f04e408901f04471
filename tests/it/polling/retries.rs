//! What is asked again, when, and what is not.

use std::time::Duration;

use laaffic_simulator::{Fault, FaultPlan, RetryAfter};

use testkit::assertions::within;
use testkit::world::{MINUTE, Setup, World, code, everywhere, gaps, still};

/// One flow, polled every minute; the trouble begins with the second poll, so that the first tells the account works.
async fn struck_by(trouble: FaultPlan) -> (World, usize) {
    struck_every(MINUTE, trouble).await
}

async fn struck_every(poll_interval: Duration, trouble: FaultPlan) -> (World, usize) {
    let setup = Setup {
        poll_interval,
        ..Setup::new("main", vec![still(12)])
    };
    let world = World::start(vec![setup]);
    world.pass(poll_interval * 5 / 4).await;
    let before = world.arrivals("main", 12).len();
    everywhere(&world, trouble);
    // The only flow's phase is 0: it is polled at every full interval, so exactly once until shortly before the third.
    world.pass(poll_interval * 17 / 10).await;
    (world, before)
}

fn status(status: u16, retry_after: Option<RetryAfter>) -> Fault {
    Fault::HttpStatus { status, retry_after }
}

#[tokio::test(start_paused = true)]
async fn passing_troubles_are_retried_and_forgotten() {
    for fault in [
        code(-18),
        status(429, None),
        status(500, None),
        status(503, None),
        Fault::Reset,
        Fault::TruncatedLength,
        Fault::NeverAnswers,
    ] {
        let (world, before) = struck_by(FaultPlan::times(1, fault.clone())).await;
        let scrape = world.scrape();
        assert_eq!(scrape.retries(), 1.0, "{fault:?}");
        assert_eq!(world.arrivals("main", 12).len(), before + 2, "{fault:?}");
        assert_eq!(scrape.flow("up", 12), Some(1.0), "{fault:?}");
        assert_eq!(scrape.error(12), None, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn at_most_two_retries_with_full_jitter_from_a_quarter_of_a_second() {
    let mut waits = Vec::new();
    for _ in 0..30 {
        let (world, before) = struck_by(FaultPlan::always(code(-18))).await;
        let arrivals = &world.arrivals("main", 12)[before..];
        assert_eq!(arrivals.len(), 3);
        assert_eq!(world.scrape().error(12).as_deref(), Some("system_exception"));
        let gaps = gaps(arrivals);
        within("first wait", gaps[0], ..=Duration::from_millis(252));
        within("second wait", gaps[1], ..=Duration::from_millis(502));
        waits.push(gaps[0]);
    }
    // Full jitter: thirty draws from 0 to 250 ms are neither all short nor all long (odds of 2^-29 each).
    let middle = Duration::from_millis(125);
    assert!(waits.iter().any(|wait| *wait < middle), "{waits:?}");
    assert!(waits.iter().any(|wait| *wait > middle), "{waits:?}");
}

#[tokio::test(start_paused = true)]
async fn what_will_not_pass_is_not_retried() {
    for (fault, reason) in [
        (code(-1), "authentication_error"),
        (code(-2), "restricted_ip_access"),
        (code(-22), "parameter_exception"),
        (code(-99), "api_other"),
        (status(400, None), "http_status"),
        (status(404, Some(RetryAfter::Seconds(1))), "http_status"),
        (
            Fault::Redirect {
                status: 302,
                location: "/elsewhere".to_owned(),
            },
            "http_status",
        ),
        (Fault::Html, "decode"),
        (Fault::Empty, "decode"),
        (Fault::TruncatedJson, "decode"),
        (Fault::WrongTypes, "decode"),
        (Fault::Nested, "decode"),
        (
            Fault::TooLarge {
                mebibytes: 5,
                declared: false,
            },
            "too_large",
        ),
    ] {
        let (world, before) = struck_by(FaultPlan::always(fault.clone())).await;
        let scrape = world.scrape();
        assert_eq!(world.arrivals("main", 12).len(), before + 1, "{fault:?}");
        assert_eq!(scrape.retries(), 0.0, "{fault:?}");
        assert_eq!(scrape.error(12).as_deref(), Some(reason), "{fault:?}");
        assert_eq!(scrape.flow("up", 12), Some(0.0), "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_honoured_in_both_forms() {
    for (asked, at_least, at_most) in [
        (RetryAfter::Seconds(7), 7.0, 7.1),
        (RetryAfter::DateInSeconds(7), 6.0, 7.1),
    ] {
        let (world, before) = struck_by(FaultPlan::times(1, status(429, Some(asked)))).await;
        let gap = gaps(&world.arrivals("main", 12)[before..])[0].as_secs_f64();
        assert!((at_least..=at_most).contains(&gap), "{asked:?}: {gap} s");
        assert_eq!(world.scrape().flow("up", 12), Some(1.0));
    }
}

#[tokio::test(start_paused = true)]
async fn an_absurd_retry_after_is_past_every_interval() {
    for seconds in [u64::MAX, u64::MAX / 2, 1 << 40] {
        let (world, before) = struck_by(FaultPlan::times(1, status(429, Some(RetryAfter::Seconds(seconds))))).await;
        assert_eq!(world.arrivals("main", 12).len(), before + 1);
        let scrape = world.scrape();
        assert_eq!(scrape.error(12).as_deref(), Some("http_status"));
        assert_eq!(scrape.get("laaffic_exporter_poll_panics_total"), Some(0.0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_retry_never_outlives_the_interval() {
    // The server asks for more than the interval: the next poll is soon enough.
    let (world, before) = struck_by(FaultPlan::times(1, status(503, Some(RetryAfter::Seconds(61))))).await;
    assert_eq!(world.arrivals("main", 12).len(), before + 1);
    assert_eq!(world.scrape().error(12).as_deref(), Some("http_status"));
    // Requests that use up the interval leave no time for another.
    let (world, before) = struck_every(Duration::from_secs(10), FaultPlan::always(Fault::NeverAnswers)).await;
    assert_eq!(world.arrivals("main", 12).len(), before + 1);
    assert_eq!(world.scrape().retries(), 0.0);
    // A second attempt is cut off where the interval ends, not after its full 10 s.
    let (world, before) = struck_every(Duration::from_secs(16), FaultPlan::always(Fault::NeverAnswers)).await;
    let arrivals = world.arrivals("main", 12);
    assert_eq!(arrivals.len(), before + 2);
    world.pass(Duration::from_secs(2)).await;
    let next = world.arrivals("main", 12)[before + 2];
    within("next poll", next - arrivals[before], ..=Duration::from_millis(16_100));
}
