//! When a rule fires: on the change from false to true, and not too often.
//!
//! Owns what a rule remembers between two looks at the market ([`Memory`]) and how often it may fire
//! ([`Policy`]). Pure: time is an argument, and a path that is cut into many runs, with the memory written down
//! in between, gives the same verdicts as one run over the whole path. Never evaluates a condition and never acts.

mod board;
mod check;
mod memory;
mod policy;
mod rule;
mod tracker;
mod views;

pub use board::{Board, time_of};
pub use check::{Checked, Evidence, Mark, Past};
pub use memory::{Memory, Suppression, Verdict};
pub use policy::{MaxFires, Policy};
pub use rule::{Alert, Rule};
pub use tracker::{Outcome, Tracker};
pub use views::{Slot, Views};

#[cfg(test)]
mod tests;
