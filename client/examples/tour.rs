//! Counts from Rust. Start a server first: `commonhold serve`.

use commonhold::{Client, Error};
use std::time::Duration;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let ch = Client::from_env().await?;
    // Naming an object makes no call; the first write creates it.
    let hits = ch.dict::<String, i64>("hits");
    let n = hits.increment("/index", 1).max(1_000_000).await?;
    println!("/index was hit {n} times");
    // What is absent is no error.
    match hits.get("/missing").await? {
        Some(n) => println!("/missing was hit {n} times"),
        None => println!("/missing was never hit"),
    }
    // A refusal is an error that says whether the call happened, and whether another try may help.
    if let Err(error) = hits.increment("/index", 1).max(0).await {
        println!(
            "{error}: happened {:?}, retryable {}",
            error.happened(),
            error.is_retryable()
        );
    }
    // A lock is held until its guard is dropped, or lost with its client; a fenced write is refused once it is lost.
    let guard = ch
        .lock("deploy")
        .acquire()
        .wait(Duration::from_secs(5))
        .await?;
    hits.fenced(&guard).set("/deployed", 1).await?;
    guard.release().await?;
    ch.close().await;
    Ok(())
}
