mod answers;
mod model;
mod programs;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::answer::{Glimpse, Known};
use super::lines::{LINE_MAX, Line, Lines};
use super::*;
use crate::cli::exit::Exit;
use crate::cli::notices::Notices;
use crate::model::{
    Candle, Event, Exchange, Market, Origin, Price, Qty, Signal, SignalSide, Timestamp, Value,
};
use crate::strategy::Definition;

const MINUTE: i64 = 60_000_000_000;
/// Long past what any of this takes.
const PATIENCE: Duration = Duration::from_secs(60);

const NOTICES: Notices = Notices {
    json: false,
    quiet: true,
};

fn market(exchange: &'static str) -> Market {
    Market::new(Exchange::new(exchange), "BTC", "USD")
}

/// The candle of this minute, closed.
fn candle(market: Market, minute: i64, close: &str) -> Event {
    let close: Price = close.parse().unwrap();
    Event::Candle(Arc::new(Candle {
        market,
        interval: Interval::M1,
        open_time: Timestamp::from_nanos(minute * MINUTE),
        open: close,
        high: close,
        low: close,
        close,
        volume: "1".parse::<Qty>().unwrap(),
        quote_volume: None,
        trades: None,
        closed: true,
        complete: true,
        origin: Origin::History,
        timestamp: None,
        received_at: Timestamp::from_nanos(0),
    }))
}

fn minute(minute: i64) -> Timestamp {
    Timestamp::from_nanos(minute * MINUTE)
}

/// A strategy that this command decides.
fn decided_by(command: &[&str]) -> Strategy {
    let command = command.iter().map(|word| (*word).to_owned()).collect();
    let defined = BTreeMap::from([("mine".to_owned(), Definition::Program(command))]);
    Strategy::parse("mine", Interval::M1, &defined).unwrap()
}

fn started(command: &[&str], pace: Pace) -> Program {
    let program = Program::start(&decided_by(command), &[market("kraken")], pace, NOTICES);
    program.unwrap().expect("a program decides")
}

/// Sends all of these as over history; what it says meanwhile and at the end.
async fn through(mut program: Program, events: &[Event]) -> (Vec<Signal>, Result<(), CliError>) {
    let mut signals = Vec::new();
    let all = async {
        for event in events {
            while let Some(signal) = program.room().await {
                signals.push(signal);
            }
            program.send(event);
        }
        program.finish(|signal| signals.push(signal)).await
    };
    let ended = tokio::time::timeout(PATIENCE, all).await;
    let ended = ended.expect("it ends");
    (signals, ended)
}
