//! The public keys of another issuer: fetched, kept, and fetched again when a token names one that is not among them.
//!
//! While an issuer does not answer, tokens of keys that were seen before must go on working, and made-up key ids must not
//! make us ask it more than once a minute. Keys that it has withdrawn are forgotten within an hour or so, while it answers.

use std::{error::Error as _, fmt::Write as _, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse},
};
use reqwest::Client;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use tokio::{sync::watch, time::timeout};
use url::Url;

use crate::{
    clock::Clock,
    config::{self, is_safe},
};

/// Also after a failure. Longer than two requests may take, so that there is never more than one fetch under way.
const AT_MOST_EVERY: SignedDuration = SignedDuration::from_secs(60);
/// Keys that are older are fetched anew while they are used; Microsoft asks for a day at the most.
const GOOD_FOR: SignedDuration = SignedDuration::from_hours(1);
/// So long a caller waits for a key that was never seen.
const WAIT_FOR_UNKNOWN_KEY: Duration = Duration::from_secs(3);
/// Entra's answer has some 20 kB.
const LONGEST_ANSWER: usize = 256 << 10;
const MOST_KEYS: usize = 100;

/// The keys of one issuer.
pub(super) struct Keys {
    name: String,
    issuer: String,
    jwks_url: Option<Url>,
    http: Client,
    clock: Arc<dyn Clock>,
    state: watch::Sender<KeyState>,
}

/// Why there is no key.
pub(super) enum KeyLookupError {
    /// The issuer has no such key.
    Unknown,
    /// It is not known, because the issuer does not answer.
    Unreachable,
}

#[derive(Default)]
struct KeyState {
    keys: Vec<Arc<Key>>,
    fetched_at: Option<Timestamp>,
    tried_at: Option<Timestamp>,
    is_under_way: bool,
    /// Why the last fetch brought nothing.
    problem: Option<String>,
}

struct Key {
    id: String,
    algorithms: &'static [Algorithm],
    public: DecodingKey,
}

impl Keys {
    pub(super) fn new(name: &str, settings: &config::Issuer, http: Client, clock: Arc<dyn Clock>) -> Self {
        let (issuer, jwks_url) = (settings.issuer.clone(), settings.jwks_url.clone());
        Self { name: name.to_owned(), issuer, jwks_url, http, clock, state: watch::Sender::default() }
    }

    /// The issuer's key of that id, if it is one for that algorithm.
    pub(super) async fn find(self: &Arc<Self>, id: &str, algorithm: Algorithm) -> Result<DecodingKey, KeyLookupError> {
        let is_old = |known: &KeyState| known.fetched_at.is_none_or(|at| self.since(at) >= GOOD_FOR);
        let (found, is_old) = {
            let known = self.state.borrow();
            (known.find(id, algorithm), is_old(&known))
        };
        if let Some(found) = found {
            if is_old {
                self.fetch_aside();
            }
            return found;
        }
        self.fetch_aside();
        let mut fetched = self.state.subscribe();
        // After a timeout `is_under_way` below shows that the answer is still open.
        let _ended = timeout(WAIT_FOR_UNKNOWN_KEY, fetched.wait_for(|known| !known.is_under_way)).await.is_ok();
        let known = self.state.borrow();
        let nobody_knows = known.is_under_way || known.problem.is_some();
        known.find(id, algorithm).unwrap_or(Err(if nobody_knows {
            KeyLookupError::Unreachable
        } else {
            KeyLookupError::Unknown
        }))
    }

    /// Why the last fetch of its keys failed. Begins another fetch, so that a later call shows whether the issuer has
    /// recovered, also when no token came in meanwhile.
    pub(super) fn problem(self: &Arc<Self>) -> Option<String> {
        let problem = self.state.borrow().problem.clone()?;
        self.fetch_aside();
        Some(problem)
    }

    fn since(&self, at: Timestamp) -> SignedDuration {
        // A clock that was set back must not make us wait until it has caught up.
        self.clock.now().duration_since(at).abs()
    }

    /// Begins to fetch the keys, unless a fetch began within the last minute. Goes on when the caller has gone.
    fn fetch_aside(self: &Arc<Self>) {
        let begun = self.state.send_if_modified(|known| {
            let is_due = known.tried_at.is_none_or(|at| self.since(at) >= AT_MOST_EVERY);
            if is_due {
                known.tried_at = Some(self.clock.now());
                known.is_under_way = true;
            }
            is_due
        });
        if begun {
            let keys = Arc::clone(self);
            tokio::spawn(async move {
                let fetched = keys.fetch().await;
                keys.state.send_modify(|known| keys.learn(known, fetched));
            });
        }
    }

