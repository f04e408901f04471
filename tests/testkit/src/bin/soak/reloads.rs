//! Reloads, one after the other.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, StatusCode};

use crate::other_client;
use crate::scene::Files;
use crate::tally::Tally;

/// Every minute, which is a point of the slope of [`crate::resources`], has as many of them.
const PAUSE: Duration = Duration::from_secs(10);

/// Every fifth file is broken.
const BROKEN: u64 = 5;

/// Reloads other configurations for ever, and now and then a broken one.
pub(crate) async fn reload(files: Files, tally: Arc<Tally>) {
    let client = other_client().build().unwrap();
    for number in 1.. {
        let broken = number % BROKEN == 0;
        match broken {
            true => files.write_broken(),
            false => files.write(number),
        }
        match (broken, ask(&client, &files).await) {
            (false, Some(StatusCode::OK)) => tally.reloads.add_one(),
            (true, Some(StatusCode::INTERNAL_SERVER_ERROR)) => tally.refused_reloads.add_one(),
            (_, status) => {
                eprintln!("soak: reload {number} was answered {status:?}");
                tally.wrong_reloads.add_one();
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Ends all polling: from now on nothing is asked for.
pub(crate) async fn end_polling(files: &Files) {
    files.write_without_flows();
    let client = other_client().build().unwrap();
    assert_eq!(ask(&client, files).await, Some(StatusCode::OK), "the last reload");
}

/// The status that a reload is answered with, if it is answered.
async fn ask(client: &Client, files: &Files) -> Option<StatusCode> {
    let answer = client.post(format!("http://{}/-/reload", files.exporter)).send().await;
    answer.ok().map(|answer| answer.status())
}
