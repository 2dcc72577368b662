//! tickwire: live crypto market data.
#![forbid(unsafe_code)]

pub mod config;
pub mod duration;
pub mod engine;
pub mod exchange;
pub mod feed;
pub mod model;
pub mod net;
#[cfg(feature = "sim")]
pub mod sim;
pub mod sink;
pub mod symbols;
