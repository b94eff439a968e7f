//! A check for each **Invariant:** of `ARCHITECTURE.md`, under its name and in its order.

use crate::source::{Source, Tree, read};

/// Tells where an invariant is broken.
type Check = fn(&Tree) -> Vec<String>;

/// Every check, by the name that the invariant has.
pub(crate) const CHECKS: &[(&str, Check)] = &[
    ("server-and-client-apart", server_and_client_apart),
    ("core-without-io", core_without_io),
    ("secrets-in-login", |tree| {
        only(
            tree,
            "",
            &["argon2", "hkdf", "hmac", "sha2"],
            &["proto/src/login/"],
        )
    }),
    ("tonic-in-transport", |tree| {
        only(tree, "", &["tonic"], &["server/src/transport/"])
    }),
    ("status-in-one-file", |tree| {
        only(
            tree,
            "server/",
            &["Status"],
            &["server/src/transport/status.rs"],
        )
    }),
    ("messages-in-proto", |tree| {
        only(tree, "server/", &["prost"], &[])
    }),
    ("sled-in-one-file", |tree| {
        // The list names the file, which has the name of the crate.
        only(
            tree,
            "",
            &["sled"],
            &["server/src/store/sled.rs", "server/src/store/mod.rs"],
        )
    }),
    ("time-in-clock", time_in_clock),
    ("engine-without-machinery", |tree| {
        let mut names = MACHINERY.to_vec();
        names.extend(["tokio", "transport", "auth"]);
        only(tree, "server/src/engine/", &names, &[])
    }),
    ("engine-without-await", engine_without_await),
    ("objects-only-think", objects_only_think),
    ("rows-by-one-writer", |tree| {
        within(
            tree,
            "object.apply(",
            &["server/src/engine/cell.rs", "server/src/engine/recover.rs"],
        )
    }),
    ("changes-by-one-log", |tree| {
        within(
            tree,
            "log.push(",
            &["server/src/engine/answer.rs", "server/src/engine/commit.rs"],
        )
    }),
    ("store-without-objects", store_without_objects),
    ("store-has-one-owner", store_has_one_owner),
    ("logins-stand-alone", |tree| {
        only(
            tree,
            "server/src/auth",
            &["engine", "objects", "session", "store", "transport"],
            &[],
        )
    }),
    ("blocking-without-runtime", blocking_without_runtime),
    ("no-unsafe", no_unsafe),
    ("no-careless-panic", no_careless_panic),
    ("files-are-short", files_are_short),
];

/// Transport, encoding and storage.
const MACHINERY: &[&str] = &[
    "tonic",
    "prost",
    "h2",
    "http",
    "hyper",
    "tower",
    "sled",
    "redb",
    "rustix",
    "socket2",
    "serde_json",
];

/// Under a path, only these files may have paths through these names.
fn only(tree: &Tree, under: &str, names: &[&str], allowed: &[&str]) -> Vec<String> {
    let sources = tree.product(under);
    let sources =
        sources.filter(|source| !allowed.iter().any(|path| source.path.starts_with(path)));
    sources
        .flat_map(|source| {
            let name = |name: &&str| {
                let places = source.paths_through(name).into_iter();
                let says = format!("names {name}");
                places
                    .map(|place| complaint(source, place, &says))
                    .collect::<Vec<_>>()
            };
            names.iter().flat_map(name).collect::<Vec<_>>()
        })
        .collect()
}

/// Only these files of the server may hold this text, and each does.
fn within(tree: &Tree, text: &str, allowed: &[&str]) -> Vec<String> {
    let mut complaints = Vec::new();
    for source in tree.product("server/") {
        let places = source.places(text);
        let is_allowed = allowed.contains(&source.path.as_str());
        if is_allowed && places.is_empty() {
            complaints.push(format!("{}: has no {text}", source.path));
        }
        if !is_allowed {
            complaints.extend(places.iter().map(|place| complaint(source, *place, text)));
        }
    }
    complaints
}

/// No word of the product under a path is one of these.
fn without_words(tree: &Tree, under: &str, forbidden: impl Fn(&str) -> bool) -> Vec<String> {
    let of_source = |source: &Source| {
        let words = source.words().filter(|(_, word)| forbidden(word));
        words
            .map(|(place, word)| complaint(source, place, word))
            .collect::<Vec<_>>()
    };
    tree.product(under).flat_map(of_source).collect()
}

