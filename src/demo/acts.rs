//! What happens in the demonstration, act by act.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::scene::{PEOPLE, Scene};

const UNKNOWN: &str = "new.joiner@contoso.com";

/// Who posts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Ess,
    Backstage,
}

/// One webhook, and what it is in the story.
pub(super) struct Act {
    pub(super) what: &'static str,
    pub(super) by: Source,
    pub(super) kind: &'static str,
    pub(super) at: Timestamp,
    pub(super) data: Value,
}

/// The story.
pub(super) fn acts(scene: &Scene) -> Vec<Act> {
    let day = |n: i32| scene.day(n).to_string();
    let hour = |n: i32, time: &str| format!("{}T{time}", scene.day(n));
    // Each webhook happened a second after the one before.
    let at = |n: i64| scene.now - SignedDuration::from_secs(60 - n);
    let [amy, ben, carla, dev] = PEOPLE.map(|(address, name, _)| json!({"email": address, "name": name}));

    vec![
        Act {
            what: "Amy files three days of leave in ESS",
            by: Source::Ess,
            kind: "leave.created",
            at: at(1),
            data: json!({"id": scene.id("LA-1001"), "staff": amy, "department": "Sales", "leave_type": "ANNUAL", "start": day(0), "end": day(2),
                   "time_zone": "Asia/Hong_Kong", "reason": "this is nobody's business"}),
        },
        Act {
            what: "HR adds a day for Ben in Backstage",
            by: Source::Backstage,
            kind: "leave.created",
            at: at(2),
            data: json!({"id": scene.id("BS-77"), "staff": ben, "department": "Sales", "leave_type": "SICK", "start": day(1), "end": day(1),
                   "time_zone": "Europe/London"}),
        },
        Act {
            what: "Carla asks for two days; nobody has decided yet",
            by: Source::Ess,
            kind: "leave.created",
            at: at(3),
            data: json!({"id": scene.id("LA-1002"), "staff": carla, "status": "pending", "start": day(3), "end": day(4),
                   "time_zone": "Europe/Rome"}),
        },
        Act {
            what: "Dev takes Friday afternoon off",
            by: Source::Ess,
            kind: "leave.created",
            at: at(4),
            data: json!({"id": scene.id("LA-1003"), "staff": dev, "start": day(4), "end": day(4), "start_session": "pm",
                   "time_zone": "Asia/Kolkata"}),
        },
        Act {
            what: "Ben sees the dentist on Wednesday from two to half past three",
            by: Source::Ess,
            kind: "leave.created",
            at: at(9),
            data: json!({"id": scene.id("LA-1005"), "staff": ben, "start": hour(2, "14:00"), "end": hour(2, "15:30"),
                   "time_zone": "Europe/London"}),
        },
        Act {
            what: "and has the night shift off from Thursday to Friday",
            by: Source::Ess,
            kind: "leave.created",
            at: at(10),
            data: json!({"id": scene.id("LA-1006"), "staff": ben, "start": hour(3, "22:00"), "end": hour(4, "06:00"),
                   "time_zone": "Europe/London"}),
        },
        Act {
            what: "Amy adds a fourth day",
            by: Source::Ess,
            kind: "leave.updated",
            at: at(5),
            data: json!({"id": scene.id("LA-1001"), "staff": amy, "department": "Sales", "leave_type": "ANNUAL", "start": day(0), "end": day(3),
                   "time_zone": "Asia/Hong_Kong"}),
        },
        Act {
            what: "HR adds two days for Dev",
            by: Source::Backstage,
            kind: "leave.created",
            at: at(6),
            data: json!({"id": scene.id("BS-78"), "staff": dev, "start": day(0), "end": day(1), "time_zone": "Asia/Kolkata"}),
        },
        Act {
            what: "and cancels them again",
            by: Source::Backstage,
            kind: "leave.cancelled",
            at: at(7),
            data: json!({"id": scene.id("BS-78")}),
        },
        Act {
            what: "The same old request comes again, late: nothing happens",
            by: Source::Backstage,
            kind: "leave.created",
            at: at(6),
            data: json!({"id": scene.id("BS-78"), "staff": dev, "start": day(0), "end": day(1), "time_zone": "Asia/Kolkata"}),
        },
        Act {
            what: "ESS files a leave for somebody who has no mailbox yet",
            by: Source::Ess,
            kind: "leave.created",
            at: at(8),
            data: json!({"id": scene.id("LA-1004"), "staff": {"email": UNKNOWN}, "start": day(0), "end": day(0)}),
        },
    ]
}
