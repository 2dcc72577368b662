//! The symbol manager: what each exchange trades, from its own API, and which instrument a text means.
//!
//! Owns the lists, their disk cache and the rules of spelling. Never opens a socket itself: a
//! [`crate::feed::Provider`] fetches.

mod cache;
mod catalogue;
mod manager;

pub use cache::Cache;
pub use catalogue::{Catalogue, Unresolved};
pub use manager::{ListError, Manager, ResolveError};
