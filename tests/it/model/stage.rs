//! Carries a history out on a whole service that can be killed, step by step.

use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgConnection;

use super::{
    history::{Edit, Step, World},
    outlook::{self, MAILBOXES},
    portal::Portal,
    reference::Model,
    trouble, verdict,
};
use crate::support::{TestApp, answer, microsoft::Microsoft, until};

/// Notes which connection took a lease, so that the living's leases can be told from those of the dead. A lease that is left by a
/// merge of two mailboxes has nobody who works under it: it ends by its time.
const WATCH: &str = "
    CREATE TABLE holders (mailbox bigint PRIMARY KEY, pid integer NOT NULL, epoch bigint NOT NULL);
    CREATE FUNCTION note_holder() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF EXISTS (SELECT FROM mailboxes g WHERE g.merged_into = NEW.id AND g.xmin = pg_current_xact_id()::xid) THEN
            RETURN NULL;
        END IF;
        INSERT INTO holders VALUES (NEW.id, pg_backend_pid(), NEW.lease_epoch)
        ON CONFLICT (mailbox) DO UPDATE SET pid = excluded.pid, epoch = excluded.epoch;
        RETURN NULL;
    END $$;
    CREATE TRIGGER note_holder AFTER UPDATE ON mailboxes FOR EACH ROW
    WHEN (NEW.lease_epoch <> OLD.lease_epoch) EXECUTE FUNCTION note_holder()";
/// Leases that somebody alive works under.
const HELD: &str = "
    SELECT count(*) FROM mailboxes b JOIN holders h ON h.mailbox = b.id AND h.epoch = b.lease_epoch
    JOIN pg_stat_activity a ON a.pid = h.pid AND a.datname = current_database()
    WHERE b.lease_until IS NOT NULL";
/// The same, and the mappings that anybody alive would begin to work on: in one look, or a claim could slip between two.
const HELD_OR_DUE: &str = "
    SELECT (
        SELECT count(*) FROM mailboxes b JOIN holders h ON h.mailbox = b.id AND h.epoch = b.lease_epoch
        JOIN pg_stat_activity a ON a.pid = h.pid AND a.datname = current_database()
        WHERE b.lease_until IS NOT NULL
    ) + (
        SELECT count(*) FROM items m JOIN mailboxes b ON b.id = m.mailbox
        LEFT JOIN tenants t ON t.tenant = m.tenant
        WHERE m.kind = 'event' AND m.state IN ('pending', 'waiting') AND m.next_at <= leavebridge_now()
          AND coalesce(greatest(b.lease_until, b.blocked_until, b.throttled_until, t.blocked_until) <= leavebridge_now(), true)
    ) + (
        SELECT count(*) FROM items r JOIN mailboxes b ON b.id = r.mailbox
        LEFT JOIN tenants t ON t.tenant = r.tenant
        WHERE r.kind = 'reply' AND r.next_at <= leavebridge_now()
          AND coalesce(greatest(b.lease_until, b.blocked_until, b.throttled_until, t.blocked_until) <= leavebridge_now(), true)
    ) + (
        SELECT count(*) FROM items i JOIN mailboxes b ON b.id = i.mailbox
        LEFT JOIN tenants t ON t.tenant = i.tenant
        WHERE i.kind = 'settings' AND i.next_at <= leavebridge_now()
          AND coalesce(greatest(b.lease_until, b.blocked_until, b.throttled_until, t.blocked_until) <= leavebridge_now(), true)
    )";
/// Mappings and replies that are not as they should be.
const OPEN: &str = "SELECT (
        SELECT count(*) FROM items WHERE kind = 'event' AND state IN ('pending', 'waiting', 'parked')
    ) + (SELECT count(*) FROM items WHERE kind = 'reply' AND state IN ('pending', 'waiting', 'parked'))";
/// The team's calendar holds the annual leave of everybody.
const TEAM: &str = r#"
    [[tenants.default.team_calendars]]
    mailbox = "team@contoso.com"
    calendar = "Who is away"
    types = ["annual"]
"#;

/// What there is beside people's own events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beside {
    Nothing,
    /// Mailboxes reply while their owners are away.
    Replies,
    /// A team's calendar.
    Team,
    /// People who are called by several names, of which some change and one passes on.
    Names,
}

/// A service with its Microsoft and its model.
pub(super) struct Stage {
    /// One replica, or two.
    apps: Vec<TestApp>,
    /// The first one has been killed and not started again yet.
    down: bool,
    pub(super) microsoft: Microsoft,
    looking: PgConnection,
    pub(super) model: Model,
    pub(super) portal: Portal,
    pub(super) beside: Beside,
    /// What is in the calendars and not ours, as it was put there.
    pub(super) theirs: Vec<Value>,
    /// The object ids of the mailboxes' owners.
    pub(super) ids: Vec<String>,
    edits: usize,
    renames: usize,
    /// Until when limits may be broken: a process was killed, or lost its leases, while it may have had a call under way,
    /// and whoever came next could neither know of that call nor of a `Retry-After` that answered it.
    unfair_until: Timestamp,
    /// How often limits had been broken when we last looked.
    broken: u64,
}

