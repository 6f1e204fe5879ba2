//! Tokens: who gets one, what it says, and what Graph makes of it.

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use leavebridge_simulator::Simulator;
use reqwest::Method;
use serde_json::{Value, json};

use super::stage::{AMY, Stage, events, finish};

pub(super) fn claims(token: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

#[tokio::test]
async fn a_token_says_whose_it_is_and_how_long_it_lasts() {
    let stage = Stage::new().await;
    let answer = stage.ask_token(&[("scope", "https://graph.microsoft.com/.default")]).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("cache-control"), "no-store, no-cache");
    assert_eq!(answer.body["token_type"], "Bearer");
    assert_eq!(answer.body["expires_in"], 3599);
    let claims = claims(answer.body["access_token"].as_str().unwrap());
    assert_eq!(claims["aud"], "https://graph.microsoft.com");
    assert_eq!(claims["appid"], Simulator::CLIENT_ID);
    assert_eq!(claims["ver"], "1.0");
    assert_eq!(claims["roles"], json!(["Calendars.ReadWrite", "User.Read.All"]));
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 3599);
}

#[tokio::test]
async fn the_signature_holds_against_the_published_keys() {
    let stage = Stage::new().await;
    let metadata = format!("{}/contoso.com/v2.0/.well-known/openid-configuration", stage.base);
    let metadata = finish(stage.client.get(metadata)).await.body;
    let keys = finish(stage.client.get(metadata["jwks_uri"].as_str().unwrap())).await.body;
    let number = |name: &str| URL_SAFE_NO_PAD.decode(keys["keys"][0][name].as_str().unwrap()).unwrap();
    let key = RsaPublicKeyComponents { n: number("n"), e: number("e") };
    let (signed, signature) = stage.token.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    key.verify(&RSA_PKCS1_2048_8192_SHA256, signed.as_bytes(), &signature).unwrap();
}

#[tokio::test]
async fn each_mistake_has_its_number_word_and_status() {
    let stage = Stage::new().await;
    for (changes, number, error, status) in [
        (vec![("client_secret", "wrong")], 7_000_215, "invalid_client", 401),
        (vec![("client_id", "00000000-0000-4000-8000-000000000000")], 700_016, "unauthorized_client", 400),
        (vec![("scope", "Calendars.ReadWrite")], 1_002_012, "invalid_scope", 400),
        (vec![("scope", "https://elsewhere.example/.default")], 1_002_012, "invalid_scope", 400),
        (vec![("grant_type", "password")], 70_003, "unsupported_grant_type", 400),
        (vec![("grant_type", "")], 900_144, "invalid_request", 400),
        (vec![("client_id", "")], 900_144, "invalid_request", 400),
        (vec![("scope", "")], 900_144, "invalid_request", 400),
        (vec![("client_secret", "")], 7_000_218, "invalid_client", 401),
    ] {
        let answer = stage.ask_token(&changes).await;
        assert_eq!(answer.body["error_codes"], json!([number]), "{changes:?} {}", answer.body);
        assert_eq!((answer.body["error"].as_str().unwrap(), answer.status), (error, status), "{changes:?}");
        let description = answer.body["error_description"].as_str().unwrap();
        assert!(description.starts_with(&format!("AADSTS{number}: ")), "{description}");
        assert!(description.contains("\r\nTrace ID: "), "{description}");
    }
    for (tenant, number) in [
        ("00000000-0000-4000-8000-000000000000", 90_002),
        ("fabrikam.com", 90_002),
        ("nonsense", 900_023),
        ("common", 9_001_023),
    ] {
        let answer = stage.ask_token_of(tenant, &[]).await;
        assert_eq!(answer.body["error_codes"], json!([number]), "{tenant}");
    }
}

#[tokio::test]
async fn a_secret_ends_when_it_expires_and_several_are_good_at_once() {
    let stage = Stage::new().await;
    stage
        .settings(json!({"apps": [{
            "directory_id": Simulator::DIRECTORY_ID, "client_id": "a", "display_name": "a", "roles": [],
            "secrets": [{"value": "old", "expires": "2026-11-22T04:00:00Z"}, {"value": "new", "expires": null}],
        }]}))
        .await;
    let old = [("client_id", "a"), ("client_secret", "old")];
    let answer = stage.ask_token(&old).await;
    assert_eq!(answer.status, 200);
    assert_eq!(claims(answer.body["access_token"].as_str().unwrap()).get("roles"), None);
    stage.advance(3600);
    let refused = stage.ask_token(&old).await;
    assert_eq!((refused.status, &refused.body["error_codes"]), (401, &json!([7_000_222])));
    assert_eq!(stage.ask_token(&[("client_id", "a"), ("client_secret", "new")]).await.status, 200);
}

