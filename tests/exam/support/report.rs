//! `target/exam.json`: the figures of the exams, one entry a promise.

use super::is_full;
use serde_json::{Map, Value, json};
use std::fs::OpenOptions;
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;

/// What an exam found. It is written when the exam has ended, well or not.
pub(crate) struct Report {
    promise: &'static str,
    fields: Map<String, Value>,
    violations: Vec<String>,
}

impl Report {
    pub(crate) fn of(promise: &'static str) -> Report {
        Report {
            promise,
            fields: Map::new(),
            violations: Vec::new(),
        }
    }

    /// Adds a figure.
    pub(crate) fn figure(&mut self, name: &str, value: impl Into<Value>) {
        self.fields.insert(name.to_owned(), value.into());
    }

    /// Notes that the promise was broken, or that the exam was none.
    pub(crate) fn violation(&mut self, what: impl Into<String>) {
        let what = what.into();
        eprintln!("{}: VIOLATION: {what}", self.promise);
        self.violations.push(what);
    }

    /// Notes a violation unless something is so.
    pub(crate) fn expect(&mut self, so: bool, what: impl FnOnce() -> String) {
        if !so {
            self.violation(what());
        }
    }

    /// Writes the entry, and fails if there were violations.
    #[track_caller]
    pub(crate) fn end(self) {
        let pass = self.violations.is_empty();
        let mut entry = json!({
            "promise": self.promise,
            "counts": if is_full() { "full" } else { "small" },
        });
        let fields = entry.as_object_mut().expect("it is one");
        fields.extend(self.fields);
        fields.insert("violations".into(), self.violations.len().into());
        fields.insert("findings".into(), self.violations.clone().into());
        fields.insert("pass".into(), pass.into());
        eprintln!("{entry}");
        write(self.promise, entry);
        assert!(pass, "{}: {:#?}", self.promise, self.violations);
    }
}

/// Puts an entry in the place of the last one of the same promise. Exams in other processes may do so at the same time.
fn write(promise: &str, entry: Value) {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent();
    let path = target.expect("the target folder").join("exam.json");
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path);
    let mut file = file.expect("the report");
    file.lock().expect("the report");
    let mut text = String::new();
    file.read_to_string(&mut text).expect("the report");
    let mut entries: Vec<Value> = serde_json::from_str(&text).unwrap_or_default();
    entries.retain(|entry| entry["promise"] != promise);
    entries.push(entry);
    let text = serde_json::to_string_pretty(&entries).expect("it is JSON");
    file.set_len(0).expect("the report");
    file.rewind().expect("the report");
    file.write_all(text.as_bytes()).expect("the report");
}
