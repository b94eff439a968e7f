//! The pages of `docs/` that are made from the code. `COMMONHOLD_GOLDEN=write cargo test --test tidy` writes them anew.

use crate::source::root;
use commonhold_server::described;
use commonhold_server::objects::{Access, Kind, Method, Parameter};
use commonhold_server::store::STORES;
use std::fmt::Write as _;
use std::{env, fs};

/// Compares a page with what it should be, or writes it if that was asked for.
#[track_caller]
pub(crate) fn check(path: &str, expected: &str) {
    if env::var_os("COMMONHOLD_GOLDEN").is_some_and(|how| how == "write") {
        fs::write(root().join(path), expected).expect("the page can be written");
    }
    let is = fs::read_to_string(root().join(path)).unwrap_or_default();
    let differs = is
        .lines()
        .zip(expected.lines())
        .position(|(is, should)| is != should);
    assert!(
        is == expected,
        "{path} differs from the code, first in line {}: run COMMONHOLD_GOLDEN=write cargo test --test tidy",
        1 + differs.unwrap_or_else(|| is.lines().count().min(expected.lines().count())),
    );
}

/// `docs/kinds.md`.
pub(crate) fn kinds() -> String {
    let mut page = String::from(
        "# Kinds and their methods\n\n\
         This page is made from the method tables in `server/src/objects`, and that of the server's own object, which\n\
         is there from the beginning; the server says the same in `Describe`.\n\n\
         - A parameter in brackets may be left out. Arguments are given by place or by name.\n\
         - *reads*: changes nothing, and creates nothing if the object is absent.\n\
         - *waits*: the call may wait; its time-out says how long.\n\
         - *shrinking*: only takes away, so it goes on when the disk is full.\n",
    );
    for kind in described() {
        write_kind(&mut page, kind).expect("a string grows");
    }
    page
}

fn write_kind(page: &mut String, kind: &Kind) -> std::fmt::Result {
    write!(page, "\n## `{}`\n\n{}\n", kind.name, kind.doc)?;
    if !kind.options.is_empty() {
        writeln!(page, "\nOptions when it is created:\n")?;
        for option in kind.options {
            writeln!(page, "- {}", parameter(option))?;
        }
    }
    for method in kind.methods.iter().filter(|method| !method.internal) {
        let names: Vec<String> = method.parameters.iter().map(signature).collect();
        write!(
            page,
            "\n### `{}({})`\n\n{}",
            method.name,
            names.join(", "),
            method.doc
        )?;
        let remarks = remarks(method);
        if !remarks.is_empty() {
            write!(page, " *{}*", remarks.join(", "))?;
        }
        writeln!(page)?;
        if !method.parameters.is_empty() {
            writeln!(page)?;
        }
        for it in method.parameters {
            writeln!(page, "- {}", parameter(it))?;
        }
    }
    Ok(())
}

fn signature(parameter: &Parameter) -> String {
    if parameter.required {
        parameter.name.to_owned()
    } else {
        format!("[{}]", parameter.name)
    }
}

fn parameter(parameter: &Parameter) -> String {
    format!("`{}`: {}", parameter.name, parameter.doc)
}

fn remarks(method: &Method) -> Vec<&'static str> {
    let remarks = [
        (method.access == Access::Read, "reads"),
        (method.waits, "waits"),
        (method.shrinking, "shrinking"),
    ];
    remarks
        .into_iter()
        .filter(|(is, _)| *is)
        .map(|(_, remark)| remark)
        .collect()
}

/// Kinds, methods, parameters and stores without a line of documentation.
pub(crate) fn undocumented() -> Vec<String> {
    let mut complaints = Vec::new();
    let mut sentence = |what: String, doc: &str| {
        if !doc.starts_with(char::is_uppercase) || !doc.ends_with('.') {
            complaints.push(format!("{what}: {doc:?} is no sentence"));
        }
    };
    for kind in described() {
        sentence(format!("kind {}", kind.name), kind.doc);
        for method in kind.methods {
            sentence(format!("method {}.{}", kind.name, method.name), method.doc);
        }
    }
    for store in STORES {
        if store.doc.is_empty() {
            complaints.push(format!("store {}: no line", store.name));
        }
    }
    let of_methods =
        described().flat_map(|kind| kind.methods.iter().flat_map(|method| method.parameters));
    let options = described().flat_map(|kind| kind.options);
    let parameters = of_methods
        .chain(options)
        .filter(|parameter| parameter.doc.is_empty());
    complaints.extend(parameters.map(|parameter| format!("parameter {}: no line", parameter.name)));
    complaints
}
