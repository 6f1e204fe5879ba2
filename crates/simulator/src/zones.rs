//! The time zone names that Outlook understands: every Windows name, and the few IANA names that Microsoft lists.
//!
//! It must never accept a name only because this machine knows it: the refusal of `Europe/Dublin` is real.

use std::{
    collections::HashMap,
    hash::{Hash, Hasher},
    sync::{Arc, LazyLock, PoisonError, RwLock},
};

use jiff::tz::TimeZone;

/// The IANA names that Microsoft documents for the dateTimeTimeZone resource ("additional time zones").
///
/// The page writes four of them in two spellings, such as "Europe/Kyiv (Kiev)"; both are taken here.
const DOCUMENTED: [&str; 107] = [
    "Africa/Cairo",
    "Africa/Casablanca",
    "Africa/Johannesburg",
    "Africa/Lagos",
    "Africa/Nairobi",
    "Africa/Windhoek",
    "America/Anchorage",
    "America/Argentina/Buenos_Aires",
    "America/Asuncion",
    "America/Bahia",
    "America/Bogota",
    "America/Caracas",
    "America/Cayenne",
    "America/Chicago",
    "America/Chihuahua",
    "America/Cuiaba",
    "America/Denver",
    "America/Godthab",
    "America/Guatemala",
    "America/Halifax",
    "America/Indiana/Indianapolis",
    "America/La_Paz",
    "America/Los_Angeles",
    "America/Mexico_City",
    "America/Montevideo",
    "America/New_York",
    "America/Phoenix",
    "America/Regina",
    "America/Santa_Isabel",
    "America/Santiago",
    "America/Sao_Paulo",
    "America/St_Johns",
    "Asia/Almaty",
    "Asia/Amman",
    "Asia/Astana",
    "Asia/Baghdad",
    "Asia/Baku",
    "Asia/Bangkok",
    "Asia/Beirut",
    "Asia/Colombo",
    "Asia/Damascus",
    "Asia/Dhaka",
    "Asia/Dubai",
    "Asia/Irkutsk",
    "Asia/Jerusalem",
    "Asia/Kabul",
    "Asia/Karachi",
    "Asia/Kathmandu",
    "Asia/Kolkata",
    "Asia/Krasnoyarsk",
    "Asia/Magadan",
    "Asia/Novosibirsk",
    "Asia/Rangoon",
    "Asia/Riyadh",
    "Asia/Seoul",
    "Asia/Shanghai",
    "Asia/Singapore",
    "Asia/Taipei",
    "Asia/Tashkent",
    "Asia/Tbilisi",
    "Asia/Tehran",
    "Asia/Tokyo",
    "Asia/Toshkent",
    "Asia/Ulaanbaatar",
    "Asia/Vladivostok",
    "Asia/Yakutsk",
    "Asia/Yangon",
    "Asia/Yekaterinburg",
    "Asia/Yerevan",
    "Atlantic/Azores",
    "Atlantic/Cape_Verde",
    "Atlantic/Reykjavik",
    "Australia/Adelaide",
    "Australia/Brisbane",
    "Australia/Darwin",
    "Australia/Hobart",
    "Australia/Perth",
    "Australia/Sydney",
    "Etc/GMT",
    "Etc/GMT+11",
    "Etc/GMT+12",
    "Etc/GMT+2",
    "Etc/GMT-12",
    "Europe/Berlin",
    "Europe/Bucharest",
    "Europe/Budapest",
    "Europe/Istanbul",
    "Europe/Kaliningrad",
    "Europe/Kiev",
    "Europe/Kyiv",
    "Europe/London",
    "Europe/Moscow",
    "Europe/Paris",
    "Europe/Warsaw",
    "Indian/Mauritius",
    "Pacific/Apia",
    "Pacific/Auckland",
    "Pacific/Fiji",
    "Pacific/Guadalcanal",
    "Pacific/Honolulu",
    "Pacific/Kiritimati",
    "Pacific/Port_Moresby",
    "Pacific/Tongatapu",
    // Windows' own name for UTC, and the two that its registry keeps for old files; CLDR leaves these out.
    "UTC",
    "Kamchatka Standard Time",
    "Mid-Atlantic Standard Time",
    "tzone://Microsoft/Utc",
];

