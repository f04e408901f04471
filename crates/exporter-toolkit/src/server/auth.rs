//! Basic authentication: passwords against bcrypt hashes, at a bounded cost.
//!
//! A hash is slow to compute on purpose, so each credential is computed once, away from the threads that serve, one after the other, in a
//! fair order, and only so many may wait. Who flood us with wrong passwords wait for one another; a credential that was right once costs
//! nothing.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use ring::hmac;
use ring::rand::SystemRandom;
use tokio::sync::OwnedSemaphorePermit;

use super::line::{Line, Turn};
use crate::client::{Client, Network};
use crate::web_config::{ORDINARY_COST, PasswordHash, Users};

/// Credentials that are remembered, right ones and wrong ones each.
const REMEMBERED: usize = 100;

/// Requests that may wait for a password to be checked. Each holds its head.
const MAX_WAITING: usize = 400;

/// As many of them may come from one network, so that others find room.
const MAX_WAITING_PER_NETWORK: usize = 300;

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

/// The system gives no random numbers, without which no password can be remembered safely.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system gives no random numbers, and passwords cannot be checked safely without")]
pub struct NoRandomNumbers;

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
    lanes: [Arc<Line>; 2],
    memory: Mutex<Memory>,
}

#[derive(Default)]
struct Memory {
    /// Kept apart from the others, so that no number of wrong ones pushes a right one out.
    right: VecDeque<Digest>,
    wrong: VecDeque<Digest>,
    /// Being computed, or waiting for it, as long as somebody waits for the answer.
    computing: HashMap<Digest, WeakShared<BoxFuture<'static, bool>>>,
    waiting: usize,
    waiting_by_network: HashMap<Network, usize>,
}

impl Passwords {
    pub(super) fn new() -> Result<Self, NoRandomNumbers> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).map_err(|_| NoRandomNumbers)?;
        Ok(Self {
            inner: Arc::new(Inner {
                key,
                lanes: Default::default(),
                memory: Mutex::default(),
            }),
        })
    }

    /// Whether this credential, sent by this client, is one of these users'.
    pub(super) async fn check(&self, users: &Users, credential: Credential, client: &Client) -> Verdict {
        let verdict = match self.ask(users, credential, client) {
            Err(verdict) => verdict,
            Ok((answer, _waiting)) => match answer.await {
                true => Verdict::Right,
                false => Verdict::Wrong,
            },
        };
        if verdict == Verdict::Wrong {
            client.fail();
        }
        verdict
    }

    /// The answer to wait for, unless the verdict is known.
    fn ask(&self, users: &Users, credential: Credential, client: &Client) -> Result<(Answer, Waiting), Verdict> {
        let (hash, known) = users.hash(&credential.user).ok_or(Verdict::Wrong)?;
        let digest = self.digest(&credential, hash);
        let mut memory = self.inner.memory();
        if let Some(verdict) = memory.verdict(&digest) {
            return Err(verdict);
        }
        if !memory.has_room_for(client.network()) {
            return Err(Verdict::Busy);
        }
        let answer = match memory.computing.get(&digest).and_then(WeakShared::upgrade) {
            Some(answer) => answer,
            None => {
                let leave = client.password().ok_or(Verdict::Busy)?;
                let turn = self.lane(hash).turn(client.network(), client.has_failed());
                let answer = self.answer(leave, turn, digest, hash.clone(), known, credential.password);
                memory.compute(digest, &answer);
                answer
            }
        };
        memory.wait(client.network());
        let waiting = Waiting {
            inner: Arc::clone(&self.inner),
            network: client.network(),
        };
        Ok((answer, waiting))
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

    fn lane(&self, hash: &PasswordHash) -> Arc<Line> {
        let [ordinary, dear] = &self.inner.lanes;
        Arc::clone(if hash.cost() > ORDINARY_COST { dear } else { ordinary })
    }

    /// Waits in line as long as somebody waits for the answer; once begun, a hash is computed to its end, for whoever asks next.
    fn answer(
        &self,
        leave: OwnedSemaphorePermit,
        turn: impl Future<Output = Turn> + Send + 'static,
        digest: Digest,
        hash: PasswordHash,
        known: bool,
        password: Vec<u8>,
    ) -> Answer {
        let inner = Arc::clone(&self.inner);
        let computed = async move {
            let _leave = leave;
            let turn = turn.await;
            let computed = tokio::task::spawn_blocking(move || {
                // Held until the end even if nobody waits for it any more.
                let _turn = turn;
                // An unknown user's password is compared as well, and takes as long.
                let right = bcrypt::verify(password, hash.expose()).unwrap_or(false) && known;
                inner.memory().remember(digest, right);
                right
            });
            computed.await.unwrap_or(false)
        };
        computed.boxed().shared()
    }
}

