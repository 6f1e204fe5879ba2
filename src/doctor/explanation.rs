//! What a refusal means for a person, and what to do next.
//!
//! The meanings of Microsoft's codes are in `graph::codes`; here they are chosen, and a missing right is explained by what
//! the token names. A code that is unknown there is unknown here: no fix is invented for it.

use super::rights::Rights;
use crate::{
    domain::finding::Severity,
    graph::codes::{self, Advice},
};

/// What a refusal means, with the gaps of [`Advice`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Explanation {
    pub(super) id: &'static str,
    pub(super) severity: Severity,
    pub(super) meaning: String,
    pub(super) next: String,
}

impl Explanation {
    pub(super) fn error(id: &'static str, meaning: impl Into<String>, next: impl Into<String>) -> Self {
        Self { id, severity: Severity::Error, meaning: meaning.into(), next: next.into() }
    }

    pub(super) fn warning(id: &'static str, meaning: impl Into<String>, next: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(id, meaning, next) }
    }

    pub(super) fn of(advice: Advice) -> Self {
        Self::error(advice.id, advice.meaning, advice.next)
    }

    /// For a code that is in no table.
    pub(super) fn unknown() -> Self {
        Self::error(
            "unknown",
            "leavebridge does not know this answer, and does not guess what it means.",
            "Look it up with Microsoft, or open a case there: the ids above are what support asks for.",
        )
    }

    /// Why there is no token.
    pub(super) fn of_entra(code: &str) -> Option<Self> {
        codes::entra::find(code).map(|row| row.advice).or_else(|| codes::own::advice(code)).map(Self::of)
    }

    /// Why a call in a mailbox failed.
    pub(super) fn of_graph(code: &str, status: Option<u16>, message: &str, rights: &Rights) -> Option<Self> {
        let code = match (code, status) {
            // With that status the gateway spoke, not Exchange.
            ("UnknownError", Some(502 | 504)) => "GatewayTimeout",
            _ => code,
        };
        let advice = codes::graph::find(code).map(|row| row.advice).or_else(|| codes::own::advice(code))?;
        let told_apart = (advice.id == "consent-missing").then(|| denied(code, message, rights)).flatten();
        Some(told_apart.unwrap_or_else(|| Self::of(advice)))
    }
}

/// Why the app may not open that mailbox, where the token shows it; else the table explains it.
///
/// A role in the token is Entra's consent for all mailboxes; without one the right may still be Exchange's to give (RBAC
/// for Applications). So a refusal with the role is a policy's, and one without leaves two causes.
fn denied(code: &str, message: &str, rights: &Rights) -> Option<Explanation> {
    let of_policy = code == "extensionError" || message.contains("OData is disabled");
    if of_policy || rights.write_calendars() {
        return Some(Explanation::error(
            "outside-scope",
            "Entra's consent is there, yet Exchange refuses this mailbox: an application access policy keeps the app away \
             from it, or it lies outside every group that the app is limited to.",
            "Exchange Online PowerShell: Test-ApplicationAccessPolicy -AppId {app} -Identity {mailbox}; then let the policy \
             include it, or replace the policy by RBAC for Applications (`leavebridge setup`, way B).",
        ));
    }
    if rights.roles.iter().any(|role| role.starts_with("Calendars.Read")) {
        return Some(Explanation::error(
            "consent-read-only",
            "The app may read calendars, but not write to them.",
            "{registration} → API permissions → Add a permission → Microsoft Graph → \
             Application permissions → Calendars.ReadWrite → Grant admin consent.",
        ));
    }
    None
}
