//! Why polling cannot begin, or did not go on.

use crate::api::ClientError;
use crate::model::AccountName;

/// Why polling cannot begin, or did not go on.
#[derive(Debug, thiserror::Error)]
pub enum PollError {
    /// An account's client cannot be built from its configuration.
    #[error("account {account:?} cannot be polled")]
    Client {
        /// The account.
        account: AccountName,
        /// What is wrong.
        source: ClientError,
    },
    /// The polling of an account has ended although nobody asked it to. Serving on would be serving old numbers.
    #[error("polling stopped by itself, which is a bug; please report it with the log")]
    Stopped,
}
