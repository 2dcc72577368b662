//! Events that programs push: read from JSON Lines, checked, handed to the engine.

/// Where pushed events go.
#[derive(Debug, Default)]
pub struct Ingest {}
