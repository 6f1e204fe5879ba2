//! The tokens of one tenant: fetched once for all who need one, renewed in advance, kept while they live.
//!
//! The rules are those of Microsoft's own libraries: renew when five minutes are left (or half of a long life is over), try
//! that at most every 30 seconds, and go on with the old token while it lives.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use tokio::{sync::Mutex, time::Instant};

use super::{credential::TenantCredential, error::GraphError, token::Token};
use crate::{
    clock::{Clock, Pause},
    reconcile::failure::Failure,
};

const REFRESH_AT_MOST_EVERY: SignedDuration = SignedDuration::from_secs(30);
/// After a refusal a token is asked for again this often, to notice that the credential was repaired.
const RETRY_REFUSED_AFTER: SignedDuration = SignedDuration::from_secs(50);
/// For this long after a refusal every caller gets the same answer without another request.
const REMEMBER_REFUSAL: SignedDuration = SignedDuration::from_secs(1);

/// The tokens of one tenant.
pub(super) struct TokenSource {
    credential: TenantCredential,
    clock: Arc<dyn Clock>,
    current: RwLock<Option<Token>>,
    fetching: Mutex<LastFetch>,
}

#[derive(Default)]
struct LastFetch {
    /// When it ended.
    ended: Option<Timestamp>,
    /// What came of it if it failed, and for how long to ask for nothing else.
    refusal: Option<(GraphError, Pause)>,
}

impl LastFetch {
    fn is_within(&self, wait: SignedDuration, now: Timestamp) -> bool {
        self.ended.is_some_and(|ended| Pause::begin(ended, wait).lasts(now))
    }
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenSource").field("credential", &self.credential).finish_non_exhaustive()
    }
}

impl TokenSource {
    pub(super) fn new(credential: TenantCredential, clock: Arc<dyn Clock>) -> Self {
        Self { credential, clock, current: RwLock::new(None), fetching: Mutex::new(LastFetch::default()) }
    }

    pub(super) const fn credential(&self) -> &TenantCredential {
        &self.credential
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The same before `end`: who waits longer has sent nothing, so nothing is in doubt.
    pub(super) async fn token_by(self: &Arc<Self>, end: Instant) -> Result<Token, GraphError> {
        tokio::time::timeout_at(end, self.token()).await.unwrap_or_else(|_| {
            let failure = Failure::EntraUnavailable { retry_after: None };
            Err(GraphError::new(failure, "entra-no-answer", "the token endpoint does not answer in time"))
        })
    }

    /// A token that lives, at once if there is one.
    async fn token(self: &Arc<Self>) -> Result<Token, GraphError> {
        let now = self.now();
        match self.current() {
            Some(token) if now < token.refresh_at => Ok(token),
            Some(token) if now < token.expires_at => {
                self.refresh_in_background();
                Ok(token)
            }
            _ => {
                let mut last = self.fetching.lock().await;
                // Another caller may have fetched one while this one waited.
                if let Some(token) = self.current().filter(|token| self.now() < token.expires_at) {
                    return Ok(token);
                }
                self.fetch(&mut last).await
            }
        }
    }

    /// Asks for a token where none was to be had the last time, and nobody else has asked for a while: whatever leads to a
    /// repair, it is seen though no leave waits for it.
    pub(super) async fn retry_if_refused(&self) {
        if self.credential.credential_status().borrow().problem.is_none() {
            return;
        }
        let Ok(mut last) = self.fetching.try_lock() else { return };
        if !last.is_within(RETRY_REFUSED_AFTER, self.now())
            && let Err(error) = self.fetch(&mut last).await
        {
            tracing::debug!(code = error.code, "still no new token from Entra");
        }
    }

    /// Graph does not take this token: it is not used again.
    pub(super) fn refused(&self, token: &Token) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if current.as_ref().is_some_and(|current| current.header() == token.header()) {
            *current = None;
        }
    }

    fn current(&self) -> Option<Token> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Fetches a new token while the old one is still used. A failure is no matter until the old one dies.
    fn refresh_in_background(self: &Arc<Self>) {
        let source = Arc::clone(self);
        tokio::spawn(async move {
            let Ok(mut last) = source.fetching.try_lock() else { return };
            let now = source.now();
            let too_soon = last.is_within(REFRESH_AT_MOST_EVERY, now);
            let done = source.current().is_some_and(|token| now < token.refresh_at);
            if too_soon || done {
                return;
            }
            if let Err(error) = source.fetch(&mut last).await {
                tracing::warn!(code = error.code, "no new token from Entra yet; the old one is still good");
            }
        });
    }

    async fn fetch(&self, last: &mut LastFetch) -> Result<Token, GraphError> {
        let now = self.now();
        if let Some((refusal, pause)) = &last.refusal
            && pause.lasts(now)
        {
            return Err(refusal.clone());
        }
        let fetched = self.credential.fetch().await;
        let ended = self.now();
        last.ended = Some(ended);
        last.refusal = fetched.as_ref().err().map(|error| {
            let asked = match error.failure {
                Failure::EntraUnavailable { retry_after } => retry_after.unwrap_or_default(),
                _ => Duration::ZERO,
            };
            let asked = SignedDuration::try_from(asked).unwrap_or(SignedDuration::ZERO);
            (error.clone(), Pause::begin(ended, asked.max(REMEMBER_REFUSAL)))
        });
        if let Ok(token) = &fetched {
            *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(token.clone());
        }
        fetched
    }
}
