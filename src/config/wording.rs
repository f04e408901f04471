//! How problems repeat what the file says.

use std::path::Path;

use super::yaml::Scalar;

/// The longest text that a problem repeats, in characters: enough to recognise it by.
const LONGEST_QUOTE: usize = 60;

/// A key for the path of a problem: only the word that it begins with. Where the space after a colon was forgotten, the rest of the "key"
/// may be a secret.
pub(crate) fn key_in_path(key: &str) -> String {
    let word = leading_word(key);
    if word.len() < key.len() {
        format!("{word}…")
    } else if word.is_empty() {
        "\"\"".to_owned()
    } else {
        word.to_owned()
    }
}

/// The word that a key begins with, all of it for an ordinary key.
fn leading_word(key: &str) -> &str {
    let end = key
        .bytes()
        .take(LONGEST_QUOTE)
        .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
        .count();
    key.get(..end).unwrap_or_default()
}

/// A text of the file for a problem: on one line, and not longer than needed to recognise it.
pub(super) fn quote(text: &str) -> String {
    match text.char_indices().nth(LONGEST_QUOTE) {
        Some((end, _)) => format!("{:?}…", text.get(..end).unwrap_or_default()),
        None => format!("{text:?}"),
    }
}

/// A file for a problem, where `path` is what `written` leads to. What does not look like a path may be a secret that was put under the
/// wrong key, so it is not repeated.
pub(super) fn file(written: &str, path: &Path) -> String {
    let of_path = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte);
    if written.contains(['.', '/']) && written.bytes().all(of_path) {
        path.display().to_string()
    } else {
        "the file named here".to_owned()
    }
}

/// A value for a problem, telling a text in quotes from a number or flag.
pub(super) fn shown(scalar: &Scalar<'_>) -> String {
    let quoted = quote(&scalar.text);
    if scalar.plain {
        quoted
    } else {
        format!("the text {quoted}")
    }
}

/// Names the known key that was probably meant, or else all of them.
pub(super) fn unknown_key(key: &str, known: &[&str]) -> String {
    if key == "<<" {
        return "merge keys are not supported; repeat the keys, or use an alias for a whole value".to_owned();
    }
    if key.contains(':') {
        return "unknown key; write a space after the colon that ends the key".to_owned();
    }
    let plain = key.to_ascii_lowercase().replace(['-', ' '], "_");
    let nearest = known
        .iter()
        .map(|candidate| (strsim::damerau_levenshtein(&plain, candidate), candidate))
        .min_by_key(|(distance, _)| *distance)
        // A third of the letters: near enough to be a slip of the finger.
        .filter(|(distance, candidate)| *distance <= candidate.len().div_ceil(3));
    match nearest {
        Some((_, candidate)) => format!("unknown key; did you mean {candidate}?"),
        None => format!("unknown key; the keys here are {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_stays_on_one_line_and_short() {
        assert_eq!(quote("a\n\"b\""), r#""a\n\"b\"""#);
        assert_eq!(quote(&"ü".repeat(60)), format!("\"{}\"", "ü".repeat(60)));
        assert_eq!(quote(&"ü".repeat(61)), format!("\"{}\"…", "ü".repeat(60)));
    }

    #[test]
    fn only_what_looks_like_a_path_is_repeated() {
        let path = Path::new("/etc/secret");
        for written in ["secret.txt", "secrets/api_secret", "/etc/secret", "../secret"] {
            assert_eq!(file(written, path), "/etc/secret");
        }
        for written in ["hunter2", "hunter2/+=", "hunter 2.", "hünter2."] {
            assert_eq!(file(written, path), "the file named here");
        }
    }

    #[test]
    fn a_slip_of_the_finger_is_recognised() {
        const KEYS: [&str; 3] = ["key_id", "name", "poll_interval"];
        for (key, meant) in [
            ("key-id", "key_id"),
            ("keyId", "key_id"),
            ("Name", "name"),
            ("nmae", "name"),
            ("pollinterval", "poll_interval"),
        ] {
            assert_eq!(unknown_key(key, &KEYS), format!("unknown key; did you mean {meant}?"));
        }
        assert_eq!(
            unknown_key("labels", &KEYS),
            "unknown key; the keys here are key_id, name, poll_interval"
        );
    }
}
