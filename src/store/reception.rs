//! Where changes wait to be taken in: what arrives while others are being written goes into one transaction.
//!
//! It adds no waiting: a lone change is written at once, and under load many share a round trip and a commit. It must never
//! say that a change is stored before the commit, nor let one change that cannot be stored refuse or hold up its neighbours.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Serialize;
use sqlx::{PgPool, types::Json};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::{
    StoreError,
    intake::{Intake, NewChange, Outcome},
    views::{LeaveView, MappingView},
};
use crate::domain::leave::{Leave, Status};

const MOST_AT_ONCE: usize = 64;
/// Longer than any statement of ours holds a row. Who holds it longer gets the changes one by one.
const PATIENCE: &str = "250ms";
const ENDLESS: &str = "0";

/// The parameters of `accept_leave`, and which of a batch it is.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Change {
    n: i32,
    client: String,
    delivery_id: Option<String>,
    body_hash: Option<String>,
    tenant: String,
    source: String,
    external_id: String,
    status: &'static str,
    content: Option<Leave>,
    source_at: String,
    mapping: Option<Uuid>,
    address: Option<String>,
    entra_id: Option<String>,
    calendar: Option<String>,
    /// Further calendars; none for most leave, which goes the quick way then.
    #[serde(skip_serializing_if = "Option::is_none")]
    team_mappings: Option<Vec<Uuid>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    team_addresses: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    team_calendars: Option<Vec<String>>,
}

impl From<NewChange<'_>> for Change {
    fn from(change: NewChange<'_>) -> Self {
        let (delivery_id, hash) = change.delivery.unzip();
        let (own, teams) = change.places.split_first().unzip();
        let teams = teams.filter(|teams| !teams.is_empty());
        Self {
            n: 0,
            client: change.client.to_owned(),
            delivery_id: delivery_id.map(str::to_owned),
            body_hash: hash.map(|hash| STANDARD.encode(hash)),
            tenant: change.tenant.to_owned(),
            source: change.source.to_owned(),
            external_id: change.id.to_owned(),
            status: change.status.word(),
            content: change.leave.cloned(),
            // As exact as PostgreSQL is; it would round up.
            source_at: format!("{:.6}", change.at),
            mapping: own.map(|(mapping, _)| *mapping),
            address: own.map(|(_, place)| place.mailbox.to_owned()),
            entra_id: change.leave.and_then(|leave| leave.staff.entra_id.clone()),
            calendar: own.map(|(_, place)| place.calendar.to_owned()),
            team_mappings: teams.map(|teams| teams.iter().map(|(mapping, _)| *mapping).collect()),
            team_addresses: teams.map(|teams| teams.iter().map(|(_, place)| place.mailbox.to_owned()).collect()),
            team_calendars: teams.map(|teams| teams.iter().map(|(_, place)| place.calendar.to_owned()).collect()),
        }
    }
}

type Answer = Result<Intake, StoreError>;

/// The changes of one process that wait.
#[derive(Debug, Default)]
pub(super) struct Reception(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    changes: Vec<(Change, oneshot::Sender<Answer>)>,
    /// Somebody is writing, and will come back for these.
    attended: bool,
}