impl Inner {
    fn memory(&self) -> MutexGuard<'_, Memory> {
        // Whatever is in it after a panic is sound: at worst something is computed again.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    fn verdict(&self, digest: &Digest) -> Option<Verdict> {
        if self.right.contains(digest) {
            Some(Verdict::Right)
        } else if self.wrong.contains(digest) {
            Some(Verdict::Wrong)
        } else {
            None
        }
    }

    fn compute(&mut self, digest: Digest, answer: &Answer) {
        self.computing.retain(|_, answer| answer.upgrade().is_some());
        self.computing.extend(answer.downgrade().map(|answer| (digest, answer)));
    }

    fn remember(&mut self, digest: Digest, right: bool) {
        self.computing.remove(&digest);
        let remembered = if right { &mut self.right } else { &mut self.wrong };
        if remembered.contains(&digest) {
            return;
        }
        if remembered.len() >= REMEMBERED {
            remembered.pop_front();
        }
        remembered.push_back(digest);
    }

    fn has_room_for(&self, network: Network) -> bool {
        let of_network = self.waiting_by_network.get(&network).copied().unwrap_or_default();
        self.waiting < MAX_WAITING && of_network < MAX_WAITING_PER_NETWORK
    }

    fn wait(&mut self, network: Network) {
        self.waiting += 1;
        *self.waiting_by_network.entry(network).or_default() += 1;
    }

    fn wait_no_more(&mut self, network: Network) {
        self.waiting = self.waiting.saturating_sub(1);
        if let Some(waiting) = self.waiting_by_network.get_mut(&network) {
            *waiting = waiting.saturating_sub(1);
            if *waiting == 0 {
                self.waiting_by_network.remove(&network);
            }
        }
    }
}

/// A request that waits among the others.
struct Waiting {
    inner: Arc<Inner>,
    network: Network,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.inner.memory().wait_no_more(self.network);
    }
}

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passwords").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use axum::http::HeaderValue;

    use super::*;

    fn client(number: u8) -> Client {
        IpAddr::V4(Ipv4Addr::new(192, 0, 2, number)).into()
    }

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

    /// Until this is dropped, nobody's turn comes.
    async fn nobodys_turn(passwords: &Passwords) -> Turn {
        passwords.inner.lanes[0].clone().turn(client(0).network(), false).await
    }

    #[test]
    fn the_first_colon_ends_the_user() {
        let credential = credential("a", "b:c");
        assert_eq!((&*credential.user, &*credential.password), ("a", &b"b:c"[..]));
    }

    #[tokio::test]
    async fn what_is_remembered_is_bounded_and_right_ones_are_kept_apart() {
        let users = users(&[("al", 4)]);
        let (passwords, client) = (Passwords::new().unwrap(), client(1));
        for _ in 0..2 {
            let right = credential("al", "right");
            assert_eq!(passwords.check(&users, right, &client).await, Verdict::Right);
        }
        for number in 0..250 {
            let wrong = credential("al", &number.to_string());
            assert_eq!(passwords.check(&users, wrong, &client).await, Verdict::Wrong);
        }
        let memory = passwords.inner.memory();
        assert_eq!((memory.right.len(), memory.wrong.len()), (1, REMEMBERED));
        assert!(memory.computing.is_empty() && memory.waiting_by_network.is_empty());
        assert_eq!(memory.waiting, 0);
    }

    #[tokio::test]
    async fn the_same_credential_is_computed_once_and_one_connection_waits_for_one() {
        let users = users(&[("al", 4)]);
        let (passwords, one) = (Passwords::new().unwrap(), client(1));
        let turn = nobodys_turn(&passwords).await;
        let mut first = Box::pin(passwords.check(&users, credential("al", "right"), &one));
        let mut again = Box::pin(passwords.check(&users, credential("al", "right"), &one));
        assert!(first.as_mut().now_or_never().is_none() && again.as_mut().now_or_never().is_none());
        assert_eq!(passwords.inner.memory().computing.len(), 1);
        let other = passwords.check(&users, credential("al", "other"), &one).await;
        assert_eq!(other, Verdict::Busy);
        drop(turn);
        // Who began it may go without taking it from those who joined.
        drop(first);
        assert_eq!(again.await, Verdict::Right);
        assert_eq!(
            passwords.check(&users, credential("al", "other"), &one).await,
            Verdict::Wrong
        );
    }

    #[tokio::test]
    async fn no_network_fills_the_room_alone_and_the_room_has_an_end() {
        let users = users(&[("al", 4)]);
        let passwords = Passwords::new().unwrap();
        let turn = nobodys_turn(&passwords).await;
        let clients: Vec<_> = (0..700).map(|number| client(1 + u8::from(number >= 400))).collect();
        let mut waiting = Vec::new();
        for (number, client) in clients.iter().enumerate() {
            let mut check = Box::pin(passwords.check(&users, credential("al", &number.to_string()), client));
            match check.as_mut().now_or_never() {
                None => waiting.push((number, check)),
                Some(verdict) => assert_eq!(verdict, Verdict::Busy),
            }
        }
        let numbers: Vec<_> = waiting.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, (0..300).chain(400..500).collect::<Vec<_>>());
        // Those who give up leave.
        drop(waiting);
        drop(turn);
        assert_eq!(
            passwords.check(&users, credential("al", "right"), &clients[0]).await,
            Verdict::Right
        );
        assert_eq!(passwords.inner.memory().waiting, 0);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_dear_hash_holds_up_nobody_else() {
        let cheap = users(&[("al", 4), ("bob", 4)]);
        let hash = |user| cheap.hash(user).unwrap().0.clone();
        let dear = hash("bob").expose().replace("$04$", "$15$").parse().unwrap();
        let users = Users::new([("al".to_owned(), hash("al")), ("bob".to_owned(), dear)].into());
        let (passwords, [bobs, als]) = (Passwords::new().unwrap(), [client(1), client(1)]);
        let mut bob = Box::pin(passwords.check(&users, credential("bob", "wrong"), &bobs));
        assert!(bob.as_mut().now_or_never().is_none());
        for (password, verdict) in [("right", Verdict::Right), ("wrong", Verdict::Wrong)] {
            let al = credential("al", password);
            assert_eq!(passwords.check(&users, al, &als).await, verdict);
        }
        assert!(bob.as_mut().now_or_never().is_none());
    }
}
