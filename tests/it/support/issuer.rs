//! Somebody else who issues tokens: a web server with an `openid-configuration` of its own making and keys to sign with.

use std::{
    net::Ipv4Addr,
    sync::{Arc, LazyLock, Mutex, MutexGuard},
};

use aws_lc_rs::{
    encoding::AsBigEndian as _,
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA512,
        RSA_PSS_SHA256, RsaKeyPair,
    },
};
use axum::{
    Router,
    extract::State,
    http::{StatusCode, Uri, header},
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::watch};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Two RSA keys: making one takes long.
static RSA: [LazyLock<RsaKeyPair>; 2] = [LazyLock::new(rsa), LazyLock::new(rsa)];

fn rsa() -> RsaKeyPair {
    RsaKeyPair::generate(KeySize::Rsa2048).unwrap()
}

/// A private key.
pub(crate) enum Signer {
    Rsa(&'static RsaKeyPair),
    Ec(EcdsaKeyPair),
}

impl Signer {
    /// One of two RSA keys.
    pub(crate) fn rsa(which: usize) -> Self {
        Self::Rsa(&RSA[which])
    }

    pub(crate) fn ec() -> Self {
        Self::Ec(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    /// The public half with these members on top.
    pub(crate) fn jwk(&self, more: &Value) -> Value {
        let number = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let mut jwk = match self {
            Self::Rsa(pair) => json!({
                "kty": "RSA",
                "n": number(pair.public_key().modulus().big_endian_without_leading_zero()),
                "e": number(pair.public_key().exponent().big_endian_without_leading_zero()),
            }),
            Self::Ec(pair) => {
                let point: aws_lc_rs::encoding::EcPublicKeyUncompressedBin<'_> =
                    pair.public_key().as_be_bytes().unwrap();
                let (x, y) = point.as_ref()[1..].split_at(32);
                json!({"kty": "EC", "crv": "P-256", "x": number(x), "y": number(y)})
            }
        };
        jwk.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        jwk
    }

    /// The public half as it is inside a certificate.
    pub(crate) fn der(&self) -> Vec<u8> {
        match self {
            Self::Rsa(pair) => pair.public_key().as_ref().to_vec(),
            Self::Ec(pair) => pair.public_key().as_ref().to_vec(),
        }
    }

    /// A token with that header and those claims, signed as `algorithm` says, whatever the header says.
    pub(crate) fn sign(&self, algorithm: &str, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!("{}.{}", part(header), part(claims));
        let random = SystemRandom::new();
        let signature = match self {
            Self::Ec(pair) => pair.sign(&random, text.as_bytes()).unwrap().as_ref().to_vec(),
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                let bytes = text.as_bytes();
                match algorithm {
                    "PS256" => pair.sign(&RSA_PSS_SHA256, &random, bytes, &mut signature).unwrap(),
                    "RS512" => pair.sign(&RSA_PKCS1_SHA512, &random, bytes, &mut signature).unwrap(),
                    _ => pair.sign(&RSA_PKCS1_SHA256, &random, bytes, &mut signature).unwrap(),
                }
                signature
            }
        };
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// An issuer on a port of its own; what it answers can be changed at any time.
pub(crate) struct Issuer {
    pub(crate) url: String,
    served: Arc<Mutex<Served>>,
    held: watch::Sender<bool>,
    _stop: DropGuard,
}

/// What it answers.
pub(crate) struct Served {
    pub(crate) metadata: Value,
    pub(crate) keys: Value,
    pub(crate) status: u16,
    /// The paths that were asked for so far.
    pub(crate) asked: Vec<String>,
}

impl Issuer {
    /// An issuer with these keys.
    pub(crate) async fn new(keys: Value) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let metadata = json!({"issuer": url, "jwks_uri": format!("{url}/keys")});
        let served = Arc::new(Mutex::new(Served { metadata, keys, status: 200, asked: Vec::new() }));
        let held = watch::Sender::new(false);
        let router = Router::new().fallback(answer).with_state((Arc::clone(&served), held.subscribe()));
        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        tokio::spawn(async move { axum::serve(listener, router).with_graceful_shutdown(stopped).await });
        Self { url, served, held, _stop: stop.drop_guard() }
    }

    /// What it answers, to be looked at or changed.
    pub(crate) fn served(&self) -> MutexGuard<'_, Served> {
        self.served.lock().unwrap()
    }

    /// How often its keys were asked for.
    pub(crate) fn asked(&self) -> usize {
        self.served().asked.iter().filter(|path| *path == "/keys").count()
    }

    /// Answers nobody until it is told that it may.
    pub(crate) fn hold(&self, held: bool) {
        self.held.send_replace(held);
    }
}

async fn answer(State((served, mut held)): State<(Arc<Mutex<Served>>, watch::Receiver<bool>)>, uri: Uri) -> Response {
    served.lock().unwrap().asked.push(uri.path().to_owned());
    let _ended = held.wait_for(|held| !held).await.is_ok();
    let served = served.lock().unwrap();
    let status = StatusCode::from_u16(served.status).unwrap();
    let body = match uri.path() {
        "/.well-known/openid-configuration" => &served.metadata,
        "/keys" => &served.keys,
        // Where who follows redirects finds all that it wants.
        "/elsewhere" => {
            let (metadata, keys) = (&served.metadata, &served.keys["keys"]);
            return json!({"issuer": metadata["issuer"], "jwks_uri": metadata["jwks_uri"], "keys": keys})
                .to_string()
                .into_response();
        }
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    let place = [(header::LOCATION, "/elsewhere"), (header::CONTENT_TYPE, "application/json")];
    (status, place, body.to_string()).into_response()
}