#[tokio::test]
async fn the_client_may_prove_itself_in_the_header() {
    let stage = Stage::new().await;
    let url = format!("{}/contoso.com/oauth2/v2.0/token", stage.base);
    let form = [("grant_type", "client_credentials"), ("scope", "https://graph.microsoft.com/.default")];
    let request = stage.client.post(&url).form(&form);
    let answer = finish(request.basic_auth(Simulator::CLIENT_ID, Some(Simulator::CLIENT_SECRET))).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let read = finish(stage.client.get(url)).await;
    assert_eq!(read.body["error_codes"], json!([900_561]));
}

#[tokio::test]
async fn graph_refuses_a_token_that_is_missing_forged_or_over() {
    let stage = Stage::new().await;
    let path = format!("{}/v1.0{}", stage.base, events(AMY));
    let mut forged = stage.token.clone();
    forged.replace_range(forged.len() - 12..forged.len() - 8, "AAAA");
    for (token, words) in [
        ("", "token is empty"),
        ("nonsense", "CompactToken parsing failed"),
        (&*forged, "CompactToken validation failed"),
    ] {
        let answer = finish(stage.client.get(&path).bearer_auth(token)).await;
        assert_eq!(answer.refusal(), (401, "InvalidAuthenticationToken"), "{token}");
        assert!(answer.message().contains(words), "{}", answer.message());
        assert!(answer.header("www-authenticate").starts_with("Bearer"));
    }
    assert_eq!(stage.get(&events(AMY)).await.status, 200);
    stage.advance(3599);
    let answer = stage.get(&events(AMY)).await;
    assert_eq!(answer.refusal(), (401, "InvalidAuthenticationToken"));
    assert_eq!(answer.message(), "Lifetime validation failed, the token is expired.");
}

#[tokio::test]
async fn an_app_without_the_permission_is_denied_unless_exchange_grants_it() {
    let mut stage = Stage::new().await;
    for (roles, by_exchange, calendars, settings, directory) in [
        (json!(["Calendars.ReadWrite"]), json!([]), 200, 403, 403),
        (json!(["User.Read.All"]), json!([]), 403, 403, 200),
        (json!([]), json!(["Calendars.Read"]), 200, 403, 403),
        (json!(["MailboxSettings.Read"]), json!([]), 403, 200, 403),
        (json!([]), json!(["MailboxSettings.ReadWrite"]), 403, 200, 403),
        (json!([]), json!([]), 403, 403, 403),
    ] {
        stage
            .settings(json!({"apps": [{
                "directory_id": Simulator::DIRECTORY_ID, "client_id": Simulator::CLIENT_ID, "roles": roles,
                "exchange_roles": by_exchange, "secrets": [{"value": Simulator::CLIENT_SECRET}],
            }]}))
            .await;
        stage.renew_token().await;
        let mailbox = stage.get(&events(AMY)).await;
        assert_eq!(mailbox.status, calendars, "{roles} {by_exchange}");
        let told = stage.get(&format!("/users/{AMY}/mailboxSettings")).await;
        assert_eq!(told.status, settings, "{roles} {by_exchange}");
        let user = stage.get(&format!("/users/{AMY}")).await;
        assert_eq!(user.status, directory, "{roles} {by_exchange}");
        if directory == 403 {
            assert_eq!(user.code(), "Authorization_RequestDenied");
        }
    }
}

#[tokio::test]
async fn neither_tokens_nor_secrets_are_shown_by_the_control_plane() {
    let stage = Stage::new().await;
    stage.get(&events(AMY)).await;
    let journal = Value::from(stage.journal().await).to_string();
    let settings = stage.control(Method::GET, "/settings", Value::Null).await.to_string();
    for shown in [journal, settings] {
        assert!(!shown.contains(Simulator::CLIENT_SECRET), "{shown}");
        assert!(!shown.contains(&stage.token), "{shown}");
    }
}
