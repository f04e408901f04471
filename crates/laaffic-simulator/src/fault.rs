//! What can go wrong at the vendor, and how often.

use axum::http::HeaderValue;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::random::fraction;

/// One thing that goes wrong with an answer. In JSON: `{"kind": "http_status", "status": 503}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// Nothing comes, not even a status line, for as long as the client waits.
    NeverAnswers,
    /// The proper answer, at one byte a second.
    Trickle,
    /// Half of the proper answer, then a TCP reset. Without a socket of ours: a body that ends in an error.
    Reset,
    /// Half of the proper answer under a `Content-Length` for all of it, then the end of the connection.
    TruncatedLength,
    /// Half of the proper answer in chunks, then the end of the connection without the last chunk.
    TruncatedChunks,
    /// A redirect.
    Redirect {
        /// The HTTP status, 302 unless given.
        #[serde(default = "found")]
        status: u16,
        /// Where to; a path of this server that does not exist unless given, so that a client that follows is counted as `http_404`.
        #[serde(default = "elsewhere")]
        location: String,
    },
    /// Another HTTP status, with a page of HTML as a web server in front of the vendor sends it.
    HttpStatus {
        /// The status, from 200 to 599.
        status: u16,
        /// The `Retry-After` header.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after: Option<RetryAfter>,
    },
    /// A body of valid JSON that is far too long.
    TooLarge {
        /// How long, in MiB; 5 unless given.
        #[serde(default = "five")]
        mebibytes: u16,
        /// Whether `Content-Length` says so beforehand.
        #[serde(default)]
        declared: bool,
    },
    /// 8 MiB of valid JSON, compressed with gzip to some kilobytes, whether the client asked for gzip or not.
    GzipBomb,
    /// Status 200 and a page of HTML.
    Html,
    /// Status 200 and nothing.
    Empty,
    /// The proper answer with one more field whose text is not UTF-8.
    InvalidUtf8,
    /// The first half of the proper answer, as if that were all of it.
    TruncatedJson,
    /// JSON whose outermost fields have the wrong types; which ones, by seed.
    WrongTypes,
    /// Success, and as its data 100,000 arrays inside each other.
    Nested,
    /// A code of the vendor's instead of success, where the request is otherwise fine.
    Code {
        /// The code, such as -18.
        code: i64,
        /// The message that goes with it; the vendor's words where `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        msg: Option<String>,
        /// The HTTP status that it comes with, from 200 to 599; 200 where `None`, as the vendor has it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<u16>,
    },
    /// The proper answer, but about another flow.
    OtherFlow,
    /// Success without data.
    NoData,
    /// The proper answer with one optional field in a form that nobody expects; which one, by seed.
    OddFields,
    /// The answer comes later.
    Delay {
        /// By this much, in milliseconds.
        milliseconds: u64,
    },
    /// The server's clock is off: its `Date` header and its check of `Timestamp`.
    ClockOffset {
        /// By so many seconds; negative is behind.
        seconds: i64,
    },
    /// The server takes no notice of `current` and `size`.
    IgnoreCurrent,
    /// The server refuses requests with `current` or `size`, which the page of queryDetail does not document, with -22.
    RefusePaging,
    /// `total` is one more than there are nodes or records.
    OverstateTotal,
    /// A list moves while its pages are being read.
    Torn {
        /// By how many records from each page to the next, 1 unless given. So many come again on the next page, as if so many had come
        /// into being; or, where it is negative, so many are on no page, as if so many had gone.
        #[serde(default = "one")]
        records: i16,
    },
    /// Every second record of a list has no key.
    KeylessRecords,
    /// A list without records.
    EmptyList,
}

/// The two forms of `Retry-After`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryAfter {
    /// So many seconds.
    Seconds(u64),
    /// An HTTP date so many seconds from now by the server's clock.
    DateInSeconds(u64),
}

fn found() -> u16 {
    302
}

fn elsewhere() -> String {
    "/elsewhere".to_owned()
}

fn one() -> i16 {
    1
}

fn five() -> u16 {
    5
}

