//! One exchange's instruments, and the rules by which a text names one of them.

use std::collections::HashSet;
use std::sync::Arc;

use crate::feed::Traits;
use crate::model::{Exchange, Instrument, Timestamp};

/// Everything one exchange trades, at a moment.
///
/// ```
/// use tickwire::exchange::mock::Mock;
/// use tickwire::feed::Provider;
/// use tickwire::model::{Clock, SystemClock};
/// use tickwire::symbols::{Catalogue, Unresolved};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mock = Mock::default();
/// let list = mock.instruments().await?;
/// let catalogue = Catalogue::new(mock.exchange(), list, &mock.traits(), SystemClock.now());
///
/// for text in ["BTC/USD", "btc-usd", "BTCUSD", "btc"] {
///     assert_eq!(catalogue.resolve(text)?.market.symbol(), "BTC/USD");
/// }
/// let Err(Unresolved::Unknown { nearest, .. }) = catalogue.resolve("BTC/USF") else {
///     unreachable!("nothing is spelled like this");
/// };
/// assert_eq!(nearest[0], "BTC/USD");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Catalogue {
    exchange: Exchange,
    instruments: Vec<Arc<Instrument>>,
    quotes: Vec<String>,
    asset_aliases: &'static [(&'static str, &'static str)],
    /// When the list was fetched from the exchange.
    pub fetched_at: Timestamp,
}

/// Why a text names no instrument.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unresolved {
    /// Nothing is spelled like this.
    #[error("{exchange} has no symbol `{text}`")]
    Unknown {
        /// Where it was looked for.
        exchange: Exchange,
        /// What was asked.
        text: String,
        /// Symbols spelled nearly like it, nearest first.
        nearest: Vec<String>,
    },
    /// Several instruments are spelled like this.
    #[error("`{text}` can mean {} at {exchange}", matches.join(" or "))]
    Ambiguous {
        /// Where it was looked for.
        exchange: Exchange,
        /// What was asked.
        text: String,
        /// The symbols that it can mean.
        matches: Vec<String>,
    },
}

impl Catalogue {
    /// A catalogue of these. Of two instruments with the same symbol the first that trades is kept.
    pub fn new(
        exchange: Exchange,
        instruments: Vec<Instrument>,
        traits: &Traits,
        fetched_at: Timestamp,
    ) -> Self {
        let mut instruments: Vec<_> = instruments.into_iter().map(Arc::new).collect();
        instruments.sort_by_cached_key(|i| (i.market.symbol(), !i.status.is_live()));
        let mut seen = HashSet::new();
        instruments.retain(|i| seen.insert(i.market));
        Self {
            exchange,
            instruments,
            quotes: traits.quotes.clone(),
            asset_aliases: traits.asset_aliases,
            fetched_at,
        }
    }

    /// All instruments, sorted by symbol.
    pub fn instruments(&self) -> &[Arc<Instrument>] {
        &self.instruments
    }

    /// The instrument that `text` names, by the first rule under which it names one: the exchange's own
    /// names, `BASE/QUOTE` (also with `-` or `_`), `BASEQUOTE`, and last a bare base, which takes the first
    /// preferred quote that is traded. Case does not matter.
    ///
    /// Errors: [`Unresolved::Ambiguous`] where one rule finds several.
    pub fn resolve(&self, text: &str) -> Result<Arc<Instrument>, Unresolved> {
        let wanted = text.trim().to_uppercase();
        let rules: [&dyn Fn(&Instrument) -> bool; 3] = [
            &|i| self.is_native(i, &wanted),
            &|i| self.is_pair(i, &wanted),
            &|i| self.is_concatenated(i, &wanted),
        ];
        for rule in rules {
            let matches: Vec<_> = self.instruments.iter().filter(|i| rule(i)).collect();
            match matches[..] {
                [] => {}
                [one] => return Ok(one.clone()),
                _ => {
                    let matches = matches
                        .iter()
                        .map(|i| i.market.symbol().to_string())
                        .collect();
                    return Err(Unresolved::Ambiguous {
                        exchange: self.exchange,
                        text: text.trim().into(),
                        matches,
                    });
                }
            }
        }
        self.by_base(&wanted).ok_or_else(|| Unresolved::Unknown {
            exchange: self.exchange,
            text: text.trim().into(),
            nearest: self.nearest(&wanted),
        })
    }

    fn is_native(&self, instrument: &Instrument, wanted: &str) -> bool {
        let own = [&instrument.native, &instrument.ws];
        own.into_iter()
            .chain(&instrument.aliases)
            .any(|name| same(name, wanted))
    }

    fn is_pair(&self, instrument: &Instrument, wanted: &str) -> bool {
        let market = instrument.market;
        wanted
            .match_indices(['/', '-', '_'])
            .any(|(at, separator)| {
                let (base, quote) = (&wanted[..at], &wanted[at + separator.len()..]);
                self.is_asset(base, market.base()) && self.is_asset(quote, market.quote())
            })
    }

