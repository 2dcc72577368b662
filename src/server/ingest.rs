//! Events that programs push: read from JSON Lines, checked, handed to the engine.

/// Where pushed events go.
#[derive(Debug, Default)]
pub struct Ingest {}

/// What became of pushed lines.
#[derive(Debug, Default)]
pub struct Accepted {
    /// How many were taken.
    pub accepted: usize,
    /// The others, by their number from 1, and why.
    pub rejected: Vec<(usize, String)>,
}

impl Ingest {
    /// Takes what it can.
    pub async fn accept_lines(&self, body: &[u8]) -> Accepted {
        let lines = body.split(|b| *b == b'\n').filter(|line| !line.is_empty());
        let all = lines
            .enumerate()
            .map(|(n, _)| (n + 1, "not yet".to_owned()));
        Accepted {
            accepted: 0,
            rejected: all.collect(),
        }
    }
}
