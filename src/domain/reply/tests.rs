use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

use super::setting::words;
use super::*;
use crate::domain::appearance::Audience;

const TEXT: &str = "Away from 2026-12-21 to 2026-12-23.";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn moment(text: &str) -> Timestamp {
    text.parse::<DateTime>().unwrap().to_zoned(TimeZone::UTC).unwrap().timestamp()
}

fn wanted(from: &str, until: &str) -> WantedReply {
    let (from, until) = (moment(from), moment(until));
    WantedReply { from, until, audience: Audience::None, inside: TEXT.into(), outside: TEXT.into(), leave: 1 }
}

fn own(status: ReplyStatus, window: Option<(&str, &str)>) -> Setting {
    let window = window.map(|(from, until)| (at(from), at(until)));
    Setting { status, audience: Audience::All, window, inside: "Gone fishing".into(), outside: "Gone".into() }
}

/// As Exchange gives it back.
fn dressed(setting: &Setting) -> Setting {
    let dress =
        |text: &str| format!("<html>\r\n<head><style>p{{}}</style></head><body>\n<div>{text}</div></body></html>\n");
    Setting { inside: dress(&setting.inside), outside: String::new(), ..setting.clone() }
}

#[test]
fn the_next_step_follows_from_what_is_wanted_what_is_there_and_what_we_remember() {
    let now = at("2026-12-01T12:00:00Z");
    let leave = wanted("2026-12-21T00:00", "2026-12-24T00:00");
    let longer = wanted("2026-12-21T00:00", "2026-12-29T00:00");
    let later = wanted("2027-02-01T00:00", "2027-02-02T00:00");
    let begun = wanted("2026-11-30T00:00", "2026-12-03T00:00");
    let begun_now = WantedReply { from: moment("2026-12-01T12:02"), ..begun.clone() };
    let off = own(ReplyStatus::Disabled, None);
    let on = own(ReplyStatus::AlwaysEnabled, None);
    let soon = own(ReplyStatus::Scheduled, Some(("2026-12-02T00:00:00Z", "2026-12-04T00:00:00Z")));
    let over = own(ReplyStatus::Scheduled, Some(("2026-11-02T00:00:00Z", "2026-11-04T00:00:00Z")));
    let unread = own(ReplyStatus::Scheduled, None);
    let edited = Setting { inside: "My own words".into(), ..leave.setting() };
    // Exchange keeps the range of what was switched off.
    let put_back = Setting { window: leave.setting().window, ..off.clone() };
    let none = Memory::default();
    let wrote = |wanted: &WantedReply| Memory {
        written: vec![wanted.setting()],
        before: Some(off.clone()),
        ..Memory::default()
    };
    let doubts = Memory { in_doubt: true, ..wrote(&leave) };
    let over_doubts = Memory { before: Some(over.clone()), ..doubts.clone() };
    let over_put_back = Setting { window: leave.setting().window, ..over.at_rest() };
    let both = Memory { written: vec![leave.setting(), longer.setting()], ..doubts.clone() };
    let schedule = |wanted: &WantedReply, before: &Setting| ReplyStep::Schedule(wanted.clone(), Some(before.clone()));
    let (keep, declined) = (ReplyStep::LeaveAlone(Kept::OwnReply), ReplyStep::LeaveAlone(Kept::SwitchedOff));
    for (case, wanted, current, memory, step) in [
        ("nothing wanted, nothing ours", None, &off, &none, ReplyStep::Nothing),
        ("nothing wanted, theirs", None, &on, &none, ReplyStep::Nothing),
        ("first leave", Some(&leave), &off, &none, schedule(&leave, &off)),
        ("theirs is over", Some(&leave), &over, &none, schedule(&leave, &over)),
        ("theirs is on", Some(&leave), &on, &none, keep.clone()),
        ("theirs is to come, at whatever time", Some(&leave), &soon, &none, keep.clone()),
        ("theirs cannot be read", Some(&leave), &unread, &none, keep.clone()),
        ("as wanted", Some(&leave), &leave.setting(), &wrote(&leave), ReplyStep::Nothing),
        ("as wanted, dressed up", Some(&leave), &dressed(&leave.setting()), &wrote(&leave), ReplyStep::Nothing),
        ("as wanted by chance, not ours", Some(&leave), &leave.setting(), &none, keep.clone()),
        ("longer", Some(&longer), &leave.setting(), &wrote(&leave), schedule(&longer, &off)),
        ("begun already", Some(&begun), &off, &none, schedule(&begun_now, &off)),
        ("begun, and written so", Some(&begun), &begun_now.setting(), &wrote(&begun_now), ReplyStep::Nothing),
        ("cancelled", None, &leave.setting(), &wrote(&leave), ReplyStep::Withdraw(off.clone())),
        ("cancelled, dressed up", None, &dressed(&leave.setting()), &wrote(&leave), ReplyStep::Withdraw(off.clone())),
        ("cancelled, but theirs by now", None, &edited, &wrote(&leave), ReplyStep::Nothing),
        ("edited by the person", Some(&leave), &edited, &wrote(&leave), keep.clone()),
        ("edited, and the leave longer", Some(&longer), &edited, &wrote(&leave), keep),
        ("switched off by the person", Some(&leave), &leave.setting().at_rest(), &wrote(&leave), declined.clone()),
        (
            "switched off, and the leave longer",
            Some(&longer),
            &leave.setting().at_rest(),
            &wrote(&leave),
            declined.clone(),
        ),
        (
            "another of theirs, switched off before ours began",
            Some(&leave),
            &off,
            &wrote(&leave),
            schedule(&leave, &off),
        ),
        ("switched off while it ran, whatever it says now", Some(&begun), &off, &wrote(&begun), declined.clone()),
        ("switched off, and another leave", Some(&later), &off, &wrote(&leave), schedule(&later, &off)),
        (
            "switched off with our words in it, and another leave",
            Some(&later),
            &leave.setting().at_rest(),
            &wrote(&leave),
            schedule(&later, &off),
        ),
        (
            "switched off with our words in it, and over",
            None,
            &leave.setting().at_rest(),
            &wrote(&leave),
            ReplyStep::Withdraw(off.clone()),
        ),
        ("replaced for another time, now over", Some(&leave), &over, &wrote(&leave), schedule(&leave, &over)),
        ("a write that never arrived", Some(&leave), &off, &doubts, schedule(&leave, &off)),
        ("a withdrawal that arrived, and leave again", Some(&leave), &put_back, &doubts, schedule(&leave, &put_back)),
        (
            "the same, where theirs had been over",
            Some(&leave),
            &over_put_back,
            &over_doubts,
            schedule(&leave, &over_put_back),
        ),
        ("a write that arrived after all", Some(&leave), &leave.setting(), &doubts, ReplyStep::Nothing),
        ("in doubt, and cancelled", None, &leave.setting(), &doubts, ReplyStep::Withdraw(off.clone())),
        ("in doubt, never arrived, cancelled", None, &off, &doubts, ReplyStep::Nothing),
        ("in doubt, switched off", Some(&leave), &leave.setting().at_rest(), &doubts, declined),
        ("one of two that may have arrived", Some(&longer), &leave.setting(), &both, schedule(&longer, &off)),
        ("the other of the two", Some(&longer), &longer.setting(), &both, ReplyStep::Nothing),
    ] {
        assert_eq!(plan(now, wanted, current, memory), step, "{case}");
    }
}

