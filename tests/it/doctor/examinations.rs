//! The states that a connection can be in, each with the doctor's list from top to bottom.

use jiff::SignedDuration;
use leavebridge::{
    config,
    doctor::{Order, of_configuration},
};
use leavebridge_simulator::Simulator;
use serde_json::{Value, json};

use super::{examine, ids, one, order, thorough, told};
use crate::{
    credentials::app,
    support::{AMY, BEN, proofs::Certified, scene::Scene},
};

const WELL: [&str; 14] = [
    "configuration",
    "database",
    "clients",
    "entra-reachable",
    "graph-reachable",
    "clock",
    "expiry",
    "token",
    "rights",
    "ews",
    "mailbox",
    "time-zone",
    "look-up",
    "write-test",
];
const EXPIRES: (&str, &str) = ("SECRET_EXPIRES", "2027-11-22");
const SECRET: (&str, &str) = ("CLIENT_SECRET", "default~secret");

/// The app with that secret and those properties, and Amy inside of what it may open, Ben outside.
async fn scene(properties: &Value) -> Scene {
    let scene = Scene::new().await;
    let mut app = app(&json!({"secrets": [{"value": SECRET.1}], "display_name": "leavebridge"}));
    for (name, value) in properties.as_object().unwrap() {
        app[name] = value.clone();
    }
    scene.microsoft.settings(json!({"apps": [app]})).await;
    scene.microsoft.control(reqwest::Method::PATCH, &format!("users/{BEN}"), Some(&json!({"in_scope": false}))).await;
    scene
}

#[tokio::test]
async fn a_connection_that_is_well_has_nothing_but_ok() {
    let scene = scene(&json!({"roles": ["Calendars.ReadWrite"]})).await;
    scene
        .microsoft
        .control(reqwest::Method::PATCH, &format!("users/{AMY}"), Some(&json!({"time_zone": "Europe/London"})))
        .await;
    let findings = examine(&scene.doctor(&[SECRET, EXPIRES]), &thorough()).await;
    assert_eq!(ids(&findings), [&WELL[..], &["deliveries"]].concat());
    let token = one(&findings, "token");
    for words in ["leavebridge", "Calendars.ReadWrite", "https://graph.microsoft.com"] {
        assert!(token.seen.contains(words), "{token:?}");
    }
    assert!(findings.iter().all(|found| found.meaning.is_empty() && found.next.is_empty()), "{findings:?}");
}

#[tokio::test]
async fn with_rbac_a_token_without_roles_is_right_and_the_scope_is_proven_both_ways() {
    let scene = scene(&json!({"roles": [], "exchange_roles": ["Calendars.ReadWrite"]})).await;
    let order = Order { outside_mailbox: Some(BEN.into()), ..thorough() };
    let findings = examine(&scene.doctor(&[SECRET, EXPIRES]), &order).await;
    assert_eq!(ids(&findings), [&WELL[..], &["scope-holds", "deliveries"]].concat());
    let rights = one(&findings, "rights");
    assert!(rights.seen.contains("only a real call tells"), "{rights:?}");
}

#[tokio::test]
async fn consent_for_all_mailboxes_beside_a_scope_is_an_error() {
    let scene = scene(&json!({"roles": ["Calendars.ReadWrite"], "exchange_roles": ["Calendars.ReadWrite"]})).await;
    scene.microsoft.control(reqwest::Method::PATCH, &format!("users/{BEN}"), Some(&json!({"in_scope": true}))).await;
    let order = Order { outside_mailbox: Some(BEN.into()), ..order(Some(AMY)) };
    let findings = examine(&scene.doctor(&[SECRET, EXPIRES]), &order).await;
    insta::assert_snapshot!(told(&findings));
    let nobody = Order { outside_mailbox: Some("nobody@contoso.com".into()), ..order };
    assert!(ids(&examine(&scene.doctor(&[SECRET, EXPIRES]), &nobody).await).contains(&"warning scope-unproven".into()));
}

