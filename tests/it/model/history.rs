//! What may happen to a leavebridge, as a strategy: short random histories that shrink to the steps that matter.
//!
//! A history says nothing about interleavings: what is under way when a step begins is left to chance, and the model
//! only states how things end.

use proptest::{collection::vec, option, prelude::*, sample::Index, sample::select};

use super::trouble::{self, Fault};

/// How many leaves there are: the first half comes from ESS, the second, with the same ids, from Backstage.
pub(super) const LEAVES: usize = 4;
/// How many people there are.
pub(super) const PEOPLE: usize = 3;
/// Theirs, and as the last one a team's.
pub(super) const MAILBOXES: usize = PEOPLE + 1;

/// One random history.
#[derive(Debug, Clone)]
pub(super) struct History {
    pub(super) world: World,
    pub(super) steps: Vec<Step>,
}

/// What nobody knows of the real Graph, and how fast it is.
#[derive(Debug, Clone)]
pub(super) struct World {
    pub(super) duplicate_status: u16,
    pub(super) existing_event_named: bool,
    pub(super) transaction_memory: &'static str,
    pub(super) deleted_item: &'static str,
    pub(super) answer_delay_ms: u64,
}

/// One thing that happens.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// A portal posts.
    Webhook(Webhook),
    /// Portals post all at once, each twice; what happened later at the source wins, whoever comes first.
    AtOnce(Vec<Webhook>),
    /// A portal posts an earlier delivery once more.
    Again(Index),
    /// A portal posts, the service dies a little later, and the portal posts again.
    CutOff(Webhook, u8),
    /// Trouble from here on.
    Fault(Fault),
    /// The trouble ends.
    Mend,
    /// Somebody does something to an event of ours.
    Staff(Index, Edit),
    /// An operator has everything tried again.
    Retry,
    /// The service is killed: amid a call if there is one under way, and for so many seconds.
    Crash { amid: bool, seconds: i64 },
    /// A second replica comes, or goes in good order.
    Replica,
    /// Nothing happens until nothing is left to do for now.
    Rest,
    /// So many seconds pass.
    Pass(i64),
    /// So many seconds pass while a call is under way: as if everybody had been frozen meanwhile.
    Freeze(i64),
    /// Somebody gets another address and keeps the former one.
    Rename(usize),
    /// The reception's address passes on to somebody, once everything is settled.
    PassOn(usize),
}

/// What a portal says of a leave.
#[derive(Debug, Clone)]
pub(super) struct Webhook {
    pub(super) leave: usize,
    pub(super) kind: Kind,
    pub(super) content: Content,
    /// How many webhooks too late it comes.
    pub(super) late: i64,
    /// Whether it carries a delivery id.
    pub(super) named: bool,
}

/// The kinds of webhook, with the status that they carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Created(Option<&'static str>),
    Updated(Option<&'static str>),
    Cancelled,
}

/// The leave itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) person: usize,
    pub(super) called: Called,
    /// From this day of December 2026 on.
    pub(super) first: u8,
    /// For so many days.
    pub(super) days: u8,
    /// The first day's morning is not part of it.
    pub(super) from_noon: bool,
    /// No calendar ever hears of it.
    pub(super) leave_type: &'static str,
}

/// By which name the portal calls somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Called {
    /// The address that they had at first.
    Address,
    /// Another one that leads to them.
    Alias,
    /// Their object id.
    Id,
    /// The reception's, whoever that is.
    Reception,
}

/// What staff do to an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Edit {
    /// To another time.
    Move,
    /// They write their own notes over its text.
    Note,
    /// They give it a category, which we never write.
    Tag,
    Delete,
}

/// Histories of up to `longest` steps or small stories.
pub(super) fn history(longest: usize, names: bool) -> impl Strategy<Value = History> {
    let step = if names { prop_oneof![5 => step(true), 1 => naming()].boxed() } else { step(false).boxed() };
    let part = prop_oneof![4 => step.prop_map(|step| vec![step]), 1 => there_and_back(names)];
    (world(), vec(part, 3..=longest)).prop_map(|(world, parts)| History { world, steps: parts.concat() })
}

/// Names change, and one passes on.
fn naming() -> impl Strategy<Value = Step> {
    prop_oneof![(0..PEOPLE).prop_map(Step::Rename), (0..PEOPLE).prop_map(Step::PassOn)]
}

