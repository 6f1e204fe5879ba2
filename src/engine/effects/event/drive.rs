//! Carries out what `converge` says, call by call. Every call goes through the lease's guard, because it may only begin while
//! the mailbox's lease is sure to outlast it. It must never decide what comes next.

use uuid::Uuid;

use crate::{
    domain::{
        event::{Desired, EventSpec},
        marker::Marker,
    },
    engine::lease::{Halt, LeaseGuard},
    graph::{GraphError, RequestIds, Written},
    reconcile::{
        converge::{Answer, Call, Next, Progress},
        failure::Failure,
    },
};

/// How a way ended.
pub(super) enum End {
    /// It is as wanted.
    Done,
    /// The event is gone; a new one is to be made, under a new incarnation that must be stored first.
    Recreate,
    LeaseLost,
    Interrupted,
    Failed(GraphError),
}

/// One event's way.
pub(super) struct Drive<'a> {
    pub(super) guard: &'a LeaseGuard<'a>,
    /// The name of the calendar.
    pub(super) calendar: &'a str,
    pub(super) marker: Marker,
    pub(super) transaction: Uuid,
    /// Another item of the leave has the same marker: only what was created under the transaction is meant.
    pub(super) is_surplus: bool,
    pub(super) progress: Progress,
    /// The last step that was begun, for the timeline.
    pub(super) step: &'static str,
    /// The ids of the call that is worth remembering.
    pub(super) request_ids: Option<RequestIds>,
}

impl Drive<'_> {
    pub(super) async fn run(&mut self, desired: &Desired) -> End {
        // What Graph said when a call failed: the failure alone would not tell a person enough.
        let mut refused: Option<GraphError> = None;
        loop {
            let call = match self.progress.next(desired) {
                Next::Call(call) => call,
                Next::Done => return End::Done,
                Next::Recreate => return End::Recreate,
                Next::Failed(failure) => {
                    return End::Failed(match (failure, refused) {
                        (Failure::InDoubt { left }, _) => GraphError::in_doubt(left),
                        (_, Some(error)) => error,
                        (_, None) => GraphError::no_end(self.request_ids.clone()),
                    });
                }
                Next::NoEnd => return End::Failed(GraphError::no_end(self.request_ids.clone())),
            };
            let answer = match self.make(&call, &mut refused).await {
                Ok(answer) => answer,
                Err(Halt::LeaseLost) => return End::LeaseLost,
                Err(Halt::Interrupted) => return End::Interrupted,
                Err(Halt::Failed(error)) => return End::Failed(error),
            };
            self.progress.take(desired, &call, answer);
        }
    }

    async fn make(&mut self, call: &Call, refused: &mut Option<GraphError>) -> Result<Answer, Halt> {
        let answer = match call {
            Call::Find => return self.find(refused).await,
            Call::Create(event) => return self.create(event, refused).await,
            Call::Update(id, changes) => {
                self.step = "update";
                let written = self.guard.call("update", |graph, mailbox| graph.update(mailbox, id, changes)).await?;
                written.map(|written| self.written(written))
            }
            Call::Remove(id) => {
                self.step = "remove";
                let removed = self.guard.call("remove", |graph, mailbox| graph.remove(mailbox, id)).await?;
                removed.map(|request_ids| {
                    self.request_ids = Some(request_ids);
                    Answer::Removed
                })
            }
        };
        Ok(or_failed(answer, refused))
    }

    /// The look behind a writing leaves no trace in the timeline: the writing is what is worth remembering.
    async fn find(&mut self, refused: &mut Option<GraphError>) -> Result<Answer, Halt> {
        let is_check = self.progress.is_checking();
        if !is_check {
            self.step = "look-up";
        }
        let (marker, transaction) = (self.marker.event, self.transaction);
        let found = self.guard.call("find", |graph, mailbox| graph.find(mailbox, marker, transaction)).await?;
        let answer = found.map(|found| {
            let is_there = self.progress.observed.event_id.as_ref().is_some_and(|id| found.ids.contains(id));
            if !is_check || !is_there {
                self.request_ids = Some(found.request_ids);
            }
            let ours = found.ours.filter(|_| found.is_exact || !self.is_surplus);
            Answer::Found { ours: ours.map(|event| event.event_id), ids: found.ids }
        });
        Ok(or_failed(answer, refused))
    }

    async fn create(&mut self, event: &EventSpec, refused: &mut Option<GraphError>) -> Result<Answer, Halt> {
        let calendar = self.calendar_id().await?;
        self.step = "create";
        let (marker, transaction) = (self.marker, self.transaction);
        let to = calendar.as_deref();
        let made = self.guard.call("create", |graph, mailbox| graph.create(mailbox, to, event, marker, transaction));
        let error = match made.await? {
            Ok(written) => return Ok(self.written(written)),
            Err(error) => error,
        };
        if error.failure == Failure::AlreadyCreated {
            self.request_ids = error.request_ids.map(|request_ids| *request_ids);
            return Ok(Answer::AlreadyCreated(error.existing_event.map(String::from)));
        }
        if error.failure == Failure::EventGone
            && let Some(gone) = &calendar
            && self.is_replaced(gone).await?
        {
            return Ok(Answer::CalendarReplaced);
        }
        Ok(or_failed(Err(error), refused))
    }

    fn written(&mut self, written: Written) -> Answer {
        self.request_ids = Some(written.request_ids);
        Answer::Written { id: written.event_id, web_link: written.web_link }
    }
}

fn or_failed(answer: Result<Answer, GraphError>, refused: &mut Option<GraphError>) -> Answer {
    answer.unwrap_or_else(|error| {
        let failure = error.failure;
        *refused = Some(error);
        Answer::Failed(failure)
    })
}
