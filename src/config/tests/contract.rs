//! `config/default.toml` is the documentation of every key: it holds exactly those that the program reads.

use std::collections::BTreeSet;

use super::{super::load::DEFAULTS, file, load};

/// The file with its commented tables uncommented, for a tenant and a client called `name`.
fn uncommented() -> String {
    let mut text = String::new();
    let mut in_table = false;
    for line in DEFAULTS.lines() {
        let shown = line.strip_prefix("# ").unwrap_or(line);
        in_table = shown.starts_with('[') || (in_table && line.starts_with('#'));
        text.push_str(&if in_table { shown.replace("NAME", "name") } else { line.to_owned() });
        text.push('\n');
    }
    text
}

#[test]
fn the_commented_tables_are_keys_that_the_program_knows() {
    let text = uncommented();
    for table in [
        "[auth.keys.name]",
        "[auth.issuers.name]",
        "[tenants.name.microsoft]",
        "[[tenants.name.team_calendars]]",
        "[clients.name]",
    ] {
        assert!(text.contains(table), "{table} in {text}");
    }
    let (_kept, path) = file(&text);
    let problems = load(Some(&path), &[]).unwrap_err();
    let unknown: Vec<_> = problems.iter().filter(|found| found.problem.contains("not a known key")).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn every_key_that_the_program_reads_is_documented_and_no_other() {
    let text = uncommented();
    let mut documented = BTreeSet::new();
    let mut table = String::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.trim_start_matches('[').split(']').next()) {
            table = name.to_owned();
        } else if let Some((key, _)) = line.split_once(" = ") {
            documented.insert(format!("{table}.{key}"));
        }
    }
    // A tenant's policy has the keys of [policy], which the file says in words.
    let fields = include_str!("../raw.rs").split("struct ").skip(1).filter_map(|text| text.split_once('{'));
    let mut read = BTreeSet::new();
    for (name, body) in fields {
        let table = match name.trim() {
            "Key" => "auth.keys.name".to_owned(),
            "TokenIssuer" => "auth.issuers.name".to_owned(),
            "Microsoft" => "tenants.name.microsoft".to_owned(),
            "TeamCalendar" => "tenants.name.team_calendars".to_owned(),
            "Client" => "clients.name".to_owned(),
            "Appearance" => "policy.types.CODE".to_owned(),
            "Replies" => "policy.automatic_replies".to_owned(),
            "Tenant" => continue,
            // Keys of no section.
            "Raw" => String::new(),
            section => section.to_lowercase(),
        };
        let body = body.split("\n}").next().unwrap_or_default();
        for line in body.lines() {
            let field = line.trim().strip_prefix("pub(super) ").and_then(|field| field.split_once(": "));
            if let Some((key, kind)) = field
                && !kind.starts_with("BTreeMap")
                // Known only to be refused.
                && !kind.contains("IgnoredAny")
                && !kind.starts_with("Replies")
                // The sections themselves.
                && (!table.is_empty() || kind == "String,")
            {
                read.insert(format!("{table}.{key}"));
            }
        }
    }
    for key in ["enabled", "inside", "outside", "audience"] {
        read.insert(format!("policy.types.CODE.automatic_replies.{key}"));
    }
    // One weekday stands for all that have no default.
    read.extend(["friday", "saturday", "sunday"].map(|weekday| format!("policy.hours.{weekday}")));
    assert_eq!(read, documented);
}

#[test]
fn every_documented_key_has_a_comment_or_is_the_file_of_the_key_before_it() {
    for line in DEFAULTS.lines().filter(|line| line.contains(" = ")) {
        let key = line.trim_start_matches("# ").split(" = ").next().unwrap_or_default();
        let is_plain =
            ["url_file", "secret_file", "client_secret_file", "next_client_secret_file", "credential", "body"];
        assert!(is_plain.contains(&key) || line.trim_start_matches("# ").contains(" # "), "{line}");
    }
}
