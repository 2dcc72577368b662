//! Three-valued truth.

/// Whether a condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truth {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// An operand is missing or stale: nobody can say.
    Unknown,
}
