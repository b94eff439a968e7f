//! The demo on a small text: the server is killed twice in the middle of it, and every count is right.

use serde_json::Value as Json;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// Some hundred KB of words of different frequencies, the same at every run.
fn text(words: u32) -> String {
    let mut state = 1_u32;
    (0..words).fold(String::new(), |mut text, at| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        // The more leading zeros, the rarer: small numbers are frequent words.
        let spread = 1_u32 << (state >> 28);
        let word = (state >> 8) % spread;
        let end = if at % 12 == 11 { ".\n" } else { " " };
        write!(text, "Word{word}{end}").expect("text grows");
        text
    })
}

fn demo(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_commonhold"))
        .arg("demo")
        .args(arguments)
        .env("HOME", folder)
        .env("TMPDIR", folder.join("tmp"))
        .current_dir(folder)
        .output()
        .expect("it runs")
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::create_dir(folder.path().join("tmp")).expect("made");
    folder
}

#[test]
fn nothing_is_lost_or_doubled_though_the_server_is_killed_twice() {
    let folder = folder();
    let text = text(40_000);
    fs::write(folder.path().join("text"), &text).expect("written");
    let mut alone: HashMap<String, u64> = HashMap::new();
    for word in text.split([' ', '.', '\n']).filter(|word| !word.is_empty()) {
        *alone.entry(word.to_lowercase()).or_default() += 1;
    }
    let output = demo(folder.path(), &["--json", "--top", "3", "text"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let result: Json = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(result["words"], 40_000, "{result:#}");
    assert_eq!(result["distinct"], alone.len(), "{result:#}");
    assert_eq!(result["killed"], 2, "{result:#}");
    assert_eq!(
        (&result["lost"], &result["doubled"]),
        (&0.into(), &0.into()),
        "{result:#}"
    );
    // Every worker waited for an answer at each kill, so each of them asked again.
    assert!(result["resent"].as_u64() >= Some(2), "{result:#}");
    assert!(
        result["deduplicated"].as_u64() <= result["resent"].as_u64(),
        "{result:#}"
    );
    assert!(result["reconnects"].as_u64() >= Some(4), "{result:#}");
    let top = result["top"].as_array().expect("a list");
    assert_eq!(top.len(), 3);
    for row in top {
        let count = alone[row["word"].as_str().expect("a word")];
        assert_eq!(
            (&row["shared"], &row["alone"]),
            (&count.into(), &count.into())
        );
    }
    let left = fs::read_dir(folder.path().join("tmp"))
        .expect("a folder")
        .count();
    assert_eq!(left, 0, "its folder is removed");
}

#[test]
fn without_a_name_it_counts_the_text_below_the_current_folder() {
    let folder = folder();
    fs::create_dir(folder.path().join("docs")).expect("made");
    fs::write(folder.path().join("docs/a.txt"), text(3_000)).expect("written");
    fs::write(folder.path().join("b.md"), "one two two\n").expect("written");
    fs::write(folder.path().join("binary"), [0; 100]).expect("written");
    let output = demo(
        folder.path(),
        &["--kills", "0", "--workers", "2", "--top", "1"],
    );
    let stderr = String::from_utf8(output.stderr).expect("text");
    assert!(output.status.success(), "{stderr}");
    assert!(stderr.starts_with("3,003 words in 2 files "), "{stderr}");
    let stdout = String::from_utf8(output.stdout).expect("text");
    let last = stdout.lines().last();
    assert_eq!(
        last,
        Some("killed 0, resent 0, deduplicated 0, lost 0, doubled 0"),
        "{stdout}"
    );
}

#[test]
fn nothing_to_count_is_a_mistake() {
    let folder = folder();
    let code = |arguments: &[&str]| demo(folder.path(), arguments).status.code();
    assert_eq!(code(&[]), Some(2));
    assert_eq!(code(&["nowhere"]), Some(2));
}
