//! What is around every page: head, navigation, who is signed in.

use maud::{DOCTYPE, Markup, html};

use super::session::ConsoleSession;

/// The pages of the navigation: address and name, in this order. A new page gets its line here and its route in `mod.rs`.
const PAGES: [(&str, &str); 3] =
    [("/console", "Overview"), ("/console/mappings", "Mappings"), ("/console/connection", "Connection")];

/// A whole page. `at` is its address in the navigation, empty where it has none.
pub(super) fn page(session: Option<&ConsoleSession>, at: &str, title: &str, what: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · leavebridge" }
                link rel="stylesheet" href="/console/style.css";
            }
            body {
                a.skip href="#content" { "Skip to the content" }
                header {
                    span.brand { "leavebridge" }
                    @if let Some(session) = session {
                        nav aria-label="Console" {
                            @for (address, name) in PAGES {
                                a href=(address) aria-current=[(address == at).then_some("page")] { (name) }
                            }
                        }
                        form.who method="post" action="/console/sign-out" {
                            span { "Signed in as " strong { (session.caller.client.name) } }
                            button.plain type="submit" { "Sign out" }
                        }
                    }
                }
                main #content tabindex="-1" { (what) }
            }
        }
    }
}
