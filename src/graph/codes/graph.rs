//! Graph's codes, Exchange's among them, and the HTTP statuses of answers without a code.

use super::Advice;
use crate::reconcile::failure::Failure;

/// Our word for Graph's wish for a token that was issued after something changed (continuous access evaluation).
pub(in crate::graph) const CLAIMS_CHALLENGE: &str = "claims-challenge";

/// The codes by which Exchange says, when an event is created in a calendar, that there is no such calendar. Elsewhere they
/// mean other things, so they are not in the table.
pub(in crate::graph) const CALENDAR_GONE: [&str; 3] =
    ["ErrorFolderNotFound", "ErrorInvalidFolderId", "ErrorInvalidMailboxItemId"];

/// A meaning and the codes that have it.
#[derive(Debug)]
pub struct GraphCode {
    codes: &'static [&'static str],
    /// What it means for the engine; `None` where the HTTP status decides.
    pub(in crate::graph) failure: Option<Failure>,
    /// What it means for a person.
    pub advice: Advice,
}

/// The row of that code; `HTTP 503` and its like stand for an answer without a code.
#[must_use]
pub fn find(code: &str) -> Option<&'static GraphCode> {
    TABLE.iter().find(|row| row.codes.contains(&code))
}

const fn row(codes: &'static [&'static str], failure: Option<Failure>, advice: Advice) -> GraphCode {
    GraphCode { codes, failure, advice }
}

const REPORT_IT: &str = "Report this with the ids above: it is a fault of leavebridge, not of your directory.";

const CONSENT_MISSING: Advice = Advice {
    id: "consent-missing",
    meaning: "The app's token names no right to calendars, and Exchange grants none for this mailbox either. Mostly \
        the permission was added as Delegated (which only works with a signed-in user; leavebridge has none), or the \
        admin consent was never given. If you chose RBAC for Applications (way B), the mailbox is outside the scope, \
        or the grant is younger than two hours.",
    next: "Way A: {registration} → API permissions: Calendars.ReadWrite must be there as type Application with the \
        green mark of consent. Way B: Test-ServicePrincipalAuthorization -Identity {app} -Resource {mailbox} must say \
        InScope True.",
};

const EVENT_CONFLICT: Advice = Advice {
    id: "event-conflict",
    meaning: "Somebody, or another app, changed the event at the same moment.",
    next: "Run the doctor again; if it stays, look which other app works in the calendar of {mailbox}.",
};

const REQUEST_REJECTED: Advice = Advice {
    id: "request-rejected",
    meaning: "Graph refuses what leavebridge sends, and would refuse it again.",
    next: REPORT_IT,
};

const GRAPH_BUSY: Advice = Advice {
    id: "graph-busy",
    meaning: "Exchange cannot serve this mailbox at the moment: it is overloaded, or the mailbox is being moved. \
        leavebridge tries again by itself.",
    next: "Wait a few minutes and run the doctor again; Microsoft 365 admin center → Health → Service health tells of \
        longer trouble.",
};

