//! Event fields by name, for `--field`, csv, plain and tables.

use std::borrow::Cow;

use super::{Decimal, Event, Stream, Timestamp};

/// The value of one field of one event.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Not known, or this kind of event has no such field.
    Null,
    /// A number, as the exchange sent it or exactly derived.
    Number(Decimal),
    /// A word or a name.
    Text(Cow<'static, str>),
    /// A moment.
    Time(Timestamp),
    /// An answer, as that of a condition.
    YesNo(bool),
}

macro_rules! fields {
    ($($variant:ident $name:literal),* $(,)?) => {
        /// A field that can be asked for by name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Field {
            $(#[doc = concat!("`", $name, "`")] $variant),*
        }

        impl Field {
            /// Every field.
            pub const ALL: &'static [Field] = &[$(Field::$variant),*];

            /// The name in outputs and flags.
            pub fn name(self) -> &'static str {
                match self {
                    $(Field::$variant => $name),*
                }
            }
        }
    };
}

fields! {
    Type "type", Exchange "exchange", Symbol "symbol", Id "id", Price "price", Size "size", Side "side",
    Bid "bid", BidSize "bid_size", Ask "ask", AskSize "ask_size", Spread "spread", SpreadBps "spread_bps",
    Open24h "open_24h", High24h "high_24h", Low24h "low_24h", Volume24h "volume_24h",
    QuoteVolume24h "quote_volume_24h", Change24h "change_24h", ChangePercent24h "change_percent_24h",
    Timestamp "timestamp", ReceivedAt "received_at", Origin "origin", Age "age",
    Interval "interval", OpenTime "open_time", CloseTime "close_time", Open "open", High "high", Low "low",
    Close "close", Volume "volume", QuoteVolume "quote_volume", Trades "trades", Closed "closed",
    Complete "complete", Strategy "strategy",
}

use Field::*;

