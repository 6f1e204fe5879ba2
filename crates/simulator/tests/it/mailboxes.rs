//! People: whose mailbox opens, how they are found, what is shown of them.

use leavebridge_simulator::Simulator;
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
        ("renamed", 201, "", ""),
    ] {
        let address = format!("{kind}@contoso.com");
        let aliases = json!([format!("{kind}.before@contoso.com")]);
        stage.person(json!({"address": address, "kind": kind, "aliases": aliases})).await;
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
    for key in [id, &id.to_uppercase(), "BOB_fabrikam.com%23ext%23@contoso.com"] {
        assert_eq!(stage.get(&format!("/users/{key}")).await.body["id"], id, "{key}");
    }
    // An address that is not the sign-in name is no key of a user, but opens the mailbox.
    for key in ["x@y.z", "bob@fabrikam.com"] {
        let missing = stage.get(&format!("/users/{key}")).await;
        assert_eq!(missing.refusal(), (404, "Request_ResourceNotFound"));
        assert!(missing.message().starts_with(&format!("Resource '{key}' does not exist")));
    }
    stage.control(Method::PATCH, &format!("/users/{id}"), json!({"kind": "normal"})).await;
    assert_eq!(stage.get(&events("BOB@fabrikam.com")).await.status, 200);
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
    // Whoever is given the address next has it alone.
    stage.person(json!({"address": AMY})).await;
    assert_eq!(
        stage.get("/users/amy.li@contoso.com?$select=proxyAddresses").await.body["proxyAddresses"],
        json!(["SMTP:amy.li@contoso.com"])
    );
    let taken = stage.try_control(Method::PATCH, "/users/amy.li@contoso.com", json!({"address": AMY})).await;
    assert_eq!(taken.status, 409);
}

/// What the directory finds by that filter.
async fn found(stage: &Stage, filter: &str) -> Vec<Value> {
    let answer = finish(stage.request(Method::GET, "/users").query(&[("$filter", filter)])).await;
    answer.body["value"].as_array().unwrap_or_else(|| panic!("{filter}: {}", answer.body)).clone()
}

#[tokio::test]
async fn a_former_address_is_an_alias_that_only_a_filter_finds() {
    let old = "amy.chan@contoso.com";
    let new = "amy.li@contoso.com";
    let stage = Stage::new().await;
    let id = stage.get(&format!("/users/{old}")).await.body["id"].clone();
    let event = stage.leave(&leave()).await;
    stage.control(Method::PATCH, &format!("/users/{old}"), json!({"kind": "renamed", "address": new})).await;

    assert_eq!(stage.get(&format!("/users/{old}")).await.refusal(), (404, "Request_ResourceNotFound"));
    assert_eq!(stage.get(&events(old)).await.refusal(), (404, "ErrorInvalidUser"));
    assert_eq!(stage.get(&events(new)).await.body["value"][0]["id"], event.as_str());
    let by_alias = "proxyAddresses/any(p:p eq 'smtp:Amy.Chan@contoso.com')";
    for (filter, count) in [
        (by_alias.to_owned(), 1),
        (format!("proxyAddresses/any(p:p eq 'smtp:{new}')"), 1),
        (format!("mail eq '{old}'"), 0),
        (format!("mail eq '{new}'"), 1),
        (format!("userPrincipalName eq '{old}'"), 0),
        (format!("userPrincipalName eq '{new}'"), 1),
        ("employeeId eq '10042'".to_owned(), 1),
    ] {
        let found = found(&stage, &filter).await;
        assert_eq!(found.len(), count, "{filter}");
        assert!(found.iter().all(|user| user["id"] == id && user["mail"] == new), "{filter}: {found:?}");
        assert!(found.iter().all(|user| user.get("proxyAddresses").is_none()), "{filter}: {found:?}");
    }
    let shown = stage.get(&format!("/users/{new}?$select=proxyAddresses")).await.body;
    assert_eq!(shown["proxyAddresses"], json!([format!("SMTP:{new}"), format!("smtp:{old}")]));

    // Back again, the alias is the other one.
    stage.control(Method::PATCH, &format!("/users/{new}"), json!({"address": old})).await;
    let shown = stage.get(&format!("/users/{old}?$select=id,proxyAddresses")).await.body;
    assert_eq!(shown["proxyAddresses"], json!([format!("SMTP:{old}"), format!("smtp:{new}")]));
    assert_eq!(shown["id"], id);
}

