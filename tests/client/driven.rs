//! The async client, driven by an event loop that is none of tokio's: the one below, which waits in poll(2).

#![expect(clippy::unwrap_used, reason = "tests")]

use crate::server::{Cutter, TestServer, eventually};
use commonhold::{Client, Driver, Options, Result, Value};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::collections::BTreeSet;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake};
use std::time::{Duration, Instant};

/// An event loop for one client.
struct Loop {
    driver: Driver,
    turns: usize,
}

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Loop {
    fn connect(options: Options) -> (Client, Loop) {
        let (client, driver) = options.connect_driven().expect("the options are right");
        let mut own = Loop { driver, turns: 0 };
        own.run(client.opened()).expect("connects");
        (client, own)
    }

    /// Runs a future to its end.
    fn run<T>(&mut self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        let woken = Arc::new(Woken(AtomicBool::new(true)));
        let waker = Arc::clone(&woken).into();
        loop {
            if woken.0.swap(false, Ordering::SeqCst)
                && let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker))
            {
                return output;
            }
            let next = self.turn();
            if !woken.0.load(Ordering::SeqCst) {
                self.wait(next.map(|next| next.saturating_duration_since(Instant::now())));
            }
        }
    }

    fn turn(&mut self) -> Option<Instant> {
        self.turns += 1;
        self.driver.drive()
    }

    /// Whether there is something to do before the time is over.
    fn wait(&self, timeout: Option<Duration>) -> bool {
        let timeout = timeout.map(|time| Timespec {
            tv_sec: time.as_secs().cast_signed(),
            tv_nsec: time.subsec_nanos().into(),
        });
        let mut fds = [PollFd::new(&self.driver, PollFlags::IN)];
        poll(&mut fds, timeout.as_ref()).unwrap() > 0
    }

    /// Drives until nothing is left to be done at once.
    fn settle(&mut self) {
        while self.wait(Some(Duration::from_millis(20))) {
            self.turn();
        }
    }
}

