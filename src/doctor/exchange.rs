//! What Graph's refusals mean for a person: by code first, by HTTP status where there is no code.
//!
//! A code that is not in the table is unknown, and no fix is invented for it. Source: Microsoft's error pages and SDKs, and
//! what others have seen from the live service.

use super::{Explanation, Rights};

/// Why a call in the mailbox failed.
pub(super) fn explain(code: &str, status: Option<u16>, message: &str, rights: Option<&Rights>) -> Option<Explanation> {
    match (code, status) {
        ("ErrorAccessDenied" | "AccessDenied" | "extensionError" | "HTTP 403", _) => {
            Some(denied(code, message, rights))
        }
        // With that status the gateway spoke, not Exchange.
        ("UnknownError", Some(502 | 504)) => Some(no_outcome()),
        _ => {
            of_mailbox(code).or_else(|| by_code(code)).or_else(|| by_status(code.strip_prefix("HTTP ")?.parse().ok()?))
        }
    }
}

/// No right to that mailbox, told apart as far as can be from here.
///
/// A role in the token is Entra's consent for all mailboxes; without one the right may still be Exchange's to give (RBAC
/// for Applications). So a refusal with the role is a policy's, and one without leaves two causes.
fn denied(code: &str, message: &str, rights: Option<&Rights>) -> Explanation {
    let of_policy = code == "extensionError" || message.contains("OData is disabled");
    if of_policy || rights.is_some_and(Rights::write_calendars) {
        return Explanation::error(
            "outside-scope",
            "Entra's consent is there, yet Exchange refuses this mailbox: an application access policy keeps the app away \
             from it, or it lies outside every group that the app is limited to.",
            "Exchange Online PowerShell: Test-ApplicationAccessPolicy -AppId {app} -Identity {mailbox}; then let the policy \
             include it, or replace the policy by RBAC for Applications (`leavebridge setup`, way B).",
        );
    }
    if rights.is_some_and(|rights| rights.roles.iter().any(|role| role.starts_with("Calendars.Read"))) {
        return Explanation::error(
            "consent-read-only",
            "The app may read calendars, but not write to them.",
            "{registration} → API permissions → Add a permission → Microsoft Graph → \
             Application permissions → Calendars.ReadWrite → Grant admin consent.",
        );
    }
    Explanation::error(
        "consent-missing",
        "The app's token names no right to calendars, and Exchange grants none for this mailbox either. Mostly the \
         permission was added as Delegated (which only works with a signed-in user; leavebridge has none), or the admin \
         consent was never given. If you chose RBAC for Applications (way B), the mailbox is outside the scope, or the \
         grant is younger than two hours.",
        "Way A: {registration} → API permissions: Calendars.ReadWrite must be there as type \
         Application with the green mark of consent. Way B: Test-ServicePrincipalAuthorization -Identity {app} -Resource \
         {mailbox} must say InScope True.",
    )
}

/// There is no mailbox that could be opened, or none that has room.
fn of_mailbox(code: &str) -> Option<Explanation> {
    Some(match code {
        "ErrorQuotaExceeded" | "QuotaExceeded" => Explanation::error(
            "mailbox-full",
            "The mailbox is full and takes no new event. leavebridge looks again every hour.",
            "Ask the person to make room in {mailbox}, or give it a larger quota in the Exchange admin center.",
        ),
        "ErrorInvalidUser" | "ErrorNonExistentMailbox" | "ResourceNotFound" | "Request_ResourceNotFound" => {
            Explanation::error(
                "mailbox-unknown",
                "The directory has nobody of this address: it is misspelt, was renamed, or is an alias where the sign-in \
                 name (UPN) or the primary address is needed.",
                "Microsoft 365 admin center → Users → Active users: compare {mailbox} with Username.",
            )
        }
        "MailboxNotEnabledForRESTAPI" => Explanation::error(
            "mailbox-unlicensed",
            "The person is known, but has no mailbox that Graph can open: no Exchange Online licence (yet), a guest, an \
             inactive mailbox, or one on an Exchange server of your own. A new mailbox may need up to a day. leavebridge \
             goes on by itself once it is there.",
            "Microsoft 365 admin center → Users → Active users → {mailbox} → Licenses and apps: Exchange Online must be on. Of a \
             guest, enter the leave in their own organisation; a mailbox on a server of your own has to move first.",
        ),
        "MailboxNotHostedInExchangeOnline" => Explanation::error(
            "mailbox-on-premises",
            "The mailbox is on an Exchange server of your own, which Graph does not reach.",
            "Move {mailbox} to Exchange Online, or enter this person's leave by other means.",
        ),
        _ => return None,
    })
}

