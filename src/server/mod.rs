//! The engine as a server: HTTP, WebSocket and a dashboard for other programs and for people.
//!
//! Two sides share one [`Shared`]. The engine's side runs the [`Pump`](pump), which takes every event from one
//! subscription, keeps the newest state and hands events to the [`Hub`]; it never waits for a client. The clients' side
//! runs in threads of its own. Owns connections, rooms, queues of clients and what of the market is kept for them.
//! Never asks an exchange by itself: that is the engine's, and rules are the [`requests`] receivers'.

pub mod error;
pub mod guard;
pub mod health;
pub mod http;
pub mod hub;
pub mod ingest;
pub mod listen;
pub mod markets;
pub mod pump;
pub mod requests;
pub mod rooms;
pub mod state;
pub mod streams;
#[cfg(test)]
mod testing;
pub mod ws;

pub use error::ApiError;
pub use hub::Hub;
pub use rooms::Room;
pub use state::{Ref, Shared};
