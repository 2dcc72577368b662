//! The streaming engine: feeds in, ordered events out, one bounded queue per subscriber.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use futures_util::StreamExt;
//! use tickwire::engine::{Engine, Request};
//! use tickwire::exchange::mock::Mock;
//!
//! let engine = Engine::builder().provider(Mock::default()).build();
//! let mut tickers = engine.subscribe(Request::new(["BTC", "ETH"])).await?;
//! let first = tickers.next().await.expect("the mock never ends");
//! println!("{:?}", first.market());
//! # engine.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! Owns market state, order, duplicates, gaps and their repair, freshness, failover and delivery. Never opens
//! a socket, never parses JSON: that is done behind [`crate::feed::Provider`].

mod awake;
mod builder;
mod candles;
mod confirmed;
pub mod core;
mod failover;
mod freshness;
mod hub;
mod mailbox;
mod past;
mod probe;
mod repair;
mod sequence;
mod stats;
mod subscription;
mod task;

pub use builder::{Engine, EngineBuilder, EngineError};
pub use confirmed::Confirmed;
pub use hub::Filter;
pub use mailbox::{DEFAULT_CAPACITY, Delivery, End, Overflow, SLOW_READER_PATIENCE};
pub use sequence::{
    EVIDENCE_NANOS, REORDER_NANOS, REORDER_TRADES, REPAIR_BUDGET_NANOS, REPAIR_TRADES,
    REPAIR_TRIES, SequenceStats, WAIT_NANOS,
};
pub use stats::Stats;
pub use subscription::{Link, Request, Subscription};

#[cfg(test)]
mod tests;
