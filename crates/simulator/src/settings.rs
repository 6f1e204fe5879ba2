//! What can be set from outside: apps, token lifetime, delays, and switches for what nobody knows of the real service.
//!
//! A switch's default must be what is most probable, or else the choice that punishes a careless client.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    Simulator,
    api::Api,
    app::{App, Secret},
};

/// All settings.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) token_lifetime_seconds: u32,
    pub(crate) answer_delay_ms: u64,
    pub(crate) apps: Vec<App>,
    pub(crate) apis: Vec<Api>,
    pub(crate) directories: Vec<DirectoryName>,
    /// What App Service puts into `IDENTITY_HEADER`.
    pub(crate) identity_header: String,
    /// Where Azure Arc's agent writes its keys; without it this is no Arc machine.
    pub(crate) arc_key_folder: Option<PathBuf>,
    pub(crate) switches: Switches,
}

impl Default for Settings {
    fn default() -> Self {
        let app = App {
            directory_id: Simulator::DIRECTORY_ID.into(),
            client_id: Simulator::CLIENT_ID.into(),
            secrets: vec![Secret { value: Simulator::CLIENT_SECRET.into(), expires: None }],
            certificates: Vec::new(),
            federated_credentials: Vec::new(),
            managed_identity: None,
            roles: vec!["Calendars.ReadWrite".into(), "User.Read.All".into()],
            display_name: "leavebridge".into(),
            enabled: true,
            exchange_roles: Vec::new(),
        };
        Self {
            // Most of Microsoft's samples show 3599 or 3600.
            token_lifetime_seconds: 3599,
            answer_delay_ms: 0,
            directories: vec![DirectoryName {
                directory_id: app.directory_id.clone(),
                domains: vec!["contoso.com".into()],
            }],
            apps: vec![app],
            apis: vec![Api::exchange(Simulator::DIRECTORY_ID)],
            identity_header: Simulator::IDENTITY_HEADER.into(),
            arc_key_folder: None,
            switches: Switches::default(),
        }
    }
}

/// A directory and the domains that name it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DirectoryName {
    pub(crate) directory_id: String,
    #[serde(default)]
    pub(crate) domains: Vec<String>,
}