#[tokio::test]
async fn each_way_of_having_no_right_has_its_own_words() {
    for (roles, by_exchange, mailbox, id) in [
        // Delegated permissions, or no admin consent: a token for the app alone names nothing.
        (json!([]), json!([]), AMY, "consent-missing"),
        (json!(["User.Read.All"]), json!([]), AMY, "consent-missing"),
        (json!([]), json!(["Calendars.ReadWrite"]), BEN, "consent-missing"),
        (json!(["Calendars.ReadWrite"]), json!([]), BEN, "outside-scope"),
        (json!(["Calendars.Read"]), json!([]), AMY, "consent-read-only"),
    ] {
        let scene = scene(&json!({"roles": roles, "exchange_roles": by_exchange})).await;
        let order = Order { write_test: true, ..order(Some(mailbox)) };
        let findings = examine(&scene.doctor(&[SECRET, EXPIRES]), &order).await;
        let ids = ids(&findings);
        let wrong: Vec<_> = ids.iter().filter(|id| id.starts_with("ERROR")).collect();
        assert_eq!(wrong, [&format!("ERROR {id}")], "{roles} {by_exchange} {mailbox}: {findings:#?}");
        assert!(one(&findings, id).seen.contains("ErrorAccessDenied"), "{findings:?}");
    }
}

#[tokio::test]
async fn each_kind_of_person_without_a_mailbox_is_named() {
    let scene = scene(&json!({})).await;
    for (address, kind, id) in [
        ("unlicensed@contoso.com", "unlicensed", "mailbox-unlicensed"),
        ("onprem@contoso.com", "on-premises", "mailbox-unlicensed"),
        ("guest_fabrikam.com#EXT#@contoso.com", "guest", "mailbox-guest"),
        ("disabled@contoso.com", "disabled", "mailbox"),
        ("shared@contoso.com", "shared", "mailbox"),
    ] {
        scene.microsoft.person(json!({"address": address, "name": "P", "time_zone": "UTC", "kind": kind})).await;
        let findings = examine(&scene.doctor(&[SECRET, EXPIRES]), &order(Some(address))).await;
        assert!(one(&findings, id).seen.contains(address), "{findings:?}");
    }
    let findings = examine(&scene.doctor(&[SECRET, EXPIRES]), &order(Some("nobody@contoso.com"))).await;
    assert!(ids(&findings).contains(&"ERROR mailbox-unknown".into()), "{findings:?}");
}

#[tokio::test]
async fn without_a_mailbox_nothing_is_proven_and_that_is_said() {
    let scene = scene(&json!({})).await;
    let findings = examine(&scene.doctor(&[SECRET, EXPIRES]), &order(None)).await;
    assert_eq!(ids(&findings), [&WELL[..10], &["warning mailbox-not-named", "deliveries"]].concat(), "{findings:#?}");
    assert!(scene.microsoft.calls().await.is_empty(), "no mailbox was opened");
}

#[tokio::test]
async fn more_rights_than_are_needed_are_named() {
    let roles = json!(["Calendars.ReadWrite", "Mail.ReadWrite", "Directory.Read.All"]);
    let scene = scene(&json!({"roles": roles})).await;
    let findings = examine(&scene.doctor(&[SECRET, EXPIRES]), &order(Some(AMY))).await;
    let found = one(&findings, "more-than-needed");
    assert_eq!(found.seen, "The token also names Mail.ReadWrite, Directory.Read.All.");
}

#[tokio::test]
async fn a_right_to_read_only_is_named_for_what_it_is_and_not_advised_away() {
    let scene = scene(&json!({"roles": ["Calendars.Read", "Mail.Read"]})).await;
    let findings = examine(&scene.doctor(&[SECRET, EXPIRES]), &order(Some(AMY))).await;
    let ids = ids(&findings);
    assert!(ids.contains(&"warning rights-read-only".into()), "{ids:?}");
    assert_eq!(one(&findings, "more-than-needed").seen, "The token also names Mail.Read.");
}

