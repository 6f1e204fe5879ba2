//! What an event says, and the rules by which Exchange accepts it.
//!
//! It must never store what Exchange refuses: an all-day event off midnight, an end before its start, a zone that
//! Outlook has no name for. A PATCH is judged by what the event would be afterwards.

use std::hash::{DefaultHasher, Hash, Hasher};

use jiff::ToSpan;

use super::{
    draft::{
        Attendee, BodyDraft, ContentType, Draft, Field, Importance, PropertyDraft, Sensitivity, ShowAs, TimeDraft,
    },
    failure::Failure,
    property::PropertyId,
    settings::{LongSubject, Switches},
    times::{Moment, wall_time},
    zones,
};

/// Exchange keeps this many characters of a subject.
const SUBJECT_LIMIT: usize = 255;
/// Microsoft documents this many attendees at most.
const ATTENDEE_LIMIT: usize = 500;

/// Everything about an event that a caller decides.
#[expect(clippy::struct_excessive_bools, reason = "they are five unrelated properties of Microsoft's event resource")]
#[derive(Debug, Clone, Hash)]
pub(crate) struct Content {
    pub(crate) subject: Box<str>,
    /// Whether `body` is HTML, as sent.
    pub(crate) html: bool,
    pub(crate) body: Box<str>,
    pub(crate) all_day: bool,
    pub(crate) start: Moment,
    pub(crate) end: Moment,
    pub(crate) show_as: ShowAs,
    pub(crate) sensitivity: Sensitivity,
    pub(crate) importance: Importance,
    pub(crate) categories: Vec<Box<str>>,
    pub(crate) reminder: bool,
    pub(crate) reminder_minutes: i32,
    pub(crate) location: Box<str>,
    pub(crate) attendees: Vec<Attendee>,
    pub(crate) response_requested: bool,
    pub(crate) hide_attendees: bool,
    pub(crate) allow_new_time_proposals: bool,
    pub(crate) properties: Vec<(PropertyId, Box<str>)>,
}

impl Content {
    /// A new event from a POST.
    pub(crate) fn create(draft: Draft, switches: &Switches) -> Result<Self, Failure> {
        let (Field::Given(start), Field::Given(end)) = (&draft.start, &draft.end) else {
            return Err(Failure::property());
        };
        let blank = Self {
            subject: "".into(),
            html: true,
            body: "".into(),
            all_day: false,
            start: moment(start, switches)?,
            end: moment(end, switches)?,
            show_as: ShowAs::default(),
            sensitivity: Sensitivity::default(),
            importance: Importance::default(),
            categories: Vec::new(),
            // Microsoft's samples show a reminder 15 minutes before when the caller says nothing.
            reminder: true,
            reminder_minutes: 15,
            location: "".into(),
            attendees: Vec::new(),
            response_requested: true,
            hide_attendees: false,
            allow_new_time_proposals: true,
            properties: Vec::new(),
        };
        blank.merge(draft, switches)
    }

    /// What this event becomes after a PATCH.
    pub(crate) fn merge(&self, draft: Draft, switches: &Switches) -> Result<Self, Failure> {
        let mut merged = self.clone();
        merged.apply(draft, switches)?;
        merged.check()?;
        Ok(merged)
    }

