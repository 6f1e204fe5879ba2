//! The key that signs the simulated access tokens, made anew by every process.
//!
//! It must never be written anywhere: a token of one run opens nothing in the next.

use std::sync::OnceLock;

use aws_lc_rs::{
    digest,
    rand::SystemRandom,
    rsa::KeySize,
    signature::{KeyPair, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, UnparsedPublicKey},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

/// The process's own key.
pub(crate) struct SigningKey {
    pair: RsaKeyPair,
    id: String,
}

/// The key, made when it is first needed.
pub(crate) fn key() -> &'static SigningKey {
    static KEY: OnceLock<SigningKey> = OnceLock::new();
    KEY.get_or_init(|| {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).expect("an RSA key can be made on any machine");
        let thumbprint = digest::digest(&digest::SHA256, pair.public_key().as_ref());
        let id = URL_SAFE_NO_PAD.encode(&thumbprint.as_ref()[..20]);
        SigningKey { pair, id }
    })
}

impl SigningKey {
    /// A JWT over `claims`; the header has the v1.0 form with `x5t` and `nonce` that Graph's tokens have.
    pub(crate) fn sign(&self, claims: &Value, nonce: &str) -> String {
        let header = json!({"typ": "JWT", "nonce": nonce, "alg": "RS256", "x5t": self.id, "kid": self.id});
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(claims));
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
            .expect("the buffer has the length of the key");
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// The claims of a token that this key signed.
    pub(crate) fn open(&self, token: &str) -> Result<Value, Unreadable> {
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

    /// The public half as a key set.
    pub(crate) fn jwks(&self) -> Value {
        let public = self.pair.public_key();
        let number = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        json!({"keys": [{
            "kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.id, "x5t": self.id,
            "n": number(public.modulus().big_endian_without_leading_zero()),
            "e": number(public.exponent().big_endian_without_leading_zero()),
        }]})
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
        let token = key().sign(&claims, "n");
        assert_eq!(key().open(&token), Ok(claims));
        let mut parts: Vec<&str> = token.split('.').collect();
        let other = URL_SAFE_NO_PAD.encode(r#"{"aud":"y"}"#);
        parts[1] = &other;
        assert_eq!(key().open(&parts.join(".")), Err(Unreadable::Forged));
        assert_eq!(key().open("nonsense"), Err(Unreadable::Malformed));
        assert_eq!(key().open("a.b.c"), Err(Unreadable::Malformed));
    }
}