    fn learn(&self, known: &mut KeyState, fetched: Result<Vec<Key>, String>) {
        known.is_under_way = false;
        known.problem = None;
        match fetched {
            Ok(keys) => {
                known.keys = keys.into_iter().map(Arc::new).collect();
                known.fetched_at = Some(self.clock.now());
            }
            Err(why) => {
                let kept = known.keys.len();
                tracing::warn!(issuer = self.name, kept, "no new keys from auth.issuers.{}: {why}", self.name);
                known.problem = Some(why);
            }
        }
    }

    async fn fetch(&self) -> Result<Vec<Key>, String> {
        #[derive(Deserialize)]
        struct KeySet {
            keys: Vec<Value>,
        }
        let url = match &self.jwks_url {
            Some(url) => url.clone(),
            None => self.discover().await?,
        };
        let set: KeySet = self.get(url).await?;
        // One by one: a kind of key that we do not know must not take the others with it.
        let keys: Vec<Key> = set.keys.into_iter().take(MOST_KEYS).filter_map(Key::read).collect();
        if keys.is_empty() { Err("its key set holds no key for RS256, PS256 or ES256".into()) } else { Ok(keys) }
    }

    /// Where the issuer says that its keys are (`OpenID` Connect Discovery 1.0, 4).
    async fn discover(&self) -> Result<Url, String> {
        #[derive(Deserialize)]
        struct Metadata {
            issuer: String,
            jwks_uri: Url,
        }
        let url = format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'));
        let url = Url::parse(&url).map_err(|_| "its openid-configuration has no address")?;
        let metadata: Metadata = self.get(url).await?;
        if metadata.issuer != self.issuer {
            return Err("its openid-configuration names another issuer".into());
        }
        Some(metadata.jwks_uri).filter(is_safe).ok_or_else(|| "its jwks_uri is not https".into())
    }

    async fn get<T: DeserializeOwned>(&self, url: Url) -> Result<T, String> {
        let mut response = self.http.get(url).send().await.map_err(describe)?;
        if !response.status().is_success() {
            return Err(format!("it answers with status {}", response.status().as_u16()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(describe)? {
            body.extend_from_slice(&chunk);
            if body.len() > LONGEST_ANSWER {
                return Err("its answer is too long".into());
            }
        }
        serde_json::from_slice(&body).map_err(|_| "its answer is not what it should be".into())
    }
}

/// An error with its causes, without the address.
fn describe(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _infallible = write!(text, ": {error}");
        cause = error.source();
    }
    text
}

impl KeyState {
    /// `None` when there is no key of that id; an error when there is, but for another algorithm.
    fn find(&self, id: &str, algorithm: Algorithm) -> Option<Result<DecodingKey, KeyLookupError>> {
        let mut named = self.keys.iter().filter(|key| key.id == id).peekable();
        named.peek()?;
        let fitting = named.find(|key| key.algorithms.contains(&algorithm));
        Some(fitting.map(|key| key.public.clone()).ok_or(KeyLookupError::Unknown))
    }
}

impl Key {
    /// A key as the set has it; `None` when it is not for signatures that we take.
    fn read(jwk: Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(jwk).ok()?;
        let is_for_signatures =
            jwk.common.public_key_use.as_ref().is_none_or(|usage| *usage == PublicKeyUse::Signature);
        let verifies = jwk.common.key_operations.as_ref().is_none_or(|uses| uses.contains(&KeyOperations::Verify));
        let of_kind: &[Algorithm] = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => &[Algorithm::RS256, Algorithm::PS256],
            AlgorithmParameters::EllipticCurve(curve) if curve.curve == EllipticCurve::P256 => &[Algorithm::ES256],
            // Above all no shared secrets: what everybody can read must not open anything.
            _ => return None,
        };
        // Entra's keys do not say their algorithm; others do, and mean it.
        let algorithms = match jwk.common.key_algorithm {
            None => of_kind,
            Some(said) => {
                of_kind.chunks(1).find(|one| Algorithm::try_from(said).is_ok_and(|said| one.contains(&said)))?
            }
        };
        let public = DecodingKey::from_jwk(&jwk).ok()?;
        (is_for_signatures && verifies).then_some(Self { id: jwk.common.key_id?, algorithms, public })
    }
}