#[test]
fn what_was_scheduled_but_is_over_is_put_back_switched_off() {
    let now = at("2026-12-01T12:00:00Z");
    let leave = wanted("2026-12-21T00:00", "2026-12-24T00:00");
    let over = own(ReplyStatus::Scheduled, Some(("2026-11-02T00:00:00Z", "2026-11-04T00:00:00Z")));
    for (before, inside) in [(Some(over), "Gone fishing"), (None, "")] {
        let memory = Memory { written: vec![leave.setting()], before, ..Memory::default() };
        let ReplyStep::Withdraw(back) = plan(now, None, &leave.setting(), &memory) else { panic!("not withdrawn") };
        assert_eq!((back.status, back.window, back.inside.as_str()), (ReplyStatus::Disabled, None, inside));
    }
}

#[test]
fn a_mailbox_is_looked_at_a_day_before_at_the_end_and_when_a_setting_of_the_persons_ends() {
    let leave = wanted("2026-12-21T00:00", "2026-12-24T00:00");
    for (now, next) in [
        ("2026-12-01T12:00:00Z", "2026-12-20T00:00:00Z"),
        ("2026-12-20T00:00:00Z", "2026-12-24T00:00:00Z"),
        ("2026-12-22T00:00:00Z", "2026-12-24T00:00:00Z"),
    ] {
        assert_eq!(look_again(at(now), &leave), at(next), "{now}");
    }
    let now = at("2026-12-22T12:00:00Z");
    for (current, next) in [
        (own(ReplyStatus::AlwaysEnabled, None), "2026-12-23T12:00:00Z"),
        (own(ReplyStatus::Scheduled, Some(("2026-12-22T00:00:00Z", "2026-12-22T18:00:00Z"))), "2026-12-22T18:00:00Z"),
        (own(ReplyStatus::Scheduled, Some(("2026-12-22T00:00:00Z", "2027-12-22T18:00:00Z"))), "2026-12-23T12:00:00Z"),
        (own(ReplyStatus::Disabled, Some(("2026-12-22T00:00:00Z", "2026-12-22T18:00:00Z"))), "2026-12-23T12:00:00Z"),
    ] {
        assert_eq!(look_at_kept(now, &leave, &current), at(next), "{current:?}");
    }
}

#[test]
fn exchange_may_dress_a_text_up_but_not_change_its_words() {
    for (one, other, same) in [
        ("Away &amp; gone", "<html><body>Away&nbsp;&amp;\n gone</body></html>", true),
        ("1 &lt; 2", "<p>1 &lt; 2</p>", true),
        ("Away", "<STYLE>p{color:red}</STYLE><p>Away</p>", true),
        ("Away", "<p>Away!</p>", false),
        ("Away", "", false),
    ] {
        assert_eq!(words(one) == words(other), same, "{one} {other}");
    }
}