fn complaint(source: &Source, place: usize, what: &str) -> String {
    format!("{}: {what}", source.at(place))
}

fn server_and_client_apart(tree: &Tree) -> Vec<String> {
    let mut complaints = only(tree, "server/", &["commonhold"], &[]);
    complaints.extend(only(tree, "client/", &["commonhold_server"], &[]));
    complaints.extend(only(tree, "proto/", &["commonhold", "commonhold_cli"], &[]));
    let door = &["python/src/server.rs", "python/src/opened.rs"];
    complaints.extend(only(tree, "python/", &["commonhold_server"], door));
    for (manifest, forbidden) in [
        ("server/Cargo.toml", &["commonhold"][..]),
        ("client/Cargo.toml", &["commonhold-server"]),
        ("proto/Cargo.toml", &["commonhold", "commonhold-server"]),
    ] {
        let text = read(manifest);
        let names = text
            .lines()
            .map(|line| line.split(['.', '=', ' ']).next().unwrap_or_default());
        let wrong = names.filter(|name| forbidden.contains(name));
        complaints.extend(wrong.map(|name| format!("{manifest}: depends on {name}")));
    }
    complaints
}

fn core_without_io(tree: &Tree) -> Vec<String> {
    let io = [
        "fs", "io", "env", "process", "thread", "tokio", "rustix", "socket2", "h2",
    ];
    let mut complaints = only(
        tree,
        "proto/src/",
        &io,
        &["proto/src/keyfile.rs", "proto/src/login/cache.rs"],
    );
    // Two threads may want one derived key at a time: the second yields, which is all that it does with threads.
    complaints.extend(only(
        tree,
        "proto/src/login/cache.rs",
        &["fs", "io", "env", "process"],
        &[],
    ));
    let sockets =
        |word: &str| ["TcpStream", "TcpListener", "UdpSocket", "UnixStream"].contains(&word);
    complaints.extend(without_words(tree, "proto/src/", sockets));
    complaints
}

fn time_in_clock(tree: &Tree) -> Vec<String> {
    let mut complaints = without_words(tree, "server/src/", |word| {
        ["Instant", "SystemTime", "UNIX_EPOCH"].contains(&word)
    });
    complaints.retain(|complaint| {
        !["clock.rs", "engine/commit.rs", "transport/vigil.rs"]
            .iter()
            .any(|file| complaint.starts_with(&format!("server/src/{file}:")))
    });
    complaints
}

fn engine_without_await(tree: &Tree) -> Vec<String> {
    let mut complaints = Vec::new();
    for room in ["engine/", "objects/", "session/", "store/", "auth/"] {
        for source in tree.product(&format!("server/src/{room}")) {
            let allowed = match source.path.as_str() {
                "server/src/engine/gate.rs" => usize::MAX,
                "server/src/engine/mod.rs" => 1,
                _ => 0,
            };
            let awaits: Vec<usize> = source
                .words()
                .filter(|(_, word)| *word == "await")
                .map(|(place, _)| place)
                .collect();
            let more = awaits.iter().skip(allowed);
            complaints.extend(more.map(|place| complaint(source, *place, "awaits")));
        }
    }
    complaints
}

fn objects_only_think(tree: &Tree) -> Vec<String> {
    let rooms = ["auth", "clock", "engine", "session", "store", "transport"];
    let mut complaints = only(tree, "server/src/objects/", &rooms, &[]);
    complaints.extend(only(tree, "server/src/objects/", MACHINERY, &[]));
    // What is behind `&self` cannot change, nor can it come from elsewhere.
    complaints.extend(without_words(tree, "server/src/objects/", |word| {
        word.starts_with("Atomic")
            || [
                "Cell",
                "RefCell",
                "OnceCell",
                "UnsafeCell",
                "Mutex",
                "RwLock",
                "OnceLock",
                "LazyLock",
            ]
            .contains(&word)
            || [
                "Instant",
                "SystemTime",
                "tokio",
                "parking_lot",
                "dashmap",
                "getrandom",
            ]
            .contains(&word)
            || ["fs", "net", "env", "process", "thread", "async", "await"].contains(&word)
    }));
    complaints
}

