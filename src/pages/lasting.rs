//! What of a page does not change merely because time passes, and what is told from it: the page's tag, and each element's fingerprint.

use md5::{Digest as _, Md5};

/// Tells one element's lasting content from another's. Nobody has to be kept from forging it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Fingerprint(u64);

impl Fingerprint {
    /// Of an element.
    pub(super) fn of(html: &str) -> Self {
        let mut tag = Tag::default();
        tag.add(html);
        Self(tag.number())
    }

    #[cfg(test)]
    pub(super) fn number(number: u64) -> Self {
        Self(number)
    }
}

/// Becomes the tag of a page, from its parts in their order.
#[derive(Debug, Default)]
pub(super) struct Tag(Md5);

impl Tag {
    /// A part of the page.
    pub(super) fn add(&mut self, html: &str) {
        for part in lasting(html.as_bytes()) {
            self.0.update(part);
        }
    }

    /// An element, by its fingerprint.
    pub(super) fn add_element(&mut self, fingerprint: Fingerprint) {
        self.0.update(fingerprint.0.to_be_bytes());
    }

    /// The tag, in hexadecimal digits.
    pub(super) fn finish(self) -> String {
        format!("{:016x}", self.number())
    }

    fn number(self) -> u64 {
        let digest = self.0.finalize();
        digest.first_chunk().copied().map_or(0, u64::from_be_bytes)
    }
}

/// All but the text of `<time>` elements.
fn lasting(page: &[u8]) -> Vec<&[u8]> {
    const BEGIN: &[u8] = b"<time";
    const END: &[u8] = b"</time>";
    let mut parts = Vec::new();
    let mut rest = page;
    while let Some(place) = find(rest, BEGIN) {
        let tag = rest.get(place..).and_then(|tag| find(tag, b">")).unwrap_or_default();
        let (part, text) = rest.split_at(place + tag);
        parts.push(part);
        rest = find(text, END).and_then(|end| text.get(end..)).unwrap_or_default();
    }
    parts.push(rest);
    parts
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::pages::view::Since;

    #[test]
    fn ages_are_no_lasting_part_and_the_rest_is() {
        let page = |seconds: u64, name: &str| {
            let then = SystemTime::UNIX_EPOCH + Duration::from_secs(5);
            let since = Since {
                now: then + Duration::from_secs(seconds),
                then,
            };
            format!("<p>{name} for {since} &lt;time <time>x</time></p>")
        };
        assert_eq!(Fingerprint::of(&page(1, "a")), Fingerprint::of(&page(99, "a")));
        assert_ne!(Fingerprint::of(&page(1, "a")), Fingerprint::of(&page(1, "b")));
        assert_eq!(lasting(b"<p>none</p>").concat(), b"<p>none</p>");
        assert_eq!(lasting(b"<time>cut").concat(), b"<time");
    }
}
