//! Beside other versions: what a newer one has written is left to it, and what one before 0.2.0 has written is refused.

use std::{fmt::Write as _, fs, path::Path};

use aws_lc_rs::digest::{SHA256, digest};
use futures_util::future::join_all;
use jiff::SignedDuration;
use reqwest::Method;
use serde_json::json;

use super::support::{
    AMY, Answer, BEN, TestApp, answer, cancelled,
    database::Database,
    leave,
    program::{configured, run},
    until, updated,
};

const MIN: SignedDuration = SignedDuration::from_mins(1);

/// The migrations that are released, with the SHA-256 of each.
const RELEASED: [(&str, &str); 1] =
    [("0001_start.sql", "f49f3883a71c6a9f9b4bc5f80860870342e17d683e39488eb890d199ca15209d")];

#[test]
fn released_migrations_do_not_change() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let mut files: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let found: Vec<(String, String)> = files
        .iter()
        .map(|file| {
            let sum = digest(&SHA256, &fs::read(file).unwrap());
            let hex = sum.as_ref().iter().fold(String::new(), |mut hex, byte| {
                write!(hex, "{byte:02x}").unwrap();
                hex
            });
            (file.file_name().unwrap().to_str().unwrap().to_owned(), hex)
        })
        .collect();
    let released: Vec<(String, String)> =
        RELEASED.iter().map(|(name, sum)| ((*name).to_owned(), (*sum).to_owned())).collect();
    assert_eq!(
        found, released,
        "A released migration never changes: databases that have it would refuse to start. Put what is to change into a \
         new file, which the version before can live with, and add its checksum here."
    );
}

#[tokio::test]
async fn a_database_of_before_is_refused_with_a_sentence_and_left_as_it_is() {
    let database = Database::empty().await;
    let before = "
        CREATE TABLE mappings (id uuid PRIMARY KEY);
        CREATE TABLE _sqlx_migrations (version bigint PRIMARY KEY, description text NOT NULL,
            installed_on timestamptz NOT NULL DEFAULT now(), success boolean NOT NULL, checksum bytea NOT NULL,
            execution_time bigint NOT NULL);
        INSERT INTO _sqlx_migrations SELECT n, 'leaves', now(), true, '\\xc0ffee', 1 FROM generate_series(1, 3) AS n";
    database.execute(before).await;
    for (command, migrate) in [("migrate", "true"), ("serve", "true"), ("serve", "false")] {
        let mut environment = configured(&database.url);
        environment.push(("LEAVEBRIDGE__HTTP__LISTEN".into(), "127.0.0.1:0".into()));
        environment.push(("LEAVEBRIDGE__DATABASE__MIGRATE".into(), migrate.into()));
        let said = run(&[command], &environment).await;
        assert_eq!(said.code, 1, "{command} {migrate}: {said:?}");
        let sentence = "databases of versions before 0.2.0 cannot be upgraded: a new, empty database is needed";
        assert!(said.err.contains(sentence), "{command} {migrate}: {said:?}");
    }
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
    assert_eq!(database.number(tables).await, 2);
    assert_eq!(database.number("SELECT count(*) FROM _sqlx_migrations").await, 3);
}

#[tokio::test]
async fn a_service_starts_on_a_newer_schema_and_serves() {
    let mut app = TestApp::new().await;
    app.database.execute("INSERT INTO _sqlx_migrations SELECT 9999, 'later', now(), true, '\\xc0ffee', 1").await;
    for migrate in [true, false] {
        app.stop().await;
        app.settings.database.migrate = migrate;
        app.restart().await;
        let answer = app.deliver("ess", &leave(&format!("LA-{migrate}"))).await;
        assert_eq!(answer.body["leave"]["mappings"][0]["state"], "synced", "{answer:?}");
    }
}

#[track_caller]
fn assert_later(answer: &Answer) {
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.headers.contains_key("retry-after"), "{answer:?}");
}

/// The rows that are in a newer format, as one number.
async fn newer(app: &TestApp) -> i64 {
    let of = |table: &str| {
        format!("(SELECT coalesce(sum(hashtext(t::text)), 0) * 31 + count(*) FROM {table} t WHERE t.format = 2)")
    };
    app.database.number(&format!("SELECT ({} + {})::bigint", of("items"), of("leaves"))).await
}