fn store_without_objects(tree: &Tree) -> Vec<String> {
    let under = "server/src/store/";
    let mut complaints = only(
        tree,
        under,
        &["auth", "clock", "engine", "objects", "session", "transport"],
        &[],
    );
    for source in tree.product(under) {
        for place in source.paths_through("commonhold_proto") {
            let used = &source.product[place + "commonhold_proto::".len()..];
            if !used.starts_with("Revision") {
                complaints.push(complaint(
                    source,
                    place,
                    "knows more of the core types than Revision",
                ));
            }
        }
    }
    complaints
}

fn store_has_one_owner(tree: &Tree) -> Vec<String> {
    let mut complaints = Vec::new();
    for source in tree.product("server/src/") {
        for place in source.places("dyn Store") {
            let before = source.product[..place].trim_end();
            let is_other =
                source.product[place + "dyn Store".len()..].starts_with(char::is_alphanumeric);
            if !is_other && !before.ends_with("Box<") && !before.ends_with("&mut") {
                complaints.push(complaint(source, place, "shares a store"));
            }
        }
    }
    complaints
}

fn blocking_without_runtime(tree: &Tree) -> Vec<String> {
    let under = "client/src/blocking/";
    let mut complaints = only(tree, under, &["runtime", "Handle", "tokio_net"], &[]);
    complaints.extend(tree.product("client/src/").flat_map(|source| {
        let spawned = [
            source.places("thread::spawn"),
            source.places("thread::Builder"),
        ]
        .concat();
        spawned
            .into_iter()
            .map(|place| complaint(source, place, "starts a thread"))
            .collect::<Vec<_>>()
    }));
    complaints.extend(tree.product("client/src/").flat_map(|source| {
        let runtimes = if source.path.ends_with("/client.rs") {
            Vec::new()
        } else {
            source.places("tokio::runtime")
        };
        runtimes
            .into_iter()
            .map(|place| complaint(source, place, "names a runtime"))
            .collect::<Vec<_>>()
    }));
    complaints
}

fn no_unsafe(tree: &Tree) -> Vec<String> {
    let mut complaints = Vec::new();
    for room in ["src/", "proto/", "server/", "client/", "python/"] {
        complaints.extend(without_words(tree, room, |word| word == "unsafe"));
    }
    if !read("Cargo.toml").contains("unsafe_code = \"forbid\"") {
        complaints.push("Cargo.toml: does not forbid unsafe code".to_owned());
    }
    for manifest in [
        "Cargo.toml",
        "proto/Cargo.toml",
        "server/Cargo.toml",
        "client/Cargo.toml",
        "python/Cargo.toml",
    ] {
        if !read(manifest).contains("[lints]\nworkspace = true") {
            complaints.push(format!(
                "{manifest}: does not take the lints of the workspace"
            ));
        }
    }
    complaints
}

fn no_careless_panic(tree: &Tree) -> Vec<String> {
    let mut complaints = Vec::new();
    for source in tree.product("") {
        for text in [".unwrap()", "todo!", "unimplemented!", "dbg!"] {
            complaints.extend(
                source
                    .places(text)
                    .into_iter()
                    .map(|place| complaint(source, place, text)),
            );
        }
    }
    for source in &tree.0 {
        let ignored = source.code.match_indices("#[ignore");
        complaints
            .extend(ignored.map(|(place, _)| complaint(source, place, "a test that is not run")));
    }
    complaints
}

fn files_are_short(tree: &Tree) -> Vec<String> {
    const LINES_MAX: usize = 500;
    let is_long = |source: &&Source| {
        let has_reason = source
            .text
            .lines()
            .take(3)
            .any(|line| line.contains("Over 500 lines: "));
        source.text.lines().count() > LINES_MAX && !has_reason
    };
    let says = |source: &Source| {
        format!(
            "{}: over {LINES_MAX} lines, and no line \"// Over 500 lines: ...\" at its top",
            source.path
        )
    };
    tree.0.iter().filter(is_long).map(says).collect()
}