#[tokio::test]
async fn a_renamed_person_needs_both_addresses_and_an_alias_belongs_to_one() {
    let stage = Stage::new().await;
    let new = "ben@contoso.com";
    let renamed = json!({"address": new, "kind": "renamed", "aliases": ["ben.old@contoso.com"]});
    for (method, path, body, status) in [
        (Method::POST, "/users".to_owned(), json!({"address": new, "kind": "renamed"}), 400),
        (Method::PATCH, format!("/users/{AMY}"), json!({"kind": "renamed"}), 400),
        (Method::PATCH, format!("/users/{AMY}"), json!({"aliases": ["no address"]}), 400),
        (Method::POST, "/users".to_owned(), renamed, 201),
        (Method::PATCH, format!("/users/{AMY}"), json!({"aliases": ["Ben.Old@contoso.com"]}), 409),
        (Method::PATCH, format!("/users/{AMY}"), json!({"aliases": [new]}), 409),
        (Method::PATCH, format!("/users/{AMY}"), json!({"aliases": ["a.chan@contoso.com"]}), 200),
    ] {
        let answer = stage.try_control(method, &path, body.clone()).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.body);
    }
    assert_eq!(stage.post(&events(new), &leave()).await.status, 201);
    assert_eq!(stage.post(&events("ben.old@contoso.com"), &leave()).await.refusal(), (404, "ErrorInvalidUser"));
}

#[tokio::test]
async fn who_is_deleted_and_made_anew_has_another_id_and_an_empty_mailbox() {
    let stage = Stage::new().await;
    let id = stage.get(&format!("/users/{AMY}")).await.body["id"].as_str().unwrap().to_owned();
    let ben = stage.person(json!({"address": "ben@contoso.com"})).await;
    stage.leave(&leave()).await;
    stage.control(Method::DELETE, &format!("/users/{AMY}"), Value::Null).await;
    assert_eq!(stage.get(&events(&id)).await.refusal(), (404, "ErrorInvalidUser"));
    assert_eq!(stage.get(&format!("/users/{AMY}")).await.refusal(), (404, "Request_ResourceNotFound"));
    assert_eq!(stage.try_control(Method::DELETE, &format!("/users/{AMY}"), Value::Null).await.status, 404);
    let anew = stage.person(json!({"address": AMY, "employee_id": "10042"})).await;
    assert_ne!(anew["id"], id.as_str());
    assert_eq!(stage.get(&events(AMY)).await.body["value"], json!([]));
    assert_eq!(found(&stage, "employeeId eq '10042'").await[0]["id"], anew["id"]);
    assert_eq!(stage.get(&format!("/users/{}", ben["id"].as_str().unwrap())).await.body["mail"], "ben@contoso.com");
}

#[tokio::test]
async fn roles_decide_what_the_directory_tells_and_nothing_about_mailboxes() {
    let mut stage = Stage::new().await;
    let one = format!("/users/{AMY}");
    let by_mail = format!("/users?$filter=mail eq '{AMY}'");
    let by_proxy = format!("/users?$filter=proxyAddresses/any(p:p eq 'smtp:{AMY}')");
    let by_number = "/users?$filter=employeeId eq '10042'".to_owned();
    let more = format!("/users/{AMY}?$select=id,proxyAddresses");
    let all = [&one, &by_mail, &by_proxy, &by_number, &more];
    for (roles, told) in [
        (json!(["Calendars.ReadWrite", "User.Read.All"]), [200, 200, 200, 200, 200]),
        (json!(["Calendars.ReadWrite", "User.ReadBasic.All"]), [200, 200, 403, 403, 403]),
        (json!(["Calendars.ReadWrite"]), [403, 403, 403, 403, 403]),
    ] {
        stage
            .settings(json!({"apps": [{
                "directory_id": Simulator::DIRECTORY_ID, "client_id": Simulator::CLIENT_ID,
                "secrets": [{"value": Simulator::CLIENT_SECRET}], "roles": roles,
            }]}))
            .await;
        stage.renew_token().await;
        for (path, status) in all.iter().zip(told) {
            let answer = stage.get(path).await;
            let code = if status == 403 { "Authorization_RequestDenied" } else { "" };
            assert_eq!(answer.refusal(), (status, code), "{roles} {path}");
        }
        assert_eq!(stage.get(&events(AMY)).await.status, 200, "{roles}");
    }
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
