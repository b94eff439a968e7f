//! The text of the demo: many files in one, which does not change while it is counted.

use crate::failure::Failure;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Larger files below a folder are skipped; a file that is named is read whatever its size.
const FILE_BYTES_MAX: u64 = 8 << 20;
/// A walk ends when it has found so much.
const WALK_BYTES_MAX: usize = 64 << 20;
/// Folders that hold what programs made.
const SKIPPED: [&str; 4] = ["target", "node_modules", "__pycache__", "venv"];

/// All the text, here and in a file that the workers read.
pub(super) struct Text {
    pub(super) content: String,
    pub(super) files: usize,
    /// Where it lies.
    pub(super) path: PathBuf,
}

impl Text {
    /// Reads files and walks folders (the current one if nothing is named), and writes all of it to one file.
    pub(super) fn gather(paths: &[PathBuf], folder: &Path) -> Result<Text, Failure> {
        let mut text = Text {
            content: String::new(),
            files: 0,
            path: folder.join("text"),
        };
        let here = [PathBuf::from(".")];
        for path in if paths.is_empty() { &here[..] } else { paths } {
            let unreadable = |error: &io::Error| {
                Failure::usage(format!("cannot read {}: {error}", path.display()))
            };
            let found = fs::metadata(path).map_err(|error| unreadable(&error))?;
            if found.is_dir() {
                text.walk(path).map_err(|error| unreadable(&error))?;
                continue;
            }
            let bytes = fs::read(path).map_err(|error| unreadable(&error))?;
            let content = as_text(bytes)
                .ok_or_else(|| Failure::usage(format!("{} is no text in UTF-8", path.display())))?;
            text.add(&content);
        }
        fs::write(&text.path, &text.content).map_err(|error| {
            Failure::system("cannot write the text to a temporary file", &error)
        })?;
        Ok(text)
    }

    pub(super) fn megabytes(&self) -> f64 {
        // Only for people: what is lost of a large number does not show.
        #[expect(clippy::cast_precision_loss, reason = "a size in MB with one digit")]
        let bytes = self.content.len() as f64;
        bytes / 1e6
    }

    fn add(&mut self, content: &str) {
        self.content.push_str(content);
        // The last word of a file and the first of the next are two.
        self.content.push('\n');
        self.files += 1;
    }

    /// Takes in the text files below a folder, in the order of their names. What cannot be read is skipped.
    fn walk(&mut self, folder: &Path) -> io::Result<()> {
        let mut entries: Vec<fs::DirEntry> = fs::read_dir(folder)?.filter_map(Result::ok).collect();
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            if self.content.len() >= WALK_BYTES_MAX {
                break;
            }
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let Ok(kind) = entry.file_type() else {
                continue;
            };
            if name.starts_with('.') || kind.is_symlink() {
                continue;
            }
            if kind.is_dir() {
                if !SKIPPED.contains(&&*name) && self.walk(&entry.path()).is_err() {
                    tracing::debug!(folder = %entry.path().display(), "a folder is skipped");
                }
                continue;
            }
            let small = entry
                .metadata()
                .is_ok_and(|file| file.is_file() && file.len() <= FILE_BYTES_MAX);
            let content = small
                .then(|| fs::read(entry.path()).ok())
                .flatten()
                .and_then(as_text);
            if let Some(content) = content {
                self.add(&content);
            }
        }
        Ok(())
    }
}

/// Bytes without zeros, in UTF-8.
fn as_text(bytes: Vec<u8>) -> Option<String> {
    let text = String::from_utf8(bytes).ok()?;
    (!text.contains('\0')).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_takes_text_and_leaves_the_rest() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let folder = temp.path().join("in");
        for sub in ["a", ".git", "target"] {
            fs::create_dir_all(folder.join(sub)).expect("made");
        }
        for (name, bytes) in [
            ("a/1.txt", &b"one"[..]),
            ("b.md", b"two"),
            (".hidden", b"no"),
            (".git/config", b"no"),
            ("target/out.txt", b"no"),
            ("binary", b"n\0o"),
            ("latin1", b"n\xf6"),
        ] {
            fs::write(folder.join(name), bytes).expect("written");
        }
        let text = Text::gather(std::slice::from_ref(&folder), temp.path()).expect("text");
        assert_eq!(text.content, "one\ntwo\n");
        assert_eq!(text.files, 2);
        assert_eq!(
            fs::read_to_string(&text.path).expect("it is there"),
            text.content
        );
        let named = Text::gather(&[folder.join("target/out.txt")], temp.path()).expect("text");
        assert_eq!(named.content, "no\n");
        let binary = Text::gather(&[folder.join("binary")], temp.path());
        assert_eq!(binary.err().map(|failure| failure.exit.code()), Some(2));
    }
}