    /// Stands for everything a caller sent: equal contents have equal fingerprints.
    pub(crate) fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        hasher.finish()
    }

    fn apply(&mut self, draft: Draft, switches: &Switches) -> Result<(), Failure> {
        if matches!(draft.recurrence, Field::Given(_)) {
            return Err(Failure::bad_request("NotSupported", "This simulated Graph knows no recurring events."));
        }
        draft.subject.over(&mut self.subject, "".into());
        self.subject = shorten(&self.subject, switches.long_subject)?;
        match draft.body {
            Field::Absent => {}
            Field::Null => (self.html, self.body) = (true, "".into()),
            Field::Given(BodyDraft { content_type, content }) => {
                self.html = content_type != Some(ContentType::Text);
                self.body = content.unwrap_or_default();
            }
        }
        draft.is_all_day.over(&mut self.all_day, false);
        for (sent, kept) in [(draft.start, &mut self.start), (draft.end, &mut self.end)] {
            match sent {
                Field::Absent => {}
                Field::Null => return Err(Failure::property()),
                Field::Given(time) => *kept = moment(&time, switches)?,
            }
        }
        draft.show_as.over(&mut self.show_as, ShowAs::default());
        draft.sensitivity.over(&mut self.sensitivity, Sensitivity::default());
        draft.importance.over(&mut self.importance, Importance::default());
        draft.categories.over(&mut self.categories, Vec::new());
        draft.is_reminder_on.over(&mut self.reminder, false);
        draft.reminder_minutes_before_start.over(&mut self.reminder_minutes, 15);
        match draft.location {
            Field::Absent => {}
            Field::Null => self.location = "".into(),
            Field::Given(location) => self.location = location.display_name.unwrap_or_default(),
        }
        draft.attendees.over(&mut self.attendees, Vec::new());
        draft.response_requested.over(&mut self.response_requested, true);
        draft.hide_attendees.over(&mut self.hide_attendees, false);
        draft.allow_new_time_proposals.over(&mut self.allow_new_time_proposals, true);
        if let Field::Given(properties) = draft.single_value_extended_properties {
            properties.into_iter().try_for_each(|property| self.set_property(property))?;
        }
        Ok(())
    }

    fn set_property(&mut self, property: PropertyDraft) -> Result<(), Failure> {
        let Some(id) = PropertyId::parse(&property.id) else {
            return Err(Failure::bad_request("ErrorInvalidExtendedProperty", "The extended property id is not valid."));
        };
        self.properties.retain(|(old, _)| *old != id);
        self.properties.extend(property.value.map(|value| (id, value)));
        self.properties.sort_unstable();
        Ok(())
    }

    fn check(&self) -> Result<(), Failure> {
        if self.attendees.len() > ATTENDEE_LIMIT {
            return Err(Failure::property());
        }
        if self.all_day {
            self.check_days()?;
        } else if self.end.at < self.start.at {
            return Err(Failure::property());
        }
        let longest = self.start.local.saturating_add(5.years());
        if self.end.local > longest {
            let message = "The duration of the event is too long.";
            return Err(Failure::bad_request("ErrorCalendarDurationIsTooLong", message));
        }
        Ok(())
    }

    /// The texts were seen in answers of the live service.
    fn check_days(&self) -> Result<(), Failure> {
        let refuse = |what| {
            Err(Failure::bad_request("ErrorInvalidRequest", format!("Your request can't be completed. The {what}")))
        };
        let midnight = jiff::civil::Time::midnight();
        if self.start.local.time() != midnight {
            return refuse("Event.Start property for an all-day event needs to be set to midnight.");
        }
        if self.end.local.time() != midnight {
            return refuse("Event.End property for an all-day event needs to be set to midnight.");
        }
        if self.start.zone != self.end.zone {
            return refuse(
                "Event.Start and Event.End properties for an all-day event need to be in the same time zone.",
            );
        }
        // By the calendar, not by the clock: the day of a spring clock change has 23 hours and is a day.
        if self.end.local <= self.start.local {
            return refuse("duration of an event marked as All day must be at least 24 hours.");
        }
        Ok(())
    }
}

fn moment(sent: &TimeDraft, switches: &Switches) -> Result<Moment, Failure> {
    let name = sent.time_zone.as_deref().unwrap_or("UTC");
    let zone = zones::zone(name, switches.every_iana_zone).ok_or_else(|| unknown_zone(name))?;
    wall_time(&sent.date_time).and_then(|local| Moment::new(local, zone)).ok_or_else(Failure::property)
}

/// The refusal of a zone name, in an event as in a `Prefer` header.
pub(crate) fn unknown_zone(name: &str) -> Failure {
    let message =
        format!("A valid TimeZone value must be specified. The following TimeZone value is not supported: '{name}'.");
    Failure::bad_request("TimeZoneNotSupportedException", message)
}