impl Stage {
    pub(super) async fn set(world: &World, beside: Beside) -> Self {
        let mut keys = Vec::new();
        if trouble::SLOWER_THAN_CALL_TIMEOUT {
            keys.push(("SYNC__CALL_TIMEOUT", trouble::CALL_TIMEOUT));
        }
        if beside == Beside::Replies {
            keys.push(("POLICY__AUTOMATIC_REPLIES__ENABLED", "true"));
        }
        let app = TestApp::apart(if beside == Beside::Team { TEAM } else { "" }, &keys).await;
        if beside == Beside::Replies {
            app.microsoft.consent(&["Calendars.ReadWrite", "User.Read.All", "MailboxSettings.ReadWrite"]).await;
        }
        app.microsoft
            .settings(json!({
                "duplicate_transaction_status": world.duplicate_status,
                "existing_event_id_given": world.existing_event_named,
                "transaction_memory": world.transaction_memory,
                "deleted_item_get": world.deleted_item,
                "answer_delay_ms": world.answer_delay_ms,
            }))
            .await;
        app.database.execute(WATCH).await;
        let theirs = outlook::furnish(&app.microsoft).await;
        let ids = app.microsoft.ids(&MAILBOXES).await;
        if beside == Beside::Names {
            outlook::give_aliases(&app.microsoft, &ids).await;
        }
        let look = &app.settings.tenants["default"].policy.appearance;
        let model =
            Model::new(look.title.fill(|_| String::new()), look.body.fill(|_| String::new()), beside == Beside::Team);
        Self {
            microsoft: app.microsoft.clone(),
            looking: app.database.connect().await,
            theirs,
            portal: Portal::new(ids.clone()),
            ids,
            beside,
            apps: vec![app],
            down: false,
            model,
            edits: 0,
            renames: 0,
            unfair_until: Timestamp::MIN,
            broken: 0,
        }
    }

