//! What leave brings about, and what its changes do.

use jiff::SignedDuration;
use reqwest::Method;
use serde_json::json;

use super::{
    assert_span, comes, days, file, leave, passes, requests, scheduled, sets, setting, settles, shown, stage, updated,
};
use crate::support::{AMY, TestApp, cancelled};

const MIN: SignedDuration = SignedDuration::from_mins(1);

#[tokio::test]
async fn approved_leave_schedules_a_reply_at_the_local_times_of_the_leave() {
    let app = stage(&[]).await;
    file(&app, &leave("LA-1")).await;
    // Midnights in Hong Kong.
    assert_span(scheduled(&app).await, "2026-12-20T16:00:00", "2026-12-21T16:00:00");
    let setting = setting(&app).await;
    let text = "I am out of office from 2026-12-21 to 2026-12-21.";
    assert_eq!(setting["internalReplyMessage"], format!("<html>\n<body>\n{text}\n</body>\n</html>\n"));
    assert_eq!(setting["externalAudience"], "none");
    assert_eq!(requests(&app).await, ["GET 200", "PATCH 200"]);
    let shown = shown(&app, "LA-1").await;
    assert_eq!((&shown["state"], &shown["reason"]), (&json!("scheduled"), &json!(null)));
    assert_eq!((&shown["from"], &shown["until"]), (&json!("2026-12-20T16:00:00Z"), &json!("2026-12-21T16:00:00Z")));
    let id = app.mapping("LA-1").await["id"].as_str().unwrap().to_owned();
    let timeline = app.get(&format!("/mappings/{id}"), Some("ops")).await.body["timeline"].clone();
    let told = timeline.as_array().unwrap().iter().find(|line| line["detail"]["step"] == "schedule-reply").unwrap();
    assert_eq!((&told["kind"], &told["detail"]["graph"]["status"]), (&json!("delivered"), &json!(200)));
}

#[tokio::test]
async fn hours_of_leave_are_told_in_the_zone_of_the_leave() {
    let app = stage(&[]).await;
    let hours = json!({"start": "2026-12-21T14:00", "end": "2026-12-21T16:30", "time_zone": "America/New_York"});
    file(&app, &updated("LA-1", 0, &hours)).await;
    assert_span(scheduled(&app).await, "2026-12-21T19:00:00", "2026-12-21T21:30:00");
}

#[tokio::test]
async fn what_is_not_approved_brings_about_no_request() {
    let app = stage(&[("POLICY__TYPES__HIDDEN__PUBLISH", "never")]).await;
    for (id, change) in [
        ("LA-1", json!({"status": "pending"})),
        ("LA-2", json!({"status": "rejected"})),
        ("LA-3", json!({"leave_type": "HIDDEN"})),
        ("LA-4", json!({"start": "2026-11-02", "end": "2026-11-03"})),
    ] {
        file(&app, &updated(id, 0, &change)).await;
        assert_eq!(shown(&app, id).await, json!(null), "{id}");
    }
    assert_eq!(requests(&app).await, [""; 0]);
    // And once it is granted:
    file(&app, &updated("LA-1", 1, &json!({"status": "approved"}))).await;
    assert_span(scheduled(&app).await, "2026-12-20T16:00:00", "2026-12-21T16:00:00");
}

#[tokio::test]
async fn it_is_off_by_default_and_then_nothing_asks_for_settings() {
    let app = TestApp::new().await;
    app.microsoft.consent(&super::ROLES).await;
    file(&app, &leave("LA-1")).await;
    file(&app, &updated("LA-1", 1, &json!({"end": "2026-12-23"}))).await;
    file(&app, &cancelled("LA-1", 2)).await;
    assert_eq!(requests(&app).await, [""; 0]);
    assert_eq!(app.database.number("SELECT count(*) FROM items WHERE kind = 'reply'").await, 0);
    assert_eq!(shown(&app, "LA-1").await, json!(null));
}

#[tokio::test]
async fn changed_dates_move_it_and_a_cancellation_puts_back_what_was_there() {
    let app = stage(&[]).await;
    sets(&app, json!({"internalReplyMessage": "Old words", "externalReplyMessage": "For others", "externalAudience": "contactsOnly"})).await;
    let before = setting(&app).await;
    file(&app, &leave("LA-1")).await;
    file(&app, &updated("LA-1", 1, &json!({"end": "2026-12-23"}))).await;
    assert_span(scheduled(&app).await, "2026-12-20T16:00:00", "2026-12-23T16:00:00");
    assert!(setting(&app).await["internalReplyMessage"].as_str().unwrap().contains("to 2026-12-23."));
    file(&app, &cancelled("LA-1", 2)).await;
    let after = setting(&app).await;
    for name in ["status", "externalAudience", "internalReplyMessage", "externalReplyMessage"] {
        assert_eq!(after[name], before[name], "{name}");
    }
    assert_eq!(requests(&app).await, ["GET 200", "PATCH 200"].repeat(3));
    assert_eq!(shown(&app, "LA-1").await, json!(null));
}

