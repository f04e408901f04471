//! How problems repeat what the file says.

use std::path::Path;

/// The longest text that a problem repeats, in characters: enough to recognise it by.
const LONGEST_QUOTE: usize = 60;

/// A key for the path of a problem: only the word that it begins with. Where the space after a colon was forgotten, the rest of the "key"
/// may be a secret.
pub fn key_in_path(key: &str) -> String {
    let word = leading_word(key);
    if word.len() < key.len() {
        format!("{word}…")
    } else if word.is_empty() {
        "\"\"".to_owned()
    } else {
        word.to_owned()
    }
}

/// A mistaken key for a problem, in quotes where it is one word; otherwise only "this", because the rest may be a secret.
pub fn whole_key(key: &str) -> String {
    in_words(key, true, leading_word(key) == key)
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
pub fn quote(text: &str) -> String {
    match text.char_indices().nth(LONGEST_QUOTE) {
        Some((end, _)) => format!("{:?}…", text.get(..end).unwrap_or_default()),
        None => format!("{text:?}"),
    }
}

/// A file for a problem, where `path` is what `written` leads to. What does not look like a path may be a secret that was put under the
/// wrong key, so it is not repeated.
pub(crate) fn file(written: impl AsRef<Path>, path: &Path) -> String {
    let written = written.as_ref().to_string_lossy();
    let of_path = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte);
    if written.contains(['.', '/']) && written.bytes().all(of_path) {
        path.display().to_string()
    } else {
        "the file named here".to_owned()
    }
}

/// A mistaken number or duration for a problem. Only what cannot be taken for anything else is repeated: under the wrong key it may be a
/// secret.
pub fn number_in_words(text: &str, plain: bool) -> String {
    const LONGEST: usize = 24;
    let begins = text.is_empty() || text.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first));
    let of_number = |byte: u8| byte.is_ascii_digit() || byte.is_ascii_lowercase() || b"+-._ ".contains(&byte);
    in_words(
        text,
        plain,
        begins && text.len() <= LONGEST && text.bytes().all(of_number),
    )
}

/// A mistaken flag for a problem: a word that older versions of YAML take for one is repeated, others may be secrets.
pub(super) fn flag_in_words(text: &str, plain: bool) -> String {
    const WORDS: [&str; 8] = ["true", "false", "yes", "no", "on", "off", "y", "n"];
    in_words(text, plain, WORDS.iter().any(|word| word.eq_ignore_ascii_case(text)))
}

/// Tells a text in quotes from a number or flag.
fn in_words(text: &str, plain: bool, harmless: bool) -> String {
    match (harmless, plain) {
        (true, true) => quote(text),
        (true, false) => format!("the text {}", quote(text)),
        (false, _) => "this".to_owned(),
    }
}

/// Names the known key that was probably meant, or else all of them.
pub(super) fn unknown_key(key: &str, known: &[&str]) -> String {
    if key == "<<" {
        return "merge keys are not supported; repeat the keys, or use an alias for a whole value".to_owned();
    }
    if key.contains(':') {
        let space = "write a space after the colon that ends the key";
        return match known {
            [] => format!("a key here has no colon in it; {space}"),
            _ => format!("unknown key; {space}"),
        };
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
    fn only_what_must_be_a_number_is_repeated() {
        for text in [
            "",
            "60",
            "5 minutes",
            "-1.5h",
            ".inf",
            "0x0c",
            "99999999999999999999999",
        ] {
            assert_eq!(number_in_words(text, true), quote(text));
        }
        for text in ["hunter2", "7orXsg2F", "7+/=", "1234567890123456789012345"] {
            assert_eq!(number_in_words(text, false), "this");
        }
        assert_eq!(
            (flag_in_words("Yes", true), flag_in_words("hunter2", true)),
            ("\"Yes\"".into(), "this".into())
        );
        assert_eq!(
            (whole_key("a-b"), whole_key("team hunter2")),
            ("\"a-b\"".into(), "this".into())
        );
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
