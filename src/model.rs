//! The words that every module shares: what a flow is, what it reported, why a poll failed.
//!
//! Pure types without input or output. Input is parsed into them at the edges (`config`, `api`); from there on a value of one of
//! these types cannot be wrong.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// A flow's `keyId`: "the unique primary key for the automatic redial task process" (vendor page, queryDetail).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(u64);

impl KeyId {
    /// The key with this number, which must be at least 1 and fit the vendor's signed integers.
    pub fn new(number: u64) -> Option<Self> {
        (1..=i64::MAX.unsigned_abs()).contains(&number).then_some(Self(number))
    }

    /// The number as the vendor knows it.
    pub fn get(self) -> u64 {
        self.0
    }
}

/// A text is no number from 1 on as it is printed: digits alone, the first not 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a whole number from 1 on, in digits alone")]
pub struct NotAKeyId;

impl FromStr for KeyId {
    type Err = NotAKeyId;

    /// One flow has one text, so that one address or one series is not another flow's under a second name.
    fn from_str(text: &str) -> Result<Self, NotAKeyId> {
        let as_printed = !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse().ok().filter(|_| as_printed);
        number.and_then(Self::new).ok_or(NotAKeyId)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An account's configured name: the `account` label. Cheap to clone, it is one per account and shared by all its flows.
pub type AccountName = Arc<str>;

/// `status` of a flow and `nodeStatus` of a node (vendor page, queryDetail), with a door for what the page does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// 0
    Pending,
    /// 1
    InProgress,
    /// 2
    Completed,
    /// 3
    Cancelled,
    /// 4
    ExecutionException,
    /// Any other number, or none where the vendor reported none.
    Unknown(Option<i64>),
}

impl Status {
    /// How many words [`Status::label`] can give.
    pub const COUNT: usize = 6;

    /// One status per word, in the vendor's order; a status' place here is its [`Status::index`].
    pub const ALL: [Self; Self::COUNT] = [
        Self::Pending,
        Self::InProgress,
        Self::Completed,
        Self::Cancelled,
        Self::ExecutionException,
        Self::Unknown(None),
    ];

    /// The status for the vendor's number.
    pub fn from_code(code: Option<i64>) -> Self {
        match code {
            Some(0) => Self::Pending,
            Some(1) => Self::InProgress,
            Some(2) => Self::Completed,
            Some(3) => Self::Cancelled,
            Some(4) => Self::ExecutionException,
            other => Self::Unknown(other),
        }
    }

    /// The vendor's number, where one was reported.
    pub fn code(self) -> Option<i64> {
        match self {
            Self::Pending => Some(0),
            Self::InProgress => Some(1),
            Self::Completed => Some(2),
            Self::Cancelled => Some(3),
            Self::ExecutionException => Some(4),
            Self::Unknown(code) => code,
        }
    }

    /// The place of this status' word in [`Status::ALL`], and in every table of counts by status.
    pub fn index(self) -> usize {
        match self {
            Self::Pending => 0,
            Self::InProgress => 1,
            Self::Completed => 2,
            Self::Cancelled => 3,
            Self::ExecutionException => 4,
            Self::Unknown(_) => 5,
        }
    }

    /// The `status` label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
            Self::ExecutionException => "execution_exception",
            Self::Unknown(_) => "unknown",
        }
    }

    /// Whether the flow is over by itself, so that asking less often is polite. An execution exception is not: someone may repair it.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Cancelled)
    }
}

/// `recallType` (vendor page, queryDetail): which numbers a round calls again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RecallType {
    /// 0: all attempts.
    All,
    /// 1: only the failed attempts.
    Failed,
    /// Any other number, or none reported.
    Unknown,
}

impl RecallType {
    /// The type for the vendor's number.
    pub fn from_code(code: Option<i64>) -> Self {
        match code {
            Some(0) => Self::All,
            Some(1) => Self::Failed,
            _ => Self::Unknown,
        }
    }

    /// The `recall_type` label.
    pub fn label(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }
}