impl Reception {
    /// Takes in one change, together with others that wait.
    pub(super) async fn take_in(self: &Arc<Self>, pool: &PgPool, change: Change) -> Answer {
        let (done, answer) = oneshot::channel();
        let attended = {
            let mut waiting = self.waiting();
            waiting.changes.push((change, done));
            std::mem::replace(&mut waiting.attended, true)
        };
        if !attended {
            // On its own: who asked may go away, the others may not suffer from it.
            let clerk = Clerk { reception: Arc::clone(self), pool: pool.clone(), finished: false };
            tokio::spawn(clerk.write());
        }
        answer.await.unwrap_or(Err(StoreError::Unavailable(sqlx::Error::WorkerCrashed)))
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes what waits, until nothing does.
struct Clerk {
    reception: Arc<Reception>,
    pool: PgPool,
    finished: bool,
}

impl Drop for Clerk {
    fn drop(&mut self) {
        if !self.finished {
            // Only after a panic: whoever waits is told by the end of its channel, and the next change finds a new clerk.
            *self.reception.waiting() = Waiting::default();
        }
    }
}

impl Clerk {
    async fn write(mut self) {
        loop {
            let batch: Vec<_> = {
                let mut waiting = self.reception.waiting();
                let most = waiting.changes.len().min(MOST_AT_ONCE);
                if most == 0 {
                    // Under the same lock: who comes next sees that nobody attends.
                    waiting.attended = false;
                    self.finished = true;
                    return;
                }
                waiting.changes.drain(..most).collect()
            };
            self.write_together(batch).await;
        }
    }

    async fn write_together(&self, mut batch: Vec<(Change, oneshot::Sender<Answer>)>) {
        // In one order everywhere: replicas that write the same mailboxes and leaves do not lock each other out.
        batch.sort_by(|(one, _), (other, _)| {
            (&one.address, &one.source, &one.external_id).cmp(&(&other.address, &other.source, &other.external_id))
        });
        let (mut changes, waiting): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
        match accept(&self.pool, &mut changes, PATIENCE).await {
            // Whoever asked may be gone; it is stored all the same.
            Ok(answers) => waiting.into_iter().zip(answers).for_each(|(done, answer)| drop(done.send(answer))),
            Err(StoreError::Unavailable(sqlx::Error::Database(_)) | StoreError::Broken(_)) => {
                // One of them cannot be stored, or has to wait for somebody: it must not take the others with it.
                for (change, done) in changes.into_iter().zip(waiting) {
                    let pool = self.pool.clone();
                    tokio::spawn(async move {
                        let answers = accept(&pool, &mut [change], ENDLESS).await;
                        let answer =
                            answers.and_then(|answers| answers.into_iter().next().unwrap_or_else(|| Err(broken())));
                        drop(done.send(answer));
                    });
                }
            }
            Err(StoreError::Unavailable(error)) => {
                // The database is away, for all of them and for who came meanwhile.
                let others = std::mem::take(&mut self.reception.waiting().changes).into_iter().map(|(_, done)| done);
                for done in waiting.into_iter().chain(others) {
                    let error = StoreError::Unavailable(sqlx::Error::Protocol(error.to_string()));
                    drop(done.send(Err(error)));
                }
            }
        }
    }
}

/// Takes these changes in, all or none; gives an answer for each, in order.
async fn accept(pool: &PgPool, changes: &mut [Change], patience: &str) -> Result<Vec<Answer>, StoreError> {
    for (n, change) in (0..).zip(changes.iter_mut()) {
        change.n = n;
    }
    let changes = &*changes;
    let rows = sqlx::query!(
        r#"SELECT n AS "n!", outcome AS "outcome!", status AS "status?", mapping AS "mapping?", mailbox AS "mailbox?",
                  calendar AS "calendar?", state AS "state?", reason AS "reason?", detail AS "detail?",
                  next_attempt_at AS "next_attempt_at?: jiff_sqlx::Timestamp", event_id AS "event_id?",
                  web_link AS "web_link?", attempts AS "attempts?", updated_at AS "updated_at?: jiff_sqlx::Timestamp"
           FROM accept_leaves($1, $2)"#,
        Json(changes) as _,
        patience,
    )
    .fetch_all(pool)
    .await?;
    let mut answers: Vec<Answer> = changes.iter().map(|_| Err(broken())).collect();
    for row in rows {
        let at = usize::try_from(row.n).map_err(|_| broken())?;
        let (Some(change), Some(answer)) = (changes.get(at), answers.get_mut(at)) else { return Err(broken()) };
        let mapping = (|| {
            Some(MappingView {
                id: row.mapping?,
                tenant: change.tenant.clone(),
                source: change.source.clone(),
                leave_id: change.external_id.clone(),
                mailbox: row.mailbox?,
                calendar: row.calendar?,
                state: row.state?,
                reason: row.reason,
                detail: row.detail,
                next_attempt_at: row.next_attempt_at.map(Into::into),
                event_id: row.event_id,
                web_link: row.web_link,
                attempts: row.attempts?,
                updated_at: row.updated_at?.to_jiff(),
            })
        })();
        if let Ok(Intake::Done(_, leave)) = answer {
            leave.mappings.extend(mapping);
        } else {
            *answer = first(change, &row.outcome, row.status.as_deref(), mapping);
        }
    }
    Ok(answers)
}

fn first(change: &Change, outcome: &str, status: Option<&str>, mapping: Option<MappingView>) -> Answer {
    let outcome = match outcome {
        "accepted" => Outcome::Accepted,
        "unchanged" => Outcome::Unchanged,
        "duplicate" => Outcome::Duplicate,
        "stale" => Outcome::Stale,
        "reused" => return Ok(Intake::Reused),
        _ => return Err(broken()),
    };
    let leave = LeaveView {
        id: change.external_id.clone(),
        tenant: change.tenant.clone(),
        source: change.source.clone(),
        status: status.and_then(Status::of).ok_or_else(broken)?,
        mappings: mapping.into_iter().collect(),
    };
    Ok(Intake::Done(outcome, leave))
}

fn broken() -> StoreError {
    StoreError::Broken(sqlx::Error::Decode("accept_leaves gave what it must not".into()))
}
