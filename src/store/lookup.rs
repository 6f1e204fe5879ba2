//! What is stored about a batch of changes: read in one statement, without locks, with new row numbers, used or not, for what may
//! be missing.

use std::collections::HashMap;

use jiff::Timestamp;
use sqlx::PgConnection;

use super::error::StoreError;
use crate::{
    domain::leave::Status,
    reconcile::{
        change::{Change, StoredLeave},
        item::Item,
        place::Holder,
    },
};

/// What is stored about a batch.
pub(super) struct Lookup {
    /// The database's time.
    pub(super) now: Timestamp,
    /// As many as there are changes, in the same order.
    pub(super) changes: Vec<Found>,
}

/// What is stored about one change.
pub(super) struct Found {
    /// That delivery, seen before.
    pub(super) delivery: Option<SeenDelivery>,
    /// The leave. Its items are loaded later, behind its lock.
    pub(super) stored: Option<StoredLeave>,
    pub(super) items: Vec<Item>,
    /// Who holds the address of the leave's own target.
    pub(super) by_address: Option<Holder>,
    /// Whose the given object id is.
    pub(super) by_id: Option<Holder>,
    /// Something holds up that mailbox or the tenant.
    pub(super) is_held_up: bool,
    /// For a leave that is not stored yet.
    pub(super) spare_leave: i64,
    /// For a mailbox that is not entered yet.
    pub(super) spare_mailbox: i64,
}

/// A delivery that was seen before.
pub(super) struct SeenDelivery {
    pub(super) hash: Vec<u8>,
    pub(super) rule: i16,
    pub(super) leave: i64,
}

/// Reads what is stored about these changes.
pub(super) async fn look_up(connection: &mut PgConnection, changes: &[Change]) -> Result<Lookup, StoreError> {
    let clients: Vec<&str> = changes.iter().map(|change| change.client.as_str()).collect();
    let deliveries: Vec<Option<&str>> =
        changes.iter().map(|change| change.delivery.as_ref().map(|(id, _)| id.as_str())).collect();
    let tenants: Vec<&str> = changes.iter().map(|change| change.tenant.as_str()).collect();
    let sources: Vec<&str> = changes.iter().map(|change| change.source.as_str()).collect();
    let ids: Vec<&str> = changes.iter().map(|change| change.id.as_str()).collect();
    let addresses: Vec<Option<&str>> =
        changes.iter().map(|change| change.targets.first().map(|target| target.address.as_str())).collect();
    let entra_id = |change: &'_ Change| change.leave.as_ref().and_then(|leave| leave.staff.entra_id.clone());
    let entra_ids: Vec<Option<String>> = changes.iter().map(entra_id).collect();
    let rows = sqlx::query!(
        r#"SELECT leavebridge_now() AS "now!: jiff_sqlx::Timestamp", d.hash AS "hash?", d.rule AS "rule?", d.leave AS "seen?",
                  l.id AS "row?", l.status AS "status?", l.rev AS "rev?",
                  b.id AS "by_address?", b.entra_id AS "held_by?", a.asked_at AS "asked_at?: jiff_sqlx::Timestamp",
                  b.settings_at AS "settings_at?: jiff_sqlx::Timestamp",
                  p.id AS "by_id?", p.settings_at AS "settings_by_id_at?: jiff_sqlx::Timestamp",
                  coalesce(greatest(t.blocked_until, b.blocked_until, b.throttled_until, p.blocked_until, p.throttled_until)
                           > leavebridge_now(), false) AS "is_held_up!",
                  nextval('leaves_id_seq') AS "spare_leave!", nextval('mailboxes_id_seq') AS "spare_mailbox!"
           FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[]) WITH ORDINALITY
               AS c (client, delivery_id, tenant, source, external_id, address, entra_id, n)
           LEFT JOIN deliveries d ON d.client = c.client AND d.delivery_id = c.delivery_id
           LEFT JOIN leaves l ON l.tenant = c.tenant AND l.source = c.source AND l.external_id = c.external_id
           LEFT JOIN addresses a ON a.tenant = c.tenant AND a.address = c.address
           LEFT JOIN mailboxes b ON b.id = a.mailbox
           LEFT JOIN mailboxes p ON p.tenant = c.tenant AND p.entra_id = c.entra_id AND p.entra_id IS NOT NULL AND p.merged_into IS NULL
           LEFT JOIN tenants t ON t.tenant = c.tenant
           ORDER BY c.n"#,
        &clients as _,
        &deliveries as _,
        &tenants as _,
        &sources as _,
        &ids as _,
        &addresses as _,
        &entra_ids as _
    )
    .fetch_all(connection)
    .await?;
    let now = rows.first().map_or(Timestamp::UNIX_EPOCH, |row| row.now.to_jiff());
    let mut found = Vec::with_capacity(rows.len());
    for (row, change) in rows.into_iter().zip(changes) {
        let delivery =
            row.hash.zip(row.rule).zip(row.seen).map(|((hash, rule), leave)| SeenDelivery { hash, rule, leave });
        // Only its row counts here: the rest is read anew behind its lock.
        let stored = row.row.zip(row.status.as_deref().and_then(Status::of)).map(|(row_id, status)| StoredLeave {
            row: row_id,
            status,
            content: None,
            source_at: change.at,
            rev: row.rev.unwrap_or(1),
        });
        let instant = |at: Option<jiff_sqlx::Timestamp>| at.map(jiff_sqlx::Timestamp::to_jiff);
        let (asked_at, settings_at) = (instant(row.asked_at), instant(row.settings_at));
        let by_address =
            row.by_address.map(|mailbox| Holder { mailbox, entra_id: row.held_by.clone(), asked_at, settings_at });
        let entra_id = change.leave.as_ref().and_then(|leave| leave.staff.entra_id.clone());
        let settings_at = instant(row.settings_by_id_at);
        let by_id = row.by_id.map(|mailbox| Holder { mailbox, entra_id, asked_at: None, settings_at });
        found.push(Found {
            delivery,
            stored,
            items: Vec::new(),
            by_address,
            by_id,
            is_held_up: row.is_held_up,
            spare_leave: row.spare_leave,
            spare_mailbox: row.spare_mailbox,
        });
    }
    Ok(Lookup { now, changes: found })
}

