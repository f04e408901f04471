//! Basic authentication: passwords against bcrypt hashes, at a bounded cost.
//!
//! A hash is slow to compute on purpose, so each credential is computed once, away from the threads that serve, one after the other,
//! and only so many may wait. Who flood us with wrong passwords wait for one another; a credential that was right once costs nothing.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use rand::random;
use ring::hmac;
use tokio::sync::Semaphore;

use crate::web_config::{ORDINARY_COST, PasswordHash, Users};

/// Credentials that are remembered, right ones and wrong ones each.
const REMEMBERED: usize = 100;

/// Credentials whose hash may be waited for at once, in each lane. Both lanes together stay below what is remembered.
const MAX_WAITING: usize = 48;

/// As many of them may come from one address, so that no client alone fills a lane.
const MAX_WAITING_PER_ADDRESS: usize = 32;

/// A user and the password that was sent for it.
pub(super) struct Credential {
    user: String,
    password: Vec<u8>,
}

impl Credential {
    /// The one in a request's `Authorization` header.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let (scheme, encoded) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let decoded = STANDARD.decode(encoded.trim()).ok()?;
        let colon = decoded.iter().position(|byte| *byte == b':')?;
        let (user, password) = decoded.split_at_checked(colon)?;
        Some(Self {
            user: String::from_utf8(user.to_vec()).ok()?,
            password: password.strip_prefix(b":")?.to_vec(),
        })
    }
}

/// What became of a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Right,
    Wrong,
    /// Too many others are waiting.
    Busy,
}

/// Stands for user, password and stored hash together. Nothing can be computed back from it without this process's key.
type Digest = [u8; 32];

/// Whether a password is right, once it is known.
type Answer = Shared<BoxFuture<'static, bool>>;

/// Checks credentials and remembers them. Cheap to clone.
#[derive(Clone)]
pub(super) struct Passwords {
    inner: Arc<Inner>,
}

struct Inner {
    key: hmac::Key,
    /// Hashes of ordinary cost, and dear ones: whoever tries the name of a user with a dear hash holds up only those.
    lanes: [Lane; 2],
    memory: Mutex<Memory>,
}

struct Lane {
    turn: Arc<Semaphore>,
}

#[derive(Default)]
struct Memory {
    /// Kept apart from the others, so that no number of wrong ones pushes a right one out.
    right: VecDeque<Digest>,
    /// Being computed, or found wrong.
    tried: VecDeque<(Digest, Answer)>,
    waiting: [usize; 2],
    waiting_by_address: HashMap<IpAddr, usize>,
}

impl Passwords {
    pub(super) fn new() -> Self {
        let lane = || Lane {
            turn: Arc::new(Semaphore::new(1)),
        };
        Self {
            inner: Arc::new(Inner {
                key: hmac::Key::new(hmac::HMAC_SHA256, &random::<[u8; 32]>()),
                lanes: [lane(), lane()],
                memory: Mutex::default(),
            }),
        }
    }

    /// Whether this credential is one of these users', asked for by this address.
    pub(super) async fn check(&self, users: &Users, credential: Credential, from: IpAddr) -> Verdict {
        let Some((hash, known)) = users.hash(&credential.user) else {
            return Verdict::Wrong;
        };
        let digest = self.digest(&credential, hash);
        let answer = {
            let mut memory = self.inner.memory();
            if memory.right.contains(&digest) {
                return Verdict::Right;
            }
            match memory.tried.iter().find(|(tried, _)| *tried == digest) {
                Some((_, answer)) => answer.clone(),
                None => match self.wait(&mut memory, usize::from(hash.cost() > ORDINARY_COST), from) {
                    None => return Verdict::Busy,
                    Some(permit) => {
                        let answer = self.answer(permit, digest, hash.clone(), known, credential.password);
                        if memory.tried.len() >= REMEMBERED {
                            memory.tried.pop_front();
                        }
                        memory.tried.push_back((digest, answer.clone()));
                        answer
                    }
                },
            }
        };
        if answer.await { Verdict::Right } else { Verdict::Wrong }
    }

    fn digest(&self, credential: &Credential, hash: &PasswordHash) -> Digest {
        let mut context = hmac::Context::with_key(&self.inner.key);
        // With lengths, so that no two of them can be cut apart differently.
        for part in [
            credential.user.as_bytes(),
            hash.expose().as_bytes(),
            &credential.password,
        ] {
            context.update(&part.len().to_le_bytes());
            context.update(part);
        }
        let mut digest = Digest::default();
        for (byte, of_tag) in digest.iter_mut().zip(context.sign().as_ref()) {
            *byte = *of_tag;
        }
        digest
    }

    fn wait(&self, memory: &mut Memory, lane: usize, from: IpAddr) -> Option<Permit> {
        let network = network(from);
        let waiting = memory.waiting.get_mut(lane)?;
        let of_network = memory.waiting_by_address.entry(network).or_default();
        if *waiting >= MAX_WAITING || *of_network >= MAX_WAITING_PER_ADDRESS {
            return None;
        }
        *waiting += 1;
        *of_network += 1;
        Some(Permit {
            inner: Arc::clone(&self.inner),
            lane,
            network,
        })
    }

