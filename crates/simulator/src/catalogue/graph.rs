//! Graph's refusals: code, HTTP status, message.
//!
//! Codes and words are from Microsoft's pages, from errors that others have quoted from the live service, and from the
//! list of Exchange's response codes; Graph's status for those of Exchange is documented nowhere, 503 is what they mean.
//! What follows a slash tells apart the statuses and messages of one code.

/// A code, the status it comes with, and what it says.
type Row = (&'static str, u16, &'static str);

#[rustfmt::skip]
pub(super) const ROWS: [Row; 74] = [
    ("InvalidAuthenticationToken", 401, "Lifetime validation failed, the token is expired."),
    ("InvalidAuthenticationToken/audience", 401, "Access token validation failure. Invalid audience."),
    ("InvalidAuthenticationToken/malformed", 401, "CompactToken validation failed with reason code: 80049228."),
    ("InvalidAuthenticationToken/claims", 401, "Continuous access evaluation resulted in challenge with result: InteractionRequired and code: TokenIssuedBeforeRevocationTimestamp"),
    // Permissions.
    ("ErrorAccessDenied", 403, "Access is denied. Check credentials and try again."),
    ("ErrorAccessDenied/policy", 403, "Access to OData is disabled."),
    ("Authorization_RequestDenied", 403, "Insufficient privileges to complete the operation."),
    ("extensionError", 403, "Access to this mailbox is blocked by an application access policy."),
    // The mailbox.
    ("ErrorInvalidUser", 404, "The requested user 'nobody@contoso.com' is invalid."),
    ("MailboxNotEnabledForRESTAPI", 404, "The mailbox is either inactive, soft-deleted, or is hosted on-premise."),
    ("MailboxNotEnabledForRESTAPI/older", 404, "REST API is not yet supported for this mailbox."),
    ("MailboxNotHostedInExchangeOnline", 404, "The mailbox is not hosted in Exchange Online."),
    ("ErrorNonExistentMailbox", 404, "The SMTP address has no mailbox associated with it."),
    ("ResourceNotFound", 404, "Resource could not be discovered."),
    ("Request_ResourceNotFound", 404, "Resource 'nobody@contoso.com' does not exist or one of its queried reference-property objects are not present."),
    ("ErrorQuotaExceeded", 507, "The mailbox has exceeded its quota."),
    ("ErrorQuotaExceeded/403", 403, "The mailbox has exceeded its quota."),
    ("QuotaExceeded", 403, "The mailbox has exceeded its quota."),
    // The event.
    ("ErrorItemNotFound", 404, "The specified object was not found in the store."),
    ("ErrorInvalidIdMalformed", 400, "Id is malformed."),
    ("ErrorDuplicateTransactionId", 400, "Your request can't be completed. The TransactionId specified in the request has already been used to create a different event."),
    ("ErrorDuplicateTransactionId/409", 409, "Your request can't be completed. The TransactionId specified in the request has already been used to create a different event."),
    ("ErrorIrresolvableConflict", 409, "The send or update operation could not be performed because the change key passed in the request does not match the current change key for the item."),
    ("ErrorIrresolvableConflict/412", 412, "The send or update operation could not be performed because the change key passed in the request does not match the current change key for the item."),
    ("ConcurrentItemSave", 409, "The item could not be saved because another request changed it at the same time."),
    ("ErrorStaleObject", 409, "The object has been changed since it was read."),
    // What was sent.
    ("ErrorInvalidRequest", 400, "Your request can't be completed. The Event.Start property for an all-day event needs to be set to midnight."),
    ("ErrorInvalidRequest/end", 400, "Your request can't be completed. The Event.End property for an all-day event needs to be set to midnight."),
    ("ErrorInvalidRequest/duration", 400, "Your request can't be completed. The duration of an event marked as All day must be at least 24 hours."),
    ("ErrorPropertyValidationFailure", 400, "At least one property failed validation."),
    ("ErrorInvalidParameter", 400, "This request requires a time window specified by the query string parameters StartDateTime and EndDateTime."),
    ("ErrorInvalidPropertySet", 400, "Set action is invalid for property."),
    ("ErrorCalendarDurationIsTooLong", 400, "Duration of the calendar item is too long."),
    ("TimeZoneNotSupportedException", 400, "A valid TimeZone value must be specified. The following TimeZone value is not supported: 'Nowhere/Nothing'."),
    ("RequestBodyRead", 400, "The request body is not valid for the target type."),
    ("UnableToDeserializePostBody", 400, "were unable to deserialize "),
    ("BadRequest", 400, "Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON format."),
    ("Request_BadRequest", 400, "Invalid filter clause."),
    ("Request_UnsupportedQuery", 400, "Unsupported or invalid query filter clause specified."),
    ("invalidRequest", 400, "The request is malformed or incorrect."),
    ("methodNotAllowed", 405, "The HTTP method in the request is not allowed on the resource."),
    ("notAcceptable", 406, "This service doesn't support the format requested in the Accept header."),
    ("preconditionFailed", 412, "A precondition provided in the request does not match the resource's current state."),
    ("requestEntityTooLarge", 413, "The request size exceeds the maximum limit."),
    ("unsupportedMediaType", 415, "The content type of the request is a format that is not supported by the service."),
    ("notImplemented", 501, "The requested feature isn't implemented."),
    // Mailbox settings.
    ("ErrorInvalidTimeSettings", 400, "The start time of the working hours has to be before their end."),
    ("InvalidArguments", 400, "The working hours name a day that does not exist."),
    ("InvalidTimeZone", 400, "The time zone of the mailbox settings is not valid."),
    // Delta.
    ("syncStateNotFound", 410, "The sync state generation is not found."),
    ("SyncStateInvalid", 410, "The sync state is invalid."),
    ("resyncRequired", 410, "Resync required. Replace any local items with the server's version."),
    // Throttling.
    ("ApplicationThrottled", 429, "Application is over its MailboxConcurrency limit."),
    ("TooManyRequests", 429, "Please retry again later."),
    ("activityLimitReached", 429, "The app or user has been throttled."),
    ("ErrorExceededConnectionCount", 429, "You have exceeded the available concurrent connections for your account. Try again once your other requests have completed."),
    ("bandwidthLimitExceeded", 509, "Your app has been throttled for exceeding the maximum bandwidth cap."),
    ("locked", 423, "The resource that is being accessed is locked."),
    // What passes by itself.
    ("ErrorInternalServerError", 500, "An internal server error occurred. The operation failed."),
    ("ErrorInternalServerTransientError", 500, "An internal server error occurred. Try again later."),
    ("generalException", 500, "An unspecified error has occurred."),
    ("BadGateway", 502, "The gateway received no valid answer."),
    ("GatewayTimeout", 504, "The gateway received no answer in time."),
    ("UnknownError", 504, ""),
    ("serviceNotAvailable", 503, "The service is temporarily unavailable. Please retry again later."),
    ("ErrorServerBusy", 503, "The server cannot service this request right now. Try again later."),
    ("ErrorMailboxStoreUnavailable", 503, "The mailbox database is temporarily unavailable."),
    ("ErrorMailboxMoveInProgress", 503, "Mailbox move in progress. Try again later."),
    ("ErrorMailboxFailover", 503, "The mailbox is failing over to another server. Try again later."),
    ("ErrorConnectionFailed", 503, "Connection failed. Try later."),
    ("ErrorTimeoutExpired", 503, "The operation has timed out. Try again later."),
    ("ErrorADUnavailable", 503, "The Active Directory service is not available. Try again later."),
    ("ErrorInsufficientResources", 503, "Insufficient resources to complete the operation. Try again later."),
    ("ErrorTooManyObjectsOpened", 503, "Too many concurrent connections opened."),
];
