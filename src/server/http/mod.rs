//! The HTTP API: routes and their answers.

pub mod answer;
pub mod candles;
pub mod error;
pub mod lookup;
pub mod market;
pub mod parameters;
pub mod prices;
pub mod streams;
pub mod symbols;
pub mod trades;
