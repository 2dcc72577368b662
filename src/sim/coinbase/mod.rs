//! Coinbase Exchange: public WebSocket feed and REST.
mod candles;
mod rest;
mod ws;

pub(super) use rest::respond;
pub(super) use ws::Session;
