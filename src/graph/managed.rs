//! Tokens of a managed identity: no secret of ours at all, the Azure host vouches for the program that runs on it.
//!
//! Three hosts, told apart by the environment (see `config`): a virtual machine's metadata service (IMDS), App Service,
//! and Azure Arc's agent. Never through a proxy, never following a redirect: the headers prove that we are inside. A file
//! that Arc's agent names is read only if it can be a key of the agent's.

use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::Timestamp;
use reqwest::{
    Client, RequestBuilder, Response, StatusCode,
    header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE},
};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::{
    error::{GraphError, parse_retry_after},
    response,
    token::{self, Token},
};
use crate::{config::ManagedHost, reconcile::failure::Failure};

const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Microsoft's libraries wait 0.8 s · 2ⁿ between their tries.
const FIRST_PAUSE: Duration = Duration::from_millis(800);
/// After that the tenant waits instead, and is tried again and again: with status 410 (the host is being updated) that
/// may take more than a minute, longer than a call may.
const RETRY_FOR_AT_MOST: Duration = Duration::from_secs(8);
/// Microsoft's libraries read no more of a key.
const LONGEST_KEY: u64 = 4096;

/// One managed identity.
pub(super) struct ManagedIdentity {
    http: Client,
    host: ManagedHost,
    /// Without the `/.default` that Entra's own endpoint wants.
    resource: String,
    client_id: Option<String>,
}

/// Why there is no token, and whether it is worth asking again soon.
struct IdentityError {
    error: GraphError,
    is_temporary: bool,
}

impl ManagedIdentity {
    pub(super) fn new(http: Client, host: ManagedHost, resource: &str, client_id: Option<String>) -> Self {
        Self { http, host, resource: resource.to_owned(), client_id }
    }

    /// A new token.
    pub(super) async fn fetch(&self, now: Timestamp) -> Result<Token, GraphError> {
        let begun = Instant::now();
        let mut pause = FIRST_PAUSE;
        loop {
            let error = match self.ask(now).await {
                Ok(token) => return Ok(token),
                Err(error) => error,
            };
            let asked = match error.error.failure {
                Failure::EntraUnavailable { retry_after } => retry_after.unwrap_or_default(),
                _ => Duration::ZERO,
            };
            if !error.is_temporary || begun.elapsed() + pause.max(asked) > RETRY_FOR_AT_MOST {
                return Err(error.error);
            }
            sleep(pause.max(asked)).await;
            pause *= 2;
        }
    }

    async fn ask(&self, now: Timestamp) -> Result<Token, IdentityError> {
        let mut response = self.send(self.request()).await?;
        if let ManagedHost::Arc { keys, .. } = &self.host
            && response.status() == StatusCode::UNAUTHORIZED
        {
            let challenge = response.headers().get(WWW_AUTHENTICATE).and_then(|value| value.to_str().ok());
            let path = key_path(challenge.unwrap_or_default(), keys).map_err(IdentityError::permanent)?;
            let key = tokio::task::spawn_blocking(move || read_key(&path)).await;
            let unread = |_| GraphError::new(Failure::Credentials, "arc-key", "Azure Arc's key could not be read");
            let key = key.map_err(unread).and_then(|key| key).map_err(IdentityError::permanent)?;
            response = self.send(self.request().header(AUTHORIZATION, key)).await?;
        }
        let status = response.status();
        let retry_after = response::header(&response, "retry-after").and_then(|text| parse_retry_after(&text, now));
        let body = response::body(response).await.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let body: Value = body.unwrap_or(Value::Null);
        if !status.is_success() {
            return Err(refusal(status, &body, retry_after));
        }
        // Arc's older agents know only the machine's own identity and give that one's token whatever they are asked for.
        if let (Some(wanted), Some(given)) = (&self.client_id, body["client_id"].as_str())
            && !given.eq_ignore_ascii_case(wanted)
        {
            let why = "the host gave the token of another identity than managed_identity_client_id names";
            return Err(IdentityError::permanent(GraphError::new(Failure::Credentials, "identity-mismatch", why)));
        }
        token::read(&body, now).ok_or_else(|| IdentityError::no_answer("the identity endpoint's answer holds no token"))
    }

    fn request(&self) -> RequestBuilder {
        let (url, version) = match &self.host {
            ManagedHost::Imds { endpoint } => {
                let mut url = endpoint.clone();
                url.set_path(&format!("{}/metadata/identity/oauth2/token", endpoint.path().trim_end_matches('/')));
                (url, "2018-02-01")
            }
            ManagedHost::AppService { endpoint, .. } => (endpoint.clone(), "2019-08-01"),
            ManagedHost::Arc { endpoint, .. } => (endpoint.clone(), "2020-06-01"),
        };
        let mut query = vec![("api-version", version), ("resource", &self.resource)];
        query.extend(self.client_id.as_deref().map(|id| ("client_id", id)));
        let request = self.http.get(url).timeout(ANSWER_TIMEOUT).query(&query);
        match &self.host {
            ManagedHost::AppService { header, .. } => match sensitive(header.expose_secret()) {
                Some(header) => request.header("X-IDENTITY-HEADER", header),
                None => request,
            },
            _ => request.header("Metadata", "true"),
        }
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, IdentityError> {
        let no_answer =
            |_| IdentityError::no_answer("the managed identity's host does not answer: is this machine on Azure?");
        request.send().await.map_err(no_answer)
    }
}

impl IdentityError {
    const fn permanent(error: GraphError) -> Self {
        Self { error, is_temporary: false }
    }

