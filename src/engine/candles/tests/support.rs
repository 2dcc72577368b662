//! A bench for lanes: inputs with times in seconds, outputs as short lines.

use super::super::*;
use crate::feed::Span;
use crate::model::{Candle, Exchange, Interval, Market, Side, Timestamp};

const SECOND: u64 = 1_000_000_000;

pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_nanos(seconds * SECOND as i64)
}

pub fn span(from: i64, until: i64) -> Span {
    Span {
        from: at(from),
        until: at(until),
    }
}

pub fn btc() -> Market {
    Market::new(Exchange::new("test"), "BTC", "USD")
}

/// A closed minute: open, high, low, close, volume, trades.
pub fn row(open_time: i64, values: &str) -> Candle {
    let values: Vec<&str> = values.split(' ').collect();
    Candle {
        market: btc(),
        interval: Interval::M1,
        open_time: at(open_time),
        open: values[0].parse().unwrap(),
        high: values[1].parse().unwrap(),
        low: values[2].parse().unwrap(),
        close: values[3].parse().unwrap(),
        volume: values[4].parse().unwrap(),
        quote_volume: None,
        trades: Some(values[5].parse().unwrap()),
        closed: true,
        complete: true,
        origin: Origin::History,
        timestamp: None,
        received_at: at(open_time),
    }
}

pub fn rows(covers: Span, items: impl IntoIterator<Item = Candle>) -> Result<Rows, ProviderError> {
    Ok(Rows {
        covers: vec![covers],
        items: items.into_iter().collect(),
    })
}

/// A trade of one unit.
pub fn trade(id: u64, seconds: i64, price: &str) -> Trade {
    Trade {
        market: btc(),
        id,
        price: price.parse().unwrap(),
        size: "1".parse().unwrap(),
        side: Side::Buy,
        timestamp: at(seconds),
        received_at: at(seconds),
        origin: Origin::Stream,
        replayed: false,
        suspect: false,
    }
}

pub const KRAKEN: &[Interval] = &[Interval::M1, Interval::M5, Interval::H1, Interval::D1];

/// An exchange that streams these candles.
pub fn traits(candles: &'static [Interval], empty_candles: bool) -> Traits {
    Traits {
        quotes: Vec::new(),
        asset_aliases: &[],
        contiguous_ids: true,
        can_wait: false,
        own_clock: false,
        invented: false,
        stream_fields: &[],
        rest_fields: &[],
        silence: None,
        candles,
        empty_candles,
        list_source: None,
    }
}

/// Lanes, in a world in which the exchange's time and ours pass together.
pub struct Bench {
    pub candles: Candles,
    pub now: u64,
    /// How far the exchange's clock is ahead of ours.
    pub ahead: i64,
}

impl Bench {
    pub fn new(intervals: &[Interval], traits: &Traits) -> Self {
        let mut candles = Candles::default();
        for &interval in intervals {
            candles.add(btc(), interval, traits);
        }
        Self {
            candles,
            now: 0,
            ahead: 0,
        }
    }

    /// Takes these at this exchange's time, in one batch.
    pub fn take(&mut self, seconds: i64, events: impl IntoIterator<Item = Event>) -> String {
        self.go_to(seconds);
        self.candles
            .absorb(&mut events.into_iter().collect(), self.now);
        self.told()
    }

    pub fn trade(&mut self, id: u64, seconds: i64, price: &str) -> String {
        self.take(seconds, [Event::Trade(trade(id, seconds, price))])
    }

    /// A state of a minute, sent at this time.
    pub fn state(&mut self, seconds: i64, open_time: i64, values: &str) -> String {
        self.take(seconds, [state(seconds, open_time, values)])
    }

    pub fn lost(&mut self, interval: Interval) {
        let sign = Sign::Lost(vec![(btc(), Stream::Candles(interval))]);
        self.candles.on_sign(&sign, None, self.now);
    }

    fn go_to(&mut self, seconds: i64) {
        let now = (seconds - self.ahead) as u64 * SECOND;
        assert!(now >= self.now, "time goes on");
        self.now = now;
    }

    /// Time passes; what is due is done.
    pub fn pass(&mut self, seconds: i64) -> String {
        self.go_to(seconds);
        self.candles.on_timer(self.now);
        self.told()
    }

    /// Time passes until something is asked.
    pub fn asked(&mut self) -> Ask {
        for _ in 0..100 {
            if let Some(ask) = self.candles.take_asks().pop() {
                return ask;
            }
            let due = self.candles.deadline().expect("nothing is to be done");
            self.now = self.now.max(due);
            self.candles.on_timer(self.now);
        }
        panic!("nothing is asked");
    }

    /// The same, for rows: which.
    pub fn asked_rows(&mut self) -> (u64, Interval, Span) {
        match self.asked() {
            Ask::Rows {
                ticket,
                interval,
                span,
                ..
            } => (ticket, interval, span),
            other => panic!("{other:?}"),
        }
    }

    pub fn answer(&mut self, ticket: u64, answer: Result<Rows, ProviderError>) -> String {
        self.candles.on_rows(btc(), ticket, &answer, self.now);
        let told = self.told();
        self.candles.on_timer(self.now);
        assert_eq!(self.told(), "");
        told
    }

    /// Nothing is or will be asked, however long we wait.
    pub fn is_silent(&mut self) -> bool {
        self.candles.on_timer(self.now);
        let due = self.candles.deadline();
        self.candles.take_asks().is_empty() && due.is_none()
    }

    pub fn told(&mut self) -> String {
        let mut out = Vec::new();
        self.candles.take_ready(self.now, &mut out);
        show(&out)
    }
}

pub fn state(seconds: i64, open_time: i64, values: &str) -> Event {
    let (values, closed) = match values.strip_suffix('.') {
        Some(values) => (values, true),
        None => (values, false),
    };
    let mut candle = row(open_time, values);
    (candle.closed, candle.origin, candle.timestamp) = (closed, Origin::Stream, Some(at(seconds)));
    Event::Candle(candle.into())
}

/// Candles and gaps: `~` forms, `.` closed, `?` not complete, `+` repaired, `#` of another length than a minute.
pub fn show(events: &[Event]) -> String {
    let shown = events.iter().filter_map(|event| match event {
        Event::Candle(c) => Some(format!(
            "{}{}{}@{} {} {} {} {} {} {}{}",
            if c.interval == Interval::M1 {
                ""
            } else {
                c.interval.name()
            },
            if c.closed { "" } else { "~" },
            if c.origin == Origin::Repair { "+" } else { "" },
            c.open_time.nanos() / SECOND as i64,
            c.open,
            c.high,
            c.low,
            c.close,
            c.volume,
            c.trades.map_or("-".to_owned(), |trades| trades.to_string()),
            if c.complete { "" } else { "?" },
        )),
        Event::Gap(gap) if matches!(gap.stream, Stream::Candles(_)) => Some(format!(
            "[{}..{} {}/{} {} {}]",
            gap.from.unwrap().nanos() / SECOND as i64,
            gap.to.unwrap().nanos() / SECOND as i64,
            gap.recovered,
            gap.missing
                .map_or("?".to_owned(), |missing| missing.to_string()),
            gap.state.name(),
            gap.reason.name(),
        )),
        _ => None,
    });
    shown.collect::<Vec<_>>().join(", ")
}
