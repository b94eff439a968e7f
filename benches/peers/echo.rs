//! The floor: what the machine's sockets and disk do without any server.

use crate::process::end_with_parent;
use anyhow::Result;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// The argument of the child that echoes.
pub(crate) const CHILD: &str = "child-echo";
/// About what a call and its reply are.
const MESSAGE: usize = 64;
/// About what a change is in the log.
const RECORD: usize = 100;

/// In the child: echoes on a Unix socket, and on a TCP port that a file beside the socket names.
pub(crate) fn serve(socket: &Path) -> Result<()> {
    end_with_parent();
    let tcp = TcpListener::bind("127.0.0.1:0")?;
    std::fs::write(
        socket.with_extension("port"),
        tcp.local_addr()?.port().to_string(),
    )?;
    let unix = UnixListener::bind(socket)?;
    thread::spawn(move || {
        for stream in tcp.incoming().flatten() {
            let _ = stream.set_nodelay(true);
            thread::spawn(move || echo(&stream));
        }
    });
    for stream in unix.incoming() {
        let stream = stream?;
        thread::spawn(move || echo(&stream));
    }
    Ok(())
}

fn echo<S>(stream: &S)
where
    for<'a> &'a S: std::io::Read + std::io::Write,
{
    let (mut reader, mut writer) = (stream, stream);
    let mut message = [0; MESSAGE];
    while reader.read_exact(&mut message).is_ok() && writer.write_all(&message).is_ok() {}
}

/// Microseconds of one echo over the Unix socket.
pub(crate) fn unix_micros(socket: &Path, time: Duration) -> Result<f64> {
    micros(&UnixStream::connect(socket)?, time)
}

/// Microseconds of one echo over TCP.
pub(crate) fn tcp_micros(socket: &Path, time: Duration) -> Result<f64> {
    let port: u16 = std::fs::read_to_string(socket.with_extension("port"))?.parse()?;
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_nodelay(true)?;
    micros(&stream, time)
}

fn micros<S>(stream: &S, time: Duration) -> Result<f64>
where
    for<'a> &'a S: std::io::Read + std::io::Write,
{
    let (mut reader, mut writer) = (stream, stream);
    let mut message = [7; MESSAGE];
    per_step(time, || {
        writer.write_all(&message)?;
        reader.read_exact(&mut message)?;
        Ok(())
    })
}

/// Microseconds of appending a record to a file and syncing it.
pub(crate) fn append_micros(folder: &Path, time: Duration) -> Result<f64> {
    let path = folder.join("raw");
    let mut file = File::create(&path)?;
    let record = [7; RECORD];
    let micros = per_step(time, || {
        file.write_all(&record)?;
        file.sync_data()?;
        Ok(())
    })?;
    std::fs::remove_file(path)?;
    Ok(micros)
}

/// Microseconds of one step, repeated for a time.
pub(crate) fn per_step(time: Duration, mut step: impl FnMut() -> Result<()>) -> Result<f64> {
    let start = Instant::now();
    let mut count = 0_u32;
    loop {
        // The clock is not what is measured.
        for _ in 0..16 {
            step()?;
        }
        count += 16;
        let elapsed = start.elapsed();
        if elapsed >= time {
            return Ok(elapsed.as_secs_f64() * 1e6 / f64::from(count));
        }
    }
}
