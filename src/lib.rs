//! tickwire: live crypto market data.
pub mod config;
pub mod duration;
