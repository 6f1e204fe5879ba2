//! `setup`: what an administrator needs to connect a Microsoft 365 directory, filled in for the tenant.
//!
//! It asks nothing, calls nobody and changes nothing but the folder that it is told to write to. It works before anything
//! is configured. It must never print a secret: it knows only whether one is set.

mod fill;
mod folder;
mod guide;
mod known;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use clap::builder::PossibleValuesParser;
use serde_json::json;

use self::{
    folder::FolderError,
    guide::Guide,
    known::{CommandLineSettings, known},
};
use super::process::{CommandOutcome, print, say};
use crate::{clock::Random, doctor::microsoft::CLOUDS};

/// Guides an administrator through Microsoft's side: app, permission, configuration.
#[derive(Debug, clap::Args)]
pub(super) struct SetupCommand {
    /// The tenant, as in [tenants.NAME]; the only one or "default" unless said.
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,
    /// Microsoft's cloud; as configured, or "global".
    #[arg(long, value_parser = PossibleValuesParser::new(CLOUDS.each_ref().map(|cloud| cloud.word)))]
    cloud: Option<String>,
    /// Directory (tenant) ID.
    #[arg(long, value_name = "GUID")]
    directory_id: Option<String>,
    /// Application (client) ID.
    #[arg(long, value_name = "GUID")]
    client_id: Option<String>,
    /// Address of the group whose mailboxes alone the app may write to.
    #[arg(long, value_name = "MAIL")]
    group: Option<String>,
    /// The day on which the client secret expires, as the portal shows it.
    #[arg(long, value_name = "DATE")]
    secret_expires: Option<String>,
    /// Write the guide and its scripts into this folder instead of printing the guide.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Overwrite files that are there.
    #[arg(long, requires = "out")]
    force: bool,
}

impl SetupCommand {
    pub(super) fn run(
        &self,
        file: Option<&Path>,
        environment: &[(String, String)],
        json: bool,
        random: &dyn Random,
    ) -> anyhow::Result<CommandOutcome> {
        let said = CommandLineSettings {
            tenant: self.tenant.clone(),
            cloud: self.cloud.clone(),
            directory_id: self.directory_id.clone(),
            client_id: self.client_id.clone(),
            group: self.group.clone(),
            secret_expires: self.secret_expires.clone(),
        };
        let known = match known(file, environment, &said, random) {
            Ok(known) => known,
            Err(problems) => {
                say(&format!("The guide cannot be filled in:\n{problems}"));
                return Ok(CommandOutcome::Usage);
            }
        };
        let guide = Guide::new(&known);
        let Some(folder) = &self.out else {
            print(if json { guide.json().to_string() } else { guide.text() }.trim_end())?;
            return Ok(CommandOutcome::Good);
        };
        let paths = match folder::write(folder, guide.files(), self.force) {
            Ok(paths) => paths,
            Err(problem @ FolderError::InTheWay(_)) => {
                say(&format!("Nothing is overwritten. {problem}. Say --force to overwrite, or take another --out."));
                return Ok(CommandOutcome::Usage);
            }
            Err(problem) => return Err(problem.into()),
        };
        if json {
            let mut told = guide.json();
            told["written"] = json!(paths);
            print(&told.to_string())?;
        } else {
            let written: Vec<_> = paths.iter().map(|path| format!("  {}", path.display())).collect();
            print(&format!("Written:\n{}\nBegin with steps.md.", written.join("\n")))?;
        }
        Ok(CommandOutcome::Good)
    }
}