/// A time zone as a caller named it.
#[derive(Debug)]
pub(crate) struct Zone {
    /// The name as sent.
    pub(crate) name: Box<str>,
    /// The Windows name, which is what Graph hands back as `originalStartTimeZone`.
    pub(crate) windows: Box<str>,
    /// Its clock changes.
    pub(crate) rules: TimeZone,
}

impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        self.windows == other.windows
    }
}

impl Eq for Zone {}

impl Hash for Zone {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.windows.hash(state);
    }
}

/// Zones by name, and whether Microsoft lists that name.
type Known = HashMap<Box<str>, (Arc<Zone>, bool)>;

/// The zone called `name`, or nothing when Outlook would not take that name.
///
/// `every_iana_name` is for a tenant whose Exchange maps more than is documented.
pub(crate) fn zone(name: &str, every_iana_name: bool) -> Option<Arc<Zone>> {
    static KNOWN: LazyLock<RwLock<Known>> = LazyLock::new(RwLock::default);
    if let Some((zone, listed)) = KNOWN.read().unwrap_or_else(PoisonError::into_inner).get(name) {
        return (*listed || every_iana_name).then(|| Arc::clone(zone));
    }
    let windows = localzone::win_zone_to_iana(name, None);
    let listed = windows.is_some() || DOCUMENTED.contains(&name);
    let zone = Arc::new(resolve(name, windows)?);
    KNOWN.write().unwrap_or_else(PoisonError::into_inner).insert(name.into(), (Arc::clone(&zone), listed));
    (listed || every_iana_name).then_some(zone)
}

fn resolve(name: &str, windows: Option<&'static str>) -> Option<Zone> {
    let (iana, canonical) = match (windows, name) {
        (_, "UTC" | "tzone://Microsoft/Utc") => ("UTC", "UTC"),
        (Some(iana), _) => (iana, name),
        (None, "Kamchatka Standard Time") => ("Asia/Kamchatka", name),
        (None, "Mid-Atlantic Standard Time") => ("Etc/GMT+2", name),
        // The documented spellings that the tz database does not know.
        (None, "Asia/Toshkent") => ("Asia/Tashkent", "West Asia Standard Time"),
        (None, "Asia/Astana") => ("Asia/Almaty", "Central Asia Standard Time"),
        (None, "Europe/Kyiv") => ("Europe/Kiev", "FLE Standard Time"),
        (None, "Asia/Yangon") => ("Asia/Rangoon", "Myanmar Standard Time"),
        (None, iana) => (iana, localzone::iana_to_win_zone(iana).map_or(iana, |(windows, _)| windows)),
    };
    Some(Zone { name: name.into(), windows: canonical.into(), rules: TimeZone::get(iana).ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_names_and_the_documented_iana_names_are_zones() {
        for name in ["GMT Standard Time", "W. Europe Standard Time", "UTC", "China Standard Time", "UTC-11"] {
            assert!(zone(name, false).is_some(), "{name}");
        }
        for name in DOCUMENTED {
            assert!(zone(name, false).is_some(), "{name}");
        }
    }

    #[test]
    fn names_that_microsoft_does_not_list_are_no_zones_unless_every_name_is_taken() {
        for name in ["Europe/Dublin", "Asia/Hong_Kong", "Europe/Rome"] {
            assert!(zone(name, false).is_none(), "{name}");
            assert!(zone(name, true).is_some(), "{name}");
        }
        for name in ["", "Mars/Olympus", "gmt standard time", "CET Standard"] {
            assert!(zone(name, true).is_none(), "{name}");
        }
    }

    #[test]
    fn two_names_of_one_zone_are_equal() {
        let equal = |a, b| zone(a, false).unwrap() == zone(b, false).unwrap();
        assert!(equal("Europe/London", "GMT Standard Time"));
        assert!(!equal("Europe/London", "UTC"));
    }
}
