//! A user of the simulated directory, and whether Graph finds a mailbox for it.

use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::failure::Failure;

/// The kind of a user. It decides whether Graph finds a mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    #[default]
    Normal,
    Guest,
    Unlicensed,
    OnPremises,
    /// The account is disabled; the mailbox stays.
    Disabled,
    /// A mailbox with a disabled account.
    Shared,
    /// A user whose address was changed. Object id and mailbox stay; the former address is an alias.
    Renamed,
}

/// A user, as the directory has it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Profile {
    pub(crate) id: Uuid,
    pub(crate) address: String,
    /// Further addresses that mail reaches; none of them names a user or a mailbox in a path.
    pub(crate) aliases: Vec<String>,
    pub(crate) user_principal_name: String,
    pub(crate) name: String,
    pub(crate) time_zone: String,
    /// From when until when, Monday to Friday: `08:00-17:00`.
    pub(crate) working_hours: String,
    pub(crate) kind: Kind,
    pub(crate) in_scope: bool,
    pub(crate) employee_id: Option<String>,
}

impl Profile {
    /// Whether there is a mailbox that Graph would open; the texts are the service's own.
    pub(crate) fn mailbox(&self) -> Result<(), Failure> {
        let absent = |message| Err(Failure::new(StatusCode::NOT_FOUND, "MailboxNotEnabledForRESTAPI", message));
        match self.kind {
            Kind::Guest => absent("REST API is not yet supported for this mailbox."),
            Kind::Unlicensed | Kind::OnPremises => {
                absent("The mailbox is either inactive, soft-deleted, or is hosted on-premise.")
            }
            Kind::Normal | Kind::Disabled | Kind::Shared | Kind::Renamed if !self.in_scope => {
                Err(Failure::access_denied())
            }
            Kind::Normal | Kind::Disabled | Kind::Shared | Kind::Renamed => Ok(()),
        }
    }

    /// Moves to another address and keeps the former one as an alias, as Exchange does.
    pub(crate) fn rename(&mut self, address: String) {
        // As in most companies the sign-in name follows the address, unless it was something else before.
        if self.user_principal_name == self.address {
            self.user_principal_name.clone_from(&address);
        }
        let former = std::mem::replace(&mut self.address, address);
        self.aliases.push(former);
        self.aliases.retain(|alias| !alias.eq_ignore_ascii_case(&self.address));
    }
}
