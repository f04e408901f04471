//! What differs between two renderings of a page, so that an open tab is sent only that (docs/http.md).
//!
//! The page has two lists: the accounts' cards and the flows' rows. Of a rendering nothing is kept but a [`Fingerprint`] of each of their
//! elements. A later one can then be written for who has it: runs of elements that it has are named by their places, all else is whole.

use std::collections::{HashMap, VecDeque};
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::Instant;

use super::lasting::{Fingerprint, Tag};

/// For how long what a tab has is known: some of its refreshes.
const KEPT: Duration = Duration::from_secs(30);

/// Fingerprints that are kept, of 8 bytes: 2 MiB. At 10,000 flows they are those of 26 renderings; two are kept however large they are.
const MOST: usize = 256 * 1024;

/// A rendering that a tab may have.
#[derive(Debug)]
pub(super) struct Base {
    /// Of the rendering.
    pub(super) tag: String,
    /// The accounts' cards, in order.
    pub(super) cards: Vec<Fingerprint>,
    /// The flows' rows, in order, within groups or not.
    pub(super) rows: Vec<Fingerprint>,
}

impl Base {
    fn size(&self) -> usize {
        self.cards.len() + self.rows.len()
    }
}

/// The last renderings, each with when it was noted. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Bases(Arc<Mutex<VecDeque<Noted>>>);

type Noted = (Instant, Arc<Base>);

impl Bases {
    /// The one with this tag, if it is known.
    pub(super) fn get(&self, tag: &str) -> Option<Arc<Base>> {
        let bases = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, base) = bases.iter().find(|(_, base)| base.tag == tag)?;
        Some(Arc::clone(base))
    }

    /// Takes one in. Must be called within a tokio runtime.
    pub(super) fn note(&self, base: Base) {
        let now = Instant::now();
        {
            let mut bases = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            bases.retain(|(_, known)| known.tag != base.tag);
            bases.push_back((now, Arc::new(base)));
            while bases.len() > 2 && bases.iter().map(|(_, base)| base.size()).sum::<usize>() > MOST {
                bases.pop_front();
            }
        }
        let bases = Self::clone(self);
        Handle::current().spawn(async move {
            tokio::time::sleep_until(now + KEPT).await;
            let mut bases = bases.0.lock().unwrap_or_else(PoisonError::into_inner);
            bases.retain(|(noted, _)| *noted > now);
            bases.shrink_to_fit();
        });
    }
}

/// Where a page is written, and its tag becomes.
pub(super) struct PageWriter<'w> {
    out: &'w mut dyn Write,
    tag: Tag,
}

impl<'w> PageWriter<'w> {
    pub(super) fn new(out: &'w mut dyn Write) -> Self {
        Self {
            out,
            tag: Tag::default(),
        }
    }

    /// A part of the page that is in no list.
    pub(super) fn part(&mut self, html: &str) -> io::Result<()> {
        self.tag.add(html);
        self.out.write_all(html.as_bytes())
    }

    /// The last two parts, with the page's tag between them where it is wanted there. Gives the tag.
    pub(super) fn end(mut self, before: &str, with_tag: bool, after: &str) -> io::Result<String> {
        self.part(before)?;
        self.tag.add(after);
        let tag = self.tag.finish();
        if with_tag {
            self.out.write_all(tag.as_bytes())?;
        }
        self.out.write_all(after.as_bytes())?;
        Ok(tag)
    }
}

/// Writes the elements of a list, as changes of a base where there is one.
pub(super) struct ListWriter {
    /// The elements' kind, such as `tr`: what stands for some of them must be allowed in their place.
    kind: &'static str,
    /// Where the base has what.
    places: HashMap<Fingerprint, usize>,
    /// What is not written yet: from which place of the base, and how many.
    run: Option<(usize, usize)>,
    written: Vec<Fingerprint>,
}

impl ListWriter {
    pub(super) fn new(kind: &'static str, base: Option<&[Fingerprint]>) -> Self {
        let base = base.unwrap_or_default().iter();
        Self {
            kind,
            places: base
                .enumerate()
                .map(|(place, fingerprint)| (*fingerprint, place))
                .collect(),
            run: None,
            written: Vec::new(),
        }
    }

