//! A semaphore and an event between processes. Start a server first: `commonhold serve`.
//!
//! The program starts four copies of itself. They wait for the event that opens the gate, then pass in twos: no more than
//! two are inside at a time. One is killed, and if it was inside, its place goes to the others.

use commonhold::blocking::Client;
use std::error::Error;
use std::process::{self, Command};
use std::time::Duration;
use std::{env, thread};

fn main() -> Result<(), Box<dyn Error>> {
    let ch = Client::from_env()?;
    match env::args().nth(1) {
        Some(run) => pass(&ch, &run),
        None => open(&ch, &format!("gate-{}", process::id())),
    }
}

/// Starts the others and lets them in.
fn open(ch: &Client, run: &str) -> Result<(), Box<dyn Error>> {
    let program = env::current_exe()?;
    let others: Result<Vec<_>, _> = (0..4)
        .map(|_| Command::new(&program).arg(run).spawn())
        .collect();
    let mut others = others?;
    ch.event(run).set()?;
    let inside = ch.counter(&format!("{run}-inside"));
    while inside.get()? == 0 {
        thread::sleep(Duration::from_millis(10));
    }
    others[0].kill()?;
    for other in &mut others {
        other.wait()?;
    }
    let free = ch.semaphore(&format!("{run}-places"), 2).value()?;
    println!("{} passed; {free} places are free", inside.get()?);
    for name in [
        run.to_owned(),
        format!("{run}-places"),
        format!("{run}-inside"),
    ] {
        ch.server().delete(&name)?;
    }
    Ok(())
}

/// Waits for the gate, and for a place behind it.
fn pass(ch: &Client, run: &str) -> Result<(), Box<dyn Error>> {
    ch.event(run).wait(None)?;
    let place = ch.semaphore(&format!("{run}-places"), 2).acquire().call()?;
    ch.counter(&format!("{run}-inside")).increment(1).call()?;
    println!("{} is inside", process::id());
    thread::sleep(Duration::from_millis(300));
    // A drop would do; this tells whether it worked.
    place.release()?;
    Ok(())
}
