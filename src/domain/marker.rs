//! How an event is recognised as ours, and as which one: ids that follow from the leave, so that they outlive the database.
//!
//! The mailbox has no part in a marker: it is searched for per mailbox, and people are renamed. Changing how these are made
//! would orphan every event that was ever written.

use uuid::Uuid;

/// The namespace of markers and owners.
const NAMESPACE: Uuid = Uuid::from_u128(0x2f5b_9c1e_7a40_4d63_9f0e_51c8_d3a7_b264);

/// What an event carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marker {
    /// Of which leave and calendar it is.
    pub event: Uuid,
    /// Whose installation and tenant wrote it.
    pub owner: Uuid,
}

impl Marker {
    /// The marker of a leave's event in a calendar of that name.
    #[must_use]
    pub fn new(installation: &str, tenant: &str, source: &str, leave: &str, calendar: &str) -> Self {
        Self {
            event: derived(&[installation, tenant, source, leave, calendar]),
            owner: derived(&[installation, tenant]),
        }
    }

    /// The id under which Graph recognises a create that is sent twice: another one for every event of the leave there, and for
    /// every database, so that one that was emptied or restored never meets a transaction of before whose event is gone.
    #[must_use]
    pub fn transaction(&self, generation: Uuid, mailbox: i64, incarnation: i32) -> Uuid {
        let mut bytes = Vec::with_capacity(28);
        bytes.extend_from_slice(generation.as_bytes());
        bytes.extend_from_slice(&mailbox.to_be_bytes());
        bytes.extend_from_slice(&incarnation.to_be_bytes());
        Uuid::new_v5(&self.event, &bytes)
    }
}

/// Each part with its length before it: no two lists of parts give the same bytes.
fn derived(parts: &[&str]) -> Uuid {
    let mut bytes = Vec::new();
    for part in parts {
        bytes.extend_from_slice(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    Uuid::new_v5(&NAMESPACE, &bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_is_the_same_at_every_start_and_another_for_every_part() {
        let marker = Marker::new("i", "default", "ess", "LA-1", "default");
        assert_eq!(marker, Marker::new("i", "default", "ess", "LA-1", "default"));
        // Frozen: events that carry these are found by them for ever.
        assert_eq!(marker.event.to_string(), "87d266e2-6268-57f4-8643-25756a3bcd79");
        assert_eq!(marker.owner.to_string(), "3b362b0b-90e5-5801-ab76-b1acf27888b6");
        for other in [
            ["j", "default", "ess", "LA-1", "default"],
            ["i", "acme", "ess", "LA-1", "default"],
            ["i", "default", "essL", "A-1", "default"],
            ["i", "default", "ess", "LA-2", "default"],
            ["i", "default", "ess", "LA-1", "Team"],
        ] {
            let [installation, tenant, source, leave, calendar] = other;
            assert_ne!(marker.event, Marker::new(installation, tenant, source, leave, calendar).event);
        }
    }

    #[test]
    fn a_transaction_is_another_for_every_database_mailbox_and_incarnation() {
        let marker = Marker::new("i", "default", "ess", "LA-1", "default");
        let (one, two) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let transaction = marker.transaction(one, 7, 0);
        assert_eq!(transaction, marker.transaction(one, 7, 0));
        for other in [marker.transaction(two, 7, 0), marker.transaction(one, 8, 0), marker.transaction(one, 7, 1)] {
            assert_ne!(transaction, other);
        }
    }
}
