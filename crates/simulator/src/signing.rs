//! The keys that sign the simulated access tokens, made anew by every process.
//!
//! It must never be written anywhere: a token of one run opens nothing in the next.

use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use aws_lc_rs::{
    digest,
    rand::SystemRandom,
    rsa::KeySize,
    signature::{KeyPair, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, UnparsedPublicKey},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::api::extend;

struct SigningKey {
    pair: RsaKeyPair,
    id: String,
}

/// The published keys, the one that signs last.
pub(crate) struct Keys(RwLock<Vec<Arc<SigningKey>>>);

impl Default for Keys {
    /// The process's first key, which all start with: making one takes long.
    fn default() -> Self {
        static FIRST: OnceLock<Arc<SigningKey>> = OnceLock::new();
        Self(RwLock::new(vec![Arc::clone(FIRST.get_or_init(|| Arc::new(SigningKey::new())))]))
    }
}

impl Keys {
    /// Signs with a new key from now on. The one before it stays published, so that its tokens are good until they end;
    /// those before that are withdrawn.
    pub(crate) fn roll_over(&self) {
        let new = Arc::new(SigningKey::new());
        let mut keys = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let last = keys.pop();
        *keys = last.into_iter().chain([new]).collect();
    }

    /// A JWT over `claims` with the header that all have and `more`.
    pub(crate) fn sign(&self, claims: &Value, more: Value) -> String {
        self.published().last().map(|key| key.sign(claims, more)).unwrap_or_default()
    }

    /// The claims of a token that one of the published keys signed.
    pub(crate) fn open(&self, token: &str) -> Result<Value, Unreadable> {
        let tried = self.published().iter().map(|key| key.open(token)).collect::<Vec<_>>();
        tried.into_iter().reduce(Result::or).unwrap_or(Err(Unreadable::Forged))
    }

    /// The public halves as a key set.
    pub(crate) fn jwks(&self) -> Value {
        json!({"keys": self.published().iter().map(|key| key.jwk()).collect::<Vec<_>>()})
    }

    fn published(&self) -> Vec<Arc<SigningKey>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl SigningKey {
    fn new() -> Self {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).expect("an RSA key can be made on any machine");
        let thumbprint = digest::digest(&digest::SHA256, pair.public_key().as_ref());
        let id = URL_SAFE_NO_PAD.encode(&thumbprint.as_ref()[..20]);
        Self { pair, id }
    }

    fn sign(&self, claims: &Value, more: Value) -> String {
        let mut header = json!({"typ": "JWT", "alg": "RS256", "kid": self.id});
        if claims["ver"] == "1.0" {
            header["x5t"] = json!(self.id);
        }
        extend(&mut header, more);
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(claims));
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
            .expect("the buffer has the length of the key");
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn open(&self, token: &str) -> Result<Value, Unreadable> {
        let (signed, signature) = token.rsplit_once('.').ok_or(Unreadable::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(Unreadable::Malformed)?;
        let part = |text| -> Option<Value> { serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok() };
        let header = part(header).ok_or(Unreadable::Malformed)?;
        let claims = part(claims).ok_or(Unreadable::Malformed)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| Unreadable::Malformed)?;
        let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, self.pair.public_key().as_ref());
        let genuine = header["alg"] == "RS256" && public.verify(signed.as_bytes(), &signature).is_ok();
        if genuine { Ok(claims) } else { Err(Unreadable::Forged) }
    }

    /// As Entra publishes it: without `alg`.
    fn jwk(&self) -> Value {
        let public = self.pair.public_key();
        let number = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        json!({
            "kty": "RSA", "use": "sig", "kid": self.id, "x5t": self.id,
            "n": number(public.modulus().big_endian_without_leading_zero()),
            "e": number(public.exponent().big_endian_without_leading_zero()),
        })
    }
}

/// Why a token cannot be opened.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// It is no JWT.
    Malformed,
    /// Somebody else signed it.
    Forged,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_opens_only_as_it_was_signed() {
        let claims = json!({"aud": "x"});
        let keys = Keys::default();
        let token = keys.sign(&claims, json!({"nonce": "n"}));
        assert_eq!(keys.open(&token), Ok(claims.clone()));
        let mut parts: Vec<&str> = token.split('.').collect();
        let other = URL_SAFE_NO_PAD.encode(r#"{"aud":"y"}"#);
        parts[1] = &other;
        assert_eq!(keys.open(&parts.join(".")), Err(Unreadable::Forged));
        assert_eq!(keys.open("nonsense"), Err(Unreadable::Malformed));
        assert_eq!(keys.open("a.b.c"), Err(Unreadable::Malformed));
        keys.roll_over();
        assert_eq!(keys.open(&token), Ok(claims));
        keys.roll_over();
        assert_eq!(keys.open(&token), Err(Unreadable::Forged), "its key was withdrawn");
    }
}
