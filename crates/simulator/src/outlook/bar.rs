//! One event on the page: a bar or a line that opens to show its fields.
//!
//! It must never tell two show-as values apart by colour alone; the word stands in the fields.

use jiff::civil::{Date, Time};
use maud::{Markup, html};

use super::days::Shown;

/// The event's part of the week that begins on `monday`; `owner` is written in front of it, `hue` colours it.
pub(super) fn bar(event: &Shown, monday: Date, owner: Option<(&str, u16)>) -> Markup {
    let Some((first, last)) = event.columns(monday) else { return html! {} };
    let kind = if event.is_bar() { "bar" } else { "slot" };
    // A bar that goes on in another week has no rounded end on that side.
    let begins = if event.first >= monday { "begins" } else { "" };
    let ends = if (event.last - monday).get_days() < 7 { "ends" } else { "" };
    let side = if first > 4 { "left" } else { "" };
    let hue = owner.map(|(_, hue)| format!(";--hue:{hue}")).unwrap_or_default();
    html! {
        details class={ "event " (kind) " " (event.show_as.word()) " " (begins) " " (ends) " " (side) } style={ "grid-column:" (first) "/" (last + 1) (hue) } {
            summary title=(event.subject) {
                @if !event.all_day { span.time { (time(event.from)) @if owner.is_none() { "–" (time(event.to)) } } }
                @if event.private { span.lock title="Private" { (lock()) } }
                @if let Some((name, _)) = owner { span.owner { (name) } }
                @if let Some(calendar) = &event.calendar { span.calendar title="Calendar" { (calendar) } }
                span.subject { (event.subject) }
            }
            div.card {
                strong { (event.subject) }
                dl {
                    @for (name, value) in &event.fields { dt { (name) } dd { (value) } }
                }
            }
        }
    }
}

fn time(time: Time) -> String {
    time.strftime("%H:%M").to_string()
}

/// A padlock, drawn here because the page may load nothing.
pub(super) fn lock() -> Markup {
    html! {
        svg viewBox="0 0 12 14" width="9" height="11" role="img" aria-label="Private" {
            path d="M3 6V4a3 3 0 0 1 6 0v2" fill="none" stroke="currentColor" stroke-width="1.6" {}
            rect x="1" y="6" width="10" height="7" rx="1.5" fill="currentColor" {}
        }
    }
}
