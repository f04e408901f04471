use super::*;

fn limiter(rate_limit: f64, max_concurrent: usize) -> Arc<Limiter> {
    Arc::new(Limiter::new(rate_limit, max_concurrent))
}

/// A poll that is in no hurry.
fn poll() -> Purpose {
    Purpose::Poll {
        urgent_from: Instant::now() + Duration::from_secs(86_400),
    }
}

/// Takes `count` permits one after the other and returns when each was given.
async fn times(limiter: &Arc<Limiter>, count: usize) -> Vec<Duration> {
    let start = Instant::now();
    let mut times = Vec::new();
    for _ in 0..count {
        drop(Arc::clone(limiter).permit(poll()).await);
        times.push(start.elapsed());
    }
    times
}

#[tokio::test(start_paused = true)]
async fn no_second_sees_more_than_the_rate_and_a_second_of_burst() {
    for rate in [0.5, 1.0, 2.5, 5.0, 40.0] {
        let times = times(&limiter(rate, 4), 200).await;
        let burst = rate.max(1.0).floor();
        for (index, start) in times.iter().enumerate() {
            let within = times[index..]
                .iter()
                .filter(|time| **time - *start < Duration::from_secs(1))
                .count();
            assert!(
                within as f64 <= (rate + burst).ceil(),
                "{within} within a second at rate {rate}"
            );
        }
        let seconds = times.last().unwrap().as_secs_f64();
        assert!(
            (seconds - (200.0 - burst) / rate).abs() < 1.0,
            "200 requests at {rate}/s took {seconds} s"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn no_more_than_so_many_at_once() {
    let limiter = limiter(1000.0, 2);
    let first = Arc::clone(&limiter).permit(poll()).await;
    let _second = Arc::clone(&limiter).permit(poll()).await;
    assert!(
        tokio::time::timeout(Duration::from_secs(60), Arc::clone(&limiter).permit(poll()))
            .await
            .is_err()
    );
    drop(first);
    assert!(
        tokio::time::timeout(Duration::from_secs(1), Arc::clone(&limiter).permit(poll()))
            .await
            .is_ok()
    );
}

#[tokio::test(start_paused = true)]
async fn a_wait_given_up_takes_nothing_from_the_others() {
    let limiter = limiter(1.0, 1);
    drop(Arc::clone(&limiter).permit(poll()).await);
    assert!(
        tokio::time::timeout(Duration::from_millis(500), Arc::clone(&limiter).permit(poll()))
            .await
            .is_err()
    );
    let start = Instant::now();
    drop(Arc::clone(&limiter).permit(poll()).await);
    assert!(start.elapsed() <= Duration::from_millis(501), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn new_limits_hold_for_what_is_under_way_and_for_who_waits() {
    let limiter = limiter(1000.0, 4);
    let permit = || Arc::clone(&limiter).permit(poll());
    let soon = |permit| tokio::time::timeout(Duration::from_secs(1), permit);
    let mut under_way = vec![permit().await, permit().await, permit().await];
    limiter.set(1000.0, 2);
    under_way.pop();
    assert!(soon(permit()).await.is_err(), "2 of 2 are in use");
    under_way.pop();
    under_way.push(soon(permit()).await.unwrap());
    limiter.set(1000.0, 1);
    limiter.set(1000.0, 3);
    under_way.push(soon(permit()).await.unwrap());
    assert!(soon(permit()).await.is_err(), "3 of 3 are in use");
    under_way.clear();
    limiter.set(0.001, 3);
    drop(permit().await);
    let waiting = tokio::spawn(permit());
    assert!(soon(permit()).await.is_err());
    limiter.set(1000.0, 3);
    let given = tokio::time::timeout(Duration::from_secs(1), waiting).await;
    assert!(given.is_ok(), "who waits need not wait for the old rate");
}

/// How many requests of each kind go out in `time` where `polls` and `probes` ask back to back, and each takes `answer`.
async fn shares(limiter: &Arc<Limiter>, polls: usize, probes: usize, answer: Duration, time: Duration) -> [usize; 2] {
    let sent = Arc::new(Mutex::new([0; 2]));
    let asks = |purpose: Purpose| {
        let (limiter, sent) = (Arc::clone(limiter), Arc::clone(&sent));
        async move {
            loop {
                let permit = Arc::clone(&limiter).permit(purpose).await;
                sent.lock().unwrap()[usize::from(purpose == Purpose::Probe)] += 1;
                tokio::time::sleep(answer).await;
                drop(permit);
            }
        }
    };
    let all = (0..polls)
        .map(|_| asks(poll()))
        .chain((0..probes).map(|_| asks(Purpose::Probe)));
    let _ = tokio::time::timeout(time, futures_util::future::join_all(all)).await;
    let sent = sent.lock().unwrap();
    *sent
}

#[tokio::test(start_paused = true)]
async fn probes_get_half_of_the_rate_at_most_while_polls_wait_and_either_gets_all_where_the_other_does_not() {
    let minute = Duration::from_secs(60);
    let answer = Duration::from_millis(1);
    for probes in [1, 2, 30] {
        let [polls, probes] = shares(&limiter(5.0, 4), 1, probes, answer, minute).await;
        assert!((150..=154).contains(&polls), "{polls} polls beside {probes} probes");
        assert!((150..=154).contains(&probes), "{probes} probes beside {polls} polls");
    }
    let [polls, _] = shares(&limiter(5.0, 4), 2, 0, answer, minute).await;
    let [_, probes] = shares(&limiter(5.0, 4), 0, 2, answer, minute).await;
    assert!(
        (300..=306).contains(&polls) && (300..=306).contains(&probes),
        "{polls} {probes}"
    );
}

#[tokio::test(start_paused = true)]
async fn probes_that_get_no_answer_leave_places_for_polls() {
    let limiter_of = |max_concurrent| limiter(1000.0, max_concurrent);
    for (max_concurrent, probes_at_once) in [(1, 1), (2, 1), (3, 1), (4, 2), (5, 2), (50, 25)] {
        let limiter = limiter_of(max_concurrent);
        let ask = |purpose| tokio::time::timeout(Duration::from_secs(1), Arc::clone(&limiter).permit(purpose));
        let mut held = Vec::new();
        while let Ok(permit) = ask(Purpose::Probe).await {
            held.push(permit);
        }
        assert_eq!(held.len(), probes_at_once, "of {max_concurrent}");
        while let Ok(permit) = ask(poll()).await {
            held.push(permit);
        }
        assert_eq!(held.len(), max_concurrent);
    }
    // A single place cannot be kept free, but goes round.
    let [polls, probes] = shares(&limiter_of(1), 1, 30, Duration::from_secs(2), Duration::from_secs(60)).await;
    assert!(
        polls.abs_diff(15) <= 1 && probes.abs_diff(15) <= 1,
        "{polls} polls, {probes} probes"
    );
}

#[tokio::test(start_paused = true)]
async fn a_poll_that_has_waited_too_long_goes_before_all_probes() {
    let limiter = limiter(1.0, 4);
    let started = Instant::now();
    let urgent = |seconds| Purpose::Poll {
        urgent_from: started + Duration::from_secs(seconds),
    };
    let order = Mutex::new(Vec::new());
    let ask = async |what, purpose| {
        drop(Arc::clone(&limiter).permit(purpose).await);
        order.lock().unwrap().push(what);
    };
    let polls = (0..4).map(|number| ask("poll", urgent(number)));
    let probes = (0..4).map(|_| ask("probe", Purpose::Probe));
    futures_util::future::join(
        futures_util::future::join_all(polls),
        futures_util::future::join_all(probes),
    )
    .await;
    let order = order.into_inner().unwrap().join(" ");
    assert_eq!(order, "poll poll poll poll probe probe probe probe");
}

#[tokio::test(start_paused = true)]
async fn whoever_gives_up_waiting_holds_up_nobody() {
    let limiter = limiter(1.0, 4);
    drop(Arc::clone(&limiter).permit(poll()).await);
    // It is the probe's turn, and the probe goes away.
    let probe = tokio::spawn(Arc::clone(&limiter).permit(Purpose::Probe));
    let waiting = tokio::spawn(Arc::clone(&limiter).permit(poll()));
    tokio::time::sleep(Duration::from_millis(500)).await;
    probe.abort();
    let started = Instant::now();
    drop(waiting.await.unwrap());
    assert!(
        started.elapsed() <= Duration::from_millis(501),
        "{:?}",
        started.elapsed()
    );
}
