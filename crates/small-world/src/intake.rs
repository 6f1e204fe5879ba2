//! A webhook of the small world's one leave: judged, placed and accepted as production does it.

use std::{collections::HashMap, time::Duration};

use jiff::{SignedDuration, Timestamp};
use leavebridge::{
    domain::{
        leave::{Leave, Session, Span, Staff, Status},
        team_calendar::PRIMARY,
        zone::Zone,
    },
    reconcile::{
        accept::{accept, judge},
        change::{Change, Placed, StoredLeave, Target},
        item,
        place::{Holder, Seat, place},
        state::Acceptance,
    },
};
use uuid::Uuid;

use crate::{
    rows::{from_row, now, to_row},
    state::{Content, Item},
};

/// What a revision of the leave says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Revision {
    /// Approved, in the calendar of that mailbox, with that content.
    There(u8, Content),
    /// Cancelled there; it had that content.
    Cancelled(u8, Content),
}

impl Revision {
    /// In which mailbox's calendar the leave is by it.
    pub(crate) const fn mailbox(self) -> u8 {
        match self {
            Self::There(mailbox, _) | Self::Cancelled(mailbox, _) => mailbox,
        }
    }

    /// What should be in that calendar.
    pub(crate) const fn desired(self) -> Content {
        match self {
            Self::There(_, content) => content,
            Self::Cancelled(..) => 0,
        }
    }

    const fn status(self) -> Status {
        match self {
            Self::There(..) => Status::Approved,
            Self::Cancelled(..) => Status::Cancelled,
        }
    }

    fn leave(self) -> Leave {
        let (Self::There(mailbox, content) | Self::Cancelled(mailbox, content)) = self;
        let first: jiff::civil::Date = "2026-12-01".parse().unwrap();
        let last = first.checked_add(SignedDuration::from_hours(24 * (i64::from(content) - 1))).unwrap();
        let staff = Staff { email: Some(address(mailbox)), entra_id: None, employee_id: None, name: None };
        let (starts, ends) = (Session::Am, Session::Pm);
        let time_zone = Zone::parse("Europe/London").ok();
        Leave { staff, leave_type: None, span: Span::Days { first, starts, last, ends }, time_zone, department: None }
    }
}

type Items = [Option<Item>; 2];

/// Takes webhooks in, and remembers what came of them.
#[derive(Default)]
pub(crate) struct Intake(HashMap<(u8, u8, Items), Option<Items>>);

impl Intake {
    /// The items behind the webhook of revision `number`, where `stored` is what is known; `None` when it does not count. The
    /// later a revision's number, the later it happened at the source.
    pub(crate) fn take(&mut self, revisions: &[Revision], stored: u8, number: u8, items: Items) -> Option<Items> {
        *self.0.entry((stored, number, items)).or_insert_with(|| accepted(revisions, stored, number, items))
    }
}

fn accepted(revisions: &[Revision], stored: u8, number: u8, items: Items) -> Option<Items> {
    let stored = (stored > 0).then(|| StoredLeave {
        row: 3,
        status: revisions[usize::from(stored) - 1].status(),
        content: Some(revisions[usize::from(stored) - 1].leave()),
        source_at: at(stored),
        rev: 1,
    });
    let change = change(revisions[usize::from(number) - 1], number);
    if judge(stored.as_ref(), &change) != Acceptance::Accepted {
        return None;
    }
    let mut rows: Vec<item::Item> = Vec::new();
    for (mailbox, item) in (0..).zip(&items) {
        rows.extend(item.as_ref().map(|item| {
            let mut row = to_row(item);
            row.id = Uuid::from_u128(mailbox.into());
            (row.mailbox, row.address, row.leave) = (mailbox.into(), address(mailbox), Some(3));
            row
        }));
    }
    let place = |target: &Target| {
        let mailbox = i64::from(target.address == address(1));
        let holder = Holder { mailbox, entra_id: None, asked_at: Some(now()), settings_at: None };
        let stored = stored.as_ref().map(|stored| (stored, &rows[..]));
        match place(&change, stored, Some(&holder), None, now()) {
            Seat::Known { holder, resolve } => Placed { mailbox: holder.mailbox, resolve, settings_at: None },
            Seat::New { .. } => unreachable!("who holds an address is known in this world"),
        }
    };
    let placed: Vec<Placed> = change.targets.iter().map(place).collect();
    accept(&change, 3, 1, &mut rows, &mut Vec::new(), &placed, now());
    assert!(rows.len() <= 2, "one item for each mailbox");
    Some([0, 1].map(|mailbox| rows.iter().find(|row| row.mailbox == mailbox).map(from_row)))
}

fn address(mailbox: u8) -> String {
    format!("{mailbox}@contoso.com")
}

fn at(number: u8) -> Timestamp {
    now() - SignedDuration::from_hours(100 - i64::from(number))
}

fn change(revision: Revision, number: u8) -> Change {
    let leave = revision.leave();
    Change {
        client: "ess".into(),
        delivery: None,
        tenant: "t".into(),
        source: "ess".into(),
        id: "LA-1".into(),
        status: revision.status(),
        targets: vec![Target { address: leave.staff.mailbox().to_owned(), calendar: PRIMARY.to_owned() }],
        leave: Some(leave),
        at: at(number),
        has_replies: false,
        look_first: false,
        directory_fresh_for: Duration::from_hours(24),
        ids: (10..13).map(Uuid::from_u128).collect(),
    }
}
