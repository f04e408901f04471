use std::collections::BTreeMap;
use std::io;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::Value as Json;
use tracing::subscriber::with_default;

use super::*;
use crate::clock::Clock;

/// 2026-11-22T22:41:22.602Z.
const MOMENT: Duration = Duration::from_millis(1_795_387_282_602);

#[derive(Debug)]
struct Still;

impl Clock for Still {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + MOMENT
    }
}

/// What was written, for all who hold it.
#[derive(Debug, Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is logged meanwhile, in this format.
fn logged(format: Format, act: impl FnOnce()) -> String {
    let paper = Paper::default();
    let layer = LogLayer::new(format, Arc::new(Still), paper.clone());
    with_default(Events.with(layer), act);
    String::from_utf8(mem::take(&mut paper.0.lock().unwrap())).unwrap()
}

/// The pairs of a line of logfmt, as go-logfmt reads them: a quoted value is a JSON string.
fn logfmt(line: &str) -> Option<Vec<(String, String)>> {
    let mut pairs = Vec::new();
    let mut rest = line.strip_suffix('\n')?;
    loop {
        let (key, after) = rest.split_once('=')?;
        let (value, length) = if after.starts_with('"') {
            let mut values = serde_json::Deserializer::from_str(after).into_iter::<String>();
            (values.next()?.ok()?, values.byte_offset())
        } else {
            let value = after.split(' ').next()?;
            (value.to_owned(), value.len())
        };
        let odd = |letter: char| letter <= ' ' || "=\"".contains(letter);
        if key.is_empty() || key.contains(odd) || !after.starts_with('"') && value.contains(odd) {
            return None;
        }
        pairs.push((key.to_owned(), value));
        match &after[length..] {
            "" => return Some(pairs),
            after => rest = after.strip_prefix(' ')?,
        }
    }
}

/// The pairs of a line of JSON.
fn json(line: &str) -> BTreeMap<String, Json> {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

/// Fields that bear the names of the line's own keys, and one name twice.
fn collide() {
    tracing::info!(
        time = 1,
        level = "x",
        source = 2,
        msg = "y",
        message = "z",
        a = 1,
        a = 2,
        "the text"
    );
}

fn say_everything() {
    let nothing: Option<u8> = None;
    tracing::info!(
        text = "two words",
        empty = "",
        plain = r"C:\path",
        debug = ?nothing,
        display = %"a=b",
        yes = true,
        less = -1,
        more = u64::MAX,
        most = u128::MAX,
        half = 0.5,
        large = 1e300,
        unsaid = f64::NAN,
        error = &io::Error::other("broken\npipe") as &dyn Error,
        r#type = "raw",
        "odd key=\"\n" = 1,
        dotted.name = 2,
        "it has \"everything\""
    );
}

/// Logs a line and tells on which one of this file it does.
fn change() -> u32 {
    tracing::warn!(key_id = 12, "flow changed its status");
    line!() - 1
}

#[test]
fn a_line_is_the_one_of_prometheus_in_both_formats() {
    let mut place = 0;
    let logfmt = logged(Format::Logfmt, || place = change());
    let json = logged(Format::Json, || place = change());
    assert_eq!(
        logfmt,
        format!(
            "time=2026-11-22T22:41:22.602Z level=WARN source=tests.rs:{place} \
             msg=\"flow changed its status\" key_id=12\n"
        )
    );
    assert_eq!(
        json,
        format!(
            "{{\"time\":\"2026-11-22T22:41:22.602Z\",\"level\":\"WARN\",\"source\":\"tests.rs:{place}\",\
             \"msg\":\"flow changed its status\",\"key_id\":12}}\n"
        )
    );
}

#[test]
fn values_are_quoted_where_slog_quotes_them() {
    let line = logged(Format::Logfmt, say_everything);
    let (_, said) = line.split_once(" msg=").unwrap();
    assert_eq!(
        said,
        "\"it has \\\"everything\\\"\" text=\"two words\" empty=\"\" plain=C:\\path debug=None display=\"a=b\" yes=true less=-1 \
         more=18446744073709551615 most=340282366920938463463374607431768211455 half=0.5 large=1e300 unsaid=NaN \
         error=\"broken\\npipe\" type=raw odd_key___=1 dotted.name=2\n"
    );
}

#[test]
fn json_has_numbers_and_truth_values_as_such() {
    let entry = json(&logged(Format::Json, say_everything));
    for (key, value) in [
        ("yes", Json::from(true)),
        ("less", (-1).into()),
        ("more", u64::MAX.into()),
        ("half", 0.5.into()),
        ("large", 1e300.into()),
        ("unsaid", "NaN".into()),
        ("plain", r"C:\path".into()),
        ("error", "broken\npipe".into()),
        ("odd_key___", 1.into()),
    ] {
        assert_eq!(entry[key], value, "{key}");
    }
}

#[test]
fn no_key_comes_twice() {
    let pairs = logfmt(&logged(Format::Logfmt, collide)).unwrap();
    let keys: Vec<_> = pairs.iter().map(|(key, _)| key.as_str()).collect();
    let (own, others) = keys.split_at(4);
    assert_eq!(own, ["time", "level", "source", "msg"]);
    assert_eq!(others, ["time_", "level_", "source_", "msg_", "message", "a", "a_"]);
    assert_eq!((pairs[3].1.as_str(), pairs[8].1.as_str()), ("the text", "z"));
    assert_eq!(json(&logged(Format::Json, collide)).len(), keys.len());
}

#[test]
fn an_event_without_a_text_has_an_empty_one() {
    let line = logged(Format::Logfmt, || tracing::info!(key_id = 12));
    assert!(line.ends_with(" msg=\"\" key_id=12\n"), "{line}");
}

#[test]
fn a_value_that_fails_to_say_itself_is_cut_off() {
    struct Broken;
    impl fmt::Display for Broken {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("so far")?;
            Err(fmt::Error)
        }
    }
    let line = logged(Format::Logfmt, || tracing::info!(broken = %Broken, after = 1, "text"));
    assert!(line.ends_with(" broken=\"so far\" after=1\n"), "{line}");
}

