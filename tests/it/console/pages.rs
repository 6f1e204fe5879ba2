//! What the pages say, and what they never do.

use jiff::Timestamp;
use leavebridge::reconcile::state::Reason;
use serde_json::json;

use super::text;
use crate::support::{AMY, BEN, TestApp, browser::Browser, encoded, leave, updated};

const HOSTILE: &str = r#"<script>alert('1')</script>"&amp;"#;

async fn page_of(app: &TestApp, leave: &str) -> String {
    format!("/console/mappings/{}", app.mapping(leave).await["id"].as_str().unwrap())
}

#[tokio::test]
async fn hostile_text_is_shown_and_never_obeyed() {
    let app = TestApp::new().await;
    let error = json!({"error": {"code": "ErrorInvalidRequest", "message": "<img src=x onerror=alert(1)>"}});
    app.microsoft.faults(json!([{"method": "POST", "path": "/v1.0/*", "status": 400, "body": error}])).await;
    app.deliver("ess", &leave(HOSTILE)).await;
    let mapping = app.mappings().await[0].clone();
    assert_eq!((&mapping["leave_id"], &mapping["state"]), (&json!(HOSTILE), &json!("parked")));
    for link in ["javascript:alert(1)", "data:text/html,<script>1</script>"] {
        app.database.execute(&format!("UPDATE items SET observed = jsonb_set(coalesce(observed, '{{}}'), '{{web_link}}', to_jsonb('{link}'::text))")).await;
        let browser = Browser::signed_in(&app, "ops").await;
        let one = format!("/console/mappings/{}", mapping["id"].as_str().unwrap());
        for path in [
            "/console/mappings",
            &one,
            &format!("/console/mappings?leave={}&mailbox=%22%3E%3Cscript%3E", encoded(HOSTILE)),
        ] {
            let page = browser.page(path).await;
            for tag in ["<script", "<img", "javascript:", "data:text"] {
                assert!(!page.contains(tag), "{path} {tag}: {page}");
            }
            assert!(page.contains("&lt;script&gt;alert("), "{path}: {page}");
        }
        assert!(browser.page(&one).await.contains("&lt;img src=x"), "Microsoft's own words are shown as they are");
    }
    let wish = Browser::new(&app).get("/console/mappings?leave=%22%3E%3Cscript%3E").await;
    assert!(!text(&wish).contains("<script"), "{wish:?}");
}

#[tokio::test]
async fn every_page_says_that_nothing_else_may_be_loaded_and_loads_nothing_else() {
    let app = TestApp::new().await;
    app.deliver("ess", &leave("LA-1")).await;
    let one = page_of(&app, "LA-1").await;
    let (stranger, browser) = (Browser::new(&app), Browser::signed_in(&app, "ops").await);
    for (browser, path) in [
        (&stranger, "/console/sign-in"),
        (&stranger, "/console"),
        (&browser, "/console"),
        (&browser, "/console/mappings"),
        (&browser, "/console/mappings?state=x"),
        (&browser, &one),
        (&browser, "/console/mappings/none"),
    ] {
        let answer = browser.get(path).await;
        let policy = answer.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; style-src 'self'") && !policy.contains("unsafe"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'") && policy.contains("form-action 'self'"), "{policy}");
        assert_eq!(answer.headers["cache-control"], "no-store", "{path}");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(answer.headers["referrer-policy"], "same-origin", "{path}");
        let page = text(&answer);
        for bad in ["<script", " style=", " src=", "onclick", "//cdn"] {
            assert!(!page.contains(bad), "{path}: {bad}");
        }
        assert!(page.contains(r#"<html lang="en">"#) && page.contains("<main") && page.contains("<h1>"), "{path}");
        assert!(!page.contains(&app.token("ops")), "{path}");
    }
    let style = stranger.get("/console/style.css").await;
    assert_eq!((style.status, &style.headers["content-type"]), (200, &"text/css; charset=utf-8".parse().unwrap()));
    let css = style.body.as_str().unwrap();
    assert!(!css.contains("http") && !css.contains("url(") && !css.contains("@import"), "{css}");
    assert!(css.contains("prefers-color-scheme: dark"));
}

