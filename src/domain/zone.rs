//! Time zones: the IANA name that people and portals use, and the Windows name that Outlook is sure to accept.
//!
//! Graph documents all Windows names but only some hundred IANA names, so events go out with Windows names. The mapping
//! is Unicode CLDR's (through `localzone`), which knows many zones by an older name only; [`RENAMED`] leads there.
//! The zone data is linked in: a slim image has none, and an answer must not depend on the host.

use std::{fmt, sync::LazyLock};

use jiff::tz::{TimeZone, TimeZoneDatabase};
use serde::{Deserialize, Serialize};

static DATABASE: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// A time zone by its IANA name, in the database's own spelling.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Zone(String);

/// The name is not that of an IANA time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an IANA time zone such as \"Europe/London\"")]
pub struct UnknownZone;

impl Zone {
    /// The zone of that IANA name, in any case.
    ///
    /// # Errors
    /// When there is no such zone.
    pub fn parse(name: &str) -> Result<Self, UnknownZone> {
        let zone = DATABASE.get(name).map_err(|_| UnknownZone)?;
        // `Factory` is the database's placeholder for "nobody has set a zone".
        zone.iana_name().filter(|name| *name != "Factory").map(|name| Self(name.to_owned())).ok_or(UnknownZone)
    }

    /// The zone that Outlook knows by that name; `None` for one that a person has made up.
    #[must_use]
    pub fn of_outlook(name: &str) -> Option<Self> {
        if ["UTC", "tzone://Microsoft/Utc"].contains(&name) {
            return Self::parse("UTC").ok();
        }
        // Exchange keeps Windows' names, and hands out an IANA name where it was given one.
        Self::parse(localzone::win_zone_to_iana(name, None).unwrap_or(name)).ok()
    }

    /// The IANA name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0
    }

    /// The rules of this zone.
    #[must_use]
    pub fn rules(&self) -> TimeZone {
        DATABASE.get(&self.0).unwrap_or(TimeZone::UTC)
    }

    /// The name under which Outlook knows this zone, or `None` for the few that Windows has no match for.
    #[must_use]
    pub fn outlook_name(&self) -> Option<&'static str> {
        if UTC.contains(&self.0.as_str()) {
            return Some("UTC");
        }
        let by_cldr = |name: &str| localzone::iana_to_win_zone(name).map(|(windows, _territory)| windows);
        by_cldr(&self.0).or_else(|| {
            let (_, older) = RENAMED.iter().find(|(name, _)| *name == self.0)?;
            by_cldr(older)
        })
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Zone {
    type Error = UnknownZone;

    fn try_from(name: String) -> Result<Self, UnknownZone> {
        Self::parse(&name)
    }
}

impl From<Zone> for String {
    fn from(zone: Zone) -> Self {
        zone.0
    }
}

const UTC: [&str; 8] = ["UTC", "UCT", "Zulu", "Universal", "Etc/UTC", "Etc/UCT", "Etc/Zulu", "Etc/Universal"];

