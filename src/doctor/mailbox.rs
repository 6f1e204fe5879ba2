//! Whether the right mailboxes open, and only those: nothing but a real call can tell.

use super::{
    explanation::Explanation,
    order::Order,
    rights::Rights,
    tenant::{TenantExamination, describe},
};
use crate::{
    domain::finding::Finding,
    graph::{Graph, MailboxAccess},
    reconcile::failure::Failure,
};

/// The permission to set automatic replies.
const REPLIES: &str = "MailboxSettings.ReadWrite";

impl TenantExamination<'_> {
    /// The mailbox that has to open, the one that must not, and what is to be known of the first.
    pub(super) async fn mailboxes(&self, graph: &Graph, order: &Order, rights: &Rights) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut one_opens = false;
        if let Some(address) = &order.mailbox {
            findings.extend(self.inside(graph, address, order.write_test, rights).await);
            one_opens = findings.iter().any(|found| found.id == "mailbox");
        } else {
            let explanation = Explanation::warning(
                "mailbox-not-named",
                "A token is no proof that calendars can be written to.",
                "leavebridge doctor --tenant {tenant} --mailbox SOMEBODY@YOUR-DOMAIN --write-test",
            );
            findings.push(self.finding("No mailbox was named, so none was tried.", explanation, ""));
        }
        if let Some(address) = &order.outside_mailbox {
            findings.push(self.outside(graph, address, rights, one_opens).await);
        }
        findings
    }

    async fn inside(&self, graph: &Graph, address: &str, write_test: bool, rights: &Rights) -> Vec<Finding> {
        if let Err(error) = graph.open_calendar(self.mailbox(address)).await {
            if error.failure == Failure::MailboxMissing && address.to_ascii_uppercase().contains("#EXT#") {
                let explanation = Explanation::error(
                    "mailbox-guest",
                    "A guest has no mailbox in this directory; it is in the guest's own organisation.",
                    "Enter this person's leave there, or name the address of a member.",
                );
                let seen = format!("The calendar of {address} does not open: {}", describe(&error, self.clock.now()));
                return vec![self.finding(seen, explanation, address)];
            }
            return vec![self.failed(&format!("The calendar of {address} does not open"), &error, rights, address)];
        }
        let mut findings = vec![self.ok("mailbox", format!("The calendar of {address} opens."))];
        findings.extend(self.zone(graph, address).await);
        findings.extend(self.look_up(graph, address).await);
        findings.extend(self.replies(graph, address, rights).await);
        if write_test {
            findings.push(self.write_test(graph, address, rights).await);
        } else {
            let explanation = Explanation::warning(
                "write-not-tested",
                "Reading proves no right to write.",
                "Run the doctor again with --write-test: it writes one private event, changes it and deletes it.",
            );
            findings.push(self.finding("Nothing was written.", explanation, address));
        }
        findings
    }

    /// The mailbox's own time zone, which leavebridge may or may not read; both are right.
    async fn zone(&self, graph: &Graph, address: &str) -> Option<Finding> {
        let ours = &self.tenant.policy.time_zone;
        match graph.time_zone(self.mailbox(address)).await {
            Ok(theirs) => {
                let told = if theirs.is_empty() { "none is set there".to_owned() } else { theirs };
                Some(self.ok(
                    "time-zone",
                    format!("The mailbox's time zone and hours can be read and count before the policy's: {told}."),
                ))
            }
            Err(error) if error.failure == Failure::AccessDenied => Some(self.ok(
                "time-zone",
                format!(
                    "The mailbox's time zone may not be read (no MailboxSettings.Read), which is right: the policy's is used, {}.",
                    ours.name()
                ),
            )),
            // Whatever it is, the calendar's own checks have seen it or are about to.
            Err(_) => None,
        }
    }

    /// Whether people may be looked up in the directory; both are right.
    async fn look_up(&self, graph: &Graph, address: &str) -> Option<Finding> {
        let seen = match graph.look_up(address, self.end()).await {
            Ok(Some(_)) => {
                "People can be looked up in the directory, and are found again when their address changes.".to_owned()
            }
            Ok(None) => format!("The directory may be asked, and knows nobody of the address {address}."),
            Err(error) if error.failure == Failure::AccessDenied => {
                "The directory may not be asked (no User.Read.All), which is right: addresses are used as given."
                    .to_owned()
            }
            // Whatever it is, the calendar's own checks have seen it or are about to.
            Err(_) => return None,
        };
        Some(self.ok("look-up", seen))
    }

    /// Whether automatic replies can be seen to, where they are wanted.
    ///
    /// Nothing is written: between what was read and what is written the service may have scheduled a reply of its own,
    /// which it would take for switched off by its owner then.
    async fn replies(&self, graph: &Graph, address: &str, rights: &Rights) -> Option<Finding> {
        if !self.tenant.policy.replies() {
            return None;
        }
        let grant = "Way A: {registration} → API permissions → Add a permission → Microsoft \
                     Graph → Application permissions → MailboxSettings.ReadWrite → Grant admin consent. Way B: give Exchange's \
                     role Application MailboxSettings.ReadWrite (`leavebridge setup`). Or switch automatic replies off.";
        match graph.automatic_reply(self.mailbox(address)).await {
            Ok(_) if rights.name(REPLIES) => {
                Some(self.ok("replies", format!("Automatic replies can be seen to: the token names {REPLIES}.")))
            }
            Ok(_) if rights.name("MailboxSettings.Read") => {
                let meaning = "Automatic replies are switched on, and Entra's consent is for reading only: unless Exchange \
                               grants the rest, none is set. Events are not affected.";
                let explanation = Explanation::warning("replies-read-only", meaning, grant);
                Some(self.finding(format!("The token names MailboxSettings.Read, but not {REPLIES}."), explanation, address))
            }
            Ok(_) => Some(self.ok(
                "replies",
                format!(
                    "The mailbox's automatic reply can be read. The token does not name {REPLIES}: right if Exchange grants \
                     it; the first reply tells."
                ),
            )),
            Err(error) if error.failure == Failure::AccessDenied => {
                let meaning = "Automatic replies are switched on, and cannot be set: the app may not touch mailbox settings. \
                               Events are not affected.";
                let explanation = Explanation::error("replies-denied", meaning, grant);
                let seen = format!("The automatic reply of {address} may not be read: {}", describe(&error, self.clock.now()));
                Some(self.finding(seen, explanation, address))
            }
            // Whatever it is, the calendar's own checks have seen it or are about to.
            Err(_) => None,
        }
    }

    async fn outside(&self, graph: &Graph, address: &str, rights: &Rights, one_opens: bool) -> Finding {
        match graph.open_calendar(self.mailbox(address)).await {
            Ok(()) => {
                let why = if rights.write_calendars() {
                    "The token names Calendars.ReadWrite: that is consent for every mailbox, and it defeats a scope in \
                     Exchange, because the two add up."
                } else {
                    "Exchange grants more mailboxes than you think."
                };
                let next = if rights.write_calendars() {
                    "If Exchange grants a group's mailboxes (way B): {registration} → API \
                     permissions → Calendars.ReadWrite: Revoke admin consent, then Remove permission. By way A every mailbox \
                     opens, and there is nothing to prove."
                } else {
                    "Exchange Online PowerShell: Get-ManagementRoleAssignment -RoleAssignee {app} shows the scope; \
                     Test-ServicePrincipalAuthorization -Identity {app} -Resource {mailbox} tests it."
                };
                self.finding(
                    format!("The calendar of {address} opens, and must not."),
                    Explanation::error("scope-open", why, next),
                    address,
                )
            }
            Err(error) if error.failure == Failure::AccessDenied && !one_opens => {
                let explanation = Explanation::warning(
                    "scope-unproven",
                    "That proves nothing while no other mailbox is seen to open: perhaps none does.",
                    "Name one that has to open as well: --mailbox SOMEBODY@YOUR-DOMAIN.",
                );
                self.finding(format!("The calendar of {address} does not open."), explanation, address)
            }
            Err(error) if error.failure == Failure::AccessDenied => {
                self.ok("scope-holds", format!("The calendar of {address} does not open, as it should be."))
            }
            Err(error) => {
                let explanation = Explanation::warning(
                    "scope-unproven",
                    "This neither proves nor disproves that the app is kept out.",
                    "Name a mailbox that exists, is licensed, and lies outside the scope.",
                );
                let seen = format!(
                    "The calendar of {address} does not open, but for another reason: {}",
                    describe(&error, self.clock.now())
                );
                self.finding(seen, explanation, address)
            }
        }
    }

    /// One call in that mailbox. The doctor makes one at a time: with the service's own three that is what Graph allows.
    pub(super) fn mailbox<'a>(&self, address: &'a str) -> MailboxAccess<'a> {
        MailboxAccess { user: address, until: self.end() }
    }
}
