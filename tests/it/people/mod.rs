//! Whose calendar it is: addresses that pass on to somebody else, and several names of one mailbox.

mod addresses;
mod merging;

use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};

use super::support::{TestApp, until, updated};

/// After that long the directory is asked about an address again.
const DAY_AND_MORE: SignedDuration = SignedDuration::from_hours(25);

/// Changes what Microsoft knows of a person, and gives it as it is then.
async fn change(app: &TestApp, address: &str, change: Value) -> Value {
    app.microsoft.control(Method::PATCH, &format!("users/{address}"), Some(&change)).await
}

async fn id_of(app: &TestApp, address: &str) -> String {
    change(app, address, json!({})).await["id"].as_str().unwrap().to_owned()
}

/// A change of a leave, `minutes` after its first webhook, that is of the person of that address.
fn of(id: &str, minutes: i64, address: &str) -> Value {
    updated(id, minutes, &json!({"staff": {"email": address}}))
}

/// Takes a webhook through to the end; gives the state of each mapping.
async fn delivers(app: &TestApp, body: &Value) -> Vec<String> {
    let answer = app.deliver("ess", body).await;
    let mappings = answer.body["leave"]["mappings"].as_array().unwrap_or_else(|| panic!("{answer:?}"));
    let mut states: Vec<String> = mappings.iter().map(|one| one["state"].as_str().unwrap().to_owned()).collect();
    states.sort();
    states
}

/// How many events each of these people have.
async fn events<const N: usize>(app: &TestApp, addresses: [&str; N]) -> [usize; N] {
    let mut counts = [0; N];
    for (count, address) in counts.iter_mut().zip(addresses) {
        *count = app.microsoft.events(address).await.len();
    }
    counts
}

/// Waits until that is true of the database. Where nothing happens any more, because a lease has to end first, time passes.
async fn comes_true(app: &TestApp, what: &str, holds: &str) {
    let (mut requests, mut looks) = (Value::Null, 0);
    let sql = format!("SELECT ({holds})::int::bigint");
    until(what, async || {
        let seen = app.microsoft.score().await["requests"].clone();
        looks = if seen == requests { looks + 1 } else { 0 };
        requests = seen;
        if looks == 40 {
            looks = 0;
            app.advance(SignedDuration::from_secs(5)).await;
        }
        app.database.number(&sql).await == 1
    })
    .await;
}

/// For [`comes_true`]: so many mappings are wanted and in Outlook, and nothing is left to do.
fn synced(count: usize) -> String {
    format!(
        "(SELECT count(*) FROM items WHERE kind = 'event' AND wanted AND state = 'synced') = {count}
         AND NOT EXISTS (SELECT FROM items WHERE state IN ('pending', 'waiting'))
         AND NOT EXISTS (SELECT FROM mailboxes WHERE lease_until > leavebridge_now())"
    )
}

/// How many mailboxes there are, one that goes by several names counted once.
async fn mailboxes(app: &TestApp) -> i64 {
    app.database.number("SELECT count(*) FROM mailboxes WHERE merged_into IS NULL").await
}
