//! Time that runs faster: the same rules and configurations with every duration divided, so that five minutes pass in seconds.

/// How many times as fast. Five minutes are ten seconds, which is still many scrapes on a busy host.
pub(super) const FACTOR: u64 = 30;

/// The text with every duration in it divided by [`FACTOR`], be it written as one (`5m`, `1h30m`, `500ms`) or compared with the time
/// (`time() - 300`); prose that mentions one changes with it.
pub(crate) fn faster(text: &str) -> String {
    let mut parts = text.split(AGO);
    let mut out = with_faster_words(parts.next().unwrap_or_default());
    for part in parts {
        let digits = part.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(part.len());
        let (seconds, rest) = part.split_at(digits);
        out.push_str(AGO);
        // What follows may also be a moment.
        if let Ok(seconds) = seconds.parse::<u64>() {
            out.push_str(&(seconds as f64 / FACTOR as f64).to_string());
        }
        out.push_str(&with_faster_words(rest));
    }
    out
}

/// Before the seconds of a comparison.
const AGO: &str = "time() - ";

fn with_faster_words(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut word = String::new();
    for letter in text.chars().chain(['\n']) {
        if letter.is_ascii_alphanumeric() || letter == '_' {
            word.push(letter);
            continue;
        }
        match milliseconds(&word) {
            Some(duration) => out.push_str(&format!("{}ms", (duration / FACTOR).max(1))),
            None => out.push_str(&word),
        }
        word.clear();
        out.push(letter);
    }
    out.pop();
    out
}

/// A duration as Prometheus writes it, in milliseconds.
fn milliseconds(word: &str) -> Option<u64> {
    let mut rest = word;
    let mut sum = 0;
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let end = rest.find(|letter: char| letter.is_ascii_digit()).unwrap_or(rest.len());
        sum += number
            * match &rest[..end] {
                "ms" => 1,
                "s" => 1_000,
                "m" => 60_000,
                "h" => 3_600_000,
                "d" => 86_400_000,
                _ => return None,
            };
        rest = &rest[end..];
    }
    (sum > 0).then_some(sum)
}

#[test]
fn durations_are_divided_and_nothing_else() {
    let text = "expr: max_over_time(x{a=\"s\"}[5m]) > 300 and y < time() - 300 or time() - (z)\nfor: 1h30m # 15s\ninterval: 1m\nannotations: {a: 5 m, b: p95}";
    assert_eq!(
        faster(text),
        "expr: max_over_time(x{a=\"s\"}[10000ms]) > 300 and y < time() - 10 or time() - (z)\nfor: 180000ms # 500ms\ninterval: 2000ms\nannotations: {a: 5 m, b: p95}"
    );
}