impl Fault {
    /// One of every kind that any request can meet, with ordinary parameters: for a schedule that leaves nothing out.
    pub fn all() -> Vec<Self> {
        let status = |status, retry_after| Self::HttpStatus { status, retry_after };
        let too_large = |declared| Self::TooLarge {
            mebibytes: five(),
            declared,
        };
        let mut all = vec![
            Self::NeverAnswers,
            Self::Trickle,
            Self::Reset,
            Self::TruncatedLength,
            Self::TruncatedChunks,
            Self::Redirect {
                status: found(),
                location: elsewhere(),
            },
            status(404, None),
            status(429, Some(RetryAfter::Seconds(1))),
            status(429, Some(RetryAfter::DateInSeconds(2))),
            status(502, None),
            too_large(false),
            too_large(true),
            Self::GzipBomb,
            Self::Html,
            Self::Empty,
            Self::InvalidUtf8,
            Self::TruncatedJson,
            Self::WrongTypes,
            Self::Nested,
            Self::Delay { milliseconds: 100 },
            Self::ClockOffset { seconds: 86_400 },
            Self::IgnoreCurrent,
            Self::RefusePaging,
            Self::OverstateTotal,
            Self::OtherFlow,
            Self::NoData,
            Self::OddFields,
            Self::Code {
                code: -24,
                msg: None,
                status: Some(400),
            },
        ];
        all.extend([-1, -2, -16, -18, -22, -99].map(Self::code));
        all
    }

    /// One of every kind besides [`Fault::all`], which only requests for lists can meet.
    pub fn all_of_lists() -> Vec<Self> {
        vec![
            Self::Torn { records: one() },
            Self::Torn { records: -1 },
            Self::KeylessRecords,
            Self::EmptyList,
        ]
    }

    /// A code with the vendor's words.
    pub fn code(code: i64) -> Self {
        Self::Code {
            code,
            msg: None,
            status: None,
        }
    }

    /// Whether it is a way to succeed: what is refused anyway stays so.
    pub(crate) fn is_of_a_success(&self) -> bool {
        matches!(self, Self::OtherFlow | Self::NoData | Self::OddFields)
    }

    /// How the counts call it: its `kind`, but statuses and codes by their number.
    pub fn name(&self) -> String {
        match self {
            Self::Redirect { status, .. } | Self::HttpStatus { status, .. } => format!("http_{status}"),
            Self::Code { code, .. } => code.to_string(),
            _ => self.kind(),
        }
    }

    fn kind(&self) -> String {
        let json = serde_json::to_value(self).unwrap_or_default();
        json.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    fn check(&self) -> Result<(), InvalidFault> {
        let problem = match self {
            Self::Redirect { status, .. } if !(300..400).contains(status) => {
                format!("a redirect's status is from 300 to 399, not {status}")
            }
            Self::Redirect { location, .. } if HeaderValue::from_str(location).is_err() => {
                "location has characters that no header can carry".to_owned()
            }
            Self::HttpStatus { status, .. }
            | Self::Code {
                status: Some(status), ..
            } if !(200..600).contains(status) => {
                format!("status {status} is not from 200 to 599")
            }
            _ => return Ok(()),
        };
        Err(InvalidFault(problem))
    }
}

/// Why a fault, or a plan of faults, cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidFault(String);

/// Which faults strike where, and how often.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FaultPlan {
    /// The faults with their probabilities, of which one at most strikes a request; what is missing to 1 is no fault.
    pub faults: Vec<WeightedFault>,
    /// For how many more requests it lasts; for good where `None`.
    pub times: Option<u64>,
}

/// A fault and how probable it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeightedFault {
    /// From 0 to 1.
    pub probability: f64,
    /// What strikes.
    pub fault: Fault,
}

impl FaultPlan {
    /// Every request meets this fault.
    pub fn always(fault: Fault) -> Self {
        Self::mix([(1.0, fault)])
    }

    /// The next `times` requests meet this fault, then all is well.
    pub fn times(times: u64, fault: Fault) -> Self {
        Self {
            times: Some(times),
            ..Self::always(fault)
        }
    }

    /// A schedule by seed: each fault strikes with its probability. The n-th request for a flow meets the same fault in every run.
    pub fn mix(faults: impl IntoIterator<Item = (f64, Fault)>) -> Self {
        Self {
            faults: faults
                .into_iter()
                .map(|(probability, fault)| WeightedFault { probability, fault })
                .collect(),
            times: None,
        }
    }

    /// Whether this plan can be.
    pub fn check(&self) -> Result<(), InvalidFault> {
        // A little more than 1 is what adding up decimal fractions may give.
        const ONE: f64 = 1.0 + 1e-9;
        let probabilities = || self.faults.iter().map(|weighted| weighted.probability);
        let are_valid = probabilities().all(|probability| (0.0..=ONE).contains(&probability));
        if !are_valid || probabilities().sum::<f64>() > ONE {
            let problem = "probabilities are from 0 to 1 and not more than 1 together";
            return Err(InvalidFault(problem.to_owned()));
        }
        self.faults.iter().try_for_each(|weighted| weighted.fault.check())
    }

