//! tickwire: live crypto market data.
pub mod duration;
#[cfg(feature = "sim")]
pub mod sim;