static TABLE: [GraphCode; 22] = [
    row(&["ErrorAccessDenied", "AccessDenied", "HTTP 403"], Some(Failure::AccessDenied), CONSENT_MISSING),
    row(&["extensionError"], None, CONSENT_MISSING),
    row(
        &["Authorization_RequestDenied"],
        Some(Failure::AccessDenied),
        Advice {
            id: "directory-permission-missing",
            meaning: "The directory refuses: the app lacks a directory permission for this question.",
            next: "{registration} → API permissions: see `leavebridge setup` for what each is for.",
        },
    ),
    row(
        &["InvalidAuthenticationToken", "AuthenticationError", "TokenNotFound", "HTTP 401"],
        Some(Failure::Credentials),
        Advice {
            id: "token-refused",
            meaning: "Entra gave a token and Graph does not take it: mostly the two are of different clouds, or this \
                machine's clock is wrong.",
            next: "Check that {key}.cloud is the directory's, and that this machine's clock is right.",
        },
    ),
    row(
        &[CLAIMS_CHALLENGE],
        Some(Failure::Credentials),
        Advice {
            id: "token-challenged",
            meaning: "Graph wants a newer token because something changed meanwhile (continuous access evaluation): \
                the app was changed, or its place in the network is not allowed. leavebridge fetches a new one by \
                itself.",
            next: "Run the doctor again; if it stays, {admin} → Sign-in logs → Service principal sign-ins tells which \
                policy it is.",
        },
    ),
    row(
        &["ErrorQuotaExceeded", "QuotaExceeded", "HTTP 507"],
        Some(Failure::MailboxFull),
        Advice {
            id: "mailbox-full",
            meaning: "The mailbox is full and takes no new event. leavebridge looks again every hour.",
            next: "Ask the person to make room in {mailbox}, or give it a larger quota in the Exchange admin center.",
        },
    ),
    row(
        &["ErrorInvalidUser", "ErrorNonExistentMailbox", "ResourceNotFound", "Request_ResourceNotFound"],
        Some(Failure::MailboxMissing),
        Advice {
            id: "mailbox-unknown",
            meaning: "The directory has nobody of this address: it is misspelt, was renamed, or is an alias where the \
                sign-in name (UPN) or the primary address is needed.",
            next: "Microsoft 365 admin center → Users → Active users: compare {mailbox} with Username.",
        },
    ),
    row(
        &["MailboxNotEnabledForRESTAPI"],
        Some(Failure::MailboxMissing),
        Advice {
            id: "mailbox-unlicensed",
            meaning: "The person is known, but has no mailbox that Graph can open: no Exchange Online licence (yet), a \
                guest, an inactive mailbox, or one on an Exchange server of your own. A new mailbox may need up to a \
                day. leavebridge goes on by itself once it is there.",
            next: "Microsoft 365 admin center → Users → Active users → {mailbox} → Licenses and apps: Exchange Online \
                must be on. Of a guest, enter the leave in their own organisation; a mailbox on a server of your own \
                has to move first.",
        },
    ),
    row(
        &["MailboxNotHostedInExchangeOnline"],
        Some(Failure::MailboxMissing),
        Advice {
            id: "mailbox-on-premises",
            meaning: "The mailbox is on an Exchange server of your own, which Graph does not reach.",
            next: "Move {mailbox} to Exchange Online, or enter this person's leave by other means.",
        },
    ),
    row(
        &["ErrorItemNotFound"],
        Some(Failure::EventGone),
        Advice {
            id: "event-not-found",
            meaning: "The event was gone before it could be looked at: somebody, or a rule, deletes events in \
                {mailbox}.",
            next: "Run the doctor again; if it stays, look which other app works in that calendar.",
        },
    ),
    row(
        &["ErrorInvalidIdMalformed"],
        Some(Failure::EventGone),
        Advice { id: "event-id-malformed", meaning: "Graph does not understand the event's id.", next: REPORT_IT },
    ),
    row(
        &["ErrorDuplicateTransactionId"],
        Some(Failure::AlreadyCreated),
        Advice {
            id: "transaction-taken",
            meaning: "Graph takes the test's event for another one that was made under the same transaction id.",
            next: REPORT_IT,
        },
    ),
    row(
        &["ErrorIrresolvableConflict", "ConcurrentItemSave", "ErrorStaleObject", "HTTP 409", "HTTP 412"],
        Some(Failure::Conflict),
        EVENT_CONFLICT,
    ),
    row(&["preconditionFailed"], None, EVENT_CONFLICT),
    row(
        &[
            "ErrorInvalidRequest",
            "ErrorPropertyValidationFailure",
            "ErrorInvalidParameter",
            "TimeZoneNotSupportedException",
            "RequestBodyRead",
            "UnableToDeserializePostBody",
            "ErrorInvalidPropertySet",
            "ErrorCalendarDurationIsTooLong",
            "HTTP 405",
            "HTTP 406",
            "HTTP 413",
            "HTTP 415",
            "HTTP 501",
        ],
        Some(Failure::Rejected),
        REQUEST_REJECTED,
    ),
    row(
        &[
            "BadRequest",
            "ErrorInvalidTimeSettings",
            "InvalidArguments",
            "InvalidTimeZone",
            "Request_BadRequest",
            "Request_UnsupportedQuery",
            "invalidRequest",
            "methodNotAllowed",
            "notAcceptable",
            "requestEntityTooLarge",
            "unsupportedMediaType",
            "notImplemented",
        ],
        None,
        REQUEST_REJECTED,
    ),
    row(
        &["syncStateNotFound", "SyncStateInvalid", "resyncRequired"],
        None,
        Advice {
            id: "sync-state-lost",
            meaning: "Graph speaks of a list of changes, which leavebridge never asks for.",
            next: REPORT_IT,
        },
    ),
    row(
        &[
            "ApplicationThrottled",
            "TooManyRequests",
            "activityLimitReached",
            "ErrorExceededConnectionCount",
            "HTTP 429",
        ],
        Some(Failure::Throttled { retry_after: None }),
        Advice {
            id: "throttled",
            meaning: "Graph gets too many requests for this mailbox and asks to wait. leavebridge waits as long as it \
                is told.",
            next: "Wait a few minutes and run the doctor again; if it stays, look what else uses the app {app}.",
        },
    ),
    row(
        &[
            "ErrorServerBusy",
            "ErrorMailboxStoreUnavailable",
            "ErrorMailboxMoveInProgress",
            "ErrorMailboxFailover",
            "ErrorConnectionFailed",
            "ErrorTimeoutExpired",
            "ErrorADUnavailable",
            "ErrorInsufficientResources",
            "ErrorTooManyObjectsOpened",
            "serviceNotAvailable",
            "HTTP 423",
            "HTTP 503",
            "HTTP 509",
        ],
        Some(Failure::Unavailable { retry_after: None }),
        GRAPH_BUSY,
    ),
    row(&["locked", "bandwidthLimitExceeded"], None, GRAPH_BUSY),
    row(
        &[
            "ErrorInternalServerError",
            "ErrorInternalServerTransientError",
            "generalException",
            "UnknownError",
            "HTTP 500",
        ],
        None,
        Advice {
            id: "graph-error",
            meaning: "Graph failed on the request. leavebridge tries again by itself for a day.",
            next: "Run the doctor again; if it stays for an hour, open a case with Microsoft and give the ids above.",
        },
    ),
    row(
        &["BadGateway", "GatewayTimeout", "HTTP 502", "HTTP 504"],
        None,
        Advice {
            id: "graph-no-outcome",
            meaning: "A gateway before Graph gave up waiting, so nobody knows whether the request was carried out. \
                leavebridge is made for that: it looks before it writes again.",
            next: "Run the doctor again in a few minutes.",
        },
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_code_has_one_meaning() {
        let all: Vec<_> = TABLE.iter().flat_map(|row| row.codes).chain(&CALENDAR_GONE).collect();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "{all:?}");
        assert!(all.len() > 60, "{all:?}");
    }
}
