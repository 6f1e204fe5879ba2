//! The permissions that a token names.

/// The permissions that a token names. They explain a refusal and never predict one: Exchange may grant more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Rights {
    pub(super) roles: Vec<String>,
}

impl Rights {
    pub(super) fn write_calendars(&self) -> bool {
        self.name("Calendars.ReadWrite")
    }

    /// Whether that permission is among them.
    pub(super) fn name(&self, permission: &str) -> bool {
        self.roles.iter().any(|role| role == permission)
    }
}