/// Numbers by status, indexed by [`Status::index`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CountByStatus([u32; Status::COUNT]);

impl CountByStatus {
    /// None of any status.
    pub const NONE: Self = Self([0; Status::COUNT]);

    /// One more with this status.
    pub fn add(&mut self, status: Status) {
        if let Some(count) = self.0.get_mut(status.index()) {
            *count = count.saturating_add(1);
        }
    }

    /// How many have this status.
    pub fn get(&self, status: Status) -> u32 {
        self.0.get(status.index()).copied().unwrap_or_default()
    }

    /// How many there are in all.
    pub fn total(&self) -> u32 {
        self.0.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Each status with its number, in the order of [`Status::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (Status, u32)> + '_ {
        Status::ALL.into_iter().map(|status| (status, self.get(status)))
    }
}

/// A field of the vendor's answers that is read, or stands for those that are not: the `field` label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ResponseField {
    /// `keyId`, of the flow or of a node.
    KeyId,
    /// `status` of the flow, or of the envelope.
    Status,
    /// `recallType`
    RecallType,
    /// `recallNum`
    RecallNum,
    /// `recallInterval`
    RecallInterval,
    /// `nodeList`
    NodeList,
    /// `nodeStatus`
    NodeStatus,
    /// `records`
    Records,
    /// `total`
    Total,
    /// `pages`
    Pages,
    /// `size`
    Size,
    /// `current`
    Current,
    /// `taskId`
    TaskId,
    /// `jobId`, as older pages call a group call's `taskId`.
    JobId,
    /// `taskName`
    TaskName,
    /// `createTime`
    CreateTime,
    /// `createdTime`
    CreatedTime,
    /// `finishNum`
    FinishNum,
    /// `numCnt`
    NumCnt,
    /// `success`
    Success,
    /// `fail`
    Fail,
    /// `balance`
    Balance,
    /// `gift`
    Gift,
    /// `credit`
    Credit,
    /// Any other.
    Other,
}

impl ResponseField {
    /// Every field, so that each can exist at 0 from the start.
    pub const ALL: [Self; 25] = [
        Self::KeyId,
        Self::Status,
        Self::RecallType,
        Self::RecallNum,
        Self::RecallInterval,
        Self::NodeList,
        Self::NodeStatus,
        Self::Records,
        Self::Total,
        Self::Pages,
        Self::Size,
        Self::Current,
        Self::TaskId,
        Self::JobId,
        Self::TaskName,
        Self::CreateTime,
        Self::CreatedTime,
        Self::FinishNum,
        Self::NumCnt,
        Self::Success,
        Self::Fail,
        Self::Balance,
        Self::Gift,
        Self::Credit,
        Self::Other,
    ];

    /// The `field` label: the vendor's own name.
    pub fn label(self) -> &'static str {
        match self {
            Self::KeyId => "keyId",
            Self::Status => "status",
            Self::RecallType => "recallType",
            Self::RecallNum => "recallNum",
            Self::RecallInterval => "recallInterval",
            Self::NodeList => "nodeList",
            Self::NodeStatus => "nodeStatus",
            Self::Records => "records",
            Self::Total => "total",
            Self::Pages => "pages",
            Self::Size => "size",
            Self::Current => "current",
            Self::TaskId => "taskId",
            Self::JobId => "jobId",
            Self::TaskName => "taskName",
            Self::CreateTime => "createTime",
            Self::CreatedTime => "createdTime",
            Self::FinishNum => "finishNum",
            Self::NumCnt => "numCnt",
            Self::Success => "success",
            Self::Fail => "fail",
            Self::Balance => "balance",
            Self::Gift => "gift",
            Self::Credit => "credit",
            Self::Other => "other",
        }
    }
}

/// The fields of an answer that were there and could not be read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UnreadableFields(u32);

impl UnreadableFields {
    /// One more.
    pub fn add(&mut self, field: ResponseField) {
        self.0 |= 1 << field as u16;
    }

    /// All of another answer as well.
    pub fn extend(&mut self, other: Self) {
        self.0 |= other.0;
    }

    /// Each once.
    pub fn iter(self) -> impl Iterator<Item = ResponseField> {
        ResponseField::ALL
            .into_iter()
            .filter(move |field| self.0 & (1 << *field as u16) != 0)
    }

    /// Whether everything could be read.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// A moment as the vendor writes it. Its pages do not say in which zone, and those who run the same platform may do otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WrittenTime {
    /// What the platform's own clock shows, without a zone: seconds from 1970 on, as if the zone were UTC.
    Local(i64),
    /// Unix time in seconds, where the zone is said or does not matter.
    Unix(i64),
}

impl WrittenTime {
    /// The seconds, whatever clock shows them: to compare what one list says.
    pub fn seconds(self) -> i64 {
        match self {
            Self::Local(seconds) | Self::Unix(seconds) => seconds,
        }
    }
}

/// What one good answer says of a flow, to queryDetail or to queryPage: the numbers the metrics need and nothing else. `None` is "not reported".
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FlowReport {
    /// `status` of the flow.
    pub status: Option<Status>,
    /// `recallType` of the flow.
    pub recall_type: Option<RecallType>,
    /// `recallNum`: how many recall attempts are planned; at least 0.
    pub recall_attempts: Option<i64>,
    /// `recallInterval` in seconds: the time between two recall rounds; at least 0.
    pub recall_interval_seconds: Option<i64>,
    /// `finishNum`: recall attempts that are over; at least 0. Only the list tells it.
    pub recall_attempts_completed: Option<i64>,
    /// The flow's nodes (recall rounds).
    pub nodes: Option<Nodes>,
    /// What was there and could not be read.
    pub unreadable: UnreadableFields,
}

/// A flow's nodes as one poll got them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Nodes {
    /// By their `nodeStatus`.
    pub by_status: CountByStatus,
    /// `total`: how many the vendor says there are, where it says so.
    pub reported: Option<i64>,
    /// Whether the counts are less than all of them, or hardly this flow's alone.
    pub truncated: bool,
}

/// A group call's `taskId`, only ever compared. Its pages show numbers; a text, or a number that is too large, tells one from another just
/// as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TaskId {
    /// As documented; at least 1.
    Number(i64),
    /// Something else, as its hash.
    Other(u64),
}

impl TaskId {
    /// The group call of this number; one below 1 is how some languages write that there is none.
    pub fn of_number(number: i64) -> Option<Self> {
        (number >= 1).then_some(Self::Number(number))
    }

    /// The group call of this name, which may be a number's digits. Blanks alone name none.
    pub fn of_words(words: &str) -> Option<Self> {
        let words = words.trim();
        if let Ok(number) = words.parse() {
            return Self::of_number(number);
        }
        let mut hasher = DefaultHasher::new();
        words.hash(&mut hasher);
        (!words.is_empty()).then(|| Self::Other(hasher.finish()))
    }
}

/// What the list of group calls says of one (group call query). `None` is "not reported".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupCall {
    /// `taskId`, on older pages `jobId`.
    pub task: TaskId,
    /// `status`: 0 waiting, 1 calling, 2 finished, 3 submission failed, 4 cancelled, 5 suspended, 6 submitting; or any other number.
    pub status: Option<i64>,
    /// `numCnt`: how many numbers are to be called; at least 0.
    pub numbers: Option<i64>,
    /// `success`: how many of them were reached; at least 0.
    pub success: Option<i64>,
    /// `fail`: how many of them were not; at least 0.
    pub fail: Option<i64>,
    /// `createdTime`
    pub created: Option<WrittenTime>,
}

impl GroupCall {
    /// Whether it is over by itself (finished, submission failed, cancelled): its numbers move no more.
    pub fn is_over(&self) -> bool {
        matches!(self.status, Some(2..=4))
    }
}

/// What an account has (getBalance), in a unit that the vendor's page does not name. `None` is "not reported".
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Balance {
    /// `balance`
    pub balance: Option<f64>,
    /// `gift`
    pub gift: Option<f64>,
    /// `credit`
    pub credit: Option<f64>,
    /// What was there and could not be read.
    pub unreadable: UnreadableFields,
}

impl Balance {
    /// Each kind that was reported: the `kind` label and the amount.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, f64)> {
        let kinds = [("balance", self.balance), ("gift", self.gift), ("credit", self.credit)];
        kinds.into_iter().filter_map(|(kind, amount)| Some((kind, amount?)))
    }
}

/// A code of the vendor's answer that is not success.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ApiCode(pub i64);

impl ApiCode {
    /// -1, "Authentication error".
    pub const AUTHENTICATION_ERROR: Self = Self(-1);
    /// -2, "Restricted IP access".
    pub const RESTRICTED_IP_ACCESS: Self = Self(-2);
    /// -16, "Timestamp expires".
    pub const TIMESTAMP_EXPIRED: Self = Self(-16);
    /// -18, "Port program unusual".
    pub const SYSTEM_EXCEPTION: Self = Self(-18);
    /// -22, "Parameter exception".
    pub const PARAMETER_EXCEPTION: Self = Self(-22);

    /// The codes that the vendor documents for queryDetail.
    pub const DOCUMENTED: [Self; 5] = [
        Self::AUTHENTICATION_ERROR,
        Self::RESTRICTED_IP_ACCESS,
        Self::TIMESTAMP_EXPIRED,
        Self::SYSTEM_EXCEPTION,
        Self::PARAMETER_EXCEPTION,
    ];

    /// The `reason` label.
    pub fn reason(self) -> &'static str {
        match self {
            Self::AUTHENTICATION_ERROR => "authentication_error",
            Self::RESTRICTED_IP_ACCESS => "restricted_ip_access",
            Self::TIMESTAMP_EXPIRED => "timestamp_expired",
            Self::SYSTEM_EXCEPTION => "system_exception",
            Self::PARAMETER_EXCEPTION => "parameter_exception",
            _ => "api_other",
        }
    }

    /// Whether the answer means that our key or our address is refused, so that asking on would be hammering.
    pub fn refuses_us(self) -> bool {
        matches!(self, Self::AUTHENTICATION_ERROR | Self::RESTRICTED_IP_ACCESS)
    }
}

impl fmt::Display for ApiCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How one HTTP request ended: the `outcome` label of `laaffic_api_requests_total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Code 0 and a body that could be read.
    Success,
    /// A code other than 0.
    ApiError,
    /// No complete answer within `request_timeout`.
    Timeout,
    /// No connection: refused, unreachable, name not found.
    Connect,
    /// The TLS handshake failed or the certificate was not acceptable.
    Tls,
    /// An HTTP status other than 200, redirects included.
    HttpStatus,
    /// An answer that is not the documented JSON.
    Decode,
    /// A body over the limit.
    TooLarge,
    /// Anything else: the connection was reset, the body was cut off.
    Other,
}

impl Outcome {
    /// Every outcome, so that each can exist at 0 from the start.
    pub const ALL: [Self; 9] = [
        Self::Success,
        Self::ApiError,
        Self::Timeout,
        Self::Connect,
        Self::Tls,
        Self::HttpStatus,
        Self::Decode,
        Self::TooLarge,
        Self::Other,
    ];

    /// The `outcome` label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::ApiError => "api_error",
            Self::Timeout => "timeout",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::HttpStatus => "http_status",
            Self::Decode => "decode",
            Self::TooLarge => "too_large",
            Self::Other => "other",
        }
    }
}

