//! What became of a client's calls, in numbers.

/// Counts of one connection of a client, from its beginning, over all the times that it broke.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Calls that were made.
    pub calls: u64,
    /// Calls that were sent again after the connection broke, once for each time.
    pub resent: u64,
    /// Replies that the server had remembered: calls that it had carried out before they were sent again.
    pub remembered: u64,
    /// How often the connection was made anew.
    pub reconnects: u64,
}
