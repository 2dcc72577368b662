//! Frames in, JSON lines out.

use std::sync::Arc;

use crate::exchange::protocol::{Adapter, Frame, Output, Protocol, Reply};
use crate::feed::{Topic, Traits};
use crate::model::{Clock, Event, Instrument, JsonWriter, Stream, Ticker, Timestamp, Trade};
use crate::symbols::Catalogue;

/// `2026-09-21T14:13:25Z`, when everything is received here.
pub const NOW: Timestamp = Timestamp::from_nanos(1_790_000_005_000_000_000);
pub const NOW_JSON: &str = r#""received_at":"2026-09-21T14:13:25.000000Z""#;

/// A fixture of this exchange.
macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("../../../tests/fixtures/", $name, ".json"))
    };
}
pub(super) use fixture;

pub fn line(event: &Event) -> String {
    let mut out = Vec::new();
    JsonWriter::default().write(event, &mut out);
    String::from_utf8(out).unwrap().trim_end().to_owned()
}

pub fn ticker_line(ticker: &Ticker) -> String {
    line(&Event::Ticker(Arc::new(ticker.clone())))
}

pub fn trade_lines(trades: &[Trade]) -> Vec<String> {
    trades.iter().map(|t| line(&Event::Trade(*t))).collect()
}

pub fn lines(output: &Output) -> Vec<String> {
    output.events.iter().map(line).collect()
}

/// Decodes one frame; of a bad one only the error is left.
pub fn decode(protocol: &mut dyn Protocol, text: &str) -> Result<Output, String> {
    let mut output = Output::default();
    let frame = Frame {
        text,
        received_at: NOW,
    };
    protocol
        .decode(frame, &mut output)
        .map(|()| output)
        .map_err(|error| error.to_string())
}

/// What a good frame was decoded into.
pub fn good(protocol: &mut dyn Protocol, text: &str) -> Output {
    decode(protocol, text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

pub fn replies(protocol: &mut dyn Protocol, text: &str) -> Vec<Reply> {
    good(protocol, text).replies
}

/// Passed over, and counted as such.
pub fn is_ignored(protocol: &mut dyn Protocol, text: &str) -> bool {
    let output = good(protocol, text);
    output.events.is_empty() && output.replies.is_empty() && output.ignored > 0
}

pub fn topics(of: &[Arc<Instrument>]) -> Vec<Topic> {
    of.iter()
        .flat_map(|instrument| {
            Stream::PLAIN.map(|stream| Topic {
                instrument: instrument.clone(),
                stream,
            })
        })
        .collect()
}

pub fn topic(instrument: &Arc<Instrument>, stream: Stream) -> Topic {
    let instrument = instrument.clone();
    Topic { instrument, stream }
}

/// A protocol that has asked for both streams of these.
pub fn subscribed(adapter: &dyn Adapter, of: &[Arc<Instrument>]) -> Box<dyn Protocol> {
    let mut protocol = adapter.protocol();
    protocol.subscribe(&topics(of));
    protocol
}

pub fn catalogue(adapter: &dyn Adapter, list: Vec<Instrument>) -> Catalogue {
    let profile = adapter.profile();
    let traits = Traits {
        quotes: profile.quotes.iter().map(|q| q.to_string()).collect(),
        asset_aliases: profile.asset_aliases,
        contiguous_ids: profile.contiguous_ids,
        can_wait: false,
        own_clock: false,
        invented: false,
        stream_fields: profile.stream_fields,
        rest_fields: profile.rest_fields,
        silence: None,
        candles: &[],
        empty_candles: false,
        list_source: None,
    };
    Catalogue::new(adapter.exchange(), list, &traits, NOW)
}

/// Canonical to native to canonical, and by every other name that the exchange has for it.
pub fn is_identity(catalogue: &Catalogue) {
    for instrument in catalogue.instruments() {
        let symbol = instrument.market.symbol();
        let by_symbol = catalogue.resolve(symbol).unwrap();
        assert_eq!(by_symbol.market.symbol(), symbol);
        let own = [&instrument.native, &instrument.ws];
        for name in own.into_iter().chain(&instrument.aliases) {
            let by_name = catalogue.resolve(name).unwrap();
            assert_eq!(by_name.market.symbol(), symbol, "{name}");
        }
    }
}

/// The columns of an instrument list that matter.
pub fn row(instrument: &Instrument) -> String {
    let show = |value: Option<String>| value.unwrap_or("-".into());
    format!(
        "{} {} {} [{}] {} {} {} {} {}",
        instrument.market.symbol(),
        instrument.native,
        instrument.ws,
        instrument.aliases.join(" "),
        show(instrument.tick_size.map(|n| n.to_string())),
        show(instrument.lot_size.map(|n| n.to_string())),
        show(instrument.min_notional.map(|n| n.to_string())),
        instrument.status.name(),
        instrument.status_text,
    )
}

/// A wall clock that follows tokio's time, so that it can be paused, too.
pub struct TokioClock(tokio::time::Instant);

impl TokioClock {
    pub fn start() -> Arc<Self> {
        Arc::new(Self(tokio::time::Instant::now()))
    }

    pub fn started(&self) -> tokio::time::Instant {
        self.0
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        let passed = self.0.elapsed().as_nanos();
        NOW.plus_nanos(i64::try_from(passed).unwrap())
    }
}
