//! Instrument lists on disk: one file per source, replaced as a whole, safe under concurrent processes.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::{Exchange, Instrument, Timestamp, TradingStatus, fnv1a_64, parse_decimal};

/// How long a list is used without asking again. Listings change a few times a week; a name that is not
/// in the list asks anew anyway.
pub const TIME_TO_LIVE: Duration = Duration::from_secs(6 * 3_600);
const VERSION: u32 = 1;

/// The folder of the lists.
#[derive(Debug, Clone)]
pub struct Cache {
    directory: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct File {
    version: u32,
    source: String,
    fetched_at: i64,
    instruments: Vec<Row>,
}

/// Decimals as text, so that their digits survive.
#[derive(Serialize, Deserialize)]
struct Row {
    base: String,
    quote: String,
    native: String,
    ws: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    aliases: Vec<String>,
    tick_size: Option<String>,
    lot_size: Option<String>,
    min_notional: Option<String>,
    status: TradingStatus,
    status_text: String,
}

impl Cache {
    /// Lists are kept in this folder, which is made when the first is written.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
        }
    }

    /// The list of this source and when it was fetched; `None` where there is none that can be used.
    pub fn read(&self, exchange: Exchange, source: &str) -> Option<(Vec<Instrument>, Timestamp)> {
        let file: File =
            serde_json::from_slice(&fs::read(self.path(exchange, source)).ok()?).ok()?;
        if file.version != VERSION || file.source != scheme_and_host(source) {
            return None;
        }
        let instruments = file
            .instruments
            .into_iter()
            .map(|row| row.into_instrument(exchange))
            .collect::<Option<_>>()?;
        Some((instruments, Timestamp::from_nanos(file.fetched_at)))
    }

    /// Replaces the list of this source. A reader sees the old file or the new one, never a part.
    ///
    /// Errors: the folder or the file cannot be written; nothing is changed then.
    pub fn write(
        &self,
        exchange: Exchange,
        source: &str,
        instruments: &[Instrument],
        now: Timestamp,
    ) -> std::io::Result<()> {
        let file = File {
            version: VERSION,
            source: scheme_and_host(source),
            fetched_at: now.nanos(),
            instruments: instruments.iter().map(Row::from).collect(),
        };
        fs::create_dir_all(&self.directory)?;
        let mut temporary = tempfile::NamedTempFile::new_in(&self.directory)?;
        temporary.write_all(&serde_json::to_vec(&file)?)?;
        temporary.persist(self.path(exchange, source))?;
        Ok(())
    }

    /// The folder.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The source is part of the name: a simulator's list must never be taken for the exchange's.
    fn path(&self, exchange: Exchange, source: &str) -> PathBuf {
        let hash = fnv1a_64(source.as_bytes());
        self.directory
            .join(format!("{}-{:016x}.json", exchange.name(), hash))
    }
}

/// What may be written down of an address: it can hold a password. The name of the file tells addresses
/// apart that differ in the rest.
fn scheme_and_host(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}")
}

impl From<&Instrument> for Row {
    fn from(i: &Instrument) -> Self {
        Self {
            base: i.market.base().into(),
            quote: i.market.quote().into(),
            native: i.native.clone(),
            ws: i.ws.clone(),
            aliases: i.aliases.clone(),
            tick_size: i.tick_size.map(|d| d.to_string()),
            lot_size: i.lot_size.map(|d| d.to_string()),
            min_notional: i
                .min_notional
                .map(|d| crate::model::Price::from(d).to_string()),
            status: i.status,
            status_text: i.status_text.clone(),
        }
    }
}

impl Row {
    fn into_instrument(self, exchange: Exchange) -> Option<Instrument> {
        let decimal = |text: Option<String>| text.map(|t| parse_decimal(&t)).transpose().ok();
        let mut instrument = Instrument::new(exchange, &self.base, &self.quote, self.native);
        instrument.ws = self.ws;
        instrument.aliases = self.aliases;
        instrument.tick_size = decimal(self.tick_size)?.map(Into::into);
        instrument.lot_size = decimal(self.lot_size)?.map(Into::into);
        instrument.min_notional = decimal(self.min_notional)?;
        instrument.status = self.status;
        instrument.status_text = self.status_text;
        Some(instrument)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXCHANGE: Exchange = Exchange::new("kraken");

    fn list() -> Vec<Instrument> {
        let mut instrument = Instrument::new(EXCHANGE, "BTC", "USD", "XXBTZUSD");
        instrument.tick_size = Some("0.10".parse().unwrap());
        instrument.min_notional = Some(parse_decimal("0.5").unwrap());
        instrument.status = TradingStatus::Halted;
        instrument.aliases = vec!["XBTUSD".into()];
        vec![instrument]
    }

    #[test]
    fn what_was_written_is_read_back_for_its_source_only() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::new(directory.path().join("deep/er"));
        cache
            .write(EXCHANGE, "http://one", &list(), Timestamp::from_nanos(7))
            .unwrap();
        assert_eq!(
            cache.read(EXCHANGE, "http://one"),
            Some((list(), Timestamp::from_nanos(7)))
        );
        assert_eq!(cache.read(EXCHANGE, "http://two"), None);
        assert_eq!(cache.read(EXCHANGE, "http://one/path"), None);
    }

    #[test]
    fn only_scheme_and_host_of_an_address_are_written_down() {
        for (url, written) in [
            ("http://host:80", "http://host:80"),
            ("https://user:pass@host/path?key=1", "https://host"),
        ] {
            assert_eq!(scheme_and_host(url), written);
        }
    }

    #[test]
    fn a_damaged_file_is_no_list() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::new(directory.path());
        cache
            .write(EXCHANGE, "s", &list(), Timestamp::from_nanos(7))
            .unwrap();
        let path = cache.path(EXCHANGE, "s");
        let whole = fs::read(&path).unwrap();
        for damaged in [&whole[..whole.len() / 2], b"", b"{}", b"[1,2]"] {
            fs::write(&path, damaged).unwrap();
            assert_eq!(cache.read(EXCHANGE, "s"), None);
        }
    }

    #[test]
    fn concurrent_writers_and_readers_never_see_a_part() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::new(directory.path());
        cache
            .write(EXCHANGE, "s", &list(), Timestamp::from_nanos(0))
            .unwrap();
        std::thread::scope(|scope| {
            for n in 0..4 {
                let cache = &cache;
                scope.spawn(move || {
                    for _ in 0..50 {
                        cache
                            .write(EXCHANGE, "s", &list(), Timestamp::from_nanos(n))
                            .unwrap();
                        assert_eq!(cache.read(EXCHANGE, "s").unwrap().0, list());
                    }
                });
            }
        });
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