/// Why the last poll of a flow failed: the `reason` label of `laaffic_redial_flow_error`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureReason {
    /// The vendor answered with a code other than 0.
    Api(ApiCode),
    /// The request did not end in a readable answer, and not with an HTTP status either.
    Transport(Outcome),
    /// The answer had an HTTP status other than 200: this one.
    HttpStatus(u16),
    /// The answer is about another flow.
    OtherFlow,
    /// Code 0, and no data.
    NoData,
    /// Not asked: the account is blocked because the vendor refuses our credentials or our address.
    Blocked {
        /// Whether the flow was asked for before, since the start.
        tried: bool,
    },
}

impl FailureReason {
    /// The `reason` label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Api(code) => code.reason(),
            Self::Transport(outcome) => outcome.label(),
            Self::HttpStatus(_) => Outcome::HttpStatus.label(),
            Self::OtherFlow => "other_flow",
            Self::NoData => "no_data",
            Self::Blocked { .. } => "blocked",
        }
    }

    /// The HTTP status, where that is why.
    pub fn http_status(self) -> Option<u16> {
        match self {
            Self::HttpStatus(status) => Some(status),
            Self::Api(_) | Self::Transport(_) | Self::OtherFlow | Self::NoData | Self::Blocked { .. } => None,
        }
    }

    /// The vendor's code, where it answered with one.
    pub fn code(self) -> Option<i64> {
        match self {
            Self::Api(code) => Some(code.0),
            Self::Transport(_) | Self::HttpStatus(_) | Self::OtherFlow | Self::NoData | Self::Blocked { .. } => None,
        }
    }
}