#[test]
fn a_clock_that_is_far_off_ends_nothing() {
    let after = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    for (moment, text) in [
        (
            SystemTime::UNIX_EPOCH - Duration::from_secs(1),
            "1970-01-01T00:00:00.000Z",
        ),
        (after(951_827_696), "2000-02-29T12:34:56.000Z"),
        (after(253_402_300_799), "9999-12-31T23:59:59.000Z"),
        (after(253_402_300_800), "1970-01-01T00:00:00.000Z"),
    ] {
        assert_eq!(rfc3339(moment), text);
    }
}

proptest! {
    #[test]
    fn any_value_gives_one_line_that_reads_back(text in "(?s).*", other in any::<String>(), number in any::<f64>()) {
        let act = || tracing::error!(text, other = %other, number, debug = ?text, "{other}");
        let line = logged(Format::Logfmt, act);
        let pairs = logfmt(&line);
        prop_assert!(pairs.is_some(), "{line:?}");
        let pairs: BTreeMap<_, _> = pairs.unwrap().into_iter().collect();
        let entry = json(&logged(Format::Json, act));
        prop_assert_eq!(pairs.keys().collect::<Vec<_>>(), entry.keys().collect::<Vec<_>>());
        for (key, value) in [("text", &text), ("other", &other), ("debug", &format!("{text:?}")), ("msg", &other)] {
            prop_assert_eq!(&pairs[key], value);
            prop_assert_eq!(&entry[key], value);
        }
        let visible = |letter: char| letter == '\n' || !letter.is_control() && !"\u{2028}\u{2029}\u{202e}".contains(letter);
        prop_assert!(line.chars().all(visible) && line.matches('\n').count() == 1, "{line:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_can_never_be_written_is_a_line_a_minute() {
    let page = Unwritten::new("a page");
    let ask = || page.tell(&fmt::Error);
    let first = logged(Format::Logfmt, || (0..1000).for_each(|_| ask()));
    assert_eq!(first.lines().count(), 1, "{first}");
    for part in ["msg=\"an answer could not be written\"", "answer=\"a page\"", "error="] {
        assert!(first.contains(part), "{part}: {first}");
    }
    tokio::time::advance(Duration::from_secs(60)).await;
    let second = logged(Format::Logfmt, ask);
    assert!(second.contains("more=999"), "{second}");
}