/// All of them, at the same time.
async fn all<F: Future + Unpin>(mut futures: Vec<F>) -> Vec<F::Output> {
    let mut outputs: Vec<Option<F::Output>> = futures.iter().map(|_| None).collect();
    poll_fn(|cx| {
        let mut pending = false;
        for (future, output) in futures.iter_mut().zip(&mut outputs) {
            if output.is_none() {
                match Pin::new(future).poll(cx) {
                    Poll::Ready(ready) => *output = Some(ready),
                    Poll::Pending => pending = true,
                }
            }
        }
        if pending {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    })
    .await;
    outputs.into_iter().flatten().collect()
}

#[test]
fn calls_of_one_moment_travel_together() {
    let server = TestServer::start();
    for options in [server.options(), server.options_tcp()] {
        let (ch, mut own) = Loop::connect(options);
        let hits = ch.dict::<String, i64>("hits");
        let before = own.turns;
        let calls = (0..1_000).map(|_| Box::pin(async { hits.increment("n", 1).await }));
        let results = own.run(all(calls.collect()));
        let numbers: Result<BTreeSet<i64>> = results.into_iter().collect();
        assert_eq!(numbers.unwrap().len(), 1_000);
        assert!(
            own.turns - before < 300,
            "{} turns for a thousand calls",
            own.turns - before
        );
    }
    let (ch, mut own) = Loop::connect(server.options());
    assert_eq!(
        own.run(ch.dict::<String, i64>("hits").get("n")).unwrap(),
        Some(2_000)
    );
}

#[test]
fn a_loop_with_nothing_to_do_is_left_alone() {
    let server = TestServer::start();
    let (ch, mut own) = Loop::connect(server.options());
    own.run(
        ch.dict::<String, i64>("hits")
            .increment("n", 1)
            .into_future(),
    )
    .unwrap();
    own.settle();
    let before = own.turns;
    let until = Instant::now() + Duration::from_secs(1);
    while let Some(next) = own.driver_due(until) {
        own.wait(Some(next));
        own.turn();
    }
    // Two signs of life and their answers.
    assert!(own.turns - before < 20, "{} turns", own.turns - before);
}

impl Loop {
    /// How long to wait for the next turn, as long as it is before `until`.
    fn driver_due(&mut self, until: Instant) -> Option<Duration> {
        let next = self.turn().unwrap_or(until).min(until);
        (Instant::now() < until).then(|| next.saturating_duration_since(Instant::now()))
    }
}

#[test]
fn what_does_not_fit_the_socket_is_written_when_it_does() {
    let server = TestServer::start();
    let (ch, mut own) = Loop::connect(server.options());
    let big = ch.dict::<i64, String>("big");
    let text = "x".repeat(900_000);
    let calls = (0..20).map(|key| {
        let (big, text) = (&big, &text);
        Box::pin(async move { big.set(&key, text.clone()).await })
    });
    for result in own.run(all(calls.collect())) {
        result.unwrap();
    }
    assert_eq!(own.run(big.get(&19)).unwrap(), Some(text));
    own.settle();
    assert!(!own.wait(Some(Duration::ZERO)));
}

#[test]
fn a_call_made_in_another_thread_wakes_the_loop() {
    let server = TestServer::start();
    let (ch, mut own) = Loop::connect(server.options());
    own.settle();
    let counter = ch.counter("visits");
    let begun = std::thread::spawn(move || {
        let mut answer = Box::pin(async move { counter.increment(1).await });
        let waker = std::task::Waker::noop();
        assert!(
            answer
                .as_mut()
                .poll(&mut Context::from_waker(waker))
                .is_pending()
        );
        answer
    });
    assert!(own.wait(Some(Duration::from_secs(10))), "it was not woken");
    let answer = begun.join().unwrap();
    assert_eq!(own.run(answer).unwrap(), 1);
}

#[test]
fn a_cancelled_get_leaves_its_item() {
    let server = TestServer::start();
    let (ch, mut own) = Loop::connect(server.options());
    let queue = ch.queue::<i64>("jobs");
    for round in 0..200 {
        let mut get = Box::pin(queue.get(None).into_future());
        let waker = std::task::Waker::noop();
        assert!(
            get.as_mut()
                .poll(&mut Context::from_waker(waker))
                .is_pending()
        );
        own.run(queue.put(round, None).into_future()).unwrap();
        for _ in 0..round % 4 {
            own.turn();
        }
        drop(get);
        assert_eq!(own.run(queue.get(None).into_future()).unwrap(), round);
    }
    assert_eq!(own.run(queue.len()).unwrap(), 0);
}

#[test]
fn a_broken_connection_is_taken_up_again() {
    let server = TestServer::start();
    let cutter = Cutter::before(&server);
    let (ch, mut own) = Loop::connect(server.options_at(&cutter.socket()));
    let hits = ch.dict::<String, i64>("hits");
    for round in 1..=20 {
        let increment = hits.increment("n", 1).into_future();
        cutter.cut();
        assert_eq!(own.run(increment).unwrap(), round);
    }
    assert!(ch.stats().reconnects >= 19);
}

#[test]
fn a_client_that_is_forgotten_says_goodbye() {
    let server = TestServer::start();
    let watcher = server.options().connect_blocking().unwrap();
    let holders = || {
        let who = watcher.server().who("x").unwrap();
        who.holders.len()
    };
    // Its loop goes on; then: its loop is gone as well.
    for goes_on in [true, false] {
        let (ch, mut own) = Loop::connect(server.options());
        let lock = ch.object("lock", "x");
        let acquire = commonhold::Call::new("acquire", []);
        let granted = own.run(lock.reply(acquire, None)).unwrap();
        assert!(matches!(granted.result, Ok(Value::Dict(_))));
        assert_eq!(holders(), 1);
        drop((lock, ch));
        if goes_on {
            while let next = own.turn()
                && !own.driver.is_over()
            {
                own.wait(next.map(|next| next.saturating_duration_since(Instant::now())));
            }
        }
        drop(own);
        // Without a word it would be held for the grace.
        let begun = Instant::now();
        eventually("it is given back", || holders() == 0);
        assert!(begun.elapsed() < Duration::from_secs(1));
    }
}

#[test]
fn a_server_that_is_not_there_is_told() {
    let server = TestServer::start();
    for url in ["unix:///nobody/is/here", "tcp://127.0.0.1:1"] {
        let options = server
            .options()
            .url(url)
            .connect_for(Duration::from_millis(100));
        let (ch, driver) = options.connect_driven().unwrap();
        let mut own = Loop { driver, turns: 0 };
        let error = own.run(ch.opened()).unwrap_err();
        assert!(
            error.to_string().contains(url.trim_start_matches("tcp://")),
            "{error}"
        );
        drop(ch);
        let begun = Instant::now();
        drop(own);
        assert!(begun.elapsed() < Duration::from_millis(500));
    }
}
