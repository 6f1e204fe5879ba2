//! Tokens of other issuers: whose they are, what they allow, and what is wrong with the others.

use reqwest::Method;
use serde_json::{Value, json};

use super::{AUDIENCE, SUBJECT, ask_leave, good, header, issued, trusting};
use crate::support::{
    answer, assert_refused,
    issuer::{Issuer, Signer},
    leave,
};

#[tokio::test]
async fn a_token_of_a_configured_issuer_is_its_client_by_each_of_three_algorithms() {
    for (signer, algorithm, more) in [
        (Signer::rsa(0), "RS256", json!({"kid": "k1"})),
        (Signer::rsa(0), "RS256", json!({"kid": "k1", "alg": "RS256", "use": "sig"})),
        (Signer::rsa(0), "PS256", json!({"kid": "k1", "key_ops": ["verify"]})),
        (Signer::rsa(0), "PS256", json!({"kid": "k1", "alg": "PS256"})),
        (Signer::ec(), "ES256", json!({"kid": "k1"})),
        (Signer::ec(), "ES256", json!({"kid": "k1", "alg": "ES256"})),
    ] {
        let issuer = Issuer::new(json!({"keys": [signer.jwk(&more)]})).await;
        let app = trusting(&[("hr", &issuer)], &[]).await;
        let token = signer.sign(algorithm, &header(algorithm), &issued(&app, &issuer, &json!({})));
        let posted = answer(app.request(Method::POST, "/leaves").bearer_auth(&token).json(&leave("LA-1"))).await;
        assert_eq!((posted.status, &posted.body["leave"]["source"]), (202, &json!("ess")), "{algorithm} {more}");
        assert_eq!(ask_leave(&app, &token).await.status, 404);
    }
}

#[tokio::test]
async fn a_token_with_claims_that_are_not_right_is_refused() {
    let signer = Signer::rsa(0);
    let issuer = Issuer::new(json!({"keys": [signer.jwk(&json!({"kid": "k1"}))]})).await;
    let app = trusting(&[("hr", &issuer)], &[]).await;
    let now = app.now().as_second();
    for (changes, status) in [
        (json!({}), 404),
        (json!({"nbf": null}), 404),
        (json!({"nbf": now + 60}), 404),
        (json!({"nbf": now + 61}), 401),
        (json!({"exp": now + 1}), 404),
        (json!({"exp": now}), 401),
        (json!({"exp": null}), 401),
        (json!({"exp": (now + 60).to_string()}), 401),
        (json!({"aud": [AUDIENCE, "another"]}), 404),
        (json!({"aud": "https://graph.microsoft.com"}), 401),
        (json!({"aud": format!("{AUDIENCE}/")}), 401),
        (json!({"aud": "leavebridge"}), 401),
        (json!({"aud": null}), 401),
        (json!({"iss": null}), 401),
        (json!({"iss": format!("{}/", issuer.url)}), 401),
        (json!({"iss": "https://login.microsoftonline.com/another/v2.0"}), 401),
        (json!({"iss": [issuer.url]}), 401),
        (json!({"sub": null}), 401),
        (json!({"sub": "another"}), 401),
        (json!({"sub": SUBJECT.to_uppercase()}), 401),
        (json!({"sub": "ess"}), 401),
        (json!({"sub": "ops", "roles": ["ops:read"]}), 401),
        (json!({"sub": "another", "oid": SUBJECT, "azp": SUBJECT, "appid": SUBJECT}), 401),
    ] {
        let token = signer.sign("RS256", &header("RS256"), &issued(&app, &issuer, &changes));
        let answer = ask_leave(&app, &token).await;
        assert_eq!(answer.status, status, "{changes}: {answer:?}");
        if status == 401 {
            assert_refused(&answer, 401, "unauthorized");
        }
    }
}

