//! Names of rooms: what a WebSocket client can join.

/// What is told in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Room {
    /// Tickers, as `price_update`.
    Prices,
    /// Trades.
    Trades,
    /// Candles.
    Candles,
    /// Order books.
    Book,
    /// The value of what is held.
    Portfolio,
    /// Alerts that fired.
    Alerts,
    /// What strategies say.
    Signals,
    /// The state of feeds.
    Status,
    /// Messages of a raw stream, as they came: `stream:NAME`.
    Raw,
}

impl Room {
    /// All that have one name, as `welcome` names them.
    pub const ALL: [Room; 8] = [
        Room::Prices,
        Room::Trades,
        Room::Candles,
        Room::Book,
        Room::Portfolio,
        Room::Alerts,
        Room::Signals,
        Room::Status,
    ];

    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Room::Prices => "prices",
            Room::Trades => "trades",
            Room::Candles => "candles",
            Room::Book => "book",
            Room::Portfolio => "portfolio",
            Room::Alerts => "alerts",
            Room::Signals => "signals",
            Room::Status => "status",
            Room::Raw => "stream",
        }
    }

    /// The room of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|room| room.name() == name)
    }

    /// The room of a name on the wire and the symbol that narrows it, as it was written: `prices`, `prices:BTC/USD`,
    /// `trades:kraken:BTC/USD`.
    pub fn parse(text: &str) -> Option<(Self, Option<&str>)> {
        match text.split_once(':') {
            None => Some((Self::named(text)?, None)),
            Some(("stream", name)) => Some((Room::Raw, Some(name))),
            Some((name, symbol)) => {
                let room = Self::named(name).filter(|room| room.is_of_symbols())?;
                Some((room, Some(symbol)))
            }
        }
    }

    /// Whether it can be narrowed to one symbol.
    pub fn is_of_symbols(self) -> bool {
        matches!(
            self,
            Room::Prices | Room::Trades | Room::Candles | Room::Book
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_of_symbols_can_be_narrowed_and_no_other() {
        assert_eq!(Room::parse("prices"), Some((Room::Prices, None)));
        let narrowed = Room::parse("trades:kraken:BTC/USD");
        assert_eq!(narrowed, Some((Room::Trades, Some("kraken:BTC/USD"))));
        for text in [
            "",
            "Prices",
            "price",
            ":",
            "alerts:BTC/USD",
            "status:",
            " prices",
        ] {
            assert_eq!(Room::parse(text), None, "{text:?}");
        }
    }
}
