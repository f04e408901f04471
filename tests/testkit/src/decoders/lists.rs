//! The vendor's answers about an account as a whole: its lists of flows and of group calls, and what it has.

use laaffic_exporter::api::{ListedFlow, decode_balance, decode_calls, decode_list};

use super::answer::quotes_nothing;

/// The body of an answer: it is always read in the same way, holds no more than it has room for, and no message quotes it. What is shown of
/// it to people is short, in one line, and nothing that a terminal obeys.
pub fn lists(body: &[u8]) {
    let read = decode_list(body);
    assert_eq!(format!("{read:?}"), format!("{:?}", decode_list(body)));
    match read {
        Ok(page) => {
            let flows = page.items.unwrap_or_default();
            // The shortest record is `{},`.
            assert!(flows.len() <= page.records && page.records * 3 <= body.len());
            flows.iter().for_each(can_be_shown);
        }
        Err(error) => quotes_nothing(&error.to_string()),
    }
    let read = decode_calls(body);
    assert_eq!(format!("{read:?}"), format!("{:?}", decode_calls(body)));
    match read {
        Ok(page) => {
            let calls = page.items.unwrap_or_default();
            assert!(calls.len() <= page.records && page.records * 3 <= body.len());
            let amounts = calls.iter().flat_map(|call| [call.numbers, call.success, call.fail]);
            assert!(amounts.flatten().all(|amount| amount >= 0));
        }
        Err(error) => quotes_nothing(&error.to_string()),
    }
    match decode_balance(body) {
        Ok(balance) => assert!(balance.iter().all(|(_, amount)| amount.is_finite())),
        Err(error) => quotes_nothing(&error.to_string()),
    }
}

fn can_be_shown(flow: &ListedFlow) {
    for words in [&flow.name, &flow.task_id].into_iter().flatten() {
        assert!((1..=200).contains(&words.chars().count()), "{words:?}");
        assert!(!words.chars().any(char::is_control), "{words:?}");
    }
    let amounts = [
        flow.recall_attempts,
        flow.recall_interval_seconds,
        flow.recall_attempts_completed,
    ];
    assert!(amounts.into_iter().flatten().all(|amount| amount >= 0), "{flow:?}");
}
