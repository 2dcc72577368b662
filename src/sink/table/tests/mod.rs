//! What is seen, painted into a buffer.

mod events;
mod holdings;
mod keys;
mod sizes;

use std::sync::Arc;

use crossterm::event::{Event as Input, KeyCode, KeyEvent, KeyModifiers};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier};

use super::{Action, TableState};
use crate::model::{
    Event, Exchange, Gap, GapReason, GapState, Market, Origin, Side, Status, StatusState, Stream,
    Ticker, Timestamp, Trade,
};

const KRAKEN: Exchange = Exchange::new("kraken");
const BINANCE: Exchange = Exchange::new("binance");

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(1_790_000_000_000 + millis).unwrap()
}

fn market(base: &str) -> Market {
    Market::new(KRAKEN, base, "USD")
}

fn ticker(market: Market, price: &str, bid: &str, ask: &str, millis: i64) -> Event {
    Event::Ticker(Arc::new(Ticker {
        price: price.parse().ok(),
        bid: bid.parse().ok(),
        ask: ask.parse().ok(),
        volume_24h: "1834.22871943".parse().ok(),
        change_percent_24h: Some("-0.5123".parse().unwrap()),
        timestamp: Some(at(millis)),
        ..Ticker::empty(market, at(millis))
    }))
}

fn trade(market: Market, id: u64, price: &str, side: Side, millis: i64) -> Event {
    Event::Trade(Trade {
        market,
        id,
        price: price.parse().unwrap(),
        size: "0.0150".parse().unwrap(),
        side,
        timestamp: at(millis),
        received_at: at(millis),
        origin: Origin::Stream,
        replayed: false,
        suspect: false,
    })
}

fn status(market: Option<Market>, state: StatusState, attempt: u32, reason: &str) -> Event {
    Event::Status(Arc::new(Status {
        exchange: KRAKEN,
        market,
        state,
        attempt,
        reason: (!reason.is_empty()).then(|| reason.to_owned()),
        stand_in: None,
        timestamp: at(2_000),
    }))
}

fn gap(market: Market, missing: Option<u64>) -> Event {
    Event::Gap(Arc::new(Gap {
        market,
        stream: Stream::Trades,
        from_id: None,
        to_id: None,
        from: None,
        to: None,
        missing,
        recovered: 0,
        state: GapState::Unrepairable,
        reason: GapReason::RepairOff,
    }))
}

fn tickers() -> TableState {
    let (btc, eth) = (market("BTC"), market("ETH"));
    let mut state = TableState::new(vec![btc, eth, btc], &[Stream::Ticker]);
    state.apply(&ticker(btc, "97123.4", "97123.3", "97123.50", 0), at(0));
    state.apply(&ticker(eth, "3456.780", "3456.77", "3456.79", 0), at(0));
    state.apply(
        &ticker(btc, "97125.40", "97123.3", "97125.50", 6_000),
        at(6_000),
    );
    state.apply(
        &ticker(eth, "3450.000", "3449.99", "3450.01", 6_000),
        at(6_000),
    );
    state
}

fn buffer(state: &mut TableState, width: u16, height: u16, millis: i64) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal
        .draw(|frame| state.render(frame.area(), frame.buffer_mut(), at(millis), true))
        .unwrap();
    terminal.backend().buffer().clone()
}

/// The screen's lines without the blanks at their ends.
fn screen(state: &mut TableState, width: u16, height: u16, millis: i64) -> Vec<String> {
    let buffer = buffer(state, width, height, millis);
    (buffer.content.chunks(width.into()))
        .map(|line| {
            let line: String = line.iter().map(|cell| cell.symbol()).collect();
            line.trim_end().to_owned()
        })
        .collect()
}

fn key(state: &mut TableState, code: KeyCode) -> Action {
    state.key(KeyEvent::new(code, KeyModifiers::NONE))
}
