//! Approved leave → the automatic reply that should be set: one span for all that overlaps or adjoins.

use jiff::{
    Timestamp, ToSpan as _,
    civil::{Date, DateTime, Time},
    tz::TimeZone,
};

use super::setting::{AHEAD, ReplyStatus, Setting};
use crate::domain::{
    appearance::{Audience, Publish, Reply},
    event::{self, Application, MailboxSettings},
    hours::Hours,
    leave::{Leave, Status},
    policy::Policy,
    template::{Field, Template},
};

/// One leave of a mailbox's owner.
#[derive(Debug, Clone)]
pub struct Away {
    /// The leave's row.
    pub row: i64,
    /// Its id at its source.
    pub id: String,
    /// The source.
    pub source: String,
    /// The leave itself; it is approved.
    pub leave: Leave,
}

/// The reply that should be set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedReply {
    /// Its first moment.
    pub from: Timestamp,
    /// The first moment after it.
    pub until: Timestamp,
    /// Who outside of the organisation gets one.
    pub audience: Audience,
    /// The text for people of the organisation, as HTML.
    pub inside: String,
    /// The text for everybody else, as HTML.
    pub outside: String,
    /// The leave that it begins with.
    pub leave: i64,
}

impl WantedReply {
    /// The setting that this is.
    #[must_use]
    pub fn setting(&self) -> Setting {
        Setting {
            status: ReplyStatus::Scheduled,
            audience: self.audience,
            window: Some((self.from, self.until)),
            inside: self.inside.clone(),
            outside: self.outside.clone(),
        }
    }

    /// Whether a setting of ours is as wanted. Where both have begun, it does not matter when.
    pub(super) fn is_met_by(&self, current: &Setting, now: Timestamp) -> bool {
        let Some((from, until)) = current.window else { return false };
        let soon = earliest(now);
        let begins_well = from == self.from || (from <= soon && self.from <= soon);
        until == self.until && begins_well && self.setting().says_the_same(current)
    }

    /// The same, beginning as early as may be set.
    pub(super) fn no_earlier_than_possible(&self, now: Timestamp) -> Self {
        Self { from: self.from.max(earliest(now)), ..self.clone() }
    }
}

/// The next full minute that is far enough ahead.
fn earliest(now: Timestamp) -> Timestamp {
    let second = now.saturating_add(AHEAD).unwrap_or(now).as_second();
    Timestamp::from_second(second - second.rem_euclid(60) + 60).unwrap_or(now)
}

/// A stretch of leave.
struct Stretch<'a> {
    from: Timestamp,
    until: Timestamp,
    first_day: Date,
    last_day: Date,
    away: &'a Away,
    reply: &'a Reply,
}

/// The reply that a mailbox should have at `now`: of the first stretch of leave that is not over. The kind of leave that it
/// begins with decides about the texts.
#[must_use]
pub fn wanted(now: Timestamp, leaves: &[Away], policy: &Policy, own: &MailboxSettings) -> Option<WantedReply> {
    let mut stretches: Vec<Stretch<'_>> = leaves.iter().filter_map(|away| stretch(away, policy, own)).collect();
    stretches.sort_by(|one, other| {
        let key = |stretch: &Stretch<'_>| (stretch.from, stretch.until);
        key(one)
            .cmp(&key(other))
            .then_with(|| (&one.away.source, &one.away.id).cmp(&(&other.away.source, &other.away.id)))
    });
    let hours = &own.hours_by(&policy.hours);
    // Work begins by the clock of the person, whatever zone the leave names.
    let clock = |last: &Stretch<'_>| {
        own.zone.as_ref().or(last.away.leave.time_zone.as_ref()).unwrap_or(&policy.time_zone).rules()
    };
    let mut merged: Vec<Stretch<'_>> = Vec::new();
    for next in stretches {
        match merged.last_mut().filter(|last| adjoin(last.until, next.from, hours, &clock(last))) {
            Some(last) if last.until < next.until => {
                last.last_day = last.last_day.max(next.last_day);
                last.until = next.until;
            }
            Some(_) => {}
            None => merged.push(next),
        }
    }
    let next = merged.into_iter().find(|stretch| earliest(now) < stretch.until)?;
    let text = |template: &Template| html(&fill(template, &next));
    let Reply { inside, outside, audience } = next.reply;
    let (inside, outside, audience) = (text(inside), text(outside), *audience);
    Some(WantedReply { leave: next.away.row, from: next.from, until: next.until, audience, inside, outside })
}

fn stretch<'a>(away: &'a Away, policy: &'a Policy, own: &MailboxSettings) -> Option<Stretch<'a>> {
    let look = policy.appearance(away.leave.leave_type.as_deref());
    let reply = look.reply.as_ref().filter(|_| look.publish != Publish::Never)?;
    let times = event::times(&away.leave, policy, own);
    let zone = away.leave.time_zone.as_ref().or(own.zone.as_ref()).unwrap_or(&policy.time_zone);
    let clock = if times.zone == "UTC" { TimeZone::UTC } else { zone.rules() };
    let moment = |local: DateTime| Some(local.to_zoned(clock.clone()).ok()?.timestamp());
    let (first_day, last_day) = event::days(&away.leave.span);
    Some(Stretch { from: moment(times.start)?, until: moment(times.end)?, first_day, last_day, away, reply })
}

/// Whether nobody is expected at work between the two: they overlap, or no working hour lies in between.
fn adjoin(until: Timestamp, from: Timestamp, hours: &Hours, clock: &TimeZone) -> bool {
    if from <= until {
        return true;
    }
    let (left, back) = (clock.to_datetime(until), clock.to_datetime(from));
    let days = back.date().since(left.date()).map_or(i32::MAX, |span| span.get_days());
    // In more than a week somebody works.
    days <= 7
        && (0..=days.max(0)).all(|day| {
            let date = left.date().saturating_add(day.days());
            let Some(work) = hours.at_work(date.weekday()) else { return true };
            let begins = if date == left.date() { left.time() } else { Time::midnight() };
            let ends = if date == back.date() { back.time() } else { Time::MAX };
            begins.max(work.start) >= ends.min(work.end)
        })
}

/// The text, with the days of the whole stretch.
fn fill(template: &Template, stretch: &Stretch<'_>) -> String {
    let Away { id, source, leave, .. } = stretch.away;
    let application = Application { id, source, status: Status::Approved, leave };
    template.fill(|field| match field {
        Field::FirstDay => stretch.first_day.to_string(),
        Field::LastDay => stretch.last_day.to_string(),
        field => event::value(field, &application),
    })
}

/// Plain text as HTML: whatever somebody calls themselves, it is no markup.
fn html(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in text.trim().chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            '\n' => html.push_str("<br>"),
            c if c.is_control() => {}
            c => html.push(c),
        }
    }
    html
}
