//! The opaque names of things in a mailbox: two ids for every event, change keys, iCalendar ids.
//!
//! They are worked out, not stored, so that a million events stay small. They must never be compared without regard to
//! case, and one that does not come from this mailbox must never open anything in it.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE},
};
use uuid::Uuid;

/// Which of an event's two ids: Microsoft documents that they are different strings for the same event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// The id a caller gets who asks for nothing.
    Default,
    /// The id behind `Prefer: IdType="ImmutableId"`.
    Immutable,
}

/// An id that cannot have come from Graph at all.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// What the names of one mailbox are made from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seal {
    person: Uuid,
    salt: u64,
}

const KIND: usize = 0;
const SERIAL: std::ops::Range<usize> = 25..29;
/// 29 bytes leave one `=` at the end of the base64, as real ids have it.
const LENGTH: usize = 29;
const CALENDAR: u8 = 7;

impl Seal {
    /// Names for the mailbox of `person`; a new `salt` makes every earlier name a stranger.
    pub(crate) const fn new(person: Uuid, salt: u64) -> Self {
        Self { person, salt }
    }

    /// The id of event number `serial`.
    pub(crate) fn event(&self, serial: u32, form: Form) -> String {
        match form {
            Form::Default => self.name("AAMkAD", 1, serial),
            Form::Immutable => self.name("AAkALg", 2, serial),
        }
    }

    /// The id of calendar number `serial`; containers have one id that never changes.
    pub(crate) fn calendar(&self, serial: u32) -> String {
        self.name("AAMkAG", CALENDAR, serial)
    }

    /// Which number `id` stands for, should this mailbox have it: the caller compares the whole id before trusting it.
    pub(crate) fn serial(id: &str) -> Result<u32, Malformed> {
        let encoded = id.get(6..).ok_or(Malformed)?;
        let bytes = URL_SAFE.decode(encoded).or_else(|_| STANDARD.decode(encoded)).map_err(|_| Malformed)?;
        if !id.starts_with("AA") || bytes.len() != LENGTH {
            return Err(Malformed);
        }
        let serial: [u8; 4] = bytes[SERIAL].try_into().map_err(|_| Malformed)?;
        Ok(u32::from_be_bytes(serial))
    }

    /// The change key of the mailbox's change number `change`.
    pub(crate) fn change_key(&self, change: u64) -> String {
        let mut bytes = [0; 22];
        bytes[..8].copy_from_slice(&self.salt.to_be_bytes());
        bytes[8..14].copy_from_slice(&self.person.as_bytes()[..6]);
        bytes[14..].copy_from_slice(&change.to_be_bytes());
        STANDARD.encode(bytes)
    }

    /// The iCalendar id of event number `serial`, in the shape of Outlook's global object ids.
    pub(crate) fn ical_uid(&self, serial: u32) -> String {
        let unique = (u128::from(self.salt) << 64) | u128::from(scatter(self.salt ^ u64::from(serial)));
        format!("040000008200E00074C5B7101A82E008000000000000000000000000000000000000000010000000{unique:032X}")
    }

    fn name(&self, prefix: &str, kind: u8, serial: u32) -> String {
        let mut bytes = [0; LENGTH];
        bytes[KIND] = kind;
        bytes[1..17].copy_from_slice(self.person.as_bytes());
        bytes[17..25].copy_from_slice(&scatter(self.salt ^ (u64::from(serial) << 8) ^ u64::from(kind)).to_be_bytes());
        bytes[SERIAL].copy_from_slice(&serial.to_be_bytes());
        // Most ids keep to `-` and `_`, a few hold `/` and `+`: a client must percent-encode them in a path.
        let encoded = if serial % 4 == 3 { STANDARD.encode(bytes) } else { URL_SAFE.encode(bytes) };
        format!("{prefix}{encoded}")
    }
}

/// Spreads close numbers over all bits.
const fn scatter(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEAL: Seal = Seal::new(Uuid::from_u128(0xA1B2_C3D4), 0xFFFE_FDFC_0102_0304);

    #[test]
    fn both_ids_of_an_event_lead_to_its_number_and_differ() {
        for serial in [0, 1, 3, 255, 70_000, u32::MAX] {
            let (default, immutable) = (SEAL.event(serial, Form::Default), SEAL.event(serial, Form::Immutable));
            assert_ne!(default, immutable);
            assert_eq!(Seal::serial(&default), Ok(serial));
            assert_eq!(Seal::serial(&immutable), Ok(serial));
        }
    }

    #[test]
    fn ids_need_percent_encoding_and_some_hold_a_slash_or_a_plus() {
        let ids: Vec<String> = (0..64).map(|serial| SEAL.event(serial, Form::Immutable)).collect();
        assert!(ids.iter().all(|id| id.ends_with('=')));
        assert!(ids.iter().any(|id| id.contains(['/', '+'])));
        assert!(ids.iter().any(|id| id.contains(['-', '_'])));
    }

    #[test]
    fn what_graph_never_wrote_is_malformed() {
        for id in ["", "AAkALg", "nonsense", "AAkALg!!!", "ÄÄÄÄÄÄÄÄÄÄ", &SEAL.event(1, Form::Default)[..30]] {
            assert_eq!(Seal::serial(id), Err(Malformed), "{id}");
        }
    }

    #[test]
    fn every_change_has_a_key_of_its_own() {
        assert_ne!(SEAL.change_key(1), SEAL.change_key(2));
        assert_ne!(SEAL.ical_uid(1), SEAL.ical_uid(2));
    }
}