macro_rules! switches {
    ($($(#[$doc:meta])* $field:ident: $type:ty = $default:expr;)+) => {
        /// Choices where the real service is unknown, and its limits.
        #[derive(Debug, Clone, Serialize)]
        pub(crate) struct Switches { $($(#[$doc])* pub(crate) $field: $type,)+ }

        impl Default for Switches {
            fn default() -> Self { Self { $($field: $default,)+ } }
        }

        /// A change of some settings; what is left out stays.
        #[derive(Debug, Default, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub(crate) struct Change {
            token_lifetime_seconds: Option<u32>,
            answer_delay_ms: Option<u64>,
            apps: Option<Vec<App>>,
            apis: Option<Vec<Api>>,
            directories: Option<Vec<DirectoryName>>,
            identity_header: Option<String>,
            arc_key_folder: Option<PathBuf>,
            $($field: Option<$type>,)+
        }

        impl Settings {
            /// Takes over what `change` mentions.
            pub(crate) fn change(&mut self, change: Change) {
                if let Some(seconds) = change.token_lifetime_seconds { self.token_lifetime_seconds = seconds; }
                if let Some(delay) = change.answer_delay_ms { self.answer_delay_ms = delay; }
                if let Some(apps) = change.apps { self.apps = apps; }
                if let Some(apis) = change.apis { self.apis = apis; }
                if let Some(directories) = change.directories { self.directories = directories; }
                if let Some(header) = change.identity_header { self.identity_header = header; }
                if let Some(folder) = change.arc_key_folder { self.arc_key_folder = Some(folder); }
                $(if let Some(value) = change.$field { self.switches.$field = value; })+
            }
        }
    };
}

switches! {
    /// 400 or 409 with `ErrorDuplicateTransactionId`; clients in the wild check for 400, hand-written fakes use 409.
    duplicate_transaction_status: DuplicateStatus = DuplicateStatus::BadRequest;
    /// Whether that error names the existing event.
    existing_event_id_given: bool = true;
    if_match: IfMatch = IfMatch::Honoured;
    /// What an id of a soft-deleted event leads to.
    deleted_item_get: DeletedItem = DeletedItem::NotFound;
    long_subject: LongSubject = LongSubject::Truncate;
    /// Whether a deleted event still reserves its transactionId.
    transaction_memory: TransactionMemory = TransactionMemory::SurvivesDelete;
    /// Whether IANA names beyond the documented list are taken.
    every_iana_zone: bool = false;
    /// Whether a property that no event has is refused; off, it is ignored.
    unknown_properties_refused: bool = false;
    /// Events a mailbox may hold before it is full; 0 is no limit.
    mailbox_quota_events: usize = 0;
    /// Status of `ErrorQuotaExceeded`: 403 or 507.
    quota_status: QuotaStatus = QuotaStatus::Forbidden;
    /// Requests in flight per app and mailbox; Microsoft documents 4.
    concurrent_per_mailbox: u32 = 4;
    /// Requests in ten minutes per app and mailbox; Microsoft documents 10,000.
    requests_per_ten_minutes: usize = 10_000;
    /// What `Retry-After` says when too many are in flight.
    concurrency_retry_after_seconds: u64 = 10;
    /// Whether Azure Arc's agent is one of the older ones, which give the machine's own identity whatever they are asked.
    arc_ignores_selector: bool = false;
}

impl Settings {
    /// All settings as JSON, without the secrets' values.
    pub(crate) fn shown(&self) -> Value {
        let mut shown = json!(self.switches);
        shown["token_lifetime_seconds"] = self.token_lifetime_seconds.into();
        shown["answer_delay_ms"] = self.answer_delay_ms.into();
        shown["arc_key_folder"] = json!(self.arc_key_folder);
        shown["directories"] = json!(self.directories);
        shown["apis"] = json!(self.apis);
        shown["apps"] = self.apps.iter().map(App::shown).collect();
        shown
    }

    /// The GUID of the directory that `name` (a GUID or a domain) stands for.
    pub(crate) fn directory(&self, name: &str) -> Option<&str> {
        let by_name = self.directories.iter().find(|directory| {
            let mut names = directory.domains.iter().chain([&directory.directory_id]);
            names.any(|known| known.eq_ignore_ascii_case(name))
        });
        let by_app = || self.apps.iter().map(|app| &*app.directory_id).find(|id| id.eq_ignore_ascii_case(name));
        by_name.map(|directory| &*directory.directory_id).or_else(by_app)
    }

    /// The app registration `client_id` in the directory `directory_id`.
    pub(crate) fn app(&self, directory_id: &str, client_id: &str) -> Option<&App> {
        self.apps.iter().find(|app| {
            app.directory_id.eq_ignore_ascii_case(directory_id) && app.client_id.eq_ignore_ascii_case(client_id)
        })
    }
}

macro_rules! status {
    ($(#[$doc:meta])* $name:ident { $default:ident = $first:literal, $other:ident = $second:literal }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(try_from = "u16", into = "u16")]
        pub(crate) enum $name { $default = $first, $other = $second }

        impl TryFrom<u16> for $name {
            type Error = String;
            fn try_from(status: u16) -> Result<Self, String> {
                match status {
                    $first => Ok(Self::$default),
                    $second => Ok(Self::$other),
                    _ => Err(format!("the status is {} or {}, not {status}", $first, $second)),
                }
            }
        }

        impl From<$name> for u16 {
            fn from(status: $name) -> u16 { status as u16 }
        }
    };
}

status! {
    /// Status of a transactionId that is taken.
    DuplicateStatus { BadRequest = 400, Conflict = 409 }
}

status! {
    /// Status of a full mailbox.
    QuotaStatus { Forbidden = 403, InsufficientStorage = 507 }
}

/// What becomes of `If-Match`; no page documents it for events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum IfMatch {
    Honoured,
    Ignored,
}

/// What an id of a soft-deleted event leads to; with immutable ids the item is still in the mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum DeletedItem {
    NotFound,
    StillThere,
}

/// What becomes of a subject beyond 255 characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LongSubject {
    Truncate,
    Reject,
}

/// Whether a deleted event still reserves its transactionId.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum TransactionMemory {
    SurvivesDelete,
    ForgottenOnDelete,
}
