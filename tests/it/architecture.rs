//! Who may use whom, among the packages and as the service's first page says among its modules; and what no file may be.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Every top-level module and the others that it may use.
const MAY_USE: [(&str, &[&str]); 15] = [
    ("domain", &[]),
    ("clock", &[]),
    ("failpoint", &[]),
    ("outgoing", &[]),
    ("config", &["domain"]),
    ("telemetry", &["config"]),
    ("reconcile", &["domain"]),
    ("store", &["domain", "reconcile"]),
    ("graph", &["domain", "clock", "config", "reconcile"]),
    ("engine", &["domain", "reconcile", "store", "graph", "clock", "config", "failpoint", "telemetry"]),
    ("doctor", &["domain", "reconcile", "store", "graph", "clock", "config", "outgoing"]),
    ("http", &["doctor", "domain", "reconcile", "store", "clock", "config", "failpoint", "telemetry"]),
    ("app", &["clock", "config", "doctor", "graph", "http", "outgoing", "store", "engine", "telemetry"]),
    ("demo", &["app", "clock", "config", "http", "outgoing", "telemetry"]),
    ("cli", &["app", "clock", "config", "demo", "doctor", "domain", "http", "outgoing", "store", "telemetry"]),
];

/// Crates that only these modules may name.
const HOMES: [(&str, &[&str]); 8] = [
    ("sqlx", &["store", "app"]),
    ("axum", &["http", "app"]),
    ("reqwest", &["doctor", "graph", "http", "outgoing", "demo"]),
    ("tokio", &["app", "cli", "demo", "doctor", "graph", "http", "store", "engine"]),
    ("clap", &["cli", "demo"]),
    ("leavebridge_simulator", &["cli", "demo"]),
    ("leavebridge_stage", &["demo"]),
    ("utoipa", &["doctor", "http"]),
];

/// Every package beside the service, by its folder in `crates`, and the packages of ours that its code may name. None
/// may name the service: the demonstration, which is a part of the service, uses them.
const PACKAGES: [(&str, &[&str]); 3] =
    [("simulator", &[]), ("small-world", &["leavebridge"]), ("stage", &["leavebridge_simulator"])];

const LONGEST_FILE: usize = 400;

/// All Rust sources below that folder of the project, with their paths from there.
pub(crate) fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path.strip_prefix(&root).unwrap().to_owned(), text));
            }
        }
    }
    found.sort();
    assert!(!found.is_empty());
    found
}

/// The modules that lead to this file: `store/queue.rs` is `store`, `queue`.
fn modules(path: &Path) -> Vec<String> {
    let mut names: Vec<_> = path.with_extension("").iter().map(|name| name.to_string_lossy().into_owned()).collect();
    names.retain(|name| name != "mod");
    names
}

/// The names at the top of what `source` takes from the crate's root: `crate::a::b`, `crate::{a, b::{c}}`, and
/// `super::a` where that leads to the root.
fn used(source: &str, depth: usize) -> BTreeSet<String> {
    let code: String = source
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| line.chars().chain(['\n']))
        .collect();
    let up = "super::".repeat(depth);
    let mut names = BTreeSet::new();
    for root in ["crate::", up.as_str()] {
        for (at, _) in code.match_indices(root) {
            if !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$' || c == ':') {
                names.extend(heads(&code[at + root.len()..]));
            }
        }
    }
    names
}

/// The first names of a path, or of all the paths in a group.
fn heads(rest: &str) -> Vec<String> {
    let word = |text: &str| text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    let Some(group) = rest.strip_prefix('{') else { return vec![word(rest)] };
    let mut heads = vec![word(group)];
    let mut open = 1;
    for (at, c) in group.char_indices() {
        match c {
            '{' => open += 1,
            '}' => open -= 1,
            ',' if open == 1 => heads.push(word(&group[at + 1..])),
            _ => {}
        }
        if open == 0 {
            break;
        }
    }
    heads.retain(|head| !head.is_empty());
    heads
}

/// Whether code of `source` names something of that library.
fn names(source: &str, library: &str) -> bool {
    let path = format!("{library}::");
    source.lines().filter(|line| !line.trim_start().starts_with("//")).any(|line| {
        let mut found = line.match_indices(&path).map(|(at, _)| &line[..at]);
        found.any(|before| !before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '"'))
    })
}

/// What a source of `module` uses although it may not.
fn forbidden(module: &str, source: &str, depth: usize) -> Vec<String> {
    let Some((_, may_use)) = MAY_USE.iter().find(|(name, _)| *name == module) else {
        return vec![format!("{module} is not in the table")];
    };
    let is_module = |name: &String| MAY_USE.iter().any(|(module, _)| module == name);
    let others = used(source, depth).into_iter().filter(is_module).filter(|name| name != module);
    others.filter(|name| !may_use.contains(&name.as_str())).map(|name| format!("{module} uses {name}")).collect()
}