/// EWS was seen to cut at 255 characters and end in `…`; what Graph does is undocumented, hence the switch.
fn shorten(subject: &str, rule: LongSubject) -> Result<Box<str>, Failure> {
    if subject.chars().count() <= SUBJECT_LIMIT {
        return Ok(subject.into());
    }
    match rule {
        LongSubject::Truncate => Ok(subject.chars().take(SUBJECT_LIMIT - 1).chain(['…']).collect::<String>().into()),
        LongSubject::Reject => Err(Failure::property()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn create(body: Value) -> Result<Content, Failure> {
        Content::create(serde_json::from_value(body).unwrap(), &Switches::default())
    }

    fn leave(start: &str, end: &str, zones: [&str; 2], all_day: bool) -> Result<Content, Failure> {
        create(json!({
            "subject": "Leave", "isAllDay": all_day,
            "start": {"dateTime": start, "timeZone": zones[0]}, "end": {"dateTime": end, "timeZone": zones[1]},
        }))
    }

    #[test]
    fn all_day_events_run_from_midnight_to_a_later_midnight_in_one_zone() {
        let london = ["Europe/London", "GMT Standard Time"];
        assert!(leave("2026-12-21T00:00:00", "2026-12-22T00:00:00", london, true).is_ok());
        for (start, end, zones, words) in [
            ("2026-12-21T09:00:00", "2026-12-22T00:00:00", london, "Event.Start property for an all-day event needs"),
            ("2026-12-21T00:00:00", "2026-12-22T17:00:00", london, "Event.End property for an all-day event needs"),
            ("2026-12-21T00:00:00", "2026-12-21T00:00:00", london, "at least 24 hours"),
            ("2026-12-22T00:00:00", "2026-12-21T00:00:00", london, "at least 24 hours"),
            ("2026-12-21T00:00:00", "2026-12-22T00:00:00", ["Europe/London", "UTC"], "same time zone"),
        ] {
            let failure = leave(start, end, zones, true).unwrap_err();
            assert!(failure.sentence().contains(words), "{failure:?}");
            assert!(failure.sentence().starts_with("ErrorInvalidRequest"), "{failure:?}");
        }
    }

    #[test]
    fn a_day_of_23_hours_is_a_day() {
        let zones = ["Europe/London"; 2];
        assert!(leave("2026-03-29T00:00:00", "2026-03-30T00:00:00", zones, true).is_ok());
    }

    #[test]
    fn timed_events_end_after_they_start_and_within_five_years() {
        let utc = ["UTC"; 2];
        assert!(leave("2026-12-21T09:00:00", "2026-12-21T09:00:00", utc, false).is_ok());
        let refused = |end| leave("2026-12-21T09:00:00", end, utc, false).unwrap_err().sentence();
        assert!(refused("2026-12-21T08:00:00").starts_with("ErrorPropertyValidationFailure"));
        assert!(refused("2032-12-21T08:00:00").starts_with("ErrorCalendarDurationIsTooLong"));
        // 10:00 in Tokyo is before 09:00 in UTC: the instants count.
        assert!(leave("2026-12-21T09:00:00", "2026-12-21T10:00:00", ["UTC", "Asia/Tokyo"], false).is_err());
    }

    #[test]
    fn a_patch_is_judged_by_the_event_it_would_make() {
        let event = leave("2026-12-21T00:00:00", "2026-12-22T00:00:00", ["Europe/London"; 2], true).unwrap();
        let patch = |body| event.merge(serde_json::from_value(body).unwrap(), &Switches::default());
        assert!(patch(json!({"start": {"dateTime": "2026-12-22T00:00:00", "timeZone": "Europe/London"}})).is_err());
        assert!(patch(json!({"start": null})).is_err());
        let renamed = patch(json!({"subject": "Off", "categories": null})).unwrap();
        assert_eq!((&*renamed.subject, renamed.all_day), ("Off", true));
    }

    #[test]
    fn long_subjects_are_cut_or_refused() {
        let times = json!({"dateTime": "2026-12-21T09:00:00", "timeZone": "UTC"});
        let body = json!({"subject": "é".repeat(300), "start": times, "end": times});
        let cut = create(body.clone()).unwrap().subject;
        assert_eq!((cut.chars().count(), cut.chars().last()), (255, Some('…')));
        let strict = Switches { long_subject: LongSubject::Reject, ..Switches::default() };
        assert!(Content::create(serde_json::from_value(body).unwrap(), &strict).is_err());
    }

    #[test]
    fn equal_contents_have_equal_fingerprints() {
        let print = |zone| leave("2026-12-21T00:00:00", "2026-12-22T00:00:00", [zone; 2], true).unwrap().fingerprint();
        assert_eq!(print("Europe/London"), print("GMT Standard Time"));
        assert_ne!(print("Europe/London"), print("UTC"));
    }
}