#[tokio::test]
async fn the_list_has_the_filters_of_the_api_and_goes_on_page_by_page() {
    let app = TestApp::new().await;
    for (id, person) in [("LA-1", AMY), ("LA-2", BEN), ("LA-3", AMY)] {
        app.deliver("ess", &updated(id, 0, &json!({"staff": {"email": person}}))).await;
    }
    let browser = Browser::signed_in(&app, "ops").await;
    let shown = async |query: &str| {
        let page = browser.page(&format!("/console/mappings?{query}")).await;
        ["LA-1", "LA-2", "LA-3"].map(|id| page.contains(&format!(">{id}</a>")))
    };
    let empty = "state=&tenant=&leave=&mailbox=&source=&since=&until=";
    for (query, expected) in [
        ("", [true, true, true]),
        (empty, [true, true, true]),
        ("leave=LA-2", [false, true, false]),
        ("leave=+LA-2+", [false, true, false]),
        (&format!("mailbox={}", encoded(&AMY.to_uppercase())), [true, false, true]),
        ("state=synced", [true, true, true]),
        ("state=parked", [false, false, false]),
        ("source=backstage", [false, false, false]),
        ("tenant=default", [true, true, true]),
        ("since=2026-11-22", [true, true, true]),
        ("until=2026-11-22", [false, false, false]),
        ("since=2026-11-22T01:30:00Z", [true, true, true]),
    ] {
        assert_eq!(shown(query).await, expected, "{query}");
    }
    let mut path = "/console/mappings?limit=1&state=synced".to_owned();
    let mut seen = Vec::new();
    loop {
        let page = browser.page(&path).await;
        seen.extend(["LA-1", "LA-2", "LA-3"].iter().filter(|id| page.contains(&format!(">{id}</a>"))).copied());
        let Some((before, _)) = page.split_once(r#"" rel="next">"#) else { break };
        path = before.rsplit_once("href=\"").unwrap().1.replace("&amp;", "&");
        assert!(path.contains("state=synced") && path.contains("limit=1"), "{path}");
    }
    seen.sort_unstable();
    assert_eq!(seen, ["LA-1", "LA-2", "LA-3"]);

    for (query, status, sentence) in [
        ("state=lost", 422, "must be one of pending"),
        ("since=yesterday&cursor=x", 422, "must be the next_cursor"),
        ("colour=red", 422, "is not a known parameter"),
        ("tenant=acme", 403, "may not speak for this tenant"),
    ] {
        let wrong = browser.get(&format!("/console/mappings?{query}")).await;
        assert_eq!(wrong.status, status, "{query}");
        assert!(text(&wrong).contains(sentence), "{query}: {wrong:?}");
    }
}

#[tokio::test]
async fn one_mapping_says_why_what_next_and_what_happened() {
    let app = TestApp::new().await;
    app.post("ess", &updated("LA-1", 0, &json!({"staff": {"email": "nobody@contoso.com"}}))).await;
    app.mapping_in("LA-1", "waiting").await;
    app.deliver("ess", &leave("LA-2")).await;
    let next_try: Timestamp = app.mapping("LA-1").await["next_attempt_at"].as_str().unwrap().parse().unwrap();
    let next_try = next_try.strftime("minutes</time>, <time datetime=\"%Y-%m-%dT%H:%M:%SZ\">").to_string();
    let browser = Browser::signed_in(&app, "ops").await;
    let waiting = browser.page(&page_of(&app, "LA-1").await).await;
    for words in [Reason::MailboxMissing.meaning(), "mailbox-missing", "ErrorInvalidUser", &*next_try, "received"] {
        assert!(waiting.contains(words), "{words}: {waiting}");
    }
    assert_eq!(waiting.matches(Reason::MailboxMissing.meaning()).count(), 1, "said once");
    let synced = browser.page(&page_of(&app, "LA-2").await).await;
    let link = app.mapping("LA-2").await["web_link"].as_str().unwrap().replace('&', "&amp;");
    assert!(synced.contains(&format!(r#"href="{link}" target="_blank" rel="noopener noreferrer""#)), "{synced}");
    assert!(synced.contains("delivered"), "{synced}");
}

#[tokio::test]
async fn what_belongs_to_another_tenant_is_not_there() {
    let app = TestApp::new().await;
    let mut body = leave("ACME-1");
    body["data"]["tenant"] = json!("acme");
    app.deliver("group", &body).await;
    assert_eq!(app.database.number("SELECT count(*) FROM items WHERE kind = 'event' AND tenant = 'acme'").await, 1);
    let browser = Browser::signed_in(&app, "ops").await;
    assert!(!browser.page("/console/mappings").await.contains("ACME-1"));
    let overview = browser.page("/console").await;
    assert!(overview.contains("Tenant default") && !overview.contains("acme"), "{overview}");
    let missing = browser.get("/console/mappings/00000000-0000-0000-0000-000000000001").await;
    assert_eq!(missing.status, 404);
    assert!(text(&missing).contains("no mapping of this id"), "{missing:?}");
}

#[tokio::test]
async fn the_overview_says_how_everything_is_and_when_credentials_end() {
    for (expires, badge, status) in [
        ("2027-06-01", r#"badge good">191 days left"#, "Everything is well"),
        ("2027-01-15", r#"badge warn">54 days left"#, "Everything is well"),
        ("2026-12-10", r#"badge warn">18 days left"#, "somebody should look"),
        ("2026-12-02", r#"badge bad">10 days left"#, "somebody should look"),
        ("2026-11-23", r#"badge bad">1 day left"#, "somebody should look"),
        ("2026-11-22", r#"badge bad">today"#, "somebody should look"),
        ("2026-11-20", r#"badge bad">2 days ago"#, "somebody should look"),
    ] {
        let app = TestApp::with(&[("TENANTS__DEFAULT__MICROSOFT__SECRET_EXPIRES", expires)]).await;
        let page = Browser::signed_in(&app, "ops").await.page("/console").await;
        assert!(page.contains(badge) && page.contains(status), "{expires}: {page}");
    }
}

#[tokio::test]
async fn the_overview_counts_what_there_is_and_says_what_holds_a_tenant_up() {
    let app = TestApp::with(&[("TENANTS__DEFAULT__MICROSOFT__CLIENT_SECRET", "wrong")]).await;
    app.post("ess", &leave("LA-1")).await;
    app.mapping_in("LA-1", "waiting").await;
    let page = Browser::signed_in(&app, "ops").await.page("/console").await;
    for words in ["Nothing is delivered: credentials", "7000215", "degraded", "somebody should look"] {
        assert!(page.contains(words), "{words}: {page}");
    }
    assert!(page.contains(r#"state=waiting&amp;tenant=default">1</a>"#), "{page}");
    assert!(!page.contains("~secret") && !page.contains("wrong"), "{page}");

    let app = TestApp::new().await;
    app.deliver("ess", &leave("LA-1")).await;
    app.deliver("ess", &leave("LA-2")).await;
    app.deliver("ess", &crate::support::cancelled("LA-2", 5)).await;
    let page = Browser::signed_in(&app, "ops").await.page("/console").await;
    for count in [
        "state=synced&amp;tenant=default\">1<",
        "state=removed&amp;tenant=default\">1<",
        "state=parked&amp;tenant=default\">0<",
    ] {
        assert!(page.contains(count), "{count}: {page}");
    }
}
