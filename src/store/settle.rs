//! Writes down what came of deliveries, many in one transaction: locks the mailboxes and items, has `reconcile::settle` decide
//! for each, and saves them with their lines in the timeline.

use std::{collections::BTreeMap, time::Duration};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use sqlx::{PgConnection, types::Json};

use super::{
    database::Store,
    error::StoreError,
    rows::{self, Line, block, item_rows, mailbox_settings},
    transaction,
};
use crate::{
    domain::{hours::Hours, team_calendar::PRIMARY},
    reconcile::{
        item::Item,
        mailbox::{Block, Mailbox},
        replan::replan,
        settle::{DeliveryResult, Fenced, floor, settle},
    },
};

/// What is written down together.
#[derive(Debug, Default)]
pub struct Settling<'a> {
    /// Results of different items.
    pub results: &'a [DeliveryResult],
    /// Leases to be given back behind them: mailbox and epoch. No call may be under way there.
    pub releases: &'a [(i64, i64)],
    /// How far apart copies in calendars of teams become due, when what they depend on has changed.
    pub spacing: Duration,
}

#[derive(Serialize)]
struct MailboxRow<'a> {
    id: i64,
    entra_id: Option<&'a str>,
    id_from_source: bool,
    mailbox_seen: bool,
    identify: bool,
    throttled_until: Option<Timestamp>,
    blocked_until: Option<Timestamp>,
    blocked_since: Option<Timestamp>,
    blocked_reason: Option<crate::reconcile::state::Reason>,
    blocked_detail: Option<&'a str>,
    time_zone: Option<&'a str>,
    working_hours: Option<&'a Hours>,
    settings_at: Option<Timestamp>,
}

impl<'a> MailboxRow<'a> {
    fn new(mailbox: &'a Mailbox) -> Self {
        let block = mailbox.block.as_ref();
        Self {
            id: mailbox.id,
            entra_id: mailbox.entra_id.as_deref(),
            id_from_source: mailbox.id_from_source,
            mailbox_seen: mailbox.mailbox_seen,
            identify: mailbox.identify,
            throttled_until: mailbox.throttled_until,
            blocked_until: block.map(|block| block.until),
            blocked_since: block.map(|block| block.since),
            blocked_reason: block.map(|block| block.reason),
            blocked_detail: block.map(|block| block.detail.as_str()),
            time_zone: mailbox.settings.zone.as_ref().map(crate::domain::zone::Zone::name),
            working_hours: mailbox.settings.hours.as_ref(),
            settings_at: mailbox.settings_at,
        }
    }
}

