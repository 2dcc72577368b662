//! The adapters: what each message of each exchange means, in whatever form it comes.

mod arbitrary;
mod binance;
mod coinbase;
mod history;
mod kraken;
mod layout;
mod limits;
mod live;
mod poller;
mod sharing;
mod support;