/// A call of the vendor's API: the `endpoint` label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// `POST {base_url}/voice/recallFlow/queryDetail`
    QueryDetail,
    /// `POST {base_url}/voice/recallFlow/queryPage`
    QueryPage,
    /// `POST {base_url}/voice/group/call/query`
    GroupCallQuery,
    /// `GET {base_url}/getBalance`
    GetBalance,
}

impl Endpoint {
    /// Every endpoint the exporter calls.
    pub const ALL: [Self; 4] = [
        Self::QueryDetail,
        Self::QueryPage,
        Self::GroupCallQuery,
        Self::GetBalance,
    ];

    /// The `endpoint` label.
    pub fn label(self) -> &'static str {
        match self {
            Self::QueryDetail => "query_detail",
            Self::QueryPage => "query_page",
            Self::GroupCallQuery => "group_call_query",
            Self::GetBalance => "get_balance",
        }
    }

    /// The fields of its answers that are read, and [`ResponseField::Other`]: those that can be unreadable.
    pub fn fields(self) -> impl Iterator<Item = ResponseField> {
        use ResponseField as Field;
        ResponseField::ALL.into_iter().filter(move |field| match field {
            Field::Status | Field::Other => true,
            Field::Balance | Field::Gift | Field::Credit => self == Self::GetBalance,
            Field::NodeList | Field::NodeStatus | Field::Current => self == Self::QueryDetail,
            Field::TaskName | Field::CreateTime | Field::FinishNum => self == Self::QueryPage,
            Field::JobId | Field::CreatedTime | Field::NumCnt | Field::Success | Field::Fail => {
                self == Self::GroupCallQuery
            }
            Field::KeyId | Field::RecallType | Field::RecallNum | Field::RecallInterval => {
                matches!(self, Self::QueryDetail | Self::QueryPage)
            }
            Field::TaskId | Field::Records | Field::Total | Field::Pages | Field::Size => self != Self::GetBalance,
        })
    }

    /// The path below the account's base URL.
    pub fn path(self) -> &'static str {
        match self {
            Self::QueryDetail => "voice/recallFlow/queryDetail",
            Self::QueryPage => "voice/recallFlow/queryPage",
            Self::GroupCallQuery => "voice/group/call/query",
            Self::GetBalance => "getBalance",
        }
    }
}

