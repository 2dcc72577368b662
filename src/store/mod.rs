//! Small local files that several processes share: locked, and replaced as a whole.
//!
//! Owns how such files are written, found damaged and kept apart. A reader sees the old content or the new one,
//! never a part, also after a crash; what does not prove to be our own content is never trusted. Knows nothing of
//! exchanges and never opens a socket.

mod alerts;
mod error;
mod replace;
pub mod shared;

pub use alerts::{
    AlertStore, Claim, HISTORY_MAX, Locked, MarketState, Past, Pending, PendingAction, State,
    Watermark,
};
pub use error::StoreError;
pub use replace::replace;
