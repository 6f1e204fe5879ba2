//! How one tenant proves to Microsoft that it is us, and which of its proofs Microsoft takes.
//!
//! Secrets, certificates and tokens that come from files are read again for every new token, so that a repaired file
//! works without a restart. It publishes the credential's status through a channel; it must never let a
//! proof out in any other way than to Entra.

use std::{fmt, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::{Mutex, watch};

use super::{
    assertion,
    entra::{ClientProof, TokenEndpoint, TokenError},
    error::GraphError,
    managed::ManagedIdentity,
    token::Token,
};
use crate::{
    clock::{Clock, Random},
    config::{self, Certificate, CertificateFiles, Microsoft, SecretSource},
    domain::credential::{CredentialStatus, Expiry},
    reconcile::failure::Failure,
};

const CERTIFICATE: &str = "certificate_file";
const FEDERATED: &str = "federated_token_file";
const MANAGED: &str = "managed_identity";
/// Longer than any disk takes that works.
const LOOK_TIMEOUT: Duration = Duration::from_secs(5);
/// The code of what is wrong with a certificate's files.
const UNUSABLE: &str = "certificate-unusable";

/// One tenant's credential.
pub(super) struct TenantCredential {
    method: Method,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    status: watch::Sender<CredentialStatus>,
    /// One file at a time: where a disk hangs, threads that wait for it must not pile up.
    reading: Arc<Mutex<()>>,
}

enum Method {
    /// By configuration key, the first one first.
    Secrets(TokenEndpoint, Vec<(&'static str, SecretSource)>),
    Certificate(TokenEndpoint, CertificateFiles),
    Federated(TokenEndpoint, SecretSource),
    Managed(ManagedIdentity),
}

impl fmt::Debug for TenantCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantCredential").field("status", &*self.status.borrow()).finish_non_exhaustive()
    }
}

impl TenantCredential {
    /// The credential of that tenant, for tokens that open `resource`. `direct` goes past any proxy: a managed identity's host is this very machine.
    pub(super) fn new(
        http: reqwest::Client,
        direct: reqwest::Client,
        microsoft: &Microsoft,
        resource: &str,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Self {
        let entra = TokenEndpoint::new(http, microsoft, resource);
        let (kind, method) = match &microsoft.credential {
            config::Credential::Secret { current, next } => {
                let next = next.iter().map(|next| ("next_client_secret", next.clone()));
                let secrets = std::iter::once(("client_secret", current.clone())).chain(next).collect();
                ("secret", Method::Secrets(entra, secrets))
            }
            config::Credential::Certificate { files, .. } => ("certificate", Method::Certificate(entra, files.clone())),
            config::Credential::WorkloadIdentity { token_file } => {
                ("workload-identity", Method::Federated(entra, SecretSource::File(token_file.clone())))
            }
            config::Credential::ManagedIdentity { host, client_id } => {
                let identity = ManagedIdentity::new(direct, host.clone(), resource, client_id.clone());
                ("managed-identity", Method::Managed(identity))
            }
        };
        let status =
            watch::Sender::new(CredentialStatus { kind, in_use: None, expires: microsoft.expires, problem: None });
        Self { method, clock, random, status, reading: Arc::default() }
    }

    /// Its status, now and whenever it changes.
    pub(super) fn credential_status(&self) -> watch::Receiver<CredentialStatus> {
        self.status.subscribe()
    }

    /// A new token.
    pub(super) async fn fetch(&self) -> Result<Token, GraphError> {
        let fetched = match &self.method {
            Method::Secrets(entra, secrets) => self.by_secret(entra, secrets).await,
            Method::Certificate(entra, files) => {
                self.by_certificate(entra, files).await.map(|token| (token, CERTIFICATE))
            }
            Method::Federated(entra, file) => self.by_file(entra, file).await.map(|token| (token, FEDERATED)),
            Method::Managed(identity) => identity.fetch(self.clock.now()).await.map(|token| (token, MANAGED)),
        };
        match fetched {
            Ok((token, key)) => {
                self.set_status(Some(key), None);
                Ok(token)
            }
            Err(error) => {
                if error.failure == Failure::Credentials {
                    self.set_status(None, Some(error.sentence()));
                }
                Err(error)
            }
        }
    }

    /// Looks whether the certificate was renewed meanwhile, so that its new end, or what is wrong with it, is known before
    /// it is needed.
    pub(super) async fn check(&self) {
        let Method::Certificate(_, files) = &self.method else { return };
        let Ok(read) = tokio::time::timeout(LOOK_TIMEOUT, self.certificate(files)).await else { return };
        let unusable = read.err().map(|error| error.sentence());
        self.status.send_if_modified(|status| {
            // What Entra refused is not mended by a file that can be read.
            let is_of_file = status.problem.as_ref().is_none_or(|problem| problem.starts_with(UNUSABLE));
            if !is_of_file || status.problem == unusable {
                return false;
            }
            if let Some(problem) = &unusable {
                tracing::error!(problem, "a certificate cannot be used: it is needed for the next token");
            }
            status.problem = unusable;
            true
        });
    }

    fn set_status(&self, in_use: Option<&'static str>, problem: Option<String>) {
        let mut before = None;
        self.status.send_if_modified(|status| {
            before = status.in_use;
            let is_news = status.in_use != in_use || status.problem != problem;
            status.in_use = in_use;
            status.problem = problem;
            is_news
        });
        if before != in_use && in_use == Some("next_client_secret") {
            tracing::warn!("client_secret is refused and next_client_secret works: make it the client_secret");
        }
    }

    /// The one that worked last comes first, so that a refused one costs a request only now and then.
    async fn by_secret(
        &self,
        entra: &TokenEndpoint,
        secrets: &[(&'static str, SecretSource)],
    ) -> Result<(Token, &'static str), GraphError> {
        let last = self.status.borrow().in_use;
        let mut order: Vec<_> = secrets.iter().collect();
        order.sort_by_key(|(key, _)| Some(*key) != last);
        let mut errors = Vec::new();
        for (key, source) in order {
            let error = match self.read(source.clone(), &format!("{key}_file")).await {
                Ok(secret) => match entra.ask(&ClientProof::Secret(secret), self.clock.now()).await {
                    Ok(token) => return Ok((token, *key)),
                    Err(refusal) if refusal.is_of_proof() => refusal.error,
                    Err(refusal) => return Err(refusal.error),
                },
                Err(error) => error,
            };
            errors.push((*key, error));
        }
        // What is wrong with the first one is what a person has to mend.
        let first = errors.into_iter().find(|(key, _)| *key == "client_secret").map(|(_, error)| error);
        Err(first.unwrap_or_else(|| unusable("no-secret", "no client secret is configured")))
    }

    async fn by_certificate(&self, entra: &TokenEndpoint, files: &CertificateFiles) -> Result<Token, GraphError> {
        let certificate = self.certificate(files).await?;
        let now = self.clock.now();
        let refusal = match self.assert(entra, &certificate, now).await? {
            Ok(token) => return Ok(token),
            Err(refusal) => refusal,
        };
        if refusal.is_out_of_time() {
            // Made anew by Microsoft's own clock: by ours it would be refused again.
            let theirs = refusal.date.unwrap_or_else(|| self.clock.now());
            tracing::warn!(
                seconds = off_by(theirs, now).as_secs(),
                "this machine's clock is not Microsoft's: set it right (NTP), or certificates will not work"
            );
            return self.assert(entra, &certificate, theirs).await?.map_err(|refusal| refusal.error);
        }
        if refusal.is_of_certificate() {
            // The file may have been replaced between the reading and the refusal.
            let renewed = self.certificate(files).await?;
            if renewed.thumbprint() != certificate.thumbprint() {
                return self.assert(entra, &renewed, self.clock.now()).await?.map_err(|refusal| refusal.error);
            }
        }
        Err(refusal.error)
    }

    async fn assert(
        &self,
        entra: &TokenEndpoint,
        certificate: &Certificate,
        at: Timestamp,
    ) -> Result<Result<Token, TokenError>, GraphError> {
        let assertion = assertion::mint(certificate, entra.client_id(), entra.url(), at, self.random.uuid())
            .ok_or_else(|| unusable(UNUSABLE, "the private key does not sign"))?;
        Ok(entra.ask(&ClientProof::Assertion(assertion), self.clock.now()).await)
    }

    async fn certificate(&self, files: &CertificateFiles) -> Result<Certificate, GraphError> {
        let files = files.clone();
        let certificate = self.aside(move || files.read()).await?.map_err(|wrong| {
            let key = if wrong.in_key_file { "certificate_key_file" } else { CERTIFICATE };
            unusable(UNUSABLE, &format!("{key} {}", wrong.problem))
        })?;
        let expires = Some(Expiry::Moment(certificate.expires()));
        self.status.send_if_modified(|status| {
            let is_news = status.expires != expires;
            status.expires = expires;
            is_news
        });
        Ok(certificate)
    }

    async fn by_file(&self, entra: &TokenEndpoint, file: &SecretSource) -> Result<Token, GraphError> {
        let token = self.read(file.clone(), FEDERATED).await?;
        let refusal = match entra.ask(&ClientProof::Assertion(token.clone()), self.clock.now()).await {
            Ok(token) => return Ok(token),
            Err(refusal) => refusal,
        };
        if refusal.is_of_proof() {
            // Kubernetes may have put a fresh one there meanwhile.
            let renewed = self.read(file.clone(), FEDERATED).await?;
            if renewed.expose_secret() != token.expose_secret() {
                let asked = entra.ask(&ClientProof::Assertion(renewed), self.clock.now()).await;
                return asked.map_err(|refusal| refusal.error);
            }
        }
        Err(refusal.error)
    }

    async fn read(&self, source: SecretSource, key: &str) -> Result<SecretString, GraphError> {
        let read = self.aside(move || source.read()).await?;
        read.map_err(|problem| unusable("secret-unreadable", &format!("{key} {problem}")))
    }

    /// Reads files where a slow disk holds up nobody else.
    async fn aside<T: Send + 'static>(&self, read: impl FnOnce() -> T + Send + 'static) -> Result<T, GraphError> {
        let turn = Arc::clone(&self.reading).lock_owned().await;
        let done = tokio::task::spawn_blocking(move || {
            // Held until the file is read, also when the caller has timed out meanwhile.
            let _turn = turn;
            read()
        });
        done.await.map_err(|_| unusable("credential-unreadable", "its file could not be read"))
    }
}

fn unusable(code: &str, why: &str) -> GraphError {
    GraphError::new(Failure::Credentials, code, why)
}

fn off_by(theirs: Timestamp, ours: Timestamp) -> SignedDuration {
    ours.duration_since(theirs)
}