#[tokio::test]
async fn a_mailbox_that_stays_closed_proves_nothing_while_none_opens() {
    let scene = scene(&json!({"roles": []})).await;
    let outside = Order { outside_mailbox: Some(BEN.into()), ..order(None) };
    let findings = examine(&scene.doctor(&[SECRET, EXPIRES]), &outside).await;
    assert!(ids(&findings).contains(&"warning scope-unproven".into()), "{findings:#?}");
    let same = Order { outside_mailbox: Some("Amy.Chan@contoso.com ".into()), ..order(Some(AMY)) };
    let problems = same.check(&["default"]).unwrap_err().into_vec();
    assert_eq!(problems.iter().map(|problem| problem.field.as_str()).collect::<Vec<_>>(), ["outside_mailbox"]);
}

#[tokio::test]
async fn what_is_left_over_from_ews_is_found_and_how_to_remove_it() {
    let scene = scene(&json!({"roles": ["Calendars.ReadWrite"]})).await;
    let exchange = json!({
        "directory_id": Simulator::DIRECTORY_ID, "client_id": "00000002-0000-0ff1-ce00-000000000000",
        "identifier_uri": "https://outlook.office365.com", "assignments": {Simulator::CLIENT_ID: ["full_access_as_app"]},
    });
    scene.microsoft.settings(json!({"apis": [exchange]})).await;
    let findings = examine(&scene.doctor(&[SECRET, EXPIRES]), &thorough()).await;
    let found = one(&findings, "ews-leftover");
    assert_eq!(found.seen, "The app has full_access_as_app at Exchange Online.");
    assert!(found.meaning.contains("2027-04-01") && found.next.contains("Revoke admin consent"), "{found:?}");
    assert!(ids(&findings).contains(&"warning ews-leftover".into()) && ids(&findings).contains(&"write-test".into()));
    // Where Entra gives no token for Exchange, nothing is said to be gone.
    scene.microsoft.settings(json!({"apis": []})).await;
    let findings = examine(&scene.doctor(&[SECRET, EXPIRES]), &thorough()).await;
    let of_ews: Vec<_> = ids(&findings).into_iter().filter(|id| id.contains("ews")).collect();
    assert_eq!(of_ews, ["warning ews-unknown"]);
}

#[tokio::test]
async fn a_secret_id_in_the_place_of_the_value_is_recognised() {
    let scene = scene(&json!({})).await;
    let pasted = "5d7a1f00-3c2b-4e1d-9a8f-0b1c2d3e4f50";
    let problems = config::load(None, &scene.configuration(&[("CLIENT_SECRET", pasted)], &[])).unwrap_err();
    assert_eq!(ids(&of_configuration(&problems)), ["ERROR secret-id-pasted"]);
    // Into the file, while the service runs.
    let file = scene.file("secret", SECRET.1);
    let doctor = scene.doctor(&[("CLIENT_SECRET_FILE", &file), EXPIRES]);
    scene.file("secret", pasted);
    let findings = examine(&doctor, &thorough()).await;
    insta::assert_snapshot!(told(&findings));
    assert!(!format!("{findings:?}").contains(pasted), "what is pasted is never repeated");
    let findings = examine(&scene.doctor(&[("CLIENT_SECRET", "wrong~value"), EXPIRES]), &thorough()).await;
    assert!(ids(&findings).contains(&"ERROR secret-wrong".into()), "{findings:?}");
    assert!(!format!("{findings:?}").contains("wrong~value"));
}

#[tokio::test]
async fn while_rotating_both_secrets_are_tried() {
    let scene = scene(&json!({})).await;
    for (secrets, said) in [
        ([SECRET.1, SECRET.1], "next-secret"),
        ([SECRET.1, "wrong~value"], "warning next-secret-refused"),
        (["wrong~value", SECRET.1], "warning rotation-unfinished"),
        (["wrong~value", "wrong~too"], "ERROR secret-wrong"),
    ] {
        let keys = [("CLIENT_SECRET", secrets[0]), ("NEXT_CLIENT_SECRET", secrets[1]), EXPIRES];
        let findings = examine(&scene.doctor(&keys), &order(None)).await;
        assert!(ids(&findings).contains(&said.to_owned()), "{secrets:?}: {findings:?}");
    }
}

