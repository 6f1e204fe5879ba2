//! Keeps what the directory said of an address: whose mailbox it is, or that it has passed on to somebody else.
//!
//! It must never lose an item on the way from one mailbox to another: all of it is one transaction under both rows' locks.

use sqlx::PgConnection;

use super::{
    database::Store,
    error::StoreError,
    leases::Lease,
    merge::{lock, merge, move_items},
    rows::{self, item_rows},
};
use crate::reconcile::{
    identity::{Identity, bring_along, split},
    item::Item,
    merge::Side,
};

/// How often what another replica has just written makes it be decided again.
const MOST_TRIES: u32 = 5;

/// What became of the mailbox that was being worked on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identified {
    /// It is still the one; its owner is known by that id.
    Here(Option<String>),
    /// The lease is no longer what it was: leave it, what is due is claimed anew.
    Moved,
}

impl Store {
    /// Keeps it. The lease must have no call under way.
    ///
    /// # Errors
    /// When the database does not answer; the directory is asked again then.
    pub async fn identified(&self, held: &Lease, address: &str, identity: &Identity) -> Result<Identified, StoreError> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.place(held, address, identity).await {
                // Another replica has just entered the same person: now it is seen.
                Err(error) if error.is_lost_race() && tries < MOST_TRIES => {}
                placed => return placed,
            }
        }
    }

    /// The name under which this mailbox was entered is another mailbox's: they are one.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn join(&self, held: &Lease, other: i64) -> Result<Identified, StoreError> {
        let mut transaction = self.begin().await?;
        let placed = if merge(&mut transaction, held.mailbox, other, Some(held)).await? {
            Identified::Moved
        } else {
            Identified::Here(held.entra_id.clone())
        };
        transaction.commit().await?;
        Ok(placed)
    }
}

impl Store {
    async fn place(&self, held: &Lease, address: &str, identity: &Identity) -> Result<Identified, StoreError> {
        let mut transaction = self.begin().await?;
        let placed = match identity {
            Identity::Here(id) => here(&mut transaction, held, address, id.as_deref()).await?,
            Identity::Elsewhere(id) => elsewhere(&mut transaction, held, address, id).await?,
        };
        transaction.commit().await?;
        Ok(placed)
    }
}

async fn here(
    connection: &mut PgConnection,
    held: &Lease,
    address: &str,
    id: Option<&str>,
) -> Result<Identified, StoreError> {
    let other = match id {
        Some(id) => of_person(connection, &held.tenant, id).await?,
        None => None,
    };
    if let Some(other) = other.filter(|other| *other != held.mailbox) {
        if !merge(&mut *connection, held.mailbox, other, Some(held)).await? {
            return Ok(Identified::Moved);
        }
        let survivor = held.mailbox.min(other);
        set_id(connection, survivor, id).await?;
        note(connection, &held.tenant, address, survivor).await?;
        return Ok(Identified::Moved);
    }
    let kept = sqlx::query!(
        "UPDATE mailboxes SET entra_id = coalesce($3, entra_id), identify = false
         WHERE id = $1 AND lease_epoch = $2 AND lease_until IS NOT NULL",
        held.mailbox,
        held.epoch,
        id
    )
    .execute(&mut *connection)
    .await?;
    if kept.rows_affected() == 0 {
        return Ok(Identified::Here(id.map(str::to_owned)));
    }
    note(connection, &held.tenant, address, held.mailbox).await?;
    Ok(Identified::Here(id.map(str::to_owned)))
}

