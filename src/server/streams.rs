//! What is subscribed at the engine, for whom, and for how much longer.

/// Streams with their references. One without any is kept for a while: those who come and go must not reach the exchange.
#[derive(Debug, Default)]
pub struct Streams {}

impl Streams {
    /// How many run, and how many were stopped.
    pub fn counts(&self) -> (usize, usize) {
        (0, 0)
    }
}
