//! The week: people as rows, seven days as columns.

use jiff::{ToSpan, civil::Date};
use maud::{Markup, html};

use super::{bar::bar, days::Row};

/// The grid of one week.
pub(super) fn grid(rows: &[Row], days: (Date, Date), today: Date) -> Markup {
    let monday = days.0;
    let week: Vec<Date> = (0..7).map(|day| monday.saturating_add(day.days())).collect();
    html! {
        section.week {
            div.head {
                div.who {}
                @for day in &week {
                    div.day.today[*day == today] { span { (day.strftime("%a").to_string()) } b { (day.day()) } }
                }
            }
            @for row in rows {
                div.row {
                    div.who {
                        span.name { (row.profile.name) }
                        span.address { (row.profile.address) }
                        span.zone { (row.profile.time_zone) }
                        @if let Some(reply) = &row.reply { span.reply title=(reply) { (reply) } }
                    }
                    div.lane {
                        (backdrop(&week, today, None))
                        div.events { @for event in &row.events { (bar(event, monday, None)) } }
                    }
                }
            }
        }
    }
}

/// The seven cells behind the bars; outside `month` they are faint.
pub(super) fn backdrop(week: &[Date], today: Date, month: Option<i8>) -> Markup {
    html! {
        div.backdrop {
            @for day in week {
                div.cell.today[*day == today].weekend[day.weekday().to_monday_zero_offset() > 4].other[month.is_some_and(|month| month != day.month())] {
                    @if month.is_some() { span { (day.day()) } }
                }
            }
        }
    }
}
