//! A server inside this process, and clients that talk to it over a real socket.

use commonhold::blocking::Client;
use commonhold::{AuthKey, Options};
use commonhold_server::auth::Keys;
use commonhold_server::store::{StoreMaker, StoreOptions};
use commonhold_server::{Config, Limits, Listen, Server, StartError};
use std::path::Path;

/// A server on one Unix socket in a folder.
fn start(folder: &Path, store: &str, key: &AuthKey) -> Server {
    let listen = vec![Listen::Unix(folder.join("socket"))];
    Server::start(config(folder, store, key, listen)).expect("the server starts")
}

fn config(folder: &Path, store: &str, key: &AuthKey, listen: Vec<Listen>) -> Config {
    let store = StoreMaker::find(store).expect("the store is in the list");
    let store = store
        .open(&StoreOptions::new(folder.join("data")))
        .expect("the store opens");
    Config {
        store,
        listen,
        keys: Keys::new("default", key).expect("the key is good"),
        insecure: false,
        cores: 1,
        limits: Limits::default(),
    }
}

fn connect(folder: &Path, key: &AuthKey) -> Client {
    let url = format!("unix://{}", folder.join("socket").display());
    Options::new()
        .url(url)
        .key(key.clone())
        .connect_blocking()
        .expect("the server is there")
}

#[test]
fn what_was_counted_is_there_after_an_orderly_restart() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let key = AuthKey::generate();
    for round in 1..=3 {
        let server = start(folder.path(), "sled", &key);
        let client = connect(folder.path(), &key);
        let hits = client.dict::<String, i64>("hits");
        assert_eq!(
            hits.increment("/index", 1).call().expect("it counts"),
            round
        );
        assert_eq!(hits.get("/index").expect("it reads"), Some(round));
        client.close();
        assert!(server.shut_down());
    }
}

#[test]
fn a_server_that_cannot_listen_everywhere_leaves_no_socket_behind() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let key = AuthKey::generate();
    let socket = folder.path().join("socket");
    // Beyond loopback, which nobody allowed.
    let everywhere = Listen::Tcp(([0, 0, 0, 0], 0).into());
    let listen = vec![Listen::Unix(socket.clone()), everywhere];
    let config = config(folder.path(), "memory", &key, listen);
    let error = Server::start(config).map(drop).expect_err("it is refused");
    assert!(matches!(error, StartError::Insecure { .. }), "{error}");
    assert!(!socket.exists());
}
