//! The guide: the steps in their order, and the files that go with them, filled in for one tenant.
//!
//! It must never say anything that is not in the texts beside it or in the table of facts: docs/entra-setup.md is held
//! against what comes out here.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    fill::{CLIENT_ID, DIRECTORY_ID, EXPIRES, GROUP, fill, manifest, values},
    known::KnownSettings,
};
use crate::doctor::microsoft::{CLOUDS, PERMISSIONS};

const HEAD: &str = include_str!("texts/head.md");
/// The steps in their order. Each begins with its title.
const STEPS: [&str; 9] = [
    include_str!("texts/step1.md"),
    include_str!("texts/step2.md"),
    include_str!("texts/step3.md"),
    include_str!("texts/step3a.md"),
    include_str!("texts/step3b.md"),
    include_str!("texts/step4.md"),
    include_str!("texts/step5.md"),
    include_str!("texts/step6.md"),
    include_str!("texts/step7.md"),
];
const RBAC_SHORT: &str = include_str!("texts/rbac-short.ps1");

/// Something that is still to be found out.
#[derive(Debug, Clone, Copy)]
struct OpenStep {
    placeholder: &'static str,
    name: &'static str,
    from: &'static str,
    flag: &'static str,
}

/// All that is said about one tenant.
#[derive(Debug)]
pub(super) struct Guide<'a> {
    known: &'a KnownSettings,
    open: Vec<OpenStep>,
    head: String,
    steps: Vec<String>,
    files: Vec<Text>,
}

/// A file that goes with the guide.
#[derive(Debug)]
pub(super) struct Text {
    pub(super) name: &'static str,
    pub(super) content: String,
    /// Whether it is to be run.
    pub(super) is_script: bool,
}

impl<'a> Guide<'a> {
    /// Fills everything in.
    pub(super) fn new(known: &'a KnownSettings) -> Self {
        let open = open(known);
        let mut values = values(known);
        values.insert("open", told(&open, known));
        values.insert("rbac_short", fill(RBAC_SHORT, &values).trim_end().to_owned());
        let text = |name, template, is_script| Text { name, content: fill(template, &values), is_script };
        let head = fill(HEAD, &values);
        let steps: Vec<String> = STEPS.iter().map(|step| tidy(&fill(step, &values))).collect();
        let mut files = vec![
            Text { name: "manifest.json", content: format!("{}\n", manifest()), is_script: false },
            text("rbac.ps1", include_str!("texts/rbac.ps1"), false),
            text("setup-az.sh", include_str!("texts/setup-az.sh"), true),
            text("setup-graph.ps1", include_str!("texts/setup-graph.ps1"), false),
            text("leavebridge.toml", include_str!("texts/leavebridge.toml"), false),
        ];
        let mut guide = Self { known, open, head, steps, files: Vec::new() };
        files.insert(0, Text { name: "steps.md", content: guide.text(), is_script: false });
        guide.files = files;
        guide
    }

    /// The whole guide, for people.
    pub(super) fn text(&self) -> String {
        std::iter::once(&self.head).chain(&self.steps).map(|part| part.trim_end()).collect::<Vec<_>>().join("\n\n")
            + "\n"
    }

    /// The files that go with it.
    pub(super) fn files(&self) -> &[Text] {
        &self.files
    }

    /// The whole guide, for programs.
    pub(super) fn json(&self) -> Value {
        let known = self.known;
        let title = |step: &str| step.lines().next().unwrap_or_default().trim_start_matches("## ").to_owned();
        let open = |open: &OpenStep| json!({"placeholder": open.placeholder, "name": open.name, "from": open.from, "flag": open.flag});
        let permissions = PERMISSIONS.iter().map(|permission| {
            json!({
                "name": permission.name, "id": permission.role_id, "resource": permission.resource,
                "need": permission.need.word(), "gives": permission.gives, "exchange_role": permission.exchange_role,
            })
        });
        let clouds = CLOUDS.iter().map(|cloud| {
            json!({
                "cloud": cloud.word, "name": cloud.name, "admin_center": cloud.admin_center, "sign_in": cloud.sign_in,
                "authority": cloud.authority, "graph": cloud.graph, "unsure": cloud.unsure,
                "exchange_environment": cloud.exchange_environment, "graph_environment": cloud.graph_environment,
                "az_cloud": cloud.az_cloud,
            })
        });
        json!({
            "installation": known.installation,
            "tenant": known.tenant,
            "cloud": known.cloud.word,
            "directory_id": known.directory_id,
            "client_id": known.client_id,
            "group": known.group,
            "credential": known.credential,
            "secret_is_set": known.has_secret,
            "secret_expires": known.secret_expires,
            "open": self.open.iter().map(open).collect::<Vec<_>>(),
            "notes": known.notes.iter().map(String::as_str).chain(known.cloud.unsure.iter().copied()).collect::<Vec<_>>(),
            "permissions": permissions.collect::<Vec<_>>(),
            "clouds": clouds.collect::<Vec<_>>(),
            "steps": self.steps.iter().map(|step| json!({"title": title(step), "text": step})).collect::<Vec<_>>(),
            "files": self.files.iter().map(|file| (file.name, &file.content)).collect::<BTreeMap<_, _>>(),
        })
    }
}

/// What is still to be found out, and where.
fn open(known: &KnownSettings) -> Vec<OpenStep> {
    let all = [
        (
            known.directory_id.is_none(),
            OpenStep {
                placeholder: DIRECTORY_ID,
                name: "Directory (tenant) ID",
                from: "step 1",
                flag: "--directory-id",
            },
        ),
        (
            known.client_id.is_none(),
            OpenStep { placeholder: CLIENT_ID, name: "Application (client) ID", from: "step 1", flag: "--client-id" },
        ),
        (
            known.credential == "secret" && known.secret_expires.is_none(),
            OpenStep {
                placeholder: EXPIRES,
                name: "the date on which the client secret expires",
                from: "step 2",
                flag: "--secret-expires",
            },
        ),
        (
            known.group.is_none(),
            OpenStep {
                placeholder: GROUP,
                name: "the group's address, for way B only",
                from: "step 3",
                flag: "--group",
            },
        ),
    ];
    all.into_iter().filter_map(|(is_open, open)| is_open.then_some(open)).collect()
}

/// The lines at the top: what is open, and what else the reader should know first.
fn told(open: &[OpenStep], known: &KnownSettings) -> String {
    let mut lines = Vec::new();
    if open.is_empty() {
        lines.push("**Nothing is open:** all that is yours is filled in below.".to_owned());
    } else {
        lines.push("**Still open**, and marked like this below:\n".to_owned());
        lines.extend(open.iter().map(|OpenStep { placeholder, name, from, flag }| {
            format!("- `{placeholder}`: {name} ({from}; then say `{flag}`)")
        }));
    }
    let notes: Vec<_> = known.notes.iter().map(String::as_str).chain(known.cloud.unsure.iter().copied()).collect();
    if !notes.is_empty() {
        lines.push("\n**Please note:**\n".to_owned());
        lines.extend(notes.into_iter().map(|note| format!("- {note}")));
    }
    lines.join("\n")
}

/// Without the empty lines that sentences leave which are not there.
fn tidy(text: &str) -> String {
    let mut tidied = text.to_owned();
    while tidied.contains("\n\n\n") {
        tidied = tidied.replace("\n\n\n", "\n\n");
    }
    tidied
}
