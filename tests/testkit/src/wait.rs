//! Waiting for a condition. Nothing waits for a time that should suffice.

use std::fmt::Debug;
use std::time::Duration;

use tokio::time::Instant;

/// How long a condition may take to come true. Far more than it does, so that a busy host fails no test.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Asks again and again until the answer is good; fails with the last bad one when patience is over.
pub async fn wait_for<T, E: Debug>(what: &str, mut check: impl AsyncFnMut() -> Result<T, E>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match check().await {
            Ok(good) => return good,
            Err(bad) if Instant::now() > deadline => panic!("waited {PATIENCE:?} in vain for {what}: {bad:?}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// The same for what has nothing to tell but whether it is so.
pub async fn eventually(mut is_so: impl AsyncFnMut() -> bool) {
    wait_for("it to be so", async || is_so().await.then_some(()).ok_or("it is not")).await;
}