    pub(super) async fn carry_out(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Webhook(webhook) => self.portal.post(&self.apps[0], &mut self.model, webhook).await?,
            Step::AtOnce(webhooks) => self.portal.post_at_once(&self.apps, &mut self.model, webhooks).await?,
            Step::Again(which) => self.portal.post_again(&self.apps[0], which).await?,
            Step::CutOff(webhook, yields) => {
                let sending = self.portal.send(&self.apps[0], &mut self.model, webhook);
                for _ in 0..*yields {
                    tokio::task::yield_now().await;
                }
                self.crash().await;
                let first = sending.answered().await;
                self.rise().await;
                self.portal.send_again(&self.apps[0], &mut self.model, first).await?;
            }
            Step::Fault(fault) => {
                self.microsoft
                    .faults(json!([fault.rule(&MAILBOXES, self.apps[0].now(), self.beside != Beside::Nothing)]))
                    .await;
            }
            Step::Mend => self.microsoft.clear_faults().await,
            Step::Staff(which, edit) => self.meddle(which, *edit).await,
            Step::Retry => self.retry("").await?,
            Step::Crash { amid, seconds } => {
                if *amid {
                    self.amid().await;
                }
                self.crash().await;
                if *seconds > 0 {
                    self.pass(SignedDuration::from_secs(*seconds)).await;
                }
                self.rise().await;
            }
            Step::Replica if self.apps.len() == 1 => self.apps.push(self.apps[0].replica().await),
            Step::Replica => self.apps.pop().expect("there are two").stop().await,
            Step::Rest => {
                self.rest().await;
                verdict::interim(self).await?;
            }
            Step::Freeze(seconds) => {
                // Leases end amid calls, which whoever takes over knows nothing of. Less than a minute, which is how late
                // Graph may be.
                self.amid().await;
                self.surprise().await;
                self.apps[0].advance(SignedDuration::from_secs(*seconds)).await;
                self.rest().await;
            }
            Step::Rename(person) => {
                self.renames += 1;
                outlook::rename(&self.microsoft, &self.ids[*person], self.renames).await;
            }
            Step::PassOn(to) => self.pass_on(*to).await?,
            Step::Pass(seconds) => self.pass(SignedDuration::from_secs(*seconds)).await,
        }
        self.limits().await
    }

    /// Trouble ends, and everything is settled and stays as it is.
    pub(super) async fn conclude(&mut self) -> Result<(), String> {
        self.settle().await?;
        self.pass(SignedDuration::from_hours(26)).await;
        self.limits().await
    }

    /// The reception's address passes on. Before that everything is settled, and after it the directory's former answers are old:
    /// in between nobody can say whose the leave should be.
    async fn pass_on(&mut self, to: usize) -> Result<(), String> {
        self.settle().await?;
        verdict::find(self).await;
        outlook::pass_on(&self.microsoft, &self.ids[to]).await;
        self.model.pass_on(to);
        self.pass(SignedDuration::from_hours(25)).await;
        self.limits().await
    }

    /// Trouble ends, time passes, an operator retries what is parked, until everything is settled.
    async fn settle(&mut self) -> Result<(), String> {
        self.microsoft.clear_faults().await;
        for minutes in [0, 1, 2, 5, 15, 80, 80, 300, 26 * 60, 26 * 60, 26 * 60] {
            self.pass(SignedDuration::from_mins(minutes)).await;
            self.limits().await?;
            if self.number(OPEN).await == 0 {
                return Ok(());
            }
            self.retry("?state=parked").await?;
        }
        Err(format!("something is never settled: {:?}", self.apps[0].mappings().await))
    }

    /// Ends everything and leaves nothing behind.
    pub(super) async fn leave(mut self) {
        let database = self.apps[0].database.clone();
        for app in &mut self.apps {
            app.stop().await;
        }
        database.forget().await;
    }

    pub(super) fn app(&self) -> &TestApp {
        &self.apps[0]
    }

    /// Whose mailbox an item is in, once that is known.
    pub(super) async fn owner_of(&mut self, item: &str) -> Option<usize> {
        let owner: Option<String> = sqlx::query_scalar(
            "SELECT b.entra_id FROM items i JOIN mailboxes b ON b.id = i.mailbox WHERE i.id = $1::uuid",
        )
        .bind(item)
        .fetch_one(&mut self.looking)
        .await
        .unwrap();
        self.ids.iter().position(|id| Some(id) == owner.as_ref())
    }

    /// What a query of one number gives.
    pub(super) async fn number(&mut self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&mut self.looking).await.unwrap()
    }

    pub(super) async fn is_at_rest(&mut self) -> bool {
        // With nobody alive what is due stays so.
        let nobody = self.down && self.apps.len() == 1;
        self.number(if nobody { HELD } else { HELD_OR_DUE }).await == 0 && self.microsoft.is_idle().await
    }

    /// Waits until nobody alive has anything to do, and Graph has finished what the dead have asked of it.
    async fn rest(&mut self) {
        until("everybody is at rest", async || self.is_at_rest().await).await;
    }

    /// Waits until a call is under way, if there is anything to do.
    async fn amid(&mut self) {
        until("a call is under way or nothing is left to do", async || {
            !self.microsoft.is_idle().await || self.is_at_rest().await
        })
        .await;
    }

    /// Time passes only while everybody is at rest: PostgreSQL's clock and a process's own agree in life.
    async fn pass(&mut self, time: SignedDuration) {
        self.rest().await;
        self.apps[0].advance(time).await;
        self.rest().await;
    }

    async fn crash(&mut self) {
        self.surprise().await;
        self.apps[0].crash().await;
        self.down = true;
    }

    /// What comes next takes somebody by surprise.
    async fn surprise(&mut self) {
        self.model.calm = false;
        if !self.is_at_rest().await {
            self.unfair_until = self.apps[0].now() + trouble::LONGEST_RETRY_AFTER;
        }
    }

    /// Insists that no limit of Microsoft's has been broken since the last look.
    async fn limits(&mut self) -> Result<(), String> {
        let score = self.microsoft.score().await;
        let broken =
            ["limit_violations", "retry_after_violations"].map(|name| score[name].as_u64().unwrap_or(1)).iter().sum();
        let more = std::mem::replace(&mut self.broken, broken) < broken;
        if more && self.apps[0].now() > self.unfair_until { Err(format!("a limit is broken: {score}")) } else { Ok(()) }
    }

    async fn rise(&mut self) {
        self.apps[0].restart().await;
        self.down = false;
    }

    async fn retry(&self, filter: &str) -> Result<(), String> {
        let app = &self.apps[0];
        let request = app.request(Method::POST, &format!("/mappings/retry{filter}")).bearer_auth(app.token("ops"));
        let retried = answer(request).await;
        if retried.status == 202 { Ok(()) } else { Err(format!("a retry is refused: {retried:?}")) }
    }

    /// Somebody does something to an event of ours, if there is one.
    async fn meddle(&mut self, which: &proptest::sample::Index, edit: Edit) {
        // Between our look and their change nothing may be written; a deletion shows what it deleted.
        if edit != Edit::Delete {
            self.rest().await;
        }
        let ours = outlook::ours(&self.microsoft, &self.ids).await;
        if ours.is_empty() {
            return;
        }
        let (person, marker, before) = which.get(&ours);
        let mappings = verdict::mappings(self).await;
        let is_its = |mapping: &&Value| verdict::marker_of(mapping) == *marker && mapping["person"] == *person;
        let page = mappings.iter().find(is_its).expect("a mapping of ours");
        let leave = verdict::leave_of(page);
        if edit == Edit::Delete {
            let settled = self.is_at_rest().await && page["state"] == "synced";
            if let Some(held) = outlook::delete(&self.microsoft, &self.ids[*person], &before.id).await {
                self.model.deleted(leave, *person, &held, settled);
            }
        } else {
            self.edits += 1;
            let after = outlook::edit(&self.microsoft, &self.ids[*person], &before.id, edit, self.edits).await;
            self.model.edited(leave, *person, before, &after, edit);
        }
    }
}