    /// The next element.
    pub(super) fn element(&mut self, html: &str, page: &mut PageWriter<'_>) -> io::Result<()> {
        let fingerprint = Fingerprint::of(html);
        self.written.push(fingerprint);
        page.tag.add_element(fingerprint);
        let place = self.places.get(&fingerprint).copied();
        match (place, &mut self.run) {
            (Some(place), Some((from, count))) if place == *from + *count => *count += 1,
            (Some(place), _) => {
                self.end_run(page)?;
                self.run = Some((place, 1));
            }
            (None, _) => {
                self.end_run(page)?;
                writeln!(page.out, "{html}")?;
            }
        }
        Ok(())
    }

    /// A part of the page between two elements, such as the beginning of a group.
    pub(super) fn between(&mut self, html: &str, page: &mut PageWriter<'_>) -> io::Result<()> {
        self.end_run(page)?;
        page.part(html)
    }

    /// All that was written, in order.
    pub(super) fn end(mut self, page: &mut PageWriter<'_>) -> io::Result<Vec<Fingerprint>> {
        self.end_run(page)?;
        Ok(self.written)
    }

    fn end_run(&mut self, page: &mut PageWriter<'_>) -> io::Result<()> {
        let Some((from, count)) = self.run.take() else {
            return Ok(());
        };
        let kind = self.kind;
        writeln!(page.out, r#"<{kind} data-from="{from}" data-count="{count}"></{kind}>"#)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(tag: &str, rows: usize) -> Base {
        Base {
            tag: tag.to_owned(),
            cards: Vec::new(),
            rows: (0..rows as u64).map(Fingerprint::number).collect(),
        }
    }

    fn written(base: &[&str], elements: &[&str]) -> String {
        let base: Vec<_> = base.iter().map(|html| Fingerprint::of(html)).collect();
        let mut out = Vec::new();
        let mut page = PageWriter::new(&mut out);
        let mut list = ListWriter::new("p", Some(&base));
        for html in elements {
            match *html {
                "|" => list.between("|", &mut page).unwrap(),
                html => list.element(html, &mut page).unwrap(),
            }
        }
        assert_eq!(
            list.end(&mut page).unwrap().len(),
            elements.iter().filter(|html| **html != "|").count()
        );
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn runs_of_what_is_known_are_named_by_their_places() {
        let run = |from, count| format!("<p data-from=\"{from}\" data-count=\"{count}\"></p>\n");
        for (base, elements, expected) in [
            (&["a", "b", "c"][..], &["a", "b", "c"][..], run(0, 3)),
            (&[], &["a", "b"], "a\nb\n".to_owned()),
            (&["a", "b"], &[], String::new()),
            (&["a", "b", "c"], &["a", "x", "c"], run(0, 1) + "x\n" + &run(2, 1)),
            (&["a", "b", "c"], &["c", "a", "b"], run(2, 1) + &run(0, 2)),
            (
                &["a", "b", "c"],
                &["a", "|", "b", "|", "c"],
                run(0, 1) + "|" + &run(1, 1) + "|" + &run(2, 1),
            ),
        ] {
            assert_eq!(written(base, elements), expected, "{base:?} {elements:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_tabs_have_is_known_for_a_time_and_within_a_bound() {
        let bases = Bases::default();
        bases.note(base("first", 1));
        tokio::time::sleep(KEPT - Duration::from_secs(1)).await;
        bases.note(base("second", 1));
        assert!(bases.get("first").is_some() && bases.get("other").is_none());
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(bases.get("first").is_none() && bases.get("second").is_some());
        bases.note(base("second", 2));
        assert_eq!(bases.get("second").unwrap().rows.len(), 2);
        for tag in ["large", "larger", "largest"] {
            bases.note(base(tag, MOST / 2 + 1));
        }
        assert!(bases.get("large").is_none() && bases.get("larger").is_some() && bases.get("largest").is_some());
        tokio::time::sleep(KEPT + Duration::from_secs(1)).await;
        assert!(bases.0.lock().unwrap().is_empty());
    }
}
