//! `CPython`'s own `multiprocessing.Manager`, over its default Unix socket.

use anyhow::{Context as _, Result, bail};
use std::process::Command;
use std::time::Duration;

/// Does one thing with a managed object for a time and prints the microseconds that it takes.
const SCRIPT: &str = r"
import sys, time
from multiprocessing import Manager

def main():
    step, seconds = sys.argv[1], float(sys.argv[2])
    with Manager() as manager:
        shared = manager.dict()
        shared['key'] = 1
        get = lambda: shared.get('key')
        def put():
            shared['key'] = 1
        queue, lock = manager.Queue(), manager.Lock()
        semaphore, listed = manager.Semaphore(1000), manager.list()
        def pass_on():
            queue.put(1)
            queue.get()
        def take(held):
            held.acquire()
            held.release()
        run = {
            'get': get,
            'set': put,
            'queue': pass_on,
            'lock': lambda: take(lock),
            'semaphore': lambda: take(semaphore),
            'append': lambda: listed.append(1),
        }[step]
        count, start = 0, time.perf_counter()
        while True:
            for _ in range(16):
                run()
            count += 16
            elapsed = time.perf_counter() - start
            if elapsed >= seconds:
                break
    print(elapsed * 1e6 / count)

if __name__ == '__main__':
    main()
";

/// Its version, if it is installed.
pub(crate) fn version() -> Option<String> {
    let output = Command::new("python3").arg("--version").output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Microseconds of one step with an object of `multiprocessing.Manager`; the script lists the steps.
pub(crate) fn manager_micros(step: &str, time: Duration) -> Result<f64> {
    let output = Command::new("python3")
        .args(["-c", SCRIPT, step, &time.as_secs_f64().to_string()])
        .output()?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().parse().context("python3 prints a number")
}
