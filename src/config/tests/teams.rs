//! Team calendars: what may be said of them, and every problem under the key where it can be mended.

use super::{environment, file, load, told};
use crate::domain::appearance::{Sensitivity, ShowAs};

#[test]
fn a_team_calendar_needs_a_mailbox_and_a_name_and_has_private_defaults() {
    let (_kept, path) = file(
        r#"
        [[tenants.default.team_calendars]]
        mailbox = "Sales-Team@Contoso.com"
        calendar = " Who is away "
        departments = ["Field Sales", " SALES "]
        types = ["ANNUAL"]

        [[tenants.default.team_calendars]]
        mailbox = "sales-team@contoso.com"
        calendar = "Travel"
        show_as = "workingElsewhere"
        sensitivity = "private"
        "#,
    );
    let settings = load(Some(&path), &environment(&[])).unwrap();
    let [away, travel] = &settings.tenants["default"].policy.team_calendars[..] else { panic!("{settings:?}") };
    assert_eq!((away.mailbox.as_str(), away.calendar.as_str()), ("sales-team@contoso.com", "Who is away"));
    assert_eq!(
        (&away.departments[..], &away.types[..]),
        (&["field sales".into(), "sales".into()][..], &["annual".into()][..])
    );
    assert!(away.sources.is_empty());
    assert_eq!(away.title.fill(|field| field.word().to_owned()), "name – away");
    assert_eq!(away.body.fill(|field| field.word().to_owned()), "");
    assert_eq!((away.show_as, away.sensitivity), (ShowAs::Free, Sensitivity::Normal));
    assert_eq!((travel.show_as, travel.sensitivity), (ShowAs::WorkingElsewhere, Sensitivity::Private));
}

#[test]
fn bad_team_calendars_are_refused_all_problems_at_once_and_by_number() {
    let (_kept, path) = file(
        r#"
        [[tenants.default.team_calendars]]
        mailbox = "sales-team@contoso.com"
        calendar = "Away"

        [[tenants.default.team_calendars]]
        mailbox = "Sales-Team@contoso.com"
        calendar = "AWAY"
        colour = "red"

        [[tenants.default.team_calendars]]
        calendar = "Default"
        departments = ["Sales", " "]
        sources = ""
        title = "{reason}"
        body = "{reason"
        show_as = "away"
        sensitivity = "secret"

        [[tenants.default.team_calendars]]
        group = "Sales"
        calendar = " "
        types = [""]
        title = " "

        [[tenants.default.team_calendars]]
        mailbox = "hr"
        group = 5
        "#,
    );
    insta::assert_snapshot!("team_calendars", told(load(Some(&path), &environment(&[]))).join("\n"));
}

#[test]
fn a_list_of_something_else_is_told_as_well() {
    let (_kept, path) =
        file("[tenants.default]\nteam_calendars = [5, {mailbox = \"hr@contoso.com\"}]\n[sync]\nmailboxes = 0");
    let problems = told(load(Some(&path), &environment(&[])));
    let keys: Vec<_> = problems.iter().map(|problem| problem.split(": ").next().unwrap()).collect();
    assert_eq!(
        keys,
        [
            "sync.mailboxes",
            "tenants.default.team_calendars[0]",
            "tenants.default.team_calendars[0].calendar",
            "tenants.default.team_calendars[0].mailbox",
            "tenants.default.team_calendars[1].calendar"
        ]
    );
}
