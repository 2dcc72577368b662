//! What the targets that read an exchange's words have in common.

use std::sync::Arc;

use tickwire::exchange::binance::Binance;
use tickwire::exchange::coinbase::Coinbase;
use tickwire::exchange::kraken::Kraken;
use tickwire::exchange::{Adapter, Frame, Output};
use tickwire::feed::Topic;
use tickwire::model::{Event, Instrument, JsonWriter, Stream, Timestamp, parse_decimal};

const NOW: Timestamp = Timestamp::from_nanos(1_790_000_005_000_000_000);

/// The exchanges, each with an instrument that it knows.
pub fn venues() -> [(&'static dyn Adapter, Arc<Instrument>); 3] {
    let instrument = |adapter: &dyn Adapter, quote, native: &str, ws: &str| {
        let of = Instrument::new(adapter.exchange(), "BTC", quote, native);
        let ws = ws.into();
        Arc::new(Instrument { ws, ..of })
    };
    [
        (&Binance, instrument(&Binance, "USDT", "BTCUSDT", "btcusdt")),
        (&Coinbase, instrument(&Coinbase, "USD", "BTC-USD", "BTC-USD")),
        (&Kraken, instrument(&Kraken, "USD", "XXBTZUSD", "BTC/USD")),
    ]
}

/// Reads a line of frames on one connection of the venue with this number, and writes what they say.
pub fn frames(venue: usize, data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let (adapter, instrument) = venues()[venue].clone();
    let mut protocol = adapter.protocol();
    protocol.subscribe(&Stream::PLAIN.map(|stream| Topic {
        instrument: instrument.clone(),
        stream,
    }));
    // What an answer leaves behind decides what the next frame means.
    for text in text.split('\n') {
        let mut output = Output::default();
        let frame = Frame {
            text,
            received_at: NOW,
        };
        if protocol.decode(frame, &mut output).is_ok() {
            output.events.iter().for_each(write);
        }
    }
}

/// Reads an answer over REST to each question that could have been asked.
pub fn answers(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    for (adapter, instrument) in venues() {
        if let Ok(list) = adapter.read_instruments(text) {
            assert!(list.iter().all(|of| !of.native.is_empty()));
        }
        let of = [instrument];
        if let Ok(tickers) = adapter.read_tickers(text, &of, NOW) {
            for ticker in tickers {
                write(&Event::Ticker(Arc::new(ticker)));
            }
        }
        if let Ok(trades) = adapter.read_trades(text, &of[0], NOW) {
            trades.iter().for_each(|trade| write(&Event::Trade(*trade)));
        }
        let _ = adapter.read_error(text);
    }
}

/// What is told can be read again: the line is JSON, and its price has the same digits.
fn write(event: &Event) {
    let mut line = Vec::new();
    JsonWriter::default().write(event, &mut line);
    let line = std::str::from_utf8(&line).expect("lines are text");
    assert!(line.starts_with('{') && line.ends_with('}') && !line.contains('\n'));
    if let Event::Trade(trade) = event {
        let price = trade.price.to_string();
        assert!(line.contains(&format!("\"price\":{price},")), "{line}");
        assert_eq!(parse_decimal(&price), Ok(trade.price.decimal()), "{line}");
    }
}
