//! The checks that need no Microsoft: the database, the callers, and what waits in the queue.

use std::cmp::Ordering;

use crate::{
    config::{Client, Scope, Settings},
    domain::finding::{Finding, Severity},
    reconcile::mailbox::Block,
    store::{
        Store, StoreError,
        stats::{Backlog, HeldReplies},
    },
};

/// Configuration, database and callers, as far as they are about these tenants. The configuration has been
/// read already.
pub(super) async fn examine(settings: &Settings, store: &Store, tenants: &[&str]) -> Vec<Finding> {
    let is_theirs = |client: &&Client| client.tenants.iter().any(|tenant| tenants.contains(&tenant.as_str()));
    let clients: Vec<&Client> = settings.clients.values().filter(is_theirs).collect();
    let mut findings =
        vec![ok("configuration", format!("{}, {}.", count(tenants.len(), "tenant"), count(clients.len(), "client")))];
    findings.push(database(store).await);
    if !tenants.is_empty() {
        findings.extend(callers(settings, tenants, &clients));
    }
    findings
}

async fn database(store: &Store) -> Finding {
    match store.schema().await {
        Ok(Ordering::Equal) => ok("database", "PostgreSQL answers, and its schema is up to date.".into()),
        Ok(Ordering::Greater) => Finding {
            id: "schema-newer",
            severity: Severity::Warning,
            seen: "PostgreSQL answers, but its schema is newer than this program.".into(),
            meaning:
                "A newer version of leavebridge is, or was, at work on this database. This one runs on beside it, and leaves \
                 to it what only it can read."
                    .into(),
            next: "Bring this program up to the newer version.".into(),
            tenant: None,
        },
        Ok(Ordering::Less) => Finding {
            id: "schema-outdated",
            severity: Severity::Error,
            seen: "PostgreSQL answers, but its schema is older than this program.".into(),
            meaning: "Webhooks are refused with 503 until the schema is up to date.".into(),
            next: "Run `leavebridge migrate`, or let the service do it at start (database.migrate = true).".into(),
            tenant: None,
        },
        // Without the migrator's table there is no schema at all; without a server there is nothing.
        Err(error) if error.cause().contains("42P01") => Finding {
            id: "schema-missing",
            severity: Severity::Error,
            seen: "PostgreSQL answers, but the database has no schema of leavebridge's.".into(),
            meaning:
                "Webhooks are refused with 503 until there is a schema. The service makes it when it first starts, \
                      unless database.migrate is false."
                    .into(),
            next: "Start the service, or run `leavebridge migrate`.".into(),
            tenant: None,
        },
        Err(StoreError::TooOld) => Finding {
            id: "schema-too-old",
            severity: Severity::Error,
            seen: format!("PostgreSQL answers, but this database cannot be used: {}.", StoreError::TooOld.cause()),
            meaning: "The service does not start on it.".into(),
            next: "Make a new database, let database.url name it, and start the service.".into(),
            tenant: None,
        },
        Err(error) => Finding {
            id: "database-unreachable",
            severity: Severity::Error,
            seen: format!("No way to the database: {}.", store.obstacle().await.unwrap_or_else(|| error.cause())),
            meaning: "Webhooks are refused with 503, so the portals keep them; nothing is lost, nothing is delivered."
                .into(),
            next: "Check database.url (host, name, user, password), and that PostgreSQL runs and lets this machine in."
                .into(),
            tenant: None,
        },
    }
}

/// Who may call, and how each proves itself.
fn callers(settings: &Settings, tenants: &[&str], clients: &[&Client]) -> Vec<Finding> {
    let posts = |client: &&&Client| client.scopes.contains(&Scope::LeavesWrite);
    let portals: Vec<&&Client> = clients.iter().filter(posts).collect();
    let mut findings = Vec::new();
    if portals.is_empty() {
        findings.push(Finding {
            id: "no-portal",
            severity: Severity::Error,
            seen: "No client has the scope leaves:write.".into(),
            meaning: "No portal can post leave.".into(),
            next: "Add [clients.ess] with source, tenants, scopes = [\"leaves:write\", \"leaves:read\"] and \
                   webhook_secrets_file."
                .into(),
            tenant: None,
        });
    }
    for tenant in tenants {
        if !portals.is_empty() && !portals.iter().any(|client| client.tenants.iter().any(|served| served == tenant)) {
            findings.push(Finding {
                id: "no-portal",
                severity: Severity::Warning,
                seen: format!("No client with leaves:write may speak for the tenant {tenant}."),
                meaning: "Nobody can post leave for it.".into(),
                next: format!("Add \"{tenant}\" to `tenants` of the portal's [clients.NAME]."),
                tenant: Some((*tenant).to_owned()),
            });
        }
    }
    for client in clients.iter().filter(|client| ways(settings, client).is_empty()) {
        findings.push(Finding {
            id: "client-locked-out",
            severity: Severity::Warning,
            seen: format!("{} has no way to prove itself.", client.name),
            meaning: "Whatever it sends is answered with 401.".into(),
            next: format!(
                "Give [clients.{0}] webhook_secrets_file, or issuer and subject, or make a key in [auth.keys.NAME] for \
                 `leavebridge token --client {0}`.",
                client.name
            ),
            tenant: None,
        });
    }
    if findings.is_empty() {
        let told = clients.iter().map(|client| {
            let scopes: Vec<_> = client.scopes.iter().map(|scope| scope.word()).collect();
            format!("{} ({}; by {})", client.name, scopes.join(" "), ways(settings, client).join(" or "))
        });
        findings.push(ok("clients", format!("{}.", told.collect::<Vec<_>>().join("; "))));
    }
    findings
}