impl Field {
    /// The fields of an event of this stream, in the order of its JSON form.
    pub fn of(stream: Stream) -> &'static [Field] {
        match stream {
            Stream::Ticker => &[
                Type,
                Exchange,
                Symbol,
                Price,
                Bid,
                BidSize,
                Ask,
                AskSize,
                Spread,
                Open24h,
                High24h,
                Low24h,
                Volume24h,
                QuoteVolume24h,
                Change24h,
                ChangePercent24h,
                Timestamp,
                ReceivedAt,
            ],
            Stream::Trades => &[
                Type, Exchange, Symbol, Id, Price, Size, Side, Timestamp, ReceivedAt, Origin,
            ],
            Stream::Candles(_) => &[
                Type,
                Exchange,
                Symbol,
                Interval,
                OpenTime,
                CloseTime,
                Open,
                High,
                Low,
                Close,
                Volume,
                QuoteVolume,
                Trades,
                Closed,
                Complete,
                Origin,
            ],
        }
    }

    /// The columns of a signal.
    pub const SIGNAL: &'static [Field] = &[Strategy, Exchange, Symbol, Side, Price, Timestamp];

    /// The numbers of a ticker, the derived ones included.
    pub const TICKER_NUMBERS: &'static [Field] = &[
        Price,
        Bid,
        BidSize,
        Ask,
        AskSize,
        Spread,
        SpreadBps,
        Open24h,
        High24h,
        Low24h,
        Volume24h,
        QuoteVolume24h,
        Change24h,
        ChangePercent24h,
    ];

    /// The main columns of `plain` output for this stream.
    pub fn main(stream: Stream) -> &'static [Field] {
        match stream {
            Stream::Ticker => &[
                Exchange,
                Symbol,
                Price,
                Bid,
                Ask,
                ChangePercent24h,
                Volume24h,
                Timestamp,
            ],
            Stream::Trades => &[Exchange, Symbol, Id, Price, Size, Side, Timestamp],
            Stream::Candles(_) => &[
                Exchange, Symbol, Interval, OpenTime, Open, High, Low, Close, Volume, Closed,
            ],
        }
    }

    /// Whether events of this stream can have it.
    pub fn exists_in(self, stream: Stream) -> bool {
        self == Age
            || (self == SpreadBps && stream == Stream::Ticker)
            || (self == Price && stream.interval().is_some())
            || Self::of(stream).contains(&self)
    }

    /// The field with this name.
    pub fn named(name: &str) -> Option<Field> {
        Self::ALL.iter().copied().find(|field| field.name() == name)
    }

    /// The value in this event; `now` is for `age`, seconds since the value was confirmed to us.
    pub fn value(self, event: &Event, now: super::Timestamp) -> Value {
        let number = |value: Option<Decimal>| value.map_or(Value::Null, Value::Number);
        let time = |value: Option<super::Timestamp>| value.map_or(Value::Null, Value::Time);
        let common = match self {
            Type => Value::Text(event.kind().into()),
            Exchange => Value::Text(event.exchange().name().into()),
            Symbol => event
                .market()
                .map_or(Value::Null, |market| Value::Text(market.symbol().into())),
            ReceivedAt => time(event.received_at()),
            Age => number(event.received_at().map(|at| age(now, at))),
            _ => Value::Null,
        };
        if common != Value::Null {
            return common;
        }
        match event {
            Event::Ticker(t) => match self {
                Price => number(t.price.map(|p| p.decimal())),
                Bid => number(t.bid.map(|p| p.decimal())),
                BidSize => number(t.bid_size.map(|q| q.decimal())),
                Ask => number(t.ask.map(|p| p.decimal())),
                AskSize => number(t.ask_size.map(|q| q.decimal())),
                Spread => number(t.spread()),
                SpreadBps => number(t.spread_bps()),
                Open24h => number(t.open_24h.map(|p| p.decimal())),
                High24h => number(t.high_24h.map(|p| p.decimal())),
                Low24h => number(t.low_24h.map(|p| p.decimal())),
                Volume24h => number(t.volume_24h.map(|q| q.decimal())),
                QuoteVolume24h => number(t.quote_volume_24h.map(|q| q.decimal())),
                Change24h => number(t.change_24h),
                ChangePercent24h => number(t.change_percent_24h),
                Timestamp => time(t.timestamp),
                _ => Value::Null,
            },
            Event::Trade(t) => match self {
                Id => Value::Text(t.id.to_string().into()),
                Price => Value::Number(t.price.decimal()),
                Size => Value::Number(t.size.decimal()),
                Side => Value::Text(t.side.name().into()),
                Timestamp => Value::Time(t.timestamp),
                Origin => Value::Text(t.origin.name().into()),
                _ => Value::Null,
            },
            Event::Candle(c) => match self {
                Interval => Value::Text(c.interval.name().into()),
                OpenTime => Value::Time(c.open_time),
                CloseTime => Value::Time(c.close_time()),
                Open => Value::Number(c.open.decimal()),
                High => Value::Number(c.high.decimal()),
                Low => Value::Number(c.low.decimal()),
                Close | Price => Value::Number(c.close.decimal()),
                Volume => Value::Number(c.volume.decimal()),
                QuoteVolume => number(c.quote_volume.map(|q| q.decimal())),
                Trades => number(c.trades.map(Decimal::from)),
                Closed => Value::YesNo(c.closed),
                Complete => Value::YesNo(c.complete),
                Origin => Value::Text(c.origin.name().into()),
                _ => Value::Null,
            },
            Event::Signal(s) => match self {
                Strategy => Value::Text(s.strategy.clone().into()),
                Price => number(s.price.map(|p| p.decimal())),
                Side => Value::Text(s.side.name().into()),
                Timestamp => Value::Time(s.timestamp),
                _ => Value::Null,
            },
            Event::Gap(_) | Event::Status(_) => Value::Null,
        }
    }
}

/// Seconds with three decimals, never negative.
fn age(now: super::Timestamp, at: super::Timestamp) -> Decimal {
    Decimal::new(
        (now.nanos().saturating_sub(at.nanos())).max(0) / 1_000_000,
        3,
    )
}

#[cfg(test)]
mod tests {
    use super::super::{Exchange as Venue, JsonWriter, Market, Ticker, Timestamp as Time};
    use super::*;

    #[test]
    fn the_fields_of_a_ticker_are_the_keys_of_its_json() {
        let event = Event::Ticker(std::sync::Arc::new(Ticker::empty(
            Market::new(Venue::new("x"), "A", "B"),
            Time::from_nanos(0),
        )));
        let (mut whole, mut by_field) = (Vec::new(), Vec::new());
        JsonWriter::default().write(&event, &mut whole);
        JsonWriter::default().write_fields(
            &event,
            Field::of(Stream::Ticker),
            Time::from_nanos(0),
            &mut by_field,
        );
        assert_eq!(String::from_utf8(whole), String::from_utf8(by_field));
    }

    #[test]
    fn every_name_leads_back_to_its_field() {
        for field in Field::ALL {
            assert_eq!(Field::named(field.name()), Some(*field));
        }
        assert_eq!(Field::named("prise"), None);
    }
}
