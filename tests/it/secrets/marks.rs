//! The secrets, each with a mark in it, and the search for them in what the program lets out.

use std::collections::BTreeMap;
use std::fmt::{Debug, Write as _};
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use laaffic_simulator::CUSTOMER_TEXT_MARKER;
use md5::{Digest as _, Md5};

/// What begins every secret whose text a test can choose, so that a part of one is found as well.
pub(crate) const MARK: &str = "MARKED-";

/// Text of a customer, as it stands in the vendor's answers.
pub(crate) const CUSTOMER_TEXT: &str = CUSTOMER_TEXT_MARKER;

/// A secret with a mark and with characters that an encoding would change.
pub(crate) fn marked(name: &str) -> String {
    format!("{MARK}{name}/+%~")
}

/// What must not be let out, in every form it may take.
pub(crate) struct Needles(Mutex<Vec<(String, String)>>);

impl Needles {
    /// The mark itself, a customer's text, and these secrets.
    pub(crate) fn new<'s>(secrets: impl IntoIterator<Item = &'s str>) -> Self {
        let needles = Self(Mutex::default());
        needles.add(MARK);
        needles.add(CUSTOMER_TEXT);
        secrets.into_iter().for_each(|secret| needles.add(secret));
        needles
    }

    /// One more secret.
    pub(crate) fn add(&self, secret: &str) {
        let mut needles = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        needles.extend(forms(secret).into_iter().map(|form| (secret.to_owned(), form)));
    }

    /// One more secret that is not looked for in other forms.
    pub(crate) fn add_as_it_is(&self, secret: &str) {
        let mut needles = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        needles.push((secret.to_owned(), secret.to_owned()));
    }

    /// Which secret is in this text, and in which form.
    pub(crate) fn find(&self, text: &str) -> Option<(String, String)> {
        let needles = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        needles.iter().find(|(_, form)| text.contains(form.as_str())).cloned()
    }
}

/// A secret as it is, in Base64 wherever in a longer text it stood, in a URL, in JSON, and as its MD5.
fn forms(secret: &str) -> Vec<String> {
    let mut forms = vec![secret.to_owned(), in_url(secret), secret.escape_debug().to_string()];
    for before in ["", "x", "xx"] {
        let text = format!("{before}{secret}");
        // Only what the secret alone decides: the characters round it also depend on its neighbours.
        let (from, to) = ((before.len() * 8).div_ceil(6), text.len() * 8 / 6);
        forms.extend([&STANDARD, &URL_SAFE].map(|engine| engine.encode(&text)[from..to].to_owned()));
    }
    let digest = hex(&Md5::digest(secret));
    forms.extend([digest.to_uppercase(), digest]);
    forms
}

fn in_url(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// What was let out, each text once, with where it came from.
#[derive(Default)]
pub(crate) struct Outlets(BTreeMap<String, String>);

impl Outlets {
    /// Something that was let out. There must be something, or nothing was tried.
    pub(crate) fn add(&mut self, from: impl Into<String>, text: impl Into<String>) {
        let (from, text) = (from.into(), text.into());
        assert!(!text.is_empty(), "{from} let nothing out");
        self.0.insert(text, from);
    }

    /// What Rust prints of a value, in one line and in many.
    pub(crate) fn print(&mut self, value: &impl Debug) {
        self.add("a value in one line", format!("{value:?}"));
        self.add("a value in many lines", format!("{value:#?}"));
    }

    /// Everything of others.
    pub(crate) fn take(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// Whether a text with these words was let out.
    pub(crate) fn say(&self, words: &str) -> bool {
        self.0.keys().any(|text| text.contains(words))
    }

    /// Fails if a secret is in any of it.
    pub(crate) fn hold_none_of(&self, needles: &Needles) {
        for (text, from) in &self.0 {
            if let Some((secret, form)) = needles.find(text) {
                panic!("{from} tells {secret:?} as {form:?}:\n{text}");
            }
        }
    }
}

#[test]
fn a_secret_is_found_in_every_form() {
    let secret = marked("one");
    let needles = Needles::new([secret.as_str(), "other\"secret"]);
    let basic = |user: &str| STANDARD.encode(format!("{user}:{secret}"));
    for text in [
        secret.clone(),
        secret[..MARK.len() + 1].to_owned(),
        basic("u"),
        basic("us"),
        basic("use"),
        URL_SAFE.encode(&secret),
        in_url(&secret),
        hex(&Md5::digest(&secret)),
        "other\\\"secret".to_owned(),
        format!("{CUSTOMER_TEXT}12: hello"),
    ] {
        assert!(needles.find(&format!("a line with {text} in it")).is_some(), "{text}");
    }
    assert_eq!(needles.find("MARKE D- nothing"), None);
}
