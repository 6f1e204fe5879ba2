//! Where other issuers' keys come from: fetched when needed, kept, fetched again, and no harm when they cannot be had.

use jiff::SignedDuration;
use leavebridge_stage::portal::sign;
use reqwest::Method;
use serde_json::{Value, json};

use super::{ask_leave, good, header, issued, trusting};
use crate::support::{
    ESS_SECRET, TestApp, answer, assert_refused,
    issuer::{Issuer, Served, Signer},
    leave, until,
};

/// Something that an issuer says differently, given its address and a key set.
type Change = fn(&mut Served, &str, Value);

fn one_key(signer: &Signer, kid: &str) -> Value {
    json!({"keys": [signer.jwk(&json!({"kid": kid}))]})
}

fn by(app: &TestApp, issuer: &Issuer, signer: &Signer, kid: &str) -> String {
    let mut header = header("RS256");
    header["kid"] = json!(kid);
    signer.sign("RS256", &header, &issued(app, issuer, &json!({})))
}

#[tokio::test]
async fn a_new_key_is_fetched_when_a_token_names_it_but_only_once_a_minute() {
    let (old, new) = (Signer::rsa(0), Signer::rsa(1));
    let issuer = Issuer::new(one_key(&old, "k1")).await;
    let app = trusting(&[("hr", &issuer)], &[]).await;
    for _ in 0..3 {
        assert_eq!(ask_leave(&app, &good(&app, &issuer, &old)).await.status, 404);
    }
    assert_eq!(issuer.asked(), 1, "what is known is not asked for again");
    issuer.served().keys = one_key(&new, "k2");
    for _ in 0..3 {
        assert_eq!(ask_leave(&app, &by(&app, &issuer, &new, "k2")).await.status, 401);
        assert_eq!(ask_leave(&app, &by(&app, &issuer, &new, "made-up")).await.status, 401);
    }
    assert_eq!(issuer.asked(), 1, "the minute is not over");
    app.advance(SignedDuration::from_secs(60)).await;
    assert_eq!(ask_leave(&app, &by(&app, &issuer, &new, "k2")).await.status, 404);
    assert_eq!(issuer.asked(), 2);
    assert_eq!(ask_leave(&app, &good(&app, &issuer, &old)).await.status, 401, "it was withdrawn");
}

#[tokio::test]
async fn a_withdrawn_key_is_forgotten_within_an_hour_of_use() {
    let (old, new) = (Signer::rsa(0), Signer::rsa(1));
    let issuer = Issuer::new(one_key(&old, "k1")).await;
    let app = trusting(&[("hr", &issuer)], &[]).await;
    assert_eq!(ask_leave(&app, &good(&app, &issuer, &old)).await.status, 404);
    issuer.served().keys = one_key(&new, "k2");
    app.advance(SignedDuration::from_mins(59)).await;
    assert_eq!(ask_leave(&app, &good(&app, &issuer, &old)).await.status, 404);
    assert_eq!(issuer.asked(), 1);
    app.advance(SignedDuration::from_mins(1)).await;
    until("the old key is gone", async || ask_leave(&app, &good(&app, &issuer, &old)).await.status == 401).await;
}

#[tokio::test]
async fn an_issuer_that_is_away_breaks_neither_our_tokens_nor_signatures_nor_tokens_of_known_keys() {
    let signer = Signer::rsa(0);
    let issuer = Issuer::new(one_key(&signer, "k1")).await;
    let app = trusting(&[("hr", &issuer)], &[]).await;
    issuer.served().status = 503;
    let away = ask_leave(&app, &good(&app, &issuer, &signer)).await;
    assert_refused(&away, 503, "unavailable");
    assert!(away.headers.contains_key("retry-after"));
    let told = async || app.get("/health", Some("ops")).await.body["checks"]["issuers"].take();
    let problem = json!("it answers with status 503");
    let ill = json!({"status": "degraded", "issuers": {"hr": {"status": "degraded", "problem": problem}}});
    assert_eq!(told().await, ill);
    assert_eq!(app.get("/leaves/none", Some("ess")).await.status, 404, "our own token");
    let (body, now) = (leave("LA-1"), app.now().as_second());
    let signature = sign(ESS_SECRET, "msg_1", now, body.to_string().as_bytes()).unwrap();
    let webhook = app.request(Method::POST, "/leaves").header("webhook-id", "msg_1").json(&body);
    let webhook = webhook.header("webhook-timestamp", now).header("webhook-signature", signature);
    assert_eq!(answer(webhook).await.status, 202, "our own signature");

    app.advance(SignedDuration::from_mins(1)).await;
    issuer.served().status = 200;
    // Whoever watches it hears so, though nobody sends a token.
    let well = json!({"status": "ok", "issuers": {"hr": {"status": "ok", "problem": null}}});
    until("it is asked again and well", async || told().await == well).await;
    assert_eq!(ask_leave(&app, &good(&app, &issuer, &signer)).await.status, 404, "it is back");
    issuer.served().status = 500;
    for hours in [1, 24, 24 * 30] {
        app.advance(SignedDuration::from_hours(hours)).await;
        let asked = issuer.served().asked.len();
        assert_eq!(ask_leave(&app, &good(&app, &issuer, &signer)).await.status, 404, "after {hours} h");
        until("it is asked aside", async || issuer.served().asked.len() > asked).await;
        assert_refused(&ask_leave(&app, &by(&app, &issuer, &signer, "k2")).await, 503, "unavailable");
    }
}