    fn is_concatenated(&self, instrument: &Instrument, wanted: &str) -> bool {
        let (base, quote) = (instrument.market.base(), instrument.market.quote());
        self.spellings(base).any(|base| {
            wanted
                .strip_prefix(base)
                .is_some_and(|rest| self.spellings(quote).any(|quote| quote == rest))
        })
    }

    /// The first preferred quote that trades; else any that trades; else any.
    fn by_base(&self, wanted: &str) -> Option<Arc<Instrument>> {
        let all: Vec<_> = self
            .instruments
            .iter()
            .filter(|i| self.is_asset(wanted, i.market.base()))
            .collect();
        let live: Vec<_> = all.iter().copied().filter(|i| i.status.is_live()).collect();
        let candidates = if live.is_empty() { all } else { live };
        let preferred = self.quotes.iter().find_map(|quote| {
            candidates
                .iter()
                .find(|i| self.is_asset(quote, i.market.quote()))
        });
        preferred.or(candidates.first()).map(|i| (*i).clone())
    }

    /// Whether `text` (in capitals) is this exchange's or everybody's name of the asset.
    pub fn is_asset(&self, text: &str, asset: &str) -> bool {
        self.spellings(asset).any(|spelling| spelling == text)
    }

    /// The common name of the asset that `text` (in capitals) names, where anything of it is listed. Everybody's name
    /// comes before this exchange's own.
    pub fn asset(&self, text: &str) -> Option<&'static str> {
        let markets = self.instruments.iter().map(|i| i.market);
        let assets = || {
            markets
                .clone()
                .flat_map(|market| [market.base(), market.quote()])
        };
        let named = assets().find(|asset| *asset == text);
        named.or_else(|| assets().find(|asset| self.is_asset(text, asset)))
    }

    fn spellings<'a>(&'a self, asset: &'a str) -> impl Iterator<Item = &'a str> {
        let own = self
            .asset_aliases
            .iter()
            .filter(move |(_, common)| *common == asset)
            .map(|(own, _)| *own);
        std::iter::once(asset).chain(own)
    }

    /// Up to three symbols that are spelled nearly like this.
    fn nearest(&self, wanted: &str) -> Vec<String> {
        let wanted = wanted.replace(['-', '_'], "/");
        let mut scored: Vec<(usize, &str)> = self
            .instruments
            .iter()
            .map(|instrument| {
                let market = instrument.market;
                let spelled = [
                    market.symbol().to_string(),
                    market.symbol().replace('/', ""),
                    market.base().to_string(),
                ];
                let distance = spelled
                    .iter()
                    .map(|s| strsim::damerau_levenshtein(s, &wanted))
                    .min();
                (distance.unwrap_or(usize::MAX), market.symbol())
            })
            .filter(|(distance, _)| *distance <= 1 + wanted.chars().count() / 4)
            .collect();
        scored.sort_by_key(|(distance, symbol)| (*distance, self.quote_rank(symbol), symbol.len()));
        scored
            .into_iter()
            .take(3)
            .map(|(_, symbol)| symbol.to_string())
            .collect()
    }

    fn quote_rank(&self, symbol: &str) -> usize {
        let quote = symbol.rsplit('/').next();
        self.quotes
            .iter()
            .position(|q| Some(q.as_str()) == quote)
            .unwrap_or(usize::MAX)
    }
}

