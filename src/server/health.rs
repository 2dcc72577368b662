//! How each feed is: states, ages, latencies, holes.

/// What the pump measures, per exchange and market.
#[derive(Debug, Default)]
pub struct Health {}
