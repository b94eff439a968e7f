//! Rust sources, read just well enough: which text is code, which code is part of the product, which names it uses.

use std::fs;
use std::path::{Path, PathBuf};

/// One source file.
pub(crate) struct Source {
    /// Relative to the root of the project.
    pub(crate) path: String,
    /// As it stands in the file.
    pub(crate) text: String,
    /// The same with comments and the contents of literals blanked: places stay what they are.
    pub(crate) code: String,
    /// The same without what is compiled for tests only.
    pub(crate) product: String,
    /// Is all of it compiled for tests only?
    pub(crate) is_test: bool,
}

/// All sources of the project.
pub(crate) struct Tree(pub(crate) Vec<Source>);

/// The root of the project.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The text of a file of the project.
pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Files of the project under a folder, with this ending, relative to the root. Nothing that is built or hidden.
pub(crate) fn files(folder: &str, ending: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries {
            let path = entry
                .expect("a folder that can be opened can be read")
                .path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with('.') && name != ".ci" || ["target", "__pycache__"].contains(&&*name)
            {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if name.ends_with(ending) {
                let path = path
                    .strip_prefix(root())
                    .expect("it was found under the root");
                found.push(path.to_string_lossy().into_owned());
            }
        }
    }
    found.sort();
    found
}

impl Tree {
    /// Reads all sources.
    pub(crate) fn load() -> Tree {
        let mut for_tests = Vec::new();
        let mut tree = Tree(Vec::new());
        for path in files("", ".rs") {
            let text = read(&path);
            for_tests.extend(tree.add(&path, text));
        }
        for source in &mut tree.0 {
            let stem = source.path.trim_end_matches(".rs");
            source.is_test |= for_tests
                .iter()
                .any(|module| stem == module || source.path.starts_with(&format!("{module}/")));
        }
        assert!(
            tree.0.len() > 50,
            "the sources are where this test looks for them"
        );
        tree
    }

    /// Adds a source, and returns the modules that it declares for tests only.
    pub(crate) fn add(&mut self, path: &str, text: String) -> Vec<String> {
        let code = blank(&text);
        let (product, modules) = without_tests(&code);
        let folders: Vec<&str> = path.split('/').take_while(|part| *part != "src").collect();
        let is_test = folders
            .iter()
            .any(|folder| ["tests", "benches", "examples"].contains(folder));
        let path = path.to_owned();
        let declared = modules.iter().map(|module| below(&path, module)).collect();
        self.0.push(Source {
            path,
            text,
            code,
            product,
            is_test,
        });
        declared
    }

    /// Sources under a path that are part of the product.
    pub(crate) fn product<'a>(&'a self, under: &'a str) -> impl Iterator<Item = &'a Source> {
        self.0
            .iter()
            .filter(move |source| !source.is_test && source.path.starts_with(under))
    }
}

impl Source {
    /// The words of the product's code, each with its place.
    pub(crate) fn words(&self) -> impl Iterator<Item = (usize, &str)> {
        words(&self.product)
    }

    /// Places where a path goes through this name: `name::` or `use name`.
    pub(crate) fn paths_through(&self, name: &str) -> Vec<usize> {
        let is_path = |at: usize| {
            let (before, after) = (&self.product[..at], &self.product[at + name.len()..]);
            after.trim_start().starts_with("::") || before.trim_end().ends_with("use")
        };
        self.words()
            .filter(|(at, word)| *word == name && is_path(*at))
            .map(|(at, _)| at)
            .collect()
    }

    /// Places where code of the product holds this text.
    pub(crate) fn places(&self, text: &str) -> Vec<usize> {
        self.product.match_indices(text).map(|(at, _)| at).collect()
    }

    /// `file:line` of a place, for messages.
    pub(crate) fn at(&self, place: usize) -> String {
        format!(
            "{}:{}",
            self.path,
            1 + self.code[..place].matches('\n').count()
        )
    }
}

fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut rest = 0;
    std::iter::from_fn(move || {
        let start = rest + code[rest..].find(is_word)?;
        let end = code[start..]
            .find(|c| !is_word(c))
            .map_or(code.len(), |length| start + length);
        rest = end;
        Some((start, &code[start..end]))
    })
}

/// Where a module that this file declares lies, without `.rs`.
fn below(path: &str, module: &str) -> String {
    let path = Path::new(path);
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let folder = path.parent().unwrap_or(Path::new(""));
    let folder = match &*stem {
        "mod" | "lib" | "main" => folder.to_owned(),
        other => folder.join(other),
    };
    folder.join(module).to_string_lossy().into_owned()
}

/// Blanks comments and what is inside of literals. Lines and byte offsets stay.
fn blank(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    let mut after_word = false;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => comment(rest),
            '"' => string(rest),
            '\'' => character(rest),
            'r' if !after_word => raw_string(&rest[1..]).map_or(0, |length| 1 + length),
            'b' | 'c' if !after_word && rest[1..].starts_with('r') => {
                raw_string(&rest[2..]).map_or(0, |length| 2 + length)
            }
            _ => 0,
        };
        after_word = length == 0 && (first.is_alphanumeric() || first == '_');
        if length == 0 {
            code.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        }
        for c in rest[..length].chars() {
            match c {
                '\n' => code.push('\n'),
                c => code.extend(std::iter::repeat_n(' ', c.len_utf8())),
            }
        }
        rest = &rest[length..];
    }
    code
}