fn by_code(code: &str) -> Option<Explanation> {
    Some(match code {
        "InvalidAuthenticationToken" | "AuthenticationError" | "TokenNotFound" => Explanation::error(
            "token-refused",
            "Entra gave a token and Graph does not take it: mostly the two are of different clouds, or this machine's clock \
             is wrong.",
            "Check that {key}.cloud is the directory's, and that this machine's clock is right.",
        ),
        "claims-challenge" => Explanation::error(
            "token-challenged",
            "Graph wants a newer token because something changed meanwhile (continuous access evaluation): the app was \
             changed, or its place in the network is not allowed. leavebridge fetches a new one by itself.",
            "Run the doctor again; if it stays, {admin} → Sign-in logs → Service principal sign-ins tells which policy it is.",
        ),
        "Authorization_RequestDenied" => Explanation::error(
            "directory-permission-missing",
            "The directory refuses: the app lacks a directory permission for this question.",
            "{registration} → API permissions: see `leavebridge setup` for what each is for.",
        ),
        "ErrorItemNotFound" => Explanation::error(
            "event-not-found",
            "The event was gone before it could be looked at: somebody, or a rule, deletes events in {mailbox}.",
            "Run the doctor again; if it stays, look which other app works in that calendar.",
        ),
        "ErrorInvalidIdMalformed" => fault("event-id-malformed", "Graph does not understand the event's id."),
        "ErrorInvalidRequest"
        | "ErrorPropertyValidationFailure"
        | "ErrorInvalidParameter"
        | "TimeZoneNotSupportedException"
        | "RequestBodyRead"
        | "UnableToDeserializePostBody"
        | "BadRequest"
        | "ErrorInvalidPropertySet"
        | "ErrorCalendarDurationIsTooLong"
        | "ErrorInvalidTimeSettings"
        | "InvalidArguments"
        | "InvalidTimeZone"
        | "Request_BadRequest"
        | "Request_UnsupportedQuery"
        | "invalidRequest"
        | "methodNotAllowed"
        | "notAcceptable"
        | "requestEntityTooLarge"
        | "unsupportedMediaType"
        | "notImplemented" => {
            fault("request-rejected", "Graph refuses what leavebridge sends, and would refuse it again.")
        }
        "ErrorDuplicateTransactionId" => fault(
            "transaction-taken",
            "Graph takes the test's event for another one that was made under the same transaction id.",
        ),
        "ErrorIrresolvableConflict" | "ConcurrentItemSave" | "ErrorStaleObject" | "preconditionFailed" => conflict(),
        "syncStateNotFound" | "SyncStateInvalid" | "resyncRequired" => {
            fault("sync-state-lost", "Graph speaks of a list of changes, which leavebridge never asks for.")
        }
        "ApplicationThrottled" | "TooManyRequests" | "activityLimitReached" | "ErrorExceededConnectionCount" => {
            throttled()
        }
        "ErrorInternalServerError" | "ErrorInternalServerTransientError" | "generalException" | "UnknownError" => {
            failing()
        }
        "BadGateway" | "GatewayTimeout" => no_outcome(),
        "locked"
        | "bandwidthLimitExceeded"
        | "ErrorServerBusy"
        | "ErrorMailboxStoreUnavailable"
        | "ErrorMailboxMoveInProgress"
        | "ErrorMailboxFailover"
        | "ErrorConnectionFailed"
        | "ErrorTimeoutExpired"
        | "ErrorADUnavailable"
        | "ErrorInsufficientResources"
        | "ErrorTooManyObjectsOpened"
        | "serviceNotAvailable" => busy(),
        "no-answer" => Explanation::error(
            "graph-unreachable",
            "Graph gave no answer that can be understood: it is not reached, or something in between answers in its place.",
            "See the finding about {graph} above; try again in a few minutes.",
        ),
        _ => return None,
    })
}

fn by_status(status: u16) -> Option<Explanation> {
    Some(match status {
        401 => return by_code("InvalidAuthenticationToken"),
        405 | 406 | 413 | 415 | 501 => {
            fault("request-rejected", "Graph refuses what leavebridge sends, and would refuse it again.")
        }
        409 | 412 => conflict(),
        423 | 503 | 509 => busy(),
        429 => throttled(),
        500 => failing(),
        502 | 504 => no_outcome(),
        507 => return of_mailbox("QuotaExceeded"),
        _ => return None,
    })
}

fn fault(id: &'static str, meaning: &str) -> Explanation {
    Explanation::error(
        id,
        meaning,
        "Report this with the ids above: it is a fault of leavebridge, not of your directory.",
    )
}

fn conflict() -> Explanation {
    Explanation::error(
        "event-conflict",
        "Somebody, or another app, changed the event at the same moment.",
        "Run the doctor again; if it stays, look which other app works in the calendar of {mailbox}.",
    )
}

fn throttled() -> Explanation {
    Explanation::error(
        "throttled",
        "Graph gets too many requests for this mailbox and asks to wait. leavebridge waits as long as it is told.",
        "Wait a few minutes and run the doctor again; if it stays, look what else uses the app {app}.",
    )
}

fn failing() -> Explanation {
    Explanation::error(
        "graph-error",
        "Graph stumbled over the request. leavebridge tries again by itself for a day.",
        "Run the doctor again; if it stays for an hour, open a case with Microsoft and give the ids above.",
    )
}

fn no_outcome() -> Explanation {
    Explanation::error(
        "graph-no-outcome",
        "A gateway before Graph gave up waiting, so nobody knows whether the request was carried out. leavebridge is made \
         for that: it looks before it writes again.",
        "Run the doctor again in a few minutes.",
    )
}

fn busy() -> Explanation {
    Explanation::error(
        "graph-busy",
        "Exchange cannot serve this mailbox at the moment: it is overloaded, or the mailbox is being moved. leavebridge tries \
         again by itself.",
        "Wait a few minutes and run the doctor again; Microsoft 365 admin center → Health → Service health tells of longer trouble.",
    )
}
