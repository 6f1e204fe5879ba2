//! Policies: what is refused at start, all of it at once and by key, and what a tenant and a kind of leave change.

use super::{file, filled, load, with};
use crate::domain::appearance::{Audience, Publish, Sensitivity, ShowAs};

const BROKEN: &str = r#"
    [policy]
    title = "{reason}"
    body = "see {"
    link = "javascript:alert(1)"
    category = "Leave, paid"
    reminder = "soon"
    [policy.hours]
    friday = "14:00-08:00"
    freeday = "08:00-14:00"
    [policy.types.SICK]
    title = ""
    publish = "sometimes"
    colour = "red"
    [policy.automatic_replies]
    inside = "away because of {reason}"
    audience = "everybody"
    [policy.types.SICK.automatic_replies]
    inside = " "
    outside = "back on {day"
    [policy.types.HOME]
    body = "{comment}"
    [tenants.default.policy]
    link = "https://ess.contoso.com/{name}"
    [tenants.default.policy.types.HOME]
    reminder = "30d"
    [tenants.default.policy.types.home]
    title = "at home"
"#;

#[test]
fn bad_policies_are_refused_all_problems_at_once_and_by_key() {
    let (_kept, path) = file(BROKEN);
    let problems = load(Some(&path), &super::environment(&[])).unwrap_err();
    let told: Vec<String> = problems.iter().map(|found| format!("{}: {}", found.field, found.problem)).collect();
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn a_week_without_a_working_day_is_refused() {
    // Saturday and Sunday are off by default.
    let week = |days: &str| {
        let off = days.replace(' ', " = \"off\"\n");
        let (_kept, path) = file(&format!("[policy.hours]\n{off} = \"off\""));
        load(Some(&path), &super::environment(&[]))
    };
    let problems = week("monday tuesday wednesday thursday friday").unwrap_err();
    let told: Vec<String> = problems.iter().map(|found| format!("{}: {}", found.field, found.problem)).collect();
    assert_eq!(
        told,
        ["policy.hours: must leave a day that is not \"off\"; saturday and sunday are, unless they are given hours"]
    );
    week("monday tuesday wednesday thursday").unwrap();
}

#[test]
fn a_kind_of_leave_and_a_tenant_change_what_they_name_and_have_the_rest() {
    let (_kept, path) = file(
        r#"
        [policy]
        title = "Away"
        category = "Leave"
        [policy.types.SICK]
        publish = "on-approval"
        sensitivity = "confidential"
        [tenants.default.policy]
        title = "Abwesend"
        [tenants.default.policy.types.sick]
        show_as = "busy"
        category = ""
        [tenants.default.policy.hours]
        friday = "08:00-14:00"
        monday = "off"
        sunday = "10:00-16:00"
        "#,
    );
    let settings = load(Some(&path), &super::environment(&[])).unwrap();
    let policy = &settings.tenants["default"].policy;
    assert_eq!(policy.appearance(None), &policy.appearance);
    assert_eq!(policy.appearance(Some("ANNUAL")), &policy.appearance);
    let sick = policy.appearance(Some("Sick"));
    // From the tenant's kind, the tenant, the common kind, and the defaults, in that order.
    assert_eq!((sick.show_as, filled(&sick.title)), (ShowAs::Busy, "Abwesend".to_owned()));
    assert_eq!((sick.publish, sick.sensitivity), (Publish::OnApproval, Sensitivity::Confidential));
    assert_eq!((&sick.category, sick.reminder, sick.show_as_pending), (&None, None, ShowAs::Tentative));
    assert_eq!(policy.appearance.category.as_deref(), Some("Leave"));
    let friday = policy.hours.on(jiff::civil::Weekday::Friday);
    assert_eq!((friday.start.to_string(), friday.end.to_string()), ("08:00:00".into(), "14:00:00".into()));
    // Saturday has no working hours by default; Sunday has them here.
    assert_eq!(policy.hours.off, [true, false, false, false, false, true, false]);
}

#[test]
fn automatic_replies_are_off_and_each_kind_of_leave_may_have_its_own() {
    assert!(!with(&[]).unwrap().tenants["default"].policy.replies());
    let (_kept, path) = file(
        r#"
        [policy.automatic_replies]
        inside = "Away until {last_day}."
        audience = "contacts-only"
        [tenants.default.policy.automatic_replies]
        enabled = true
        [tenants.default.policy.types.HOME.automatic_replies]
        enabled = false
        [tenants.default.policy.types.SICK.automatic_replies]
        outside = "Away."
        audience = "all"
        "#,
    );
    let settings = load(Some(&path), &super::environment(&[])).unwrap();
    let policy = &settings.tenants["default"].policy;
    assert!(policy.replies());
    assert_eq!(policy.appearance(Some("home")).reply, None);
    let text = |template: &crate::domain::template::Template| template.fill(|field| field.word().to_owned());
    for (code, inside, outside, audience) in [
        (None, "Away until last_day.", "Away until last_day.", Audience::ContactsOnly),
        (Some("SICK"), "Away until last_day.", "Away.", Audience::All),
    ] {
        let reply = policy.appearance(code).reply.as_ref().unwrap();
        assert_eq!(
            (text(&reply.inside), text(&reply.outside), reply.audience),
            (inside.into(), outside.into(), audience)
        );
    }
}

#[test]
fn a_reminder_is_none_or_a_time_before() {
    for (text, minutes) in [("none", None), ("", None), ("15m", Some(15)), ("18h", Some(1080)), ("0m", Some(0))] {
        let settings = with(&[("POLICY__REMINDER", text)]).unwrap();
        assert_eq!(settings.tenants["default"].policy.appearance.reminder, minutes, "{text}");
    }
}
