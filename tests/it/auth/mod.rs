//! Who may call: tokens and signatures, good ones and all the bad ones.

mod entra;
mod forgeries;
mod issuers;
mod keys;
mod scopes;
mod signatures;
mod tokens;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{
    Answer, TestApp, answer,
    issuer::{Issuer, Signer},
};

const AUDIENCE: &str = "api://leavebridge";
const SUBJECT: &str = "6a2d3f0e-principal-of-the-portal";

/// A service that takes tokens of these issuers for its client `ess`, and whatever else.
async fn trusting(issuers: &[(&str, &Issuer)], further: &[(&str, &str)]) -> TestApp {
    let mut keys = Vec::new();
    for (name, issuer) in issuers {
        keys.push((format!("AUTH__ISSUERS__{}__ISSUER", name.to_uppercase()), issuer.url.clone()));
        keys.push((format!("AUTH__ISSUERS__{}__AUDIENCE", name.to_uppercase()), AUDIENCE.to_owned()));
    }
    let mut all = vec![("CLIENTS__ESS__ISSUER", issuers[0].0), ("CLIENTS__ESS__SUBJECT", SUBJECT)];
    all.extend(keys.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    all.retain(|(name, _)| further.iter().all(|(other, _)| other != name));
    all.extend(further);
    TestApp::with(&all).await
}

fn header(algorithm: &str) -> Value {
    json!({"alg": algorithm, "typ": "JWT", "kid": "k1"})
}

/// The claims of a good token of that issuer for `ess`, with some changed; `null` takes one away.
fn issued(app: &TestApp, issuer: &Issuer, changes: &Value) -> Value {
    let now = app.now().as_second();
    let mut claims = json!({
        "iss": issuer.url, "sub": SUBJECT, "aud": AUDIENCE, "iat": now, "nbf": now, "exp": now + 3600,
        "roles": ["leaves:read", "leaves:write"],
    });
    let object = claims.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        object.insert(name.clone(), value.clone());
    }
    object.retain(|_, value| !value.is_null());
    claims
}

/// A good token of that issuer for `ess`, signed with RS256 by the key `k1`.
fn good(app: &TestApp, issuer: &Issuer, signer: &Signer) -> String {
    signer.sign("RS256", &header("RS256"), &issued(app, issuer, &json!({})))
}

/// Asks for a leave that is not there: 404 to whom it knows and lets in.
async fn ask_leave(app: &TestApp, token: &str) -> Answer {
    answer(app.request(Method::GET, "/leaves/none").bearer_auth(token)).await
}