/// Who holds the addresses of the teams' calendars, with a new row number where no mailbox does; by tenant and address.
pub(super) async fn team_holders(
    connection: &mut PgConnection,
    changes: &[Change],
) -> Result<HashMap<(String, String), (Option<Holder>, i64)>, StoreError> {
    let mut wanted: Vec<(String, String)> = changes
        .iter()
        .flat_map(|change| change.targets.iter().skip(1).map(|target| (change.tenant.clone(), target.address.clone())))
        .collect();
    wanted.sort();
    wanted.dedup();
    holders(connection, &wanted).await
}

/// Who holds these addresses, with a new row number where no mailbox does.
pub(super) async fn holders(
    connection: &mut PgConnection,
    wanted: &[(String, String)],
) -> Result<HashMap<(String, String), (Option<Holder>, i64)>, StoreError> {
    if wanted.is_empty() {
        return Ok(HashMap::new());
    }
    let (tenants, addresses): (Vec<String>, Vec<String>) = wanted.iter().cloned().unzip();
    let rows = sqlx::query!(
        r#"SELECT c.tenant AS "tenant!", c.address AS "address!", b.id AS "mailbox?", b.entra_id AS "entra_id?",
                  a.asked_at AS "asked_at?: jiff_sqlx::Timestamp", b.settings_at AS "settings_at?: jiff_sqlx::Timestamp",
                  nextval('mailboxes_id_seq') AS "spare!"
           FROM unnest($1::text[], $2::text[]) AS c (tenant, address)
           LEFT JOIN addresses a ON a.tenant = c.tenant AND a.address = c.address
           LEFT JOIN mailboxes b ON b.id = a.mailbox"#,
        &tenants,
        &addresses
    )
    .fetch_all(connection)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let instant = |at: Option<jiff_sqlx::Timestamp>| at.map(jiff_sqlx::Timestamp::to_jiff);
            let (asked_at, settings_at) = (instant(row.asked_at), instant(row.settings_at));
            let entra_id = row.entra_id;
            let holder = row.mailbox.map(|mailbox| Holder { mailbox, entra_id, asked_at, settings_at });
            ((row.tenant, row.address), (holder, row.spare))
        })
        .collect())
}
