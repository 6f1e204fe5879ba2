//! Files import each other in no circle, however long: there is an order in which each can be read after those that it uses.
//!
//! What a folder's own file (`mod.rs`, `lib.rs`) only passes on with `pub use` is not an import of its.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use crate::architecture::sources;

type Module = Vec<String>;

/// `graph/codes/entra.rs` is `graph`, `codes`, `entra`; the file of a folder is the folder.
fn module(path: &Path) -> Module {
    let mut names: Module = path.with_extension("").iter().map(|name| name.to_string_lossy().into_owned()).collect();
    names.retain(|name| !["mod", "lib"].contains(&name.as_str()));
    names
}

/// The code of a file without comments, its own tests and what it only passes on.
fn code(path: &Path, text: &str) -> String {
    let is_folder = path.ends_with("mod.rs") || path.ends_with("lib.rs");
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let mut code = String::new();
    let mut is_passed_on = false;
    for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
        is_passed_on |= is_folder && (line.starts_with("pub use ") || line.starts_with("pub(crate) use "));
        if !is_passed_on {
            code.push_str(line);
            code.push('\n');
        }
        is_passed_on &= !line.contains(';');
    }
    code
}

/// All paths of a tree such as `a::{b, c::{d, e}}`.
fn expanded(tree: &str) -> Vec<String> {
    let Some((before, rest)) = tree.split_once('{') else { return vec![tree.trim().to_owned()] };
    let (mut depth, mut parts) = (0, vec![String::new()]);
    for c in rest.chars() {
        match c {
            '}' if depth == 0 => break,
            ',' if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        parts.last_mut().unwrap().push(c);
    }
    let parts = parts.iter().filter(|part| !part.trim().is_empty());
    parts.flat_map(|part| expanded(part)).map(|part| format!("{}{part}", before.trim())).collect()
}

/// The paths that a piece of code names from the crate's root, from the folder above or from itself.
fn named(code: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for root in ["crate::", "super::"] {
        for (at, _) in code.match_indices(root) {
            let before = code[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || ['_', ':', '$'].contains(&c)) {
                continue;
            }
            let is_use = code[..at].trim_end().ends_with("use");
            let rest = &code[at..];
            let end =
                if is_use { rest.find(';') } else { rest.find(|c: char| !c.is_alphanumeric() && c != '_' && c != ':') };
            paths.extend(expanded(&rest[..end.unwrap_or(rest.len())]));
        }
    }
    paths
}

/// The file that a path leads to, seen from `from`.
fn target(path: &str, from: &Module, files: &BTreeSet<Module>) -> Option<Module> {
    let mut full = from.clone();
    for (n, name) in path.split("::").map(|name| name.split(" as ").next().unwrap_or_default().trim()).enumerate() {
        match name {
            "crate" if n == 0 => full.clear(),
            "super" => drop(full.pop()),
            "self" => {}
            name => full.push(name.to_owned()),
        }
    }
    while !full.is_empty() && !files.contains(&full) {
        full.pop();
    }
    Some(full).filter(|full| !full.is_empty() && full != from)
}

/// The circles of files that import each other, each with all its files.
fn circles(sources: &[(std::path::PathBuf, String)]) -> BTreeSet<Vec<String>> {
    let is_test = |path: &Path| path.iter().any(|part| part == "tests" || part == "tests.rs");
    let sources: Vec<_> = sources.iter().filter(|(path, _)| !is_test(path)).collect();
    let files: BTreeSet<Module> = sources.iter().map(|(path, _)| module(path)).filter(|m| !m.is_empty()).collect();
    let imports: BTreeMap<Module, BTreeSet<Module>> = sources
        .iter()
        .map(|(path, text)| {
            let from = module(path);
            let targets = named(&code(path, text)).iter().filter_map(|path| target(path, &from, &files)).collect();
            (from, targets)
        })
        .collect();
    let used: BTreeMap<&Module, BTreeSet<&Module>> =
        imports.keys().map(|file| (file, all_used(file, &imports))).collect();
    let circle = |file: &Module| {
        let others = used[file].iter().filter(|other| used.get(*other).is_some_and(|back| back.contains(file)));
        others.map(|other| other.join("::")).collect::<Vec<_>>()
    };
    imports.keys().map(circle).filter(|circle| !circle.is_empty()).collect()
}

/// All files that a file imports, and those that they import.
fn all_used<'a>(file: &Module, imports: &'a BTreeMap<Module, BTreeSet<Module>>) -> BTreeSet<&'a Module> {
    let mut used = BTreeSet::new();
    let mut left: Vec<&Module> = imports[file].iter().collect();
    while let Some(next) = left.pop() {
        if used.insert(next) {
            left.extend(imports.get(next).into_iter().flatten());
        }
    }
    used
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    for folder in ["src", "crates/simulator/src", "crates/stage/src", "crates/small-world/src", "benches/speed"] {
        let found = circles(&sources(folder));
        assert!(found.is_empty(), "{folder}: {found:#?}");
    }
}

#[test]
fn a_circle_is_found_however_it_is_written() {
    let file = |path: &str, text: &str| (Path::new(path).to_owned(), text.to_owned());
    for (one, other, is_circle) in [
        ("use crate::b::B;", "use crate::a::A;", true),
        ("use super::{b::B, c::C};", "fn f(_: crate::a::A) {}", true),
        ("use crate::{c, b::{B, D}};", "use super::a;", true),
        ("use crate::b::B;", "// use crate::a::A;\n/// See [`crate::a`].", false),
        ("use crate::b::B;", "use crate::c::A;", false),
        ("use crate::b::B;", "#[cfg(test)]\nmod tests {\n    use crate::a::A;\n}", false),
    ] {
        let files = [file("a.rs", one), file("b.rs", other), file("c/mod.rs", "pub use crate::a::A;")];
        assert_eq!(!circles(&files).is_empty(), is_circle, "{one} {other}");
    }
    let files = [
        file("a.rs", "use crate::b::B;"),
        file("b.rs", "use crate::c::C;"),
        file("c.rs", "use crate::a::A;"),
        file("d.rs", "use crate::a::A;"),
    ];
    assert_eq!(circles(&files), BTreeSet::from([["a", "b", "c"].map(str::to_owned).to_vec()]));
}