/// The story behind most mistakes: a leave is as usual, becomes another, something goes wrong on the way, and it is as
/// usual again before or after anybody can tell.
fn there_and_back(names: bool) -> impl Strategy<Value = Vec<Step>> {
    let usual =
        || Step::Webhook(Webhook { leave: 0, kind: Kind::Updated(None), content: usual(), late: 0, named: false });
    let other =
        (select(vec![Kind::Updated(None), Kind::Updated(Some("pending")), Kind::Cancelled]), any_content(names))
            .prop_map(|(kind, content)| Step::Webhook(Webhook { leave: 0, kind, content, late: 0, named: false }));
    let pause = prop_oneof![
        2 => Just(Step::Rest),
        2 => Just(Step::Crash { amid: true, seconds: 0 }),
        1 => Just(Step::Crash { amid: true, seconds: 40 }),
        2 => (31..50_i64).prop_map(Step::Freeze),
        2 => (5..30_i64).prop_map(Step::Pass),
        1 => any::<Index>().prop_map(|which| Step::Staff(which, Edit::Delete)),
    ];
    (trouble::lost_on_the_way(), other, pause)
        .prop_map(move |(fault, other, pause)| vec![usual(), Step::Rest, Step::Fault(fault), other, pause, usual()])
}

fn world() -> impl Strategy<Value = World> {
    let memory = select(vec!["survives-delete", "forgotten-on-delete"]);
    let deleted = select(vec!["not-found", "still-there"]);
    (select(vec![400_u16, 409]), any::<bool>(), memory, deleted, select(vec![0_u64, 2, 10])).prop_map(
        |(duplicate_status, existing_event_named, transaction_memory, deleted_item, answer_delay_ms)| World {
            duplicate_status,
            existing_event_named,
            transaction_memory,
            deleted_item,
            answer_delay_ms,
        },
    )
}

fn step(names: bool) -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => webhook(names).prop_map(Step::Webhook),
        2 => vec(webhook(names), 2..4).prop_map(Step::AtOnce),
        1 => any::<Index>().prop_map(Step::Again),
        1 => (webhook(names), 0..60_u8).prop_map(|(webhook, yields)| Step::CutOff(webhook, yields)),
        6 => trouble::fault().prop_map(Step::Fault),
        2 => Just(Step::Mend),
        4 => (any::<Index>(), edit()).prop_map(|(which, edit)| Step::Staff(which, edit)),
        1 => Just(Step::Retry),
        3 => (any::<bool>(), select(vec![0_i64, 5, 40])).prop_map(|(amid, seconds)| Step::Crash { amid, seconds }),
        1 => Just(Step::Replica),
        4 => Just(Step::Rest),
        6 => passing().prop_map(Step::Pass),
        1 => (31..50_i64).prop_map(Step::Freeze),
    ]
}

/// Seconds, minutes, hours, days.
fn passing() -> impl Strategy<Value = i64> {
    prop_oneof![4 => 1..45_i64, 2 => 60..1_200_i64, 1 => 3_600..14_400_i64, 1 => 86_400..130_000_i64]
}

fn edit() -> impl Strategy<Value = Edit> {
    select(vec![Edit::Move, Edit::Note, Edit::Tag, Edit::Delete, Edit::Delete])
}

fn webhook(names: bool) -> impl Strategy<Value = Webhook> {
    // Mostly the same leave, because a leave's troubles come from its own past.
    let leave = prop_oneof![3 => Just(0), 1 => 0..LEAVES];
    let late = prop_oneof![4 => Just(0_i64), 1 => 1..4_i64];
    (leave, kind(), content(names), late, any::<bool>()).prop_map(|(leave, kind, content, late, named)| Webhook {
        leave,
        kind,
        content,
        late,
        named,
    })
}

fn kind() -> impl Strategy<Value = Kind> {
    let status = option::weighted(0.3, select(vec!["pending", "approved", "rejected", "cancelled"]));
    (0..6_u8, status).prop_map(|(kind, status)| match kind {
        0 => Kind::Cancelled,
        1 | 2 => Kind::Created(status),
        _ => Kind::Updated(status),
    })
}

/// Few values, and one of them often, so that a leave becomes again what it was before.
fn content(names: bool) -> impl Strategy<Value = Content> {
    prop_oneof![2 => Just(usual()), 3 => any_content(names)]
}

fn usual() -> Content {
    Content { person: 0, called: Called::Address, first: 1, days: 2, from_noon: false, leave_type: "ANNUAL" }
}

fn any_content(names: bool) -> impl Strategy<Value = Content> {
    let person = prop_oneof![4 => Just(0), 1 => 0..PEOPLE];
    let called = if names {
        select(vec![Called::Address, Called::Alias, Called::Id, Called::Reception, Called::Reception]).boxed()
    } else {
        Just(Called::Address).boxed()
    };
    (person, called, 1..4_u8, 1..3_u8, any::<bool>(), select(vec!["ANNUAL", "SICK"])).prop_map(
        |(person, called, first, days, from_noon, leave_type)| Content {
            person,
            called,
            first,
            days,
            from_noon,
            leave_type,
        },
    )
}
