//! What to do next so that the calendar holds what it should: compares what is wanted with what was last seen.

use serde::{Deserialize, Deserializer, Serialize};

use crate::domain::event::{Desired, EventPatch, EventSpec};

/// The event in Outlook as far as we know it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedEvent {
    /// Its immutable id, when there is an event of ours. Case matters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_id: Option<String>,
    /// What was last written into it; `None` when that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "readable")]
    pub written: Option<EventSpec>,
    /// The event in Outlook on the web.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub web_link: Option<String>,
}

/// What another version wrote and this one cannot read counts as unknown: all fields are written again.
fn readable<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<EventSpec>, D::Error> {
    let value = Option::<serde_json::Value>::deserialize(deserializer)?;
    Ok(value.and_then(|value| serde_json::from_value(value).ok()))
}

/// The next step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Look for an event that carries our marker: an earlier create may or may not have arrived.
    LookUp,
    /// Write a new event.
    Create(EventSpec),
    /// Write these fields into the event of that id.
    Update(String, EventPatch),
    /// Remove the event of that id.
    Remove(String),
    /// All is as wanted.
    Nothing,
}

/// The next step towards `desired`. `unsure`: a call's outcome is unknown (no answer, or the process died), so that neither
/// what was written nor a missing id can be trusted.
#[must_use]
pub fn plan(desired: &Desired, observed: &ObservedEvent, unsure: bool) -> Step {
    match (desired, &observed.event_id) {
        (_, None) if unsure => Step::LookUp,
        (Desired::Present(event), None) => Step::Create(event.clone()),
        (Desired::Present(event), Some(id)) => match &observed.written {
            Some(written) if !unsure => {
                let changes = event.changes_since(written);
                if changes.is_empty() { Step::Nothing } else { Step::Update(id.clone(), changes) }
            }
            written => Step::Update(id.clone(), event.in_full(written.as_ref())),
        },
        (Desired::Absent | Desired::Hidden, Some(id)) => Step::Remove(id.clone()),
        (Desired::Absent | Desired::Hidden, None) => Step::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        appearance::{Sensitivity, ShowAs},
        event::Times,
    };

    fn event(last: &str) -> EventSpec {
        let times = Times {
            all_day: true,
            start: "2026-12-21T00:00".parse().unwrap(),
            end: format!("{last}T00:00").parse().unwrap(),
            zone: "GMT Standard Time".into(),
        };
        EventSpec {
            subject: "Out of office".into(),
            body: "Kept by the leave system.".into(),
            times,
            show_as: ShowAs::Oof,
            sensitivity: Sensitivity::Private,
            category: None,
            reminder: None,
        }
    }

    #[test]
    fn the_next_step_follows_from_what_is_wanted_and_what_is_known() {
        let (one, two) = (event("2026-12-22"), event("2026-12-23"));
        let present = Desired::Present(one.clone());
        let (id, sure, unsure) = ("AAk=", false, true);
        let update_times =
            Step::Update(id.into(), EventPatch { times: Some(one.times.clone()), ..EventPatch::default() });
        let overwrite = Step::Update(id.into(), one.in_full(None));
        for (desired, event_id, applied, unsure, step) in [
            (&present, None, None, sure, Step::Create(one.clone())),
            (&present, None, None, unsure, Step::LookUp),
            (&present, Some(id), Some(&one), sure, Step::Nothing),
            (&present, Some(id), Some(&two), sure, update_times),
            // As written and yet in doubt: an older or newer writing may have arrived in between.
            (&present, Some(id), Some(&one), unsure, overwrite.clone()),
            (&present, Some(id), None, sure, overwrite),
            (&Desired::Absent, None, None, sure, Step::Nothing),
            (&Desired::Absent, None, None, unsure, Step::LookUp),
            (&Desired::Absent, Some(id), Some(&one), sure, Step::Remove(id.into())),
            (&Desired::Absent, Some(id), None, unsure, Step::Remove(id.into())),
            (&Desired::Hidden, Some(id), Some(&one), sure, Step::Remove(id.into())),
            (&Desired::Hidden, None, None, sure, Step::Nothing),
        ] {
            let observed =
                ObservedEvent { event_id: event_id.map(String::from), written: applied.cloned(), web_link: None };
            assert_eq!(plan(desired, &observed, unsure), step, "{desired:?} {observed:?}");
        }
    }
}
