//! What a caller may do: what its token says, within what its configuration says.

use jiff::SignedDuration;
use leavebridge::{config::Scope, http};
use reqwest::Method;

use crate::support::{Answer, TestApp, answer, assert_refused, leave};

const ROUTES: [(Method, &str, Scope); 6] = [
    (Method::POST, "/leaves", Scope::LeavesWrite),
    (Method::GET, "/leaves/LA-1", Scope::LeavesRead),
    (Method::GET, "/mappings", Scope::OpsRead),
    (Method::GET, "/mappings/00000000-0000-0000-0000-000000000001", Scope::OpsRead),
    (Method::POST, "/mappings/retry", Scope::OpsWrite),
    (Method::POST, "/mappings/00000000-0000-0000-0000-000000000001/retry", Scope::OpsWrite),
];

async fn call(app: &TestApp, client: &str, scopes: &[Scope], method: Method, path: &str) -> Answer {
    let life = SignedDuration::from_hours(1);
    let token = http::mint(&app.settings.auth, client, scopes, app.now(), life).unwrap();
    answer(app.request(method, path).bearer_auth(token).json(&leave("LA-1"))).await
}

#[tokio::test]
async fn each_route_needs_its_own_scope_and_no_other_will_do() {
    let app = TestApp::with(&[
        ("CLIENTS__OPS__SCOPES", "leaves:write leaves:read ops:read ops:write"),
        ("CLIENTS__OPS__SOURCE", "ops"),
    ])
    .await;
    for (method, path, needed) in ROUTES {
        let others: Vec<Scope> = Scope::ALL.into_iter().filter(|scope| *scope != needed).collect();
        for scopes in [others.as_slice(), &[]] {
            let refused = call(&app, "ops", scopes, method.clone(), path).await;
            assert_refused(&refused, 403, "forbidden");
            assert!(refused.body["detail"].as_str().unwrap().contains(needed.word()), "{refused:?}");
        }
        let served = call(&app, "ops", &[needed], method, path).await;
        assert!([200, 202, 404].contains(&served.status), "{path}: {served:?}");
    }
}

#[tokio::test]
async fn a_token_grants_nothing_beyond_what_its_client_is_configured_for() {
    let app = TestApp::new().await;
    for (method, path, needed) in ROUTES {
        for client in ["ess", "ops"] {
            let answer = call(&app, client, &Scope::ALL, method.clone(), path).await;
            if app.settings.clients[client].scopes.contains(&needed) {
                assert!([200, 202, 404].contains(&answer.status), "{client} {path}: {answer:?}");
            } else {
                assert_refused(&answer, 403, "forbidden");
            }
        }
    }
}
