//! Threads that store, move and drop the same references while another looks for cycles.

use super::harness::{Chance, kept};
use super::identity::{delete, server};
use super::pointers::{check_counts, create, get, pointed, set};
use super::threads::{Client, Server};
use crate::store::MemoryDisk;
use commonhold_proto::{Call, Code, Durability, Oid, Refusal, Target, Value};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

const THREADS: u64 = 3;
const TURNS: usize = 400;

fn ask(client: &mut Client<'_>, target: &Target, call: Call) -> Result<Value, Refusal> {
    let sequence = client.call(target, call, None);
    client.finish(sequence).result
}

fn forget(client: &mut Client<'_>, oid: Oid) {
    let drop = Call::new("drop", [Value::List(vec![oid.0.into()])]);
    ask(client, &server(), drop).expect("a list of numbers");
}

/// What a reply brought is there until it is dropped, whoever drops it at the same moment. In the end nothing is left.
#[test]
fn what_a_reply_brings_is_there_whoever_drops_it() {
    let disk = MemoryDisk::default();
    let host = Server::start(&disk);
    let pool = kept("dict", "pool", Durability::Relaxed);
    let (running, used) = (AtomicBool::new(true), AtomicU64::new(0));
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|seed| {
                let (host, pool, used) = (&host, &pool, &used);
                scope.spawn(move || {
                    let mut chance = Chance(seed);
                    let mut client = Client::connect(host, host.session(), 0);
                    for _ in 0..TURNS {
                        let key = chance.below(2).to_string();
                        if chance.once_in(3) {
                            let made = ask(&mut client, &server(), create("dict", "relaxed"));
                            let oid = pointed(&made.expect("made"));
                            if chance.once_in(2) {
                                // A cycle of one.
                                ask(&mut client, &Target::Oid(oid), set("me", oid)).expect("held");
                            }
                            ask(&mut client, pool, set(&key, oid)).expect("held");
                            forget(&mut client, oid);
                        }
                        let take = match chance.below(3) {
                            0 => Call::new("pop", [key.clone().into()]),
                            _ => get(&key),
                        };
                        let found = match ask(&mut client, pool, take) {
                            Ok(found) => pointed(&found),
                            Err(refusal) => {
                                assert_eq!(refusal.code, Code::NotFound);
                                continue;
                            }
                        };
                        ask(&mut client, &Target::Oid(found), Call::new("len", []))
                            .expect("the reply brought it");
                        let other = chance.below(2).to_string();
                        ask(&mut client, pool, set(&other, found)).expect("the reply brought it");
                        used.fetch_add(1, Ordering::Relaxed);
                        if chance.once_in(20) {
                            client.reconnect();
                        }
                        forget(&mut client, found);
                    }
                    host.engine.goodbye(&client.session);
                })
            })
            .collect();
        let (host, running) = (&host, &running);
        let collector = scope.spawn(move || {
            let mut freed = 0;
            while running.load(Ordering::Acquire) {
                freed += host.engine.collect();
            }
            freed
        });
        for thread in threads {
            thread.join().expect("it ends");
        }
        running.store(false, Ordering::Release);
        assert!(collector.join().expect("it ends") > 0, "there were cycles");
    });
    assert!(used.load(Ordering::Relaxed) > 100);
    check_counts(&host.engine).expect("counts are exact");
    let mut client = Client::connect(&host, host.session(), 0);
    ask(&mut client, &server(), delete("pool")).expect("it is there");
    host.engine.collect();
    assert_eq!(host.engine.registry.anonymous().len(), 0);
    check_counts(&host.engine).expect("counts are exact");
    host.stop();
    let again = Server::start(&disk);
    assert_eq!(again.engine.registry.anonymous().len(), 0);
    again.stop();
}