#[tokio::test]
async fn it_goes_with_the_leave_when_that_turns_out_to_be_somebody_elses() {
    let app = stage(&[]).await;
    file(&app, &leave("LA-1")).await;
    file(&app, &updated("LA-1", 1, &json!({"staff": {"email": "ben.okafor@contoso.com"}}))).await;
    assert_eq!(setting(&app).await["status"], "disabled");
    // The two mailboxes at the same time.
    let mut asked = requests(&app).await;
    asked.sort_unstable();
    assert_eq!(asked, [["GET 200"; 3], ["PATCH 200"; 3]].concat());
}

#[tokio::test]
async fn leave_that_overlaps_or_adjoins_is_one_reply_and_leave_in_between_is_none() {
    let app = stage(&[]).await;
    file(&app, &days("LA-1", 0, "2026-12-21", "2026-12-22")).await;
    file(&app, &days("LA-2", 0, "2026-12-22", "2026-12-24")).await;
    file(&app, &days("LA-3", 0, "2026-12-25", "2026-12-25")).await;
    file(&app, &days("LA-4", 0, "2027-02-01", "2027-02-02")).await;
    assert_span(scheduled(&app).await, "2026-12-20T16:00:00", "2026-12-25T16:00:00");
    assert!(setting(&app).await["internalReplyMessage"].as_str().unwrap().contains("from 2026-12-21 to 2026-12-25."));
    // The middle one goes: what follows is another reply.
    file(&app, &cancelled("LA-2", 1)).await;
    assert_span(scheduled(&app).await, "2026-12-20T16:00:00", "2026-12-22T16:00:00");
    comes(&app, "2026-12-22T16:00:00Z").await;
    assert_span(scheduled(&app).await, "2026-12-24T16:00:00", "2026-12-25T16:00:00");
    comes(&app, "2026-12-25T16:00:00Z").await;
    assert_span(scheduled(&app).await, "2027-01-31T16:00:00", "2027-02-02T16:00:00");
    comes(&app, "2027-02-02T16:00:00Z").await;
    assert_eq!(setting(&app).await["status"], "disabled");
    assert_eq!(shown(&app, "LA-4").await, json!(null));
    let asked = requests(&app).await.len();
    passes(&app, SignedDuration::from_hours(24 * 90)).await;
    assert_eq!(requests(&app).await.len(), asked, "nothing is left to do");
}

#[tokio::test]
async fn whether_work_lies_in_between_is_asked_of_the_mailbox_where_leave_itself_need_not_ask() {
    let app = stage(&[]).await;
    let late = json!({"working_hours": "12:00-22:00"});
    app.microsoft.control(Method::PATCH, &format!("users/{AMY}"), Some(&late)).await;
    for (id, from, until) in
        [("LA-1", "2026-12-21T12:00", "2026-12-21T18:00"), ("LA-2", "2026-12-22T09:00", "2026-12-22T22:00")]
    {
        file(&app, &updated(id, 0, &json!({"start": from, "end": until}))).await;
    }
    // From 18:00 to 22:00 she is at work.
    assert_span(scheduled(&app).await, "2026-12-21T04:00:00", "2026-12-21T10:00:00");
}

#[tokio::test]
async fn leave_that_has_begun_is_scheduled_from_now_on_and_may_end_early() {
    let app = stage(&[]).await;
    file(&app, &days("LA-1", 0, "2026-11-20", "2026-11-25")).await;
    assert_span(scheduled(&app).await, "2026-11-22T01:32:00", "2026-11-25T16:00:00");
    // It is left as it is, however often the leave is touched.
    passes(&app, MIN * 30).await;
    file(&app, &updated("LA-1", 1, &json!({"start": "2026-11-20", "end": "2026-11-25", "department": "Ops"}))).await;
    assert_span(scheduled(&app).await, "2026-11-22T01:32:00", "2026-11-25T16:00:00");
    file(&app, &days("LA-1", 2, "2026-11-20", "2026-11-23")).await;
    assert_span(scheduled(&app).await, "2026-11-22T02:02:00", "2026-11-23T16:00:00");
    file(&app, &days("LA-1", 3, "2026-11-20", "2026-11-21")).await;
    assert_eq!(setting(&app).await["status"], "disabled");
    assert!(requests(&app).await.iter().all(|request| request.ends_with("200")));
}