/// `wanted` is in capitals already. Most names are ASCII, where comparing needs no copy.
fn same(name: &str, wanted: &str) -> bool {
    if name.is_ascii() {
        name.eq_ignore_ascii_case(wanted)
    } else {
        name.to_uppercase() == wanted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TradingStatus;
    use proptest::prelude::*;

    const KRAKEN: Exchange = Exchange::new("kraken");

    fn traits(quotes: &[&str]) -> Traits {
        Traits {
            quotes: quotes.iter().map(|q| q.to_string()).collect(),
            asset_aliases: &[("XBT", "BTC"), ("XDG", "DOGE")],
            contiguous_ids: true,
            can_wait: false,
            own_clock: false,
            invented: false,
            stream_fields: &[],
            rest_fields: &[],
            silence: None,
            candles: &[],
            empty_candles: false,
            list_source: None,
        }
    }

    fn instrument(base: &str, quote: &str, native: &str, aliases: &[&str]) -> Instrument {
        let mut instrument = Instrument::new(KRAKEN, base, quote, native);
        instrument.ws = format!("{base}/{quote}");
        instrument.aliases = aliases.iter().map(|a| a.to_string()).collect();
        instrument
    }

    fn kraken() -> Catalogue {
        let list = vec![
            instrument("BTC", "USD", "XXBTZUSD", &["XBTUSD", "XBT/USD"]),
            instrument("BTC", "EUR", "XXBTZEUR", &["XBTEUR", "XBT/EUR"]),
            instrument("ETH", "BTC", "XETHXXBT", &["ETHXBT", "ETH/XBT"]),
            instrument("DOGE", "USDT", "XDGUSDT", &["XDG/USDT"]),
            instrument("DOGE", "BTC", "XXDGXXBT", &["XDGXBT", "XDG/XBT"]),
            Instrument {
                status: TradingStatus::Halted,
                ..instrument("SOL", "USD", "SOLUSD", &[])
            },
            instrument("SOL", "GBP", "SOLGBP", &[]),
        ];
        Catalogue::new(
            KRAKEN,
            list,
            &traits(&["USD", "USDT"]),
            Timestamp::from_nanos(0),
        )
    }

    #[test]
    fn every_spelling_of_both_legs_is_understood() {
        for (text, symbol) in [
            ("BTC", "BTC/USD"),
            ("xbt", "BTC/USD"),
            ("btc-usd", "BTC/USD"),
            ("BTC_USD", "BTC/USD"),
            (" BTC/USD ", "BTC/USD"),
            ("BTCUSD", "BTC/USD"),
            ("XBT/USD", "BTC/USD"),
            ("xxbtzusd", "BTC/USD"),
            ("XBTEUR", "BTC/EUR"),
            ("ETH-XBT", "ETH/BTC"),
            ("ETHBTC", "ETH/BTC"),
            ("DOGEXBT", "DOGE/BTC"),
            ("XDG/BTC", "DOGE/BTC"),
            ("doge", "DOGE/USDT"),
            ("SOL", "SOL/GBP"),
        ] {
            assert_eq!(
                kraken().resolve(text).map(|i| i.market.symbol()),
                Ok(symbol),
                "{text}"
            );
        }
    }

    #[test]
    fn an_exchange_without_the_alias_keeps_its_own_asset_of_that_name() {
        let list = vec![
            Instrument::new(KRAKEN, "XBT", "USDT", "XBTUSDT"),
            Instrument::new(KRAKEN, "BTC", "USDT", "BTCUSDT"),
        ];
        let catalogue = Catalogue::new(
            KRAKEN,
            list,
            &Traits {
                asset_aliases: &[],
                ..traits(&["USDT"])
            },
            Timestamp::from_nanos(0),
        );
        assert_eq!(
            catalogue.resolve("XBT").map(|i| i.market.symbol()),
            Ok("XBT/USDT")
        );
        assert_eq!(
            catalogue.resolve("BTC/USDT").map(|i| i.market.symbol()),
            Ok("BTC/USDT")
        );
    }

    #[test]
    fn an_asset_goes_by_its_common_name() {
        for (text, asset) in [
            ("BTC", Some("BTC")),
            ("XBT", Some("BTC")),
            ("XDG", Some("DOGE")),
            ("USDT", Some("USDT")),
            ("NOSUCH", None),
            ("", None),
        ] {
            assert_eq!(kraken().asset(text), asset, "{text}");
        }
    }

    #[test]
    fn two_meanings_are_an_error_that_names_both() {
        let list = vec![
            instrument("AB", "CUSD", "n1", &[]),
            instrument("ABC", "USD", "n2", &[]),
        ];
        let catalogue = Catalogue::new(KRAKEN, list, &traits(&["USD"]), Timestamp::from_nanos(0));
        let error = catalogue.resolve("abcusd").unwrap_err();
        assert_eq!(
            error.to_string(),
            "`abcusd` can mean AB/CUSD or ABC/USD at kraken"
        );
    }

    #[test]
    fn an_unknown_symbol_brings_the_nearest_names() {
        let Err(Unresolved::Unknown { nearest, .. }) = kraken().resolve("BTX/USD") else {
            panic!()
        };
        assert_eq!(nearest[0], "BTC/USD");
        let Err(Unresolved::Unknown { nearest, .. }) = kraken().resolve("QQQQQQ") else {
            panic!()
        };
        assert_eq!(nearest, Vec::<String>::new());
    }

    #[test]
    fn no_text_panics_and_nothing_is_not_a_symbol() {
        for text in ["", "/", "-", "//", "é", "BTC/", "/USD"] {
            assert!(kraken().resolve(text).is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn canonical_to_native_to_canonical_is_the_identity(
            pairs in proptest::collection::hash_set(("[A-Z0-9]{1,6}", "[A-Z]{2,5}"), 1..30)
        ) {
            let list: Vec<_> = pairs
                .iter()
                .enumerate()
                // Natives that no other spelling can collide with, as the exchanges guarantee.
                .map(|(n, (base, quote))| instrument(base, quote, &format!("{base}.{n}.{quote}"), &[]))
                .collect();
            let catalogue = Catalogue::new(KRAKEN, list, &traits(&["USD"]), Timestamp::from_nanos(0));
            for instrument in catalogue.instruments() {
                let by_symbol = catalogue.resolve(instrument.market.symbol()).unwrap();
                let by_native = catalogue.resolve(&by_symbol.native).unwrap();
                prop_assert_eq!(by_native.market.symbol(), instrument.market.symbol());
            }
        }
    }
}
