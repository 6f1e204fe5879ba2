//! The month: a grid of weeks, everybody's events in one calendar, each person in a colour of their own.

use jiff::{ToSpan, civil::Date};
use maud::{Markup, html};

use super::{Wanted, bar::bar, days::Row, week::backdrop};

/// The grid of one month.
pub(super) fn grid(rows: &[Row], wanted: &Wanted, today: Date) -> Markup {
    let (first, last) = wanted.days();
    let mondays: Vec<Date> =
        (0..6).map(|week| first.saturating_add(week.weeks())).filter(|monday| *monday <= last).collect();
    html! {
        section.month {
            div.head { @for day in ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"] { div.day { span { (day) } } } }
            @for monday in mondays {
                div.lane {
                    (backdrop(&(0..7).map(|day| monday.saturating_add(day.days())).collect::<Vec<_>>(), today, Some(wanted.date.month())))
                    div.events {
                        @for (place, row) in rows.iter().enumerate() {
                            @for event in &row.events { (bar(event, monday, Some((given(&row.profile.name), hue(place))))) }
                        }
                    }
                }
            }
        }
        p.people {
            @for (place, row) in rows.iter().enumerate() {
                span style={ "--hue:" (hue(place)) } { (row.profile.name) " · " (row.profile.time_zone) }
            }
        }
    }
}

fn given(name: &str) -> &str {
    name.split(' ').next().unwrap_or(name)
}

/// Hues that lie far apart, however many people there are: steps of the golden angle.
fn hue(place: usize) -> u16 {
    u16::try_from((place * 137 + 210) % 360).unwrap_or(0)
}