/// The address has passed on to somebody else: what was placed here by it and has not been written yet goes there.
async fn elsewhere(
    connection: &mut PgConnection,
    held: &Lease,
    address: &str,
    id: &str,
) -> Result<Identified, StoreError> {
    let there =
        match of_person(connection, &held.tenant, id).await? {
            Some(there) => there,
            None => sqlx::query_scalar!(
                "INSERT INTO mailboxes (tenant, address, entra_id, identify) VALUES ($1, $2, $3, false) RETURNING id",
                held.tenant,
                address,
                id
            )
            .fetch_one(&mut *connection)
            .await?,
        };
    let (_, mut locked) = lock(&mut *connection, there.min(held.mailbox), there.max(held.mailbox), None).await?;
    let own = locked.remove(&held.mailbox);
    if own.is_none_or(|own| own.side.epoch != held.epoch || own.side.lease_until.is_none()) {
        return Ok(Identified::Moved);
    }
    let sides: Vec<Side> = locked.into_values().map(|locked| locked.side).collect();
    note(&mut *connection, &held.tenant, address, there).await?;
    let found = item_rows!(
        "WHERE i.mailbox = $1 AND (i.leave IS NULL OR (i.resolve AND i.address = $2)) ORDER BY i.id FOR NO KEY UPDATE",
        held.mailbox,
        address
    )
    .fetch_all(&mut *connection)
    .await?;
    let (mut former, of_leave): (Vec<Item>, Vec<Item>) =
        rows::items(found)?.into_iter().partition(|item| item.leave.is_none());
    let (untouched, written): (Vec<Item>, Vec<Item>) = of_leave.into_iter().partition(Item::is_untouched);
    let leaves: Vec<i64> = written.iter().filter_map(|item| item.leave).collect();
    move_items(&mut *connection, untouched, there, &sides).await?;
    let found = item_rows!(
        "WHERE i.mailbox = $1 AND NOT i.surplus AND (i.leave IS NULL OR i.leave = ANY ($2)) ORDER BY i.id FOR NO KEY UPDATE",
        there,
        &leaves
    )
    .fetch_all(&mut *connection)
    .await?;
    let (mut present, mut known): (Vec<Item>, Vec<Item>) =
        rows::items(found)?.into_iter().partition(|item| item.leave.is_none());
    let stored: Vec<uuid::Uuid> = present.iter().chain(&known).map(|item| item.id).collect();
    bring_along(&mut former, &mut present, there, address, held.now);
    let mut changed = former;
    // What was written here before goes from here by its own item, and is wanted there by another.
    for item in written {
        let is_twin = |other: &Item| other.leave == item.leave && other.calendar == item.calendar;
        let twin = known.iter().position(is_twin).map(|at| known.swap_remove(at));
        let (left, wanted) = split(item, there, twin, held.now);
        changed.push(left);
        present.push(wanted);
    }
    let (old, new): (Vec<Item>, Vec<Item>) = present.into_iter().partition(|item| stored.contains(&item.id));
    changed.extend(old);
    rows::save(&mut *connection, &changed, &[]).await?;
    rows::insert_items(&mut *connection, &new).await?;
    Ok(Identified::Moved)
}

async fn of_person(connection: &mut PgConnection, tenant: &str, id: &str) -> Result<Option<i64>, StoreError> {
    let found = sqlx::query_scalar!(
        "SELECT id FROM mailboxes WHERE tenant = $1 AND entra_id = $2 AND merged_into IS NULL",
        tenant,
        id
    );
    Ok(found.fetch_optional(connection).await?)
}

async fn set_id(connection: &mut PgConnection, mailbox: i64, id: Option<&str>) -> Result<(), StoreError> {
    // The directory's word counts more than a source's.
    sqlx::query!(
        "UPDATE mailboxes SET entra_id = coalesce($2, entra_id), identify = false, id_from_source = false WHERE id = $1",
        mailbox,
        id
    )
        .execute(connection)
        .await?;
    Ok(())
}

/// The directory has said that this mailbox holds the address.
async fn note(connection: &mut PgConnection, tenant: &str, address: &str, mailbox: i64) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO addresses (tenant, address, mailbox, asked_at) VALUES ($1, $2, $3, leavebridge_now())
         ON CONFLICT (tenant, address) DO UPDATE SET mailbox = excluded.mailbox, asked_at = excluded.asked_at",
        tenant,
        address,
        mailbox
    )
    .execute(connection)
    .await?;
    Ok(())
}