/// The length of a block comment; they nest.
fn comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        match text.as_bytes().get(at..at + 2) {
            Some(b"/*") => (depth, at) = (depth + 1, at + 2),
            Some(b"*/") if depth == 1 => return at + 2,
            Some(b"*/") => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    text.len()
}

/// The length of a string with escapes.
fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '"' if !escaped => return at + 1,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}

/// The length of a raw string from its hashes on, if it is one.
fn raw_string(text: &str) -> Option<usize> {
    let hashes = text.len() - text.trim_start_matches('#').len();
    if !text[hashes..].starts_with('"') {
        return None;
    }
    let end = format!("\"{}", "#".repeat(hashes));
    let start = hashes + 1;
    Some(
        text[start..]
            .find(&end)
            .map_or(text.len(), |at| start + at + end.len()),
    )
}

/// The length of a character; 0 for a lifetime.
fn character(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    match chars.next() {
        Some((_, '\\')) => {
            chars.next();
            chars.find(|(_, c)| *c == '\'').map_or(0, |(at, _)| at + 1)
        }
        Some(_) => chars
            .next()
            .filter(|(_, c)| *c == '\'')
            .map_or(0, |(at, _)| at + 1),
        None => 0,
    }
}

/// Blanks every item that is compiled for tests only, and names the modules that lie in other files.
fn without_tests(code: &str) -> (String, Vec<String>) {
    const MARK: &str = "#[cfg(test)]";
    let (mut product, mut modules, mut from) = (code.to_owned(), Vec::new(), 0);
    while let Some(at) = product[from..].find(MARK).map(|at| from + at) {
        let mut head = at + MARK.len();
        while product[head..].trim_start().starts_with("#[") {
            head += product[head..].find(']').expect("an attribute ends") + 1;
        }
        let end = head + item(&product[head..]);
        let mut declared = product[head..end]
            .split_whitespace()
            .skip_while(|word| word.starts_with("pub"));
        if let (Some("mod"), Some(name)) = (declared.next(), declared.next())
            && let Some(name) = name.strip_suffix(';')
        {
            modules.push(name.to_owned());
        }
        let blanked: String = product[at..end]
            .bytes()
            .map(|byte| if byte == b'\n' { '\n' } else { ' ' })
            .collect();
        product.replace_range(at..end, &blanked);
        from = end;
    }
    (product, modules)
}

/// The length of the first item: to its semicolon, or to the end of its braces.
fn item(code: &str) -> usize {
    let (mut brackets, mut braces) = (0, 0);
    for (at, c) in code.char_indices() {
        match c {
            '(' | '[' => brackets += 1,
            ')' | ']' => brackets -= 1,
            '{' => braces += 1,
            '}' if braces == 1 => return at + 1,
            '}' => braces -= 1,
            ';' if brackets == 0 && braces == 0 => return at + 1,
            _ => {}
        }
    }
    code.len()
}

/// This reader is itself tested: a reader that sees nothing finds nothing wrong.
pub(crate) mod examples {
    use super::{below, blank, without_tests, words};

    /// All of them.
    pub(crate) fn all() {
        let check = |text: &str, expected: &str| {
            let code = blank(text);
            assert_eq!(code.len(), text.len(), "{text}");
            assert_eq!(
                words(&code)
                    .map(|(_, word)| word)
                    .collect::<Vec<_>>()
                    .join(" "),
                expected
            );
        };
        check("a // b\nc /* d /* e */ f */ g", "a c g");
        check(r#"a "b \" c" d b"e" f"#, "a d b f");
        check(r##"a r#"b " c"# d br"e" r#type"##, "a d r type");
        check(r"'a' b 'c d '\'' e '\u{1F600}' f", "b c d e f");
        check("\"é\" ü", "ü");

        let check = |code: &str, expected: &str, declared: &[&str]| {
            let (product, modules) = without_tests(code);
            assert_eq!(
                product.split_whitespace().collect::<Vec<_>>().join(" "),
                expected
            );
            assert_eq!(modules, declared);
        };
        check("a; #[cfg(test)] mod t { b { c } } d", "a; d", &[]);
        check("#[cfg(test)]\nmod t;\nfn f() {}", "fn f() {}", &["t"]);
        check(
            "#[cfg(test)] #[x] pub(super) fn f(a: [u8; 2]) { b } c",
            "c",
            &[],
        );

        assert_eq!(
            below("server/src/engine/mod.rs", "tests"),
            "server/src/engine/tests"
        );
        assert_eq!(
            below("server/src/auth.rs", "tests"),
            "server/src/auth/tests"
        );
    }
}
