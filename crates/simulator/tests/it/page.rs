//! The page that shows the calendars.

use reqwest::Method;
use serde_json::{Value, json};

use super::stage::{AMY, Stage, encoded, finish, leave, leave_with};

async fn page(stage: &Stage, query: &str) -> String {
    let answer = finish(stage.client.get(format!("{}/outlook?{query}", stage.base))).await;
    assert_eq!(answer.status, 200);
    assert!(answer.header("content-security-policy").starts_with("default-src 'none'"));
    let Value::String(page) = answer.body else { panic!("a page is HTML") };
    page
}

#[tokio::test]
async fn the_root_leads_to_the_page() {
    let stage = Stage::new().await;
    let answer = finish(stage.client.get(&stage.base)).await;
    assert_eq!((answer.status, answer.header("location")), (307, "/outlook"));
}

#[tokio::test]
async fn leave_covers_its_days_and_an_event_sent_in_the_wrong_zone_one_more() {
    let stage = Stage::new().await;
    stage.leave(&leave()).await;
    let week = page(&stage, "date=2026-12-23").await;
    assert!(week.contains("21 – 27 December 2026") && week.contains("grid-column:1/4"), "{week}");
    assert!(week.contains("event bar oof begins ends") && week.contains("title=\"Private\""));
    assert!(!page(&stage, "date=2026-12-30").await.contains("grid-column"));
    assert!(page(&stage, "view=month&date=2026-12-01").await.contains("grid-column:1/4"));

    stage.control(Method::POST, "/reset", Value::Null).await;
    let time = |day: &str| json!({"dateTime": format!("{day}T00:00:00"), "timeZone": "UTC"});
    stage.leave(&leave_with(json!({"start": time("2026-12-21"), "end": time("2026-12-22")}))).await;
    assert!(page(&stage, "date=2026-12-23").await.contains("grid-column:1/3"));
}

#[tokio::test]
async fn an_event_on_a_further_calendar_says_on_which() {
    let stage = Stage::new().await;
    let calendars = format!("/users/{AMY}/calendars");
    let team = stage.post(&calendars, &json!({"name": "Team <leave>"})).await.body["id"].as_str().unwrap().to_owned();
    stage.leave(&leave()).await;
    assert!(!page(&stage, "date=2026-12-23").await.contains("class=\"calendar\""), "the first one needs no name");
    let path = format!("{calendars}/{}/events", encoded(&team));
    assert_eq!(stage.post(&path, &leave_with(json!({"transactionId": "another"}))).await.status, 201);
    for view in ["week", "month"] {
        let page = page(&stage, &format!("view={view}&date=2026-12-23")).await;
        assert_eq!(
            page.matches("<span class=\"calendar\" title=\"Calendar\">Team &lt;leave&gt;</span>").count(),
            1,
            "{view}"
        );
    }
}

#[tokio::test]
async fn what_an_event_says_is_never_markup() {
    let stage = Stage::new().await;
    let evil = "<script>alert(1)</script>\"'";
    stage.leave(&leave_with(json!({"subject": evil, "categories": [evil], "location": {"displayName": evil}}))).await;
    for view in ["week", "month"] {
        let page = page(&stage, &format!("view={view}&date=2026-12-21&user={}", AMY.replace('@', "%40"))).await;
        assert!(page.contains("&lt;script&gt;alert(1)"), "{page}");
        assert!(!page.contains("<script>alert"), "{page}");
    }
}

#[tokio::test]
async fn people_can_be_chosen_and_an_empty_page_says_what_to_do() {
    let stage = Stage::new().await;
    stage.person(json!({"address": "ben@contoso.com", "name": "Ben Okafor"})).await;
    let only = page(&stage, "user=ben@contoso.com").await;
    assert!(only.contains("<span class=\"address\">ben@contoso.com") && !only.contains("<span class=\"address\">amy"));
    assert!(page(&stage, "user=nobody").await.contains("Nobody has that address"));
}
