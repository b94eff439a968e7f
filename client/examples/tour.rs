//! Counts from Rust. Start a server first: `commonhold serve`.

use commonhold::{Client, Error};

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
    ch.close().await;
    Ok(())
}
