//! Answers as no vendor should give them and some vendor will: the shapes and envelopes of the pages, mixed, with oddities in every place.
//!
//! They are written as bytes, because a writer of JSON could not write most of what is odd.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};

type Bytes = &'static [u8];

/// What comes in the place of a number.
#[rustfmt::skip]
const ODD_NUMBERS: [Bytes; 49] = [
    b"7.5", br#""three""#, br#""3.0""#, b"3.0", b"1e2", b"1E+1", b"2e-1", b"0.1e1", b"-0", b"-0.0", b"-1", b"-3", b"true", b"false",
    b"9223372036854775807", b"9223372036854775808", b"-9223372036854775808", b"18446744073709551616", b"153722867280912930",
    b"153722867280912931", b"9007199254740991.0", b"9007199254740993.0", b"1e400", br#""""#, br#"" ""#, b"\"\n\"", br#""\n""#,
    br#"" 2 ""#, b"\"2\n\"", br#""2\t""#, br#""\u0032""#, br#""+3""#, br#""-0""#, br#""007""#, br#""1_000""#, br#""1e2""#, br#""null""#,
    br#""9223372036854775808""#, br#""6fa459ea-ee8a-3ca4-894e-db77e160355e""#, b"[]", b"[ 1 ]", b"{}", b"NaN", b"-Infinity",
    b"undefined", b"\"2\xe4\"", b"\"\xe4\xb8\"", br#""\ud83d""#, b"null",
];

/// What comes in the place of the data, of a list, or of a node in it.
#[rustfmt::skip]
const ODD_LISTS: [Bytes; 17] = [
    b"null", b"null", b"[null]", b"[]", b"[ ]", b"[[]]", b"[{}]", br#"["x",{}]"#, b"{}", br#""""#, br#"" ""#, br#""\n""#, br#""[]""#,
    b"7", b"false", b"NaN", b"undefined",
];

/// What customers write, and what becomes of it on the way.
#[rustfmt::skip]
const TEXTS: [Bytes; 16] = [
    b"Dear ${text1}, please call back", b"two\nlines\r\n", b"a\ttab", b"\0\x1f\x7f", br#"she said \"[{\""#, br"a backslash \\", br"\u0000",
    br"half a smile \ud83d", b"cut off \xe4\xb8", b"\xff\xfe", b"NaN, undefined, Infinity", br#"\"code\":-1,\"status\":\"x\""#,
    "₹ 5\u{2028}\u{1f600}".as_bytes(), b"]}", b"", b"\xed\xa0\xbd",
];

#[rustfmt::skip]
const OTHER_FIELDS: [Bytes; 7] = [b"text", b"smsContent", b"", b"NaN", br"\u004eew", br"\ud83d", b"Status"];

