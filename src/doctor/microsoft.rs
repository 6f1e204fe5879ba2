//! What Microsoft's clouds and permissions are called: the one table, for `setup` and the doctor.
//!
//! Facts only, and only those with evidence: what could not be verified for a cloud is in `unsure`, in words for the
//! reader. It must never hold anything of a customer.

pub use crate::graph::EXCHANGE_APP;

/// The resource "Microsoft Graph" in every directory.
pub const GRAPH_APP: &str = "00000003-0000-0000-c000-000000000000";
/// From this day Exchange Online blocks EWS, tenant by tenant.
pub const EWS_BLOCKED_FROM: &str = "2026-10-01";
/// On this day EWS is removed from Exchange Online.
pub const EWS_REMOVED_ON: &str = "2027-04-01";

/// One of Microsoft's clouds, by the names of its doors.
#[derive(Debug)]
pub struct Cloud {
    /// The word for it in the configuration.
    pub word: &'static str,
    /// What Microsoft calls it.
    pub name: &'static str,
    /// The Entra admin center.
    pub admin_center: &'static str,
    /// Where leavebridge fetches its tokens; the same as in the configuration's own table.
    pub authority: &'static str,
    /// Where a browser signs in.
    pub sign_in: &'static str,
    /// Microsoft Graph.
    pub graph: &'static str,
    /// `Connect-ExchangeOnline -ExchangeEnvironmentName`.
    pub exchange_environment: &'static str,
    /// `Connect-MgGraph -Environment`.
    pub graph_environment: &'static str,
    /// `az cloud set --name`.
    pub az_cloud: &'static str,
    /// What we could not verify, for the reader.
    pub unsure: &'static [&'static str],
}

/// No public text says whether the national clouds have it.
const RBAC_UNSURE: &str = "We found no public statement that RBAC for Applications (way B) is offered in this cloud. \
                           If Exchange does not know the role `Application Calendars.ReadWrite`, ask Microsoft's \
                           support before you fall back to way A.";

/// All clouds, the usual one first.
pub static CLOUDS: [Cloud; 4] = [
    Cloud {
        word: "global",
        name: "the global cloud (also Microsoft 365 GCC)",
        admin_center: "https://entra.microsoft.com",
        authority: "https://login.microsoftonline.com",
        sign_in: "https://login.microsoftonline.com",
        graph: "https://graph.microsoft.com",
        exchange_environment: "O365Default",
        graph_environment: "Global",
        az_cloud: "AzureCloud",
        unsure: &[],
    },
    Cloud {
        word: "us-gov-high",
        name: "US Government L4 (GCC High)",
        admin_center: "https://entra.microsoft.us",
        authority: "https://login.microsoftonline.us",
        sign_in: "https://login.microsoftonline.us",
        graph: "https://graph.microsoft.us",
        exchange_environment: "O365USGovGCCHigh",
        graph_environment: "USGov",
        az_cloud: "AzureUSGovernment",
        unsure: &[RBAC_UNSURE],
    },
    Cloud {
        word: "us-gov-dod",
        name: "US Government L5 (DoD)",
        admin_center: "https://entra.microsoft.us",
        authority: "https://login.microsoftonline.us",
        sign_in: "https://login.microsoftonline.us",
        graph: "https://dod-graph.microsoft.us",
        exchange_environment: "O365USGovDoD",
        graph_environment: "USGovDoD",
        az_cloud: "AzureUSGovernment",
        unsure: &[
            RBAC_UNSURE,
            "`az` has one environment for the US Government clouds, and it talks to graph.microsoft.us, not to \
             dod-graph.microsoft.us. We found no public text on `az` in a DoD directory: prefer setup-graph.ps1.",
        ],
    },
    Cloud {
        word: "china",
        name: "China (operated by 21Vianet)",
        admin_center: "https://entra.microsoftonline.cn",
        authority: "https://login.chinacloudapi.cn",
        sign_in: "https://login.partner.microsoftonline.cn",
        graph: "https://microsoftgraph.chinacloudapi.cn",
        exchange_environment: "O365China",
        graph_environment: "China",
        az_cloud: "AzureChinaCloud",
        unsure: &[
            RBAC_UNSURE,
            "Microsoft's pages for this cloud name login.partner.microsoftonline.cn for signing in; leavebridge fetches \
             its tokens from the older login.chinacloudapi.cn. Should the older one ever be switched off, set \
             cloud = \"custom\" with authority and graph.",
        ],
    },
];

/// The cloud of that word.
#[must_use]
pub fn cloud(word: &str) -> Option<&'static Cloud> {
    CLOUDS.iter().find(|cloud| cloud.word == word)
}

/// An application permission and what leavebridge has from it.
#[derive(Debug)]
pub struct Permission {
    /// Its name in the portal and in a token's `roles`.
    pub name: &'static str,
    /// The id of its app role.
    pub role_id: &'static str,
    /// The resource that offers it.
    pub resource: &'static str,
    /// The one feature that it switches on; why it must go, where it is unwanted.
    pub gives: &'static str,
    /// Whether to ask for it.
    pub need: Need,
    /// The role that gives the same for a group of mailboxes, where there is one.
    pub exchange_role: Option<&'static str>,
}

/// Whether to ask for a permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Nothing works without it.
    Required,
    /// For one further feature; `gives` says what.
    Optional,
    /// A remnant: take it away.
    Unwanted,
}

impl Need {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::Optional => "optional",
            Self::Unwanted => "remove",
        }
    }
}

/// Every permission that leavebridge has to do with, the required one first.
pub static PERMISSIONS: [Permission; 5] = [
    Permission {
        name: "Calendars.ReadWrite",
        role_id: "ef54d2bf-783f-4e0f-bca1-3210c0444d99",
        resource: GRAPH_APP,
        gives: "leave in people's calendars: everything that leavebridge does today",
        need: Need::Required,
        exchange_role: Some("Application Calendars.ReadWrite"),
    },
    Permission {
        name: "MailboxSettings.Read",
        role_id: "40f97065-369a-49f4-947c-6a255697ae91",
        resource: GRAPH_APP,
        gives: "half days at the person's own working hours and time zone, read from the mailbox",
        need: Need::Optional,
        exchange_role: Some("Application MailboxSettings.Read"),
    },
    Permission {
        name: "MailboxSettings.ReadWrite",
        role_id: "6931bccd-447a-43d1-b442-00a195474933",
        resource: GRAPH_APP,
        gives: "automatic replies while somebody is away (it includes MailboxSettings.Read)",
        need: Need::Optional,
        exchange_role: Some("Application MailboxSettings.ReadWrite"),
    },
    Permission {
        name: "User.Read.All",
        role_id: "df021288-bdef-4463-88db-98f22de89214",
        resource: GRAPH_APP,
        gives: "following people whose address changes, and finding them by a former address or an alias",
        need: Need::Optional,
        exchange_role: None,
    },
    Permission {
        name: "full_access_as_app",
        role_id: "dc890d15-9560-4a4c-9b7f-a736ec74ec40",
        resource: EXCHANGE_APP,
        gives: "every item of every mailbox over EWS, which Exchange Online blocks",
        need: Need::Unwanted,
        exchange_role: None,
    },
];

/// The one permission without which nothing works.
pub static CALENDARS: &Permission = &PERMISSIONS[0];
/// The remnant of the old way.
pub static EWS: &Permission = &PERMISSIONS[4];
