//! Crypto market data: tickers, trades and candles from several exchanges, live and of the past, as one ordered
//! stream of events with exact decimals. The `tickwire` binary is a thin layer over this crate.
//!
//! Providers feed an [`engine::Engine`], the engine feeds [`engine::Subscription`]s. The mock needs no network:
//!
//! ```
//! use tickwire::engine::{Engine, Request};
//! use tickwire::exchange::mock::Mock;
//! use tickwire::model::{Event, Stream};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let engine = Engine::builder().provider(Mock::default()).build();
//! let request = Request::new(["BTC"]).streams([Stream::Trades]);
//! let mut subscription = engine.subscribe(request).await?;
//!
//! let mut batch = Vec::new();
//! subscription.next_batch(&mut batch).await?;
//! let Event::Trade(trade) = &batch[0] else {
//!     unreachable!("only trades were asked for, and the mock has no trouble");
//! };
//! assert_eq!(trade.market.symbol(), "BTC/USD");
//! assert_eq!(trade.price.to_string(), "96928.50");
//! engine.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! For real data take `Live::new(Kraken, LiveOptions::default())?` from [`exchange`] in place of the mock;
//! nothing else changes. [`engine::Engine::on_event`] calls functions instead; an [`exchange::Adapter`] of your
//! own adds an exchange without any code for sockets. Candles are a stream like others,
//! [`model::Stream::Candles`]; a [`timeline::Timeline`] puts the past before it.
//!
//! # Layers
//!
//! Each may use those below it, none those above.
//!
//! | layer | owns | never |
//! |---|---|---|
//! | [`cli`] | arguments, exit codes, what is told on stderr | |
//! | [`app`] | the wiring of configuration, exchanges and engine | any logic of theirs |
//! | [`exchange`] | what each exchange's protocol means; the one driver of sockets, timers and reconnects | the engine, outputs |
//! | [`engine`] | market state, order, duplicates, gaps and their repair, freshness, failover, delivery | sockets, JSON of exchanges |
//! | [`timeline`] | history and live joined into one stream | how an exchange is asked |
//! | [`sink`] | the forms of output | exchanges |
//! | [`server`] | HTTP, WebSocket and the dashboard: who may ask, what runs for whom, rooms, queues of clients, pushed events | exchanges, outputs, the command line |
//! | [`config`] | file, environment and defaults, checked as a whole | the network |
//! | [`action`] | what is done when an alert fires: programs, webhooks, notifications | whether it fires |
//! | [`symbols`] | lists of instruments, their cache, the spelling of symbols | sockets |
//! | [`net`] | TLS, proxies, HTTP and its pacing | exchanges |
//! | [`grade`] | how good a feed is: what is measured, the rules, the grades | the clock, I/O, tokio |
//! | [`feed`] | the seam between the engine and what feeds it | state, I/O |
//! | [`store`] | small local files that processes share: memories of alerts, answers, budgets | the engine, the network |
//! | [`strategy`] | when a strategy buys and sells, and what that would have brought | where values come from, I/O, the clock |
//! | [`portfolio`] | what is held and what it is worth | where prices come from, I/O, the clock |
//! | [`alert`] | when a rule fires: edges, cooldown, what it remembers | the clock, I/O, tokio |
//! | [`series`] | the values of functions over the candles of many markets | where candles come from, the clock, I/O |
//! | [`expression`] | the language of conditions and computed fields: grammar, types, three-valued logic | where values come from, I/O, the clock |
//! | [`candles`] | candles put together from trades or shorter ones | the clock, I/O, tokio |
//! | [`indicator`] | functions over candles | where candles come from, the clock, I/O |
//! | [`window`] | the newest trades and candles, in columns | what they are for, the clock, I/O |
//! | [`sanity`] | whether a price can be believed | the clock, I/O, tokio |
//! | [`duration`] | durations as people write them | the clock |
//! | [`model`] | events, decimals, times, names | clocks other than [`model::Clock`], I/O, tokio |
//!
//! The path of a trade: `exchange::driver` reads a frame and stamps the time of receipt, the exchange's adapter
//! decodes it into events, one engine task orders them and asks over REST for what is missing, and every
//! subscription takes them from a bounded queue of its own. What happens when that is full is the subscriber's
//! choice: [`engine::Delivery`].
//!
//! In a server that subscription is read by `server::pump` on the engine's thread, which keeps the newest values and
//! hands each batch to `server::hub`: an event is written once, and shared by the queues of all clients that want it.
//! Other threads write these out, so that no client can delay the feed.
//!
//! # Features
//!
//! `arrow`: [`window`]s as Arrow record batches.
//!
//! `desktop`: desktop notifications of alerts.
//!
//! `sim`: simulated exchanges, and a proxy that makes lines misbehave, on loopback or in virtual time, for tests.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

/// The README's example is a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub mod action;
pub mod alert;
pub mod app;
pub mod candles;
pub mod cli;
pub mod config;
pub mod duration;
pub mod engine;
pub mod exchange;
pub mod expression;
pub mod feed;
pub mod grade;
pub mod indicator;
pub mod model;
pub mod net;
pub mod portfolio;
pub mod sanity;
pub mod series;
pub mod server;
#[cfg(feature = "sim")]
pub mod sim;
pub mod sink;
pub mod store;
pub mod strategy;
pub mod symbols;
pub mod timeline;
pub mod window;
