//! People: whose mailbox opens, how they are found, what is shown of them.

use reqwest::Method;
use serde_json::{Value, json};

use super::stage::{AMY, Stage, events, finish, leave};

#[tokio::test]
async fn the_kind_of_user_decides_whether_there_is_a_mailbox() {
    let stage = Stage::new().await;
    let inactive = "The mailbox is either inactive, soft-deleted, or is hosted on-premise.";
    for (kind, status, code, message) in [
        ("guest", 404, "MailboxNotEnabledForRESTAPI", "REST API is not yet supported for this mailbox."),
        ("unlicensed", 404, "MailboxNotEnabledForRESTAPI", inactive),
        ("on-premises", 404, "MailboxNotEnabledForRESTAPI", inactive),
        ("disabled", 201, "", ""),
        ("shared", 201, "", ""),
        ("normal", 201, "", ""),
    ] {
        let address = format!("{kind}@contoso.com");
        stage.person(json!({"address": address, "kind": kind})).await;
        let answer = stage.post(&events(&address), &leave()).await;
        assert_eq!((answer.status, answer.code(), answer.message()), (status, code, message), "{kind}");
    }
    let nobody = stage.post(&events("nobody@contoso.com"), &leave()).await;
    assert_eq!(nobody.refusal(), (404, "ErrorInvalidUser"));
    assert_eq!(nobody.message(), "The requested user 'nobody@contoso.com' is invalid.");
}

#[tokio::test]
async fn a_mailbox_outside_the_scope_is_denied_until_it_comes_in() {
    let stage = Stage::new().await;
    stage.control(Method::PATCH, &format!("/users/{AMY}"), json!({"in_scope": false})).await;
    let denied = stage.get(&events(AMY)).await;
    assert_eq!(denied.refusal(), (403, "ErrorAccessDenied"));
    assert_eq!(denied.message(), "Access is denied. Check credentials and try again.");
    stage.control(Method::PATCH, &format!("/users/{AMY}"), json!({"in_scope": true})).await;
    assert_eq!(stage.get(&events(AMY)).await.status, 200);
}

#[tokio::test]
async fn a_user_is_found_by_id_name_and_address_in_any_case() {
    let stage = Stage::new().await;
    let guest = stage.person(json!({"address": "bob@fabrikam.com", "user_principal_name": "bob_fabrikam.com#EXT#@contoso.com", "kind": "guest"})).await;
    let id = guest["id"].as_str().unwrap();
    for key in [id, "BOB@fabrikam.com", "bob_fabrikam.com%23EXT%23@contoso.com"] {
        assert_eq!(stage.get(&format!("/users/{key}")).await.body["id"], id, "{key}");
    }
    let missing = stage.get("/users/x@y.z").await;
    assert_eq!(missing.refusal(), (404, "Request_ResourceNotFound"));
    assert!(missing.message().starts_with("Resource 'x@y.z' does not exist"));
}

#[tokio::test]
async fn a_user_shows_the_default_properties_unless_others_are_selected() {
    let stage = Stage::new().await;
    let plain = stage.get(&format!("/users/{AMY}")).await.body;
    assert_eq!((&plain["displayName"], &plain["mail"]), (&json!("Amy Chan"), &json!(AMY)));
    assert_eq!(plain.get("employeeId"), None);
    let select = "$select=id,employeeId,accountEnabled,userType,proxyAddresses";
    let selected = stage.get(&format!("/users/{AMY}?{select}")).await.body;
    assert_eq!(selected["employeeId"], "10042");
    assert_eq!(selected["accountEnabled"], true);
    assert_eq!(selected["userType"], "Member");
    assert_eq!(selected["proxyAddresses"], json!([format!("SMTP:{AMY}")]));
    assert_eq!(selected.get("mail"), None);
    stage.person(json!({"address": "room@contoso.com", "kind": "shared"})).await;
    assert_eq!(stage.get(&format!("/users/room@contoso.com?{select}")).await.body["accountEnabled"], false);
    assert_eq!(stage.get(&format!("/users/{AMY}?$select=salary")).await.status, 400);
}

#[tokio::test]
async fn users_are_listed_and_found_by_filter() {
    let stage = Stage::new().await;
    for number in 0..5 {
        stage.person(json!({"address": format!("p{number}@contoso.com"), "employee_id": "7"})).await;
    }
    let find = async |filter: &str| finish(stage.request(Method::GET, "/users").query(&[("$filter", filter)])).await;
    for (filter, count) in [
        ("mail eq 'AMY.chan@contoso.com'", 1),
        ("employeeId eq '7'", 5),
        ("employeeId eq '8'", 0),
        ("userPrincipalName eq 'p1@contoso.com'", 1),
        ("proxyAddresses/any(p:p eq 'smtp:p2@contoso.com')", 1),
    ] {
        assert_eq!(find(filter).await.body["value"].as_array().unwrap().len(), count, "{filter}");
    }
    assert_eq!(find("department eq 'x'").await.refusal(), (400, "Request_UnsupportedQuery"));
    assert_eq!(stage.get("/users").await.body["value"].as_array().unwrap().len(), 6);
    let page = stage.get("/users?$top=4").await.body;
    let rest = stage.get(page["@odata.nextLink"].as_str().unwrap()).await.body;
    assert_eq!(rest["value"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_renamed_person_keeps_mailbox_and_id() {
    let stage = Stage::new().await;
    let id = stage.leave(&leave()).await;
    let renamed =
        stage.control(Method::PATCH, &format!("/users/{AMY}"), json!({"address": "amy.li@contoso.com"})).await;
    assert_eq!(stage.get(&events(AMY)).await.refusal(), (404, "ErrorInvalidUser"));
    for key in [renamed["id"].as_str().unwrap(), "amy.li@contoso.com"] {
        assert_eq!(stage.get(&events(key)).await.body["value"][0]["id"], id.as_str());
    }
    stage.person(json!({"address": AMY})).await;
    let taken = stage.try_control(Method::PATCH, "/users/amy.li@contoso.com", json!({"address": AMY})).await;
    assert_eq!(taken.status, 409);
}

#[tokio::test]
async fn a_full_mailbox_takes_nothing_more() {
    let stage = Stage::new().await;
    stage.settings(json!({"mailbox_quota_events": 1})).await;
    stage.leave(&leave()).await;
    assert_eq!(stage.post(&events(AMY), &leave()).await.refusal(), (403, "ErrorQuotaExceeded"));
    stage.settings(json!({"quota_status": 507})).await;
    assert_eq!(stage.post(&events(AMY), &leave()).await.refusal(), (507, "ErrorQuotaExceeded"));
}

#[tokio::test]
async fn what_graph_does_not_have_is_refused() {
    let stage = Stage::new().await;
    assert_eq!(stage.get("/me/events").await.refusal(), (400, "BadRequest"));
    assert_eq!(stage.get(&format!("/users/{AMY}/messages")).await.refusal(), (400, "BadRequest"));
    assert_eq!(stage.patch(&events(AMY), &json!({})).await.status, 405);
    assert_eq!(
        finish(stage.request(Method::GET, &format!("{}/elsewhere", stage.base))).await.body,
        Value::String(String::new())
    );
}
