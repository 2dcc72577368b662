//! Cuts the bytes from an exchange into what a fault can hit, and says what a message is about.
use crate::sim::Stream;
use bytes::{Buf, Bytes, BytesMut};

/// Something that arrives whole or not at all.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// Nothing that a message fault concerns.
    Plain(Bytes),
    /// A whole WebSocket text frame with its text.
    Text { frame: Bytes, text: Bytes },
}

/// The bytes of one connection, in the order in which they come.
#[derive(Debug, Default)]
pub(super) struct Splitter {
    buffer: BytesMut,
    state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// The head of the first answer.
    #[default]
    Head,
    /// After an upgrade.
    Frames,
    /// Any other HTTP.
    Http,
}

impl Splitter {
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole unit.
    pub fn next(&mut self) -> Option<Unit> {
        match self.state {
            State::Head => {
                let end = self.buffer.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
                let head = self.buffer.split_to(end).freeze();
                self.state = match head.starts_with(b"HTTP/1.1 101 ") {
                    true => State::Frames,
                    false => State::Http,
                };
                Some(Unit::Plain(head))
            }
            State::Http => (!self.buffer.is_empty()).then(|| self.rest()),
            State::Frames => {
                let (head, payload) = frame_length(&self.buffer)?;
                let whole = head.checked_add(payload)?;
                if self.buffer.len() < whole {
                    return None;
                }
                let frame = self.buffer.split_to(whole).freeze();
                // the only frame of a text message, from a server: without a mask
                let is_text = frame[0] == 0x81 && frame[1] & 0x80 == 0;
                Some(match is_text {
                    true => Unit::Text {
                        text: frame.slice(head..),
                        frame,
                    },
                    false => Unit::Plain(frame),
                })
            }
        }
    }

    /// What is left: no whole unit comes any more.
    pub fn rest(&mut self) -> Unit {
        Unit::Plain(self.buffer.split().freeze())
    }
}

/// Lengths of a frame's head and payload, once the head is there.
fn frame_length(bytes: &[u8]) -> Option<(usize, usize)> {
    let (&second, mut rest) = (bytes.get(1)?, bytes.get(2..)?);
    let mask = if second & 0x80 == 0 { 0 } else { 4 };
    let (extended, payload) = match second & 0x7f {
        126 if rest.len() >= 2 => (2, u64::from(rest.get_u16())),
        127 if rest.len() >= 8 => (8, rest.get_u64()),
        126 | 127 => return None,
        short => (0, u64::from(short)),
    };
    Some((2 + extended + mask, usize::try_from(payload).ok()?))
}

/// The symbol that a message with market data is about, and its stream where it is a known one.
///
/// The symbol is in the form of [`squeezed`]. `None`: no market data.
pub(super) fn subject(text: &str) -> Option<(String, Option<Stream>)> {
    // answers to requests name symbols, too
    if text.contains("\"method\":\"") {
        return None;
    }
    let value = |key: &str| {
        let (_, rest) = text.split_once(key)?;
        rest.split('"').next()
    };
    // Binance, Coinbase, Kraken
    let (symbol, kind) = match value("\"stream\":\"") {
        Some(name) => name.split_once('@')?,
        None => match value("\"product_id\":\"") {
            Some(product) => (product, value("\"type\":\"")?),
            None => (value("\"symbol\":\"")?, value("\"channel\":\"")?),
        },
    };
    let stream = match kind {
        "trade" | "match" | "last_match" => Some(Stream::Trades),
        "ticker" | "bookTicker" | "ticker_batch" => Some(Stream::Ticker),
        "ohlc" => Some(Stream::Candles),
        kind if kind.starts_with("kline_") => Some(Stream::Candles),
        _ => None,
    };
    Some((squeezed(symbol), stream))
}

/// A symbol without what the exchanges' spellings differ in: `btcusd` for `BTC/USD` and `BTC-USD`.
pub(super) fn squeezed(symbol: &str) -> String {
    let letters = symbol.chars().filter(|c| c.is_alphanumeric());
    letters.flat_map(char::to_lowercase).collect()
}
