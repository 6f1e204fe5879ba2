//! The proof: one private event is written twice, found once, changed, read back and deleted.
//!
//! The event is marked as all of ours are, with an id that belongs to this mailbox's test alone, so that whatever a test
//! left behind that was killed half-way is found and taken away by the next one. It must never touch any other event.

use jiff::{ToSpan as _, civil::DateTime};
use uuid::Uuid;

use super::{
    explanation::Explanation,
    rights::Rights,
    tenant::{TenantExamination, describe},
};
use crate::{
    domain::{
        appearance::{Sensitivity, ShowAs},
        event::{EventPatch, EventSpec, Times},
        finding::Finding,
        marker::Marker,
    },
    graph::{Graph, GraphError},
};

/// The namespace of the tests' markers.
const TESTS: Uuid = Uuid::from_u128(0x5f1d_6c1e_9a0b_4f53_8f0e_2a52_3a1c_77d4);
const TITLE: &str = "leavebridge: test, deleted at once";
const CHANGED: &str = "leavebridge: test, changed, deleted at once";

/// How a test went wrong.
enum TestFailure {
    /// Graph did not do this step.
    Refused(&'static str, GraphError),
    /// Graph said that it did, and did something else.
    Differs(&'static str),
}

impl TenantExamination<'_> {
    pub(super) async fn write_test(&self, graph: &Graph, address: &str, rights: &Rights) -> Finding {
        let event = Uuid::new_v5(&TESTS, address.to_lowercase().as_bytes());
        let marker = Marker { event, owner: TESTS };
        // Another one for every test: Graph may remember a deleted event by the id that it was created under.
        let transaction = self.random.uuid();
        let outcome = self.steps(graph, address, marker, transaction).await;
        let left = match &outcome {
            Ok(()) => None,
            Err(_) => self.remove_leftovers(graph, address, marker).await.err(),
        };
        let mut found = match outcome {
            Ok(()) => {
                return self.ok(
                    "write-test",
                    format!(
                        "In the calendar of {address} one private event was created, created again without a second one, \
                         read back, changed, deleted, and is gone."
                    ),
                );
            }
            Err(TestFailure::Refused(step, error)) => {
                self.failed(&format!("Write test in the calendar of {address}, {step}"), &error, rights, address)
            }
            Err(TestFailure::Differs(what)) => self.finding(
                format!("Write test in the calendar of {address}: {what}."),
                Explanation::error(
                    "write-differs",
                    "Graph said that it did what it was asked, and did something else: another program or a rule works in \
                     this calendar, or this is not Microsoft's Graph.",
                    "Look which other app or add-in changes events in {mailbox}; then run the doctor again.",
                ),
                address,
            ),
        };
        if let Some(error) = left {
            found.seen = format!(
                "{} The test's event (\u{201c}{TITLE}\u{201d}, tomorrow) may still be there: {} The next write test takes it away.",
                found.seen,
                describe(&error, self.clock.now())
            );
        }
        found
    }

    async fn steps(&self, graph: &Graph, address: &str, marker: Marker, transaction: Uuid) -> Result<(), TestFailure> {
        let at = |step: &'static str| move |error| TestFailure::Refused(step, error);
        self.remove_leftovers(graph, address, marker).await.map_err(at("looking for what an earlier test left"))?;
        let event = self.event();
        let first =
            graph.create(self.mailbox(address), None, &event, marker, transaction).await.map_err(at("creating"))?;
        let again = graph
            .create(self.mailbox(address), None, &event, marker, transaction)
            .await
            .map_err(at("creating again"))?;
        if again.event_id != first.event_id {
            return Err(TestFailure::Differs("the same create made a second event"));
        }
        let found =
            graph.find(self.mailbox(address), marker.event, transaction).await.map_err(at("looking for the event"))?;
        if found.ids != [first.event_id.clone()] {
            return Err(TestFailure::Differs("the event that was created is not found by its mark, or not once"));
        }
        let seen = graph.read_event(self.mailbox(address), &first.event_id).await.map_err(at("reading it back"))?;
        let as_written = seen.subject == TITLE
            && seen.sensitivity == "private"
            && seen.show_as == "free"
            && seen.is_all_day
            && seen.start.date_time == event.times.start
            && seen.end.date_time == event.times.end;
        if !as_written {
            return Err(TestFailure::Differs("the event is not as it was written"));
        }
        let change = EventPatch { subject: Some(CHANGED.into()), ..EventPatch::default() };
        graph.update(self.mailbox(address), &first.event_id, &change).await.map_err(at("changing it"))?;
        let seen =
            graph.read_event(self.mailbox(address), &first.event_id).await.map_err(at("reading the change back"))?;
        if seen.subject != CHANGED || seen.sensitivity != "private" {
            return Err(TestFailure::Differs("the change did not arrive, or changed more than it should"));
        }
        graph.remove(self.mailbox(address), &first.event_id).await.map_err(at("deleting it"))?;
        let found = graph
            .find(self.mailbox(address), marker.event, transaction)
            .await
            .map_err(at("looking whether it is gone"))?;
        if !found.ids.is_empty() {
            return Err(TestFailure::Differs("the event is still there after it was deleted"));
        }
        // Sent again, a deletion must be as good as the first.
        graph.remove(self.mailbox(address), &first.event_id).await.map_err(at("deleting it again"))?;
        Ok(())
    }

    /// Whatever carries the test's mark.
    async fn remove_leftovers(&self, graph: &Graph, address: &str, marker: Marker) -> Result<(), GraphError> {
        let found = graph.find(self.mailbox(address), marker.event, marker.owner).await?;
        for id in &found.ids {
            graph.remove(self.mailbox(address), id).await?;
        }
        Ok(())
    }

    /// Tomorrow, the whole day, free and private, so that it disturbs no one while it is there.
    fn event(&self) -> EventSpec {
        let zone = &self.tenant.policy.time_zone;
        let today = self.clock.now().to_zoned(zone.rules()).date();
        let tomorrow = today.checked_add(1.day()).unwrap_or(today);
        let end = tomorrow.checked_add(1.day()).unwrap_or(tomorrow);
        let midnight = |date: jiff::civil::Date| -> DateTime { date.to_datetime(jiff::civil::Time::midnight()) };
        EventSpec {
            subject: TITLE.into(),
            body: "Written by `leavebridge doctor --write-test` to prove the connection.".into(),
            times: Times {
                all_day: true,
                start: midnight(tomorrow),
                end: midnight(end),
                zone: zone.outlook_name().unwrap_or("UTC").into(),
            },
            show_as: ShowAs::Free,
            sensitivity: Sensitivity::Private,
            category: None,
            reminder: None,
        }
    }
}