#[tokio::test]
async fn the_end_of_a_credential_is_told_ahead() {
    let scene = scene(&json!({})).await;
    for (date, said) in [
        ("2027-11-22", "expiry"),
        ("2026-12-23", "expiry"),
        ("2026-12-22", "warning expires-soon"),
        ("2026-11-22", "warning expires-soon"),
        // It works all the same: the date is not right.
        ("2026-11-21", "warning expiry-outdated"),
    ] {
        let findings = examine(&scene.doctor(&[SECRET, ("SECRET_EXPIRES", date)]), &order(None)).await;
        assert!(ids(&findings).contains(&said.to_owned()), "{date}: {findings:?}");
    }
    let findings = examine(&scene.doctor(&[SECRET]), &order(None)).await;
    assert!(ids(&findings).contains(&"warning expiry-unknown".into()), "{findings:?}");
    let refused = [("CLIENT_SECRET", "another~secret"), ("SECRET_EXPIRES", "2026-11-21")];
    let findings = examine(&scene.doctor(&refused), &order(None)).await;
    assert!(ids(&findings).contains(&"ERROR expired".into()), "{findings:?}");

    let certified = Certified::until(2026, 12, 1);
    scene.microsoft.settings(json!({"apps": [app(&json!({"certificates": [certified.public]}))]})).await;
    let file = scene.file("app.pem", &certified.file());
    let keys = [("CREDENTIAL", "certificate"), ("CERTIFICATE_FILE", file.as_str())];
    let findings = examine(&scene.doctor(&keys), &order(Some(AMY))).await;
    let found = one(&findings, "expires-soon");
    assert_eq!(found.seen, "The certificate is good until 2026-12-01 (9 days).");
    assert!(ids(&findings).contains(&"mailbox".into()), "{findings:?}");
}

#[tokio::test]
async fn clocks_that_differ_are_told() {
    for (ahead, said) in [
        (SignedDuration::from_secs(20), "clock"),
        (SignedDuration::from_secs(-45), "warning clock-wrong"),
        (SignedDuration::from_mins(6), "ERROR clock-wrong"),
    ] {
        let scene = Scene::off_by(ahead).await;
        let findings = examine(&scene.doctor(&[]), &order(None)).await;
        assert!(ids(&findings).contains(&said.to_owned()), "{ahead}: {findings:?}");
    }
}

#[tokio::test]
async fn a_time_zone_that_can_be_read_is_told() {
    let scene = scene(&json!({"roles": ["Calendars.ReadWrite", "MailboxSettings.Read"]})).await;
    let findings = examine(&scene.doctor(&[SECRET, EXPIRES]), &order(Some(AMY))).await;
    let said = "The mailbox's time zone and hours can be read and count before the policy's: China Standard Time.";
    assert_eq!(one(&findings, "time-zone").seen, said);
}

#[tokio::test]
async fn where_automatic_replies_are_wanted_their_permission_is_looked_at() {
    let on = [SECRET, EXPIRES, ("POLICY__AUTOMATIC_REPLIES__ENABLED", "true")];
    let (calendars, read, write) = ("Calendars.ReadWrite", "MailboxSettings.Read", "MailboxSettings.ReadWrite");
    for (by_entra, by_exchange, said) in [
        (vec![calendars, write], vec![], "replies"),
        (vec![calendars, read], vec![], "warning replies-read-only"),
        (vec![calendars], vec![], "ERROR replies-denied"),
        (vec![], vec![calendars, write], "replies"),
        (vec![], vec![calendars], "ERROR replies-denied"),
    ] {
        let scene = scene(&json!({"roles": by_entra, "exchange_roles": by_exchange})).await;
        let found = ids(&examine(&scene.doctor(&on), &thorough()).await);
        assert!(found.contains(&said.to_owned()), "{by_entra:?} {by_exchange:?}: {found:?}");
        assert_eq!(found.iter().filter(|id| id.contains("replies")).count(), 1, "{found:?}");
        let requests = scene.microsoft.settings_reads().await;
        assert!(requests.iter().all(|request| request.starts_with("GET ")), "nothing is written: {requests:?}");
    }
    // Where nobody wants them, nobody is asked to grant anything.
    let scene = scene(&json!({"roles": [calendars]})).await;
    let found = ids(&examine(&scene.doctor(&on[..2]), &thorough()).await);
    assert!(!found.iter().any(|id| id.contains("replies")), "{found:?}");
}