#[tokio::test]
async fn a_good_token_of_somebody_who_is_no_client_is_told_so() {
    let signer = Signer::rsa(0);
    let issuer = Issuer::new(json!({"keys": [signer.jwk(&json!({"kid": "k1"}))]})).await;
    let app = trusting(&[("hr", &issuer)], &[]).await;
    let token = signer.sign("RS256", &header("RS256"), &issued(&app, &issuer, &json!({"sub": "another"})));
    let detail = ask_leave(&app, &token).await.body["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("[clients.NAME]") && !detail.contains("another"), "{detail}");
}

#[tokio::test]
async fn what_a_token_may_do_is_in_its_roles_or_scopes_and_within_its_clients() {
    let signer = Signer::rsa(0);
    let issuer = Issuer::new(json!({"keys": [signer.jwk(&json!({"kid": "k1"}))]})).await;
    let app = trusting(&[("hr", &issuer)], &[]).await;
    for (changes, leave, ops) in [
        (json!({"roles": ["leaves:read"]}), 404, 403),
        (json!({"roles": null, "scp": "leaves:read openid"}), 404, 403),
        (json!({"roles": null, "scp": ["leaves:read"]}), 404, 403),
        (json!({"roles": null, "scope": "openid leaves:read"}), 404, 403),
        (json!({"roles": ["leaves:write"], "scope": "leaves:read"}), 404, 403),
        (json!({"roles": ["leaves:write"]}), 403, 403),
        (json!({"roles": ["Leaves:Read"]}), 403, 403),
        (json!({"roles": []}), 403, 403),
        (json!({"roles": null}), 403, 403),
        (json!({"roles": {"leaves:read": true}}), 403, 403),
        // Its client may not, whatever its issuer thinks.
        (json!({"roles": ["ops:read", "ops:write", "leaves:read"]}), 404, 403),
    ] {
        let token = signer.sign("RS256", &header("RS256"), &issued(&app, &issuer, &changes));
        assert_eq!(ask_leave(&app, &token).await.status, leave, "{changes}");
        let mappings = answer(app.request(Method::GET, "/mappings").bearer_auth(&token)).await;
        assert_eq!(mappings.status, ops, "{changes}");
    }
}

#[tokio::test]
async fn each_issuer_speaks_for_its_own_subjects_only_even_under_the_same_key_id() {
    let (one, other) = (Signer::rsa(0), Signer::rsa(1));
    let first = Issuer::new(json!({"keys": [one.jwk(&json!({"kid": "k1"}))]})).await;
    let second = Issuer::new(json!({"keys": [other.jwk(&json!({"kid": "k1"}))]})).await;
    let backstage = [("CLIENTS__BACKSTAGE__ISSUER", "second"), ("CLIENTS__BACKSTAGE__SUBJECT", "the-back-office")];
    let app = trusting(&[("first", &first), ("second", &second)], &backstage).await;
    let cases: [(&str, &Issuer, &Signer, &str, u16); 6] = [
        ("the first's own", &first, &one, SUBJECT, 404),
        ("the second's own", &second, &other, "the-back-office", 404),
        ("in the first's name by the second's key", &first, &other, SUBJECT, 401),
        ("in the second's name by the first's key", &second, &one, "the-back-office", 401),
        ("the second's for the first's subject", &second, &other, SUBJECT, 401),
        ("the first's for the second's subject", &first, &one, "the-back-office", 401),
    ];
    // Twice, so that all keys are known the second time.
    for (what, issuer, signer, subject, status) in cases.iter().chain(&cases) {
        let claims = issued(&app, issuer, &json!({"sub": subject}));
        let token = signer.sign("RS256", &header("RS256"), &claims);
        assert_eq!(ask_leave(&app, &token).await.status, *status, "{what}");
    }
}

#[tokio::test]
async fn an_issuer_that_is_not_configured_is_not_even_asked() {
    let signer = Signer::rsa(0);
    let keys = json!({"keys": [signer.jwk(&json!({"kid": "k1"}))]});
    let (issuer, stranger) = (Issuer::new(keys.clone()).await, Issuer::new(keys).await);
    let app = trusting(&[("hr", &issuer)], &[]).await;
    assert_refused(&ask_leave(&app, &good(&app, &stranger, &signer)).await, 401, "unauthorized");
    assert_eq!((stranger.served().asked.len(), issuer.asked()), (0, 0));
    let mut with_own = header("RS256");
    with_own["jku"] = Value::from(format!("{}/keys", stranger.url));
    let token = Signer::rsa(1).sign("RS256", &with_own, &issued(&app, &issuer, &json!({})));
    assert_refused(&ask_leave(&app, &token).await, 401, "unauthorized");
    assert_eq!(stranger.served().asked.len(), 0, "what a token points to is not fetched");
}
