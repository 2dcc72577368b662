//! tickwire: live crypto market data.
pub mod duration;
pub mod net;