#[tokio::test]
async fn each_kind_of_leave_has_its_own_words_and_hostile_names_are_words_too() {
    let app = stage(&[
        ("POLICY__AUTOMATIC_REPLIES__INSIDE", "{name} is away\nuntil {last_day} & a bit"),
        ("POLICY__AUTOMATIC_REPLIES__OUTSIDE", "Away"),
        ("POLICY__AUTOMATIC_REPLIES__AUDIENCE", "contacts-only"),
        ("POLICY__TYPES__HOME__AUTOMATIC_REPLIES__ENABLED", "false"),
        ("POLICY__TYPES__TRAVEL__AUTOMATIC_REPLIES__INSIDE", "On a journey ({leave_type})"),
    ])
    .await;
    let of = |id: &str, kind: &str, day: &str| {
        let name = "<script>alert('x')</script> & \"Co\"";
        let staff = json!({"email": AMY, "name": name});
        updated(id, 0, &json!({"start": day, "end": day, "leave_type": kind, "staff": staff}))
    };
    file(&app, &of("LA-1", "HOME", "2026-12-01")).await;
    assert_eq!(requests(&app).await, [""; 0]);
    file(&app, &of("LA-2", "ANNUAL", "2026-12-14")).await;
    let set = setting(&app).await;
    let inside = set["internalReplyMessage"].as_str().unwrap();
    let expected = "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; &quot;Co&quot;";
    assert!(inside.contains(expected) && inside.contains("is away<br>until 2026-12-14 &amp; a bit"), "{inside}");
    assert!(set["externalReplyMessage"].as_str().unwrap().contains("Away"));
    assert_eq!(set["externalAudience"], "contactsOnly");
    // However it was dressed up, it is known for ours.
    file(&app, &of("LA-3", "TRAVEL", "2026-12-07")).await;
    assert!(setting(&app).await["internalReplyMessage"].as_str().unwrap().contains("On a journey (TRAVEL)"));
    file(&app, &cancelled("LA-3", 1)).await;
    file(&app, &cancelled("LA-2", 1)).await;
    assert_eq!(setting(&app).await["status"], "disabled");
}

#[tokio::test]
async fn neither_the_kind_nor_the_reason_of_a_leave_is_told_unless_a_template_says_so() {
    let app = stage(&[("POLICY__AUTOMATIC_REPLIES__AUDIENCE", "all")]).await;
    let staff = json!({"email": AMY, "name": "MARK-name", "employee_id": "MARK-employee"});
    let marks =
        json!({"leave_type": "MARK-type", "reason": "MARK-reason", "department": "MARK-department", "staff": staff});
    file(&app, &updated("LA-1", 0, &marks)).await;
    assert_eq!(setting(&app).await["status"], "scheduled");
    let mut texts = vec![setting(&app).await.to_string(), shown(&app, "LA-1").await.to_string()];
    texts.push(app.get("/metrics", None).await.body.to_string());
    for text in texts {
        assert!(!text.contains("MARK"), "{text}");
    }
    for table in ["items", "timeline"] {
        let marks = format!("SELECT count(*) FROM {table} t WHERE t::text LIKE '%MARK%'");
        assert_eq!(app.database.number(&marks).await, 0, "{table}");
    }
}

#[tokio::test]
async fn switched_on_it_comes_to_leave_that_is_known_already_and_switched_off_it_is_withdrawn() {
    let mut app = TestApp::new().await;
    app.microsoft.consent(&super::ROLES).await;
    file(&app, &leave("LA-1")).await;
    let off = app.settings.clone();
    let on = stage(&[]).await.settings.clone();
    // More than are entered at once.
    let crowd = "INSERT INTO mailboxes (tenant, address) SELECT 'default', 'p' || n FROM generate_series(1, 2500) AS n";
    app.database.execute(crowd).await;
    app.stop().await;
    app.settings.tenants.get_mut("default").unwrap().policy = on.tenants["default"].policy.clone();
    app.restart().await;
    let missing = "SELECT count(*) FROM mailboxes b WHERE NOT EXISTS (SELECT FROM items r WHERE r.kind = 'reply' AND r.mailbox = b.id)";
    crate::support::until("it is scheduled, and everybody is known", async || {
        scheduled(&app).await.is_some() && app.database.number(missing).await == 0
    })
    .await;
    settles(&app).await;
    app.stop().await;
    app.settings = off;
    app.restart().await;
    crate::support::until("it is withdrawn", async || setting(&app).await["status"] == "disabled").await;
}
