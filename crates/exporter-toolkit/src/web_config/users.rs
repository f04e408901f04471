//! `basic_auth_users`: who may ask, with the bcrypt hash of each one's password.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Costs that bcrypt has.
const COSTS: std::ops::RangeInclusive<u32> = 4..=31;

/// Hashes up to this cost are ordinary: about a second of one core.
pub const ORDINARY_COST: u32 = 14;

/// The 22 characters of a salt and the 31 of a hash. The hash belongs to no password that anybody knows.
const FAKE: &str = "Mx0ksLvRoXrIuAX4DYNPcugwJGmqdB/GUxDrQCZzkQUfE6NW9Ltpu";

/// A bcrypt hash of the right form. It is a secret, so it is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash {
    text: Arc<str>,
    cost: u32,
}

impl PasswordHash {
    /// The hash as it is written: for computing only, never for a message.
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// Two to this power rounds are computed.
    pub fn cost(&self) -> u32 {
        self.cost
    }

    /// A hash that no known password has.
    fn fake(cost: u32) -> Self {
        Self {
            text: format!("$2y${cost:02}${FAKE}").into(),
            cost,
        }
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

/// A text is not a bcrypt hash. It is not repeated: it may be a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is not a bcrypt hash ($2a$, $2b$ or $2y$); make one with: htpasswd -nBC 10 \"\" | tr -d ':\\n'")]
pub struct NotAHash;

impl FromStr for PasswordHash {
    type Err = NotAHash;

    fn from_str(text: &str) -> Result<Self, NotAHash> {
        let rest = ["$2a$", "$2b$", "$2y$"]
            .iter()
            .find_map(|version| text.strip_prefix(version))
            .ok_or(NotAHash)?;
        let (cost, rest) = rest.split_once('$').ok_or(NotAHash)?;
        let of_base64 = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'/');
        if cost.len() != 2 || rest.len() != FAKE.len() || !rest.bytes().all(of_base64) {
            return Err(NotAHash);
        }
        let cost = cost.parse().ok().filter(|cost| COSTS.contains(cost)).ok_or(NotAHash)?;
        // The last bits of salt and hash must be those that the encoding leaves.
        let hash = Self {
            text: text.into(),
            cost,
        };
        text.parse::<bcrypt::HashParts>().map_or(Err(NotAHash), |_| Ok(hash))
    }
}

/// Who may ask. Nobody in it means that everybody may.
#[derive(Debug, Default)]
pub struct Users {
    hashes: BTreeMap<String, PasswordHash>,
    fake: Option<PasswordHash>,
}

impl Users {
    /// These users with these hashes.
    pub fn new(hashes: BTreeMap<String, PasswordHash>) -> Self {
        // An unknown name costs as much as most known ones do, and not what the dearest hash of all costs: that is the one that an
        // operator made dear for a single user.
        let costs = || hashes.values().map(PasswordHash::cost);
        let ordinary = costs()
            .filter(|cost| *cost <= ORDINARY_COST)
            .max()
            .or_else(|| costs().min());
        let fake = ordinary.map(PasswordHash::fake);
        Self { hashes, fake }
    }

    /// Whether no password is needed.
    pub fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    /// What to compare this user's password with, and whether there is such a user.
    pub fn hash(&self, user: &str) -> Option<(&PasswordHash, bool)> {
        match self.hashes.get(user) {
            Some(hash) => Some((hash, true)),
            None => self.fake.as_ref().map(|fake| (fake, false)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: &str = "$2y$12$7TWBQ320OsFfUPFa5wBCm.zCuPv45fnsDXWFYJysQRxxwG8Gx0k0u";

    #[test]
    fn a_hash_is_known_by_its_form_and_never_printed() {
        for version in ["$2a$", "$2b$", "$2y$"] {
            let hash: PasswordHash = ALICE.replace("$2y$", version).parse().unwrap();
            assert_eq!((hash.cost(), format!("{hash:?}")), (12, "<secret>".to_owned()));
        }
        for text in [
            "",
            "doe",
            "$2x$",
            "$1$abc",
            &ALICE[..59],
            &ALICE.replace("$12$", "$3$"),
            &ALICE.replace("$12$", "$32$"),
        ] {
            let error = text.parse::<PasswordHash>().unwrap_err().to_string();
            assert!(text.len() < 3 || !error.contains(text), "{error}");
        }
        assert!(
            ALICE
                .replace("$12$", "$12$:")
                .get(..60)
                .unwrap()
                .parse::<PasswordHash>()
                .is_err()
        );
    }

    #[test]
    fn an_unknown_user_costs_what_ordinary_ones_cost() {
        let cost_of_unknown = |costs: &[u32]| {
            let hashes = costs.iter().map(|cost| (cost.to_string(), PasswordHash::fake(*cost)));
            let users = Users::new(hashes.collect());
            users.hash("nobody").map(|(hash, known)| (hash.cost(), known))
        };
        assert_eq!(cost_of_unknown(&[12, 18, 10, 10]), Some((12, false)));
        assert_eq!(cost_of_unknown(&[18, 16]), Some((16, false)));
        assert_eq!(cost_of_unknown(&[]), None);
    }

    #[test]
    fn the_fake_hash_is_a_hash() {
        let fake: PasswordHash = PasswordHash::fake(4).expose().parse().unwrap();
        assert_eq!(bcrypt::verify("", fake.expose()).ok(), Some(false));
    }
}
