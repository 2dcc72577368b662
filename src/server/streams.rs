//! What is subscribed at the engine, for whom, and for how much longer.

use crate::feed::Topic;

use super::error::ApiError;

/// Streams with their references. One without any is kept for a while: those who come and go must not reach the exchange.
#[derive(Debug, Default)]
pub struct Streams {}

/// A hold on streams: they run at least until it is dropped.
#[derive(Debug)]
pub struct Lease {}

impl Streams {
    /// Makes these run, for as long as the answer is held.
    ///
    /// Errors: too many run already, or the engine has stopped.
    pub async fn acquire(&self, topics: Vec<Topic>) -> Result<Lease, ApiError> {
        let _ = topics;
        Ok(Lease {})
    }
}