/// What does not change of a flow from poll to poll, as the store and the metrics know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowInfo {
    /// The vendor's key.
    pub key_id: KeyId,
    /// The configured name, for people.
    pub name: Option<Box<str>>,
    /// The configured labels, sorted by name; they appear on `laaffic_redial_flow_info` only.
    pub labels: Box<[(Box<str>, Box<str>)]>,
    /// How often the flow's state is fetched while it may still change.
    pub poll_interval: Duration,
    /// Where the flow comes from.
    pub origin: Origin,
    /// What the vendor's list says of the task that the flow belongs to; `None` where no list was read.
    pub task: Option<Box<Task>>,
}

impl FlowInfo {
    /// A flow that the configuration lists, with nothing but its key and its interval.
    pub fn configured(key_id: KeyId, poll_interval: Duration) -> Self {
        Self {
            key_id,
            name: None,
            labels: Box::default(),
            poll_interval,
            origin: Origin::Configured,
            task: None,
        }
    }

    /// The name for people: the configured one, else the one in the vendor's list; `None` means "show the key".
    pub fn name(&self) -> Option<&str> {
        let listed = || self.task.as_ref().and_then(|task| task.name.as_deref());
        self.name.as_deref().or_else(listed)
    }

    /// Whether it was found in the vendor's list, and is not in the configuration.
    pub fn is_discovered(&self) -> bool {
        matches!(self.origin, Origin::Discovered { .. })
    }
}

