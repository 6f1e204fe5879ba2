//! An app-only token: read from an answer, with the times by which to renew it.
//!
//! The token is opaque: nothing is ever decided by what is in it, least of all by `roles`, which may rightly be missing.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use reqwest::header::HeaderValue;
use serde_json::Value;

/// With so much life left a new token is fetched in good time.
const REFRESH_BEFORE: SignedDuration = SignedDuration::from_mins(5);
/// Tokens that live longer are refreshed at half of it.
const LONG_LIFE: SignedDuration = SignedDuration::from_hours(2);

/// A token and until when it is good.
#[derive(Clone)]
pub(super) struct Token {
    header: HeaderValue,
    /// From here on a new one is fetched while this one is still used.
    pub(super) refresh_at: Timestamp,
    pub(super) expires_at: Timestamp,
}

impl Token {
    /// The `Authorization` header, marked as sensitive.
    pub(super) fn header(&self) -> HeaderValue {
        self.header.clone()
    }

    /// What the token says of itself, to explain and never to decide by: it is opaque to its bearer, and a right that it
    /// does not name may be Exchange's to give.
    pub(super) fn claims(&self) -> Option<Value> {
        let payload = self.header.to_str().ok()?.split('.').nth(1)?;
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?).ok()
    }
}

/// The token in an answer. Managed identities' hosts send numbers as text, and some only the end, not the life.
pub(super) fn read(body: &Value, now: Timestamp) -> Option<Token> {
    let mut header = HeaderValue::from_str(&format!("Bearer {}", body["access_token"].as_str()?)).ok()?;
    header.set_sensitive(true);
    let seconds = |name: &str| body[name].as_i64().or_else(|| body[name].as_str()?.parse().ok());
    let life = seconds("expires_in").or_else(|| Some(seconds("expires_on")?.saturating_sub(now.as_second())))?;
    let life = SignedDuration::from_secs(life.clamp(1, 7 * 86_400));
    let refresh_in = match seconds("refresh_in") {
        Some(seconds) => SignedDuration::from_secs(seconds.max(1)).min(life),
        None if life >= LONG_LIFE => life / 2,
        None => (life - REFRESH_BEFORE).max(life / 2),
    };
    Some(Token { header, refresh_at: now + refresh_in, expires_at: now + life })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn now() -> Timestamp {
        "2026-11-22T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn a_token_is_refreshed_well_before_it_dies() {
        for (answer, refresh, expires) in [
            (json!({"access_token": "t", "expires_in": 3599}), 3299, 3599),
            (json!({"access_token": "t", "expires_in": "3599"}), 3299, 3599),
            (json!({"access_token": "t", "expires_in": 86_400}), 43_200, 86_400),
            (json!({"access_token": "t", "expires_in": 86_400, "refresh_in": 600}), 600, 86_400),
            (json!({"access_token": "t", "expires_in": 60}), 30, 60),
            (json!({"access_token": "t", "expires_on": "1795352400"}), 3300, 3600),
            (json!({"access_token": "t", "expires_on": 1_795_352_400, "expires_in": "600"}), 300, 600),
        ] {
            let token = read(&answer, now()).unwrap();
            assert_eq!(token.refresh_at.duration_since(now()).as_secs(), refresh, "{answer}");
            assert_eq!(token.expires_at.duration_since(now()).as_secs(), expires, "{answer}");
        }
    }

    #[test]
    fn an_answer_without_a_token_or_a_life_is_none() {
        for answer in [json!({}), json!({"access_token": "t"}), json!({"access_token": "a\nb", "expires_in": 1})] {
            assert!(read(&answer, now()).is_none(), "{answer}");
        }
    }
}
