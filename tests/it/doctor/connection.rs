//! What is in the way before Microsoft is asked anything: network, directory, database, callers.

use leavebridge::{
    clock::{Clock as _, SystemClock},
    doctor::Order,
};

use super::{examine, ids, one, order, told};
use crate::support::{database::Database, scene::Scene};

#[tokio::test]
async fn a_host_that_is_not_reached_has_its_obstacle_named() {
    let scene = Scene::new().await;
    // Nobody listens on a port that was just given back.
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    // The simulator speaks no TLS.
    let plain = scene.microsoft.url.replace("http://", "https://");
    // A label longer than any name may have is refused without asking anybody.
    let nowhere = format!("http://{}.invalid", "x".repeat(64));
    for (url, id) in [(&closed, "not-connected"), (&plain, "tls-failed"), (&nowhere, "name-unresolved")] {
        let findings = examine(&scene.doctor(&[("AUTHORITY", url)]), &order(None)).await;
        assert!(ids(&findings).contains(&format!("ERROR {id}")), "{url}: {findings:#?}");
        assert!(ids(&findings).contains(&"ERROR entra-unreachable".into()), "{url}: {findings:#?}");
        let findings = examine(&scene.doctor(&[("GRAPH", url)]), &order(None)).await;
        assert!(one(&findings, id).seen.starts_with("Graph does not answer"), "{url}: {findings:#?}");
    }
}

#[tokio::test]
async fn a_directory_that_is_not_there_is_told_before_any_secret_is_sent() {
    let scene = Scene::new().await;
    let unknown = ("DIRECTORY_ID", "00000000-1111-4222-8333-444444444444");
    let findings = examine(&scene.doctor(&[unknown]), &order(None)).await;
    insta::assert_snapshot!(told(&findings));
}

#[tokio::test]
async fn a_graph_that_is_not_the_directorys_own_is_a_sign_of_the_wrong_cloud() {
    let scene = Scene::new().await;
    let other_name = scene.microsoft.url.replace("127.0.0.1", "localhost");
    let findings = examine(&scene.doctor(&[("GRAPH", &other_name)]), &order(None)).await;
    let found = one(&findings, "wrong-cloud");
    assert_eq!(found.seen, "The directory's own Graph is 127.0.0.1; the configuration says localhost.");
    assert!(ids(&findings).contains(&"warning wrong-cloud".into()));
}

#[tokio::test]
async fn each_state_of_the_database_is_told_and_microsoft_is_asked_all_the_same() {
    let scene = Scene::new().await;
    let empty = Database::empty().await;
    let nobody = "postgres://leave:hush-hush@127.0.0.1:1/leave";
    let (older, newer) = (Database::new(SystemClock.now()).await, Database::new(SystemClock.now()).await);
    older.execute("DELETE FROM _sqlx_migrations WHERE version = (SELECT max(version) FROM _sqlx_migrations)").await;
    newer.execute("INSERT INTO _sqlx_migrations SELECT 9999, '', now(), true, '', 0").await;
    for (url, id, words) in [
        (older.url.as_str(), "ERROR schema-outdated", "older than this program"),
        (newer.url.as_str(), "warning schema-newer", "newer than this program"),
        (empty.url.as_str(), "ERROR schema-missing", "has no schema of leavebridge's"),
        (nobody, "ERROR database-unreachable", "Connection refused"),
    ] {
        let findings = examine(&scene.doctor(&[("DATABASE__URL", url)]), &order(None)).await;
        let ids = ids(&findings);
        assert!(ids.contains(&id.to_owned()) && ids.contains(&"token".into()), "{findings:#?}");
        let told = format!("{findings:?}");
        assert!(told.contains(words) && !told.contains("hush-hush"), "{findings:?}");
    }
}

#[tokio::test]
async fn callers_that_cannot_post_are_told() {
    let scene = Scene::new().await;
    let nobody = [
        ("CLIENTS__ESS__SCOPES", "leaves:read"),
        ("CLIENTS__ESS__WEBHOOK_SECRETS", ""),
        ("CLIENTS__BACKSTAGE__SCOPES", "leaves:read"),
        ("CLIENTS__BACKSTAGE__WEBHOOK_SECRETS", ""),
        ("CLIENTS__GROUP__SCOPES", "leaves:read"),
    ];
    let findings = examine(&scene.doctor(&nobody), &order(None)).await;
    assert_eq!(ids(&findings)[2], "ERROR no-portal", "{findings:#?}");
    let doctor = scene.doctor(&[("CLIENTS__GROUP__TENANTS", "default")]);
    let findings = examine(&doctor, &Order::default()).await;
    let found = one(&findings, "no-portal");
    assert_eq!((found.tenant.as_deref(), ids(&findings)[2].as_str()), (Some("acme"), "warning no-portal"));
    // Who asks about one tenant is not told about another.
    let findings = examine(&doctor, &order(None)).await;
    assert_eq!(ids(&findings)[2], "clients", "{findings:#?}");
}