#[test]
fn no_module_uses_another_that_it_may_not() {
    let mut found = Vec::new();
    for (path, source) in sources("src") {
        let modules = modules(&path);
        if !["lib", "main"].contains(&modules[0].as_str()) {
            let forbidden = forbidden(&modules[0], &source, modules.len());
            found.extend(forbidden.into_iter().map(|what| format!("{}: {what}", path.display())));
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn the_table_names_every_module_of_the_crate_and_only_what_is_used() {
    let mut used_by: Vec<(String, BTreeSet<String>)> = Vec::new();
    for (path, source) in sources("src") {
        let modules = modules(&path);
        if modules[0] != "lib" && modules[0] != "main" {
            used_by.push((modules[0].clone(), used(&source, modules.len())));
        }
    }
    let real: BTreeSet<_> = used_by.iter().map(|(module, _)| module.as_str()).collect();
    assert_eq!(real, MAY_USE.iter().map(|(module, _)| *module).collect());
    for (module, may_use) in MAY_USE {
        for other in may_use {
            let uses = used_by.iter().any(|(user, used)| user == module && used.contains(*other));
            assert!(uses, "{module} may use {other}, but does not: narrow the table");
        }
    }
}

#[test]
fn a_forbidden_use_is_found_however_it_is_written() {
    for (module, source, depth, expected) in [
        ("http", "use crate::graph::Graph;", 2, "http uses graph"),
        ("http", "use crate::{\n    clock::{Clock, Random},\n    engine::Engine,\n};", 1, "http uses engine"),
        ("store", "fn f() -> crate::graph::Graph { todo() }", 2, "store uses graph"),
        ("domain", "use super::super::store::Store;", 2, "domain uses store"),
        ("domain", "use super::{problem::Problems, store};", 1, "domain uses store"),
        ("outgoing", "pub(crate) use crate::domain::zone;", 1, "outgoing uses domain"),
        ("engine", "let x = (crate::http::openapi)();", 1, "engine uses http"),
        ("graph", "use crate::demo;", 1, "graph uses demo"),
        ("helpers", "", 1, "helpers is not in the table"),
    ] {
        assert_eq!(forbidden(module, source, depth), [expected], "{source}");
    }
    for (module, source, depth) in [
        ("http", "use crate::{clock::Clock, http::problem, store::{Store, wake_up::WakeUp}};", 1),
        ("http", "// use crate::graph::Graph;\n/// See [`crate::engine`].", 1),
        ("store", "use super::graph;", 2),
        ("domain", "use $crate::store; use other_crate::store;", 1),
    ] {
        assert!(forbidden(module, source, depth).is_empty(), "{source}");
    }
}

#[test]
fn what_reaches_outside_lives_in_its_home() {
    for (path, source) in sources("src") {
        let module = &modules(&path)[0];
        for (library, homes) in HOMES {
            let is_home = homes.contains(&module.as_str());
            assert!(is_home || !names(&source, library), "{} names {library}", path.display());
        }
    }
}

#[test]
fn no_package_uses_another_that_it_may_not() {
    let folders = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("crates")).unwrap();
    let folders = folders.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(folders.collect::<BTreeSet<_>>(), PACKAGES.map(|(package, _)| package.to_owned()).into());
    let ours = ["leavebridge", "leavebridge_simulator", "leavebridge_stage"];
    for (package, may_use) in PACKAGES {
        for (path, source) in sources(&format!("crates/{package}/src")) {
            let used: Vec<_> = ours.into_iter().filter(|other| names(&source, other)).collect();
            let itself = format!("leavebridge_{package}");
            let forbidden = used.iter().any(|other| *other != itself && !may_use.contains(other));
            assert!(!forbidden, "crates/{package}/src/{} names {used:?}", path.display());
        }
    }
}

#[test]
fn no_file_is_too_long_or_left_unfinished() {
    // Put together, so that this file does not find itself.
    let unfinished = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("to", "do!"), concat!("unimplemented", "!")];
    let all = ["src", "tests", "benches", "crates"]
        .map(|folder| sources(folder).into_iter().map(move |(path, text)| (folder, path, text)));
    for (folder, path, text) in all.into_iter().flatten() {
        let (path, length) = (path.display(), text.lines().count());
        assert!(length <= LONGEST_FILE, "{folder}/{path} has {length} lines");
        for mark in unfinished {
            assert!(!text.contains(mark), "{folder}/{path} holds {mark}");
        }
    }
}

/// The name of the type or trait that a line makes public, if it does.
fn public_name(line: &str) -> Option<&str> {
    let declared = line.strip_prefix("pub ")?;
    let rest = ["struct ", "enum ", "trait ", "type "].iter().find_map(|kind| declared.strip_prefix(kind))?;
    rest.split(|c: char| !c.is_alphanumeric()).next()
}

#[test]
fn no_two_public_types_of_the_service_have_one_name() {
    let mut known = BTreeSet::new();
    for (path, text) in sources("src") {
        for name in text.lines().filter_map(public_name) {
            assert!(known.insert(name.to_owned()), "src/{} has another {name}", path.display());
        }
    }
    assert!(known.contains("Item") && known.contains("MailboxSettings"), "the test finds nothing: {known:?}");
}