#[tokio::test]
async fn many_callers_at_once_wait_for_one_fetch() {
    let signer = Signer::rsa(0);
    let issuer = Issuer::new(one_key(&signer, "k1")).await;
    let app = trusting(&[("hr", &issuer)], &[]).await;
    issuer.hold(true);
    let token = good(&app, &issuer, &signer);
    let released = async {
        until("somebody asks", async || !issuer.served().asked.is_empty()).await;
        assert_eq!(app.get("/leaves/none", Some("ess")).await.status, 404, "our own token waits for nobody");
        issuer.hold(false);
    };
    let callers = futures_util::future::join_all((0..8).map(|_| ask_leave(&app, &token)));
    let ((), answers) = tokio::join!(released, callers);
    assert!(answers.iter().all(|answer| answer.status == 404), "{answers:?}");
    assert_eq!(issuer.served().asked, ["/.well-known/openid-configuration", "/keys"]);
}

#[tokio::test]
async fn nobody_waits_long_for_an_issuer_that_hangs_and_who_comes_again_finds_its_keys() {
    let signer = Signer::rsa(0);
    let issuer = Issuer::new(one_key(&signer, "k1")).await;
    let app = trusting(&[("hr", &issuer)], &[]).await;
    issuer.hold(true);
    let token = good(&app, &issuer, &signer);
    assert_refused(&ask_leave(&app, &token).await, 503, "unavailable");
    // The fetch itself goes on, although nobody waits for it.
    issuer.hold(false);
    until("the keys are there", async || ask_leave(&app, &token).await.status == 404).await;
    assert_eq!(issuer.asked(), 1);
}

#[tokio::test]
async fn what_an_issuer_says_of_its_keys_is_believed_only_if_it_can_be() {
    let signer = Signer::rsa(0);
    let keys = one_key(&signer, "k1");
    let odd = json!({"kty": "AKP", "kid": "k9", "alg": "ML-DSA-44", "pub": "x"});
    let with_odd = json!({"keys": [odd, {"kty": "EC"}, 5, signer.jwk(&json!({"kid": "k1"}))]});
    let cases: [(&str, u16, Change); 10] = [
        ("as it should be", 404, |_, _, _| ()),
        ("keys of a kind that we do not know", 404, |served, _, odd| served.keys = odd),
        ("another issuer's metadata", 503, |served, _, _| served.metadata["issuer"] = json!("https://other.example")),
        ("the issuer with a slash", 503, |served, url, _| served.metadata["issuer"] = json!(format!("{url}/"))),
        ("keys over a line that is not safe", 503, |served, _, _| {
            served.metadata["jwks_uri"] = json!("http://keys.example/keys");
        }),
        ("no address of keys", 503, |served, _, _| served.metadata["jwks_uri"] = Value::Null),
        ("no keys", 503, |served, _, _| served.keys = json!({"keys": []})),
        ("no key set", 503, |served, _, _| served.keys = json!([])),
        ("too long an answer", 503, |served, _, _| served.keys["padding"] = json!("x".repeat(300_000))),
        ("another place", 503, |served, _, _| served.status = 307),
    ];
    for (what, status, change) in cases {
        let issuer = Issuer::new(keys.clone()).await;
        change(&mut issuer.served(), &issuer.url, with_odd.clone());
        let app = trusting(&[("hr", &issuer)], &[]).await;
        let answer = ask_leave(&app, &good(&app, &issuer, &signer)).await;
        assert_eq!(answer.status, status, "{what}: {answer:?}");
    }
}

#[tokio::test]
async fn keys_at_a_configured_address_need_no_metadata() {
    let signer = Signer::rsa(0);
    let issuer = Issuer::new(one_key(&signer, "k1")).await;
    issuer.served().metadata = Value::Null;
    let keys = format!("{}/keys", issuer.url);
    let app = trusting(&[("hr", &issuer)], &[("AUTH__ISSUERS__HR__JWKS_URL", &keys)]).await;
    assert_eq!(ask_leave(&app, &good(&app, &issuer, &signer)).await.status, 404);
    assert_eq!(issuer.served().asked, ["/keys"]);
}