impl Store {
    /// Writes the results down and says for each, in order, whether its lease still held.
    ///
    /// # Errors
    /// When the database did not confirm them: treat the leases as lost.
    pub async fn settle(&self, settling: &Settling<'_>) -> Result<Vec<Fenced>, StoreError> {
        let results = settling.results;
        let mut transaction = transaction::begin_without_flush(&self.queue).await?;
        let mut ids: Vec<i64> = results.iter().map(|result| result.mailbox).collect();
        ids.extend(settling.releases.iter().map(|(mailbox, _)| *mailbox));
        ids.sort_unstable();
        ids.dedup();
        let (now, mut mailboxes) = lock_mailboxes(&mut transaction, &ids).await?;
        let ids: Vec<uuid::Uuid> = results.iter().map(|result| result.item).collect();
        let found = item_rows!("WHERE i.id = ANY ($1) ORDER BY i.id FOR NO KEY UPDATE", &ids)
            .fetch_all(&mut *transaction)
            .await?;
        let mut items: BTreeMap<uuid::Uuid, Item> =
            rows::items(found)?.into_iter().map(|item| (item.id, item)).collect();
        let before = mailboxes.clone();
        let (mut fenced, mut lines, mut late) = (Vec::with_capacity(results.len()), Vec::new(), Vec::new());
        for result in results {
            let (Some(item), Some(mailbox)) = (items.get_mut(&result.item), mailboxes.get_mut(&result.mailbox)) else {
                // Merged away meanwhile: what was delivered is in doubt with the item that took its place.
                fenced.push(Fenced::Late);
                late.extend(floor(result).map(|wait| (result.mailbox, wait)));
                continue;
            };
            let kept = settle(item, mailbox, result, now);
            fenced.push(kept);
            if kept == Fenced::Late {
                late.extend(floor(result).map(|wait| (result.mailbox, wait)));
            }
            if kept == Fenced::Kept
                && let Some((leave, detail)) = &result.told
            {
                // Of what is about the whole mailbox, the line stands with the leave's own event.
                let item = item.leave.map(|_| item.id);
                lines.push(Line { leave: *leave, item, at: now, kind: result.outcome.kind(), detail: detail.clone() });
            }
        }
        let items: Vec<Item> = items.into_values().collect();
        // Leases of this process alone; what another holds by now stays with it.
        let is_released = |mailbox: &&Mailbox| settling.releases.contains(&(mailbox.id, mailbox.epoch));
        let released: Vec<i64> = mailboxes.values().filter(is_released).map(|mailbox| mailbox.id).collect();
        let changed: Vec<&Mailbox> =
            mailboxes.values().filter(|mailbox| before.get(&mailbox.id) != Some(mailbox)).collect();
        let moved: Vec<i64> = changed
            .iter()
            .filter(|mailbox| before.get(&mailbox.id).is_some_and(|before| before.settings != mailbox.settings))
            .map(|mailbox| mailbox.id)
            .collect();
        save_mailboxes(&mut transaction, &changed).await?;
        rows::save_and_release(&mut transaction, &items, &lines, &released).await?;
        for mailbox in moved {
            replan_dependents(&mut transaction, mailbox, now, settling.spacing).await?;
        }
        transaction.commit().await?;
        for (mailbox, wait) in late {
            // In a transaction of its own: here it would lock a mailbox after items, against the order of everybody else.
            if let Err(error) = self.throttle_survivor(mailbox, wait).await {
                tracing::warn!(%error, cause = error.cause(), "what Microsoft asked of a merged mailbox was not written down");
            }
        }
        Ok(fenced)
    }

    /// A result came too late because its mailbox turned out to be another one: what Microsoft asked for holds that one up.
    async fn throttle_survivor(&self, mailbox: i64, wait: Duration) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        let survivor = sqlx::query_scalar!(
            r#"SELECT merged_into AS "merged_into!" FROM mailboxes WHERE id = $1 AND merged_into IS NOT NULL"#,
            mailbox
        );
        let Some(survivor) = survivor.fetch_optional(&mut *transaction).await? else { return Ok(()) };
        let (now, mut mailboxes) = lock_mailboxes(&mut transaction, &[survivor]).await?;
        for mailbox in mailboxes.values_mut() {
            mailbox.throttle(wait, now);
        }
        let changed: Vec<&Mailbox> = mailboxes.values().collect();
        save_mailboxes(&mut transaction, &changed).await?;
        Ok(transaction.commit().await?)
    }
}

