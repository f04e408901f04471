//! The fields that the vendor documents, and what may stand in them (vendor page, queryDetail; its sister pages for times).

/// What a field is documented to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    /// A number or the number of an enumeration; either may come as a text.
    Number,
    /// A moment.
    Time,
    /// Words, an object, a list, or whatever a customer likes.
    Other,
}

/// Fields that hold a number, in the order of the vendor's page.
const NUMBERS: [&str; 35] = [
    "code",
    "status",
    "keyId",
    "recallInterval",
    "recallNum",
    "recallType",
    "taskId",
    "nodeStatus",
    "source",
    "speakingRate",
    "ssmlGender",
    "accent",
    "hangUpSms",
    "feedbackPush",
    "feedbackValue",
    "successPush",
    "successPushTime",
    "failedPush",
    "ringPush",
    "toSeat",
    "sipGroupId",
    "outboundControl",
    "calloutRate",
    "toSeatType",
    "delayTransfer",
    "total",
    "size",
    "current",
    "pages",
    "finishNum",
    "numCnt",
    "callNum",
    "success",
    "fail",
    "jobId",
];

/// Fields that hold a moment.
const TIMES: [&str; 2] = ["createTime", "createdTime"];

/// Fields that hold anything else. `senderId` and `toSeatKey` may be numbers, but then they are a customer's.
const OTHERS: [&str; 16] = [
    "msg",
    "reason",
    "data",
    "nodeList",
    "records",
    "searchCount",
    "voiceFileId",
    "voiceFileName",
    "uploadName",
    "text",
    "lan",
    "smsContent",
    "senderId",
    "idxSmsAppId",
    "toSeatKey",
    "taskName",
];

impl Field {
    /// The documented field of this name.
    pub(super) fn named(name: &str) -> Option<Self> {
        if NUMBERS.contains(&name) {
            Some(Self::Number)
        } else if TIMES.contains(&name) {
            Some(Self::Time)
        } else {
            OTHERS.contains(&name).then_some(Self::Other)
        }
    }
}