    /// Computes in a task of its own: a client that does not wait for the end has begun it for the next.
    fn answer(&self, permit: Permit, digest: Digest, hash: PasswordHash, known: bool, password: Vec<u8>) -> Answer {
        let computed = tokio::spawn(async move {
            let lane = permit.inner.lanes.get(permit.lane);
            let turn = match lane {
                Some(lane) => Arc::clone(&lane.turn).acquire_owned().await.ok(),
                None => None,
            };
            let computed = tokio::task::spawn_blocking(move || {
                // Held until the end even if nobody waits for it any more.
                let _turn = turn;
                // An unknown user's password is compared as well, and takes as long.
                bcrypt::verify(password, hash.expose()).unwrap_or(false) && known
            });
            let right = computed.await.unwrap_or(false);
            if right {
                permit.inner.memory().remember(digest);
            }
            right
        });
        computed.map(|right| right.unwrap_or(false)).boxed().shared()
    }
}

impl Inner {
    fn memory(&self) -> MutexGuard<'_, Memory> {
        // Whatever is in it after a panic is sound: at worst something is computed again.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    fn remember(&mut self, digest: Digest) {
        if self.right.len() >= REMEMBERED {
            self.right.pop_front();
        }
        self.right.push_back(digest);
        self.tried.retain(|(tried, _)| *tried != digest);
    }
}

/// Leave to wait among the others; given back by dropping it.
struct Permit {
    inner: Arc<Inner>,
    lane: usize,
    network: IpAddr,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut memory = self.inner.memory();
        if let Some(waiting) = memory.waiting.get_mut(self.lane) {
            *waiting = waiting.saturating_sub(1);
        }
        if let Some(waiting) = memory.waiting_by_address.get_mut(&self.network) {
            *waiting = waiting.saturating_sub(1);
            if *waiting == 0 {
                memory.waiting_by_address.remove(&self.network);
            }
        }
    }
}

/// What one client can choose its address from: with IPv6, that is a /64.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64)).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passwords").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use axum::http::HeaderValue;

    use super::*;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn users(costs: &[(&str, u32)]) -> Users {
        let hash =
            |(user, cost): &(&str, u32)| (user.to_string(), bcrypt::hash("right", *cost).unwrap().parse().unwrap());
        Users::new(costs.iter().map(hash).collect())
    }

    fn credential(user: &str, password: &str) -> Credential {
        let mut headers = HeaderMap::new();
        let encoded = STANDARD.encode(format!("{user}:{password}"));
        headers.insert(
            AUTHORIZATION,
            HeaderValue::try_from(format!("Basic {encoded}")).unwrap(),
        );
        Credential::of(&headers).unwrap()
    }

    #[test]
    fn the_first_colon_ends_the_user() {
        let credential = credential("a", "b:c");
        assert_eq!((&*credential.user, &*credential.password), ("a", &b"b:c"[..]));
    }

    #[tokio::test]
    async fn what_is_remembered_is_bounded_and_right_ones_are_kept_apart() {
        let users = users(&[("al", 4)]);
        let passwords = Passwords::new();
        assert_eq!(
            passwords.check(&users, credential("al", "right"), HERE).await,
            Verdict::Right
        );
        for number in 0..250 {
            let wrong = credential("al", &number.to_string());
            assert_eq!(passwords.check(&users, wrong, HERE).await, Verdict::Wrong);
        }
        let memory = passwords.inner.memory();
        assert_eq!((memory.right.len(), memory.tried.len()), (1, REMEMBERED));
        assert_eq!((memory.waiting, memory.waiting_by_address.len()), ([0, 0], 0));
    }

    #[tokio::test]
    async fn no_address_fills_the_queue_alone_and_the_queue_has_an_end() {
        let users = users(&[("al", 4)]);
        let passwords = Passwords::new();
        // Nobody's turn comes.
        let _turn = Arc::clone(&passwords.inner.lanes[0].turn)
            .acquire_owned()
            .await
            .unwrap();
        let waits = async |number: u32, from: IpAddr| {
            let check = passwords.check(&users, credential("al", &number.to_string()), from);
            check.now_or_never().is_none()
        };
        for number in 0..60 {
            assert_eq!(waits(number, HERE).await, number < 32, "{number}");
        }
        assert!(waits(0, HERE).await, "the same credential once more costs nothing");
        for number in 100..130 {
            let from = format!("2001:db8::{number}").parse().unwrap();
            assert_eq!(waits(number, from).await, number < 116, "{number}");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_dear_hash_holds_up_nobody_else() {
        let cheap = users(&[("al", 4), ("bob", 4)]);
        let hash = |user| cheap.hash(user).unwrap().0.clone();
        let dear = hash("bob").expose().replace("$04$", "$15$").parse().unwrap();
        let users = Users::new([("al".to_owned(), hash("al")), ("bob".to_owned(), dear)].into());
        let passwords = Passwords::new();
        let mut bob = Box::pin(passwords.check(&users, credential("bob", "wrong"), HERE));
        assert!(bob.as_mut().now_or_never().is_none());
        assert_eq!(
            passwords.check(&users, credential("al", "right"), HERE).await,
            Verdict::Right
        );
        assert_eq!(
            passwords.check(&users, credential("al", "wrong"), HERE).await,
            Verdict::Wrong
        );
        assert!(bob.as_mut().now_or_never().is_none());
    }
}
