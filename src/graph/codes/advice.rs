//! What a code means for a person.

/// What a code means for a person, with gaps that the doctor fills in: `{tenant}`, `{key}` (the tenant's table in the
/// configuration), `{app}`, `{admin}` (the Entra admin center), `{registration}` (the app's page there), `{authority}`,
/// `{graph}` and `{mailbox}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Advice {
    /// A fixed word; docs/doctor.md lists all.
    pub id: &'static str,
    /// What happened, and what leavebridge does about it by itself.
    pub meaning: &'static str,
    /// The one next click or command.
    pub next: &'static str,
}