/// Zones that CLDR's Windows mapping lists under another name of the same place (IANA's `backward` file), and zones that
/// were merged into a neighbour with the same clock.
#[rustfmt::skip]
const RENAMED: &[(&str, &str)] = &[
    ("Africa/Asmara", "Africa/Asmera"), ("Africa/Timbuktu", "Africa/Bamako"),
    ("America/Argentina/Buenos_Aires", "America/Buenos_Aires"), ("America/Argentina/Catamarca", "America/Catamarca"),
    ("America/Argentina/ComodRivadavia", "America/Catamarca"), ("America/Argentina/Cordoba", "America/Cordoba"),
    ("America/Argentina/Jujuy", "America/Jujuy"), ("America/Argentina/Mendoza", "America/Mendoza"),
    ("America/Atikokan", "America/Coral_Harbour"), ("America/Atka", "America/Adak"),
    ("America/Ensenada", "America/Tijuana"), ("America/Fort_Wayne", "America/Indianapolis"),
    ("America/Indiana/Indianapolis", "America/Indianapolis"), ("America/Kentucky/Louisville", "America/Louisville"),
    ("America/Knox_IN", "America/Indiana/Knox"), ("America/Montreal", "America/Toronto"),
    ("America/Nipigon", "America/Toronto"), ("America/Nuuk", "America/Godthab"),
    ("America/Pangnirtung", "America/Iqaluit"), ("America/Porto_Acre", "America/Rio_Branco"),
    ("America/Rainy_River", "America/Winnipeg"), ("America/Rosario", "America/Cordoba"),
    ("America/Santa_Isabel", "America/Tijuana"), ("America/Shiprock", "America/Denver"),
    ("America/Thunder_Bay", "America/Toronto"), ("America/Virgin", "America/St_Thomas"),
    ("America/Yellowknife", "America/Edmonton"), ("Antarctica/South_Pole", "Antarctica/McMurdo"),
    ("Asia/Ashkhabad", "Asia/Ashgabat"), ("Asia/Chongqing", "Asia/Shanghai"), ("Asia/Chungking", "Asia/Shanghai"),
    ("Asia/Dacca", "Asia/Dhaka"), ("Asia/Harbin", "Asia/Shanghai"), ("Asia/Ho_Chi_Minh", "Asia/Saigon"),
    ("Asia/Istanbul", "Europe/Istanbul"), ("Asia/Kashgar", "Asia/Urumqi"), ("Asia/Kathmandu", "Asia/Katmandu"),
    ("Asia/Kolkata", "Asia/Calcutta"), ("Asia/Macao", "Asia/Macau"), ("Asia/Tel_Aviv", "Asia/Jerusalem"),
    ("Asia/Thimbu", "Asia/Thimphu"), ("Asia/Ujung_Pandang", "Asia/Makassar"), ("Asia/Ulan_Bator", "Asia/Ulaanbaatar"),
    ("Asia/Yangon", "Asia/Rangoon"), ("Atlantic/Faroe", "Atlantic/Faeroe"), ("Atlantic/Jan_Mayen", "Europe/Oslo"),
    ("Australia/ACT", "Australia/Sydney"), ("Australia/Canberra", "Australia/Sydney"),
    ("Australia/Currie", "Australia/Hobart"), ("Australia/LHI", "Australia/Lord_Howe"),
    ("Australia/NSW", "Australia/Sydney"), ("Australia/North", "Australia/Darwin"),
    ("Australia/Queensland", "Australia/Brisbane"), ("Australia/South", "Australia/Adelaide"),
    ("Australia/Tasmania", "Australia/Hobart"), ("Australia/Victoria", "Australia/Melbourne"),
    ("Australia/West", "Australia/Perth"), ("Australia/Yancowinna", "Australia/Broken_Hill"),
    ("Brazil/Acre", "America/Rio_Branco"), ("Brazil/DeNoronha", "America/Noronha"), ("Brazil/East", "America/Sao_Paulo"),
    ("Brazil/West", "America/Manaus"), ("CET", "Europe/Brussels"), ("Canada/Atlantic", "America/Halifax"),
    ("Canada/Central", "America/Winnipeg"), ("Canada/Eastern", "America/Toronto"), ("Canada/Mountain", "America/Edmonton"),
    ("Canada/Newfoundland", "America/St_Johns"), ("Canada/Pacific", "America/Vancouver"),
    ("Canada/Saskatchewan", "America/Regina"), ("Canada/Yukon", "America/Whitehorse"),
    ("Chile/Continental", "America/Santiago"), ("Chile/EasterIsland", "Pacific/Easter"), ("Cuba", "America/Havana"),
    ("EET", "Europe/Athens"), ("EST", "America/Panama"), ("Egypt", "Africa/Cairo"), ("Eire", "Europe/Dublin"),
    ("Etc/GMT+0", "Etc/GMT"), ("Etc/GMT-0", "Etc/GMT"), ("Etc/GMT0", "Etc/GMT"), ("Etc/Greenwich", "Etc/GMT"),
    ("Europe/Belfast", "Europe/London"), ("Europe/Kyiv", "Europe/Kiev"), ("Europe/Nicosia", "Asia/Nicosia"),
    ("Europe/Tiraspol", "Europe/Chisinau"), ("Europe/Uzhgorod", "Europe/Kiev"), ("Europe/Zaporozhye", "Europe/Kiev"),
    ("GB", "Europe/London"), ("GB-Eire", "Europe/London"), ("GMT", "Etc/GMT"), ("GMT+0", "Etc/GMT"), ("GMT-0", "Etc/GMT"),
    ("GMT0", "Etc/GMT"), ("Greenwich", "Etc/GMT"), ("HST", "Pacific/Honolulu"), ("Hongkong", "Asia/Hong_Kong"),
    ("Iceland", "Atlantic/Reykjavik"), ("Iran", "Asia/Tehran"), ("Israel", "Asia/Jerusalem"),
    ("Jamaica", "America/Jamaica"), ("Japan", "Asia/Tokyo"), ("Kwajalein", "Pacific/Kwajalein"),
    ("Libya", "Africa/Tripoli"), ("MET", "Europe/Brussels"), ("MST", "America/Phoenix"),
    ("Mexico/BajaNorte", "America/Tijuana"), ("Mexico/BajaSur", "America/Mazatlan"),
    ("Mexico/General", "America/Mexico_City"), ("NZ", "Pacific/Auckland"), ("NZ-CHAT", "Pacific/Chatham"),
    ("Navajo", "America/Denver"), ("PRC", "Asia/Shanghai"), ("Pacific/Chuuk", "Pacific/Truk"),
    ("Pacific/Johnston", "Pacific/Honolulu"), ("Pacific/Kanton", "Pacific/Enderbury"),
    ("Pacific/Pohnpei", "Pacific/Ponape"), ("Pacific/Samoa", "Pacific/Pago_Pago"), ("Pacific/Yap", "Pacific/Truk"),
    ("Poland", "Europe/Warsaw"), ("Portugal", "Europe/Lisbon"), ("ROC", "Asia/Taipei"), ("ROK", "Asia/Seoul"),
    ("Singapore", "Asia/Singapore"), ("Turkey", "Europe/Istanbul"), ("US/Alaska", "America/Anchorage"),
    ("US/Aleutian", "America/Adak"), ("US/Arizona", "America/Phoenix"), ("US/Central", "America/Chicago"),
    ("US/East-Indiana", "America/Indianapolis"), ("US/Eastern", "America/New_York"), ("US/Hawaii", "Pacific/Honolulu"),
    ("US/Indiana-Starke", "America/Indiana/Knox"), ("US/Michigan", "America/Detroit"), ("US/Mountain", "America/Denver"),
    ("US/Pacific", "America/Los_Angeles"), ("US/Samoa", "Pacific/Pago_Pago"), ("W-SU", "Europe/Moscow"),
    ("WET", "Europe/Lisbon"),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// Zones that no Windows zone fits: leave by the hour goes out as UTC, whole days are refused.
    const WITHOUT_WINDOWS_NAME: [&str; 2] = ["America/Coyhaique", "Antarctica/Troll"];

    #[test]
    fn every_zone_maps_to_a_windows_name_or_is_listed_as_having_none() {
        let unmapped: Vec<_> = DATABASE
            .available()
            .filter_map(|name| Zone::parse(&name.to_string()).ok())
            .filter(|zone| zone.outlook_name().is_none())
            .map(String::from)
            .collect();
        assert_eq!(unmapped, WITHOUT_WINDOWS_NAME);
    }

    #[test]
    fn zones_map_to_the_name_that_outlook_shows() {
        for (iana, outlook) in [
            ("Europe/London", "GMT Standard Time"),
            ("Europe/Vienna", "W. Europe Standard Time"),
            ("Asia/Hong_Kong", "China Standard Time"),
            ("Asia/Kolkata", "India Standard Time"),
            ("Asia/Calcutta", "India Standard Time"),
            ("Europe/Kyiv", "FLE Standard Time"),
            ("America/New_York", "Eastern Standard Time"),
            ("UTC", "UTC"),
            ("Etc/UTC", "UTC"),
        ] {
            assert_eq!(Zone::parse(iana).unwrap().outlook_name(), Some(outlook), "{iana}");
        }
    }

    #[test]
    fn every_windows_name_that_we_send_leads_back_to_a_zone_of_that_name() {
        let names: std::collections::BTreeSet<_> = DATABASE
            .available()
            .filter_map(|name| Zone::parse(&name.to_string()).ok())
            .filter_map(|zone| zone.outlook_name())
            .collect();
        assert!(names.len() > 130, "{}", names.len());
        for name in names {
            assert_eq!(Zone::of_outlook(name).and_then(|zone| zone.outlook_name()), Some(name));
        }
        for (name, iana) in [("GMT Standard Time", "Europe/London"), ("Asia/Tokyo", "Asia/Tokyo"), ("UTC", "UTC")] {
            assert_eq!(Zone::of_outlook(name).unwrap().name(), iana);
        }
        for name in ["", "Customized Time Zone", "tzone://Microsoft/Custom"] {
            assert_eq!(Zone::of_outlook(name), None, "{name}");
        }
    }

    #[test]
    fn a_zone_is_found_in_any_case_and_keeps_the_database_spelling() {
        assert_eq!(Zone::parse("europe/london").unwrap().name(), "Europe/London");
    }

    #[test]
    fn what_is_not_an_iana_zone_is_refused() {
        for name in ["", "Mars/Olympus", "GMT Standard Time", "+08:00", "Factory", "Europe/London\0"] {
            assert_eq!(Zone::parse(name), Err(UnknownZone), "{name:?}");
        }
    }
}
