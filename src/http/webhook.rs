//! What a portal posts, as the contract describes it. `domain::change` reads it, field by field and with words of its own for
//! every problem; here it must never be read.

use serde::Serialize;
use utoipa::ToSchema;

/// One thing that happened to one leave. Fields that are not named here are not looked at; the answer lists them as `ignored`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Webhook)]
pub(super) struct Webhook {
    /// `leave.created` and `leave.updated` carry the whole leave and mean the same; `leave.cancelled` needs only `data.id`.
    r#type: Kind,
    /// When it happened at the source, with an offset: decides which change of a leave is the later one. At most 5 minutes ahead.
    #[schema(value_type = String, format = DateTime, example = "2026-11-22T09:30:00+08:00")]
    timestamp: String,
    /// The leave.
    data: Data,
}

#[derive(Debug, Serialize, ToSchema)]
#[expect(dead_code, reason = "only described here")]
enum Kind {
    #[serde(rename = "leave.created")]
    Created,
    #[serde(rename = "leave.updated")]
    Updated,
    #[serde(rename = "leave.cancelled")]
    Cancelled,
}

/// The leave as it is now.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookLeave)]
struct Data {
    /// The leave's id at the source; case matters.
    #[schema(max_length = 128, example = "LA-2026-000123")]
    id: String,
    /// Needed only where the caller speaks for several tenants.
    #[schema(max_length = 64, example = "default")]
    tenant: Option<String>,
    /// Whose leave it is. Not needed to cancel.
    staff: Option<Person>,
    /// Where it stands; approved where nothing is said.
    status: Option<LeaveStatus>,
    /// The kind of leave, by the source's own code; policies go by it.
    #[schema(max_length = 64, example = "ANNUAL")]
    leave_type: Option<String>,
    /// The first day (a date), or the first moment away (a local date-time). Never with an offset: leave is civil time.
    #[schema(example = "2026-12-21")]
    start: Option<String>,
    /// The last day, itself included, at most 366 days later; or the moment after which the person is back.
    #[schema(example = "2026-12-23")]
    end: Option<String>,
    /// With dates: `pm` when the first day begins with the afternoon. `am` where nothing is said.
    start_session: Option<Session>,
    /// With dates: `am` when the last day ends with the morning. `pm` where nothing is said.
    end_session: Option<Session>,
    /// The leave's time zone, IANA or Windows; else the mailbox's or the policy's.
    #[schema(example = "Asia/Hong_Kong")]
    time_zone: Option<String>,
    /// The person's department: team calendars and titles go by it.
    #[schema(max_length = 256, example = "Sales")]
    department: Option<String>,
    /// Read past: it is neither stored nor shown to anybody.
    #[schema(example = json!(null))]
    reason: Option<String>,
}

/// At least one of `email` and `entra_id`. Where both are given, the object id decides whose calendar it is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookStaff)]
struct Person {
    /// The sign-in name (UPN) or the primary address.
    #[schema(max_length = 254, example = "amy.chan@contoso.com")]
    email: Option<String>,
    /// The Entra object id.
    #[schema(format = Uuid, example = "63033b0c-a389-435a-8097-314d939736f8")]
    entra_id: Option<String>,
    /// The person's number at the employer; for templates.
    #[schema(max_length = 64, example = "10042")]
    employee_id: Option<String>,
    /// The person's name; for templates.
    #[schema(max_length = 256, example = "Amy Chan")]
    name: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookStatus)]
#[serde(rename_all = "lowercase")]
#[expect(dead_code, reason = "only described here")]
enum LeaveStatus {
    Pending,
    Approved,
    Rejected,
    Cancelled,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookSession)]
#[serde(rename_all = "lowercase")]
#[expect(dead_code, reason = "only described here")]
enum Session {
    Am,
    Pm,
}