    /// No answer at all is not asked for again at once: a machine that is not on Azure would only wait longer.
    fn no_answer(why: &str) -> Self {
        let failure = Failure::EntraUnavailable { retry_after: None };
        Self::permanent(GraphError::new(failure, "identity-no-answer", why))
    }
}

fn refusal(status: StatusCode, body: &Value, retry_after: Option<Duration>) -> IdentityError {
    // 404 and 410 are what the metadata service says while it is being updated.
    let is_temporary = status.is_server_error() || matches!(status.as_u16(), 404 | 408 | 410 | 429);
    let failure = if is_temporary { Failure::EntraUnavailable { retry_after } } else { Failure::Credentials };
    let word = body["error"].as_str().map_or_else(|| format!("HTTP {}", status.as_u16()), str::to_owned);
    let said = [&body["error_description"], &body["message"], &body["error"]["message"]];
    let said = said.into_iter().find_map(Value::as_str).unwrap_or("the managed identity's host gives no token");
    IdentityError { error: GraphError::new(failure, word, said), is_temporary }
}

/// The key that Arc's agent wants to be read to it, if it is one: a program that poses as the agent must not get other files read.
fn key_path(challenge: &str, folder: &Path) -> Result<PathBuf, GraphError> {
    let wrong = |why| GraphError::new(Failure::Credentials, "arc-key", why);
    let (_, realm) = challenge.split_once("realm=").ok_or_else(|| wrong("Azure Arc's agent names no key"))?;
    let path = PathBuf::from(realm.trim().trim_matches('"'));
    if path.parent() != Some(folder) || path.extension().is_none_or(|extension| extension != "key") {
        return Err(wrong("Azure Arc's agent names a file that is none of its keys"));
    }
    Ok(path)
}

/// The header that holds the key.
fn read_key(path: &Path) -> Result<HeaderValue, GraphError> {
    let wrong = |why: &str| GraphError::new(Failure::Credentials, "arc-key", why);
    let file = File::open(path).map_err(|error| {
        wrong(&format!("Azure Arc's key cannot be read ({}): is this user in the group himds?", error.kind()))
    })?;
    let mut text = String::new();
    file.take(LONGEST_KEY + 1).read_to_string(&mut text).map_err(|_| wrong("Azure Arc's key is no text"))?;
    if text.len() as u64 > LONGEST_KEY {
        return Err(wrong("Azure Arc's key is longer than 4096 bytes"));
    }
    let text = SecretString::from(text.trim());
    sensitive(&format!("Basic {}", text.expose_secret())).ok_or_else(|| wrong("Azure Arc's key is no text"))
}

fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut header = HeaderValue::from_str(text).ok()?;
    header.set_sensitive(true);
    Some(header)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_a_key_in_the_agents_own_folder_is_read() {
        let folder = Path::new("/var/opt/azcmagent/tokens");
        for challenge in
            ["Basic realm=/var/opt/azcmagent/tokens/a-1.key", "Basic realm=\"/var/opt/azcmagent/tokens/b.key\""]
        {
            assert!(key_path(challenge, folder).is_ok(), "{challenge}");
        }
        for challenge in [
            "",
            "Basic",
            "Basic realm=",
            "Basic realm=/etc/shadow",
            "Basic realm=/var/opt/azcmagent/tokens/a.txt",
            "Basic realm=/var/opt/azcmagent/tokens/.key",
            "Basic realm=/var/opt/azcmagent/tokens/../certs/a.key",
            "Basic realm=/var/opt/azcmagent/tokens/deeper/a.key",
            "Basic realm=/var/opt/azcmagent/tokens",
            "Basic realm=a.key",
        ] {
            assert_eq!(key_path(challenge, folder).unwrap_err().code, "arc-key", "{challenge}");
        }
    }

    #[test]
    fn a_key_is_short_text_and_is_shown_to_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let key = |content: &[u8]| {
            let path = folder.path().join("a.key");
            std::fs::write(&path, content).unwrap();
            read_key(&path)
        };
        let header = key(b"hush\n").unwrap();
        assert_eq!(header, "Basic hush");
        assert!(!format!("{header:?}").contains("hush"));
        assert!(key(&[b'a'; 4096]).is_ok());
        for content in [vec![b'a'; 4097], vec![0xff], b"two\nlines".to_vec()] {
            assert_eq!(key(&content).unwrap_err().code, "arc-key");
        }
        assert!(read_key(&folder.path().join("gone.key")).unwrap_err().message.contains("himds"));
    }

    #[test]
    fn what_passes_by_itself_is_told_from_what_does_not() {
        let down = Failure::EntraUnavailable { retry_after: None };
        for (status, failure) in [
            (404, down),
            (410, down),
            (429, down),
            (500, down),
            (503, down),
            (400, Failure::Credentials),
            (401, Failure::Credentials),
            (403, Failure::Credentials),
        ] {
            let body = json!({"error": "invalid_request", "error_description": "Identity not found"});
            let error = refusal(StatusCode::from_u16(status).unwrap(), &body, None);
            assert_eq!((error.error.failure, error.is_temporary), (failure, failure == down), "{status}");
            assert_eq!(error.error.sentence(), "invalid_request: Identity not found");
        }
        let error = refusal(StatusCode::BAD_REQUEST, &json!({"statusCode": 400, "message": "No MSI found"}), None);
        assert_eq!(error.error.sentence(), "HTTP 400: No MSI found");
    }
}
