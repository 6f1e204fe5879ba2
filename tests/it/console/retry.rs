//! "Try again now" as a button.

use jiff::SignedDuration;
use leavebridge::{config::Scope, http};
use serde_json::json;

use super::text;
use crate::support::{AMY, TestApp, browser::Browser, leave};

async fn parked(app: &TestApp) -> String {
    app.microsoft.faults(json!([{"method": "POST", "path": "/v1.0/*", "status": 400}])).await;
    app.deliver("ess", &leave("LA-1")).await;
    let mapping = app.mapping_in("LA-1", "parked").await;
    app.microsoft.clear_faults().await;
    format!("/console/mappings/{}", mapping["id"].as_str().unwrap())
}

#[tokio::test]
async fn the_button_brings_a_parked_leave_into_outlook_and_the_history_says_who_pressed_it() {
    let app = TestApp::new().await;
    let page = parked(&app).await;
    let mut browser = Browser::signed_in(&app, "ops").await;
    assert!(browser.page(&page).await.contains("Try again now"));
    let pressed = browser.post(&format!("{page}/retry"), &[]).await;
    assert_eq!((pressed.status, pressed.headers["location"].to_str().unwrap()), (303, &*format!("{page}?retried")));
    assert!(browser.page(&format!("{page}?retried")).await.contains("It is due now"));
    app.mapping_in("LA-1", "synced").await;
    assert_eq!(app.microsoft.events(AMY).await.len(), 1);
    let after = browser.page(&page).await;
    assert!(!after.contains("Try again now") && !after.contains("It is due now"), "{after}");
    assert!(after.contains("retried") && after.contains("<dd>ops</dd>"), "{after}");

    let pressed = browser.post(&format!("{page}/retry"), &[]).await;
    assert_eq!(pressed.headers["location"], *page, "there is nothing to try again");
}

#[tokio::test]
async fn who_may_only_look_has_no_button_and_cannot_do_without_one() {
    let app = TestApp::new().await;
    let page = parked(&app).await;
    let life = SignedDuration::from_hours(1);
    let token = http::mint(&app.settings.auth, "ops", &[Scope::OpsRead], app.now(), life).unwrap();
    let mut browser = Browser::new(&app);
    assert_eq!(browser.post("/console/sign-in", &[("token", &token)]).await.status, 303);
    let shown = browser.page(&page).await;
    assert!(!shown.contains("Try again now") && shown.contains("ops:write"), "{shown}");
    let refused = browser.post(&format!("{page}/retry"), &[]).await;
    assert_eq!(refused.status, 403);
    assert!(text(&refused).contains("ops:write"), "{refused:?}");
    assert_eq!(app.mapping("LA-1").await["state"], "parked");
}