    /// What strikes a request with this hash.
    fn draw(&self, hash: u64) -> Option<&Fault> {
        let mut rest = fraction(hash);
        self.faults.iter().find_map(|weighted| {
            rest -= weighted.probability;
            (rest < 0.0).then_some(&weighted.fault)
        })
    }
}

/// The fault that strikes the next request, from the place where a plan may be set. Counts the plan down, and clears the place when it
/// is used up.
pub(crate) fn draw_from(place: &mut Option<FaultPlan>, hash: u64) -> Option<Fault> {
    let used_up = |plan: &mut FaultPlan| plan.times == Some(0);
    place.take_if(used_up);
    let plan = place.as_mut()?;
    let fault = plan.draw(hash).cloned();
    plan.times = plan.times.map(|left| left - 1);
    place.take_if(used_up);
    fault
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::hash;

    #[test]
    fn a_mix_strikes_as_often_as_it_says() {
        let plan = FaultPlan::mix([(0.1, Fault::code(-18)), (0.3, Fault::code(-2))]);
        let mut counts = std::collections::BTreeMap::<_, u32>::new();
        for n in 0..10_000 {
            let name = plan.draw(hash(5, &[n])).map(|fault| fault.name());
            *counts.entry(name).or_default() += 1;
        }
        assert!((900..1_100).contains(&counts[&Some("-18".into())]), "{counts:?}");
        assert!((2_850..3_150).contains(&counts[&Some("-2".into())]), "{counts:?}");
        assert!((5_850..6_150).contains(&counts[&None]), "{counts:?}");
    }

    #[test]
    fn always_is_always_and_times_run_out() {
        let mut place = Some(FaultPlan::always(Fault::code(-1)));
        assert!((0..100).all(|n| draw_from(&mut place, hash(1, &[n])) == Some(Fault::code(-1))));
        place = Some(FaultPlan::times(2, Fault::code(-1)));
        let struck: Vec<_> = (0..4).map(|n| draw_from(&mut place, n).is_some()).collect();
        assert_eq!(struck, [true, true, false, false]);
        assert_eq!(place, None);
        place = Some(FaultPlan::times(0, Fault::Reset));
        assert_eq!((draw_from(&mut place, 0), place), (None, None));
    }

    #[test]
    fn every_fault_survives_json_can_be_and_is_documented() {
        let documentation = include_str!("../../../docs/simulator.md");
        for fault in Fault::all().into_iter().chain(Fault::all_of_lists()) {
            let json = serde_json::to_string(&fault).unwrap();
            assert_eq!(serde_json::from_str::<Fault>(&json).unwrap(), fault, "{json}");
            assert_eq!(FaultPlan::always(fault.clone()).check(), Ok(()));
            let row = format!("| `{}` |", fault.kind());
            assert!(documentation.contains(&row), "{row}");
        }
    }

    fn from_json(json: &str) -> Fault {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn what_a_fault_leaves_out_is_as_documented() {
        let too_large = Fault::TooLarge {
            mebibytes: 5,
            declared: false,
        };
        assert_eq!(from_json(r#"{"kind":"too_large"}"#), too_large);
        assert_eq!(from_json(r#"{"kind":"code","code":-18}"#), Fault::code(-18));
        assert_eq!(
            from_json(r#"{"kind":"redirect"}"#),
            from_json(r#"{"kind":"redirect","status":302,"location":"/elsewhere"}"#)
        );
        assert_eq!(from_json(r#"{"kind":"torn"}"#), Fault::Torn { records: 1 });
        let retry_after = Some(RetryAfter::Seconds(7));
        assert_eq!(
            from_json(r#"{"kind":"http_status","status":429,"retry_after":{"seconds":7}}"#),
            Fault::HttpStatus {
                status: 429,
                retry_after
            }
        );
        assert!(serde_json::from_str::<Fault>(r#"{"kind":"code","code":-1,"extra":1}"#).is_err());
    }

    #[test]
    fn plans_that_cannot_be() {
        let problem = |plan: FaultPlan| plan.check().unwrap_err().to_string();
        for (json, words) in [
            (r#"{"kind":"http_status","status":101}"#, "101 is not from 200 to 599"),
            (r#"{"kind":"redirect","status":200}"#, "from 300 to 399, not 200"),
            (r#"{"kind":"redirect","location":"/\n"}"#, "location has characters"),
        ] {
            let problem = problem(FaultPlan::always(from_json(json)));
            assert!(problem.contains(words), "{problem}");
        }
        for probabilities in [&[0.6, 0.6][..], &[-0.1], &[f64::NAN]] {
            let plan = FaultPlan::mix(probabilities.iter().map(|probability| (*probability, Fault::Reset)));
            assert!(problem(plan).contains("probabilities"), "{probabilities:?}");
        }
    }
}