#[tokio::test]
async fn rows_in_a_newer_format_are_neither_claimed_nor_changed_and_their_leave_is_another_replicas() {
    for table in ["items", "leaves"] {
        let app = TestApp::new().await;
        app.deliver("ess", &leave("LA-1")).await;
        // It cannot be claimed yet.
        app.database.execute("UPDATE mailboxes SET throttled_until = leavebridge_now() + interval '10 minutes'").await;
        app.post("ess", &leave("LA-2")).await;
        let which = if table == "items" { "leave" } else { "id" };
        let newer_format =
            format!("UPDATE {table} SET format = 2 WHERE {which} = (SELECT id FROM leaves WHERE external_id = 'LA-2')");
        app.database.execute(&newer_format).await;
        let rows = newer(&app).await;
        app.advance(MIN * 11).await;
        let other = app.deliver("ess", &leave("LA-3")).await;
        assert_eq!(other.body["leave"]["mappings"][0]["state"], "synced", "{other:?}");

        // Others that come in with it at the same moment are taken in.
        let (update, cancel) = (updated("LA-2", 1, &json!({"end": "2026-12-23"})), cancelled("LA-2", 2));
        let new: Vec<_> = (4..12).map(|n| leave(&format!("LA-{n}"))).collect();
        let bodies = new.iter().chain([&update, &cancel]);
        let mut answers = join_all(bodies.map(|body| app.post("ess", body))).await;
        answers.split_off(8).iter().for_each(assert_later);
        assert!(answers.iter().all(|answer| answer.status == 202), "{answers:?}");

        let id = app.mapping("LA-2").await["id"].as_str().unwrap().to_owned();
        let retry = app.request(Method::POST, &format!("/mappings/{id}/retry")).bearer_auth(app.token("ops"));
        answer(retry).await;
        app.advance(MIN).await;
        let last = app.deliver("ess", &leave("LA-12")).await;
        assert_eq!(last.body["leave"]["mappings"][0]["state"], "synced", "{last:?}");
        assert_eq!(newer(&app).await, rows, "{table}");
        assert_eq!(app.microsoft.events(AMY).await.len(), 11, "{table}: all but LA-2");
        assert_eq!(app.database.number("SELECT count(*) FROM mailboxes WHERE lease_until IS NOT NULL").await, 0);
    }
}

#[tokio::test]
async fn words_that_only_a_newer_version_knows_break_no_list() {
    let app = TestApp::new().await;
    app.deliver("ess", &leave("LA-1")).await;
    app.deliver("ess", &leave("LA-2")).await;
    app.database
        .execute(
            "UPDATE items SET format = 2, state = 'held', reason = 'later'
             WHERE leave = (SELECT id FROM leaves WHERE external_id = 'LA-2');
             UPDATE mailboxes SET blocked_until = leavebridge_now() + interval '1 minute', blocked_since = leavebridge_now(),
                    blocked_reason = 'later', blocked_detail = 'later';
             INSERT INTO tenants (tenant, blocked_until, blocked_since, blocked_reason)
             VALUES ('default', leavebridge_now() + interval '1 minute', leavebridge_now(), 'later')
             ON CONFLICT (tenant) DO UPDATE
             SET blocked_until = excluded.blocked_until, blocked_since = excluded.blocked_since, blocked_reason = 'later';
             INSERT INTO timeline (leave, item, at, kind, detail)
             SELECT leave, id, leavebridge_now(), 'later', '{}' FROM items WHERE kind = 'event'",
        )
        .await;
    assert_eq!(app.mappings().await.len(), 2);
    let newer = app.mapping("LA-2").await;
    let detail = newer["detail"].as_str().unwrap();
    assert_eq!(newer["state"], "waiting");
    assert!(detail.starts_with("A newer version of leavebridge wrote this mapping"), "{newer}");
    for (leave_id, state) in [("LA-1", "synced"), ("LA-2", "waiting")] {
        let mapping = app.mapping(leave_id).await;
        assert_eq!(mapping["state"], state, "{mapping}");
        let shown = app.get(&format!("/mappings/{}", mapping["id"].as_str().unwrap()), Some("ops")).await;
        assert_eq!(shown.status, 200, "{shown:?}");
        let lines = shown.body["timeline"].as_array().unwrap();
        assert!(!lines.is_empty() && lines.iter().all(|line| line["kind"] != "later"), "{shown:?}");
        assert_eq!(app.get(&format!("/leaves/{leave_id}"), Some("ess")).await.status, 200);
    }
    assert_eq!(app.get("/health", Some("ops")).await.status, 200);
}

#[tokio::test]
async fn what_a_newer_replica_had_taken_when_it_died_is_left_to_a_newer_one() {
    let app = TestApp::new().await;
    app.deliver("ess", &leave("LA-1")).await;
    app.database
        .execute(
            "UPDATE items SET format = 2, state = 'pending', next_at = leavebridge_now() WHERE kind = 'event';
             UPDATE mailboxes SET lease_until = leavebridge_now() + interval '1 second', lease_epoch = lease_epoch + 1,
                    lease_items = ARRAY (SELECT id FROM items WHERE kind = 'event')",
        )
        .await;
    app.post("ess", &leave("LA-2")).await;
    app.advance(MIN).await;
    let other = app.deliver("ess", &updated("LB-1", 0, &json!({"staff": {"email": BEN}}))).await;
    assert_eq!(other.body["leave"]["mappings"][0]["state"], "synced", "nobody else is held up: {other:?}");
    assert_eq!(app.mapping("LA-2").await["state"], "pending");
    // It came back, and gave the lease back.
    app.database.execute("UPDATE mailboxes SET lease_until = NULL, lease_items = '{}'").await;
    app.advance(MIN).await;
    app.mapping_in("LA-2", "synced").await;
}

#[tokio::test]
async fn a_delivery_that_was_noted_by_a_newer_rule_is_another_replicas() {
    let app = TestApp::new().await;
    let post = async |id: &str, leave_id: &str| {
        let request = app.request(Method::POST, "/leaves").bearer_auth(app.token("ess")).header("webhook-id", id);
        answer(request.json(&leave(leave_id))).await
    };
    assert_eq!(post("d-1", "LA-1").await.status, 202);
    app.database.execute("UPDATE deliveries SET rule = 2").await;
    assert_later(&post("d-1", "LA-1").await);
    assert_eq!(post("d-2", "LA-2").await.status, 202);
    until("both are in Outlook", async || app.microsoft.events(AMY).await.len() == 2).await;
}