fn count(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

/// How a caller may prove itself.
fn ways(settings: &Settings, client: &Client) -> Vec<String> {
    let own = (!settings.auth.keys.is_empty()).then(|| "token".to_owned());
    let signed = (!client.webhook_keys.is_empty()).then(|| "signature".to_owned());
    let others = client.subject.as_ref().map(|subject| format!("a token of {}", subject.issuer));
    [own, signed, others].into_iter().flatten().collect()
}

/// What waits for Microsoft, as the database has it.
pub(super) async fn waiting(store: &Store, tenant: &str) -> Vec<Finding> {
    // A database that is away has its own finding.
    let (Ok(throttled), Ok(backlogs), Ok(states)) =
        (store.throttled_mailboxes(tenant).await, store.backlog().await, store.tenant_states().await)
    else {
        return Vec::new();
    };
    let block = states.into_iter().find(|(name, _)| name == tenant).and_then(|(_, state)| state.block);
    let backlog = backlogs.into_iter().find(|(name, _)| name == tenant).map(|(_, backlog)| backlog).unwrap_or_default();
    let found = [block.map(blocked), Some(deliveries(backlog, throttled)), held_replies(backlog.replies)];
    found.into_iter().flatten().map(|found| Finding { tenant: Some(tenant.to_owned()), ..found }).collect()
}

fn blocked(block: Block) -> Finding {
    let (reason, detail, until) = (block.reason.word(), block.detail, block.until);
    warning(
        "tenant-blocked",
        format!("The service delivers nothing of this tenant: {reason}. {detail} The next try is at {until:.0}."),
        "It tries again by itself. That is what it saw last; what the doctor has seen just now is told above.",
        "Once all above is fine, it goes on by itself; POST /mappings/retry, or \"Try again now\" in the console, tries at once.",
    )
}

fn deliveries(backlog: Backlog, throttled: i64) -> Finding {
    let seen = format!(
        "{} leaves are due, {} wait to be tried again, {} need a person; Microsoft asks to slow down for {throttled} mailboxes.",
        backlog.due, backlog.waiting, backlog.parked
    );
    if backlog.parked > 0 {
        return warning(
            "leave-parked",
            seen,
            "Some leave is not tried any more until a person has looked at it.",
            "GET /mappings?state=parked tells which and why; POST /mappings/retry?state=parked tries again.",
        );
    }
    if backlog.denied > 0 {
        return warning(
            "deliveries-denied",
            format!("{seen} Microsoft refuses the app {} of them.", backlog.denied),
            "The app may not write to these people's calendars: consent is missing, or they are outside the app's scope.",
            "GET /mappings?state=waiting tells whose; let the doctor look at one of them (mailbox). Once mended, POST \
             /mappings/retry tries at once.",
        );
    }
    if throttled > 0 {
        return warning(
            "throttling-seen",
            seen,
            "It goes on by itself; only if it lasts for hours is something else using the app.",
            "GET /mappings?state=waiting tells which leave waits for it.",
        );
    }
    ok("deliveries", seen)
}

fn held_replies(held: HeldReplies) -> Option<Finding> {
    let HeldReplies { waiting, denied, parked } = held;
    (denied + parked > 0).then(|| {
        warning(
            "replies-waiting",
            format!(
                "Automatic replies: {waiting} wait to be tried again ({denied} of them for MailboxSettings.ReadWrite), {parked} \
                 were refused by Microsoft."
            ),
            "These mailboxes do not answer that their owner is away. Events are not affected.",
            "leavebridge doctor --mailbox SOMEBODY@YOUR-DOMAIN tells about the permission; automatic_reply in GET /mappings \
             tells which mailboxes and why.",
        )
    })
}

fn warning(id: &'static str, seen: String, meaning: &str, next: &str) -> Finding {
    Finding { id, severity: Severity::Warning, seen, meaning: meaning.into(), next: next.into(), tenant: None }
}

fn ok(id: &'static str, seen: String) -> Finding {
    Finding { id, severity: Severity::Ok, seen, meaning: String::new(), next: String::new(), tenant: None }
}
