//! What a changed policy or a new permission makes due again: read a stretch at a time, and put into the queue so that no
//! new leave has to wait behind it.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    database::Store,
    error::StoreError,
    lookup::holders,
    rows::{self, Line, Unreadable, item_rows, leave, mailbox_settings},
};
use crate::{
    domain::{
        event::{EventSpec, MailboxSettings},
        leave::{Leave, Status},
        team_calendar::PRIMARY,
    },
    reconcile::{
        item::Item,
        plan::ObservedEvent,
        replan::{replan, wake},
        state::{Kind, State, TimelineKind},
    },
};

/// Rows that are looked at in one statement.
const STRETCH: i64 = 1_000;

/// A leave that is not over.
#[derive(Debug, Clone)]
pub struct Upcoming {
    /// Its row.
    pub row: i64,
    /// Its id at its source.
    pub leave_id: String,
    /// Its source.
    pub source: String,
    /// As it stands.
    pub leave: Result<(Status, Option<Leave>), Unreadable>,
    /// What the person's own mailbox says of their time.
    pub own: MailboxSettings,
    /// Where it is wanted.
    pub mappings: Vec<WantedEvent>,
}

/// One of the calendars in which a leave is wanted.
#[derive(Debug, Clone)]
pub struct WantedEvent {
    /// The mapping.
    pub id: Uuid,
    /// The mailbox, as it was given.
    pub mailbox: String,
    /// Which calendar of it.
    pub calendar: String,
    /// How the mapping stands.
    pub state: State,
    /// The event as last written.
    pub written: Option<EventSpec>,
    /// What this mailbox says of its owner's time.
    pub own: MailboxSettings,
}

/// A calendar in which a leave is not wanted yet.
#[derive(Debug, Clone)]
pub struct Further {
    /// The new mapping's id.
    pub id: Uuid,
    /// The leave's row.
    pub leave: i64,
    /// The mailbox's address.
    pub mailbox: String,
    /// Which calendar of it.
    pub calendar: String,
}

/// When what is put into the queue becomes due: the first after `wait`, each `spacing` after the one before.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Before the first.
    pub wait: Duration,
    /// Between two.
    pub spacing: Duration,
}

impl Pace {
    fn moments(self, now: Timestamp) -> impl Iterator<Item = Timestamp> {
        let part = |wait: Duration| SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX);
        let (first, spacing) = (now.saturating_add(part(self.wait)), part(self.spacing));
        std::iter::successors(Some(first.unwrap_or(now)), move |at| at.checked_add(spacing).ok())
    }
}

