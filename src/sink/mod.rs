//! Outputs of events: lines for programs, a table for people. Subscribers only; they know no exchange.

pub mod lines;
pub mod summary;