/// Where a flow comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Origin {
    /// The configuration lists it: it is asked for by its key.
    #[default]
    Configured,
    /// It was found in the vendor's list, which tells its state.
    Discovered {
        /// How often its nodes are looked at while it is in progress.
        node_interval: Duration,
    },
}

impl Origin {
    /// The word for it.
    pub fn label(self) -> &'static str {
        match self {
            Self::Configured => "configured",
            Self::Discovered { .. } => "discovered",
        }
    }
}

/// The group call that a flow calls again for, as the vendor's list tells of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Task {
    /// `taskId`: a name, only ever compared and shown.
    pub task_id: Option<Box<str>>,
    /// `taskName`, for people; data from outside.
    pub name: Option<Box<str>>,
    /// `createTime`, as Unix time in seconds; `None` where not told, or nobody knows in which zone.
    pub created: Option<i64>,
}

/// How the search for flows in the vendor's list stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Discovery {
    /// How often the list is read while the account's budget suffices.
    pub interval: Duration,
    /// Since when it is wanted; `None` where that is not known.
    pub since: Option<SystemTime>,
    /// Whether a list was read since the start, well or badly.
    pub tried: bool,
    /// When the last list was read well, as Unix time.
    pub last_success: Option<SystemTime>,
    /// Whether the last list was read to its end and all its flows are watched that should be.
    pub complete: bool,
    /// Flows that are watched because they were found.
    pub tracked: usize,
    /// Flows of the last list that the rules leave out.
    pub dropped: usize,
    /// Flows of the last list that are not watched because there are too many.
    pub over_limit: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_call_is_the_same_however_its_key_is_written() {
        let nine = TaskId::of_number(900_123);
        assert_eq!(TaskId::of_words(" 900123 "), nine);
        assert!(nine.is_some() && TaskId::of_words("T-9").is_some());
        assert_eq!(TaskId::of_words("T-9 "), TaskId::of_words("T-9"));
        assert_ne!(TaskId::of_words("T-9"), TaskId::of_words("T-8"));
        for none in ["", " ", "0", "-1"] {
            assert_eq!(TaskId::of_words(none), None, "{none:?}");
        }
        assert_eq!(TaskId::of_number(0), None);
    }

    #[test]
    fn a_key_is_read_only_as_it_is_printed() {
        for text in ["1", "12", "9223372036854775807"] {
            assert_eq!(
                text.parse::<KeyId>().map(|key_id| key_id.to_string()).as_deref(),
                Ok(text)
            );
        }
        for text in [
            "",
            "0",
            "05",
            "+5",
            "-5",
            " 5",
            "5 ",
            "5.0",
            "1e3",
            "0x5",
            "٥",
            "9223372036854775808",
            "18446744073709551616",
        ] {
            assert_eq!(text.parse::<KeyId>(), Err(NotAKeyId), "{text:?}");
        }
    }
}
