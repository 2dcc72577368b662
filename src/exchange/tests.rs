//! The adapters: what each message of each exchange means, in whatever form it comes.

mod arbitrary;
pub(super) mod archive;
mod binance;
mod candles;
mod coinbase;
mod history;
mod kraken;
mod layout;
mod limits;
mod live;
mod poller;
mod sharing;
pub(super) mod support;