const GOOD_CODES: [Bytes; 6] = [b"0", b"0", br#""0""#, b"0.0", b"-0", b"0e1"];
#[rustfmt::skip]
const BAD_CODES: [Bytes; 10] =
    [b"-1", br#""-16""#, b"-18", b"-22.0", b"-24", b"200", b"1e2", br#"" -2""#, b"9223372036854775807", br#""\u002d1""#];

/// Bodies that are no answer at all.
#[rustfmt::skip]
const BODIES: [Bytes; 10] = [
    b"", b" \r\n", b"\xef\xbb\xbf", b"<html><body>502 Bad Gateway</body></html>", b"null", b"[]", b"0", br#"[0,"success",{}]"#,
    b"\xff\xfe{\0}\0", b"{}",
];

/// Fields that hold numbers, and what they usually hold.
type Fields = &'static [(&'static str, &'static [i64])];

const ANY: &[i64] = &[0, 1, 2, 574, 100_000, -7];
const STATUSES: &[i64] = &[0, 1, 2, 3, 4, 1, 2, 5, 9];

#[rustfmt::skip]
const FLOW: Fields = &[
    ("keyId", &[12, 13]), ("status", STATUSES), ("recallType", &[0, 1, 1, 2]), ("recallNum", &[1, 3, 10, 0]),
    ("recallInterval", &[1, 30, 1440, 0]),
];
#[rustfmt::skip]
const PAGING: Fields = &[("total", ANY), ("pages", ANY), ("size", &[1, 10, 100]), ("current", &[1, 2])];
#[rustfmt::skip]
const NODE: Fields = &[("keyId", &[1, 2, 3, 4, 5, 1427]), ("taskId", ANY), ("nodeStatus", STATUSES)];

/// What data consists of: as documented, as in the page's example, all in one, and what no page shows.
#[rustfmt::skip]
const SHAPES: [&[&str]; 8] = [
    &["flow", "nodeList"], &["flow", "nodeList"], &["records", "paging"], &["flow", "nodeList", "paging"],
    &["flow", "records"], &["nodeList", "records"], &["paging", "records", "flow", "nodeList"], &[],
];

/// The answers of a seed: as many as are wanted, the same every time.
pub(super) struct Answers(StdRng);

impl Answers {
    pub(super) fn of(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    /// Whether it happens this time, of so many.
    fn once_in(&mut self, times: u32) -> bool {
        self.0.random_ratio(1, times)
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        *of.choose(&mut self.0).unwrap()
    }

    /// One of these numbers, as vendors write numbers; or something else.
    fn number(&mut self, usual: &[i64]) -> Vec<u8> {
        let number = self.pick(usual);
        match self.0.random_range(0..40) {
            0..3 => self.pick(&ODD_NUMBERS).to_vec(),
            3 => b"null".to_vec(),
            4..12 => format!("\"{number}\"").into_bytes(),
            12..14 => format!("{number}.0").into_bytes(),
            _ => number.to_string().into_bytes(),
        }
    }

    fn text(&mut self) -> Vec<u8> {
        let texts: Vec<_> = (0..self.0.random_range(1..4)).map(|_| self.pick(&TEXTS)).collect();
        [b"\"".as_slice(), &texts.concat(), b"\""].concat()
    }

    /// What nobody asked for.
    fn extra(&mut self) -> Vec<u8> {
        match self.0.random_range(0..8) {
            0 => self.pick(&ODD_NUMBERS).to_vec(),
            1 => {
                let deep = if self.once_in(4) { 56..70 } else { 1..9 };
                let deep = self.0.random_range(deep);
                [b"[".repeat(deep), b"]".repeat(deep)].concat()
            }
            2 => [b"{\"code\":-1,\"keyId\":".as_slice(), &self.text(), b"}"].concat(),
            _ => self.text(),
        }
    }

    /// Whether a field of this name comes at all, and what else comes with it.
    fn put(&mut self, object: &mut Vec<Vec<u8>>, name: &str, value: Vec<u8>) {
        if self.once_in(25) {
            return;
        }
        let name = match name.split_at_checked(1) {
            Some((first, rest)) if self.once_in(50) => format!("\\u{:04x}{rest}", first.as_bytes()[0]),
            _ => name.to_owned(),
        };
        let field = |value: &[u8]| [b"\"".as_slice(), name.as_bytes(), b"\":", value].concat();
        if self.once_in(60) {
            let again = self.pick::<Bytes>(&[b"null", b"8", br#""8""#, b"true", br#""""#]);
            object.push(field(if self.once_in(2) { &value } else { again }));
        }
        object.push(field(&value));
        if self.once_in(5) {
            let other = self.pick(&OTHER_FIELDS);
            object.push([b"\"".as_slice(), other, b"\":", &self.extra()].concat());
        }
    }

    /// The fields in any order.
    fn object(&mut self, mut fields: Vec<Vec<u8>>) -> Vec<u8> {
        if !fields.is_empty() && self.once_in(3) {
            let middle = self.0.random_range(0..fields.len());
            fields.rotate_left(middle);
        }
        let comma = self.pick::<Bytes>(&[b",", b",", b" ,\r\n\t"]);
        [b"{".as_slice(), &fields.join(comma), b"}"].concat()
    }

    fn numbers(&mut self, object: &mut Vec<Vec<u8>>, fields: Fields) {
        for (name, usual) in fields {
            let number = self.number(usual);
            self.put(object, name, number);
        }
    }

    fn node(&mut self) -> Vec<u8> {
        if self.once_in(40) {
            return self.pick(&ODD_LISTS).to_vec();
        }
        let mut node = Vec::new();
        self.numbers(&mut node, NODE);
        let text = self.text();
        self.put(&mut node, "text", text);
        self.object(node)
    }

    fn list(&mut self) -> Vec<u8> {
        if self.once_in(15) {
            return self.pick(&ODD_LISTS).to_vec();
        }
        let nodes: Vec<_> = (0..self.0.random_range(0..6)).map(|_| self.node()).collect();
        [b"[".as_slice(), &nodes.join(b",".as_slice()), b"]"].concat()
    }

    fn data(&mut self) -> Vec<u8> {
        if self.once_in(14) {
            return self.pick(&ODD_LISTS).to_vec();
        }
        let mut data = Vec::new();
        for part in self.pick(&SHAPES) {
            match *part {
                "flow" => self.numbers(&mut data, FLOW),
                "paging" => self.numbers(&mut data, PAGING),
                list => {
                    let nodes = self.list();
                    self.put(&mut data, list, nodes);
                }
            }
        }
        self.object(data)
    }

    fn code(&mut self) -> Vec<u8> {
        match self.0.random_range(0..30) {
            0 => self.pick(&ODD_NUMBERS),
            1..3 => self.pick(&BAD_CODES),
            _ => self.pick(&GOOD_CODES),
        }
        .to_vec()
    }

    fn envelope(&mut self) -> Vec<u8> {
        let [code, reason] = [("code", "msg"), ("status", "reason")];
        let mut envelope = Vec::new();
        for (code, words) in self.pick::<&[_]>(&[&[code], &[code], &[reason], &[code, reason]]) {
            let value = self.code();
            self.put(&mut envelope, code, value);
            let text = self.text();
            self.put(&mut envelope, words, text);
        }
        let data = self.data();
        self.put(&mut envelope, "data", data);
        self.object(envelope)
    }
}

impl Iterator for Answers {
    type Item = Vec<u8>;

    /// An answer, and what proxies, careless writers and broken connections make of it.
    fn next(&mut self) -> Option<Vec<u8>> {
        let mut body = self.envelope();
        let place = self.0.random_range(0..body.len());
        match self.0.random_range(0..60) {
            0 => body = self.pick(&BODIES).to_vec(),
            1 => body.truncate(place),
            2 => body.extend(self.pick::<Bytes>(&[b"}", b",", b"null", b"\0", b"<br/>", b"\xff"])),
            3 => body[place] = self.0.random(),
            4 => body.insert(place, self.0.random()),
            5 => drop(body.remove(place)),
            6..9 => drop(body.splice(..0, *b"\xef\xbb\xbf")),
            9..11 => body = [b"\r\n ".as_slice(), &body, b"\n\n"].concat(),
            _ => {}
        }
        Some(body)
    }
}
