//! Lists: one `SELECT` from `listed_items` with one condition ([`Filter`]).

use std::collections::HashMap;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use uuid::Uuid;

use super::{
    database::Store,
    error::StoreError,
    views::{self, ListedLeave, ListedLine, ListedMapping, ListedReply, listed_rows},
};
use crate::{
    domain::{reply::Memory, team_calendar::PRIMARY},
    reconcile::state::{Kind, Reason, State, TimelineKind},
};

/// Which mappings are meant; an empty field means any.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// The tenants that the caller may see; `None` for all.
    pub tenants: Option<Vec<String>>,
    /// The system that the leave comes from.
    pub source: Option<String>,
    /// The leave's id.
    pub leave: Option<String>,
    /// The mailbox's address.
    pub mailbox: Option<String>,
    /// The state as it shows.
    pub state: Option<State>,
    /// Changed at or after.
    pub since: Option<Timestamp>,
    /// Changed before.
    pub until: Option<Timestamp>,
}

impl Filter {
    /// The states of the rows that may show as the state that is asked for, and whether a pending one has to be held up.
    pub(super) fn own_states(&self) -> (Option<Vec<String>>, Option<bool>) {
        let words = |states: &[State]| Some(states.iter().map(|state| state.word().to_owned()).collect());
        match self.state {
            None => (None, None),
            Some(State::Waiting) => (words(&[State::Pending, State::Waiting]), Some(true)),
            Some(State::Pending) => (words(&[State::Pending]), Some(false)),
            Some(other) => (words(&[other]), None),
        }
    }
}

/// The ids of the mappings that a [`Filter`] matches and the rest of the statement chooses; its own parameters begin at `$9`.
macro_rules! matching {
    ($filter:expr, $rest:literal $(, $argument:expr)* $(,)?) => {{
        let filter: &crate::store::lists::Filter = $filter;
        let (states, held_up) = filter.own_states();
        sqlx::query_scalar!(
            r#"SELECT id AS "id!" FROM listed_items
               WHERE kind = 'event' AND ($1::text[] IS NULL OR tenant = ANY ($1)) AND ($2::text IS NULL OR source = $2)
                 AND ($3::text IS NULL OR external_id = $3) AND ($4::text IS NULL OR address = $4)
                 AND ($5::text[] IS NULL OR state = ANY ($5)) AND (state <> 'pending' OR $6::boolean IS NULL OR is_held_up = $6)
                 AND ($7::timestamptz IS NULL OR updated_at >= $7) AND ($8::timestamptz IS NULL OR updated_at < $8) "#
                + $rest,
            filter.tenants.as_deref(),
            filter.source,
            filter.leave,
            filter.mailbox,
            states.as_deref(),
            held_up,
            filter.since.map(jiff::Timestamp::to_sqlx) as _,
            filter.until.map(jiff::Timestamp::to_sqlx) as _
            $(, $argument)*
        )
    }};
}
pub(super) use matching;

/// Where a list goes on: after the mapping that changed then and has that id.
pub type Position = (Timestamp, Uuid);

impl Store {
    /// How a leave stands, or `None` when there is no such leave.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn leave(&self, tenant: &str, source: &str, id: &str) -> Result<Option<ListedLeave>, StoreError> {
        let mut connection = self.pool.acquire().await?;
        let found = sqlx::query_scalar!(
            "SELECT id FROM leaves WHERE tenant = $1 AND source = $2 AND external_id = $3",
            tenant,
            source,
            id
        );
        let Some(row) = found.fetch_optional(&mut *connection).await? else { return Ok(None) };
        Ok(views::listed_of(&mut connection, &[row]).await?.remove(&row))
    }

    /// The mappings that match, newest change first, at most `limit`, from behind `after`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn mappings(
        &self,
        filter: &Filter,
        after: Option<Position>,
        limit: i64,
    ) -> Result<Vec<ListedMapping>, StoreError> {
        let (after_at, after_id) = after.unzip();
        let mut transaction = self.pool.begin().await?;
        // Which index serves depends on the filters that are given: a plan for the general case would read everything.
        sqlx::query!("SET LOCAL plan_cache_mode = force_custom_plan").execute(&mut *transaction).await?;
        let chosen = matching!(
            filter,
            "AND ($9::timestamptz IS NULL OR (updated_at, id) < ($9, $10::uuid))
             ORDER BY updated_at DESC, id DESC
             LIMIT $11",
            after_at.map(Timestamp::to_sqlx) as _,
            after_id,
            limit
        )
        .fetch_all(&mut *transaction)
        .await?;
        let found = listed_rows!("WHERE id = ANY ($1) ORDER BY updated_at DESC, id DESC", &chosen)
            .fetch_all(&mut *transaction)
            .await?;
        let mappings = views::mappings(&mut transaction, found).await?;
        transaction.commit().await?;
        Ok(mappings.into_iter().map(|(_, mapping)| mapping).collect())
    }

    /// One mapping with the history of its leave (its newest 500 lines), oldest first, or `None` when there is none.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn mapping(&self, id: Uuid) -> Result<Option<(ListedMapping, Vec<ListedLine>)>, StoreError> {
        let mut connection = self.pool.acquire().await?;
        let found = listed_rows!("WHERE id = $1 AND kind = 'event'", id).fetch_all(&mut *connection).await?;
        let Some((leave, mapping)) = views::mappings(&mut connection, found).await?.pop() else { return Ok(None) };
        let lines = sqlx::query!(
            r#"SELECT at AS "at: jiff_sqlx::Timestamp", kind, item, detail
               FROM timeline WHERE leave = $1 ORDER BY id DESC LIMIT 500"#,
            leave
        )
        .fetch_all(&mut *connection)
        .await?;
        // What only a newer version knows is left to replicas of that version to show.
        let lines = lines.into_iter().rev().filter_map(|line| {
            let kind = TimelineKind::of(&line.kind)?;
            Some(ListedLine { at: line.at.to_jiff(), kind, mapping: line.item, detail: line.detail })
        });
        Ok(Some((mapping, lines.collect())))
    }

    /// How the automatic replies of the mailboxes of these mappings stand, by mapping; none where there is nothing to say.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn replies_of(&self, mappings: &[Uuid]) -> Result<HashMap<Uuid, ListedReply>, StoreError> {
        let found = sqlx::query!(
            r#"SELECT m.id AS mapping, r.state, r.reason, r.detail, r.observed
               FROM unnest($1::uuid[]) AS shown (id)
               JOIN items m ON m.id = shown.id AND m.calendar = $2
               JOIN items r ON r.mailbox = m.mailbox AND r.kind = $3"#,
            mappings,
            PRIMARY,
            Kind::Reply.word()
        )
        .fetch_all(&self.pool)
        .await?;
        let mut replies = HashMap::new();
        for row in found {
            // One that only a newer version understands is left to replicas of that version to show.
            let Some(state) = State::of(&row.state).filter(|state| *state != State::Removed) else { continue };
            let (from, until) = Memory::read(row.observed.as_ref(), false).window.unzip();
            let reason = row.reason.as_deref().and_then(Reason::of);
            let reply = ListedReply { state, from, until, reason, detail: row.detail };
            replies.insert(row.mapping, reply);
        }
        Ok(replies)
    }
}
