//! What documents say about the project: invariants, links, paths, names of tests.

use crate::source::{files, read, root};
use std::fs;

/// The documents of the project.
fn documents() -> Vec<String> {
    files("", ".md")
}

/// The names of the invariants of `ARCHITECTURE.md`, in order.
pub(crate) fn invariants() -> Vec<String> {
    let text = read("ARCHITECTURE.md");
    let stated = text.split("\n- **Invariant:** ").skip(1);
    let name = |rest: &str| {
        let name = rest.strip_prefix('`').and_then(|rest| rest.split_once('`'));
        name.expect("an invariant begins with its name, in backquotes")
            .0
            .to_owned()
    };
    stated.map(name).collect()
}

/// Links and paths in documents that lead nowhere, and tests that they name and nobody wrote.
pub(crate) fn dangling() -> Vec<String> {
    let mut complaints = Vec::new();
    for document in documents() {
        let text = read(&document);
        let folder = document.rsplit_once('/').map_or("", |(folder, _)| folder);
        for target in links(&text) {
            let target = target.split('#').next().unwrap_or_default();
            if !target.is_empty()
                && !target.contains("://")
                && !root().join(folder).join(target).exists()
            {
                complaints.push(format!("{document}: the link {target} leads nowhere"));
            }
        }
        for named in quoted(&text) {
            let (path, item) = match named.split_once("::") {
                Some((path, item)) => (path, Some(item)),
                None => (named, None),
            };
            if !is_path(path) {
                continue;
            }
            if !root().join(path).exists() {
                complaints.push(format!("{document}: there is no {path}"));
            } else if let Some(item) = item
                && !["fn ", "const ", "def "]
                    .iter()
                    .any(|word| read(path).contains(&format!("{word}{item}")))
            {
                complaints.push(format!("{document}: {path} has no {item}"));
            }
        }
    }
    complaints
}

/// The targets of links.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](")
        .skip(1)
        .filter_map(|rest| Some(rest.split_once(')')?.0))
}

/// What stands in single backquotes, outside of blocks of code.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    let prose = text.split("```").step_by(2);
    prose
        .flat_map(|prose| prose.lines())
        .flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// Does this look like a path within the project?
fn is_path(text: &str) -> bool {
    let first = text.split('/').next().unwrap_or_default();
    let top = [
        "proto", "server", "client", "src", "tests", "benches", "docs", "contrib", "python",
        "examples", ".ci",
    ];
    let is_plain = text
        .chars()
        .all(|c| c.is_alphanumeric() || "/._-".contains(c));
    is_plain && text.contains('/') && top.contains(&first)
}

/// Files that name the machine or the folders in which they were written.
pub(crate) fn workplaces() -> Vec<String> {
    // Put together here, so that this file does not name them.
    let places =
        ["/wo|rk/", "/tmp/w|t/", "/tmp/br|ief", "/ro|ot/"].map(|place| place.replace('|', ""));
    let endings = [
        ".rs", ".md", ".toml", ".proto", ".py", ".pyi", ".txt", ".service", ".yml", "Makefile",
        "run",
    ];
    let mut complaints = Vec::new();
    for path in endings.iter().flat_map(|ending| files("", ending)) {
        let text = fs::read_to_string(root().join(&path)).unwrap_or_default();
        let found = places.iter().filter(|place| text.contains(*place));
        complaints.extend(found.map(|place| format!("{path}: names {place}")));
    }
    complaints
}
