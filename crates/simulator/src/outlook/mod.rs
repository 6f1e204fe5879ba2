//! The page on which a person can see the leave: everybody's calendar as a week or a month.
//!
//! It must never fetch anything from elsewhere, and never show a word from an event unescaped.

mod bar;
mod days;
mod month;
mod shell;
mod style;
mod week;

use axum::{
    extract::{RawQuery, State},
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use jiff::{ToSpan, civil::Date, tz::TimeZone};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use self::days::Row;
use super::{Simulator, entra};

/// So many people fit on a page that can still be read.
const MOST_PEOPLE: usize = 40;

/// What the address of the page asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wanted {
    view: View,
    date: Date,
    /// Lower-case addresses; empty is everybody.
    people: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum View {
    Week,
    Month,
}

impl Wanted {
    /// Reads the query; what cannot be read falls back to this week.
    fn read(query: &str, today: Date) -> Self {
        let mut wanted = Self { view: View::Week, date: today, people: Vec::new() };
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "view" if value == "month" => wanted.view = View::Month,
                "date" => wanted.date = value.parse().unwrap_or(today),
                "user" => wanted.people.push(value.to_lowercase()),
                _ => {}
            }
        }
        wanted
    }

    /// The address of the page that shows this.
    fn link(&self) -> String {
        let view = if self.view == View::Week { "week" } else { "month" };
        let mut link = format!("/outlook?view={view}&date={}", self.date);
        for person in &self.people {
            link.push_str("&user=");
            link.extend(utf8_percent_encode(person, NON_ALPHANUMERIC));
        }
        link
    }

    fn at(&self, date: Date) -> Self {
        Self { date, ..self.clone() }
    }

    fn with_view(&self, view: View) -> Self {
        Self { view, ..self.clone() }
    }

    /// One step back or forth.
    fn moved(&self, steps: i32) -> Self {
        let span = if self.view == View::Week { steps.weeks() } else { steps.months() };
        self.at(self.date.saturating_add(span))
    }

    /// With one person more, or less.
    fn toggled(&self, person: &str) -> Self {
        let mut people = self.people.clone();
        match people.iter().position(|known| known == person) {
            Some(at) => drop(people.remove(at)),
            None => people.push(person.to_owned()),
        }
        Self { people, ..self.clone() }
    }

    fn shows(&self, person: &str) -> bool {
        self.people.is_empty() || self.people.iter().any(|known| known == person)
    }

    /// The days on the page: from a Monday to a Sunday.
    fn days(&self) -> (Date, Date) {
        match self.view {
            View::Week => (days::monday(self.date), days::monday(self.date).saturating_add(6.days())),
            View::Month => {
                let last = days::monday(self.date.last_of_month()).saturating_add(6.days());
                (days::monday(self.date.first_of_month()), last)
            }
        }
    }
}

/// `GET /outlook`.
pub(crate) async fn page(
    State(simulator): State<Simulator>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let now = simulator.0.clock.now();
    let today = TimeZone::UTC.to_datetime(now).date();
    let wanted = Wanted::read(&query.unwrap_or_default(), today);
    let everybody = simulator.directory().people().to_vec();
    let shown = everybody.iter().filter(|person| wanted.shows(&person.profile().address.to_lowercase()));
    let rows: Vec<Row> = shown.take(MOST_PEOPLE).map(|person| Row::read(person, wanted.days(), now)).collect();
    let names: Vec<_> = everybody.iter().take(MOST_PEOPLE).map(|person| person.profile()).collect();
    let calendar = match wanted.view {
        _ if rows.is_empty() => shell::nobody(entra::host(&headers), everybody.is_empty()),
        View::Week => week::grid(&rows, wanted.days(), today),
        View::Month => month::grid(&rows, &wanted, today),
    };
    let page = shell::page(&wanted, today, &names, everybody.len(), &calendar);
    // The page brings everything with it; nothing else may be loaded, whatever an event's text tries.
    let policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'";
    ([(header::CONTENT_SECURITY_POLICY, policy), (header::CACHE_CONTROL, "no-store")], page).into_response()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn the_address_and_what_it_means_are_one() {
        let today = date(2026, 11, 22);
        for query in [
            "view=week&date=2026-12-21",
            "view=month&date=2026-12-21&user=amy%40contoso%2Ecom&user=ben%2B1%40contoso%2Ecom",
        ] {
            assert_eq!(Wanted::read(query, today).link(), format!("/outlook?{query}"));
        }
        assert_eq!(Wanted::read("date=never&view=year", today).link(), "/outlook?view=week&date=2026-11-22");
    }

    #[test]
    fn weeks_and_months_are_whole_weeks_from_monday() {
        let wanted = Wanted::read("date=2026-12-23", date(2026, 1, 1));
        assert_eq!(wanted.days(), (date(2026, 12, 21), date(2026, 12, 27)));
        assert_eq!(wanted.with_view(View::Month).days(), (date(2026, 11, 30), date(2027, 1, 3)));
        assert_eq!(wanted.moved(-1).date, date(2026, 12, 16));
        assert_eq!(wanted.with_view(View::Month).moved(1).date, date(2027, 1, 23));
    }

    #[test]
    fn people_are_added_to_and_taken_from_the_filter() {
        let wanted = Wanted::read("", date(2026, 1, 1)).toggled("a").toggled("b");
        assert_eq!(wanted.people, ["a", "b"]);
        assert!(!wanted.shows("c") && wanted.toggled("a").toggled("b").shows("c"));
    }
}
