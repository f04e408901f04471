//! What an open tab is sent: what differs from the rendering that it has.

use std::time::Duration;

use laaffic_exporter::model::{FailureReason, Outcome, Status};
use laaffic_exporter::store::{AccountFlows, Store, TrackedAccount};
use proptest::collection::vec;
use proptest::prelude::*;
use testkit::store::{at, key, store_of};

use super::{CONNECT, NOW, ask, get, info, many, report, router_at, store};

/// A line of the list: a flow's row, the beginning and the end of a group, or so many rows of the rendering before, from a place on.
#[derive(Debug, Clone, PartialEq)]
enum Line {
    Row(String),
    Group(String),
    End,
    Run(usize, usize),
}

/// Without the text of ages, which grows by itself.
fn ageless(html: &str) -> String {
    let mut pieces = html.split("<time");
    let mut kept = pieces.next().unwrap().to_owned();
    for piece in pieces {
        let (tag, rest) = piece.split_once('>').unwrap();
        kept.push_str(&format!("<time{tag}>{}", rest.split_once("</time>").unwrap().1));
    }
    kept
}

/// What is before and after the lists, the cards, the rows, and the tag that the page has of itself.
fn parts(html: &str) -> (String, Vec<Line>, Vec<Line>, &str) {
    let (before, rest) = html.split_once("aria-label=\"Accounts\">").unwrap();
    let (cards, rest) = rest.split_once("</section>").unwrap();
    let (between, rest) = rest.split_once("<tbody>").unwrap();
    let (rows, after) = rest.split_once("</tbody>\n</table>\n<p").unwrap();
    let tag = after
        .split("id=\"rendering\" value=\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    let after = after.replacen(&format!("value=\"{tag}\""), "", 1);
    let frame = ageless(&[before, between, &after].concat());
    (frame, lines(cards, "<details "), lines(rows, "<tr "), tag)
}

fn lines(list: &str, begin: &str) -> Vec<Line> {
    let mut found = Vec::new();
    for piece in list.split(begin).skip(1) {
        let piece = ageless(piece);
        let (piece, ends) = match piece.split_once("</tbody>") {
            Some((piece, _)) => (piece.to_owned(), true),
            None => (piece, false),
        };
        let run = piece
            .strip_prefix("data-from=\"")
            .map(|run| run.split('"').collect::<Vec<_>>());
        found.push(match run {
            Some(run) => Line::Run(run[0].parse().unwrap(), run[2].parse().unwrap()),
            None if piece.contains("<tbody>") => Line::Group(piece),
            None => Line::Row(piece.trim_end().to_owned()),
        });
        if ends {
            found.push(Line::End);
        }
    }
    found
}

/// What a tab makes of changes, as `assets/status.js` does.
fn taken(known: &[Line], changes: Vec<Line>) -> Vec<Line> {
    let rows: Vec<_> = known
        .iter()
        .filter(|line| matches!(line, Line::Row(_)))
        .cloned()
        .collect();
    let lines = changes.into_iter().flat_map(|line| match line {
        Line::Run(from, count) => rows[from..from + count].to_vec(),
        line => vec![line],
    });
    lines.collect()
}

/// Something that happens to flow `number` of `a` or `b`, or to the configuration.
fn happens(store: &Store, what: usize, number: u64, now: u64) {
    let account = if number.is_multiple_of(2) { "a" } else { "b" };
    let failures = [
        CONNECT,
        FailureReason::HttpStatus(502),
        FailureReason::Transport(Outcome::Timeout),
    ];
    match what {
        0..5 => drop(store.succeeded(account, key(number), report(Status::ALL[what], &[]), at(now))),
        5..8 => drop(store.failed(account, key(number), failures[what - 5], None, at(now))),
        8 => store.update_account(account, |account| account.clock_skew_seconds = Some(number as f64)),
        _ => {
            // Another configuration: some flows have gone, some are new, one has another name, and an account may have gone.
            let flows = |first: u64| (first..first + 12).map(|number| info(number, &format!("flow {}", number % now)));
            let account = |name: &str, first| TrackedAccount {
                name: name.into(),
                flows: flows(first).collect(),
                discovers: false,
            };
            let mut accounts = vec![account("a", number % 5 + 1)];
            if what == 9 {
                accounts.push(account("b", 1));
            }
            let policy = store.snapshot().policy;
            store.apply(policy, accounts, &[]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn a_tab_that_lives_on_changes_has_what_a_fresh_one_has(
        events in vec((0..11_usize, 1..13_u64, 0..3_u8), 1..40),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let flows = |_| (1..13).map(|number| info(number, ""));
            let store = store_of(["a", "b"].map(|name| AccountFlows::new(name.into(), flows(name))));
            let router = router_at(&store, NOW);
            let first = get(&router, "/").await;
            let (_, mut cards, mut rows, tag) = parts(&first);
            let mut tag = tag.to_owned();
            for (place, (what, number, asks)) in events.into_iter().enumerate() {
                happens(&store, what, number, NOW - 1000 + place as u64);
                if asks > 0 {
                    continue;
                }
                tokio::time::advance(Duration::from_secs(1)).await;
                let (_, _, changes) = ask(&router, &format!("/?since={tag}"), &[]).await;
                let (_, _, whole) = ask(&router, "/", &[("accept-encoding", "identity")]).await;
                let (frame, new_cards, new_rows, new_tag) = parts(&changes);
                cards = taken(&cards, new_cards);
                rows = taken(&rows, new_rows);
                let (whole_frame, whole_cards, whole_rows, whole_tag) = parts(&whole);
                assert_eq!((&frame, new_tag), (&whole_frame, whole_tag));
                assert_eq!((&cards, &rows), (&whole_cards, &whole_rows));
                tag = new_tag.to_owned();
            }
        });
    }
}

#[tokio::test(start_paused = true)]
async fn a_tab_is_sent_only_what_differs_from_what_it_has() {
    let store = many(2000);
    let router = router_at(&store, NOW);
    let first = get(&router, "/").await;
    let tag = parts(&first).3;
    for number in (100..=2000).step_by(100) {
        let now = report(Status::InProgress, &[Status::ExecutionException]);
        store.succeeded("main", key(number), now, at(NOW));
    }
    tokio::time::advance(Duration::from_secs(1)).await;
    let changes = get(&router, &format!("/?since={tag}")).await;
    let rows = lines(&changes, "<tr data-");
    let new = rows
        .iter()
        .filter(|line| matches!(line, Line::Row(row) if row.contains("key=")))
        .count();
    assert_eq!((new, changes.matches("id=\"rendering\"").count()), (20, 1));
    assert!(changes.len() < first.len() / 40, "{} of {}", changes.len(), first.len());
    for other in [
        "/?since=0123456789abcdef",
        "/?since=",
        &format!("/?since={tag}&filter=reminder"),
    ] {
        let whole = get(&router, other).await;
        assert!(!whole.contains("data-count") && whole.len() > 1_000_000, "{other}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_filtered_page_is_none_that_changes_can_be_told_of() {
    let html = get(&router_at(&store(), NOW), "/?filter=running").await;
    assert_eq!(parts(&html).3, "");
}