/// Locks these mailboxes; gives the database's time and how they are.
pub(super) async fn lock_mailboxes(
    connection: &mut PgConnection,
    ids: &[i64],
) -> Result<(Timestamp, BTreeMap<i64, Mailbox>), StoreError> {
    let rows = sqlx::query!(
        r#"SELECT leavebridge_now() AS "now!: jiff_sqlx::Timestamp", id, lease_epoch, entra_id, id_from_source, mailbox_seen,
                  identify, throttled_until AS "throttled_until: jiff_sqlx::Timestamp",
                  blocked_until AS "blocked_until: jiff_sqlx::Timestamp",
                  blocked_since AS "blocked_since: jiff_sqlx::Timestamp", blocked_reason, blocked_detail, time_zone,
                  working_hours, settings_at AS "settings_at: jiff_sqlx::Timestamp"
           FROM mailboxes WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE"#,
        ids
    )
    .fetch_all(connection)
    .await?;
    let now = rows.first().map_or(Timestamp::UNIX_EPOCH, |row| row.now.to_jiff());
    let mut mailboxes = BTreeMap::new();
    for row in rows {
        let instant = |at: Option<jiff_sqlx::Timestamp>| at.map(jiff_sqlx::Timestamp::to_jiff);
        let block: Option<Block> =
            block(row.blocked_until, row.blocked_since, row.blocked_reason.as_deref(), row.blocked_detail)?;
        mailboxes.insert(
            row.id,
            Mailbox {
                id: row.id,
                epoch: row.lease_epoch,
                entra_id: row.entra_id,
                id_from_source: row.id_from_source,
                mailbox_seen: row.mailbox_seen,
                identify: row.identify,
                throttled_until: instant(row.throttled_until),
                block,
                settings: mailbox_settings(row.time_zone, row.working_hours),
                settings_at: instant(row.settings_at),
            },
        );
    }
    Ok((now, mailboxes))
}

/// Writes mailboxes that are under lock.
pub(super) async fn save_mailboxes(connection: &mut PgConnection, changed: &[&Mailbox]) -> Result<(), StoreError> {
    if changed.is_empty() {
        return Ok(());
    }
    let rows: Vec<MailboxRow<'_>> = changed.iter().map(|mailbox| MailboxRow::new(mailbox)).collect();
    sqlx::query!(
        "UPDATE mailboxes b
         SET entra_id = r.entra_id, id_from_source = r.id_from_source, mailbox_seen = r.mailbox_seen, identify = r.identify,
             throttled_until = r.throttled_until, blocked_until = r.blocked_until, blocked_since = r.blocked_since,
             blocked_reason = r.blocked_reason, blocked_detail = r.blocked_detail, time_zone = r.time_zone,
             working_hours = r.working_hours, settings_at = r.settings_at
         FROM jsonb_to_recordset($1) AS r (
             id bigint, entra_id text, id_from_source boolean, mailbox_seen boolean, identify boolean,
             throttled_until timestamptz, blocked_until timestamptz, blocked_since timestamptz, blocked_reason text,
             blocked_detail text, time_zone text, working_hours jsonb, settings_at timestamptz)
         WHERE b.id = r.id",
        Json(&rows) as _
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The mailbox says something else of its owner's time than before: what lies ahead and was planned by that is planned once
/// more, in the mailbox and, for its owner's leave, in the calendars of teams.
async fn replan_dependents(
    connection: &mut PgConnection,
    mailbox: i64,
    now: Timestamp,
    spacing: Duration,
) -> Result<(), StoreError> {
    let found = item_rows!(
        "JOIN leaves l ON l.id = i.leave
         WHERE i.wanted AND i.state IN ('pending', 'waiting', 'synced') AND l.format <= $3
           AND l.last_day >= (leavebridge_now() - interval '1 day')::date
           AND (i.mailbox = $1
                OR i.leave IN (SELECT own.leave FROM items own WHERE own.mailbox = $1 AND own.calendar = $2 AND own.wanted))
         ORDER BY i.id FOR NO KEY UPDATE OF i",
        mailbox,
        PRIMARY,
        rows::FORMAT
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut items = rows::items(found)?;
    let whole = item_rows!("WHERE i.mailbox = $1 AND i.kind = 'reply' FOR NO KEY UPDATE", mailbox)
        .fetch_all(&mut *connection)
        .await?;
    items.extend(rows::items(whole)?);
    // One person's leave is little, a team's may be much.
    let mut at = now;
    for item in &mut items {
        replan(item, at, now);
        if item.calendar != PRIMARY {
            at = at.saturating_add(SignedDuration::try_from(spacing).unwrap_or_default()).unwrap_or(at);
        }
    }
    rows::save(connection, &items, &[]).await
}