impl Store {
    /// By which policy the tenant's leave was last written; `None` before the first start.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn policy_of(&self, tenant: &str) -> Result<Option<String>, StoreError> {
        let found = sqlx::query_scalar!("SELECT policy FROM tenants WHERE tenant = $1", tenant);
        Ok(found.fetch_optional(&self.pool).await?.flatten())
    }

    /// Notes that all of the tenant's leave is written by this policy, or will be.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn note_policy(&self, tenant: &str, policy: &str) -> Result<(), StoreError> {
        sqlx::query!(
            "INSERT INTO tenants (tenant, policy) VALUES ($1, $2) ON CONFLICT (tenant) DO UPDATE SET policy = $2",
            tenant,
            policy
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// The leaves behind `after` that are not over, and where to go on; `None` at the end.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn upcoming(&self, tenant: &str, after: i64) -> Result<(Vec<Upcoming>, Option<i64>), StoreError> {
        let last = sqlx::query_scalar!(
            r#"SELECT max(id) FROM (SELECT id FROM leaves WHERE id > $1 ORDER BY id LIMIT $2) AS stretch"#,
            after,
            STRETCH
        )
        .fetch_one(&self.pool)
        .await?;
        let Some(last) = last else { return Ok((Vec::new(), None)) };
        let rows = sqlx::query!(
            r#"SELECT l.id AS row, l.external_id, l.source, l.status, l.content, i.id, i.calendar, i.address, i.state, i.observed,
                      b.time_zone, b.working_hours
               FROM leaves l
               CROSS JOIN LATERAL (SELECT * FROM items i WHERE i.leave = l.id AND i.wanted) AS i
               JOIN mailboxes b ON b.id = i.mailbox
               WHERE l.id > $1 AND l.id <= $2 AND l.tenant = $3 AND l.format <= $4
                 AND l.last_day >= (leavebridge_now() - interval '1 day')::date
               ORDER BY l.id"#,
            after,
            last,
            tenant,
            rows::FORMAT
        )
        .fetch_all(&self.pool)
        .await?;
        let mut leaves: Vec<Upcoming> = Vec::new();
        for row in rows {
            if leaves.last().is_none_or(|leave| leave.row != row.row) {
                leaves.push(Upcoming {
                    row: row.row,
                    leave_id: row.external_id,
                    source: row.source,
                    leave: leave(&row.status, row.content),
                    own: MailboxSettings::default(),
                    mappings: Vec::new(),
                });
            }
            let Some(leave) = leaves.last_mut() else { continue };
            let own = mailbox_settings(row.time_zone, row.working_hours);
            if row.calendar == PRIMARY {
                leave.own = own.clone();
            }
            let observed: ObservedEvent =
                row.observed.and_then(|observed| serde_json::from_value(observed).ok()).unwrap_or_default();
            leave.mappings.push(WantedEvent {
                id: row.id,
                mailbox: row.address,
                calendar: row.calendar,
                state: State::of(&row.state).ok_or_else(|| StoreError::unknown("items.state"))?,
                written: observed.written,
                own,
            });
        }
        Ok((leaves, Some(last)))
    }

    /// Wants these leaves in further calendars.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn want_further(&self, tenant: &str, further: &[Further], pace: Pace) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        let mut addresses: Vec<(String, String)> =
            further.iter().map(|further| (tenant.to_owned(), further.mailbox.clone())).collect();
        addresses.sort();
        addresses.dedup();
        enter(&mut transaction, &addresses).await?;
        let holders = holders(&mut transaction, &addresses).await?;
        let leaves: Vec<i64> = further.iter().map(|further| further.leave).collect();
        // Changes of them come before or after: a cancellation that saw none of the new mappings would leave its copy there.
        let locked = sqlx::query!(
            r#"SELECT id, rev, leavebridge_now() AS "now!: jiff_sqlx::Timestamp" FROM leaves
               WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE"#,
            &leaves
        )
        .fetch_all(&mut *transaction)
        .await?;
        let Some(now) = locked.first().map(|row| row.now.to_jiff()) else { return Ok(()) };
        let found = item_rows!("WHERE i.leave = ANY ($1) ORDER BY i.id FOR NO KEY UPDATE", &leaves)
            .fetch_all(&mut *transaction)
            .await?;
        let mut known = rows::items(found)?;
        let (mut new, mut again, mut lines) = (Vec::new(), Vec::new(), Vec::new());
        for (further, at) in further.iter().zip(pace.moments(now)) {
            let holder =
                holders.get(&(tenant.to_owned(), further.mailbox.clone())).and_then(|(holder, _)| holder.as_ref());
            let Some(mailbox) = holder.map(|holder| holder.mailbox) else { continue };
            let is_it = |item: &Item| {
                item.leave == Some(further.leave)
                    && item.mailbox == mailbox
                    && item.calendar == further.calendar
                    && !item.surplus
            };
            let item = match known.iter().position(is_it).map(|place| known.swap_remove(place)) {
                Some(item) if item.wanted => continue,
                // It was wanted there before, and then no more: what is under way may still take it away.
                Some(mut item) => {
                    item.wanted = true;
                    item.rev += 1;
                    item.make_due(at, now);
                    again.push(item.clone());
                    item
                }
                None => {
                    let mut item = Item::new(further.id, Kind::Event, tenant, mailbox, &further.mailbox, now);
                    item.leave = Some(further.leave);
                    item.calendar.clone_from(&further.calendar);
                    item.rev = locked.iter().find(|row| row.id == further.leave).map_or(1, |row| row.rev);
                    item.next_at = Some(at);
                    new.push(item.clone());
                    item
                }
            };
            lines.extend(line(&item, now));
        }
        rows::insert_items(&mut transaction, &new).await?;
        rows::save(&mut transaction, &again, &lines).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Has these mappings planned once more, with a line in their leave's history. One that has become due by itself meanwhile
    /// is left as it is.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn resync(&self, mappings: &[Uuid], pace: Pace) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        let found = item_rows!("WHERE i.id = ANY ($1) ORDER BY i.id FOR NO KEY UPDATE", mappings)
            .fetch_all(&mut *transaction)
            .await?;
        let now = now(&mut transaction).await?;
        let mut items = rows::items(found)?;
        items.retain(|item| !item.state.is_open());
        let mut lines = Vec::new();
        for (item, at) in items.iter_mut().zip(pace.moments(now)) {
            replan(item, at, now);
            lines.extend(line(item, now));
        }
        rows::save(&mut transaction, &items, &lines).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Enters the automatic replies of mailboxes that have leave and no item for it yet, with fresh ids from `id`; `false` when
    /// all are entered.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn enter_replies(&self, tenant: &str, id: impl Fn() -> Uuid) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        let missing = sqlx::query!(
            r#"SELECT b.id, b.address, leavebridge_now() AS "now!: jiff_sqlx::Timestamp" FROM mailboxes b
               WHERE b.tenant = $1 AND b.merged_into IS NULL
                 AND NOT EXISTS (SELECT FROM items r WHERE r.mailbox = b.id AND r.kind = $2)
               ORDER BY b.id LIMIT $3"#,
            tenant,
            Kind::Reply.word(),
            STRETCH
        )
        .fetch_all(&mut *transaction)
        .await?;
        let items: Vec<Item> = missing
            .iter()
            .map(|row| Item::new(id(), Kind::Reply, tenant, row.id, &row.address, row.now.to_jiff()))
            .collect();
        rows::insert_items(&mut transaction, &items).await?;
        transaction.commit().await?;
        Ok(!items.is_empty())
    }

    /// Has the tenant's items of that kind looked at once: of all states but those that are open, or only of `state`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn wake_all(&self, tenant: &str, kind: Kind, state: Option<State>, pace: Pace) -> Result<(), StoreError> {
        let (mut after, mut pace) = (Uuid::nil(), pace);
        loop {
            let mut transaction = self.begin().await?;
            let found = item_rows!(
                "WHERE i.tenant = $1 AND i.kind = $2 AND i.id > $3 AND i.leave IS NULL
                   AND ($4::text IS NULL OR i.state = $4)
                 ORDER BY i.id LIMIT $5 FOR NO KEY UPDATE",
                tenant,
                kind.word(),
                after,
                state.map(State::word),
                STRETCH
            )
            .fetch_all(&mut *transaction)
            .await?;
            let now = now(&mut transaction).await?;
            let mut items = rows::items(found)?;
            items.iter_mut().zip(pace.moments(now)).for_each(|(item, at)| wake(item, at, now));
            pace.wait += pace.spacing * u32::try_from(items.len()).unwrap_or(u32::MAX);
            rows::save(&mut transaction, &items, &[]).await?;
            transaction.commit().await?;
            let Some(last) = items.last() else { return Ok(()) };
            after = last.id;
        }
    }
}

