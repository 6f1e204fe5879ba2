//! What is around the calendar: title, navigation, people to choose from, legend.

use std::sync::Arc;

use jiff::civil::Date;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{View, Wanted, bar, style};
use crate::profile::Profile;

/// The whole page around `calendar`.
pub(super) fn page(wanted: &Wanted, today: Date, names: &[Arc<Profile>], total: usize, calendar: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Calendar · " (title(wanted)) }
                style { (PreEscaped(style::CSS)) }
            }
            body {
                header {
                    span.brand { "Calendar" }
                    span.note { "Simulated Outlook – nothing here leaves this machine" }
                }
                main {
                    nav {
                        a.button href=(wanted.at(today).link()) { "Today" }
                        a.arrow href=(wanted.moved(-1).link()) title="Previous" { "‹" }
                        a.arrow href=(wanted.moved(1).link()) title="Next" { "›" }
                        h1 { (title(wanted)) }
                        span.views {
                            a.on[wanted.view == View::Week] href=(wanted.with_view(View::Week).link()) { "Week" }
                            a.on[wanted.view == View::Month] href=(wanted.with_view(View::Month).link()) { "Month" }
                        }
                    }
                    @if total > 1 { (chooser(wanted, names, total)) }
                    (calendar)
                    @if total > 0 { (legend()) }
                }
                script { (PreEscaped(style::SCRIPT)) }
            }
        }
    }
}

fn title(wanted: &Wanted) -> String {
    let (first, last) = wanted.days();
    match wanted.view {
        View::Month => wanted.date.strftime("%B %Y").to_string(),
        View::Week if first.month() == last.month() => format!("{} – {}", first.day(), last.strftime("%-d %B %Y")),
        View::Week => format!("{} – {}", first.strftime("%-d %B"), last.strftime("%-d %B %Y")),
    }
}

fn chooser(wanted: &Wanted, names: &[Arc<Profile>], total: usize) -> Markup {
    let everybody = Wanted { people: Vec::new(), ..wanted.clone() };
    html! {
        div.chooser {
            a.on[wanted.people.is_empty()] href=(everybody.link()) { "Everyone" }
            @for profile in names {
                @let address = profile.address.to_lowercase();
                a.on[wanted.people.contains(&address)] href=(wanted.toggled(&address).link()) title=(profile.address) { (profile.name) }
            }
            @if total > names.len() { span.more { "and " (total - names.len()) " more; name them with ?user=address" } }
        }
    }
}

fn legend() -> Markup {
    html! {
        footer {
            @for (kind, name) in [("oof", "Away"), ("busy", "Busy"), ("tentative", "Tentative"), ("workingElsewhere", "Working elsewhere"), ("free", "Free")] {
                span.key { i.(kind) {} (name) }
            }
            span.key { (bar::lock()) " Private" }
            span.key.quiet { "Times are in each person’s own time zone. Click an event for its fields." }
        }
    }
}

/// What stands there when there is nobody to show.
pub(super) fn nobody(host: &str, at_all: bool) -> Markup {
    let command = format!(
        "curl http://{host}/_sim/users -d '{{\"address\": \"amy.chan@contoso.com\", \"name\": \"Amy Chan\", \"time_zone\": \"Asia/Hong_Kong\"}}'"
    );
    html! {
        section.empty {
            @if at_all {
                h2 { "Nobody works here yet" }
                p { "Add a person, and their calendar appears:" }
                pre { (command) }
            } @else {
                h2 { "Nobody has that address" }
                p { a href="/outlook" { "Show everyone" } }
            }
        }
    }
}
