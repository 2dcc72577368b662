//! Who may ask: Host, Origin, token, and how often.

/// The rules of access. They can change while the server runs.
#[derive(Debug, Default)]
pub struct Guard {}