fn line(item: &Item, now: Timestamp) -> Option<Line> {
    let detail = json!({"why": "the policy has changed"});
    Some(Line { leave: item.leave?, item: Some(item.id), at: now, kind: TimelineKind::Resynced, detail })
}

/// Enters mailboxes for addresses that none is known to hold.
async fn enter(connection: &mut PgConnection, addresses: &[(String, String)]) -> Result<(), StoreError> {
    for ((tenant, address), (holder, spare)) in holders(&mut *connection, addresses).await? {
        if holder.is_none() {
            sqlx::query!("INSERT INTO mailboxes (id, tenant, address) VALUES ($1, $2, $3)", spare, tenant, address)
                .execute(&mut *connection)
                .await?;
            sqlx::query!(
                "INSERT INTO addresses (tenant, address, mailbox) VALUES ($1, $2, $3)",
                tenant,
                address,
                spare
            )
            .execute(&mut *connection)
            .await?;
        }
    }
    Ok(())
}

/// The present moment of the database.
async fn now(connection: &mut PgConnection) -> Result<Timestamp, StoreError> {
    let now = sqlx::query_scalar!(r#"SELECT leavebridge_now() AS "now!: jiff_sqlx::Timestamp""#);
    Ok(now.fetch_one(connection).await?.to_jiff())
}
